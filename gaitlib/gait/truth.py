"""Measured gait features against the numbers from which the synthetic walkers were drawn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from gaitlib.clips import prepare_videos
from gaitlib.config import RunConfig
from gaitlib.demo import read_truth
from gaitlib.gait.measuring import measure_gait
from gaitlib.prepared import PreparedVideo

# What the truth table says about a feature; in the feature's own unit where the two mean the same.
TRUTHS: dict[str, Callable[[pd.Series], float]] = {
    "cadence_steps_per_min": lambda walk: walk["cadence_steps_per_min"],
    "speed_heights_per_s": lambda walk: walk["speed_m_per_s"] / walk["height_m"],
    "step_length_heights": lambda walk: walk["step_length_m"] / walk["height_m"],
    "bounce_heights": lambda walk: walk["hip_bounce_cm"] / 100 / walk["height_m"],
    "trunk_lean_deg": lambda walk: walk["trunk_lean_deg"],
    "head_forward_heights": lambda walk: walk["head_pitch_deg"],
    "arm_spread_heights": lambda walk: walk["shoulder_swing_deg"],
}
# Angles and the like that the feature goes along with, without being the same number.
RANK_ONLY = ("trunk_lean_deg", "head_forward_heights", "arm_spread_heights")


def pair_with_truth(folder: Path, config: RunConfig) -> pd.DataFrame:
    """Measure the gait of synthetic walkers and put the truth beside it.

    Parameters
    ----------
    folder : Path
        Videos and their ``truth.csv``, see `gaitlib.demo.make_demo`.
    config : RunConfig

    Returns
    -------
    DataFrame
        One row a video and feature: `video`, `emotion`, `azimuth_deg`, `direction`, `feature`,
        `measured` (NaN where not valid) and `true`.
    """
    truth = read_truth(folder)
    videos = prepare_videos([folder / name for name in truth["video"]], config)
    rows = []
    for (_, walk), video in zip(truth.iterrows(), videos, strict=True):
        gait = measure_gait(video)["value"] if isinstance(video, PreparedVideo) else pd.Series(dtype=float)
        place = walk[["video", "emotion", "azimuth_deg", "direction"]].to_dict()
        for feature, true in TRUTHS.items():
            rows.append({**place, "feature": feature, "measured": gait.get(feature), "true": true(walk)})
    return pd.DataFrame(rows).astype({"measured": float})


def compare_with_truth(pairs: pd.DataFrame) -> pd.DataFrame:
    """Say how well each feature was measured.

    Parameters
    ----------
    pairs : DataFrame
        See `pair_with_truth`.

    Returns
    -------
    DataFrame
        Indexed by feature: `num_videos`, `num_valid`, `rank_correlation` (Spearman's, of the valid
        ones) and `share_within_5_percent` (of all; NaN where the two are not in the same unit).
    """
    rows = {}
    for feature, group in pairs.groupby("feature", sort=False):
        error = (group["measured"] / group["true"] - 1).abs()
        rows[feature] = {
            "num_videos": len(group),
            "num_valid": int(group["measured"].notna().sum()),
            "rank_correlation": group["measured"].corr(group["true"], method="spearman"),
            "share_within_5_percent": np.nan if feature in RANK_ONLY else (error <= 0.05).mean(),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("feature")
