"""Which of several models is better, as far as the same videos of the same walkers can tell."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from gaitlib.evaluation import mean_with_interval

# A difference is called real below this probability, all comparisons counted.
ALPHA = 0.05


def compare(
    answers: pd.DataFrame, others: Sequence[pd.DataFrame], num_resamples: int, seed: int
) -> list[dict[str, Any]]:
    """Compare other models with one, each on the videos that both have judged.

    Parameters
    ----------
    answers : DataFrame
        `digest`, `walker`, `is_right`; several rows of a video count by their mean.
    others : sequence of DataFrame
    num_resamples : int
    seed : int

    Returns
    -------
    list of dict
        For each of the others `difference` (of the share of right answers; positive: the other is
        better), `difference_ci95` (paired bootstrap over walkers), `p` (sign-flip test over walkers),
        `p_holm` (all comparisons counted), `is_real`, `num_videos`, `num_walkers`.
    """
    results = [_compare_two(answers, other, num_resamples, seed) for other in others]
    for result, p in zip(results, holm([result["p"] for result in results]), strict=True):
        result["p_holm"] = p
        result["is_real"] = bool(p < ALPHA)
    return results


def paired(answers: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Return a row a common video: `walker`, and `first` and `second`, its shares of right answers."""
    parts = [
        table.groupby("digest").agg(walker=("walker", "first"), right=("is_right", "mean"))
        for table in (answers, other)
    ]
    joined = parts[0].join(parts[1]["right"].rename("second"), how="inner")
    return joined.rename(columns={"right": "first"}).sort_index()


def sign_flip_test(differences: np.ndarray, walkers: np.ndarray, num_resamples: int, seed: int) -> float:
    """Return the probability of such a mean difference if its sign were a matter of chance.

    Whole walkers change sign together; with few walkers all possibilities are counted
    (`scipy.stats.permutation_test`), so that 2 in 2 ** num_walkers is the least there can be.
    """
    by_walker = pd.Series(differences).groupby(np.asarray(walkers)).sum().to_numpy()
    if len(by_walker) < 2 or not by_walker.any():
        return 1.0
    test = stats.permutation_test(
        (by_walker,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=num_resamples,
        rng=np.random.default_rng(seed),
    )
    return float(test.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that count all comparisons (Holm 1979), in the order given.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    raised = np.maximum.accumulate(np.array(p_values)[order] * factors) if len(p_values) else np.empty(0)
    result = np.empty(len(p_values))
    result[order] = np.minimum(raised, 1.0)
    return result.tolist()


def least_p(num_walkers: int, num_comparisons: int) -> float:
    """Return the lowest probability, all comparisons counted, that so few walkers can give."""
    return min(1.0, num_comparisons * 2.0 / 2**num_walkers)


def _compare_two(answers: pd.DataFrame, other: pd.DataFrame, num_resamples: int, seed: int) -> dict[str, Any]:
    both = paired(answers, other)
    if both.empty:
        none = {"difference": None, "difference_ci95": None, "p": 1.0}
        return {**none, "num_videos": 0, "num_walkers": 0}
    differences, walkers = (both["second"] - both["first"]).to_numpy(), both["walker"].to_numpy()
    difference, interval = mean_with_interval(differences, walkers, num_resamples, seed)
    return {
        "difference": difference,
        "difference_ci95": interval,
        "p": sign_flip_test(differences, walkers, max(num_resamples, 9999), seed),
        "num_videos": len(both),
        "num_walkers": int(both["walker"].nunique()),
    }
