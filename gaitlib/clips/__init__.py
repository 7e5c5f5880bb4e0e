"""One cache entry a video: track, keypoints, frames; walking bouts, and the clips that networks read."""

from gaitlib.clips.bouts import Bout
from gaitlib.clips.cluster import run_many
from gaitlib.clips.preparing import PreparedVideo, prepare_video, prepare_videos, recognises_person
from gaitlib.clips.sets import ClipSet, evaluation_batches, find_clips, make_clip_set, training_batches
from gaitlib.clips.skeleton import draw_sequence, keypoint_sequence
