"""Mends keypoints over time: sides swapped back, gaps closed, noise taken out, bones of one length."""

import itertools
from dataclasses import replace

import numpy as np
from scipy.signal import butter, sosfiltfilt

from gaitlib.walker.keypoints import MIRRORED, Keypoints

# Knee, ankle, heel and toe; shoulder and hip.
_LEFT_LEG, _RIGHT_LEG = np.arange(25, 33, 2), np.arange(26, 33, 2)
_EARS = np.array([7, 8])
_LEFT_TRUNK, _RIGHT_TRUNK = np.array([11, 23]), np.array([12, 24])
# What it costs to take a frame's names for swapped, metres: legs are mistaken for a few frames, a back for
# a front for longer.
_LEG_COST_M, _TRUNK_COST_M = 0.08, 0.01
_MAX_GAP_SECONDS = 0.3
# Growth a second from which somebody surely comes nearer.
MIN_GROWTH = 0.1
# Cut-off of the zero-phase Butterworth filter, the usual one for gait; depth is known less well.
_CUTOFF_HZ, _DEPTH_CUTOFF_HZ = 6.0, 4.0
_MIN_SPIKE = 0.06
# A body moves and grows less than this between two frames of one shot, in its heights (log of their ratio).
_JUMP_HEIGHTS, _JUMP_GROWTH = 0.3, 0.1
# Parent and child of each bone, from the hips outwards; 33 and 34 are the middles of hips and shoulders.
_BONES = (
    *((33, 23), (33, 24), (33, 34), (34, 11), (34, 12), (11, 13), (13, 15), (12, 14), (14, 16)),
    *((23, 25), (25, 27), (27, 29), (27, 31), (24, 26), (26, 28), (28, 30), (28, 32)),
    *((15, 17), (15, 19), (15, 21), (16, 18), (16, 20), (16, 22)),
)


def smooth(keypoints: Keypoints) -> Keypoints:
    """Return the keypoints of one person, as the network gave them, mended and smoothed without a delay.

    Gaps of up to 0.3 s are closed; a jump (a loop's end) separates what is smoothed.
    """
    keypoints = _close_gaps(keypoints)
    arrays = (keypoints.image_px, keypoints.world_m, keypoints.visibility)
    image_px, world_m, visibility = (array.copy() for array in arrays)
    for run in unbroken_runs(keypoints):
        mended = _mend(image_px[run], world_m[run], visibility[run], keypoints.frame_rate_hz)
        image_px[run], world_m[run], visibility[run] = mended
    return replace(keypoints, image_px=image_px, world_m=world_m, visibility=visibility)


def unbroken_runs(keypoints: Keypoints) -> list[np.ndarray]:
    """Return the rows of each run of frames in which the person is found and moves on without a jump."""
    shoulders, hips, ankles = (
        keypoints.image_px[:, pair].mean(axis=1) for pair in ([11, 12], [23, 24], [27, 28])
    )
    lengths = np.linalg.norm([shoulders - hips, hips - ankles], axis=2) + 1e-6
    moved = np.linalg.norm(np.diff(hips, axis=0), axis=1) / lengths.sum(axis=0)[1:]
    growth = np.diff(np.log(lengths), axis=1)
    has_grown = (np.abs(growth).min(axis=0) > _JUMP_GROWTH) & (growth.prod(axis=0) > 0)
    is_jump = has_grown | (moved > _JUMP_HEIGHTS)
    found = np.flatnonzero(keypoints.is_found)
    breaks = (np.diff(found) > 1) | is_jump[found[:-1]]
    return [run for run in np.split(found, np.flatnonzero(breaks) + 1) if len(run)]


def _close_gaps(keypoints: Keypoints) -> Keypoints:
    found = np.flatnonzero(keypoints.is_found)
    fillable = np.zeros(len(keypoints), bool)
    for start, end in itertools.pairwise(found):
        fillable[start + 1 : end] = end - start - 1 <= _MAX_GAP_SECONDS * keypoints.frame_rate_hz
    if not fillable.any():
        return keypoints
    filled = {}
    for name in ("image_px", "world_m", "visibility"):
        values = getattr(keypoints, name).reshape(len(keypoints), -1).copy()
        for column in values.T:
            column[fillable] = np.interp(np.flatnonzero(fillable), found, column[found])
        filled[name] = values.reshape(getattr(keypoints, name).shape)
    return replace(keypoints, **filled)


def _mend(
    image_px: np.ndarray, world_m: np.ndarray, visibility: np.ndarray, frame_rate_hz: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # Taken for seen from behind: every side has the other's name, and the face looks the other way. Depth of
    # the limbs is right: it follows where they stand in the picture.
    turned = _find_turned(image_px, world_m, frame_rate_hz)
    for array in (image_px, world_m, visibility):
        array[turned] = array[turned][:, MIRRORED]
    ears_z = world_m[turned][:, _EARS, 2].mean(axis=1, keepdims=True)
    world_m[turned, :11, 2] = 2 * ears_z - world_m[turned, :11, 2]
    cost_m = np.tile([0, _LEG_COST_M], (len(world_m), 1))
    rows = np.flatnonzero(_find_swaps(world_m[:, _LEFT_LEG, :2], world_m[:, _RIGHT_LEG, :2], cost_m))[:, None]
    legs, twins = np.r_[_LEFT_LEG, _RIGHT_LEG], np.r_[_RIGHT_LEG, _LEFT_LEG]
    image_px[rows, legs], visibility[rows, legs] = image_px[rows, twins], visibility[rows, twins]
    # Depth follows the side of the body, not the leg that was mistaken for it.
    world_m[rows, legs, :2] = world_m[rows, twins, :2]
    height = float(np.median(np.ptp(image_px[..., 1], axis=1)))
    image_px = _low_pass(_despike(image_px, _MIN_SPIKE * height), _CUTOFF_HZ, frame_rate_hz)
    world_m = _despike(world_m, _MIN_SPIKE)
    depth = _low_pass(world_m[..., 2:], _DEPTH_CUTOFF_HZ, frame_rate_hz)
    plane = _low_pass(world_m[..., :2], _CUTOFF_HZ, frame_rate_hz)
    return image_px, _even_bones(np.concatenate([plane, depth], axis=2)), visibility


def _find_turned(image_px: np.ndarray, world_m: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Return in which frames a front is taken for a back, or the other way round, (num_frames,), bool."""
    # The body keeps the facing that more frames show; but who comes nearer fast walks forwards, whatever
    # the frames show: a covered face looks like the back of a head.
    left, right = world_m[:, _LEFT_TRUNK, :2], world_m[:, _RIGHT_TRUNK, :2]
    growth = growth_per_s(image_px, frame_rate_hz)
    wrongly = -np.sign(growth) * (left - right)[..., 0].mean(axis=1) * max(0.0, abs(growth) - MIN_GROWTH)
    cost_m = np.column_stack([np.maximum(wrongly, 0), np.maximum(-wrongly, 0) + _TRUNK_COST_M])
    return _find_swaps(left, right, cost_m)


def growth_per_s(image_px: np.ndarray, frame_rate_hz: float) -> float:
    """Return by which share the trunk grows in a second, positive where somebody comes nearer."""
    trunk = np.linalg.norm(image_px[:, [11, 12]].mean(axis=1) - image_px[:, [23, 24]].mean(axis=1), axis=1)
    seconds = np.arange(len(trunk)) / frame_rate_hz
    return float(np.polyfit(seconds, np.log(trunk + 1e-6), 1)[0]) if len(trunk) > 4 else 0.0


def _find_swaps(left: np.ndarray, right: np.ndarray, cost_m: np.ndarray) -> np.ndarray:
    """Return in which frames two sides bear each other's names, (num_frames,), bool: Viterbi, two states."""

    # The points move least from frame to frame; `cost_m` (num_frames, 2) is that of each naming.
    def moved(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.linalg.norm(one[1:] - other[:-1], axis=2).mean(axis=1)

    steps = np.array([moved(left, left) + moved(right, right), moved(left, right) + moved(right, left)]) / 2
    total, came_from = cost_m[0], []
    for (same, other), cost in zip(steps.T, cost_m[1:], strict=True):
        ways = total[:, None] + [[same, other], [other, same]]
        came_from.append(ways.argmin(axis=0))
        total = ways.min(axis=0) + cost
    names = [int(total.argmin())]
    for before in reversed(came_from):
        names.append(int(before[names[-1]]))
    return np.array(names[::-1], bool)


def _despike(points: np.ndarray, min_spike: float) -> np.ndarray:
    """Replace what is far from the median of five frames by that median (Hampel)."""
    if len(points) < 5:
        return points
    padded = np.pad(points, ((2, 2), (0, 0), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=0)
    median = np.median(windows, axis=-1)
    spread = 1.4826 * np.median(np.abs(windows - median[..., None]), axis=-1)
    return np.where(np.abs(points - median) > np.maximum(3 * spread, min_spike), median, points)


def _low_pass(points: np.ndarray, cutoff_hz: float, frame_rate_hz: float) -> np.ndarray:
    if len(points) < 5 or cutoff_hz >= 0.45 * frame_rate_hz:
        return points
    sections = butter(2, cutoff_hz, fs=frame_rate_hz, output="sos")
    return sosfiltfilt(sections, points, axis=0, padlen=min(9, len(points) - 1)).astype(np.float32)


def _even_bones(world_m: np.ndarray) -> np.ndarray:
    """Give each bone its usual length, the same on both sides, in the direction that it points."""
    middles = [world_m[:, pair].mean(axis=1, keepdims=True) for pair in ([23, 24], [11, 12])]
    old = np.concatenate([world_m, *middles], axis=1)
    new = old.copy()
    twin = np.append(MIRRORED, [33, 34])
    vectors = {bone: old[:, bone[1]] - old[:, bone[0]] for bone in _BONES}
    usual = {bone: np.median(np.linalg.norm(vector, axis=1)) for bone, vector in vectors.items()}
    for parent, child in _BONES:
        vector = vectors[parent, child]
        length = (usual[parent, child] + usual[twin[parent], twin[child]]) / 2
        scale = length / np.maximum(np.linalg.norm(vector, axis=1, keepdims=True), length / 2 + 1e-6)
        new[:, child] = new[:, parent] + vector * scale
    new[:, :11] += new[:, 34:35] - old[:, 34:35]
    return new[:, : world_m.shape[1]]
