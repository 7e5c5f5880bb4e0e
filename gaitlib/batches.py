"""Clips for training and evaluation, read from the cache as they are needed.

Memory stays flat as the data grows: a table of where each clip begins is all that is held.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from gaitlib.clips import walks_left, window_starts
from gaitlib.config import RunConfig
from gaitlib.prepared import PreparedVideo

if TYPE_CHECKING:
    import tensorflow as tf

# Clips that a model is asked about at once: twice as many are 6 % faster and take 260 MB more.
EVALUATION_BATCH = 16
# Emotion changes the tempo: it may vary by less than people differ, or sad walks would look neutral.
MAX_TEMPO = 0.05
# How far a varied clip may begin before or after its place, in clip lengths.
MAX_SHIFT_CLIPS = 0.25
# 30 grey pictures of 64 x 64.
_USUAL_CLIP_BYTES = 30 * 64 * 64


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
    references : ClipSet or None
        Clips to compare with, where walks are judged relative to the walker.
    reference_videos : tuple of ndarray of int
        For each video, the places in ``references.videos`` of those that it is compared with.
    """

    videos: tuple[PreparedVideo, ...]
    labels: np.ndarray
    video_numbers: np.ndarray
    starts: np.ndarray
    is_mirrored: np.ndarray
    num_frames: int
    targets: np.ndarray | None = None
    references: "ClipSet | None" = None
    reference_videos: tuple[np.ndarray, ...] = ()

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

    def chosen(self, numbers: np.ndarray) -> "ClipSet":
        """Return some of the clips, of the same videos."""
        return replace(
            self,
            starts=self.starts[numbers],
            video_numbers=self.video_numbers[numbers],
            is_mirrored=self.is_mirrored[numbers],
        )

    def only_references(self, video: int) -> "ClipSet":
        """Return the clips that a video is compared with."""
        assert self.references is not None
        return self.references.chosen(self.reference_clips(video))

    def reference_clips(self, video: int) -> np.ndarray:
        """Return which clips of `references` a video is compared with, shape (num_clips,), int."""
        assert self.references is not None
        return np.flatnonzero(np.isin(self.references.video_numbers, self.reference_videos[video]))

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
        With references, batches are ((clips, reference clips), labels): each clip comes with one clip of
        its references, drawn anew in every epoch.
    config : RunConfig
    first_epoch : int
        Epochs already trained.
    """
    choices = _reference_choices(clips)

    def read_batches() -> Iterator[Any]:
        for epoch, chosen in draw_batches(clips, config, first_epoch):
            yield _stacked([read(clip, epoch) for clip in chosen]), clips.clip_targets[chosen]

    def read(clip: int, epoch: int) -> tuple[np.ndarray, ...]:
        own = read_for_training(clips, config, epoch, clip)
        if clips.references is None:
            return (own,)
        rng = np.random.default_rng([config.seed, epoch, clip, 1])
        other = int(rng.choice(choices[clips.video_numbers[clip]]))
        return own, clips.references.read_varied(other, rng) if config.augment else clips.references.read(
            other
        )

    return _dataset(read_batches, clips).apply(_counted(None)).prefetch(4)


def draw_batches(clips: ClipSet, config: RunConfig, first_epoch: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield, without end, the epoch (from 0) and the numbers of the clips of each batch."""
    for epoch in itertools.count(first_epoch):
        order = np.random.default_rng([config.seed, epoch]).permutation(len(clips))
        for first in range(0, len(order), config.batch_size):
            yield epoch, order[first : first + config.batch_size]


def read_for_training(clips: ClipSet, config: RunConfig, epoch: int, clip: int) -> np.ndarray:
    """Return a clip as it is shown in one epoch, varied if so configured."""
    if not config.augment:
        return clips.read(clip)
    return clips.read_varied(clip, np.random.default_rng([config.seed, epoch, clip]))


def evaluation_batches(clips: ClipSet, batch_size: int = EVALUATION_BATCH) -> "tf.data.Dataset":
    """Return all clips once, in order and unvaried, as batches of (clips, labels).

    With references, each clip comes with one clip of its references, which take turns. Of large clips a
    batch holds fewer, so that asking a model takes about as much memory for all sizes.
    """
    batch_size = max(1, min(batch_size, batch_size * _USUAL_CLIP_BYTES // clips.read(0).nbytes))
    choices = _reference_choices(clips)

    def read(clip: int) -> tuple[np.ndarray, ...]:
        if clips.references is None:
            return (clips.read(clip),)
        possible = choices[clips.video_numbers[clip]]
        return clips.read(clip), clips.references.read(int(possible[clip % len(possible)]))

    def read_batches() -> Iterator[Any]:
        for first in range(0, len(clips), batch_size):
            chosen = np.arange(first, min(first + batch_size, len(clips)))
            yield _stacked([read(int(clip)) for clip in chosen]), clips.clip_targets[chosen]

    num_batches = -(-len(clips) // batch_size)
    return _dataset(read_batches, clips).apply(_counted(num_batches)).prefetch(2)


def _reference_choices(clips: ClipSet) -> list[np.ndarray]:
    if clips.references is None:
        return []
    return [clips.reference_clips(video) for video in range(len(clips.videos))]


def _stacked(read: Sequence[tuple[np.ndarray, ...]]) -> Any:
    """Return one block of clips, or one of clips and one of their references."""
    blocks = tuple(np.stack(part) for part in zip(*read, strict=True))
    return blocks if len(blocks) > 1 else blocks[0]


def _dataset(read_batches: Callable[[], Iterator[Any]], clips: ClipSet) -> "tf.data.Dataset":
    import tensorflow as tf

    pictures = tf.TensorSpec((None, *clips.read(0).shape), tf.uint8)
    target = clips.clip_targets
    targets = tf.TensorSpec((None, *target.shape[1:]), tf.as_dtype(target.dtype))
    inputs = pictures if clips.references is None else (pictures, pictures)
    return tf.data.Dataset.from_generator(read_batches, output_signature=(inputs, targets))


def _counted(num_batches: int | None) -> Callable[["tf.data.Dataset"], "tf.data.Dataset"]:
    """Tell Keras how many batches will come (None: without end), which a generator cannot."""
    import tensorflow as tf

    count = tf.data.INFINITE_CARDINALITY if num_batches is None else num_batches
    return tf.data.experimental.assert_cardinality(count)
