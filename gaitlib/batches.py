"""Clips for training and evaluation, read from the cache as they are needed.

Memory stays flat as the data grows: a table of where each clip begins is all that is held.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from gaitlib.clips import PreparedVideo, window_starts
from gaitlib.config import RunConfig

if TYPE_CHECKING:
    import tensorflow as tf


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
    num_frames : int
        Pictures in a clip.
    """

    videos: tuple[PreparedVideo, ...]
    labels: np.ndarray
    video_numbers: np.ndarray
    starts: np.ndarray
    num_frames: int

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def clip_labels(self) -> np.ndarray:
        """Class number of each clip, shape (num_clips,), int."""
        return self.labels[self.video_numbers]

    def read(self, clip: int) -> np.ndarray:
        """Return a clip, shape (num_frames, frame_size, frame_size, num_channels), uint8."""
        return self.videos[self.video_numbers[clip]].read(int(self.starts[clip]), self.num_frames)

    def read_varied(self, clip: int, rng: np.random.Generator) -> np.ndarray:
        """Return a clip with a little of what may differ between two takes of the same walk.

        Tempo, direction, position, size and light vary; what the person does, does not. Pictures for
        another tempo come from before and after the clip, as far as the same walk reaches.
        """
        video = self.videos[self.video_numbers[clip]]
        start = int(self.starts[clip])
        first, count = next(walk for walk in reversed(video.walks()) if walk[0] <= start < walk[0] + walk[1])
        tempo = rng.uniform(0.9, 1.1)
        middle = (self.num_frames - 1) / 2
        wanted = start + middle + (np.arange(self.num_frames) - middle) * tempo
        wanted = np.clip(np.round(wanted), first, first + count - 1).astype(int)
        pictures = video.read(int(wanted[0]), int(wanted[-1] - wanted[0]) + 1)
        return vary_pictures(pictures[wanted - wanted[0]], rng)


def make_clip_set(videos: Sequence[PreparedVideo], labels: np.ndarray, config: RunConfig) -> ClipSet:
    """List the clips of videos.

    Parameters
    ----------
    videos : sequence of PreparedVideo
    labels : ndarray of shape (num_videos,), int
    config : RunConfig

    Returns
    -------
    ClipSet
    """
    starts = [window_starts(video, config) for video in videos]
    numbers = np.repeat(np.arange(len(videos)), [len(part) for part in starts])
    joined = np.concatenate(starts) if starts else np.zeros(0, int)
    return ClipSet(tuple(videos), np.asarray(labels, int), numbers, joined, config.num_frames)


def vary_pictures(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror, shift, scale and relight all pictures of a clip in the same way.

    Parameters
    ----------
    pictures : ndarray of shape (num_frames, frame_size, frame_size, num_channels), uint8
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of the same shape and dtype
    """
    size = pictures.shape[1]
    is_mirrored = rng.random() < 0.5
    scale = rng.uniform(0.93, 1.07)
    shift = rng.uniform(-0.04, 0.04, 2) * size
    contrast, brightness = rng.uniform(0.75, 1.25), rng.uniform(-15, 15)
    flip = -1 if is_mirrored else 1
    centre = (size - 1) / 2
    matrix = np.array(
        [
            [scale * flip, 0, centre + shift[0] - scale * flip * centre],
            [0, scale, centre + shift[1] - scale * centre],
        ]
    )
    varied = np.empty_like(pictures)
    for number, picture in enumerate(pictures):
        moved = cv2.warpAffine(picture, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
        varied[number] = moved.reshape(picture.shape)
    table = np.clip((np.arange(256) - 127.5) * contrast + 127.5 + brightness, 0, 255)
    return table.round().astype(np.uint8)[varied]


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
                yield np.stack([read(clip, epoch) for clip in chosen]), clips.clip_labels[chosen]
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
            yield np.stack([clips.read(int(clip)) for clip in chosen]), clips.clip_labels[chosen]

    num_batches = -(-len(clips) // batch_size)
    return _dataset(read_batches, clips).apply(_counted(num_batches)).prefetch(2)


def _dataset(
    read_batches: Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]], clips: ClipSet
) -> "tf.data.Dataset":
    import tensorflow as tf

    shape = (None, *clips.read(0).shape)
    signature = (tf.TensorSpec(shape, tf.uint8), tf.TensorSpec((None,), tf.int64))
    return tf.data.Dataset.from_generator(read_batches, output_signature=signature)


def _counted(num_batches: int | None) -> Callable[["tf.data.Dataset"], "tf.data.Dataset"]:
    """Tell Keras how many batches will come (None: without end), which a generator cannot."""
    import tensorflow as tf

    count = tf.data.INFINITE_CARDINALITY if num_batches is None else num_batches
    return tf.data.experimental.assert_cardinality(count)
