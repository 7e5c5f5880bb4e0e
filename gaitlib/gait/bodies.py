"""Gait parameters of one walking bout from keypoints; their definitions stand in `parameters.csv`."""

import warnings

import numpy as np
import pandas as pd

from gaitlib.gait.motion import BodyMotion, body_motion
from gaitlib.gait.rhythm import (
    Rhythm,
    find_peak_times,
    find_rhythm,
    find_step_seconds,
    repeats_after,
    wave_size,
)
from gaitlib.walker import Keypoints

# Ankles that part by less, in legs, are somebody who stands.
MIN_LEG_SWING = 0.12
# Mean over standard deviation of how far the left foot is ahead: 0 in a walk, 2 if it always is.
MAX_ONE_SIDED = 0.8
# Slower than this somebody walks on a treadmill, or the camera goes along: steps tell the speed.
MIN_LEGS_PER_S = 0.2
STEP_SECONDS = (0.28, 1.75)
FORWARD, LEFT, UP = 0, 1, 2
_SIDES = np.array([1.0, -1.0])


def measure_keypoints(keypoints: Keypoints, is_repeat: np.ndarray | None = None) -> dict[str, float]:
    """Measure one walking bout.

    Parameters
    ----------
    keypoints : Keypoints
        The frames of the bout; of a loop, all of its rounds.
    is_repeat : ndarray of shape (num_frames,), bool, optional
        Frames that came before: they do not count as regular steps.

    Returns
    -------
    dict of str to float
        Values by the name of the parameter; one that could not be measured is not there or NaN.
    """
    motion = body_motion(keypoints)
    if motion is None:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means of nothing are NaN
        found = _posture(motion) | _limbs(motion) | _smoothness(motion)
        rhythm = walking_rhythm(motion)
        if rhythm:
            old = keypoints.times_seconds[is_repeat] if is_repeat is not None else []
            is_fresh = ~np.isin(motion.times_seconds, old)
            found |= _steps(motion, rhythm) | _regularity(motion, rhythm, is_fresh)
    return {name: float(value) for name, value in found.items()}


def walking_rhythm(motion: BodyMotion) -> Rhythm | None:
    """Return the rhythm of the strides, None for somebody who stands."""
    when, signals, passes = motion.times_seconds, _legs_apart(motion), motion.passes
    rhythm = find_rhythm(when, signals, passes)
    # Seen from the side, near and far leg may bear each other's names: one seems to be ahead all the time.
    is_mixed = np.abs(signals[:, 0].mean()) > MAX_ONE_SIDED * signals[:, 0].std()
    if rhythm is None or (is_mixed and not _is_frontal(motion)):
        hips_up = motion.middle("hip", image=True)[:, 1] / motion.leg_m
        steps = np.stack([np.abs(signals[:, 0]), hips_up], axis=1)
        step = find_step_seconds(when, steps, passes, STEP_SECONDS)
        swing = wave_size(when, steps[:, 0], passes, 1 / step) if step > 0 else 0.0
        return Rhythm(0.5 / step, np.eye(signals.shape[1])[0]) if swing > MIN_LEG_SWING / 2 else None
    sizes = [wave_size(when, signal, passes, rhythm.frequency_hz) for signal in signals.T]
    return rhythm if np.nanmax(sizes, initial=0) > MIN_LEG_SWING else None


def foot_contacts(motion: BodyMotion, rhythm: Rhythm) -> pd.DataFrame:
    """Return `time_seconds` and `side` of each step: a foot is farthest before the other (Zeni 2008)."""
    apart = _legs_apart(motion) @ rhythm.weights
    apart -= np.median(apart)
    stride = 1 / rhythm.frequency_hz
    times = [
        find_peak_times(motion.times_seconds, sign * apart, motion.passes, 0.6 * stride) for sign in _SIDES
    ]
    sides = np.repeat(["left", "right"], [len(part) for part in times])
    table = pd.DataFrame({"time_seconds": np.concatenate(times), "side": sides})
    return table.sort_values("time_seconds", ignore_index=True)


def _is_frontal(motion: BodyMotion) -> bool:
    return bool(np.abs(np.sin(np.radians(np.median(motion.heading_deg)))) > np.sqrt(0.5))


def _legs_apart(motion: BodyMotion) -> np.ndarray:
    """Return how far the left foot is before and above the right one, in space and in the image, in legs."""
    feet = [motion.both(part, image=True)[..., 1] for part in ("ankle", "heel", "foot_index")]
    ankles = motion.both("ankle")
    both = np.stack([ankles[..., FORWARD], ankles[..., UP], *feet])
    return (both[..., 0] - both[..., 1]).T / motion.leg_m


def _steps(motion: BodyMotion, rhythm: Rhythm) -> dict[str, float]:
    def size(values: np.ndarray, waves_a_stride: int) -> float:
        frequency_hz = waves_a_stride * rhythm.frequency_hz
        return wave_size(motion.times_seconds, values, motion.passes, frequency_hz) / motion.leg_m

    stride, speed = 1 / rhythm.frequency_hz, float(np.median(motion.speed_m_per_s)) / motion.leg_m
    if speed < MIN_LEGS_PER_S:
        ankles = motion.both("ankle")[..., FORWARD]
        speed = size(ankles[:, 0] - ankles[:, 1], 1) / stride
    hips, shoulders = motion.middle("hip", image=True), motion.middle("shoulder", image=True)
    return {
        "speed_legs_per_s": speed,
        "step_length_legs": speed * stride / 2,
        "cadence_steps_per_min": 120 / stride,
        "step_time_s": stride / 2,
        "stride_time_s": stride,
        "bounce_legs": (size(hips[:, 1], 2) + size(shoulders[:, 1], 2)) / 2,
        "lateral_sway_legs": size(shoulders[:, 0], 1) if _is_frontal(motion) else np.nan,
    }


def _posture(motion: BodyMotion) -> dict[str, float]:
    shoulder, ear = motion.middle("shoulder"), motion.middle("ear")
    # A covered face looks like the back of a head: frames that show it so do not tell where it points.
    gaze = (motion.body_m[:, Keypoints.index("nose")] - ear)[:, [FORWARD, UP]]
    gaze = gaze[gaze[:, 0] > 0]
    limbs = np.concatenate(
        [motion.both(part)[..., LEFT] for part in ("elbow", "wrist", "knee", "ankle")], axis=1
    )
    return {
        "trunk_lean_deg": _degrees(shoulder[:, FORWARD], shoulder[:, UP]).mean(),
        "head_pitch_deg": -_degrees(gaze[:, 1], gaze[:, 0]).mean() if len(gaze) > 2 else np.nan,
        "shoulder_height_trunks": (ear - shoulder)[:, UP].mean() / motion.trunk_m,
        "shoulder_rounding_deg": _degrees((ear - shoulder)[:, FORWARD], (ear - shoulder)[:, UP]).mean(),
        "openness_legs": np.ptp(limbs, axis=1).mean() / motion.leg_m,
    }


def _limbs(motion: BodyMotion) -> dict[str, float]:
    shoulder, elbow, wrist, hip, knee, ankle = map(
        motion.both, ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    )
    arm, thigh = elbow - shoulder, knee - hip
    arm_deg, thigh_deg = (_degrees(limb[..., FORWARD], -limb[..., UP]) for limb in (arm, thigh))
    swing, elbow_deg, knee_deg = _range(arm_deg), _bend(shoulder, elbow, wrist), _bend(hip, knee, ankle)
    hips = motion.middle("hip", image=True)[:, None, 1]
    hands_up, feet_up = (motion.both(part, image=True)[..., 1] - hips for part in ("wrist", "ankle"))
    return {
        "arm_swing_deg": swing.mean(),
        "arm_swing_asymmetry": abs(swing[0] - swing[1]) / swing.sum(),
        "arm_abduction_deg": _degrees(arm[..., LEFT] * _SIDES, -arm[..., UP]).mean(),
        "shoulder_flexion_deg": arm_deg.mean(),
        "elbow_flexion_deg": elbow_deg.mean(),
        "elbow_range_deg": _range(elbow_deg).mean(),
        "hand_height_legs": hands_up.mean() / motion.leg_m,
        "hand_travel_legs": (_range(wrist[..., FORWARD]) + _range(hands_up)).mean() / 2 / motion.leg_m,
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


def _regularity(motion: BodyMotion, rhythm: Rhythm, is_fresh: np.ndarray) -> dict[str, float]:
    contacts, stride = foot_contacts(motion, rhythm), 1 / rhythm.frequency_hz
    gaps, sides = np.diff(contacts["time_seconds"]), contacts["side"].to_numpy()
    is_step = (gaps < 0.9 * stride) & (sides[:-1] != sides[1:])
    means = [gaps[is_step & (sides[:-1] == side)].mean() for side in ("left", "right")]
    at, passes = motion.times_seconds[is_fresh], motion.passes[is_fresh]
    apart = (_legs_apart(motion) @ rhythm.weights)[is_fresh]
    return {
        "step_symmetry": min(means) / max(means),
        "step_regularity": -repeats_after(at, apart, passes, stride / 2),
        "stride_regularity": repeats_after(at, apart, passes, stride),
    }


def _degrees(opposite: np.ndarray, adjacent: np.ndarray) -> np.ndarray:
    return np.degrees(np.arctan2(opposite, adjacent))


def _bend(one: np.ndarray, joint: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return by how much a joint is bent, degrees, 0 for a straight limb."""
    upper, lower = joint - one, other - joint
    lengths = np.linalg.norm(upper, axis=-1) * np.linalg.norm(lower, axis=-1)
    return np.degrees(np.arccos(np.clip((upper * lower).sum(-1) / (lengths + 1e-12), -1, 1)))


def _range(values: np.ndarray) -> np.ndarray:
    """Return the range of each side over time without the outermost 5 %, shape (2,)."""
    return np.diff(np.quantile(values, [0.05, 0.95], axis=0), axis=0)[0]
