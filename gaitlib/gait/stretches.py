"""Unbroken stretches of walking, with everything in body heights and seconds."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import median_filter
from scipy.signal import savgol_filter

from gaitlib.walker.shape import SHAPE_NAMES
from gaitlib.walker.tracking import smooth_path

# A shorter stretch holds too few steps to tell anything.
MIN_STRETCH_SECONDS = 1.6
# Movements slower than this are the way, the distance and the turn of the body, not steps.
TREND_SECONDS = 1.5
# Seen from the side: the way in the picture is at least this many times the approach, and this fast.
SIDE_RATIO = 1.0
MIN_SIDE_SPEED = 0.12
# The growth of somebody who comes nearer counts as if the camera stood this many body heights away, as
# for the speed (`walker.tracking.path_speed`).
CAMERA_HEIGHTS = 4.0
# The head is lost in the scene where its top is this far, in body heights, from where it is around then.
MAX_HEAD_JUMP = 0.05


@dataclass(frozen=True)
class Stretch:
    """Pictures in a row in which somebody walks and the silhouette is known.

    Attributes
    ----------
    shape : DataFrame
        One row a picture, in body heights: `SHAPE_NAMES` and the box's `width` and `height` (areas in
        squared body heights).
    rate_hz : float
        Pictures a second.
    is_side : ndarray of shape (num_pictures,), bool
        The walker is seen from the side rather than from ahead or behind.
    direction : ndarray of shape (num_pictures,), float
        1 where the walker goes right in the picture, -1 where left.
    """

    shape: pd.DataFrame
    rate_hz: float
    is_side: np.ndarray
    direction: np.ndarray

    def __len__(self) -> int:
        return len(self.shape)

    def steps(self, name: str) -> np.ndarray:
        """Return a column without gaps and slow trend, in body heights, shape (num_pictures,)."""
        values = self.shape[name].interpolate(limit_direction="both").to_numpy(float)
        window = 2 * int(TREND_SECONDS * self.rate_hz / 2) + 1
        window = min(window, len(values) - 1 + len(values) % 2)
        return values - savgol_filter(values, window, 2)


def find_stretches(track: pd.DataFrame) -> list[Stretch]:
    """Return the stretches of a track in which the silhouette is known.

    Parameters
    ----------
    track : DataFrame
        See `gaitlib.clips.PreparedVideo`.

    Returns
    -------
    list of Stretch
        Empty where no silhouette is known.
    """
    if len(track) < 2:
        return []
    rate_hz = 1 / float(np.median(np.diff(track["time_seconds"])))
    is_known = track["shape_area"].notna()
    number = (is_known.ne(is_known.shift()) | track["segment"].ne(track["segment"].shift())).cumsum()
    parts = (part for _, part in track[is_known].groupby(number[is_known]))
    return [_stretch(part, rate_hz) for part in parts if len(part) >= MIN_STRETCH_SECONDS * rate_hz]


def _stretch(part: pd.DataFrame, rate_hz: float) -> Stretch:
    path = smooth_path(part[["left", "top", "width", "height"]].to_numpy(float), rate_hz)
    body = path[:, 2]
    columns = {name: part[f"shape_{name}"].to_numpy(float) / body for name in SHAPE_NAMES}
    for name in ("area", "hull_area"):
        columns[name] /= body
    columns |= {name: part[name].to_numpy(float) / body for name in ("width", "height")}
    usual = median_filter(columns["top"], size=2 * int(TREND_SECONDS * rate_hz / 2) + 1, mode="nearest")
    columns["top"][np.abs(columns["top"] - usual) > MAX_HEAD_JUMP] = np.nan
    sideways = np.gradient(path[:, 0]) * rate_hz / body
    approach = CAMERA_HEIGHTS * np.gradient(np.log(body)) * rate_hz
    is_side = np.abs(sideways) >= np.maximum(SIDE_RATIO * np.abs(approach), MIN_SIDE_SPEED)
    return Stretch(pd.DataFrame(columns), rate_hz, is_side, np.sign(sideways))
