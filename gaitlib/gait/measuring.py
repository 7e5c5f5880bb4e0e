"""Measure the gait features of a video from its track and silhouettes, without any trained weights."""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.signal import savgol_filter

from gaitlib.gait.features import GAIT_FEATURES
from gaitlib.gait.rhythm import Rhythm, find_rhythm
from gaitlib.gait.stretches import MIN_SIDE_SPEED, Stretch, find_stretches
from gaitlib.prepared import PreparedVideo

MIN_SIDE_SECONDS = 1.0
MIN_REGULARITY = 0.2
# From the hips to the middle of the shoulder band, in body heights.
HIPS_TO_SHOULDERS = 0.28
# Steps over which a wave is fitted: longer, and small changes of pace put it out of step.
WAVE_STEPS = 4
# Head lost in the scene for more than this share of the pictures: its travel is not known.
MAX_HEAD_LOST_SHARE = 0.25
# Where a camera was held still by calculation, what is left of its shake is as large as a bounce.
HEAD_FEATURES = ["bounce_heights", "jerk_heights_per_s3"]


def measure_gait(video: PreparedVideo) -> pd.DataFrame:
    """Measure how somebody walks.

    Only what the silhouette shows is measured; what it does not show is not valid.

    Parameters
    ----------
    video : PreparedVideo

    Returns
    -------
    DataFrame
        One row a feature of `GAIT_FEATURES`, in its order: `value` (float, NaN where not valid) and
        `is_valid` (bool).
    """
    values = measure_track(video.track)
    if "steadied" in video.meta["methods"]:
        values[HEAD_FEATURES] = np.nan
    return pd.DataFrame({"value": values, "is_valid": values.notna()})


def gait_features(videos: Sequence[PreparedVideo]) -> np.ndarray:
    """Return the gait features of videos as numbers for a classifier.

    Returns
    -------
    ndarray of shape (num_videos, num_features), float
        Columns in the order of `GAIT_FEATURES`; NaN where a feature is not valid.
    """
    rows = [measure_gait(video)["value"].to_numpy() for video in videos]
    return np.array(rows, float).reshape(-1, len(GAIT_FEATURES))


def measure_track(track: pd.DataFrame) -> pd.Series:
    """Return the gait features of a track with shapes (see `PreparedVideo`), NaN where not valid."""
    values = pd.Series(np.nan, GAIT_FEATURES.index, dtype=float)
    values["speed_heights_per_s"] = _speed(track)
    stretches = find_stretches(track)
    rhythm = find_rhythm(stretches)
    if sum(stretch.is_side.sum() / stretch.rate_hz for stretch in stretches) >= MIN_SIDE_SECONDS:
        values.update(_side_features(stretches))
    if rhythm and rhythm.step_regularity >= MIN_REGULARITY:
        values.update(_rhythm_features(stretches, rhythm))
        values["step_length_heights"] = 60 * values["speed_heights_per_s"] / rhythm.cadence_steps_per_min
    return values


def _speed(track: pd.DataFrame) -> float:
    """Return the median speed of somebody who was followed and gets anywhere, else NaN."""
    speeds = track.loc[(track["segment"] >= 0) & track["width"].notna(), "speed_heights_per_s"]
    median = float(speeds.median()) if len(speeds) else np.nan
    return median if median >= MIN_SIDE_SPEED else np.nan


def _rhythm_features(stretches: Sequence[Stretch], rhythm: Rhythm) -> pd.Series:
    is_head_lost = np.concatenate([stretch.shape["top"].isna() for stretch in stretches])
    third = [_third_derivative(stretch.steps("top"), stretch.rate_hz) for stretch in stretches]
    values = pd.Series(
        {
            "cadence_steps_per_min": rhythm.cadence_steps_per_min,
            "arm_spread_heights": _wave(stretches, "shoulders_width", rhythm, is_side=True),
            "bounce_heights": _wave(stretches, "top", rhythm),
            "jerk_heights_per_s3": np.sqrt(np.mean(np.concatenate(third) ** 2)),
            "step_regularity": rhythm.step_regularity,
            "stride_regularity": rhythm.stride_regularity,
        }
    )
    if is_head_lost.mean() > MAX_HEAD_LOST_SHARE:
        values[HEAD_FEATURES] = np.nan
    return values


def _wave(stretches: Sequence[Stretch], name: str, rhythm: Rhythm, is_side: bool = False) -> float:
    """Return the mean size, peak to peak, of the wave of one step, fitted by least squares.

    Fitted with it and left out are the wave of a stride, from a limp or the sway towards the camera, and
    a parabola, from the way.
    """
    sizes = []
    for stretch in stretches:
        values, turn = stretch.shape[name].to_numpy(float), rhythm.turns(len(stretch), stretch.rate_hz)
        terms = [np.cos(turn), np.sin(turn), np.cos(turn / 2), np.sin(turn / 2), turn**0, turn, turn**2]
        terms_by_picture = np.stack(terms, axis=1)
        num_windows = max(1, round(turn[-1] / (2 * np.pi * WAVE_STEPS)))
        for window in np.array_split(np.arange(len(values)), num_windows):
            known = window[~np.isnan(values[window])]
            is_seen = stretch.is_side[window].mean() >= 0.5 or not is_side
            if is_seen and len(known) > len(terms):
                fitted = np.linalg.lstsq(terms_by_picture[known], values[known], rcond=None)[0]
                sizes.append(2 * np.hypot(*fitted[:2]))
    return float(np.mean(sizes)) if sizes else np.nan


def _third_derivative(values: np.ndarray, rate_hz: float) -> np.ndarray:
    window = max(5, 2 * round(0.23 * rate_hz) + 1)
    return savgol_filter(values, window, 3, deriv=3, delta=1 / rate_hz)


def _side_features(stretches: Sequence[Stretch]) -> pd.Series:
    shape = pd.concat([stretch.shape[stretch.is_side] for stretch in stretches])
    forward = np.concatenate([stretch.direction[stretch.is_side] for stretch in stretches])
    lean = forward * (shape["shoulders_x"] - shape["legs_x"])
    with warnings.catch_warnings():
        # A band without any mass (lost in the scene) is NaN in all pictures, and so is its feature.
        warnings.simplefilter("ignore", RuntimeWarning)
        return pd.Series(
            {
                "leg_spread_heights": _spread(shape["legs_width"]),
                "trunk_lean_deg": np.degrees(np.arctan(lean.mean() / HIPS_TO_SHOULDERS)),
                "head_forward_heights": (forward * (shape["head_x"] - shape["shoulders_x"])).mean(),
                "openness": shape["width"].mean(),
                "hull_openness": shape["hull_area"].mean(),
            }
        )


def _spread(values: pd.Series) -> float:
    low, high = values.quantile([0.1, 0.9])
    return float(high - low)
