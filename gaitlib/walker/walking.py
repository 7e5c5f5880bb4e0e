"""Tells walking from standing, turning and being cut off: what each person in a chunk of video does."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import cv2
import numpy as np
from scipy.ndimage import binary_closing, find_objects, label, median_filter, uniform_filter1d
from scipy.signal import savgol_filter
from scipy.spatial.transform import Rotation

from gaitlib.walker.blazepose import Pose
from gaitlib.walker.keypoints import MIN_GROWTH, Keypoints, growth_per_s, smooth, unbroken_runs

View = tuple[int, int, int, int]  # left, top, right and bottom of the picture within bars, pixels
# Share of the square's side that the body fills: room for a wide stride and swinging arms.
BODY_SHARE = 0.8
# Root mean square of the way between the ankles, fore and aft or up and down, in leg lengths; measured 0.13
# and more in walks (the least in frontal ones), 0.08 for a man who waves and lifts a leg, 0.05 in standing.
# Somebody who moves on (body heights a second) or comes nearer needs less.
_MIN_STEPPING, _MIN_STEPPING_ON, _MIN_SPEED, _STEP_WINDOW_SECONDS = 0.1, 0.055, 0.25, 1.0
# A turn on the spot takes a second; walks in a circle turn a quarter of that.
_MAX_TURN_DEG_PER_S, _TURN_WINDOW_SECONDS = 110.0, 0.6
_MAX_TILT_DEG, _MIN_VISIBILITY, _MIN_BOUT_SECONDS, _MAX_BREAK_SECONDS = 35.0, 0.35, 0.8, 0.25
# Crown above the eyes, in body heights; the square follows the way over two steps, not the swing.
_CROWN_HEIGHTS, _PATH_SECONDS = 0.07, 1.2
# How near to a side of the picture keypoints come where the network squeezes a cut body into it, in heights.
_MARGIN_HEIGHTS = 0.02
# Head, shoulders, hips, legs; hands may leave the picture.
_BODY = np.array([0, 2, 5, 11, 12, *range(23, 33)])


class State(Enum):
    """What a person does in a frame, and what that says where nobody is seen to walk."""

    WALKING = "no walk lasts long enough"
    STANDING = "the person stands, sits or moves without stepping"
    TURNING = "the person keeps turning"
    CUT = "the edge of the picture cuts the person off: show the whole body, head to feet"
    HIDDEN = "something hides the person's legs"
    NOT_UPRIGHT = "the person is not upright: rotate the video if it is sideways or upside down"
    GONE = "no person could be made out"


@dataclass(frozen=True)
class Walk:
    """What one person does in a chunk: `boxes` and `squares` as in `WalkerTrack`, a `State` a frame.

    `bouts` has the rows of each walking bout; `silhouette` draws the mask of a row as in `WalkerTrack`.
    """

    number: int
    boxes: np.ndarray
    squares: np.ndarray
    states: np.ndarray
    bouts: list[np.ndarray]
    silhouette: Callable[[int], np.ndarray]
    keypoints: Keypoints | None = None

    @property
    def amount(self) -> float:
        """How much walking there is, in how large a picture."""
        return float(sum(self.squares[rows, 2].sum() for rows in self.bouts))


def judge_person(
    number: int, poses: dict[int, Pose], nobody: Keypoints, view: View, is_still: np.ndarray, size: tuple
) -> Walk:
    """Return what somebody does whose poses are known, in frames of this `size` (width, height)."""
    keypoints, scale = nobody.part(np.arange(len(nobody))), nobody.frame_size_px[0] / size[0]
    for row, pose in poses.items():
        keypoints.image_px[row], keypoints.world_m[row] = pose.image_px * scale, pose.world_m
        keypoints.visibility[row] = pose.visibility
    keypoints = smooth(keypoints)
    states = judge_frames(keypoints, tuple(edge * scale for edge in view))
    states[is_still & (states == State.WALKING)] = State.STANDING
    bouts = find_bouts(states, runs := unbroken_runs(keypoints), keypoints.frame_rate_hz)
    low, high = keypoints.image_px.min(axis=1) / scale, keypoints.image_px.max(axis=1) / scale
    low[:, 1] -= _CROWN_HEIGHTS * (high - low)[:, 1]
    squares = np.column_stack([(low + high) / 2, (high - low)[:, 1] / BODY_SHARE])
    for run in runs:
        squares[run] = steady(squares[run], _PATH_SECONDS * keypoints.frame_rate_hz, 1)

    def silhouette(row: int) -> np.ndarray:
        if row not in poses:
            return np.zeros(size[::-1], np.uint8)
        mask = poses[row].mask
        return cv2.warpAffine(mask, poses[row].square.to_frame(len(mask)), size)

    boxes = np.hstack([low, high - low])
    return Walk(number, boxes, squares, states, bouts, silhouette, level(keypoints, bouts))


def judge_frames(keypoints: Keypoints, view_px: tuple[float, ...]) -> np.ndarray:
    """Return the `State` of a person in each frame, ndarray of shape (num_frames,), from smooth keypoints.

    `view_px` has left, top, right and bottom of the picture within bars, pixels of the full-size video.
    """
    states, (left, top, right, bottom) = np.full(len(keypoints), State.GONE), view_px
    for run in unbroken_runs(keypoints):
        part = keypoints.part(run)
        x, y = np.moveaxis(part.image_px[:, _BODY], 2, 0)
        margin = _MARGIN_HEIGHTS * np.ptp(y, axis=1)[:, None]
        is_cut = (x < left + margin) | (x > right - margin) | (y < top) | (y > bottom)
        upwards = part.image_px[:, [11, 12]].mean(axis=1) - part.image_px[:, [27, 28]].mean(axis=1)
        tilt_deg = np.degrees(np.abs(np.arctan2(upwards[:, 0], -upwards[:, 1])))
        # What comes later counts more.
        states[run] = State.WALKING
        states[run[~_is_stepping(part)]] = State.STANDING
        states[run[np.abs(_turning_deg_per_s(part)) > _MAX_TURN_DEG_PER_S]] = State.TURNING
        states[run[part.visibility[:, [27, 28]].mean(axis=1) < _MIN_VISIBILITY]] = State.HIDDEN
        states[run[is_cut.any(axis=1)]] = State.CUT
        states[run[tilt_deg > _MAX_TILT_DEG]] = State.NOT_UPRIGHT
    return states


def _is_stepping(keypoints: Keypoints) -> np.ndarray:
    """Return whether the legs alternate enough around each frame, (num_frames,), bool."""
    # How the way from one ankle to the other varies at a right angle to the hips: forwards in a walk,
    # upwards in a walk on the spot, whatever the view; legs put apart and together do not count.
    world_m, image_px, rate = keypoints.world_m, keypoints.image_px, keypoints.frame_rate_hz
    legs = np.linalg.norm(np.diff(world_m[:, [[23, 25, 27], [24, 26, 28]]], axis=2), axis=3).sum(axis=2)
    across = world_m[:, 23] - world_m[:, 24]
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    apart = world_m[:, 27] - world_m[:, 28]
    apart -= (apart * across).sum(axis=1, keepdims=True) * across
    window = min(len(apart), max(3, round(_STEP_WINDOW_SECONDS * rate)))
    seen = np.lib.stride_tricks.sliding_window_view(apart, window, axis=0)
    seen = seen - seen.mean(axis=2, keepdims=True)
    power = np.linalg.eigvalsh(seen @ seen.swapaxes(1, 2) / window)[:, -1]
    first = np.clip(np.arange(len(apart)) - window // 2, 0, len(power) - 1)
    stepping = np.sqrt(np.maximum(power[first], 0)) / np.median(legs)
    hips, height = image_px[:, [23, 24], 0].mean(axis=1), np.median(np.ptp(image_px[..., 1], axis=1)) + 1e-6
    speed = abs(hips[-1] - hips[0]) / height * rate / len(hips)
    is_moving = speed > _MIN_SPEED or abs(growth_per_s(keypoints)) > MIN_GROWTH
    return stepping >= (_MIN_STEPPING_ON if is_moving else _MIN_STEPPING)


def _turning_deg_per_s(keypoints: Keypoints) -> np.ndarray:
    """Return how fast the body turns about the vertical, ndarray of shape (num_frames,)."""
    across = (keypoints.world_m[:, [12, 24], ::2] - keypoints.world_m[:, [11, 23], ::2]).sum(axis=1)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    window = max(3, round(_TURN_WINDOW_SECONDS * keypoints.frame_rate_hz))
    # The median passes over frames in which a front is taken for a back.
    usual = median_filter(across, (window, 1), mode="nearest")
    x, z = uniform_filter1d(usual, window, axis=0, mode="nearest").T
    heading = np.unwrap(np.arctan2(z, x))
    return np.degrees(np.diff(heading, prepend=heading[:1])) * keypoints.frame_rate_hz


def find_bouts(states: np.ndarray, runs: list[np.ndarray], frame_rate_hz: float) -> list[np.ndarray]:
    """Return the rows of each walking bout within `runs` (rows): walking without a break, 0.8 s and more.

    At the ends of the chunk shorter ones count, too: they may go on in the next.
    """
    bouts, size = [], int(_MAX_BREAK_SECONDS * frame_rate_hz) + 1
    for run in runs:
        # A break of a few frames is a slip.
        is_walking = binary_closing(np.pad(states[run] == State.WALKING, size), np.ones(size))[size:-size]
        for (part,) in find_objects(label(is_walking)[0]):
            rows = run[part]
            is_at_end = rows[0] == 0 or rows[-1] == len(states) - 1
            if is_at_end or len(rows) >= round(_MIN_BOUT_SECONDS * frame_rate_hz):
                bouts.append(rows)
    return bouts


def reason_of(walks: list[Walk]) -> str:
    """Return what most keeps people from being seen to walk."""
    counts = Counter(state for walk in walks for state in walk.states)
    rank = {State.GONE: 0, State.WALKING: 1}  # any fault says more
    likely = max(counts, key=lambda state: (rank.get(state, 2), counts[state]), default=State.GONE)
    return likely.value


def level(keypoints: Keypoints, bouts: list[np.ndarray]) -> Keypoints:
    """Turn the body upright as a whole: on average over the bouts, the hips are above the ankles."""
    if not bouts:
        return keypoints
    world_m = keypoints.world_m[np.concatenate(bouts)]
    legs = (world_m[:, [27, 28]] - world_m[:, [23, 24]]).mean(axis=(0, 1))
    turn = Rotation.align_vectors([0, 1, 0], legs)[0].as_matrix()
    return replace(keypoints, world_m=(keypoints.world_m @ turn.T).astype(np.float32))


def steady(values: np.ndarray, window: float, order: int = 2, derivative: int = 0) -> np.ndarray:
    """Smooth values, (num_frames, ...), over a window of frames (Savitzky & Golay 1964), or return slopes."""
    size = min(2 * (int(window) // 2) + 1, len(values) - 1 + len(values) % 2)
    return savgol_filter(values, size, order, derivative, axis=0) if size > order + 1 else values


def path_speed(squares: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Return the speed of steady squares (centre x, centre y, side) in body heights a second.

    Who walks towards the camera grows: that counts as if it stood about four body heights away.
    """
    if len(squares) < 2:
        return np.zeros(len(squares))
    right, down, growth = np.gradient(squares, axis=0).T * frame_rate_hz / squares[:, 2]
    return np.hypot(np.hypot(right, down) / BODY_SHARE, 4 * growth)
