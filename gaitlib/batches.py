"""Clips for training and evaluation, read from the cache as they are needed.

Memory stays flat as the data grows: a table of where each clip begins is all that is held.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from gaitlib.clips import PreparedVideo, walks_left, window_starts
from gaitlib.config import RunConfig

if TYPE_CHECKING:
    import tensorflow as tf

# Emotion changes the tempo: it may vary by less than people differ, or sad walks would look neutral.
MAX_TEMPO = 0.05
# How far a varied clip may begin before or after its place, in clip lengths.
MAX_SHIFT_CLIPS = 0.25


@dataclass(frozen=True)
class ClipSet:
    """Clips of several videos, each with a label.

    Attributes
    ----------
    videos : tuple of PreparedVideo
    labels : ndarray of shape (num_videos,), int
        Class number of each video.
    video_numbers : ndarray of shape (num_clips,), int
        Which video a clip comes from.
    starts : ndarray of shape (num_clips,), int
        First stored picture of a clip.
    is_mirrored : ndarray of shape (num_clips,), bool
        Clips to mirror, so that all walkers go right.
    num_frames : int
        Pictures in a clip.
    targets : ndarray of shape (num_videos, num_classes), float, or None
        Shares of the raters, to train on instead of the labels.
    """

    videos: tuple[PreparedVideo, ...]
    labels: np.ndarray
    video_numbers: np.ndarray
    starts: np.ndarray
    is_mirrored: np.ndarray
    num_frames: int
    targets: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def clip_labels(self) -> np.ndarray:
        """Class number of each clip, shape (num_clips,), int."""
        return self.labels[self.video_numbers]

    @property
    def clip_targets(self) -> np.ndarray:
        """What a model is to say of each clip: its class number, or the share of each class."""
        return (self.labels if self.targets is None else self.targets)[self.video_numbers]

    def read(self, clip: int) -> np.ndarray:
        """Return a clip, shape (num_frames, frame_size, frame_size, num_channels), uint8."""
        video = self.videos[self.video_numbers[clip]]
        return self._turned(video.read(int(self.starts[clip]), self.num_frames), clip)

    def _turned(self, pictures: np.ndarray, clip: int) -> np.ndarray:
        return pictures[:, :, ::-1] if self.is_mirrored[clip] else pictures

    def read_varied(self, clip: int, rng: np.random.Generator) -> np.ndarray:
        """Return a clip with a little of what may differ between two takes of the same walk.

        Moment, tempo, position, size, slant and light vary; what the person does, does not. Pictures
        from before and after the clip come in, as far as the same walk reaches.
        """
        video = self.videos[self.video_numbers[clip]]
        start = int(self.starts[clip])
        first, count = next(walk for walk in reversed(video.walks) if walk[0] <= start)
        tempo = min(rng.uniform(1 - MAX_TEMPO, 1 + MAX_TEMPO), (count - 1) / (self.num_frames - 1))
        length = round(tempo * (self.num_frames - 1))
        moment = start + round(rng.uniform(-MAX_SHIFT_CLIPS, MAX_SHIFT_CLIPS) * self.num_frames)
        moment = int(np.clip(moment, first, first + count - 1 - length))
        pictures = video.read(moment, length + 1)
        wanted = np.linspace(0, length, self.num_frames).round().astype(int)
        return vary_pictures(self._turned(pictures[wanted], clip), rng)


def make_clip_set(
    videos: Sequence[PreparedVideo],
    labels: np.ndarray,
    config: RunConfig,
    targets: np.ndarray | None = None,
) -> ClipSet:
    """List the clips of videos.

    Parameters
    ----------
    videos : sequence of PreparedVideo
    labels : ndarray of shape (num_videos,), int
    config : RunConfig
    targets : ndarray of shape (num_videos, num_classes), float, optional
        Soft labels.

    Returns
    -------
    ClipSet
    """
    starts = [window_starts(video, config) for video in videos]
    turns = config.face_right and config.crop != "frame"
    is_mirrored = [
        walks_left(video, part, config.num_frames) if turns else np.zeros(len(part), bool)
        for video, part in zip(videos, starts, strict=True)
    ]
    return ClipSet(
        videos=tuple(videos),
        labels=np.asarray(labels, int),
        video_numbers=np.repeat(np.arange(len(videos)), [len(part) for part in starts]),
        starts=np.concatenate([np.zeros(0, int), *starts]),
        is_mirrored=np.concatenate([np.zeros(0, bool), *is_mirrored]),
        num_frames=config.num_frames,
        targets=targets,
    )


def vary_pictures(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift, scale, slant and relight all pictures of a clip in the same way.

    Parameters
    ----------
    pictures : ndarray of shape (num_frames, frame_size, frame_size, num_channels), uint8
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of the same shape and dtype
    """
    size = pictures.shape[1]
    width, height = rng.uniform(0.87, 1.13) * np.array([1.0, rng.uniform(0.95, 1.05)])
    slant = rng.uniform(-0.06, 0.06)
    linear = np.array([[width, slant], [0, height]])
    centre = np.full(2, (size - 1) / 2)
    shift = rng.uniform(-0.06, 0.06, 2) * size
    matrix = np.column_stack([linear, centre + shift - linear @ centre])
    varied = np.empty_like(pictures)
    for number, picture in enumerate(pictures):
        moved = cv2.warpAffine(picture, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
        varied[number] = moved.reshape(picture.shape)
    exposure = np.clip(np.arange(256) * rng.uniform(0.65, 1.45), 0, 255)
    return exposure.round().astype(np.uint8)[varied]


def training_batches(clips: ClipSet, config: RunConfig, first_epoch: int = 0) -> "tf.data.Dataset":
    """Return an endless stream of shuffled, varied batches of (clips, labels).

    Every draw depends on the seed, the epoch and the clip alone, so that a training that goes on after
    a stop sees what an undisturbed one would have seen.

    Parameters
    ----------
    clips : ClipSet
    config : RunConfig
    first_epoch : int
        Epochs already trained.
    """

    def read_batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        epoch = first_epoch
        while True:
            order = np.random.default_rng([config.seed, epoch]).permutation(len(clips))
            for first in range(0, len(order), config.batch_size):
                chosen = order[first : first + config.batch_size]
                yield np.stack([read(clip, epoch) for clip in chosen]), clips.clip_targets[chosen]
            epoch += 1

    def read(clip: int, epoch: int) -> np.ndarray:
        if not config.augment:
            return clips.read(clip)
        return clips.read_varied(clip, np.random.default_rng([config.seed, epoch, clip]))

    return _dataset(read_batches, clips).apply(_counted(None)).prefetch(4)


def evaluation_batches(clips: ClipSet, batch_size: int = 32) -> "tf.data.Dataset":
    """Return all clips once, in order and unvaried, as batches of (clips, labels)."""

    def read_batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for first in range(0, len(clips), batch_size):
            chosen = np.arange(first, min(first + batch_size, len(clips)))
            yield np.stack([clips.read(int(clip)) for clip in chosen]), clips.clip_targets[chosen]

    num_batches = -(-len(clips) // batch_size)
    return _dataset(read_batches, clips).apply(_counted(num_batches)).prefetch(2)


def _dataset(
    read_batches: Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]], clips: ClipSet
) -> "tf.data.Dataset":
    import tensorflow as tf

    shape = (None, *clips.read(0).shape)
    target = clips.clip_targets
    signature = (
        tf.TensorSpec(shape, tf.uint8),
        tf.TensorSpec((None, *target.shape[1:]), tf.as_dtype(target.dtype)),
    )
    return tf.data.Dataset.from_generator(read_batches, output_signature=signature)


def _counted(num_batches: int | None) -> Callable[["tf.data.Dataset"], "tf.data.Dataset"]:
    """Tell Keras how many batches will come (None: without end), which a generator cannot."""
    import tensorflow as tf

    count = tf.data.INFINITE_CARDINALITY if num_batches is None else num_batches
    return tf.data.experimental.assert_cardinality(count)
