"""One video to one verdict; its table, JSON, page and annotated copy all show that one result."""

from gaitlib.predict.verdict import Verdict, judge_files, judge_video
from gaitlib.predict.writing import (
    about_model,
    describe_verdicts,
    draw_walker,
    plot_walk,
    verdict_table,
    write_annotated,
    write_keypoints,
    write_page,
    write_verdicts,
)
