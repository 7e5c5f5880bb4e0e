"""Scores with intervals, counted per video, and the baselines that they must be held against."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import confusion_matrix

from gaitlib.answering import ask_model
from gaitlib.batches import ClipSet

if TYPE_CHECKING:
    import keras

METRICS = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1")


@dataclass(frozen=True)
class Predictions:
    """What a model said about test videos.

    Attributes
    ----------
    labels : ndarray of shape (num_videos,), int
        The true class.
    predicted : ndarray of shape (num_videos,), int
    walkers : ndarray of shape (num_videos,), str
    """

    labels: np.ndarray
    predicted: np.ndarray
    walkers: np.ndarray

    @property
    def is_right(self) -> np.ndarray:
        """Whether each video was recognised, shape (num_videos,), bool."""
        return self.labels == self.predicted


def predict_videos(model: "keras.Model", clips: ClipSet) -> np.ndarray:
    """Return the mean class probabilities over the clips of each video.

    Returns
    -------
    ndarray of shape (num_videos, num_classes), float
        Rows sum to 1.
    """
    by_clip = ask_model(model, clips).probabilities
    totals = np.zeros((len(clips.videos), by_clip.shape[1]))
    np.add.at(totals, clips.video_numbers, by_clip)
    return totals / totals.sum(axis=1, keepdims=True)


def score(predictions: Predictions, emotions: Sequence[str], num_resamples: int, seed: int) -> dict[str, Any]:
    """Score predictions, with 95 % intervals from resampling the walkers.

    Videos of one person resemble each other, so that the number of walkers, not that of videos, says
    how much is known: whole walkers are drawn with replacement (percentile bootstrap; Field & Welsh
    2007, "Bootstrapping clustered data").

    Parameters
    ----------
    predictions : Predictions
    emotions : sequence of str
        Class names in the order of the labels.
    num_resamples : int
    seed : int

    Returns
    -------
    dict
        The `test` part of ``results.json``: each of `METRICS` with its ``_ci95``, `per_class`,
        `confusion_matrix` (rows: true), `labels`, `num_videos`, `num_walkers`.
    """
    counts = _confusion_by_walker(predictions, len(emotions))
    total = counts.sum(axis=0)
    result: dict[str, Any] = {}
    for name in METRICS:
        result[name] = float(_metrics(total)[name])
        result[f"{name}_ci95"] = _interval(counts, name, num_resamples, seed)
    result["per_class"] = {
        emotion: _class_scores(counts, number, num_resamples, seed) for number, emotion in enumerate(emotions)
    }
    result["confusion_matrix"] = total.tolist()
    result["labels"] = list(emotions)
    result["num_videos"] = int(total.sum())
    result["num_walkers"] = len(counts)
    return result


def score_by_walker(predictions: Predictions) -> pd.DataFrame:
    """Return `walker`, `num_videos` and `accuracy`, the worst recognised walker first."""
    table = pd.DataFrame({"walker": predictions.walkers, "accuracy": predictions.is_right})
    by_walker = table.groupby("walker")["accuracy"].agg(num_videos="size", accuracy="mean")
    return by_walker.reset_index().sort_values(["accuracy", "walker"], ignore_index=True)


def accuracy_with_interval(predictions: Predictions, num_resamples: int, seed: int) -> dict[str, Any]:
    """Return `accuracy` and `accuracy_ci95`, as each baseline is reported."""
    num_classes = int(max(predictions.labels.max(), predictions.predicted.max())) + 1
    counts = _confusion_by_walker(predictions, num_classes)
    accuracy = float(predictions.is_right.mean())
    return {
        "accuracy": accuracy,
        "accuracy_ci95": _interval(counts, "accuracy", num_resamples, seed),
    }


def mean_with_interval(
    values: np.ndarray, walkers: np.ndarray, num_resamples: int, seed: int
) -> tuple[float, list[float]]:
    """Return the mean of a value per video, and its 95 % interval over resampled walkers.

    With the difference of two classifiers' right answers on the same videos this is their paired
    comparison. Where all walkers have the same mean, resampling them would claim certainty; then the
    interval reaches as far as the share of unlike walkers that so few could have missed (the exact
    binomial limit for none among them).

    Parameters
    ----------
    values : ndarray of shape (num_videos,), float
    walkers : ndarray of shape (num_videos,), str
    num_resamples : int
    seed : int
    """
    groups = pd.Series(values).groupby(np.asarray(walkers))
    sums, sizes = groups.sum().to_numpy(float), groups.size().to_numpy()
    drawn = np.random.default_rng(seed).integers(0, len(sums), (num_resamples, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    if np.ptp(sums / sizes) < 1e-12:
        missed = stats.binomtest(0, len(sums)).proportion_ci().high
        low, high = max(-1.0, low - missed), min(1.0, high + missed)
    return float(np.mean(values)), [float(low), float(high)]


def better_than_chance(predictions: Predictions, num_permutations: int, seed: int) -> float:
    """Return the probability of such an accuracy if the predictions said nothing of the emotion.

    The true labels change places within each walker, so that knowing the walker helps nobody
    (permutation test; p-value with the observed case counted, Phipson & Smyth 2010).
    """
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(predictions.walkers == walker) for walker in np.unique(predictions.walkers)]
    observed = int(predictions.is_right.sum())
    labels = predictions.labels.copy()
    num_as_good = 0
    for _ in range(num_permutations):
        for group in groups:
            labels[group] = rng.permutation(labels[group])
        num_as_good += int((labels == predictions.predicted).sum()) >= observed
    return (1 + num_as_good) / (1 + num_permutations)


def _confusion_by_walker(predictions: Predictions, num_classes: int) -> np.ndarray:
    """Return confusion counts, shape (num_walkers, num_classes, num_classes), rows true."""
    return np.stack(
        [
            confusion_matrix(
                predictions.labels[chosen],
                predictions.predicted[chosen],
                labels=np.arange(num_classes),
            )
            for walker in np.unique(predictions.walkers)
            for chosen in [predictions.walkers == walker]
        ]
    )


def _metrics(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Compute every metric from confusion counts of shape (..., num_classes, num_classes).

    Classes that a resample happens to lack are left out of its means. A class that is never predicted
    has precision 0.
    """
    right = np.diagonal(counts, axis1=-2, axis2=-1).astype(float)
    true, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    is_there = true > 0
    recall = right / np.maximum(true, 1)
    precision = right / np.maximum(predicted, 1)
    f1 = 2 * right / np.maximum(true + predicted, 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return (values * is_there).sum(axis=-1) / np.maximum(is_there.sum(axis=-1), 1)

    return {
        "accuracy": right.sum(axis=-1) / np.maximum(true.sum(axis=-1), 1),
        "balanced_accuracy": mean(recall),
        "macro_precision": mean(precision),
        "macro_recall": mean(recall),
        "macro_f1": mean(f1),
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }


def _class_scores(counts: np.ndarray, number: int, num_resamples: int, seed: int) -> dict[str, Any]:
    total = counts.sum(axis=0)
    scores: dict[str, Any] = {"num_videos": int(total[number].sum())}
    for name in ("precision", "recall", "f1"):
        scores[name] = float(_metrics(total)[name][number])
        scores[f"{name}_ci95"] = _interval(counts, name, num_resamples, seed, number)
    return scores


def _interval(
    counts: np.ndarray, name: str, num_resamples: int, seed: int, number: int | None = None
) -> list[float]:
    """Return the 95 % interval of a metric over resampled walkers.

    Where all walkers score alike, no resample differs and the bootstrap would claim certainty;
    then the exact binomial interval (Clopper & Pearson 1934) with one trial a walker is given. Only a
    classifier that always says the same is as certain as that.
    """

    def statistic(walkers: np.ndarray, axis: int = -1) -> np.ndarray:
        values = _metrics(counts[walkers].sum(axis=axis - 2))[name]
        return values if number is None else values[..., number]

    num_walkers = len(counts)
    if num_walkers > 1:
        bootstrap = stats.bootstrap(
            (np.arange(num_walkers),),
            statistic,
            n_resamples=num_resamples,
            method="percentile",
            vectorized=True,
            rng=np.random.default_rng(seed),
        )
        low, high = bootstrap.confidence_interval
        is_constant = np.count_nonzero(counts.sum(axis=(0, 1))) == 1
        if high > low or is_constant:
            return [float(low), float(high)]
    value = _metrics(counts.sum(axis=0))[name]
    share = float(value if number is None else value[number])
    exact = stats.binomtest(round(share * num_walkers), num_walkers).proportion_ci()
    return [float(exact.low), float(exact.high)]
