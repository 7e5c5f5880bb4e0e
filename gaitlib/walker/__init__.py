"""The walker in a video: keypoints, or silhouettes where nobody can be recognised; walking or not."""

from gaitlib.walker.blazepose import ensure_weights, weights_dir, weights_problem
from gaitlib.walker.finding import WalkerFinder, WalkerTrack, cut_frames
from gaitlib.walker.keypoints import KEYPOINT_NAMES, MIRRORED, POSE_ARRAYS, SKELETON_EDGES, Keypoints
from gaitlib.walker.silhouettes import SHAPE_NAMES, measure_shapes
from gaitlib.walker.walking import BODY_SHARE, path_speed, steady
