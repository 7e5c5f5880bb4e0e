"""Intervals and p-values from whole walkers, since videos of one person resemble each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from gaitlib.config import RunConfig

Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """A difference of accuracies on the same videos, positive where the second is better."""

    difference: float
    difference_ci95: Interval
    p: float
    num_videos: int


def walker_interval(
    parts: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], config: RunConfig, lowest: float = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return a statistic of sums over walkers, shape (num_values,), and its 95 % interval, (2, num_values).

    Whole walkers are drawn with replacement (percentile bootstrap; Field & Welsh 2007, "Bootstrapping
    clustered data"). Where no resample differs, it would claim certainty: then the interval reaches as far as
    the share of other walkers that so few could have missed (Clopper & Pearson 1934).

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
    (mean,), ((low,), (high,)) = walker_interval(
        parts, lambda sums: sums[:, :1] / sums[:, 1:], config, lowest
    )
    return float(mean), (float(low), float(high))


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
