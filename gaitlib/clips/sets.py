"""Clips for training and evaluation, read from the cache as they are needed.

Memory stays flat as the data grows: a table of the rows of each clip is all that is held.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np

from gaitlib.clips.bouts import bout_of, find_clips, walk_on
from gaitlib.clips.prepared import PreparedVideo
from gaitlib.clips.skeleton import draw_sequence, vary_sequence
from gaitlib.config import RunConfig

# Emotion changes the tempo: it may vary by less than people differ, or sad walks would look neutral.
_MAX_TEMPO = 0.05
# How far a varied clip may begin before or after its place, in clip lengths.
_MAX_SHIFT = 0.25
# Share of the square's side by which a walker must move within a clip to go left.
_MIN_SIDE_STEP = 0.1


@dataclass(frozen=True)
class ClipSet:
    """Clips of several videos.

    `labels` (num_videos,) and soft `targets` (num_videos, num_classes) belong to `videos`. Of each clip,
    `video_numbers` tells the video and `rows` (num_clips, num_frames) the rows of its track; those of
    `is_mirrored` are mirrored, so that all walkers go right. `frame_shape` is frame size and channels.
    Where walks are judged relative to the walker, `reference_videos` gives for each video the places in
    ``references.videos`` of those that it is compared with.
    """

    videos: tuple[PreparedVideo, ...]
    labels: np.ndarray
    video_numbers: np.ndarray
    rows: np.ndarray
    is_mirrored: np.ndarray
    frame_shape: tuple[int, int]
    targets: np.ndarray | None = None
    references: "ClipSet | None" = None
    reference_videos: tuple[np.ndarray, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def chosen(self, numbers: np.ndarray) -> Self:
        """Return some of the clips, of the same videos."""
        rows, videos, mirrored = (part[numbers] for part in (self.rows, self.video_numbers, self.is_mirrored))
        return replace(self, rows=rows, video_numbers=videos, is_mirrored=mirrored)

    def read(self, clip: int) -> np.ndarray:
        """Return a clip, shape (num_frames, frame_size, frame_size, num_channels), uint8."""
        return self._frames(clip, self.rows[clip])

    def read_keypoints(self, clip: int, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return a clip as `keypoint_sequence` gives it, shape (num_frames, 33, 3); varied by a generator."""
        sequence = self._video(clip).sequence
        if rng is None:
            return sequence[self.rows[clip]]
        walk, places = self._moments(clip, rng)
        lower, share = places.astype(int), (places % 1)[:, None, None]
        upper = np.minimum(lower + 1, len(walk) - 1)
        return vary_sequence((1 - share) * sequence[walk[lower]] + share * sequence[walk[upper]], rng)

    def read_varied(self, clip: int, rng: np.random.Generator) -> np.ndarray:
        """Return a clip with a little of what may differ between two takes of the same walk.

        Moment, tempo, size, view and light vary; what the person does, does not. Frames from before and
        after the clip come in, as far as the same bout reaches.
        """
        if self._video(clip).meta["crop"] == "skeleton":
            return draw_sequence(self.read_keypoints(clip, rng), *self.frame_shape)
        walk, places = self._moments(clip, rng)
        return vary_frames(self._frames(clip, walk[places.round().astype(int)]), rng)

    def _moments(self, clip: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of a walk and the places in it, between rows too, that a varied clip shows."""
        rows, video = self.rows[clip], self._video(clip)
        bout = bout_of(video, int(rows[0]))
        walk = walk_on(video, bout, len(rows) if len(bout) >= len(rows) else 2 * len(rows))
        length = min(rng.uniform(1 - _MAX_TEMPO, 1 + _MAX_TEMPO) * (len(rows) - 1), len(walk) - 1)
        first = rows[0] - bout.first_row + rng.uniform(-_MAX_SHIFT, _MAX_SHIFT) * len(rows)
        return walk, np.clip(first, 0, len(walk) - 1 - length) + np.linspace(0, length, len(rows))

    def _frames(self, clip: int, rows: np.ndarray) -> np.ndarray:
        frames = self._video(clip).read(rows, *self.frame_shape)
        return frames[:, :, ::-1] if self.is_mirrored[clip] else frames

    def _video(self, clip: int) -> PreparedVideo:
        return self.videos[self.video_numbers[clip]]


def make_clip_set(
    videos: Sequence[PreparedVideo],
    labels: np.ndarray,
    config: RunConfig,
    targets: np.ndarray | None = None,
) -> ClipSet:
    """List the clips of videos, with `labels` (num_videos,) and soft `targets` (num_videos, num_classes)."""
    rows = [find_clips(video, config) for video in videos]
    turns = config.face_right and config.crop in ("silhouette", "square")
    mirrored = [_goes_left(*pair) & turns for pair in zip(videos, rows, strict=True)]
    return ClipSet(
        videos=tuple(videos),
        labels=np.asarray(labels, int),
        video_numbers=np.repeat(np.arange(len(videos)), [len(part) for part in rows]),
        rows=np.concatenate([np.zeros((0, config.num_frames), int), *rows]),
        is_mirrored=np.concatenate([np.zeros(0, bool), *mirrored]),
        frame_shape=(config.frame_size, config.num_channels),
        targets=targets,
    )


def _goes_left(video: PreparedVideo, rows: np.ndarray) -> np.ndarray:
    """Say for each clip whether the walker goes left; who comes towards the camera goes neither way."""
    x, side = (video.track[name].to_numpy() for name in ("square_x", "square_side"))
    first, last = rows.min(axis=1), rows.max(axis=1)
    return (x[last] - x[first]) / side[first] < -_MIN_SIDE_STEP


def vary_frames(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift, scale, slant and relight all frames of a clip, (num_frames, size, size, channels), alike."""
    size = frames.shape[1]
    width, height = rng.uniform(0.87, 1.13) * np.array([1.0, rng.uniform(0.95, 1.05)])
    linear = np.array([[width, rng.uniform(-0.06, 0.06)], [0, height]])
    centre = np.full(2, (size - 1) / 2)
    matrix = np.column_stack([linear, centre + rng.uniform(-0.06, 0.06, 2) * size - linear @ centre])
    light = np.clip(np.arange(256) * rng.uniform(0.65, 1.45), 0, 255).round().astype(np.uint8)
    warped = [
        cv2.warpAffine(frame, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE) for frame in frames
    ]
    return light[np.stack(warped).reshape(frames.shape)]
