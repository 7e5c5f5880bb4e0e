"""One training, whatever the kind of model."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss

from gaitlib.config import RunConfig
from gaitlib.data import VideoSet
from gaitlib.gait import gait_parameters
from gaitlib.models import (
    GAIT_NAMES,
    Novelty,
    TrainedModel,
    describe_each,
    fit_classifier,
    fit_temperature,
    gait_inputs,
    label_shares,
    predict_classes,
)
from gaitlib.training.choosing import divide, out_of_fold
from gaitlib.training.network_fit import train_network

_FEWEST_WALKS = 3
# Standard deviations in a median absolute deviation, of normal values.
_NORMAL_SD = 1.4826


@dataclass(frozen=True)
class TrainingResult:
    """A trained model, with the weights of the best epoch, and how it came about.

    `history` has a row an epoch: `epoch` (from 1), `loss`, `accuracy`, `val_loss`, `val_accuracy`,
    `learning_rate`, `seconds`; a gait classifier has one row, its validation is by inner folds.
    `resumed_epoch` is the number of epochs that an earlier process had done.
    """

    model: TrainedModel
    history: pd.DataFrame
    best_epoch: int = 1
    resumed_epoch: int = 0


def train_model(
    name: str, train: VideoSet, validation: VideoSet, config: RunConfig, emotions: Sequence[str]
) -> TrainingResult:
    """Train one model.

    A network trains until the loss of the validation walkers stops falling. Its state after each epoch lies
    in the cache: the same training goes on from there after a kill, and is not done twice. A gait classifier
    has no epoch to choose, and learns from the validation walkers too.

    Parameters
    ----------
    name : str
        One of `gaitlib.models.MODEL_NAMES`.
    train, validation : VideoSet
        Of different walkers.
    config : RunConfig
        With `body` and `crop` decided.
    emotions : sequence of str
        Class names in the order of the labels.

    Raises
    ------
    InputError
        If the loss stops being a number.
    """
    learnt = join_sets(train, validation)
    counts = {"num_walkers": len(set(learnt.walkers)), "num_videos": len(learnt)}
    about = {
        "is_demo": False,
        **counts,
        "gait_reference": gait_reference(learnt, emotions, config),
        "cadence_range_steps_per_min": cadence_range(learnt),
    }
    model = TrainedModel(name=name, emotions=tuple(emotions), config=config, about=about)
    if name in GAIT_NAMES:
        return _fit_gait(model, learnt)
    model, history, num_done = train_network(model, train, validation)
    best = history["val_loss"].to_numpy().argmin()
    return TrainingResult(model, history, int(history["epoch"].iloc[best]), num_done)


def _fit_gait(model: TrainedModel, videos: VideoSet) -> TrainingResult:
    """Fit a gait classifier; inner folds of the same walkers say how sure it may be."""
    start, config, num_classes = time.perf_counter(), model.config, len(model.emotions)
    features, shares = gait_inputs(videos, model.name), label_shares(videos, num_classes)
    pipeline = fit_classifier(model.name, features, shares, config.seed)
    says = out_of_fold(model.name, videos, config, num_classes)
    values = pipeline[:-1].transform(features)
    distances = np.zeros(len(videos))
    for known, held in divide(videos, config):
        distances[held] = Novelty.fit(values[known]).distances(values[held])
    novelty = Novelty.fit(values).with_limit(distances)
    update = {"predictor": pipeline, "temperature": fit_temperature(says, videos.labels), "novelty": novelty}
    row = {"epoch": 1, "learning_rate": np.nan, "seconds": time.perf_counter() - start}
    for prefix, probabilities in (("", predict_classes(pipeline, features, num_classes)), ("val_", says)):
        row[f"{prefix}loss"] = log_loss(videos.labels, probabilities, labels=range(num_classes))
        row[f"{prefix}accuracy"] = (probabilities.argmax(axis=1) == videos.labels).mean()
    return TrainingResult(model.model_copy(update=update), pd.DataFrame([row]))


def join_sets(one: VideoSet, other: VideoSet) -> VideoSet:
    """Return the videos of both sets, each with its references."""
    shift = len(one.reference_videos)
    return replace(
        one,
        videos=one.videos + other.videos,
        labels=np.concatenate([one.labels, other.labels]),
        walkers=np.concatenate([one.walkers, other.walkers]),
        reference_videos=one.reference_videos + other.reference_videos,
        references=one.references + tuple(places + shift for places in other.references),
        targets=None if one.targets is None else np.concatenate([one.targets, other.targets]),
    )


def gait_reference(videos: VideoSet, emotions: Sequence[str], config: RunConfig) -> dict[str, dict[str, Any]]:
    """Describe how walkers walk neutrally (`config.reference_emotion`): what a single walk is held against.

    Median and scaled median absolute deviation stand for mean and standard deviation, so that one walk that
    was measured badly does not count (Rousseeuw & Croux 1993).

    Returns
    -------
    dict of str to dict
        By gait parameter: `mean`, `sd` and `num_walks` of neutral walks (empty without any), and the mean of
        each emotion's walks by its name under `emotions`.
    """
    is_neutral = np.array([emotions[label] == config.reference_emotion for label in videos.labels])
    neutral = videos.chosen(is_neutral).videos
    if config.relative_to == "reference":
        neutral += tuple(
            videos.reference_videos[place] for place in {int(own[0]) for own in videos.references}
        )
    table = pd.DataFrame(describe_each(neutral, gait_parameters), dtype=float)
    table = table.loc[:, table.count() >= _FEWEST_WALKS]
    spread = _NORMAL_SD * (table - table.median()).abs().median()
    described = pd.DataFrame({"mean": table.median(), "sd": spread, "num_walks": table.count()})
    every = pd.DataFrame(describe_each(videos.videos, gait_parameters), dtype=float)
    shown = every.groupby(np.array(emotions)[videos.labels]).median()
    return {
        str(name): {**{str(key): float(row[key]) for key in row.index}, "emotions": shown[name].to_dict()}
        for name, row in described.iterrows()
    }


def cadence_range(videos: VideoSet) -> list[float]:
    """Return the least and the largest cadence of some walks, steps per minute; empty where none is known."""
    cadence = [one["cadence_steps_per_min"] for one in describe_each(videos.videos, gait_parameters)]
    known = np.array(cadence, float)[np.isfinite(cadence)]
    return [float(known.min()), float(known.max())] if len(known) else []
