"""The best that can be known of a synthetic walk: its true parameters."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd

from gaitlib.baselines import make_forest
from gaitlib.demo.parameters import WalkParameters
from gaitlib.demo.truth import TRUTH_NAME, read_truth

# The moment at which the walk begins says nothing about how the person walks.
_COLUMNS = [field.name for field in fields(WalkParameters) if field.name != "start_cycle"]


def predict_oracle(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> np.ndarray | None:
    """Predict synthetic test walks from their true parameters, learnt on those of the training walks.

    Parameters
    ----------
    train, test : DataFrame
        Columns `path` and `emotion`.
    seed : int

    Returns
    -------
    ndarray of shape (num_test,), str, or None
        Emotions; None where the truth of any video is not known.
    """
    truths = [_truth_of(videos) for videos in (train, test)]
    if any(truth is None or truth.isna().any(axis=None) for truth in truths):
        return None
    return make_forest(seed).fit(truths[0], train["emotion"]).predict(truths[1])


def _truth_of(videos: pd.DataFrame) -> pd.DataFrame | None:
    tables = {}
    keys = [(Path(path).parents[1], "/".join(Path(path).parts[-2:])) for path in videos["path"]]
    for folder, _ in keys:
        if folder not in tables:
            if not (folder / TRUTH_NAME).is_file():
                return None
            tables[folder] = read_truth(folder).set_index("video")[_COLUMNS]
    return pd.DataFrame([tables[folder].reindex([name]).iloc[0] for folder, name in keys])
