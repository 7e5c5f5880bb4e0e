"""Whether a confidence means what it says: reliability, and one temperature to mend it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.metrics import log_loss

NUM_BINS = 8
_FEWEST_IN_BIN = 5
_TEMPERATURES = (0.1, 10.0)
# Strength of the belief that the temperature is near 1, in videos: a handful cannot say much else.
_PRIOR_VIDEOS = 4.0
_TINY = 1e-7


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Find the temperature that makes probabilities fit labels best.

    The log loss is minimised (Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural
    networks") with a weak pull towards 1, because few validation videos would ask for extremes.

    Parameters
    ----------
    probabilities : ndarray of shape (num_videos, num_classes), float
        Of validation walkers; the test must not choose it.
    labels : ndarray of shape (num_videos,), int

    Returns
    -------
    float
        Above 1 where the model was too sure, below 1 where it was not sure enough.
    """

    def loss(log_temperature: float) -> float:
        cooled = apply_temperature(probabilities, float(np.exp(log_temperature)))
        pull = _PRIOR_VIDEOS * log_temperature**2 / 2
        return float(pull - np.log(cooled[np.arange(len(labels)), labels] + _TINY).sum())

    bounds = tuple(np.log(_TEMPERATURES))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def apply_temperature(probabilities: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
    """Divide the log-probabilities by a temperature and normalise again; the likeliest class stays.

    Parameters
    ----------
    probabilities : ndarray of shape (num_videos, num_classes), float
    temperature : float or ndarray of shape (num_videos,)
    """
    return softmax(np.log(probabilities + _TINY) / np.reshape(temperature, (-1, 1)), axis=1)


def calibration_scores(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Score how well probabilities say how often they are right; 0 is best for each.

    Returns
    -------
    dict
        `expected_calibration_error` (adaptive bins of equally many videos; Nixon et al. 2019,
        "Measuring calibration in deep learning"), `brier_score` (sum over classes, 0 to 2; Brier
        1950) and `log_loss` (nats).
    """
    table = reliability_table(probabilities, labels)
    gaps = (table["accuracy"] - table["confidence"]).abs()
    truth = np.eye(probabilities.shape[1])[labels]
    return {
        "expected_calibration_error": float((gaps * table["num_videos"]).sum() / len(labels)),
        "brier_score": float(((probabilities - truth) ** 2).sum(axis=1).mean()),
        "log_loss": float(log_loss(labels, probabilities, labels=np.arange(probabilities.shape[1]))),
    }


def reliability_table(
    probabilities: np.ndarray, labels: np.ndarray, num_bins: int = NUM_BINS
) -> pd.DataFrame:
    """Return mean confidence and accuracy in bins that hold equally many videos.

    Returns
    -------
    DataFrame
        `confidence`, `accuracy` and `num_videos`, a row a bin, the least sure first.
    """
    confidence = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == labels
    order = np.argsort(confidence, kind="stable")
    bins = np.array_split(order, int(np.clip(len(order) // _FEWEST_IN_BIN, 1, num_bins)))
    return pd.DataFrame(
        {
            "confidence": [confidence[part].mean() for part in bins],
            "accuracy": [is_right[part].mean() for part in bins],
            "num_videos": [len(part) for part in bins],
        }
    )


def coverage_table(probabilities: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Return the accuracy on the surest videos, for every share of videos that get an answer.

    Returns
    -------
    DataFrame
        `coverage` (0 to 1), `accuracy` on these, and `threshold` (the least confidence among them).
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    is_right = (probabilities.argmax(axis=1) == labels)[order]
    numbers = np.arange(1, len(order) + 1)
    return pd.DataFrame(
        {
            "coverage": numbers / len(order),
            "accuracy": np.cumsum(is_right) / numbers,
            "threshold": confidence[order],
        }
    )


def compare_calibration(
    probabilities: np.ndarray, labels: np.ndarray, temperatures: np.ndarray
) -> Mapping[str, Any]:
    """Return the calibration scores before and after each video's probabilities meet its temperature."""
    after = apply_temperature(probabilities, temperatures)
    return {
        "before": calibration_scores(probabilities, labels),
        "after": calibration_scores(after, labels),
    }
