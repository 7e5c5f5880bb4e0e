"""What each trained model and each baseline says about the test walkers of its fold."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gaitlib.baselines import predict_baselines
from gaitlib.calibration import fit_temperature
from gaitlib.evaluation import predict_videos
from gaitlib.folds import Fit
from gaitlib.oracle import predict_oracle
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
    clips, validation = (data.clip_set(split, config) for split in ("test", "validation"))
    return Judgement(
        fit.fold,
        fit.seed,
        data.rows("test"),
        clips.labels,
        predict_videos(model, clips),
        fit_temperature(predict_videos(model, validation), validation.labels),
        guess_baselines(data, fit.seed) if with_baselines else {},
        best_epoch,
    )


def guess_baselines(data: RunData, seed: int) -> dict[str, np.ndarray]:
    """Return the class that each baseline gives to each test video.

    The baselines choose nothing by validation, so that they learn from these walkers too.
    """
    rows = pd.concat([data.rows("train"), data.rows("validation")], ignore_index=True)
    videos = data.prepared("train") + data.prepared("validation")
    places = {emotion: place for place, emotion in enumerate(data.emotions)}
    guesses = predict_baselines(videos, rows["emotion"].map(places).to_numpy(), data.prepared("test"), seed)
    oracle = predict_oracle(rows, data.rows("test"), seed) if data.is_demo else None
    if oracle is not None:
        guesses["oracle"] = np.array([places[emotion] for emotion in oracle])
    return guesses
