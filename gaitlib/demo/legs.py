"""Legs of the synthetic walkers: planted feet first, then the knees that reach them.

Axes: x along the path, y to the walker's left, z up, in metres; the ground is z = 0. The gait cycle
of a foot runs from heel strike (0) to the next one (1).
"""

import numpy as np

from gaitlib.demo.feet import FootMotion, foot_motion, foot_points
from gaitlib.demo.parameters import WalkParameters

# The pelvis passes over the planted ankle at this place of the cycle, and is highest at MID_STANCE.
OVER_ANKLE_CYCLE = 0.24
MID_STANCE_CYCLE = 0.31
MAX_REACH_RATIO = 0.995
# Shares of body height.
HIP_HALF_WIDTH, STEP_HALF_WIDTH = 0.052, 0.028
# Ankle lifts tried for a walk's thigh range. Thighs between joint centres swing further than the
# marker-based ranges of the table, by about this offset.
LIFTS_M = np.linspace(0.03, 0.13, 6)
THIGH_RANGE_OFFSET_DEG = 5.0
SIDES = {"right": (0.0, -1.0), "left": (0.5, 1.0)}


def pelvis_track(walk: WalkParameters, cycles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the way of the pelvis and of the hip joints around a constant height.

    Parameters
    ----------
    walk : WalkParameters
        The walk.
    cycles : ndarray of shape (num_frames,), float
        Gait cycles of the right foot.

    Returns
    -------
    centre_m : ndarray of shape (num_frames, 3), float
        Pelvis; z is the bounce around 0.
    right_hip_m : ndarray of shape (num_frames, 3), float
        Right hip joint relative to the pelvis; the left one is opposite.
    """
    turn = 2 * np.pi * cycles
    mid = 2 * np.pi * MID_STANCE_CYCLE
    stride_m, half_width_m = 2 * walk.step_length_m, HIP_HALF_WIDTH * walk.height_m
    centre = np.stack(
        [
            stride_m * (cycles - OVER_ANKLE_CYCLE),
            -walk.lateral_sway_cm / 200.0 * np.cos(turn - mid),
            walk.hip_bounce_cm / 200.0 * np.cos(2 * (turn - mid)),
        ],
        axis=-1,
    )
    # The hip moves forward with its leg, and the hip over the standing leg is the higher one.
    yaw = np.radians(8.0) * np.cos(turn)
    list_angle = np.radians(3.0) * np.cos(turn - mid)
    hip = np.stack([np.sin(yaw), -np.cos(yaw), np.sin(list_angle)], axis=-1) * half_width_m
    return centre, hip


def _ankles_and_hips(
    walk: WalkParameters, cycles: np.ndarray, lift_m: float, side: str
) -> tuple[FootMotion, np.ndarray, np.ndarray]:
    """Return foot motion, ankle and hip (shape (num_frames, 3)) of a side; hip around z = 0."""
    delay, sign = SIDES[side]
    motion = foot_motion(walk, cycles + delay, lift_m)
    centre, right_hip = pelvis_track(walk, cycles)
    lateral = np.full(len(cycles), sign * STEP_HALF_WIDTH * walk.height_m)
    ankle = np.stack([motion.x_m - 2 * walk.step_length_m * delay, lateral, motion.z_m], axis=-1)
    return motion, ankle, centre - sign * right_hip


def solve_knee(hip_m: np.ndarray, ankle_m: np.ndarray, bone_m: float) -> np.ndarray:
    """Bend the knee forward so that two equal bones join hip and ankle.

    Parameters
    ----------
    hip_m, ankle_m : ndarray of shape (num_frames, 3), float
        Ends of the leg, at most two bones apart.
    bone_m : float
        Length of the thigh, and of the shank.

    Returns
    -------
    ndarray of shape (num_frames, 3), float
        The knee.
    """
    along = ankle_m - hip_m
    distance = np.linalg.norm(along, axis=-1, keepdims=True)
    forward = np.array([1.0, 0.0, 0.0]) - along * along[:, :1] / distance**2
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    bend = np.sqrt(np.maximum(bone_m**2 - (distance / 2) ** 2, 0.0))
    return (hip_m + ankle_m) / 2 + bend * forward


def pelvis_height_m(walk: WalkParameters, lift_m: float) -> float:
    """Return the greatest mean height of the pelvis at which no leg overstretches.

    Parameters
    ----------
    walk : WalkParameters
        The walk.
    lift_m : float
        Extra height of the swinging ankle.

    Returns
    -------
    float
        Metres above the ground.
    """
    cycles = np.arange(240) / 240.0
    _, ankle, hip = _ankles_and_hips(walk, cycles, lift_m, "right")
    across = np.sum((ankle - hip)[:, :2] ** 2, axis=-1)
    room = (MAX_REACH_RATIO * walk.leg_length_m) ** 2 - across
    # A counterfactual step far beyond the legs' reach would leave nothing to stand on.
    reach = np.sqrt(np.maximum(room, (0.25 * walk.leg_length_m) ** 2))
    return float(np.min(ankle[:, 2] + reach - hip[:, 2]))


def _thigh_range_deg(walk: WalkParameters, lift_m: float) -> float:
    """Range of the thigh's angle to the vertical over one cycle, for a given lift."""
    cycles = np.arange(60) / 60.0
    _, ankle, hip = _ankles_and_hips(walk, cycles, lift_m, "right")
    hip = hip + np.array([0.0, 0.0, pelvis_height_m(walk, lift_m)])
    thigh = solve_knee(hip, ankle, walk.leg_length_m / 2) - hip
    angle = np.degrees(np.arctan2(thigh[:, 0], -thigh[:, 2]))
    return float(np.ptp(angle))


def swing_lift_m(walk: WalkParameters) -> float:
    """Return the lift of the swinging ankle that comes nearest to the walk's thigh range.

    Parameters
    ----------
    walk : WalkParameters
        The walk.

    Returns
    -------
    float
        Metres, one of `LIFTS_M` or between two of them.
    """
    ranges = np.array([_thigh_range_deg(walk, float(lift)) for lift in LIFTS_M])
    wanted = walk.thigh_range_deg + THIGH_RANGE_OFFSET_DEG
    return float(np.interp(wanted, np.maximum.accumulate(ranges), LIFTS_M))


def leg_joints(walk: WalkParameters, cycles: np.ndarray) -> dict[str, np.ndarray]:
    """Place the joints of both legs.

    Parameters
    ----------
    walk : WalkParameters
        The walk.
    cycles : ndarray of shape (num_frames,), float
        Gait cycles of the right foot.

    Returns
    -------
    dict of ndarray of shape (num_frames, 3), float
        ``pelvis`` and, for ``left_`` and ``right_``: ``hip``, ``knee``, ``ankle``, ``heel``,
        ``ball``, ``toe``, in metres.
    """
    lift_m = swing_lift_m(walk)
    raised = np.array([0.0, 0.0, pelvis_height_m(walk, lift_m)])
    joints = {"pelvis": pelvis_track(walk, cycles)[0] + raised}
    for side in SIDES:
        motion, ankle, hip = _ankles_and_hips(walk, cycles, lift_m, side)
        hip = hip + raised
        joints[f"{side}_hip"], joints[f"{side}_ankle"] = hip, ankle
        joints[f"{side}_knee"] = solve_knee(hip, ankle, walk.leg_length_m / 2)
        for name, point in foot_points(motion, walk.height_m).items():
            joints[f"{side}_{name}"] = ankle + point
    return joints
