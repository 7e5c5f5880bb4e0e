"""What gait classifiers read of a video: few features with a physical meaning, and the plain box baseline."""

from functools import lru_cache

import numpy as np
import pandas as pd

from gaitlib.clips import PreparedVideo
from gaitlib.gait.measuring import BANDS_HZ, GAIT_PARAMETERS, SHAPES, SPECTRA, measure_bout

_FROM_KEYPOINTS = (
    *("speed_legs_per_s", "cadence_steps_per_min", "bounce_legs", "arm_abduction_deg", "hand_height_legs"),
    *("hand_travel_legs", "foot_clearance_legs", "trunk_lean_deg", "head_pitch_deg"),
)
# Sizes are read as logarithms: relative to a reference they are ratios.
_LOGARITHMS = {*_FROM_KEYPOINTS[:3], "hand_travel_legs", "foot_clearance_legs"}
_FROM_SILHOUETTES = (
    *("speed_legs_per_s", "cadence_steps_per_min", "head_forward_legs"),
    *(*(f"{name}_heights" for name in SHAPES), "centre_of_mass_heights"),
    *(f"{group}_{band}" for group in SPECTRA for band in BANDS_HZ),
)
# The family of what is read of outlines alone, by the first word of its name.
_FAMILIES = {"vertical": "bounce", "arms": "arms", "legs": "legs", "outline": "arms", "shoulders": "arms"}
_FAMILIES |= {"hips": "arms", "hull": "posture", "centre": "posture"}


def gait_feature_names(body: str) -> tuple[str, ...]:
    """Return the names of the features, in the order of `gait_features`."""
    return _FROM_KEYPOINTS if body == "keypoints" else _FROM_SILHOUETTES


def feature_families(body: str) -> dict[str, list[int]]:
    """Return the places of the features of each family: speed, rhythm, bounce, arms, legs, posture."""
    families: dict[str, list[int]] = {}
    for place, name in enumerate(gait_feature_names(body)):
        family = GAIT_PARAMETERS["family"].get(name) or _FAMILIES[name.split("_")[0]]
        families.setdefault(family, []).append(place)
    return families


@lru_cache(1 << 15)
def gait_features(video: PreparedVideo) -> np.ndarray:
    """Return the features of a video, (num_features,): means over bouts, weighted by length; NaN: unknown."""
    values = np.ma.masked_invalid(bout_features(video))
    seconds = [bout.distinct_seconds for bout in video.own_bouts]
    return np.ma.filled(np.ma.average(values, axis=0, weights=seconds), np.nan)


def bout_features(video: PreparedVideo) -> np.ndarray:
    """Return the features of each bout of a video, of shape (num_bouts, num_features), float."""
    names = gait_feature_names("silhouette" if video.keypoints is None else "keypoints")
    measured = [measure_bout(video, bout) for bout in video.own_bouts]
    table = pd.DataFrame(measured, columns=list(names), dtype=float)
    sizes = table.columns.isin(_LOGARITHMS)
    table.loc[:, sizes] = np.log(table.loc[:, sizes].clip(lower=1e-6))
    return table.replace([np.inf, -np.inf], np.nan).to_numpy()


@lru_cache(1 << 15)
def box_features(video: PreparedVideo) -> np.ndarray:
    """Describe a walk by the box around the walker: the least that any classifier should make use of.

    Returns 13 numbers: median speed (body heights per second); mean, SD, 10th and 90th percentile of width
    over height; SD of the centre's height about its path, of the height and of its change (body heights);
    cadence (Hz) and its strength from the autocorrelation of the width; mean change of the width; 90th
    percentile and SD of the speed. Zeros where no box was found.
    """
    track = video.track
    track = track[(track["bout"] >= 0) & track["height"].notna()]
    if len(track) < 5:
        return np.zeros(13)
    body = track["square_side"].to_numpy(float)
    width, tall = track["width"].to_numpy(float) / body, track["height"].to_numpy(float) / body
    sway = (track["top"] + track["height"] / 2 - track["square_y"]).to_numpy(float) / body
    speed = track["speed_heights_per_s"].to_numpy(float)
    features = [
        np.median(speed),
        *(width.mean(), width.std(), *np.quantile(width, (0.1, 0.9))),
        *(sway.std(), tall.std(), np.diff(tall).std()),
        *_box_cadence(width, video.meta["frame_rate_hz"]),
        *(np.abs(np.diff(width)).mean(), np.quantile(speed, 0.9), speed.std()),
    ]
    return np.nan_to_num(np.array(features))


def _box_cadence(width: np.ndarray, rate_hz: float) -> tuple[float, float]:
    """Return steps per second and how regular they are: the box is widest once a step."""
    lags = np.arange(max(2, round(0.3 * rate_hz)), min(round(1.3 * rate_hz), len(width) // 2) + 1)
    if not len(lags) or width.std() == 0:
        return 0.0, 0.0
    with np.errstate(invalid="ignore"):  # where the width stays the same for a while
        correlation = np.nan_to_num([np.corrcoef(width[lag:], width[:-lag])[0, 1] for lag in lags])
    best = int(np.argmax(correlation))
    return rate_hz / lags[best], float(correlation[best])
