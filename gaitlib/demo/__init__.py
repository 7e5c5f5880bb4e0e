"""Synthetic walkers: videos of people who do not exist, so that everything runs offline at once.

`make_demo` writes the videos, ``truth.csv`` holds every parameter behind them, and `render_video` paints
one again from its row.
"""

from gaitlib.demo.dataset import DEMO_VERSION, SYNTHETIC_COMMENT, DemoSummary, make_demo, write_video
from gaitlib.demo.parameters import EMOTIONS, WalkParameters
from gaitlib.demo.rendering import contact_sheet, render_video
from gaitlib.demo.scene import SceneParameters
from gaitlib.demo.truth import TRUTH_NAME, read_truth, sample_truth

__all__ = [
    "DEMO_VERSION",
    "EMOTIONS",
    "SYNTHETIC_COMMENT",
    "TRUTH_NAME",
    "DemoSummary",
    "SceneParameters",
    "WalkParameters",
    "contact_sheet",
    "make_demo",
    "read_truth",
    "render_video",
    "sample_truth",
    "write_video",
]
