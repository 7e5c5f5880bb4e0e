"""Tells walking from standing, turning and being cut off: what each person in a chunk of video does."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from scipy.ndimage import binary_closing, median_filter, uniform_filter1d
from scipy.signal import savgol_filter
from scipy.spatial.transform import Rotation

from gaitlib.walker.keypoints import MIN_GROWTH, Keypoints, growth_per_s, unbroken_runs

# Share of the square's side that the body fills: room for a wide stride and swinging arms.
BODY_SHARE = 0.8
# Root mean square of the way between the ankles, fore and aft or up and down, in leg lengths; measured 0.13
# and more in walks (the least in frontal ones), 0.08 for a man who waves and lifts a leg, 0.05 in standing.
_MIN_STEPPING, _STEP_WINDOW_SECONDS = 0.1, 1.0
# Somebody who moves on (body heights a second) or comes nearer needs less.
_MIN_STEPPING_ON, _MIN_SPEED = 0.055, 0.25
# A turn on the spot takes a second; walks in a circle turn a quarter of that.
_MAX_TURN_DEG_PER_S, _TURN_WINDOW_SECONDS = 110.0, 0.6
_MAX_TILT_DEG, _MIN_VISIBILITY = 35.0, 0.35
_MIN_BOUT_SECONDS, _MAX_BREAK_SECONDS = 0.8, 0.25
# How near to a side of the picture keypoints come where the network squeezes a cut body into it, in heights.
_MARGIN_HEIGHTS = 0.02
# Head, shoulders, hips, legs; hands may leave the picture.
_BODY = np.array([0, 2, 5, 11, 12, *range(23, 33)])


class State(IntEnum):
    """What a person does in a frame."""

    WALKING = 0
    STANDING = 1
    TURNING = 2
    CUT = 3
    HIDDEN = 4
    NOT_UPRIGHT = 5
    GONE = 6


REASONS = {
    State.STANDING: "the person stands, sits or moves without stepping",
    State.TURNING: "the person keeps turning",
    State.CUT: "the edge of the picture cuts the person off: show the whole body, head to feet",
    State.HIDDEN: "something hides the person's legs",
    State.NOT_UPRIGHT: "the person is not upright: rotate the video if it is sideways or upside down",
}


@dataclass(frozen=True)
class Walk:
    """What one person does in a chunk: `boxes` and `squares` as in `WalkerTrack`, a `State` a frame.

    `bouts` has the rows of each walking bout; `silhouette` draws that of a row, (height, width), uint8.
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


def judge_frames(keypoints: Keypoints, view_px: tuple[float, ...]) -> np.ndarray:
    """Return the `State` of a person in each frame, ndarray of shape (num_frames,), from smooth keypoints.

    `view_px` has left, top, right and bottom of the picture within bars, pixels of the full-size video.
    """
    states, rate = np.full(len(keypoints), State.GONE), keypoints.frame_rate_hz
    left, top, right, bottom = view_px
    for run in unbroken_runs(keypoints):
        part = keypoints.part(run)
        x, y = np.moveaxis(part.image_px[:, _BODY], 2, 0)
        margin = _MARGIN_HEIGHTS * np.ptp(y, axis=1)[:, None]
        is_cut = (x < left + margin) | (x > right - margin) | (y < top) | (y > bottom)
        # From the feet to the shoulders.
        upwards = part.image_px[:, [11, 12]].mean(axis=1) - part.image_px[:, [27, 28]].mean(axis=1)
        tilt_deg = np.degrees(np.abs(np.arctan2(upwards[:, 0], -upwards[:, 1])))
        states[run] = State.WALKING
        states[run[_stepping(part.world_m, rate) < _needed_stepping(part, rate)]] = State.STANDING
        states[run[np.abs(_turning_deg_per_s(part.world_m, rate)) > _MAX_TURN_DEG_PER_S]] = State.TURNING
        states[run[part.visibility[:, [27, 28]].mean(axis=1) < _MIN_VISIBILITY]] = State.HIDDEN
        states[run[is_cut.any(axis=1)]] = State.CUT
        states[run[tilt_deg > _MAX_TILT_DEG]] = State.NOT_UPRIGHT
    return states


def _stepping(world_m: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Return how much the legs alternate around each frame, (num_frames,), in leg lengths."""
    # How the way from one ankle to the other varies at a right angle to the hips: forwards in a walk,
    # upwards in a walk on the spot, whatever the view; legs put apart and together do not count.
    legs = np.linalg.norm(np.diff(world_m[:, [[23, 25, 27], [24, 26, 28]]], axis=2), axis=3).sum(axis=2)
    across = world_m[:, 23] - world_m[:, 24]
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    apart = world_m[:, 27] - world_m[:, 28]
    apart -= (apart * across).sum(axis=1, keepdims=True) * across
    window = min(len(apart), max(3, round(_STEP_WINDOW_SECONDS * frame_rate_hz)))
    seen = np.lib.stride_tricks.sliding_window_view(apart, window, axis=0)
    seen = seen - seen.mean(axis=2, keepdims=True)
    power = np.linalg.eigvalsh(seen @ seen.swapaxes(1, 2) / window)[:, -1]
    first = np.clip(np.arange(len(apart)) - window // 2, 0, len(power) - 1)
    return np.sqrt(np.maximum(power[first], 0)) / np.median(legs)


def _needed_stepping(keypoints: Keypoints, rate: float) -> float:
    """Return how much the legs must alternate: less where the body moves on or changes in size."""
    hips = keypoints.image_px[:, [23, 24], 0].mean(axis=1)
    height = np.median(np.ptp(keypoints.image_px[..., 1], axis=1)) + 1e-6
    speed = abs(hips[-1] - hips[0]) / height * rate / len(hips)
    is_moving = speed > _MIN_SPEED or abs(growth_per_s(keypoints)) > MIN_GROWTH
    return _MIN_STEPPING_ON if is_moving else _MIN_STEPPING


def _turning_deg_per_s(world_m: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Return how fast the body turns about the vertical, ndarray of shape (num_frames,)."""
    across = (world_m[:, [12, 24]] - world_m[:, [11, 23]]).sum(axis=1)[:, [0, 2]]
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    window = max(3, round(_TURN_WINDOW_SECONDS * frame_rate_hz))
    # The median passes over frames in which a front is taken for a back.
    usual = median_filter(across, (window, 1), mode="nearest")
    x, z = uniform_filter1d(usual, window, axis=0, mode="nearest").T
    heading = np.unwrap(np.arctan2(z, x))
    return np.degrees(np.diff(heading, prepend=heading[:1])) * frame_rate_hz


def find_bouts(states: np.ndarray, runs: list[np.ndarray], frame_rate_hz: float) -> list[np.ndarray]:
    """Return the rows of each walking bout within `runs` (rows): walking without a break, 0.8 s and more.

    At the ends of the chunk shorter ones count, too: they may go on in the next.
    """
    bouts, size = [], int(_MAX_BREAK_SECONDS * frame_rate_hz) + 1
    for run in runs:
        # A break of a few frames is a slip.
        is_walking = binary_closing(np.pad(states[run] == State.WALKING, size), np.ones(size))[size:-size]
        for part in np.split(run, np.flatnonzero(np.diff(is_walking)) + 1):
            is_at_end = part[0] == 0 or part[-1] == len(states) - 1
            is_long = is_at_end or len(part) >= round(_MIN_BOUT_SECONDS * frame_rate_hz)
            if is_long and is_walking[part[0] - run[0]]:
                bouts.append(part)
    return bouts


def reason_of(walks: list[Walk]) -> str:
    """Return what most keeps people from being seen to walk."""
    counts = np.bincount([state for walk in walks for state in walk.states], minlength=len(State))
    likely = max(REASONS, key=lambda state: counts[state])
    if counts[likely]:
        return REASONS[likely]
    return "no walk lasts long enough" if counts[State.WALKING] else "no person could be made out"


def level(keypoints: Keypoints, bouts: list[np.ndarray]) -> Keypoints:
    """Turn the body upright as a whole: on average over the bouts, the hips are above the ankles."""
    if not bouts:
        return keypoints
    world_m = keypoints.world_m[np.concatenate(bouts)]
    legs = (world_m[:, [27, 28]] - world_m[:, [23, 24]]).mean(axis=(0, 1))
    turn = Rotation.align_vectors([0, 1, 0], legs)[0].as_matrix()
    return replace(keypoints, world_m=(keypoints.world_m @ turn.T).astype(np.float32))


def steady(values: np.ndarray, window: float, order: int) -> np.ndarray:
    """Smooth a way, (num_frames, ...), over a window of frames (Savitzky-Golay), shorter at short ways."""
    size = min(2 * (int(window) // 2) + 1, len(values) - 1 + len(values) % 2)
    return savgol_filter(values, size, order, axis=0) if size > order + 1 else values


def path_speed(squares: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Return the speed of steady squares (centre x, centre y, side) in body heights a second.

    Who walks towards the camera grows: that counts as if it stood about four body heights away.
    """
    if len(squares) < 2:
        return np.zeros(len(squares))
    right, down, growth = np.gradient(squares, axis=0).T * frame_rate_hz / squares[:, 2]
    return np.hypot(np.hypot(right, down) / BODY_SHARE, 4 * growth)
