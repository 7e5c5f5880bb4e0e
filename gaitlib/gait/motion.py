"""Many small numbers about how a silhouette moves, for classifiers that choose among them.

`gait_features` has few features, each with a meaning and a source. Here every band of the body and
every measure of the outline is described in the same way: how wide it is, how much and how fast it
changes, and in which rhythm. All lengths are in body heights, so that distance and size do not count.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.signal import welch

from gaitlib.files import write_aside
from gaitlib.gait.box import NUM_BOX_FEATURES, box_features
from gaitlib.gait.features import GAIT_FEATURES
from gaitlib.gait.measuring import measure_gait
from gaitlib.prepared import PreparedVideo

# Raise when the features of the same pictures come out differently.
FEATURES_VERSION = 1
NUM_BANDS = 8
# Edges of the rhythm bands: slow sway, strides, steps slow to fast, and what is faster than steps.
RHYTHM_EDGES_HZ = (0.3, 0.8, 1.3, 1.8, 2.4, 3.5, 6.0)
WELCH_SECONDS = 4.3
# Measures of the outline, lengths and areas, and those that are places beside the walker's path.
LENGTHS = ("shape_shoulders_width", "shape_hips_width", "shape_legs_width", "width", "height")
AREAS = ("shape_area", "shape_hull_area")
PLACES = ("shape_top", "shape_centre_y")
UPPER_PARTS = ("shape_head_x", "shape_shoulders_x", "shape_hips_x")

_BAND_STATISTICS = ("spread_mean", "spread_sd", "spread_speed", "centre_sd", "centre_speed")
_SERIES_STATISTICS = ("mean", "sd", "speed_sd", "acceleration_sd", *(f"band{n}" for n in range(1, 7)))
_POSTURE_STATISTICS = ("forward", "distance", "sd", "change_sd")
MOTION_FEATURES: tuple[str, ...] = (
    *(f"rows{band + 1}_{name}" for band in range(NUM_BANDS) for name in _BAND_STATISTICS),
    *(f"{part}_{name}" for part in (*LENGTHS, *AREAS, *PLACES) for name in _SERIES_STATISTICS),
    *(f"{part}_{name}" for part in UPPER_PARTS for name in _POSTURE_STATISTICS),
    *(f"speed_{name}" for name in ("mean", "sd", "q10", "q50", "q90")),
    *(f"box_{number + 1}" for number in range(NUM_BOX_FEATURES)),
    *GAIT_FEATURES.index,
)


def motion_features(videos: Sequence[PreparedVideo]) -> np.ndarray:
    """Describe walks by their motion: silhouette bands, rhythms, posture, speed, box and gait features.

    The features of a video are kept in its cache entry.

    Parameters
    ----------
    videos : sequence of PreparedVideo
        Prepared with ``crop="silhouette"``; otherwise the bands are NaN.

    Returns
    -------
    ndarray of shape (num_videos, num_features), float64
        Columns in the order of `MOTION_FEATURES`; NaN where something could not be measured.
    """
    return np.stack([_cached(video) for video in videos])


def _cached(video: PreparedVideo) -> np.ndarray:
    path = video.folder / f"motion_{FEATURES_VERSION}.npy"
    try:
        return np.load(path)
    except (OSError, ValueError, EOFError):  # not there yet, or spoilt
        features = describe_motion(video)
        with write_aside(path) as aside:
            np.save(aside, features)
        return features


def describe_motion(video: PreparedVideo) -> np.ndarray:
    """Return the motion features of one video, shape (num_features,), float64."""
    track = video.track[video.track["segment"] >= 0]
    pictures = video.read(0, video.meta["num_pictures"])[..., 0].astype(np.float32)
    bands = band_features(pictures, video.rate_hz)
    if video.meta["crop"] != "silhouette":
        bands = np.full_like(bands, np.nan)
    parts = [bands, outline_features(track, video.rate_hz), posture_features(track), speed_features(track)]
    return np.concatenate([*parts, box_features(video), measure_gait(video)["value"].to_numpy()])


def band_features(pictures: np.ndarray, rate_hz: float) -> np.ndarray:
    """Describe eight bands of the body, from head to foot.

    Parameters
    ----------
    pictures : ndarray of shape (num_frames, frame_size, frame_size), float
        Silhouettes in the steady square.
    rate_hz : float

    Returns
    -------
    ndarray of shape (40,), float64
        For each band, in shares of the square's side: mean and standard deviation of how far its mass
        spreads, mean speed of that, standard deviation of the centre of its mass and mean speed of it.
    """
    size = pictures.shape[1]
    columns = np.arange(size) / size
    described = []
    for rows in np.array_split(np.arange(size), NUM_BANDS):
        mass = pictures[:, rows].sum(axis=1) + 1e-3
        total = mass.sum(axis=1)
        centre = mass @ columns / total
        spread = np.sqrt((mass * (columns - centre[:, None]) ** 2).sum(axis=1) / total)
        described.append(
            [
                spread.mean(),
                spread.std(),
                _mean_speed(spread, rate_hz),
                centre.std(),
                _mean_speed(centre, rate_hz),
            ]
        )
    return np.array(described).ravel()


def outline_features(track: pd.DataFrame, rate_hz: float) -> np.ndarray:
    """Describe how the outline's measures change: how much, how fast, how jerkily, in which rhythm.

    Parameters
    ----------
    track : DataFrame
        Rows in which somebody walks, see `PreparedVideo.track`.
    rate_hz : float

    Returns
    -------
    ndarray of shape (90,), float64
        For each measure: mean (places: 0), standard deviation, that of the first and second derivative,
        and the root of the power in six bands between 0.3 and 6 Hz (Welch 1967).
    """
    height = track["square_side"].median()
    series = [track[name] / height for name in LENGTHS]
    series += [track[name] / height**2 for name in AREAS]
    series += [(track[name] - track["square_y"]) / height for name in PLACES]
    described = [_describe_series(_filled(values), rate_hz) for values in series]
    for values in described[-len(PLACES) :]:
        values[0] = 0.0
    return np.concatenate(described)


def posture_features(track: pd.DataFrame) -> np.ndarray:
    """Describe where head, shoulders and hips are above the legs.

    Returns
    -------
    ndarray of shape (12,), float64
        For each part, in body heights: mean ahead of the legs, mean distance, standard deviation, that
        of the change from picture to picture.
    """
    height = track["square_side"].median()
    forward = np.sign(np.gradient(track["square_x"].to_numpy()))
    described = []
    for name in UPPER_PARTS:
        away = _filled((track[name] - track["shape_legs_x"]) / height)
        described.append([(away * forward).mean(), np.abs(away).mean(), away.std(), np.diff(away).std()])
    return np.array(described).ravel()


def speed_features(track: pd.DataFrame) -> np.ndarray:
    """Return mean, standard deviation, 10th, 50th and 90th percentile of the speed, body heights a second."""
    speed = track["speed_heights_per_s"].to_numpy()
    return np.array([speed.mean(), speed.std(), *np.quantile(speed, (0.1, 0.5, 0.9))])


def _describe_series(values: np.ndarray, rate_hz: float) -> np.ndarray:
    change = np.diff(values) * rate_hz
    spread = [values.mean(), values.std(), change.std(), (np.diff(change) * rate_hz).std()]
    length = min(len(values), round(WELCH_SECONDS * rate_hz))
    frequency_hz, power = welch(values - values.mean(), rate_hz, nperseg=length, nfft=max(256, length))
    places = np.searchsorted(frequency_hz, RHYTHM_EDGES_HZ)
    rhythm = [np.sqrt(part).mean() for part in np.split(power, places)[1:-1]]
    return np.array([*spread, *rhythm])


def _filled(values: pd.Series) -> np.ndarray:
    return values.interpolate(limit_direction="both").to_numpy(float)


def _mean_speed(values: np.ndarray, rate_hz: float) -> float:
    return float(np.abs(np.diff(values)).mean() * rate_hz)
