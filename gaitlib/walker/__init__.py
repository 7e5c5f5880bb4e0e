"""The walker in a video: keypoints, or silhouettes where nobody can be recognised; walking or not."""

from gaitlib.walker.finding import WalkerFinder, why_nobody
from gaitlib.walker.keypoints import KEYPOINT_NAMES, MIRRORED, SKELETON_EDGES, Keypoints
from gaitlib.walker.track import WalkerTrack
from gaitlib.walker.weights import ensure_weights, has_weights, weights_dir, weights_problem

__all__ = [
    "KEYPOINT_NAMES",
    "MIRRORED",
    "SKELETON_EDGES",
    "Keypoints",
    "WalkerFinder",
    "WalkerTrack",
    "ensure_weights",
    "has_weights",
    "weights_dir",
    "weights_problem",
    "why_nobody",
]
