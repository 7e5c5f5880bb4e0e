"""Scores of a test per video; intervals and p-values from whole walkers, whose videos resemble each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic import BaseModel
from scipy import stats
from sklearn.metrics import brier_score_loss, log_loss

from gaitlib.config import RunConfig
from gaitlib.models import apply_temperature

Interval = tuple[float, float]
_METRICS = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1")
_CLASS_METRICS = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Predictions:
    """What models said about test videos, each by a model that has never seen its walker.

    The columns of `videos`: `video`, `walker`, `emotion`, `num_clips`, `fold`, the
    `temperature` of the model that judged it, and ``p_<emotion>``, the mean over its clips, not calibrated.
    """

    videos: pd.DataFrame
    emotions: tuple[str, ...]  # class names; a label is a place in it

    @property
    def probabilities(self) -> np.ndarray:
        """Probability of each class, shape (num_videos, num_classes), float, not calibrated."""
        return self.videos[[f"p_{emotion}" for emotion in self.emotions]].to_numpy(float)

    @property
    def labels(self) -> np.ndarray:
        """True class of each video, shape (num_videos,), int."""
        return self.videos["emotion"].map(self.emotions.index).to_numpy(int)

    @property
    def predicted(self) -> np.ndarray:
        """Most probable class of each video, shape (num_videos,), int."""
        return self.probabilities.argmax(axis=1)

    @property
    def is_right(self) -> np.ndarray:
        """Whether each video was recognised, shape (num_videos,), bool."""
        return self.labels == self.predicted

    @property
    def calibrated(self) -> np.ndarray:
        """Probabilities after temperature scaling, shape (num_videos, num_classes)."""
        return apply_temperature(self.probabilities, self.videos["temperature"].to_numpy(float))

    def rights(self) -> pd.Series:
        """Return `is_right` as float by `walker` and `video`, for a paired comparison."""
        index = pd.MultiIndex.from_frame(self.videos[["walker", "video"]])
        return pd.Series(self.is_right.astype(float), index)

    def to_table(self) -> pd.DataFrame:
        """Return what stands in ``predictions.csv``."""
        said = np.array(self.emotions, object)[self.predicted]
        table = self.videos.assign(predicted=said, confidence=self.probabilities.max(axis=1))
        columns = ["video", "walker", "emotion", "predicted", "confidence", "num_clips"]
        columns += [f"p_{emotion}" for emotion in self.emotions]
        return table[[*columns, "fold"] if table["fold"].nunique() > 1 else columns]


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
    macro_recall: float
    macro_f1: float
    per_class: dict[str, ClassScores]
    confusion_matrix: list[list[int]]
    labels: list[str]
    num_videos: int
    num_walkers: int


@dataclass(frozen=True)
class BaselineScore:
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
    temperature: float
    best_epoch: int | None = None
    reason: str = ""  # why its model was chosen


@dataclass(frozen=True)
class Difference:
    """A difference of accuracies on the same videos, positive where the second is better."""

    difference: float
    difference_ci95: Interval
    p: float
    num_videos: int


@dataclass(frozen=True)
class LeakScores(Difference):
    """One model on the same videos, their walkers held out or known from other videos in training."""

    held_out: BaselineScore
    leaking: BaselineScore


def score(predictions: Predictions, config: RunConfig) -> Scores:
    """Score predictions, with 95 % intervals from resampling whole walkers."""
    names, places = np.unique(predictions.videos["walker"], return_inverse=True)
    emotions, first = predictions.emotions, len(_METRICS)
    counts = np.zeros((len(names), len(emotions), len(emotions)), int)
    np.add.at(counts, (places, predictions.labels, predictions.predicted), 1)
    values, limits = walker_interval(counts, _metrics, config)
    figures = list(zip(values.tolist(), limits.T.tolist(), strict=True))
    total, entries = counts.sum(axis=0), _entries(_METRICS, figures[:first])
    entries["per_class"] = {
        emotion: _entries(_CLASS_METRICS, figures[first + place :: len(emotions)])
        | {"num_videos": total[place].sum()}
        for place, emotion in enumerate(emotions)
    }
    entries |= {"num_videos": total.sum(), "num_walkers": len(names), "labels": list(emotions)}
    return Scores(**entries, confusion_matrix=total.tolist())


def _entries(names: Sequence[str], figures: Sequence[tuple[float, Any]]) -> dict[str, Any]:
    """Return values and their intervals by name; None where there is no video to know one from."""
    entries: dict[str, Any] = {}
    for name, (value, limits) in zip(names, figures, strict=True):
        entries[name], entries[f"{name}_ci95"] = (None, None) if np.isnan(value) else (value, limits)
    return entries


def _metrics(counts: np.ndarray) -> np.ndarray:
    """Return `_METRICS` and the scores by emotion, NaN without a video; shape (num, 5 + 3 * num_classes)."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    true, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    wanted = np.stack([predicted, true, (true + predicted) / 2], axis=1)
    # The precision of an emotion that is never predicted is 0.
    by_class = np.where(true[:, None] > 0, right[:, None] / np.maximum(wanted, 0.5), np.nan)
    precision, recall, f1 = np.nanmean(by_class, axis=2).T
    accuracy = right.sum(axis=1) / true.sum(axis=1)
    return np.column_stack([accuracy, recall, precision, recall, f1, by_class.reshape(len(counts), -1)])


def measure_calibration(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Score probabilities, shape (num_videos, num_classes), by labels, shape (num_videos,); 0 is best."""
    classes = np.arange(probabilities.shape[1])
    return {
        "brier_score": brier_score_loss(labels, probabilities, labels=classes, scale_by_half=False),
        "log_loss": log_loss(labels, probabilities, labels=classes),
    }


def walker_interval(
    parts: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], config: RunConfig, lowest: float = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return a statistic of sums over walkers, shape (num_values,), and its 95 % interval, (2, num_values).

    Whole walkers are drawn with replacement (percentile bootstrap; Field & Welsh 2007). Where no resample
    differs, the interval reaches as far as the share of other walkers that so few could have missed (Clopper
    & Pearson 1934).

    `parts`, of shape (num_walkers, ...), is what each walker adds to the sums; `statistic` takes sums of
    shape (num, ...) and returns values of shape (num, num_values), NaN where unknown; `lowest` is the least
    value possible: 0 for a share, -1 for a difference of shares; NaN: no limits where all are alike.
    """
    values, num_walkers = statistic(parts.sum(axis=0)[None])[0], len(parts)
    limits, is_known = np.stack([values, values]), ~np.isnan(values)
    # How often each resample holds each walker.
    rng, shares = np.random.default_rng(config.seed), np.full(num_walkers, 1 / num_walkers)
    times = rng.multinomial(num_walkers, shares, config.num_resamples)
    resampled = statistic(np.tensordot(times, parts, axes=1))[:, is_known]
    limits[:, is_known] = np.nanquantile(resampled, (0.025, 0.975), axis=0)
    is_alike = np.isclose(*limits)
    missed = stats.binomtest(0, num_walkers).proportion_ci().high
    limits[:, is_alike] = np.clip(values[is_alike] + [[-missed], [missed]], lowest, 1)
    return values, limits


def mean_with_interval(
    values: ArrayLike, walkers: ArrayLike, config: RunConfig, lowest: float = 0
) -> tuple[float, Interval]:
    """Return the mean of a value per video, shape (num_videos,), and its interval; see `walker_interval`."""
    parts = pd.Series(np.asarray(values, float)).groupby(np.asarray(walkers)).agg(["sum", "size"]).to_numpy()
    values, limits = walker_interval(parts, lambda sums: sums[:, :1] / sums[:, 1:], config, lowest)
    return values.item(), (limits[0].item(), limits[1].item())


def compare_rights(first: pd.Series, second: pd.Series, config: RunConfig) -> Difference:
    """Compare how right two models are on the videos that both have judged, see `Predictions.rights`."""
    # Several answers on a video count by their mean.
    means = [one.groupby(level=["walker", "video"]).mean() for one in (first, second)]
    gain = (means[1] - means[0]).dropna()
    walkers = gain.index.get_level_values("walker")
    p = sign_flip_test(gain, walkers, config)
    return Difference(*mean_with_interval(gain, walkers, config, lowest=-1), p, len(gain))


def sign_flip_test(differences: ArrayLike, walkers: ArrayLike, config: RunConfig) -> float:
    """Return the p-value of a mean difference if its sign were random; walkers change sign whole."""
    by_walker = pd.Series(np.asarray(differences)).groupby(np.asarray(walkers)).sum().to_numpy()
    if len(by_walker) < 2 or not by_walker.any():
        return 1.0
    options = {"permutation_type": "samples", "vectorized": True, "rng": config.seed}
    return float(stats.permutation_test((by_walker,), np.mean, n_resamples=9999, **options).pvalue)


def permutation_p(labels: np.ndarray, predicted: np.ndarray, walkers: np.ndarray, config: RunConfig) -> float:
    """Return the p-value of an accuracy, labels shuffled within walkers: knowing the walker is no help.

    The observed case counts too (Phipson & Smyth 2010). All arrays have shape (num_videos,).
    """
    codes = np.unique(walkers, return_inverse=True)[1]
    keys = np.random.default_rng(config.seed).random((config.num_resamples, len(codes)))
    shuffled = labels[np.argsort(codes + keys, axis=1)]  # keys below 1 leave the walkers in order
    is_right = shuffled == predicted[np.argsort(codes, kind="stable")]
    num_as_good = (is_right.sum(axis=1) >= (labels == predicted).sum()).sum()
    return float((1 + num_as_good) / (1 + config.num_resamples))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for the number of comparisons (Holm 1979), in the order given."""
    sorted_p = pd.Series(p_values, dtype=float).sort_values()
    raised = (sorted_p * np.arange(len(sorted_p), 0, -1)).cummax().clip(upper=1.0)
    return raised.sort_index().tolist()
