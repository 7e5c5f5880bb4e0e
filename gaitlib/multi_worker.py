"""One training on several machines: each worker takes its part of every batch.

Keras's own `fit` fails under `tf.distribute.MultiWorkerMirroredStrategy` (Keras 3.15: its symbolic build
meets a value that differs by replica), so a short loop stands here beside it. It draws the same batches and
computes the same losses, so that a training has the same outcome with any number of workers.
"""

import faulthandler
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gaitlib import __version__
from gaitlib.backend import load_keras
from gaitlib.batches import EVALUATION_BATCH, ClipSet
from gaitlib.config import InputError, RunConfig
from gaitlib.files import stderr_to
from gaitlib.gait_models import GAIT_MODEL_NAMES
from gaitlib.team import Team, meet
from gaitlib.team_batches import distribute, training_parts, validation_parts

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# All have met by then; should one die in this moment, TensorFlow would wait for it without end.
START_SECONDS = 120

_joined: dict[str, Any] = {}


def join(team: Team, config: RunConfig) -> None:
    """Meet the other workers and start TensorFlow's cluster; must come before TensorFlow computes anything.

    Raises
    ------
    InputError
        If a worker does not come, has other settings or versions, or the settings are none for a team.
    """
    _check_settings(len(team.addresses), config)
    names = ("keras", "tensorflow", "numpy", "av", "opencv-python-headless")
    versions = [__version__, *(version(name) for name in names)]
    meet(team, hashlib.sha256(repr((versions, config.model_dump())).encode()).hexdigest())
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr_copy = os.dup(sys.stderr.fileno())
    with stderr_to(Path(os.devnull)):
        import tensorflow as tf

        with _time_limit(stderr_copy), plain_failures():
            _joined["strategy"] = tf.distribute.MultiWorkerMirroredStrategy()
    os.close(stderr_copy)
    _joined["team"] = team
    load_keras()


def _check_settings(num_workers: int, config: RunConfig) -> None:
    if config.relative_to != "none" and config.model not in GAIT_MODEL_NAMES:
        raise InputError("Several machines cannot train a network relative to the walker: unset TF_CONFIG.")
    if config.batch_size < num_workers and config.model not in GAIT_MODEL_NAMES:
        raise InputError(
            f"{num_workers} workers cannot share a batch of {config.batch_size} clips: set batch_size to at "
            "least their number."
        )


@contextmanager
def _time_limit(stderr: int) -> Iterator[None]:
    """End the process where TensorFlow waits for ever: it lets no thread and no signal of Python's through.

    So another process says what happened, and the fault handler, which needs no Python, ends this one.
    """
    sentence = (
        "gaitlib: Another worker went away while TensorFlow started, and did not come back within "
        f"{START_SECONDS} s: start the same command again on every machine."
    )
    tell = (
        "import select, sys\n"
        f"if not select.select([sys.stdin], [], [], {START_SECONDS})[0]: sys.exit({sentence!r})"
    )
    command = [sys.executable, "-c", tell]
    with (
        open(os.devnull, "w") as nowhere,
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=stderr),  # ends as its input is closed
    ):
        faulthandler.dump_traceback_later(START_SECONDS + 2, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def joined_strategy() -> "tf.distribute.Strategy | None":
    """Return the strategy that `join` has started, None in a process that trains alone."""
    return _joined.get("strategy")


def is_helper() -> bool:
    """Tell whether this process trains together with others and leaves the writing to the chief."""
    return bool(_joined) and not _joined["team"].is_chief


@contextmanager
def plain_failures() -> Iterator[None]:
    """Say in one sentence that a worker has died; TensorFlow notices within seconds."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.UnknownError as error:  # its own server does not start
        raise InputError(f"TensorFlow cannot start for several machines: {error.message}.") from error
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.InternalError) as error:
        raise InputError(
            "Another worker has gone, so this one stops too: start the same command again on every machine; "
            "the training goes on after the last finished epoch."
        ) from error


def wait_for_all(meaning: str = "") -> None:
    """Wait until every worker has come to the same line, and make sure that it means the same there.

    Does nothing in a process that trains alone.

    Raises
    ------
    InputError
        If a worker has gone, or means something else.
    """
    if not _joined:
        return
    import tensorflow as tf

    strategy = _joined["strategy"]
    number = int(hashlib.sha256(meaning.encode()).hexdigest()[:8], 16)

    @tf.function
    def add_up() -> Any:
        return strategy.reduce("SUM", strategy.run(lambda: tf.constant(number, tf.int64)), axis=None)

    with plain_failures():
        total = int(add_up())
    if total != number * strategy.num_replicas_in_sync:
        raise InputError(
            "The workers see different videos or labels: all need the same folders and the same cache "
            "(GAITLIB_CACHE)."
        )


@contextmanager
def state_copy(folder: Path) -> Iterator[Path]:
    """Give the folder of a training's state; to a worker that is not the chief, a copy that ends with it."""
    if not _joined:
        yield folder
        return
    # The chief writes nothing between the two lines that all wait for.
    wait_for_all(folder.name)
    with tempfile.TemporaryDirectory() as copy:
        if is_helper():
            shutil.copytree(folder, copy, dirs_exist_ok=True)
        wait_for_all()
        yield Path(copy) if is_helper() else folder


def fit(
    model: "keras.Model",
    clip_sets: tuple[ClipSet, ClipSet],
    config: RunConfig,
    weights: dict[int, float] | None,
    callbacks: Sequence["keras.callbacks.Callback"],
    first_epoch: int,
) -> None:
    """Train as `keras.Model.fit` does, together with all workers.

    Parameters
    ----------
    model : keras.Model
        Built and compiled in the strategy's scope.
    clip_sets : tuple of ClipSet
        Training and validation clips; all of them, the same on every worker.
    config : RunConfig
    weights : dict of int to float, or None
        Of the classes, in the training loss.
    callbacks : sequence of keras.callbacks.Callback
        Run on every worker with the same losses, so that all stop after the same epoch.
    first_epoch : int
        Epochs already trained.
    """
    strategy = _joined["strategy"]
    with strategy.scope():
        model.optimizer.build(model.trainable_variables)
    with plain_failures():
        _fit(model, clip_sets, config, weights, callbacks, first_epoch)


def _fit(
    model: Any, clip_sets: Any, config: RunConfig, weights: Any, callbacks: Any, first_epoch: int
) -> None:
    strategy, (train, validation) = _joined["strategy"], clip_sets
    listeners = load_keras().callbacks.CallbackList(
        callbacks, model=model, epochs=config.epochs, steps=-(-len(train) // config.batch_size)
    )
    learn, judge = _make_steps(model, config)
    learning = distribute(strategy, train, training_parts(train, config, weights, first_epoch))
    judging = distribute(strategy, validation, validation_parts(validation))
    model.stop_training = False
    listeners.on_train_begin()
    for epoch in range(first_epoch, config.epochs):
        listeners.on_epoch_begin(epoch)
        logs = _run(learn, learning, len(train), config.batch_size, listeners)
        if not model.stop_training:
            judged = _run(judge, judging, len(validation), EVALUATION_BATCH)
            logs |= {f"val_{name}": value for name, value in judged.items()}
        if "val_loss" in logs:  # else the loss is no number any more
            listeners.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    listeners.on_train_end()


def _run(step: Any, batches: Any, num_clips: int, batch_size: int, listeners: Any = None) -> dict[str, float]:
    """Return the means over one pass: a batch counts by its number of clips, as in Keras."""
    total = np.zeros(2)
    for number, first in enumerate(range(0, num_clips, batch_size)):
        size = min(batch_size, num_clips - first)
        loss, correct = (float(value) for value in step(next(batches)))
        total += loss * size, correct
        if listeners is not None:
            listeners.on_train_batch_end(number, {"loss": loss})
            if listeners.model.stop_training:
                break
    loss, accuracy = total / num_clips
    return {"accuracy": float(accuracy), "loss": float(loss)}


def _make_steps(model: Any, config: RunConfig) -> tuple[Any, Any]:
    """Return the steps of training and validation: a distributed batch becomes mean loss and hits."""
    import tensorflow as tf

    keras, strategy = load_keras(), _joined["strategy"]
    is_hard = config.label_form == "hard"
    losses_of = getattr(keras.losses, f"{'sparse_' if is_hard else ''}categorical_crossentropy")

    def look(batch: Any, training: bool) -> tuple[Any, Any]:
        clips, targets, weights, size = batch
        outputs = model(clips, training=training)
        loss = tf.nn.compute_average_loss(
            losses_of(targets, outputs), sample_weight=weights, global_batch_size=size
        )
        # Each replica adds its share of the penalties, so that they count once.
        loss += tf.nn.scale_regularization_loss(tf.add_n(model.losses or [0.0]))
        labels = targets if is_hard else tf.argmax(targets, axis=1)
        is_hit = tf.cast(labels, tf.int64) == tf.argmax(outputs, axis=1)
        return loss, tf.reduce_sum(tf.cast(is_hit & (weights > 0), tf.float32))

    def learn(*batch: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            loss, correct = look(batch, training=True)
            scaled = model.optimizer.scale_loss(loss)
        weights = model.trainable_variables
        model.optimizer.apply(tape.gradient(scaled, weights), weights)
        return loss, correct

    def together(work: Any) -> Any:
        def step(batch: Any) -> tuple[Any, Any]:
            loss, correct = strategy.run(work, args=batch)
            return strategy.reduce("SUM", loss, axis=None), strategy.reduce("SUM", correct, axis=None)

        return tf.function(step)

    return together(learn), together(lambda *batch: look(batch, training=False))
