"""One cache entry a video: track, keypoints, frames; walking bouts, and the clips that networks read."""

from gaitlib.clips.bouts import Bout
from gaitlib.clips.preparing import PreparedVideo, prepare_video, prepare_videos, recognises_person
from gaitlib.clips.sets import (
    ClipSet,
    evaluation_batches,
    find_clips,
    make_clip_set,
    training_batches,
)
from gaitlib.clips.skeleton import draw_sequence, keypoint_sequence

__all__ = [
    "Bout",
    "ClipSet",
    "PreparedVideo",
    "draw_sequence",
    "evaluation_batches",
    "find_clips",
    "keypoint_sequence",
    "make_clip_set",
    "prepare_video",
    "prepare_videos",
    "recognises_person",
    "training_batches",
]
