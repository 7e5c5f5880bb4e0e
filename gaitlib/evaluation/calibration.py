"""Whether a confidence means what it says: reliability, coverage and calibration scores."""

import numpy as np
import pandas as pd
from pydantic import BaseModel
from sklearn.metrics import brier_score_loss, log_loss

NUM_BINS = 8
_FEWEST_IN_BIN = 5


class Calibration(BaseModel, frozen=True):
    """How well probabilities say how often they are right; 0 is best for each.

    `expected_calibration_error` uses bins of equally many videos (Nixon et al. 2019, "Measuring
    calibration in deep learning"), `brier_score` is the sum over classes (0 to 2), `log_loss` is in nats.
    """

    expected_calibration_error: float
    brier_score: float
    log_loss: float


def measure_calibration(probabilities: np.ndarray, labels: np.ndarray) -> Calibration:
    """Score probabilities of shape (num_videos, num_classes) against labels of shape (num_videos,)."""
    table = reliability_table(probabilities, labels)
    gaps = (table["accuracy"] - table["confidence"]).abs() * table["num_videos"]
    classes = np.arange(probabilities.shape[1])
    return Calibration(
        expected_calibration_error=float(gaps.sum() / len(labels)),
        brier_score=float(brier_score_loss(labels, probabilities, labels=classes, scale_by_half=False)),
        log_loss=float(log_loss(labels, probabilities, labels=classes)),
    )


def reliability_table(
    probabilities: np.ndarray, labels: np.ndarray, num_bins: int = NUM_BINS
) -> pd.DataFrame:
    """Return mean `confidence`, `accuracy` and `num_videos` in bins of equally many videos.

    scikit-learn's `calibration_curve` draws the same curve but does not tell how many videos a bin holds.
    """
    table = pd.DataFrame({"confidence": probabilities.max(axis=1)})
    table["accuracy"] = probabilities.argmax(axis=1) == labels
    num_bins = int(np.clip(len(table) // _FEWEST_IN_BIN, 1, num_bins))
    ranks = table["confidence"].rank(method="first")
    bins = table.groupby(pd.qcut(ranks, num_bins, labels=False))
    return bins.mean().assign(num_videos=bins.size()).reset_index(drop=True)


def coverage_table(probabilities: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Return the `accuracy` on the most confident share (`coverage`) of videos, and its `threshold`."""
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    is_right = (probabilities.argmax(axis=1) == labels)[order]
    numbers = np.arange(1, len(order) + 1)
    columns = {"coverage": numbers / len(order), "accuracy": np.cumsum(is_right) / numbers}
    return pd.DataFrame({**columns, "threshold": confidence[order]})
