"""Gait parameters of walking bouts, from keypoints or silhouettes; `parameters.csv` defines them."""

from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import welch

from gaitlib.clips import Bout, PreparedVideo
from gaitlib.files import remember
from gaitlib.gait.motion import (
    FOCAL_LENGTH,
    MIN_FRAMES,
    BodyMotion,
    body_motion,
    find_step_seconds,
    foot_contacts,
    repeats_after,
    walking_rhythm,
    wave_size,
)
from gaitlib.walker import BODY_SHARE, KEYPOINT_NAMES, Keypoints, steady

# A row a parameter: name, title, unit, family, source, definition and where it holds. Lengths are in legs
# (thigh and shank) or trunks (hips to shoulders), so that people of all sizes compare.
GAIT_PARAMETERS = pd.read_csv(Path(__file__).with_name("parameters.csv"), dtype=str)
GAIT_PARAMETERS = GAIT_PARAMETERS.set_index("name", drop=False).rename_axis(None)
# Slower than this somebody walks on a treadmill, or the camera goes along: steps tell the speed. Ankles part
# and close like a triangle, whose first harmonic is 0.81 as large.
_MIN_LEGS_PER_S, _TRIANGLE = 0.2, 8 / np.pi**2
# A trend of so many seconds hides what comes once a stride.
_TREND_SECONDS = 1.5
# A step that takes longer is rare; the longest.
_SLOW_STEP_SECONDS = 0.85, 3.5
_FORWARD, _LEFT, _UP, _SIDES = 0, 1, 2, np.array([1.0, -1.0])
# A foot lies flat whose toes and heel differ in height by less, in its length.
_MAX_SLANT = 0.35
# Shares of the body's height (Winter 2009): thigh and shank; from the hips to the shoulders.
_LEG_SHARE, _TRUNK_SHARE = 0.49, 0.28
# Slow sway, strides, steps from slow to fast, and what is faster than steps.
BANDS_HZ = {f"{low:g}_{top:g}_hz": (low, top) for low, top in pairwise((0.3, 0.8, 1.3, 1.8, 2.4, 3.5, 6.0))}
SHAPES = ("shoulders_width", "hips_width", "legs_width", "hull_area")
# Signals of outlines whose spectra are added up, each with a scale that lets none drown the others.
SPECTRA = {
    "vertical": {"top": 1.0, "centre_y": 1.0, "height": 0.5},
    "arms": {"shoulders_width": 1.0, "hips_width": 1.0},
    "legs": {"legs_width": 1.0},
    "outline": {"hull_area": 1.0, "width": 0.5},
}


def measure_gait(video: PreparedVideo) -> pd.DataFrame:
    """Measure each walking bout of a video.

    Returns a row a bout: `bout`, `start_seconds`, `end_seconds`, `is_valid` (whether steps were found), then
    a column for each of `GAIT_PARAMETERS`, its unit in the name; NaN where the view hides it.
    """
    rows = [vars(bout) | {"bout": bout.number} | measure_bout(video, bout) for bout in video.own_bouts]
    columns = ["bout", "start_seconds", "end_seconds", "is_valid", *GAIT_PARAMETERS["name"]]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(is_valid=table["cadence_steps_per_min"].notna())


@lru_cache(1 << 15)
def gait_parameters(video: PreparedVideo) -> dict[str, float]:
    """Return the median of each parameter over the bouts of a video, by name; NaN where none shows it."""
    table = measure_gait(video)[list(GAIT_PARAMETERS["name"])].astype(float)
    return {str(name): float(value) for name, value in table.median().items()}


@lru_cache(1 << 15)
def measure_bout(video: PreparedVideo, bout: Bout) -> dict[str, float]:
    """Return what is measured in one bout, by name: parameters, of silhouettes also `outline_features`.

    What could not be measured is not there or NaN.
    """
    return remember(_measure, ["video"])(str(video.folder), bout, video)


def _measure(_key: str, bout: Bout, video: PreparedVideo) -> dict[str, float]:
    if video.keypoints is None:
        outline = outline_motion(video.track.iloc[bout.rows], (video.meta["width"], video.meta["height"]))
        return {} if outline is None else measure_silhouettes(outline) | outline_features(outline)
    rows = _rounds(video, bout)
    return measure_keypoints(video.keypoints.part(rows), video.track["is_repeat"].to_numpy()[rows])


def proportions(video: PreparedVideo) -> pd.Series:
    """Return what tells a squeezed picture, NaN where it is not seen.

    `legs`, from the side: by how much thighs and shanks shorten upright for what they lengthen level as they
    swing, over the length of a flat foot in legs; `shoulders`: their width in legs, of who comes or goes.
    """
    seen = [measure_bout(video, bout) for bout in video.own_bouts]
    return pd.DataFrame(seen, columns=["legs", "shoulders"], dtype=float).median()


def step_events(video: PreparedVideo, bout: Bout) -> pd.DataFrame:
    """Return `time_seconds` and `side` of the steps of a bout; of silhouettes none (Zeni et al. 2008)."""
    motion = body_motion(video.keypoints.part(_rounds(video, bout))) if video.keypoints else None
    rhythm = walking_rhythm(motion) if motion else None
    if motion is None or rhythm is None:
        return pd.DataFrame({"time_seconds": np.zeros(0), "side": ""})
    found = foot_contacts(motion, rhythm)
    is_inside = found["time_seconds"].between(bout.start_seconds, bout.end_seconds)
    return found[is_inside].reset_index(drop=True)


def _rounds(video: PreparedVideo, bout: Bout) -> np.ndarray:
    """Return the rows of a bout; of a loop, those of all rounds, which show its rhythm best."""
    return np.flatnonzero(video.track["person"] == bout.person) if bout.period_frames else bout.rows


def measure_keypoints(keypoints: Keypoints, is_repeat: np.ndarray | None = None) -> dict[str, float]:
    """Measure one walking bout, of a loop all of its rounds: values by the name of the parameter.

    Frames of `is_repeat`, (num_frames,), do not count as regular steps.
    """
    motion = body_motion(keypoints)
    if motion is None:
        return {}
    found, rhythm = _posture(motion) | _limbs(motion) | _smoothness(motion), walking_rhythm(motion)
    feet = motion.both("foot_index", image=True) - motion.both("heel", image=True)
    along, up = np.abs(feet).reshape(-1, 2).T
    if motion.is_frontal:
        wide = np.abs(np.diff(motion.both("shoulder", image=True)[..., 0]))
        found["shoulders"] = np.median(wide) / motion.leg_m
    elif (is_flat := up < _MAX_SLANT * along).any():
        joints = np.stack([motion.both(part, image=True) for part in ("hip", "knee", "ankle")])
        level, upright = np.linalg.norm((np.diff(joints, axis=0) ** 2).std(axis=1), axis=(0, 1))
        found["legs"] = upright / level / np.median(along[is_flat]) * motion.leg_m
    if rhythm:
        old = keypoints.times_seconds[is_repeat] if is_repeat is not None else []
        found |= _steps(motion, rhythm[0]) | _regularity(motion, rhythm, ~np.isin(motion.times_seconds, old))
    return {name: float(value) for name, value in found.items()}


def _steps(motion: BodyMotion, stride_hz: float) -> dict[str, float]:
    def size(values: np.ndarray, waves_a_stride: int) -> float:
        frequency_hz = waves_a_stride * stride_hz
        return wave_size(motion.times_seconds, values, motion.passes, frequency_hz) / motion.leg_m

    stride, speed = 1 / stride_hz, float(np.median(motion.speed_m_per_s)) / motion.leg_m
    if speed < _MIN_LEGS_PER_S:
        ankles = motion.both("ankle")[..., _FORWARD]
        speed = size(ankles[:, 0] - ankles[:, 1], 1) / _TRIANGLE / stride
    hips, shoulders = motion.middle("hip", image=True), motion.middle("shoulder", image=True)
    return {
        "speed_legs_per_s": speed,
        "step_length_legs": speed * stride / 2,
        "cadence_steps_per_min": 120 / stride,
        "step_time_s": stride / 2,
        "stride_time_s": stride,
        "bounce_legs": (size(hips[:, 1], 2) + size(shoulders[:, 1], 2)) / 2,
        "lateral_sway_legs": size(shoulders[:, 0], 1) if motion.is_frontal else np.nan,
    }


def _posture(motion: BodyMotion) -> dict[str, float]:
    shoulder, ear = motion.middle("shoulder"), motion.middle("ear")
    trunk_m = np.median(np.linalg.norm(shoulder, axis=1))
    # A covered face looks like the back of a head: frames that show it so do not tell where it points.
    gaze = (motion.body_m[:, KEYPOINT_NAMES.index("nose")] - ear)[:, [_FORWARD, _UP]]
    gaze = gaze[gaze[:, 0] > 0]
    limbs = [motion.both(part)[..., _LEFT] for part in ("elbow", "wrist", "knee", "ankle")]
    return {
        "trunk_lean_deg": _degrees(shoulder[:, _FORWARD], shoulder[:, _UP]).mean(),
        "head_pitch_deg": -_degrees(gaze[:, 1], gaze[:, 0]).mean() if len(gaze) > 2 else np.nan,
        "shoulder_height_trunks": (ear - shoulder)[:, _UP].mean() / trunk_m,
        "shoulder_rounding_deg": _degrees((ear - shoulder)[:, _FORWARD], (ear - shoulder)[:, _UP]).mean(),
        "openness_legs": np.ptp(np.hstack(limbs), axis=1).mean() / motion.leg_m,
    }


def _limbs(motion: BodyMotion) -> dict[str, float]:
    names = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    shoulder, elbow, wrist, hip, knee, ankle = map(motion.both, names)
    arm, thigh = elbow - shoulder, knee - hip
    arm_deg, thigh_deg = (_degrees(limb[..., _FORWARD], -limb[..., _UP]) for limb in (arm, thigh))
    swing, elbow_deg, knee_deg = _range(arm_deg), _bend(shoulder, elbow, wrist), _bend(hip, knee, ankle)
    hips = motion.middle("hip", image=True)[:, None, 1]
    hands_up, feet_up = (motion.both(part, image=True)[..., 1] - hips for part in ("wrist", "ankle"))
    return {
        "arm_swing_deg": swing.mean(),
        "arm_swing_asymmetry": abs(swing[0] - swing[1]) / swing.sum(),
        "arm_abduction_deg": _degrees(arm[..., _LEFT] * _SIDES, -arm[..., _UP]).mean(),
        "shoulder_flexion_deg": arm_deg.mean(),
        "elbow_flexion_deg": elbow_deg.mean(),
        "elbow_range_deg": _range(elbow_deg).mean(),
        "hand_height_legs": hands_up.mean() / motion.leg_m,
        "hand_travel_legs": (_range(wrist[..., _FORWARD]) + _range(hands_up)).mean() / 2 / motion.leg_m,
        "hip_flexion_deg": thigh_deg.mean(),
        "hip_range_deg": _range(thigh_deg).mean(),
        "knee_flexion_deg": knee_deg.mean(),
        "knee_range_deg": _range(knee_deg).mean(),
        "foot_clearance_legs": _range(feet_up).mean() / motion.leg_m,
    }


def _smoothness(motion: BodyMotion) -> dict[str, float]:
    """Return jerk and spectral arc length (Balasubramanian et al. 2015) of the hands in the longest pass."""
    longest = motion.passes == np.bincount(motion.passes).argmax()
    rate_hz = 1 / float(np.median(np.diff(motion.times_seconds)))
    hands = motion.both("wrist", image=True) - motion.middle("hip", image=True)[:, None]
    velocity = np.gradient(hands[longest] / motion.leg_m, axis=0) * rate_hz
    jerk = np.diff(velocity, 2, axis=0) * rate_hz**2
    spectrum = np.abs(np.fft.rfft(np.linalg.norm(velocity, axis=2), 512, axis=0))
    spectrum = spectrum[np.fft.rfftfreq(512, 1 / rate_hz) <= 6] / (spectrum[0] + 1e-12)
    arc = np.hypot(1 / (len(spectrum) - 1), np.diff(spectrum, axis=0)).sum(axis=0)
    return {"jerk_legs_per_s3": np.sqrt((jerk**2).sum(axis=2).mean()), "sparc": -arc.mean()}


def _regularity(motion: BodyMotion, rhythm: tuple[float, np.ndarray], fresh: np.ndarray) -> dict[str, float]:
    contacts, stride = foot_contacts(motion, rhythm), 1 / rhythm[0]
    gaps, sides = contacts["time_seconds"].diff(), contacts["side"]
    is_step = (gaps < 0.9 * stride) & (sides != sides.shift())
    means = [gaps[is_step & (sides == side)].mean() for side in ("right", "left")]
    at, passes, ahead = (part[fresh] for part in (motion.times_seconds, motion.passes, rhythm[1]))
    return {
        "step_symmetry": np.min(means) / np.max(means),
        "step_regularity": -repeats_after(at, ahead, passes, stride / 2),
        "stride_regularity": repeats_after(at, ahead, passes, stride),
    }


def _range(values: np.ndarray) -> np.ndarray:
    # Without the outermost 5 %; scipy's iqr says the same in twenty times the time.
    return np.ptp(np.percentile(values, (5, 95), axis=0), axis=0)


def _degrees(opposite: np.ndarray, adjacent: np.ndarray) -> np.ndarray:
    return np.degrees(np.arctan2(opposite, adjacent))


def _bend(one: np.ndarray, joint: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return by how much a joint is bent, degrees, 0 for a straight limb."""
    upper, lower = joint - one, other - joint
    lengths = np.linalg.norm(upper, axis=-1) * np.linalg.norm(lower, axis=-1)
    return np.degrees(np.arccos(np.clip((upper * lower).sum(-1) / (lengths + 1e-12), -1, 1)))


def outline_motion(track: pd.DataFrame, frame_size_px: tuple[int, int]) -> pd.DataFrame | None:
    """Return the silhouette's measures in body heights, a row a frame; None where fewer than 10 are known.

    `top` and `centre_y` are below the middle of the walker's square; `right` and `away` are the speed,
    body heights a second, as a usual camera sees it; `time_seconds` and `pass` (unbroken rows) go with them.
    """
    known = track[track["shape_area"].notna()]
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
    found = {"speed_legs_per_s": float(np.median(np.hypot(outline["right"], outline["away"]))) / _LEG_SHARE}
    side = outline[np.abs(outline["right"]) > np.abs(outline["away"])]
    if len(side) >= MIN_FRAMES:
        forward = np.sign(side["right"])
        lean = (forward * (side["shoulders_x"] - side["legs_x"])).mean() / _TRUNK_SHARE
        found["trunk_lean_deg"] = np.degrees(np.arctan(lean))
        found["head_forward_legs"] = (forward * (side["head_x"] - side["shoulders_x"])).mean() / _LEG_SHARE
    step = step_seconds(outline)
    if np.isfinite(step):
        times, passes = outline["time_seconds"].to_numpy(), outline["pass"].to_numpy()
        legs = _without_trend(outline, "legs_width", _TREND_SECONDS)
        found |= {
            "cadence_steps_per_min": 60 / step,
            "step_time_s": step,
            "stride_time_s": 2 * step,
            "step_length_legs": found["speed_legs_per_s"] * step,
            "bounce_legs": wave_size(times, outline["top"].to_numpy(), passes, 1 / step) / _LEG_SHARE,
            "step_regularity": repeats_after(times, legs, passes, step),
            "stride_regularity": repeats_after(times, legs, passes, 2 * step),
        }
    return found


def step_seconds(outline: pd.DataFrame) -> float:
    """Return the time of a step, NaN for none: legs part and close, the head goes up and down once a step."""
    when, passes = outline["time_seconds"].to_numpy(), outline["pass"].to_numpy()
    names = ["legs_width", "top"]
    quick, slow = (_without_trend(outline, names, trend) for trend in (_TREND_SECONDS, 2 * _TREND_SECONDS))
    step = find_step_seconds(when, quick, passes)
    if np.isnan(step):
        return find_step_seconds(when, slow, passes, _SLOW_STEP_SECONDS)
    if step > _SLOW_STEP_SECONDS[0]:  # Perhaps half a step of somebody who walks very slowly.
        once, twice = (repeats_after(when, slow.sum(axis=1), passes, lag) for lag in (step, 2 * step))
        step *= 2 if twice > once + 0.3 else 1
    return step


def _without_trend(outline: pd.DataFrame, names: str | list[str], seconds: float) -> np.ndarray:
    values, frame_seconds = outline[names].to_numpy(), float(np.median(np.diff(outline["time_seconds"])))
    return values - steady(values, seconds / frame_seconds)


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
        for band, (low, high) in BANDS_HZ.items():
            is_inside = (frequencies >= low) & (frequencies < high)
            found[f"{group}_{band}"] = np.log(power[:, is_inside].mean() + 1e-10) / 2
    return found
