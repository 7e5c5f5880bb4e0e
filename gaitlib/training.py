"""One fit: seeds, class weights, callbacks, going on after a kill, saving what was learnt."""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from gaitlib import multi_worker
from gaitlib.backend import list_gpus, load_keras, seed_everything
from gaitlib.batches import ClipSet, evaluation_batches, training_batches
from gaitlib.config import InputError, RunConfig
from gaitlib.files import cache_dir, hold_lock, make_folder
from gaitlib.gait_models import GAIT_MODEL_NAMES, fill_gaps, fit_as_set, gait_inputs
from gaitlib.memory import check_batch
from gaitlib.models import build_model
from gaitlib.pretraining import pretrained_path, take_weights
from gaitlib.siamese import make_relative
from gaitlib.video import file_digest

if TYPE_CHECKING:
    import keras

# Settings that shape a training beyond its clips, and a number to raise when the code trains otherwise.
TRAINING_SETTINGS = (
    *("num_frames", "seed", "model", "l2_strength", "learning_rate", "epochs", "batch_size"),
    *("patience", "augment", "class_weights", "precision"),
)
TRAINING_VERSION = 4


@dataclass(frozen=True)
class TrainingResult:
    """A trained model and how it came about.

    Attributes
    ----------
    model : keras.Model
        With the weights of the best epoch.
    history : DataFrame
        One row an epoch: `epoch` (from 1), `loss`, `accuracy`, `val_loss`, `val_accuracy`,
        `learning_rate`, `seconds`.
    best_epoch : int
        From 1; chosen by the validation loss.
    resumed_epoch : int
        Epochs that an earlier call had done; 0 for a fresh training.
    layers_taken : tuple of str
        Layers that started from weights of the model that the setting `pretrained` names.
    """

    model: "keras.Model"
    history: pd.DataFrame
    best_epoch: int
    resumed_epoch: int
    layers_taken: tuple[str, ...] = ()


def train_model(
    train: ClipSet,
    validation: ClipSet,
    config: RunConfig,
    emotions: Sequence[str],
    log_dir: Path | None = None,
) -> TrainingResult:
    """Train the configured model until the validation loss stops falling.

    The state after each epoch lies in the cache: the same training started again goes on from there,
    and one that was finished before is not done twice. Where another process is at exactly this training,
    this one waits: it takes over what the other has learnt, or goes on from there if the other was killed.

    Parameters
    ----------
    train, validation : ClipSet
        Of different walkers; the validation clips choose the epoch and never train.
    config : RunConfig
    emotions : sequence of str
        Class names in the order of the labels.
    log_dir : Path, optional
        Where TensorBoard logs go if `config.tensorboard`.

    Returns
    -------
    TrainingResult

    Raises
    ------
    InputError
        If the loss stops being a number, or a batch is too large for the memory.
    StorageError
        If the state of an epoch cannot be stored.
    """
    if config.model in GAIT_MODEL_NAMES:
        return _fit_gait(train, validation, config, len(emotions))
    state_dir = cache_dir() / "training" / _training_key(train, validation, config, emotions)
    make_folder(state_dir)
    notice = "Another process trains the same model on the same videos: waiting for it to end."
    lock = nullcontext() if multi_worker.is_helper() else hold_lock(state_dir, notice, wait=True)
    with lock, multi_worker.state_copy(state_dir) as folder:
        return _fit(train, validation, config, emotions, folder, log_dir)


def _fit(
    train: ClipSet,
    validation: ClipSet,
    config: RunConfig,
    emotions: Sequence[str],
    state_dir: Path,
    log_dir: Path | None,
) -> TrainingResult:
    from gaitlib.callbacks import EpochDraws, EpochState
    from gaitlib.fast_layers import training_twin

    keras = load_keras()
    check_precision(config)
    seed_everything(config.seed)
    state = EpochState(state_dir)
    model = compile_for(build_for(train, config, len(emotions)), config)
    layers_taken: tuple[str, ...] = ()
    source = pretrained_path(config)
    if source is not None:
        layers_taken = take_weights(model, source, emotions)
    strategy = multi_worker.joined_strategy()
    with strategy.scope() if strategy else nullcontext():
        twin = state.load() or compile_for(training_twin(model, config.precision), config)
    stopping = keras.callbacks.EarlyStopping(patience=config.patience, restore_best_weights=False)
    plateau = keras.callbacks.ReduceLROnPlateau(patience=max(2, config.patience // 2), factor=0.5)
    callbacks = [
        EpochDraws(config.seed),
        keras.callbacks.TerminateOnNaN(),
        plateau,
        stopping,
        state,
    ]
    if config.tensorboard and log_dir is not None and not multi_worker.is_helper():
        callbacks.append(keras.callbacks.TensorBoard(log_dir))
    if not state.is_finished:
        num_replicas = strategy.num_replicas_in_sync if strategy else 1
        check_batch(model, -(-min(config.batch_size, len(train)) // num_replicas))
        state.attach(plateau, stopping)
        weights = class_weights(train.clip_labels, len(emotions)) if config.class_weights else None
        fit = multi_worker.fit if strategy else _fit_alone
        fit(twin, (train, validation), config, weights, callbacks, state.epochs_done)
    history = state.history()
    if not len(history):
        raise InputError("The loss stopped being a number in the first epoch: lower the learning rate.")
    state.restore_best(twin)
    model.set_weights(twin.get_weights())
    return TrainingResult(model, history, state.best_epoch, state.resumed_epoch, layers_taken)


def _fit_gait(train: ClipSet, validation: ClipSet, config: RunConfig, num_classes: int) -> TrainingResult:
    """Fit a model that reads gait features: one epoch, so to speak.

    The validation walkers tell how well it does on strangers; as they have nothing to choose, the model
    that is kept learns from them too, unless the number of those to learn from is given.
    """
    if config.pretrained or config.label_form == "soft":
        name = "pretrained" if config.pretrained else "label_form"
        raise InputError(f"Model {config.model} cannot use the setting {name!r}: leave it out.")
    start = time.perf_counter()
    inputs, others = gait_inputs(train), gait_inputs(validation)
    probe = fit_as_set(config, inputs, train.labels, num_classes)
    row: dict[str, float] = {"epoch": 1}
    for prefix, clips, features in (("", train, inputs), ("val_", validation, others)):
        says = probe.predict(fill_gaps(probe, features), verbose=0)
        row[f"{prefix}loss"], row[f"{prefix}accuracy"] = loss_and_accuracy(says, clips.labels)
    model = probe
    if not config.training_walkers:
        inputs, labels = np.vstack([inputs, others]), np.concatenate([train.labels, validation.labels])
        model = fit_as_set(config, inputs, labels, num_classes)
    row |= {"learning_rate": float("nan"), "seconds": time.perf_counter() - start}
    return TrainingResult(model, pd.DataFrame([row]), 1, 0)


def loss_and_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the log loss and the share of right answers.

    Parameters
    ----------
    probabilities : ndarray of shape (num_videos, num_classes), float32
        Rows sum to 1, up to rounding: many small shares can add up to a little more.
    labels : ndarray of shape (num_videos,), int
    """
    known = np.clip(probabilities.astype(float), 0, 1)
    loss = log_loss(labels, known / known.sum(axis=1, keepdims=True), labels=range(known.shape[1]))
    return float(loss), float((known.argmax(axis=1) == labels).mean())


def _fit_alone(
    model: "keras.Model",
    clip_sets: tuple[ClipSet, ClipSet],
    config: RunConfig,
    weights: dict[int, float] | None,
    callbacks: Sequence["keras.callbacks.Callback"],
    first_epoch: int,
) -> None:
    """Do what `gaitlib.multi_worker.fit` does, in one process."""
    train, validation = clip_sets
    model.fit(
        training_batches(train, config, first_epoch),
        validation_data=evaluation_batches(validation),
        epochs=config.epochs,
        initial_epoch=first_epoch,
        steps_per_epoch=-(-len(train) // config.batch_size),
        class_weight=weights,
        callbacks=callbacks,
        shuffle=False,  # the batches come shuffled, by seed and epoch
        verbose=0,
    )


def build_for(clips: ClipSet, config: RunConfig, num_classes: int) -> "keras.Model":
    """Build the configured model for clips of this shape."""
    _, side, _, channels = clips.read(0).shape
    model = build_model(
        config.model, config.num_frames, side, channels, num_classes, l2_strength=config.l2_strength
    )
    return model if clips.references is None else make_relative(model)


def compile_for(model: "keras.Model", config: RunConfig) -> "keras.Model":
    """Give a model the configured optimiser and loss, and return it."""
    keras = load_keras()
    optimizer = keras.optimizers.Adam(config.learning_rate)
    if any(layer.dtype_policy.name == "mixed_float16" for layer in model.layers):
        # Small gradients would become zero in half precision.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(
        optimizer=optimizer,
        loss=f"{'sparse_' if config.label_form == 'hard' else ''}categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def check_precision(config: RunConfig) -> None:
    """Refuse half precision where there is no GPU, as it would only be slower.

    Raises
    ------
    InputError
    """
    if config.precision != "float32" and not list_gpus():
        raise InputError(
            f"Setting 'precision' is {config.precision!r}, but there is no GPU, and without one it is only "
            "slower: leave it out here."
        )


def class_weights(labels: np.ndarray, num_classes: int) -> dict[int, float]:
    """Return for each class the weight that makes all classes count the same in training.

    Parameters
    ----------
    labels : ndarray of shape (num_clips,), int
        Of the training clips alone.
    num_classes : int
    """
    present = np.unique(labels)
    weights = compute_class_weight("balanced", classes=present, y=labels)
    by_class = dict(zip(present.tolist(), weights.tolist(), strict=True))
    return {number: by_class.get(number, 1.0) for number in range(num_classes)}


def _training_key(train: ClipSet, validation: ClipSet, config: RunConfig, emotions: Sequence[str]) -> str:
    """Name a training by all that shapes its outcome."""
    keras = load_keras()
    settings = {name: getattr(config, name) for name in TRAINING_SETTINGS}
    parts: list[Any] = [TRAINING_VERSION, settings, list(emotions), keras.__version__]
    source = pretrained_path(config)
    if source is not None:
        parts.append(file_digest(source))
    for clips in (train, validation):
        pictures = [video.meta["pictures_digest"] for video in clips.videos]
        parts.append([pictures, clips.labels.tolist(), clips.starts.tolist(), clips.is_mirrored.tolist()])
        if clips.targets is not None:
            parts.append(clips.targets.tolist())
        if clips.references is not None:
            others = [video.meta["pictures_digest"] for video in clips.references.videos]
            parts.append([others, [places.tolist() for places in clips.reference_videos]])
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
