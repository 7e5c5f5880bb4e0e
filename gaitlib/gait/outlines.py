"""Gait parameters of a walking bout where only silhouettes (or point lights) are known."""

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.signal import savgol_filter, welch

from gaitlib.gait.motion import FOCAL_LENGTH
from gaitlib.gait.rhythm import find_peak_times, find_step_seconds, repeats_after, wave_size
from gaitlib.walker import BODY_SHARE

# Shares of the body's height (Winter 2009): thigh and shank; from the hips to the shoulders.
LEG_SHARE, TRUNK_SHARE = 0.49, 0.28
# A trend of so many seconds hides what comes once a stride; what takes longer than the second is rare.
STEP_SECONDS, SLOW_STEP_SECONDS = (0.28, 1.75), 0.85
MIN_FRAMES, TREND_SECONDS = 10, 1.5
# Slow sway, strides, steps from slow to fast, and what is faster than steps.
BAND_EDGES_HZ = (0.3, 0.8, 1.3, 1.8, 2.4, 3.5, 6.0)
SHAPES = ("shoulders_width", "hips_width", "legs_width", "hull_area")
# Signals whose spectra are added up, each with a scale that lets none drown the others.
SPECTRA = {
    "vertical": {"top": 1.0, "centre_y": 1.0, "height": 0.5},
    "arms": {"shoulders_width": 1.0, "hips_width": 1.0},
    "legs": {"legs_width": 1.0},
    "outline": {"hull_area": 1.0, "width": 0.5},
}


def outline_motion(track: pd.DataFrame, frame_size_px: tuple[int, int]) -> pd.DataFrame | None:
    """Return the silhouette's measures in body heights, a row a frame; None where fewer than 10 are known.

    `top` and `centre_y` are below the middle of the walker's square; `right` and `away` are the speed,
    body heights a second, as a usual camera sees it; `time_seconds` and `pass` (unbroken rows) go with them.
    """
    known = track[track["shape_area"].notna() & track["square_side"].notna()]
    if len(known) < MIN_FRAMES:
        return None
    body_px = known["square_side"] * BODY_SHARE
    table = known.filter(like="shape_").rename(columns=lambda name: name[6:]).div(body_px, axis=0)
    table[["width", "height"]] = known[["width", "height"]].div(body_px, axis=0)
    table["hull_area"] /= body_px
    table[["top", "centre_y"]] -= (known["square_y"] / body_px).to_numpy()[:, None]
    table = table.interpolate(limit_direction="both")
    apart = known["time_seconds"].diff()
    place = (known["square_x"] - frame_size_px[0] / 2) / body_px, FOCAL_LENGTH * max(frame_size_px) / body_px
    table["right"], table["away"] = (np.gradient(part) / apart.median() for part in place)
    table["time_seconds"] = known["time_seconds"]
    table["pass"] = (apart > 1.5 * apart.median()).cumsum()
    return table.reset_index(drop=True)


def measure_silhouettes(outline: pd.DataFrame) -> dict[str, float]:
    """Measure one walking bout (`outline_motion`): values by the name of the gait parameter."""
    speed = _speed(outline)
    found = {"speed_legs_per_s": speed / LEG_SHARE}
    side = outline[np.abs(outline["right"]) > np.abs(outline["away"])]
    if len(side) >= MIN_FRAMES:
        forward = np.sign(side["right"])
        lean = (forward * (side["shoulders_x"] - side["legs_x"])).mean() / TRUNK_SHARE
        found["trunk_lean_deg"] = np.degrees(np.arctan(lean))
        found["head_forward_legs"] = (forward * (side["head_x"] - side["shoulders_x"])).mean() / LEG_SHARE
    step = step_seconds(outline)
    if np.isfinite(step):
        times, passes = outline["time_seconds"].to_numpy(), outline["pass"].to_numpy()
        legs = _steps(outline, "legs_width")
        found |= {
            "cadence_steps_per_min": 60 / step,
            "step_time_s": step,
            "stride_time_s": 2 * step,
            "step_length_legs": found["speed_legs_per_s"] * step,
            "bounce_legs": wave_size(times, outline["top"].to_numpy(), passes, 1 / step) / LEG_SHARE,
            "step_regularity": repeats_after(times, legs, passes, step),
            "stride_regularity": repeats_after(times, legs, passes, 2 * step),
        }
    return found


def step_seconds(outline: pd.DataFrame) -> float:
    """Return the time of a step, NaN for none: legs part and close, the head goes up and down once a step."""
    when, passes = outline["time_seconds"].to_numpy(), outline["pass"].to_numpy()
    quick, slow = (
        np.stack([_steps(outline, name, trend) for name in ("legs_width", "top")], axis=1)
        for trend in (TREND_SECONDS, 2 * TREND_SECONDS)
    )
    step = find_step_seconds(when, quick, passes, STEP_SECONDS)
    if np.isnan(step):
        return find_step_seconds(when, slow, passes, (SLOW_STEP_SECONDS, 2 * STEP_SECONDS[1]))
    if step > SLOW_STEP_SECONDS:  # Perhaps half a step of somebody who walks very slowly.
        once, twice = (repeats_after(when, slow.sum(axis=1), passes, lag) for lag in (step, 2 * step))
        step *= 2 if twice > once + 0.3 else 1
    return step


def widest_steps(outline: pd.DataFrame) -> np.ndarray:
    """Return when the legs are farthest apart, once a step, seconds; empty without a rhythm."""
    step = step_seconds(outline)
    if np.isnan(step):
        return np.zeros(0)
    times, passes = outline["time_seconds"].to_numpy(), outline["pass"].to_numpy()
    return find_peak_times(times, _steps(outline, "legs_width"), passes, 0.6 * step)


def outline_features(outline: pd.DataFrame) -> dict[str, float]:
    """Return what classifiers read of an outline beside parameters: mean shape, what moves how fast.

    The root mean power of each group of `SPECTRA` in six bands (Welch 1967) and widths are logarithms.
    """
    found = {f"{name}_heights": np.log(outline[name].mean()) for name in SHAPES}
    found["centre_of_mass_heights"] = (outline["top"] - outline["centre_y"]).mean()
    rate_hz = 1 / float(np.median(np.diff(outline["time_seconds"])))
    for group, scales in SPECTRA.items():
        signals = np.stack([scale * outline[name] for name, scale in scales.items()])
        signals -= signals.mean(axis=1, keepdims=True)
        frequencies, power = welch(signals, rate_hz, nperseg=min(signals.shape[1], 64), nfft=256)
        for low, high in pairwise(BAND_EDGES_HZ):
            is_inside = (frequencies >= low) & (frequencies < high)
            found[f"{group}_{low:g}_{high:g}_hz"] = np.log(power[:, is_inside].mean() + 1e-10) / 2
    return found


def _speed(outline: pd.DataFrame) -> float:
    return float(np.median(np.hypot(outline["right"], outline["away"])))


def _steps(outline: pd.DataFrame, name: str, trend_seconds: float = TREND_SECONDS) -> np.ndarray:
    """Return a measure of the outline without its slow trend."""
    values, frame_seconds = outline[name].to_numpy(), float(np.median(np.diff(outline["time_seconds"])))
    window = 2 * int(trend_seconds / 2 / frame_seconds) + 1
    return values - savgol_filter(values, min(window, len(values) - 1 + len(values) % 2), 2)
