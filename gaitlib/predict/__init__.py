"""One video to one verdict; its table, JSON, page and annotated copy all show that one result."""

from gaitlib.predict.annotating import draw_skeleton_over, write_annotated
from gaitlib.predict.page import plot_walk, write_page
from gaitlib.predict.verdict import Moment, Verdict, judge_files, judge_video
from gaitlib.predict.writing import about_model, describe_verdicts, write_keypoints, write_verdicts

__all__ = [
    "Moment",
    "Verdict",
    "about_model",
    "describe_verdicts",
    "draw_skeleton_over",
    "judge_files",
    "judge_video",
    "plot_walk",
    "write_annotated",
    "write_keypoints",
    "write_page",
    "write_verdicts",
]
