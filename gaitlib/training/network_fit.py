"""The training of a network: it survives a kill, and is not done twice."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils.class_weight import compute_class_weight

from gaitlib.clips import ClipSet, evaluation_batches, training_batches
from gaitlib.data import VideoSet
from gaitlib.errors import InputError
from gaitlib.files import cache_dir, hold_lock, make_folder
from gaitlib.models import TrainedModel, fit_temperature, load_trained, make_clips, save_model
from gaitlib.models.backend import load_keras, seed_everything
from gaitlib.models.calibration import Novelty
from gaitlib.models.networks import network_for

if TYPE_CHECKING:
    import keras

# Settings that shape a training beyond its clips, and a number to raise when the code trains otherwise.
_SETTINGS = (
    *("num_frames", "frame_size", "num_channels", "relative_to", "seed", "l2_strength", "learning_rate"),
    *("epochs", "batch_size", "patience", "augment", "class_weights"),
)
_VERSION = 1
# Clips that describe the training to the measure of novelty, at most.
_MAX_NOVELTY_CLIPS = 600
_DIVERGED = "The loss stopped being a number in the first epoch: lower the learning rate."


def train_network(
    model: TrainedModel, train: VideoSet, validation: VideoSet
) -> tuple[TrainedModel, pd.DataFrame, int]:
    """Train the network that `model` names, or take it from the cache.

    Returns
    -------
    model : TrainedModel
        With the weights of the best epoch, its temperature and its measure of novelty.
    history : DataFrame
    num_done : int
        Epochs that an earlier process had done.
    """
    from gaitlib.training.callbacks import resume

    clip_sets = make_clips(train, model), make_clips(validation, model)
    folder = cache_dir() / "trainings" / _training_key(model, clip_sets)
    make_folder(folder)
    notice = "Another process trains the same model on the same videos: waiting for it to end."
    with hold_lock(folder, notice, wait=True):
        is_new = not (folder / "model.keras").exists()
        if is_new:
            earlier = resume(folder)
            network = _fit(model, clip_sets, earlier, folder)
            step = -(-len(clip_sets[0]) // _MAX_NOVELTY_CLIPS)
            described = train.chosen(np.arange(0, len(train), step))
            trained = model.model_copy(update={"predictor": network})
            save_model(_calibrate(trained, described, validation), folder)
    history = pd.read_csv(folder / "history.csv").dropna(subset="val_loss")
    history = history.assign(epoch=history["epoch"].astype(int) + 1)
    trained = load_trained(folder / "model.keras").model_copy(update={"about": model.about})
    return trained, history, len(earlier) if is_new else len(history)


def _fit(
    model: TrainedModel, clip_sets: tuple[ClipSet, ClipSet], earlier: pd.DataFrame, folder: Path
) -> "keras.Model":
    """Train until the validation loss stops falling; return the network of the best epoch, not compiled."""
    from gaitlib.training.callbacks import Progress, Replay

    keras, config, (train, validation) = load_keras(), model.config, clip_sets
    seed_everything(config.seed)
    network = network_for(model.name, config, len(model.emotions))
    form = "sparse_categorical" if train.targets is None else "categorical"
    optimizer = keras.optimizers.Adam(config.learning_rate)
    network.compile(optimizer, f"{form}_crossentropy", metrics=["accuracy"])
    callbacks, best = keras.callbacks, folder / "best.weights.h5"
    plateau = callbacks.ReduceLROnPlateau(patience=max(2, config.patience // 2), factor=0.5)
    stopping = callbacks.EarlyStopping(patience=config.patience)
    threshold = earlier["val_loss"].min() if len(earlier) else None
    listed = [
        Progress(model.name, len(earlier)),
        callbacks.TerminateOnNaN(),
        plateau,
        stopping,
        callbacks.ModelCheckpoint(
            best, save_best_only=True, save_weights_only=True, initial_value_threshold=threshold
        ),
        callbacks.CSVLogger(folder / "history.csv", append=True),
        callbacks.BackupAndRestore(folder / "backup", double_checkpoint=True),
        Replay(earlier, config.learning_rate, (plateau, stopping)),
    ]
    network.fit(
        training_batches(train, config, len(earlier)),
        validation_data=evaluation_batches(validation),
        epochs=config.epochs,
        steps_per_epoch=-(-len(train) // config.batch_size),
        class_weight=_class_weights(train) if config.class_weights else None,
        callbacks=listed,
        shuffle=False,  # the batches come shuffled, by seed and epoch
        verbose=0,
    )
    if not best.exists():
        raise InputError(_DIVERGED)
    trained = network_for(model.name, config, len(model.emotions))
    trained.load_weights(best)
    return trained


def _calibrate(model: TrainedModel, train: VideoSet, validation: VideoSet) -> TrainedModel:
    """Let the validation walkers set the temperature and the limit of novelty."""
    answers = model.predict_clips(validation)
    temperature = fit_temperature(model.predict(validation, answers), validation.labels)
    features = model.predict_clips(train).features
    if not np.isfinite(features).all():
        raise InputError(_DIVERGED)
    novelty = Novelty.fit(features)
    model = model.model_copy(
        update={"temperature": temperature, "novelty": novelty, "about": {"is_demo": False}}
    )
    return model.model_copy(update={"novelty": novelty.with_limit(model.novelty_of(validation, answers))})


def _class_weights(clips: ClipSet) -> dict[int, float]:
    """Return for each class the weight that makes all classes count the same in training."""
    labels = clips.labels[clips.video_numbers]
    present = np.unique(labels)
    weights = compute_class_weight("balanced", classes=present, y=labels)
    return dict(zip(present.tolist(), weights.tolist(), strict=True))


def _training_key(model: TrainedModel, clip_sets: tuple[ClipSet, ClipSet]) -> str:
    """Name a training by all that shapes its outcome."""
    settings = {name: getattr(model.config, name) for name in _SETTINGS}
    parts: list[Any] = [_VERSION, model.name, settings, model.emotions, load_keras().__version__]
    for clips in clip_sets:
        parts += [places.tolist() for places in clips.reference_videos]
        for part in (clips, clips.references) if clips.references else (clips,):
            targets = part.labels if part.targets is None else part.targets
            arrays = (part.rows, part.video_numbers, part.is_mirrored, targets)
            parts += [video.folder.name for video in part.videos]
            parts += [hashlib.sha256(array.tobytes()).hexdigest() for array in arrays]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
