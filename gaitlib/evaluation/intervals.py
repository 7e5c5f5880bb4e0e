"""Intervals and p-values from whole walkers, since videos of one person resemble each other."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy import stats

from gaitlib.config import RunConfig

Interval = tuple[float, float]
_NO_WIDTH = 1e-12


class Difference(BaseModel, frozen=True):
    """A difference of accuracies on the same videos, positive where the second is better."""

    difference: float | None = None
    difference_ci95: Interval | None = None
    p: float = 1.0
    num_videos: int = 0
    num_walkers: int = 0


def walker_interval(
    parts: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    config: RunConfig,
    lowest: float | None = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a statistic of sums over walkers and its 95 % interval over resampled walkers.

    Whole walkers are drawn with replacement (percentile bootstrap; Field & Welsh 2007, "Bootstrapping
    clustered data"); resamples in which a figure does not exist do not count. Where no resample differs,
    the bootstrap would claim certainty: then the exact binomial limit is given (Clopper & Pearson 1934, one
    trial a walker).

    Parameters
    ----------
    parts : ndarray of shape (num_walkers, ...)
        What each walker adds to the sums.
    statistic : callable
        Takes sums of shape (num, ...) and returns values of shape (num, num_values).
    config : RunConfig
        For `num_resamples` and `seed`.
    lowest : float or None
        Least value possible: 0 for a share, -1 for a difference of shares; None: NaN instead of the limit.

    Returns
    -------
    values : ndarray of shape (num_values,)
    limits : ndarray of shape (2, num_values)
    """
    values, num_walkers = statistic(parts.sum(axis=0)[None])[0], len(parts)
    limits, is_known = np.stack([values, values]), ~np.isnan(values)

    def resampled(drawn: np.ndarray, axis: int = -1) -> np.ndarray:
        sums = parts[drawn.reshape(-1, num_walkers)].sum(axis=1)
        return statistic(sums)[:, is_known].T.reshape(-1, *drawn.shape[:-1])

    if num_walkers > 1 and is_known.any():
        options = {
            "n_resamples": config.num_resamples,
            "method": "percentile",
            "batch": 100,
            "rng": config.seed,
        }
        with warnings.catch_warnings():  # resamples without a figure
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            found = stats.bootstrap((np.arange(num_walkers),), resampled, vectorized=True, **options)
        limits[:, is_known] = np.nanquantile(found.bootstrap_distribution, (0.025, 0.975), axis=-1)
    for place in np.flatnonzero(np.ptp(limits, axis=0) < _NO_WIDTH):
        limits[:, place] = _exact_limits(values[place], num_walkers, lowest)
    return values, limits


def _exact_limits(value: float, num_walkers: int, lowest: float | None) -> tuple[float, float]:
    if lowest is None:
        return np.nan, np.nan
    exact = stats.binomtest(round(value * num_walkers) if lowest == 0 else 0, num_walkers).proportion_ci()
    # A difference reaches as far as the share of other walkers that so few could have missed.
    low, high = (exact.low, exact.high) if lowest == 0 else (value - exact.high, value + exact.high)
    return max(lowest, min(low, value)), min(1.0, max(high, value))


def mean_with_interval(
    values: np.ndarray | pd.Series,
    walkers: np.ndarray | pd.Index | pd.Series,
    config: RunConfig,
    lowest: float = 0,
) -> tuple[float, Interval]:
    """Return the mean of a value per video, shape (num_videos,), and its interval; see `walker_interval`."""
    groups = pd.Series(np.asarray(values, float)).groupby(np.asarray(walkers))
    parts = groups.agg(["sum", "size"]).to_numpy()
    (mean,), ((low,), (high,)) = walker_interval(
        parts, lambda sums: sums[:, :1] / sums[:, 1:], config, lowest
    )
    return float(mean), (float(low), float(high))


def compare_rights(first: pd.Series, second: pd.Series, config: RunConfig) -> Difference:
    """Compare how right two models are, 0 to 1, on the videos that both have judged.

    Parameters
    ----------
    first, second : Series of float
        By `walker` and `video`, see `Predictions.rights`; several answers on a video count by their mean.
    config : RunConfig
    """
    means = [one.groupby(level=["walker", "video"]).mean() for one in (first, second)]
    both = pd.concat(means, axis=1).dropna()
    if both.empty:
        return Difference()
    walkers, gain = both.index.get_level_values("walker"), (both.iloc[:, 1] - both.iloc[:, 0]).to_numpy()
    difference, interval = mean_with_interval(gain, walkers, config, lowest=-1)
    p, num_walkers = sign_flip_test(gain, walkers, config), walkers.nunique()
    return Difference(
        difference=difference, difference_ci95=interval, p=p, num_videos=len(both), num_walkers=num_walkers
    )


def sign_flip_test(differences: np.ndarray, walkers: np.ndarray | pd.Index, config: RunConfig) -> float:
    """Return the p-value of a mean difference if its sign were random; walkers change sign whole.

    With few walkers all possibilities are counted, so that 2 in 2 ** num_walkers is the least.
    """
    by_walker = pd.Series(differences).groupby(np.asarray(walkers)).sum().to_numpy()
    if len(by_walker) < 2 or not by_walker.any():
        return 1.0
    options = {"permutation_type": "samples", "vectorized": True, "rng": config.seed}
    return float(stats.permutation_test((by_walker,), np.mean, n_resamples=9999, **options).pvalue)


def permutation_p(labels: np.ndarray, predicted: np.ndarray, walkers: np.ndarray, config: RunConfig) -> float:
    """Return the p-value of an accuracy, labels shuffled within walkers: knowing the walker is no help.

    The observed case counts too (Phipson & Smyth 2010). All arrays have shape (num_videos,).
    """
    rng, codes = np.random.default_rng(config.seed), np.unique(walkers, return_inverse=True)[1]
    order, observed = np.argsort(codes, kind="stable"), int((labels == predicted).sum())
    num_as_good = 0
    for _ in range(config.num_resamples):
        shuffled = np.lexsort((rng.random(len(codes)), codes))
        num_as_good += int((labels[shuffled] == predicted[order]).sum()) >= observed
    return (1 + num_as_good) / (1 + config.num_resamples)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for the number of comparisons (Holm 1979), in the order given.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    sorted_p = pd.Series(p_values, dtype=float).sort_values()
    raised = (sorted_p * np.arange(len(sorted_p), 0, -1)).cummax().clip(upper=1.0)
    return raised.sort_index().tolist()
