"""Synthetic walkers: videos of people who do not exist, so that everything runs offline at once.

Nothing here is recorded from a person. `make_demo` writes the videos, `truth.csv` tells every
parameter behind them, and `render_video` paints one again from its row.
"""

from gaitlib.demo.dataset import (
    DEMO_VERSION,
    SYNTHETIC_COMMENT,
    DemoOptions,
    DemoSummary,
    make_demo,
)
from gaitlib.demo.folders import DemoError
from gaitlib.demo.parameters import EMOTIONS, WalkParameters
from gaitlib.demo.rendering import render_video
from gaitlib.demo.scene import SceneParameters
from gaitlib.demo.sheet import contact_sheet
from gaitlib.demo.truth import read_truth, sample_truth

__all__ = [
    "DEMO_VERSION",
    "EMOTIONS",
    "SYNTHETIC_COMMENT",
    "DemoError",
    "DemoOptions",
    "DemoSummary",
    "SceneParameters",
    "WalkParameters",
    "contact_sheet",
    "make_demo",
    "read_truth",
    "render_video",
    "sample_truth",
]
