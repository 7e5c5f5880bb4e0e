"""Tells walking from standing, turning and being cut off, by the keypoints of one person."""

from dataclasses import replace
from enum import IntEnum

import numpy as np
from scipy.ndimage import median_filter, uniform_filter1d

from gaitlib.walker.keypoints import Keypoints
from gaitlib.walker.smoothing import MIN_GROWTH, growth_per_s, unbroken_runs

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
_ANKLES = np.array([27, 28])


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
    State.TURNING: "the person turns all the time",
    State.CUT: "the edge of the picture cuts the person off: show the whole body, head to feet",
    State.HIDDEN: "something hides the person's legs",
    State.NOT_UPRIGHT: "the person is not upright: turn the video if it lies on its side or head",
}


def judge_frames(keypoints: Keypoints, view_px: tuple[float, ...]) -> np.ndarray:
    """Return what a person does in each frame, ndarray of shape (num_frames,) of `State`.

    Parameters
    ----------
    keypoints : Keypoints
        Smoothed.
    view_px : tuple of float
        Left, top, right and bottom of the picture within bars, pixels of the full-size video.
    """
    states = np.full(len(keypoints), State.GONE)
    for run in unbroken_runs(keypoints):
        part, rate = keypoints.part(run), keypoints.frame_rate_hz
        states[run] = State.WALKING
        for state, holds in (
            (State.STANDING, _stepping(part.world_m, rate) < _needed_stepping(part, rate)),
            (State.TURNING, np.abs(_turning_deg_per_s(part.world_m, rate)) > _MAX_TURN_DEG_PER_S),
            (State.HIDDEN, part.visibility[:, _ANKLES].mean(axis=1) < _MIN_VISIBILITY),
            (State.CUT, _is_cut(part, view_px)),
            (State.NOT_UPRIGHT, _tilt_deg(part.image_px) > _MAX_TILT_DEG),
        ):
            states[run[holds]] = state
    return states


def _stepping(world_m: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Return how much the legs alternate around each frame, (num_frames,), in leg lengths."""
    # How the way from one ankle to the other varies at a right angle to the hips: forwards in a walk,
    # upwards in a walk on the spot, whatever the view; legs put apart and together do not count.
    thighs = np.linalg.norm(world_m[:, [23, 24]] - world_m[:, [25, 26]], axis=2)
    shanks = np.linalg.norm(world_m[:, [25, 26]] - world_m[:, [27, 28]], axis=2)
    across = world_m[:, 23] - world_m[:, 24]
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    apart = world_m[:, 27] - world_m[:, 28]
    apart -= (apart * across).sum(axis=1, keepdims=True) * across
    window = min(len(apart), max(3, round(_STEP_WINDOW_SECONDS * frame_rate_hz)))
    power = np.empty(len(apart))
    for row in range(len(apart)):
        first = min(max(0, row - window // 2), len(apart) - window)
        power[row] = np.linalg.eigvalsh(np.cov(apart[first : first + window].T, bias=True))[-1]
    return np.sqrt(np.maximum(power, 0)) / np.median(thighs + shanks)


def _needed_stepping(keypoints: Keypoints, rate: float) -> float:
    """Return how much the legs must alternate: less where the body moves on or changes in size."""
    hips = keypoints.image_px[:, [23, 24], 0].mean(axis=1)
    height = np.median(np.ptp(keypoints.image_px[..., 1], axis=1)) + 1e-6
    speed = abs(hips[-1] - hips[0]) / height * rate / len(hips)
    is_moving = speed > _MIN_SPEED or abs(growth_per_s(keypoints.image_px, rate)) > MIN_GROWTH
    return _MIN_STEPPING_ON if is_moving else _MIN_STEPPING


def _turning_deg_per_s(world_m: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Return how fast the body turns about the vertical, ndarray of shape (num_frames,)."""
    across = (world_m[:, [12, 24]] - world_m[:, [11, 23]]).sum(axis=1)[:, [0, 2]]
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    window = max(3, round(_TURN_WINDOW_SECONDS * frame_rate_hz))
    # The median passes over frames in which a front is taken for a back.
    usual = median_filter(across, (window, 1), mode="nearest")
    mean = uniform_filter1d(usual, window, axis=0, mode="nearest")
    heading = np.unwrap(np.arctan2(mean[:, 1], mean[:, 0]))
    return np.degrees(np.gradient(heading)) * frame_rate_hz if len(heading) > 1 else np.zeros(len(heading))


def _is_cut(keypoints: Keypoints, view_px: tuple[float, ...]) -> np.ndarray:
    left, top, right, bottom = view_px
    points = keypoints.image_px[:, _BODY]
    margin = _MARGIN_HEIGHTS * np.ptp(points[..., 1], axis=1)[:, None]
    x, y = points[..., 0], points[..., 1]
    is_outside = (x < left + margin) | (x > right - margin) | (y < top) | (y > bottom)
    return is_outside.any(axis=1)


def _tilt_deg(image_px: np.ndarray) -> np.ndarray:
    """Return the angle of the body, feet to shoulders, to the vertical of the picture."""
    x, y = (image_px[:, [11, 12]].mean(axis=1) - image_px[:, [27, 28]].mean(axis=1)).T
    return np.degrees(np.abs(np.arctan2(x, -y)))


def find_bouts(states: np.ndarray, keypoints: Keypoints) -> list[np.ndarray]:
    """Return the rows of each walking bout: walking without a break or a jump, 0.8 s and more.

    At the ends of the chunk shorter ones count, too: they may go on in the next.
    """
    rate = keypoints.frame_rate_hz
    bouts: list[np.ndarray] = []
    for run in unbroken_runs(keypoints):
        edges = np.flatnonzero(np.diff(states[run] == State.WALKING, prepend=False, append=False))
        # A break of a few frames is a slip of the network.
        is_break = np.diff(edges)[1::2] <= _MAX_BREAK_SECONDS * rate
        edges = np.delete(edges, np.r_[1 + 2 * np.flatnonzero(is_break), 2 + 2 * np.flatnonzero(is_break)])
        for first, end in edges.reshape(-1, 2):
            is_at_end = run[first] == 0 or run[end - 1] == len(states) - 1
            if end - first >= (1 if is_at_end else round(_MIN_BOUT_SECONDS * rate)):
                bouts.append(run[first:end])
    return bouts


def reason_of(states: list[np.ndarray]) -> str:
    """Return what most keeps people from being seen to walk, given their states; empty for nobody."""
    counts = np.bincount(np.concatenate([*states, np.zeros(0, int)]).astype(int), minlength=len(State))
    likely = max(REASONS, key=lambda state: counts[state])
    if counts[likely]:
        return REASONS[likely]
    return "no walk lasts long enough" if counts[State.WALKING] else ""


def level(keypoints: Keypoints, bouts: list[np.ndarray]) -> Keypoints:
    """Turn the body upright as a whole, whatever the tilt of the camera.

    On average over the walking bouts (their rows), the hips are above the ankles.
    """
    if not bouts:
        return keypoints
    world_m = keypoints.world_m[np.concatenate(bouts)]
    legs = (world_m[:, [27, 28]] - world_m[:, [23, 24]]).mean(axis=(0, 1))
    down = legs / np.linalg.norm(legs)
    # The shortest rotation from `down` to the y axis (Rodrigues).
    axis = np.cross(down, [0, 1, 0])
    matrix = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + matrix + matrix @ matrix / (1 + down[1])
    return replace(keypoints, world_m=(keypoints.world_m @ turn.T).astype(np.float32))
