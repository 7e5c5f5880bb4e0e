"""One training, whatever the kind of model: it goes on after a kill, and is not done twice."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight
from tqdm import tqdm

from gaitlib.clips import ClipSet, evaluation_batches, training_batches
from gaitlib.config import RunConfig
from gaitlib.data import VideoSet, inner_folds
from gaitlib.errors import InputError
from gaitlib.files import cache_dir, hold_lock, remember
from gaitlib.gait import gait_parameters, proportions
from gaitlib.models import ALONE, GAIT_NAMES, TrainedModel, classifiers, load_trained, make_clips, save_model
from gaitlib.models.networks import load_keras, network_for, seed_everything
from gaitlib.models.trained import Novelty, fit_temperature

if TYPE_CHECKING:
    import keras

# Settings that do not shape what a model learns.
OTHER_SETTINGS = {"scheduler", "leak_lesson", "num_resamples", "seeds"}
_VERSION = 3  # to be raised when the code of a training changes
_NUM_INNER_FOLDS = 5
# Walks for a reference, for a range.
_FEWEST_WALKS, _FEWEST_SEEN = 3, 8
# SD in a median absolute deviation of normal values; in SD, how bodies differ in their proportions.
_NORMAL_SD, _MAX_SD = 1.4826, 2.5
_DIVERGED = "The loss stopped being a number in the first epoch: lower the learning rate."


@dataclass(frozen=True)
class TrainingResult:
    """A trained model, with the weights of the best epoch, and how it came about.

    `history` has a row an epoch: `epoch` (from 1), `loss`, `accuracy`, `val_loss`, `val_accuracy`,
    `learning_rate`; a gait classifier has one row, its validation is by inner folds.
    """

    model: TrainedModel
    history: pd.DataFrame
    best_epoch: int = 1


def train_model(
    name: str, train: VideoSet, validation: VideoSet, config: RunConfig, emotions: Sequence[str]
) -> TrainingResult:
    """Train one model.

    A network trains until the loss of the validation walkers, who are others than those of `train`, stops
    falling; an `InputError` if it stops being a number. Its state after each epoch lies in the cache. A gait
    classifier has no epoch to choose, and learns from the validation walkers too. `emotions` are the class
    names in the order of the labels.
    """
    learnt = train.joined(validation)
    counts = {"is_demo": False, "num_walkers": len(set(learnt.walkers)), "num_videos": len(learnt)}
    about = counts | _describe(learnt, emotions, config)
    if name == ALONE:
        config = config.model_copy(update={"relative_to": "none"})
    model = TrainedModel(name=name, emotions=tuple(emotions), config=config, about=about)
    return _fit_gait(model, learnt) if name in GAIT_NAMES else _train_network(model, train, validation)


def _fit_gait(model: TrainedModel, videos: VideoSet) -> TrainingResult:
    """Fit a gait classifier; inner folds of the same walkers say how sure it may be."""
    config, num_classes = model.config, len(model.emotions)
    features = classifiers.gait_inputs(videos, model.name)
    shares = classifiers.label_shares(videos, num_classes)
    pipeline = classifiers.fit_classifier(model.name, features, shares, config.seed)
    says = gait_out_of_fold(model.name, videos, config, num_classes)
    values, distances = pipeline[:-1].transform(features), np.zeros(len(videos))
    for known, held in inner_folds(videos.labels, videos.walkers, _NUM_INNER_FOLDS, config.seed):
        distances[held] = Novelty.fit(values[known]).distances(values[held])
    novelty = Novelty.fit(values).with_limit(distances)
    row = {"epoch": 1, "learning_rate": np.nan}
    says_fitted = classifiers.predict_classes(pipeline, features, num_classes)
    for prefix, probabilities in (("", says_fitted), ("val_", says)):
        row[f"{prefix}loss"] = log_loss(videos.labels, probabilities, labels=range(num_classes))
        row[f"{prefix}accuracy"] = (probabilities.argmax(axis=1) == videos.labels).mean()
    update = {"predictor": pipeline, "temperature": fit_temperature(says, videos.labels), "novelty": novelty}
    return TrainingResult(model.model_copy(update=update), pd.DataFrame([row]))


def gait_out_of_fold(name: str, videos: VideoSet, config: RunConfig, num_classes: int) -> np.ndarray:
    """Return what a gait classifier says of videos when fitted without their walkers: one row a video."""
    inputs, shares = classifiers.gait_inputs(videos, name), classifiers.label_shares(videos, num_classes)
    folds = inner_folds(videos.labels, videos.walkers, _NUM_INNER_FOLDS, config.seed)
    return remember(_gait_out_of_fold)(name, inputs, shares, folds, config.seed)


def _gait_out_of_fold(
    name: str, features: np.ndarray, shares: np.ndarray, folds: list, seed: int
) -> np.ndarray:
    says = np.zeros(shares.shape)
    for known, held in folds:
        pipeline = classifiers.fit_classifier(name, features[known], shares[known], seed)
        says[held] = classifiers.predict_classes(pipeline, features[held], shares.shape[1])
    return says


def _train_network(model: TrainedModel, train: VideoSet, validation: VideoSet) -> TrainingResult:
    """Train the network that `model` names, or take it from the cache."""
    clip_sets = make_clips(train, model), make_clips(validation, model)
    folder = cache_dir() / "trainings" / training_key(model, clip_sets)
    folder.mkdir(parents=True, exist_ok=True)
    notice = "Another process trains the same model on the same videos: waiting for it to end."
    with hold_lock(folder, notice, wait=True):
        if not (folder / "model.keras").exists():
            network = _fit_network(model, clip_sets, resume(folder), folder)
            trained = model.model_copy(update={"predictor": network, "about": {"is_demo": False}})
            save_model(_calibrate(trained, train, validation), folder)
    history = pd.read_csv(folder / "history.csv").dropna(subset="val_loss")
    history["epoch"] = history["epoch"].astype(int) + 1
    best = int(history["epoch"].iloc[history["val_loss"].to_numpy().argmin()])
    trained = load_trained(folder / "model.keras").model_copy(update={"about": model.about})
    return TrainingResult(trained, history, best)


def resume(folder: Path) -> pd.DataFrame:
    """Return the epochs, from 0, that the backup in a folder goes on from; drop what is half-written."""
    try:
        num_epochs = json.loads((folder / "backup" / "training_metadata.json").read_text())["epoch"]
        history = pd.read_csv(folder / "history.csv")
    except (OSError, ValueError):
        shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return pd.DataFrame({"epoch": [], "val_loss": []})
    history = history[history["epoch"] < num_epochs]
    history.to_csv(folder / "history.csv", index=False)
    return history


def _fit_network(
    model: TrainedModel, clip_sets: tuple[ClipSet, ClipSet], earlier: pd.DataFrame, folder: Path
) -> "keras.Model":
    """Train until the validation loss stops falling; return the network of the best epoch, not compiled."""
    keras, config, (train, validation) = load_keras(), model.config, clip_sets
    from tqdm.keras import TqdmCallback

    seed_everything(config.seed)
    network, best = network_for(model.name, config, len(model.emotions)), folder / "best.weights.h5"
    form = "sparse_categorical" if train.targets is None else "categorical"
    optimizer = keras.optimizers.Adam(config.learning_rate)
    network.compile(optimizer, f"{form}_crossentropy", metrics=["accuracy"])
    plateau, stopping, replay = patience(config, earlier)
    threshold = earlier["val_loss"].min() if len(earlier) else None
    options = {"save_best_only": True, "save_weights_only": True, "initial_value_threshold": threshold}
    layout = "{desc}: {percentage:3.0f} % after {elapsed}, at most {remaining} left{postfix}"
    network.fit(
        training_batches(train, config, len(earlier)),
        validation_data=evaluation_batches(validation),
        epochs=config.epochs,
        steps_per_epoch=-(-len(train) // config.batch_size),
        class_weight=_class_weights(train) if config.class_weights else None,
        callbacks=[
            TqdmCallback(verbose=0, tqdm_class=tqdm, desc=model.name, bar_format=layout),
            keras.callbacks.TerminateOnNaN(),
            plateau,
            stopping,
            keras.callbacks.ModelCheckpoint(best, **options),
            keras.callbacks.CSVLogger(folder / "history.csv", append=True),
            keras.callbacks.BackupAndRestore(folder / "backup", double_checkpoint=True),
            replay,
        ],
        shuffle=False,  # the batches come shuffled, by seed and epoch
        verbose=0,
    )
    if not best.exists():
        raise InputError(_DIVERGED)
    trained = network_for(model.name, config, len(model.emotions))
    trained.load_weights(best)
    return trained


def patience(config: RunConfig, earlier: pd.DataFrame) -> "list[keras.callbacks.Callback]":
    """Return callbacks that lower the learning rate and stop, and one that tells them of `earlier` epochs."""
    callbacks = load_keras().callbacks
    plateau = callbacks.ReduceLROnPlateau(patience=max(2, config.patience // 2), factor=0.5)
    stopping = callbacks.EarlyStopping(patience=config.patience)

    def replay(logs: Any = None) -> None:
        if len(earlier):
            plateau.model.optimizer.learning_rate = config.learning_rate
        for row in earlier.to_dict("records"):
            plateau.on_epoch_end(row["epoch"], dict(row))
            stopping.on_epoch_end(row["epoch"], dict(row))

    return [plateau, stopping, callbacks.LambdaCallback(on_train_begin=replay)]


def _class_weights(clips: ClipSet) -> dict[int, float]:
    """Return for each class the weight that makes all classes count the same in training."""
    labels = clips.labels[clips.video_numbers]
    present = np.unique(labels)
    return dict(zip(present, compute_class_weight("balanced", classes=present, y=labels), strict=True))


def _calibrate(model: TrainedModel, train: VideoSet, validation: VideoSet) -> TrainedModel:
    """Let the validation walkers set the temperature and the limit of novelty."""
    answers, features = model.predict_clips(validation), model.predict_clips(train).features
    if not np.isfinite(features).all():
        raise InputError(_DIVERGED)
    temperature = fit_temperature(model.predict(validation, answers), validation.labels)
    novelty = Novelty.fit(features)
    model = model.model_copy(update={"temperature": temperature, "novelty": novelty})
    return model.model_copy(update={"novelty": novelty.with_limit(model.novelty_of(validation, answers))})


def training_key(model: TrainedModel, clip_sets: Sequence[ClipSet]) -> str:
    """Name a training by all that shapes its outcome."""
    settings = model.config.model_dump(exclude=OTHER_SETTINGS | {"model", "folds"})
    parts = [_VERSION, model.name, settings, model.emotions, load_keras().__version__]
    for clips in clip_sets:
        for part in (clips, clips.references) if clips.references else (clips,):
            parts += [[video.folder.name for video in part.videos], part.rows, part.video_numbers]
            parts += [part.is_mirrored, part.labels, part.targets, part.reference_videos]
    return joblib.hash(parts)


def _describe(videos: VideoSet, emotions: Sequence[str], config: RunConfig) -> dict[str, Any]:
    """Return the range of the cadence, that of `proportions`, and what a walk is held against.

    By gait parameter: `mean`, `sd` and `num_walks` of neutral walks, if any, and by `emotions` the mean, all
    by medians: a walk that was measured badly does not count (Rousseeuw & Croux 1993).
    """
    every = pd.DataFrame([gait_parameters(video) for video in videos.videos], dtype=float)
    shown, cadence = np.array(emotions)[videos.labels], every["cadence_steps_per_min"].dropna()
    apart = dict.fromkeys(chain(*videos.references) if config.relative_to == "reference" else ())
    others = pd.DataFrame([gait_parameters(walk) for walk in apart], columns=every.columns, dtype=float)
    neutral = pd.concat([every[shown == config.reference_emotion], others])
    neutral = neutral.loc[:, neutral.count() >= _FEWEST_WALKS]
    spread = _NORMAL_SD * (neutral - neutral.median()).abs().median()
    table = pd.DataFrame({"mean": neutral.median(), "sd": spread, "num_walks": neutral.count()})
    table["emotions"] = pd.Series(every.groupby(shown).median().to_dict())
    limits = cadence.quantile([0.02, 0.98]).tolist() if len(cadence) else []
    seen = pd.DataFrame(map(proportions, videos.videos)).dropna(axis=1, thresh=_FEWEST_SEEN)
    usual = seen.median()
    reach = _MAX_SD * np.maximum(_NORMAL_SD * (seen - usual).abs().median(), 0.03 * usual)
    return {
        "gait_reference": table.to_dict("index"),
        "cadence_range_steps_per_min": limits,
        "proportion_ranges": pd.DataFrame([usual - reach, usual + reach]).to_dict("list"),
    }
