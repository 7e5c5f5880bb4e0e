"""How the training walkers walk when they walk neutrally: what a single walk is held against."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import median_abs_deviation

from gaitlib.files import write_json
from gaitlib.gait import measure_gait
from gaitlib.rundata import RunData

# The emotion against which others are held, where a data set has it.
NEUTRAL = "neutral"
REFERENCE_NAME = "gait_reference.json"
_FEWEST_WALKS = 3


def gait_reference(data: RunData) -> dict[str, dict[str, float]]:
    """Describe the neutral walks of the training walkers.

    Median and scaled median absolute deviation stand for mean and standard deviation, so that one walk
    that was measured badly does not count (Rousseeuw & Croux 1993).

    Parameters
    ----------
    data : RunData

    Returns
    -------
    dict of str to dict
        By feature: `mean`, `sd` and `num_walkers`; empty without neutral training walks.
    """
    rows, videos = data.rows("train"), data.prepared("train")
    is_neutral = (rows["emotion"] == NEUTRAL).to_numpy()
    values = [
        measure_gait(video)["value"] for video, neutral in zip(videos, is_neutral, strict=True) if neutral
    ]
    if not values:
        return {}
    table = pd.DataFrame(values).reset_index(drop=True)
    walkers = rows.loc[is_neutral, "walker"].reset_index(drop=True)
    reference = {}
    for feature, column in table.items():
        known = column.dropna()
        if len(known) >= _FEWEST_WALKS:
            reference[str(feature)] = {
                "mean": float(np.median(known)),
                "sd": float(median_abs_deviation(known, scale="normal")),
                "num_walkers": int(walkers[known.index].nunique()),
            }
    return reference


def write_gait_reference(data: RunData, run_dir: Path) -> None:
    """Write `gait_reference.json` beside a run's model."""
    write_json(run_dir / REFERENCE_NAME, gait_reference(data))
