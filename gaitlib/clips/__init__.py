"""One cache entry a video: track, keypoints, frames; walking bouts, and the clips that networks read."""

from gaitlib.clips.batches import evaluation_batches, training_batches
from gaitlib.clips.bouts import continuation_note, find_clips
from gaitlib.clips.prepared import Bout, PreparedVideo
from gaitlib.clips.preparing import prepare_video, prepare_videos, recognises_person
from gaitlib.clips.sets import ClipSet, make_clip_set
from gaitlib.clips.skeleton import draw_skeleton, keypoint_sequence, vary_sequence

__all__ = [
    "Bout",
    "ClipSet",
    "PreparedVideo",
    "continuation_note",
    "draw_skeleton",
    "evaluation_batches",
    "find_clips",
    "keypoint_sequence",
    "make_clip_set",
    "prepare_video",
    "prepare_videos",
    "recognises_person",
    "training_batches",
    "vary_sequence",
]
