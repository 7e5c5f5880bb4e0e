"""The part of each batch that one worker of several trains on."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np

from gaitlib.batches import EVALUATION_BATCH, ClipSet, draw_batches, read_for_training
from gaitlib.config import RunConfig

Part = tuple[np.ndarray, np.ndarray, np.ndarray, np.int32]


def training_parts(
    clips: ClipSet, config: RunConfig, weights: dict[int, float] | None, first_epoch: int
) -> Any:
    """Return a function that yields, without end, one replica's part of every training batch."""
    # Of shares of raters, Keras takes the emotion that most of them named.
    targets = clips.clip_targets
    labels = targets if targets.ndim == 1 else targets.argmax(axis=1)

    def parts(replica: int, num_replicas: int) -> Iterator[Part]:
        for epoch, chosen in draw_batches(clips, config, first_epoch):
            mine, is_real = _share(chosen, replica, num_replicas)
            pictures = np.stack([read_for_training(clips, config, epoch, clip) for clip in mine])
            weight = np.array([weights[label] if weights else 1.0 for label in labels[mine]])
            yield pictures, clips.clip_targets[mine], _float(weight * is_real), np.int32(len(chosen))

    return parts


def validation_parts(clips: ClipSet) -> Any:
    """Return the same for the validation clips, in their order."""

    def parts(replica: int, num_replicas: int) -> Iterator[Part]:
        for _ in count():
            for first in range(0, len(clips), EVALUATION_BATCH):
                chosen = np.arange(first, min(first + EVALUATION_BATCH, len(clips)))
                mine, is_real = _share(chosen, replica, num_replicas)
                pictures = np.stack([clips.read(int(clip)) for clip in mine])
                yield pictures, clips.clip_targets[mine], _float(is_real), np.int32(len(chosen))

    return parts


def distribute(strategy: Any, clips: ClipSet, parts: Any) -> Iterator[Any]:
    """Return the batches of this worker's replicas, read ahead."""
    import tensorflow as tf

    target = clips.clip_targets
    signature = (
        tf.TensorSpec((None, *clips.read(0).shape), tf.uint8),
        tf.TensorSpec((None, *target.shape[1:]), tf.as_dtype(target.dtype)),
        tf.TensorSpec((None,), tf.float32),
        tf.TensorSpec((), tf.int32),
    )

    def make(context: Any) -> Any:
        num_local = context.num_replicas_in_sync // context.num_input_pipelines
        first = context.input_pipeline_id * num_local

        def read() -> Iterator[Part]:
            streams = [parts(first + local, context.num_replicas_in_sync) for local in range(num_local)]
            for parts_of_batch in zip(*streams, strict=True):
                yield from parts_of_batch

        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        return tf.data.Dataset.from_generator(read, output_signature=signature).apply(endless).prefetch(4)

    return iter(strategy.distribute_datasets_from_function(make))


def _share(chosen: np.ndarray, replica: int, num_replicas: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a replica's clips of a batch and which of them count: all parts have the same length."""
    length = -(-len(chosen) // num_replicas)
    mine = chosen[replica::num_replicas]
    is_real = np.arange(length) < len(mine)
    return np.concatenate([mine, np.repeat(chosen[:1], length - len(mine))]), is_real


def _float(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)
