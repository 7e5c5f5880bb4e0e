"""What each trained model and each baseline says about the test walkers of its fold."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gaitlib.baselines import predict_baselines
from gaitlib.calibration import fit_temperature
from gaitlib.config import RunConfig
from gaitlib.evaluation import predict_videos
from gaitlib.folds import Fit
from gaitlib.gait_models import fit_as_set, gait_inputs, reads_gait
from gaitlib.oracle import predict_oracle
from gaitlib.prepared import prepared_rows
from gaitlib.rundata import RunData

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Judgement:
    """One model's answers on the test walkers of its fold.

    Attributes
    ----------
    fold, seed : int
    videos : DataFrame
        The test videos.
    labels : ndarray of shape (num_videos,), int
    probabilities : ndarray of shape (num_videos, num_classes), float
        As the model gives them, the mean over a video's clips.
    temperature : float
        Fitted on the validation walkers of the fold.
    guesses : dict of str to ndarray of shape (num_videos,), int
        What the baselines say, fitted on the same walkers; empty where another seed has it.
    best_epoch : int or None
        The epoch that was kept, if known.
    """

    fold: int
    seed: int
    videos: pd.DataFrame
    labels: np.ndarray
    probabilities: np.ndarray
    temperature: float
    guesses: dict[str, np.ndarray] = field(default_factory=dict)
    best_epoch: int | None = None

    @property
    def predicted(self) -> np.ndarray:
        """Likeliest class of each video, shape (num_videos,), int."""
        return self.probabilities.argmax(axis=1)

    @property
    def accuracy(self) -> float:
        """Share of the fold's videos that were recognised."""
        return float((self.predicted == self.labels).mean())


def judge_fit(model: "keras.Model", fit: Fit, with_baselines: bool, best_epoch: int | None) -> Judgement:
    """Let a model, and the baselines, judge the test videos of its fold.

    Parameters
    ----------
    model : keras.Model
        Trained on the training walkers of `fit`.
    fit : Fit
    with_baselines : bool
        They do not depend on the training's seed: once a fold is enough.
    best_epoch : int or None
        The epoch that was kept.
    """
    data, config = fit.data, fit.config
    clips = data.clip_set("test", config)
    return Judgement(
        fit.fold,
        fit.seed,
        data.rows("test"),
        clips.labels,
        predict_videos(model, clips),
        _temperature(model, fit),
        guess_baselines(data, config) if with_baselines else {},
        best_epoch,
    )


def _temperature(model: "keras.Model", fit: Fit) -> float:
    """Fit the temperature on walkers whom the model has not learnt from."""
    train, validation = (fit.data.clip_set(split, fit.config) for split in ("train", "validation"))
    if reads_gait(model) and not fit.config.training_walkers:
        # It has learnt from the validation walkers too; one that has not tells how sure to be.
        model = fit_as_set(fit.config, gait_inputs(train), train.labels, len(fit.data.emotions))
    return fit_temperature(predict_videos(model, validation), validation.labels)


def guess_baselines(data: RunData, config: RunConfig) -> dict[str, np.ndarray]:
    """Return the class that each baseline gives to each test video.

    The baselines choose nothing by validation, so that they learn from these walkers too, unless the number
    of those to learn from is given.
    """
    splits = ("train",) if config.training_walkers else ("train", "validation")
    rows = pd.concat([data.rows(split) for split in splits], ignore_index=True)
    places = {emotion: place for place, emotion in enumerate(data.emotions)}
    test = data.rows("test")
    beside = (data.beside(rows), data.beside(test)) if config.relative_to != "none" else None
    guesses = predict_baselines(
        prepared_rows(rows), rows["emotion"].map(places).to_numpy(), prepared_rows(test), config.seed, beside
    )
    oracle = predict_oracle(rows, test, config.seed) if data.is_demo else None
    if oracle is not None:
        guesses["oracle"] = np.array([places[emotion] for emotion in oracle])
    return guesses
