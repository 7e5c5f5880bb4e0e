"""Body keypoints of one person over time: named points, axes and units; mended and smoothed."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

import numpy as np
import pandas as pd
from scipy.ndimage import median_filter
from scipy.signal import butter, sosfiltfilt

# The order of BlazePose (Bazarevsky et al. 2020).
_FACE = "eye_inner", "eye", "eye_outer"
_PARTS = "shoulder", "elbow", "wrist", "pinky", "index", "thumb", "hip", "knee", "ankle", "heel", "foot_index"
KEYPOINT_NAMES: tuple[str, ...] = (
    *("nose", *(f"{side}_{part}" for side in ("left", "right") for part in _FACE)),
    *("left_ear", "right_ear", "mouth_left", "mouth_right"),
    *(f"{side}_{part}" for part in _PARTS for side in ("left", "right")),
)
# Limbs and trunk as pairs of keypoints.
SKELETON_EDGES: tuple[tuple[int, int], ...] = (
    *((11, 12), (11, 23), (12, 24), (23, 24), (0, 11), (0, 12)),
    *((11, 13), (13, 15), (15, 19), (12, 14), (14, 16), (16, 20)),
    *((23, 25), (25, 27), (27, 29), (29, 31), (27, 31)),
    *((24, 26), (26, 28), (28, 30), (30, 32), (28, 32)),
)
# Place of each keypoint's twin on the other side of the body; the nose is its own.
MIRRORED = np.array([0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *(np.arange(11, 33) + [1, -1] * 11)])
POSE_ARRAYS = ("times_seconds", "image_px", "world_m", "visibility")
# What it costs to swap a frame's names, metres: legs are mistaken for a few frames, a front for longer.
_LEG_COST_M, _TRUNK_COST_M = 0.08, 0.01
_MAX_GAP_SECONDS, _MIN_SPIKE, MIN_GROWTH = 0.3, 0.06, 0.1  # growth: a second, of who surely comes nearer
# Cut-off of the zero-phase Butterworth filter, the usual one for gait; depth is known less well.
_CUTOFF_HZ, _DEPTH_CUTOFF_HZ = 6.0, 4.0
# A body moves and grows less than this between two frames of one shot, in its heights (log of their ratio).
_JUMP_HEIGHTS, _JUMP_GROWTH = 0.3, 0.1


@dataclass(frozen=True)
class Keypoints:
    """The 33 keypoints of one person in each frame, a row a frame; NaN where the person is not found.

    All float32: `image_px` (num_frames, 33, 2), x right, y down, in pixels of the upright video at full size,
    `frame_size_px` (width, height); `world_m` (num_frames, 33, 3), x right, y down, z away from the camera,
    metres from between the hips; `visibility` (num_frames, 33), 0 hidden to 1 seen.
    """

    times_seconds: np.ndarray
    image_px: np.ndarray
    world_m: np.ndarray
    visibility: np.ndarray
    frame_size_px: tuple[int, int]

    def __len__(self) -> int:
        return len(self.times_seconds)

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second, from the median distance of two frames; 0 for a single frame."""
        return float(1 / np.median(np.diff(self.times_seconds))) if len(self) > 1 else 0.0

    @property
    def is_found(self) -> np.ndarray:
        """Whether the person is found, ndarray of shape (num_frames,), bool."""
        return np.isfinite(self.image_px[:, 0, 0])

    def part(self, rows: slice | np.ndarray) -> Self:
        """Return the frames `rows` alone (a slice, places or a mask)."""
        return replace(self, **{name: getattr(self, name)[rows] for name in POSE_ARRAYS})

    def mirrored(self) -> Self:
        """Return the same walk seen in a mirror: left and right change places and names."""
        image_px, world_m = self.image_px[:, MIRRORED], self.world_m[:, MIRRORED]
        image_px[..., 0] = self.frame_size_px[0] - image_px[..., 0]
        world_m[..., 0] *= -1
        return replace(self, image_px=image_px, world_m=world_m, visibility=self.visibility[:, MIRRORED])

    @classmethod
    def empty(cls, times_seconds: np.ndarray, frame_size_px: tuple[int, int]) -> Self:
        """Return keypoints of a person who is found in no frame."""
        image_px, world_m = (np.full((len(times_seconds), 33, n), np.nan, np.float32) for n in (2, 3))
        return cls(times_seconds, image_px, world_m, world_m[..., 0].copy(), frame_size_px)

    def to_dlc_table(self) -> pd.DataFrame:
        """Return the image keypoints as DeepLabCut lays them out: columns (scorer, keypoint, coordinate)."""
        parts = [["BlazePose"], KEYPOINT_NAMES, ["x", "y", "likelihood"]]
        header = pd.MultiIndex.from_product(parts, names=["scorer", "bodyparts", "coords"])
        values = np.concatenate([self.image_px, self.visibility[..., None]], axis=2)
        return pd.DataFrame(values.reshape(len(self), -1), columns=header)


def smooth(keypoints: Keypoints) -> Keypoints:
    """Return the keypoints of one person, as the network gave them, mended and smoothed without a delay.

    Gaps of up to 0.3 s are closed; a jump (a loop's end) separates what is smoothed.
    """
    arrays = keypoints.image_px, keypoints.world_m, keypoints.visibility[..., None]
    values = np.concatenate(arrays, axis=2)
    image_px, world_m, visibility = values[..., :2], values[..., 2:5], values[..., 5]
    smoothed = replace(keypoints, image_px=image_px, world_m=world_m, visibility=visibility)
    _close_gaps(values, int(_MAX_GAP_SECONDS * keypoints.frame_rate_hz))
    for run in unbroken_runs(smoothed):
        part = _swap_back(values[run], growth_per_s(smoothed.part(run)))
        height = np.median(np.ptp(part[..., 1], axis=1))
        part = _despike(part, _MIN_SPIKE * np.array([height, height, 1, 1, 1, np.inf], np.float32))
        for axes, cutoff_hz in ((slice(4), _CUTOFF_HZ), (slice(4, 5), _DEPTH_CUTOFF_HZ)):
            part[..., axes] = _low_pass(part[..., axes], cutoff_hz, keypoints.frame_rate_hz)
        values[run] = part
    return smoothed


def unbroken_runs(keypoints: Keypoints) -> list[np.ndarray]:
    """Return the rows of each run of frames in which the person is found and moves on without a jump."""
    pairs = [11, 12], [23, 24], [27, 28]
    shoulders, hips, ankles = (keypoints.image_px[:, pair].mean(axis=1) for pair in pairs)
    lengths = np.linalg.norm([shoulders - hips, hips - ankles], axis=2) + 1e-6
    moved = np.linalg.norm(np.diff(hips, axis=0), axis=1) / lengths.sum(axis=0)[1:]
    growth = np.diff(np.log(lengths), axis=1)
    has_grown = (np.abs(growth).min(axis=0) > _JUMP_GROWTH) & (growth.prod(axis=0) > 0)
    found = np.flatnonzero(keypoints.is_found)
    breaks = (np.diff(found) > 1) | (has_grown | (moved > _JUMP_HEIGHTS))[found[:-1]]
    return [run for run in np.split(found, np.flatnonzero(breaks) + 1) if len(run)]


def growth_per_s(keypoints: Keypoints) -> float:
    """Return by which share the trunk grows in a second, positive where somebody comes nearer."""
    if len(keypoints) < 5:
        return 0.0
    across = keypoints.image_px[:, [11, 12]].mean(axis=1) - keypoints.image_px[:, [23, 24]].mean(axis=1)
    trunk = np.linalg.norm(across, axis=1) + 1e-6
    return float(np.polyfit(keypoints.times_seconds, np.log(trunk), 1)[0])


def _close_gaps(values: np.ndarray, longest: int) -> None:
    """Interpolate, in place, where up to `longest` frames are missing."""
    found = np.flatnonzero(np.isfinite(values[:, 0, 0]))
    for before, after in pairwise(found):
        if 1 < after - before <= longest + 1:
            share = np.linspace(0, 1, after - before + 1)[1:-1, None, None]
            values[before + 1 : after] = values[before] + share * (values[after] - values[before])


def _swap_back(values: np.ndarray, growth: float) -> np.ndarray:
    """Give sides and legs that the network has taken for one another their own names, in place."""
    # The body keeps the facing that more frames show; but who comes nearer fast walks forwards, whatever
    # the frames show: a covered face looks like the back of a head.
    world_m = values[..., 2:5]
    left, right = world_m[:, [11, 23], :2], world_m[:, [12, 24], :2]
    wrongly = -np.sign(growth) * (left - right)[..., 0].mean(axis=1) * max(0.0, abs(growth) - MIN_GROWTH)
    cost_m = np.column_stack([np.maximum(wrongly, 0), np.maximum(-wrongly, 0) + _TRUNK_COST_M])
    turned = _find_swaps(left, right, cost_m)
    values[turned] = values[turned][:, MIRRORED]
    # The face looks the other way; the limbs' depth is right: it follows where they stand in the picture.
    ears_z = world_m[turned][:, [7, 8], 2].mean(axis=1, keepdims=True)
    world_m[turned, :11, 2] = 2 * ears_z - world_m[turned, :11, 2]
    cost_m = np.tile([0, _LEG_COST_M], (len(values), 1))
    swapped = _find_swaps(world_m[:, 25::2, :2], world_m[:, 26::2, :2], cost_m)
    # Depth follows the side of the body, not the leg that was mistaken for it.
    rows, legs, axes = np.ix_(np.flatnonzero(swapped), np.arange(25, 33), np.array([0, 1, 2, 3, 5]))
    values[rows, legs, axes] = values[rows, MIRRORED[legs], axes]
    return values


def _find_swaps(left: np.ndarray, right: np.ndarray, cost_m: np.ndarray) -> np.ndarray:
    """Return in which frames two sides bear each other's names, (num_frames,), bool: Viterbi, two states."""
    # The points move least from frame to frame; `cost_m` (num_frames, 2) is that of each naming.
    points = np.stack([left, right], axis=1)
    moved = np.linalg.norm(points[1:, :, None] - points[:-1, None], axis=-1).mean(axis=-1) / 2
    steps = np.column_stack([moved[:, 0, 0] + moved[:, 1, 1], moved[:, 0, 1] + moved[:, 1, 0]])
    total, came_from = cost_m[0], []
    for (same, other), cost in zip(steps, cost_m[1:], strict=True):
        ways = total[:, None] + [[same, other], [other, same]]
        came_from.append(ways.argmin(axis=0))
        total = ways.min(axis=0) + cost
    names = [int(total.argmin())]
    for before in reversed(came_from):
        names.append(int(before[names[-1]]))
    return np.array(names[::-1], bool)


def _despike(points: np.ndarray, min_spike: np.ndarray) -> np.ndarray:
    """Replace what is far from the median of five frames by that median (Hampel)."""
    median = median_filter(points, (5, 1, 1), mode="nearest")
    spread = 1.4826 * median_filter(np.abs(points - median), (5, 1, 1), mode="nearest")
    return np.where(np.abs(points - median) > np.maximum(3 * spread, min_spike), median, points)


def _low_pass(points: np.ndarray, cutoff_hz: float, frame_rate_hz: float) -> np.ndarray:
    if len(points) < 5 or cutoff_hz >= 0.45 * frame_rate_hz:
        return points
    sections = butter(2, cutoff_hz, fs=frame_rate_hz, output="sos")
    return sosfiltfilt(sections, points, axis=0, padlen=min(9, len(points) - 1))
