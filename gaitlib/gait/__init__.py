"""Gait features in physical terms: cadence, speed, bounce, lean and more, from the silhouette alone."""

from gaitlib.gait.box import box_features
from gaitlib.gait.classifiers import make_gait_forest, make_gait_logistic
from gaitlib.gait.features import GAIT_FEATURES
from gaitlib.gait.measuring import gait_features, measure_gait, measure_track
from gaitlib.gait.motion import MOTION_FEATURES, motion_features
from gaitlib.gait.truth import compare_with_truth, pair_with_truth

__all__ = [
    "GAIT_FEATURES",
    "MOTION_FEATURES",
    "box_features",
    "compare_with_truth",
    "gait_features",
    "make_gait_forest",
    "make_gait_logistic",
    "measure_gait",
    "measure_track",
    "motion_features",
    "pair_with_truth",
]
