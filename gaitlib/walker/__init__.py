"""The walker in a video: keypoints, or silhouettes where nobody can be recognised; walking or not."""

from gaitlib.walker.crops import cut_frames
from gaitlib.walker.finding import WalkerFinder, why_nobody
from gaitlib.walker.keypoints import KEYPOINT_NAMES, MIRRORED, SKELETON_EDGES, Keypoints
from gaitlib.walker.shape import SHAPE_NAMES, measure_shapes
from gaitlib.walker.silhouettes import BODY_SHARE, path_speed
from gaitlib.walker.track import WalkerTrack
from gaitlib.walker.weights import ensure_weights, has_weights, weights_dir, weights_problem

__all__ = [
    "BODY_SHARE",
    "KEYPOINT_NAMES",
    "MIRRORED",
    "SHAPE_NAMES",
    "SKELETON_EDGES",
    "Keypoints",
    "WalkerFinder",
    "WalkerTrack",
    "cut_frames",
    "ensure_weights",
    "has_weights",
    "measure_shapes",
    "path_speed",
    "weights_dir",
    "weights_problem",
    "why_nobody",
]
