"""Clips as `tf.data`: shuffled and varied for training, in order for evaluation."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gaitlib.clips.sets import ClipSet
from gaitlib.config import RunConfig

if TYPE_CHECKING:
    import tensorflow as tf

# Bytes of the clips that a model is asked about at once: twice as many are hardly faster.
_EVALUATION_BYTES = 16 * 30 * 64 * 64


def training_batches(clips: ClipSet, config: RunConfig, first_epoch: int = 0) -> "tf.data.Dataset":
    """Return an endless stream of shuffled, varied batches of (clips, labels).

    With references, batches are ((clips, reference clips), labels): each clip comes with one clip of its
    references, drawn anew in every epoch. Every draw depends on the seed, the epoch and the clip alone, so
    that a training that goes on after a stop sees what an undisturbed one would have seen.
    """

    def numbered() -> Iterator[tuple[int, np.ndarray]]:
        for epoch in itertools.count(first_epoch):
            order = np.random.default_rng([config.seed, epoch]).permutation(len(clips))
            for first in range(0, len(order), config.batch_size):
                yield epoch, order[first : first + config.batch_size]

    return _dataset(clips, numbered, config, None)


def evaluation_batches(clips: ClipSet) -> "tf.data.Dataset":
    """Return all clips once, in order and unvaried, as batches of (clips, labels).

    With references, each clip comes with one clip of its references, which take turns. Of large clips a
    batch holds fewer, so that asking a model takes about as much memory for all sizes.
    """
    size = min(16, max(1, _EVALUATION_BYTES // clips.read(0).nbytes))
    numbers = [(0, np.arange(first, min(first + size, len(clips)))) for first in range(0, len(clips), size)]
    return _dataset(clips, lambda: numbers, None, len(numbers))


def _dataset(
    clips: ClipSet,
    numbered: Callable[[], Iterable[tuple[int, np.ndarray]]],
    config: RunConfig | None,
    num_batches: int | None,
) -> "tf.data.Dataset":
    """Read batches by epoch and numbers; Keras is told how many will come (None: without end)."""
    import tensorflow as tf

    beside = clips.references
    targets = (clips.labels if clips.targets is None else clips.targets)[clips.video_numbers]

    def read(clip: int, epoch: int) -> Iterator[np.ndarray]:
        rng = np.random.default_rng([config.seed, epoch, clip]) if config else None
        varied = rng if config and config.augment else None
        yield clips.read_varied(clip, varied) if varied else clips.read(clip)
        if beside is not None:
            places = clips.reference_videos[clips.video_numbers[clip]]
            possible = np.flatnonzero(np.isin(beside.video_numbers, places))
            other = int(rng.choice(possible) if rng else possible[clip % len(possible)])
            yield beside.read_varied(other, varied) if varied else beside.read(other)

    def batches() -> Iterator[Any]:
        for epoch, chosen in numbered():
            each = zip(*(read(int(clip), epoch) for clip in chosen), strict=True)
            blocks = tuple(np.stack(part) for part in each)
            yield blocks if beside is not None else blocks[0], targets[chosen]

    sample = clips.read(0)
    one = tf.TensorSpec((None, *sample.shape), sample.dtype)
    labels = tf.TensorSpec((None, *targets.shape[1:]), targets.dtype)
    signature = ((one, one) if beside is not None else one, labels)
    count = tf.data.INFINITE_CARDINALITY if num_batches is None else num_batches
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(4)
