"""One video to one verdict; its table, JSON, page and annotated copy all show that one result."""

from gaitlib.predict.verdict import Verdict, judge_files, judge_video
