"""Gait parameters and steps of the walking bouts of a prepared video."""

from functools import lru_cache
from importlib.resources import files

import numpy as np
import pandas as pd

from gaitlib.clips import Bout, PreparedVideo
from gaitlib.gait.bodies import foot_contacts, measure_keypoints, walking_rhythm
from gaitlib.gait.motion import body_motion
from gaitlib.gait.outlines import measure_silhouettes, outline_motion, widest_steps

# A row a parameter: name, title, unit, family, source, definition and where it holds. Lengths are in legs
# (thigh and shank) or trunks (hips to shoulders), so that people of all sizes compare.
with files(__package__).joinpath("parameters.csv").open(encoding="utf-8") as _csv:
    GAIT_PARAMETERS = pd.read_csv(_csv, dtype=str)
GAIT_PARAMETERS.index = pd.Index(GAIT_PARAMETERS["name"].tolist())

_KEYS = ["bout", "start_seconds", "end_seconds", "heading", "is_valid"]


def measure_gait(video: PreparedVideo) -> pd.DataFrame:
    """Measure each walking bout of a video.

    Returns
    -------
    DataFrame
        One row a bout: `bout`, `start_seconds`, `end_seconds`, `heading`, `is_valid` (whether steps were
        found), then one column for each of `GAIT_PARAMETERS`, with its unit in the name; NaN where the view
        does not show it.
    """
    rows = []
    for bout in video.own_bouts:
        values = measure_bout(video, bout)
        is_valid = np.isfinite(values.get("cadence_steps_per_min", np.nan))
        keys = bout.number, bout.start_seconds, bout.end_seconds, bout.heading, is_valid
        rows.append(dict(zip(_KEYS, keys, strict=True)) | values)
    return pd.DataFrame(rows, columns=[*_KEYS, *GAIT_PARAMETERS["name"]])


def gait_parameters(video: PreparedVideo) -> dict[str, float]:
    """Return the median of each parameter over the bouts of a video, by name; NaN where none shows it."""
    table = measure_gait(video)[list(GAIT_PARAMETERS["name"])].astype(float)
    return {str(name): float(value) for name, value in table.median().items()}


def cadence_steps_per_min(video: PreparedVideo) -> float:
    """Return the median cadence of a video's bouts, NaN where no steps are seen."""
    return gait_parameters(video)["cadence_steps_per_min"]


@lru_cache(8192)
def measure_bout(video: PreparedVideo, bout: Bout) -> dict[str, float]:
    """Return the parameters of one bout by name; one that is not there could not be measured."""
    if video.keypoints is None:
        outline = bout_outline(video, bout)
        return {} if outline is None else measure_silhouettes(outline)
    rows = _rounds(video, bout)
    return measure_keypoints(video.keypoints.part(rows), video.repeats[rows])


def bout_outline(video: PreparedVideo, bout: Bout) -> pd.DataFrame | None:
    """Return the silhouette's measures in one bout, see `outline_motion`."""
    # The track counts in the pixels of frames of at most 960.
    full_px = np.array([video.meta["width"], video.meta["height"]])
    width, height = np.round(full_px * min(1.0, 960 / full_px.max()))
    return outline_motion(video.track[bout.first_row : bout.last_row + 1], (int(width), int(height)))


def step_events(video: PreparedVideo, bout: Bout) -> pd.DataFrame:
    """Return `time_seconds` and `side` of the steps of a bout; silhouettes do not tell the side (empty).

    References
    ----------
    Zeni, Richards & Higginson 2008, "Two simple methods for determining gait events during treadmill and
    overground walking using kinematic data".
    """
    found = pd.DataFrame({"time_seconds": [], "side": []}).astype({"time_seconds": float, "side": str})
    if video.keypoints is None:
        outline = bout_outline(video, bout)
        times = np.zeros(0) if outline is None else widest_steps(outline)
        return pd.DataFrame({"time_seconds": times}).assign(side="")
    motion = body_motion(video.keypoints.part(_rounds(video, bout)))
    rhythm = walking_rhythm(motion) if motion else None
    if motion and rhythm:
        found = foot_contacts(motion, rhythm)
    is_inside = found["time_seconds"].between(bout.start_seconds, bout.end_seconds)
    return found[is_inside].reset_index(drop=True)


def _rounds(video: PreparedVideo, bout: Bout) -> np.ndarray:
    """Return the rows of a bout; of a loop, those of all rounds, which show its rhythm best."""
    if bout.period_frames:
        return np.flatnonzero(video.track["person"] == bout.person)
    return np.arange(bout.first_row, bout.last_row + 1)
