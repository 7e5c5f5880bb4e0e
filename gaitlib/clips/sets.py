"""Clips cut from walking bouts, read from the cache as they are needed, and their batches as `tf.data`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from gaitlib.clips.bouts import Bout
from gaitlib.clips.preparing import PreparedVideo
from gaitlib.clips.skeleton import draw_sequence, vary_sequence
from gaitlib.config import RunConfig

if TYPE_CHECKING:
    import tensorflow as tf

# A walk is continued from where it was a stride ago, of a fast walker at least.
_MIN_ROUND_SECONDS = 0.7
# Emotion changes the tempo: it may vary by less than people differ, or sad walks would look neutral. A varied
# clip begins at most so many clip lengths before or after its place.
_MAX_TEMPO, _MAX_SHIFT = 0.05, 0.25


def find_clips(video: PreparedVideo, config: RunConfig) -> np.ndarray:
    """Return the rows of each clip of a video, (num_clips, num_frames), int, thinned out evenly to the cap.

    Clips come from the person who walks most. Where no bout is as long as a clip, each bout is one clip,
    continued by itself from the matching phase.
    """
    length = config.num_frames
    clips = [
        np.arange(first, first + length)
        for bout in video.own_bouts
        for first in range(bout.first_row, bout.last_row + 2 - length, config.clip_stride)
    ] or [walk_on(video, bout, length) for bout in video.own_bouts]
    places = np.linspace(0, len(clips) - 1, min(len(clips), config.max_clips_per_video)).round().astype(int)
    return np.array([clips[place] for place in places], int).reshape(-1, length)


@lru_cache(4096)
def walk_on(video: PreparedVideo, bout: Bout, num_frames: int) -> np.ndarray:
    """Return the rows of a bout, at least `num_frames`: a short one goes on from the matching gait phase."""
    rows = bout.rows
    if len(rows) >= num_frames:
        return rows
    frames = video.sequence[rows] if video.meta["body"] == "keypoints" else video.read(rows)[:, ::4, ::4]
    state = frames.reshape(len(rows), -1).astype(np.float32)
    state = np.concatenate([state, 3 * np.gradient(state, axis=0)], axis=1)
    shortest = round(_MIN_ROUND_SECONDS * video.meta["frame_rate_hz"])
    distance = ((state[: max(1, len(rows) - shortest)] - state[-1]) ** 2).sum(axis=1)
    again = rows[int(distance.argmin()) + 1 :]
    return np.concatenate([rows, np.resize(again, num_frames - len(rows))])


@dataclass(frozen=True)
class ClipSet:
    """Clips of several videos.

    `labels` (num_videos,) and soft `targets` (num_videos, num_classes) belong to `videos`. Of each clip,
    `video_numbers` tells the video, `rows` (num_clips, num_frames) the rows of its track, and `is_mirrored`
    whether it is mirrored, so that all walkers go right. `frame_shape` is frame size and channels. Of each
    video, `reference_videos` gives the places in ``references.videos`` of those that it is compared with.
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

    def read(self, clip: int, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return a clip, shape (num_frames, frame_size, frame_size, num_channels), uint8.

        A generator varies what may differ between two takes of the same walk: moment, tempo, size, view and
        light, not what the person does. Frames around the clip come in, as far as the same bout reaches.
        """
        video, rows = self.videos[self.video_numbers[clip]], self.rows[clip]
        if video.meta["crop"] == "skeleton":
            return draw_sequence(self.read_keypoints(clip, rng), *self.frame_shape)
        if rng is not None:
            walk, places = self._moments(clip, rng)
            rows = walk[places.round().astype(int)]
        frames = video.read(rows, *self.frame_shape)
        frames = frames[:, :, ::-1] if self.is_mirrored[clip] else frames
        return frames if rng is None else vary_frames(frames, rng)

    def read_keypoints(self, clip: int, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return a clip as `keypoint_sequence` gives it, shape (num_frames, 33, 3); varied by a generator."""
        sequence = self.videos[self.video_numbers[clip]].sequence
        if rng is None:
            return sequence[self.rows[clip]]
        walk, places = self._moments(clip, rng)
        lower, share = places.astype(int), (places % 1)[:, None, None]
        upper = np.minimum(lower + 1, len(walk) - 1)
        return vary_sequence((1 - share) * sequence[walk[lower]] + share * sequence[walk[upper]], rng)

    def _moments(self, clip: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of a walk and the places in it, between rows too, that a varied clip shows."""
        rows, video = self.rows[clip], self.videos[self.video_numbers[clip]]
        bout = next(bout for bout in video.bouts if bout.first_row <= rows[0] <= bout.last_row)
        walk = walk_on(video, bout, len(rows) if len(bout) >= len(rows) else 2 * len(rows))
        length = min(rng.uniform(1 - _MAX_TEMPO, 1 + _MAX_TEMPO) * (len(rows) - 1), len(walk) - 1)
        first = rows[0] - bout.first_row + rng.uniform(-_MAX_SHIFT, _MAX_SHIFT) * len(rows)
        return walk, np.clip(first, 0, len(walk) - 1 - length) + np.linspace(0, length, len(rows))


def make_clip_set(
    videos: Sequence[PreparedVideo], labels: np.ndarray, config: RunConfig, targets: np.ndarray | None = None
) -> ClipSet:
    """List the clips of videos, with `labels` (num_videos,) and soft `targets` (num_videos, num_classes)."""
    rows, goes_left = [find_clips(video, config) for video in videos], [np.zeros(0, bool)]
    for video, part in zip(videos, rows, strict=True):
        x, side = (video.track[name].to_numpy() for name in ("square_x", "square_side"))
        first, last = part.min(axis=1), part.max(axis=1)
        # Who comes towards the camera goes neither way.
        goes_left.append((x[last] - x[first]) / side[first] < -0.1)
    turns = config.face_right and config.crop in ("silhouette", "square")
    return ClipSet(
        videos=tuple(videos),
        labels=np.asarray(labels, int),
        video_numbers=np.repeat(np.arange(len(videos)), [len(part) for part in rows]),
        rows=np.concatenate([np.zeros((0, config.num_frames), int), *rows]),
        is_mirrored=np.concatenate(goes_left) & turns,
        frame_shape=(config.frame_size, config.num_channels),
        targets=targets,
    )


def vary_frames(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift, scale, slant and relight all frames of a clip, (num_frames, size, size, channels), alike."""
    size = frames.shape[1]
    width, height = rng.uniform(0.87, 1.13) * np.array([1.0, rng.uniform(0.95, 1.05)])
    linear = np.array([[width, rng.uniform(-0.06, 0.06)], [0, height]])
    centre = np.full(2, (size - 1) / 2)
    matrix = np.column_stack([linear, centre + rng.uniform(-0.06, 0.06, 2) * size - linear @ centre])
    light = np.clip(np.arange(256) * rng.uniform(0.65, 1.45), 0, 255).round().astype(np.uint8)
    edge = cv2.BORDER_REPLICATE
    warped = [cv2.warpAffine(frame, matrix, (size, size), borderMode=edge) for frame in frames]
    return light[np.stack(warped).reshape(frames.shape)]


def training_batches(clips: ClipSet, config: RunConfig, first_epoch: int = 0) -> "tf.data.Dataset":
    """Return an endless stream of shuffled, varied batches of (clips, labels).

    With references, batches are ((clips, reference clips), labels): each clip comes with one clip of its
    references, drawn anew in every epoch. Every draw depends on the seed, the epoch and the clip alone, so
    that a training that goes on after a stop sees what an undisturbed one would have seen.
    """

    def examples(epoch: int) -> Iterator[Any]:
        for clip in np.random.default_rng([config.seed, epoch]).permutation(len(clips)):
            rng = np.random.default_rng([config.seed, epoch, clip])
            yield _example(clips, clip, rng, config.augment)

    return _batches(clips, examples, range(first_epoch, np.iinfo(np.int64).max), config.batch_size)


def evaluation_batches(clips: ClipSet) -> "tf.data.Dataset":
    """Return all clips once, in order and unvaried; references of a clip take turns."""
    return _batches(clips, lambda _: (_example(clips, clip) for clip in range(len(clips))), range(1), 16)


def _example(
    clips: ClipSet, clip: int, rng: np.random.Generator | None = None, is_varied: bool = False
) -> tuple[Any, Any]:
    """Return a clip, with one of its references where there are any, and its label or target."""
    video, varied = clips.video_numbers[clip], rng if is_varied else None
    own, target = clips.read(clip, varied), (clips.labels if clips.targets is None else clips.targets)[video]
    if clips.references is None:
        return own, target
    possible = np.flatnonzero(np.isin(clips.references.video_numbers, clips.reference_videos[video]))
    other = rng.choice(possible) if rng else possible[clip % len(possible)]
    return (own, clips.references.read(other, varied)), target


def _batches(clips: ClipSet, examples: Callable, epochs: range, batch_size: int) -> "tf.data.Dataset":
    """Batch what `examples` yields for each epoch; Keras is told how many batches will come."""
    import tensorflow as tf

    def batched(epoch: int) -> Iterator[Any]:
        parts = examples(epoch)
        while part := list(islice(parts, batch_size)):
            yield tf.nest.map_structure(lambda *each: np.stack(each), *part)

    signature = tf.nest.map_structure(lambda x: tf.TensorSpec([None, *x.shape], x.dtype), _example(clips, 0))
    generate = partial(tf.data.Dataset.from_generator, batched, output_signature=signature)
    numbers = tf.data.Dataset.range(epochs.start, epochs.stop)
    batches = numbers.flat_map(lambda epoch: generate(args=(epoch,)))
    count = -(-len(clips) // batch_size) if len(epochs) == 1 else tf.data.INFINITE_CARDINALITY
    # Nothing here is tuned, but to end the thread that tunes may take as long as the training did.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.apply(tf.data.experimental.assert_cardinality(count)).prefetch(4).with_options(options)
