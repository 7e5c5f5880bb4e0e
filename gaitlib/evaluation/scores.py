"""Scores of a test, counted per video, as typed objects with intervals over the walkers."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from gaitlib.config import RunConfig
from gaitlib.evaluation.intervals import Interval, mean_with_interval, walker_interval
from gaitlib.models import apply_temperature

METRICS = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1")
_CLASS_METRICS = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Predictions:
    """What models said about test videos, each by a model that has never seen its walker.

    Attributes
    ----------
    videos : DataFrame
        `video`, `walker`, `emotion`, `num_clips`, `fold` (0 for a single split).
    emotions : tuple of str
        Class names; a label is a place in it.
    probabilities : ndarray of shape (num_videos, num_classes), float
        The mean over a video's clips, not calibrated.
    temperatures : ndarray of shape (num_videos,) or (1,), float
        Of the model that judged each video.
    """

    videos: pd.DataFrame
    emotions: tuple[str, ...]
    probabilities: np.ndarray
    temperatures: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """True class of each video, shape (num_videos,), int."""
        return np.array([self.emotions.index(emotion) for emotion in self.videos["emotion"]], int)

    @property
    def predicted(self) -> np.ndarray:
        """Most probable class of each video, shape (num_videos,), int."""
        return self.probabilities.argmax(axis=1)

    @property
    def walkers(self) -> np.ndarray:
        """Walker of each video, shape (num_videos,), str."""
        return self.videos["walker"].to_numpy(str)

    @property
    def is_right(self) -> np.ndarray:
        """Whether each video was recognised, shape (num_videos,), bool."""
        return self.labels == self.predicted

    @property
    def confidence(self) -> np.ndarray:
        """Highest probability of each video, shape (num_videos,), float."""
        return self.probabilities.max(axis=1)

    @property
    def calibrated(self) -> np.ndarray:
        """Probabilities after temperature scaling, shape (num_videos, num_classes)."""
        return apply_temperature(self.probabilities, self.temperatures)

    def rights(self) -> pd.Series:
        """Return `is_right` as float by `walker` and `video`, for a paired comparison."""
        return pd.Series(
            self.is_right.astype(float), pd.MultiIndex.from_frame(self.videos[["walker", "video"]])
        )

    def by_walker(self) -> pd.DataFrame:
        """Return `walker`, `num_videos` and `accuracy`, the least recognised walker first."""
        grouped = self.rights().groupby(level="walker").agg(num_videos="size", accuracy="mean")
        return grouped.reset_index().sort_values(["accuracy", "walker"], ignore_index=True)

    def to_table(self) -> pd.DataFrame:
        """Return what stands in ``predictions.csv``."""
        table = self.videos[["video", "walker", "emotion"]].copy()
        table["predicted"] = np.array(self.emotions, object)[self.predicted]
        table["confidence"], table["num_clips"] = self.confidence, self.videos["num_clips"]
        table[[f"p_{emotion}" for emotion in self.emotions]] = self.probabilities
        return table.assign(fold=self.videos["fold"]) if self.videos["fold"].any() else table


class ClassScores(BaseModel, frozen=True):
    """Scores of one emotion; None where no test video shows it."""

    num_videos: int
    precision: float | None
    precision_ci95: Interval | None
    recall: float | None
    recall_ci95: Interval | None
    f1: float | None
    f1_ci95: Interval | None


class Scores(BaseModel, frozen=True):
    """The `test` part of ``results.json``; means over emotions are of those that the test shows."""

    accuracy: float
    accuracy_ci95: Interval
    balanced_accuracy: float
    balanced_accuracy_ci95: Interval
    macro_precision: float
    macro_precision_ci95: Interval
    macro_recall: float
    macro_recall_ci95: Interval
    macro_f1: float
    macro_f1_ci95: Interval
    per_class: dict[str, ClassScores]
    confusion_matrix: list[list[int]]
    labels: list[str]
    num_videos: int
    num_walkers: int

    @property
    def untested(self) -> list[str]:
        """Emotions that no test video shows, so that no figure is known for them."""
        return [emotion for emotion, scores in self.per_class.items() if not scores.num_videos]


class BaselineScore(BaseModel, frozen=True):
    """Accuracy of one classifier; `difference` is the chosen model's lead over it, video by video."""

    accuracy: float
    accuracy_ci95: Interval
    difference: float | None = None
    difference_ci95: Interval | None = None


class FitScore(BaseModel, frozen=True):
    """One fold with one seed: its test walkers and how its model did on them."""

    fold: int
    seed: int
    model: str
    test_walkers: list[str]
    accuracy: float
    num_videos: int
    best_epoch: int | None
    temperature: float


class LeakScores(BaseModel, frozen=True):
    """One model on the same videos, their walkers held out or known from other videos in training."""

    model: str
    held_out: BaselineScore
    leaking: BaselineScore
    difference: float
    difference_ci95: Interval
    num_videos: int


class AblationScore(BaseModel, frozen=True):
    """Accuracy without one family of gait parameters (`difference`: what that changes), and with it alone."""

    family: str
    without: float
    only: float
    difference: float
    difference_ci95: Interval


def score(predictions: Predictions, config: RunConfig) -> Scores:
    """Score predictions, with 95 % intervals from resampling whole walkers."""
    names, places = np.unique(predictions.walkers, return_inverse=True)
    emotions = predictions.emotions
    counts = np.zeros((len(names), len(emotions), len(emotions)), int)
    np.add.at(counts, (places, predictions.labels, predictions.predicted), 1)
    values, limits = walker_interval(counts, _metrics, config)
    keys = [*METRICS, *product(_CLASS_METRICS, emotions)]
    figures = {
        key: (None, None) if np.isnan(value) else (value, (low, high))
        for key, value, low, high in zip(keys, values.tolist(), *limits.tolist(), strict=True)
    }
    total = counts.sum(axis=0)
    entries: dict[str, Any] = _with_intervals({name: figures[name] for name in METRICS})
    entries["per_class"] = {
        emotion: {
            "num_videos": number,
            **_with_intervals({name: figures[name, emotion] for name in _CLASS_METRICS}),
        }
        for emotion, number in zip(emotions, total.sum(axis=1).tolist(), strict=True)
    }
    entries |= {"confusion_matrix": total.tolist(), "labels": list(emotions)}
    return Scores(**entries, num_videos=total.sum(), num_walkers=len(names))


def score_rights(
    rights: np.ndarray | pd.Series, walkers: np.ndarray | pd.Index, config: RunConfig, model: Any = None
) -> BaselineScore:
    """Score how right each answer is, 0 to 1, with the lead of `model` (`Predictions` of the same videos)."""
    rights = np.asarray(rights, float)
    figures = {"accuracy": mean_with_interval(rights, walkers, config)}
    if model is not None:
        figures["difference"] = mean_with_interval(model.is_right - rights, walkers, config, lowest=-1)
    return BaselineScore(**_with_intervals(figures))


def _with_intervals(figures: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    values = {name: value for name, (value, _) in figures.items()}
    return values | {f"{name}_ci95": interval for name, (_, interval) in figures.items()}


def _metrics(counts: np.ndarray) -> np.ndarray:
    """Return `METRICS` and the scores by emotion, NaN without a video; shape (num, 5 + 3 * num_classes).

    An emotion that is never predicted has precision 0.
    """
    right = np.diagonal(counts, axis1=-2, axis2=-1).astype(float)
    true, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    is_there, wanted = true > 0, (predicted, true, (true + predicted) / 2)
    by_class = [right / np.maximum(number, 0.5) for number in wanted]
    precision, recall, f1 = ((row * is_there).sum(axis=-1) / is_there.sum(axis=-1) for row in by_class)
    macros = [right.sum(axis=-1) / true.sum(axis=-1), recall, precision, recall, f1]
    return np.column_stack([*macros, *(np.where(is_there, row, np.nan) for row in by_class)])
