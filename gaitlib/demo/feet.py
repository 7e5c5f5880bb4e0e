"""Feet of the synthetic walkers: they roll over the ground without sliding, and swing in an arc.

Axes: x along the path, z up, in metres; the ground is z = 0. The gait cycle of a foot runs from
heel strike (0) to the next one (1).
"""

from dataclasses import dataclass

import numpy as np

from gaitlib.demo.parameters import WalkParameters

FLAT_CYCLES = (0.12, 0.30)
# Shares of body height.
ANKLE_HEIGHT, HEEL_BACK, BALL_AHEAD, TOE_AHEAD = 0.045, 0.032, 0.078, 0.040


@dataclass(frozen=True)
class FootMotion:
    """Track of one foot, all arrays of shape (num_frames,), float.

    Parameters
    ----------
    x_m, z_m : ndarray
        Ankle along the path and above the ground.
    pitch_rad : ndarray
        Pitch of the sole, positive with the toes up.
    toe_pitch_rad : ndarray
        Pitch of the toes, which stay on the ground while the heel lifts, and above it in swing.
    """

    x_m: np.ndarray
    z_m: np.ndarray
    pitch_rad: np.ndarray
    toe_pitch_rad: np.ndarray


def stance_fraction(walk: WalkParameters) -> float:
    """Return the share of the cycle that a foot is on the ground; slow walkers stand longer."""
    return float(np.clip(0.62 + 0.06 * (1.3 - walk.speed_m_per_s), 0.57, 0.68))


def hermite(where: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate by cubic pieces through values and slopes.

    Parameters
    ----------
    where : ndarray of shape (num_frames,), float
        Places between the first and the last key.
    keys : ndarray of shape (num_keys, 3), float
        Place, value and slope of each key, places rising.

    Returns
    -------
    values, slopes : ndarray of shape (num_frames,), float
    """
    piece = np.clip(np.searchsorted(keys[:, 0], where, side="right") - 1, 0, len(keys) - 2)
    start, end = keys[piece], keys[piece + 1]
    width = end[:, 0] - start[:, 0]
    share = (where - start[:, 0]) / width
    rise, in_slope, out_slope = end[:, 1] - start[:, 1], start[:, 2] * width, end[:, 2] * width
    cubic = in_slope + out_slope - 2 * rise
    square = 3 * rise - 2 * in_slope - out_slope
    values = start[:, 1] + share * (in_slope + share * (square + share * cubic))
    slopes = (in_slope + share * (2 * square + 3 * share * cubic)) / width
    return values, slopes


def _pitch_keys(walk: WalkParameters) -> np.ndarray:
    """Keys of the sole's pitch in radians: heel strike, flat, flat, toe-off, heel strike."""
    # Longer steps roll more; the root keeps some roll in short ones.
    stretch = float(np.sqrt(np.clip(walk.step_length_m / walk.leg_length_m / 0.84, 0.4, 1.3)))
    strike, strike_slope = 20 * stretch, -120 * stretch
    return np.array(
        [
            (0.0, np.radians(strike), np.radians(strike_slope)),
            (FLAT_CYCLES[0], 0.0, 0.0),
            (FLAT_CYCLES[1], 0.0, 0.0),
            (stance_fraction(walk), np.radians(-55 * stretch), np.radians(-200 * stretch)),
            (1.0, np.radians(strike), np.radians(strike_slope)),
        ]
    )


def _rolling_ankle(
    pitch: np.ndarray, pitch_slope: np.ndarray, height_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Place the ankle of a foot that rolls over its heel (pitch > 0) or its ball (pitch < 0).

    Returns position and change per cycle, both of shape (num_frames, 2) in x and z, relative to
    where the ankle of the flat foot is, on the ground.
    """
    pivot = np.where(pitch > 0, -HEEL_BACK, BALL_AHEAD) * height_m
    ahead, above = -pivot, ANKLE_HEIGHT * height_m
    cosine, sine = np.cos(pitch), np.sin(pitch)
    turned = np.stack([ahead * cosine - above * sine, ahead * sine + above * cosine], axis=-1)
    change = np.stack([-turned[:, 1], turned[:, 0]], axis=-1) * pitch_slope[:, None]
    return turned + np.stack([pivot, np.zeros_like(pivot)], axis=-1), change


def _toe_pitch(pitch: np.ndarray, ankle_height: np.ndarray, swing_share: np.ndarray) -> np.ndarray:
    """Pitch the toes: flat while the heel lifts, then with the sole as far as the ground allows.

    Heights are shares of body height; all arrays have shape (num_frames,).
    """
    ball_height = ankle_height + BALL_AHEAD * np.sin(pitch) - ANKLE_HEIGHT * np.cos(pitch)
    lowest = -np.arcsin(np.clip(ball_height / TOE_AHEAD, 0.0, 1.0))
    return np.where(pitch > 0, pitch, np.maximum(np.clip(3 * swing_share, 0, 1) * pitch, lowest))


def foot_motion(walk: WalkParameters, cycles: np.ndarray, lift_m: float) -> FootMotion:
    """Move one foot: rolling but not sliding in stance, in a lifted arc in swing.

    Parameters
    ----------
    walk : WalkParameters
        The walk.
    cycles : ndarray of shape (num_frames,), float
        Gait cycles of this foot since its strike number 0.
    lift_m : float
        Extra height of the ankle in the middle of the swing.

    Returns
    -------
    FootMotion
        With strike number 0 planting the flat foot's ankle at x = 0.
    """
    strike = np.floor(cycles)
    cycle = cycles - strike
    keys, stride_m = _pitch_keys(walk), 2 * walk.step_length_m
    pitch, pitch_slope = hermite(cycle, keys)
    position, _ = _rolling_ankle(pitch, pitch_slope, walk.height_m)
    ends, end_slopes = _rolling_ankle(keys[[3, 4], 1], keys[[3, 4], 2], walk.height_m)
    ends[1, 0] += stride_m
    swing_keys = np.stack([np.stack([keys[[3, 4], 0], ends[:, axis], end_slopes[:, axis]], axis=1)
                           for axis in (0, 1)])  # fmt: skip
    in_swing = cycle > keys[3, 0]
    swing_share = np.clip((cycle - keys[3, 0]) / (1 - keys[3, 0]), 0.0, 1.0)
    arc = lift_m * np.sin(np.pi * swing_share) ** 2
    x_m = np.where(in_swing, hermite(cycle, swing_keys[0])[0], position[:, 0])
    z_m = np.where(in_swing, hermite(cycle, swing_keys[1])[0] + arc, position[:, 1])
    toe_pitch = _toe_pitch(pitch, z_m / walk.height_m, np.where(in_swing, swing_share, 0.0))
    return FootMotion(x_m + stride_m * strike, z_m, pitch, toe_pitch)


def foot_points(motion: FootMotion, height_m: float) -> dict[str, np.ndarray]:
    """Place the sole.

    Parameters
    ----------
    motion : FootMotion
        Motion of the foot.
    height_m : float
        Body height.

    Returns
    -------
    dict of ndarray of shape (num_frames, 3), float
        ``heel``, ``ball`` and ``toe`` relative to the ankle, in metres.
    """

    def turned(ahead: float, below: float, pitch: np.ndarray) -> np.ndarray:
        x = ahead * np.cos(pitch) + below * np.sin(pitch)
        z = ahead * np.sin(pitch) - below * np.cos(pitch)
        return height_m * np.stack([x, np.zeros_like(x), z], axis=-1)

    ball = turned(BALL_AHEAD, ANKLE_HEIGHT, motion.pitch_rad)
    return {
        "heel": turned(-HEEL_BACK, ANKLE_HEIGHT, motion.pitch_rad),
        "ball": ball,
        "toe": ball + turned(TOE_AHEAD, 0.0, motion.toe_pitch_rad),
    }
