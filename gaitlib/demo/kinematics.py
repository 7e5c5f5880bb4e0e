"""The whole body of a synthetic walker, joint by joint, from the walk's parameters.

Axes: x along the path, y to the walker's left, z up, in metres; the ground is z = 0, and the pelvis
passes x = 0 in the middle of the clip.
"""

import numpy as np

from gaitlib.demo.legs import OVER_ANKLE_CYCLE, leg_joints
from gaitlib.demo.parameters import WalkParameters

# Segment lengths as shares of body height, after Drillis and Contini (1966).
UPPER_ARM, FOREARM, HAND, SHOULDER_HALF_WIDTH = 0.175, 0.146, 0.075, 0.105
HIP_TO_SHOULDER, NECK, HEAD_RADIUS = 0.283, 0.052, 0.058
LEVEL_HEAD_PITCH_DEG = -9.0


def _sagittal(angle_rad: np.ndarray, abduction_rad: float = 0.0) -> np.ndarray:
    """Return unit vectors hanging down, swung forward by an angle and then out to the left."""
    down = np.cos(angle_rad)
    return np.stack([np.sin(angle_rad), down * np.sin(abduction_rad), -down * np.cos(abduction_rad)], axis=-1)


def _upward(lean_rad: float) -> np.ndarray:
    """Return the unit vector that points up and leans forward by an angle, of shape (3,)."""
    return np.array([np.sin(lean_rad), 0.0, np.cos(lean_rad)])


def _trunk_joints(walk: WalkParameters, pelvis: np.ndarray) -> dict[str, np.ndarray]:
    """Stack waist, chest and neck on the pelvis, and the head on them."""
    lean, slump = np.radians(walk.trunk_lean_deg), np.radians(walk.shoulder_slump_deg)
    pitch = np.radians(walk.head_pitch_deg - LEVEL_HEAD_PITCH_DEG)
    # What the body has above the legs; the long-legged have short trunks.
    trunk_m = HIP_TO_SHOULDER * walk.height_m + 0.5 * (0.491 * walk.height_m - walk.leg_length_m)
    waist = pelvis + _upward(lean - slump / 2) * (0.40 * trunk_m)
    chest = waist + _upward(lean + slump / 3) * (0.60 * trunk_m)
    neck_lean = 0.6 * lean + slump + 0.45 * pitch + np.radians(12.0)
    neck = chest + _upward(neck_lean) * (0.05 * walk.height_m)
    skull = neck + walk.height_m * (
        0.075 * _upward(0.7 * pitch) + 0.012 * np.array([np.cos(pitch), 0, -np.sin(pitch)])
    )
    forward = np.array([np.cos(pitch), 0.0, -np.sin(pitch)]) * walk.height_m
    upward = _upward(pitch) * walk.height_m
    return {
        "waist": waist,
        "chest": chest,
        "neck": neck,
        "skull": skull,
        "face": skull + 0.012 * forward - 0.010 * upward,
        "chin": skull + 0.026 * forward - 0.047 * upward,
        "nose": skull + 0.060 * forward - 0.014 * upward,
        "hair": skull - 0.007 * forward + 0.010 * upward,
        "nape": skull - 0.024 * forward - 0.022 * upward,
    }


def _arm_joints(
    walk: WalkParameters, cycles: np.ndarray, chest: np.ndarray, side: str
) -> dict[str, np.ndarray]:
    """Swing one arm against the leg of the same side."""
    sign = 1.0 if side == "left" else -1.0
    # Cycles count from the right heel strike, when the left arm is in front.
    swing = sign * np.cos(2 * np.pi * (cycles - 0.03))
    half_swing = walk.shoulder_swing_deg / 2
    elbow_change = min(0.16 * walk.shoulder_swing_deg, walk.elbow_flexion_deg - 2.0)
    shoulder_rad = np.radians(half_swing * swing - 3.0 - 0.08 * walk.elbow_flexion_deg)
    elbow_rad = np.radians(walk.elbow_flexion_deg + elbow_change * swing)
    yaw = np.radians(2.0 + 0.07 * walk.shoulder_swing_deg) * swing
    slump_m = 0.0006 * walk.shoulder_slump_deg * walk.height_m
    across = np.stack([np.sin(yaw), sign * np.cos(yaw), np.full(len(yaw), -0.06)], axis=-1)
    shoulder = chest + across * SHOULDER_HALF_WIDTH * walk.height_m + [slump_m, 0, -slump_m / 2]
    abduction = sign * np.radians(walk.arm_abduction_deg)
    elbow = shoulder + _sagittal(shoulder_rad, abduction) * UPPER_ARM * walk.height_m
    forearm = _sagittal(shoulder_rad + elbow_rad, abduction * 0.2)
    wrist = elbow + forearm * FOREARM * walk.height_m
    hand = wrist + _sagittal(shoulder_rad + elbow_rad + 0.15) * HAND * walk.height_m
    names = ("shoulder", "elbow", "wrist", "hand")
    places = (shoulder, elbow, wrist, hand)
    return {f"{side}_{name}": place for name, place in zip(names, places, strict=True)}


def pose_walker(walk: WalkParameters, seconds: np.ndarray) -> dict[str, np.ndarray]:
    """Place every joint of a synthetic walker.

    Parameters
    ----------
    walk : WalkParameters
        The walk.
    seconds : ndarray of shape (num_frames,), float
        Times of the frames; the pelvis is at x = 0 at time 0.

    Returns
    -------
    dict of ndarray of shape (num_frames, 3), float
        Joint name to place in metres.

    Examples
    --------
    >>> joints = pose_walker(WalkParameters(), np.linspace(-1.0, 1.0, 5))
    >>> joints["left_knee"].shape
    (5, 3)
    """
    cycles = seconds / walk.stride_seconds + walk.start_cycle
    joints = leg_joints(walk, cycles)
    middle = np.array([2 * walk.step_length_m * (walk.start_cycle - OVER_ANKLE_CYCLE), 0.0, 0.0])
    joints = {name: place - middle for name, place in joints.items()}
    joints |= _trunk_joints(walk, joints["pelvis"])
    for side in ("left", "right"):
        joints |= _arm_joints(walk, cycles, joints["chest"], side)
    return joints
