"""Labels as raters gave them: a share for each emotion instead of one winner."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gaitlib.config import InputError

_TINY = 1e-7


def rater_shares(videos: pd.DataFrame, emotions: Sequence[str]) -> np.ndarray | None:
    """Return the share of raters by top emotion, shape (num_videos, num_classes); None without raters.

    Parameters
    ----------
    videos : DataFrame
        With ``share_<emotion>`` columns where a rating sheet gave the labels.
    emotions : sequence of str
        Emotions that no video has as its label are left out, and the rest made to sum to 1.
    """
    columns = [f"share_{emotion}" for emotion in emotions]
    if not set(columns) <= set(videos) or videos[columns].isna().any(axis=None):
        return None
    shares = videos[columns].to_numpy(float)
    totals = shares.sum(axis=1, keepdims=True)
    return np.where(totals > 0, shares / np.maximum(totals, _TINY), 1 / len(emotions))


def soft_targets(videos: pd.DataFrame, emotions: Sequence[str]) -> np.ndarray:
    """Return what a model is trained on with ``label_form="soft"``.

    Raises
    ------
    InputError
        If the labels do not come from a rating sheet.
    """
    shares = rater_shares(videos, emotions)
    if shares is None:
        raise InputError(
            "Setting label_form='soft' needs the ratings of several people: pass --labels with a rating "
            "sheet, or take label_form='hard'."
        )
    return shares


def compare_with_raters(
    videos: pd.DataFrame, probabilities: np.ndarray, emotions: Sequence[str]
) -> dict[str, float]:
    """Score probabilities against the raters' distribution; empty without raters.

    Returns
    -------
    dict
        `cross_entropy` (nats) with `cross_entropy_floor`, which no answer can go below (the entropy of
        the raters themselves), and `total_variation` (0 to 1, half the sum of absolute differences).
    """
    shares = rater_shares(videos, emotions)
    if shares is None:
        return {}
    return {
        "cross_entropy": float(-(shares * np.log(probabilities + _TINY)).sum(axis=1).mean()),
        "cross_entropy_floor": float(-(shares * np.log(shares + _TINY)).sum(axis=1).mean()),
        "total_variation": float(np.abs(shares - probabilities).sum(axis=1).mean() / 2),
    }


def rater_ceiling(videos: pd.DataFrame) -> np.ndarray | None:
    """Return for each video how often one rater agrees with the others, 0 to 1; None if unknown."""
    if "agreement" not in videos or videos["agreement"].isna().any():
        return None
    return videos["agreement"].to_numpy(float)
