"""Synthetic walkers: videos of people who do not exist, so that everything runs offline at once.

`make_demo` writes the videos, ``truth.csv`` holds every parameter behind them, and `render_video` paints
one again from its row.
"""

from gaitlib.demo.dataset import DEMO_VERSION, TRUTH_NAME, make_demo, read_truth, sample_truth
from gaitlib.demo.kinematics import WalkParameters, pose_walker
from gaitlib.demo.rendering import SYNTHETIC_COMMENT, render_video, write_video
