"""One walking bout of keypoints in the body's own axes: forward, left and up, whatever the camera saw."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.signal import medfilt, savgol_filter

from gaitlib.walker import MIRRORED, Keypoints

# Focal length in longer sides of the frame: phones have 0.7 to 0.9. It scales the depth alone.
FOCAL_LENGTH = 0.8
# Path, size and direction change slowly; what changes faster is noise or the steps.
SMOOTHING_SECONDS = 1.5
# A pass ends with a gap, or where somebody grows (log) or moves (metres) more from one frame to the next.
MAX_GAP_SECONDS, MAX_GROWTH, MAX_JUMP_M = 0.35, 0.15, 0.5
MIN_FRAMES, MIN_PASS_FRAMES = 10, 6
# Slower than this, the way somebody goes does not tell which way the body faces; metres per second.
MIN_SPEED_M_PER_S = 0.25
# Shoulders, hips, knees and ankles; in pairs of left and right.
_TRUNK_AND_LEGS, _SHOULDERS, _HIPS = [11, 12, 23, 24, 25, 26, 27, 28], [11, 12], [23, 24]


@dataclass(frozen=True)
class BodyMotion:
    """The frames of one bout in which the whole body is known.

    Attributes
    ----------
    times_seconds, speed_m_per_s : ndarray of shape (num_frames,)
    passes : ndarray of shape (num_frames,), int
        Number of the unbroken pass: a loop that starts again, a gap or a cut begins a new one.
    body_m : ndarray of shape (num_frames, 33, 3)
        Forward, left and up from the middle of the hips, metres.
    image_m : ndarray of shape (num_frames, 33, 2)
        Right and up from the middle of the frame, metres at the walker's distance.
    heading_deg : ndarray of shape (num_frames,)
        Where the body faces: 0 right, 90 towards the camera.
    """

    times_seconds: np.ndarray
    passes: np.ndarray
    body_m: np.ndarray
    image_m: np.ndarray
    speed_m_per_s: np.ndarray
    heading_deg: np.ndarray

    def both(self, part: str, image: bool = False) -> np.ndarray:
        """Return a paired keypoint, shape (num_frames, 2 sides, axes): left, then right."""
        places = [Keypoints.index(f"left_{part}"), Keypoints.index(f"right_{part}")]
        return (self.image_m if image else self.body_m)[:, places]

    def middle(self, part: str, image: bool = False) -> np.ndarray:
        """Return the middle of a paired keypoint, shape (num_frames, axes)."""
        return self.both(part, image).mean(axis=1)

    @cached_property
    def leg_m(self) -> float:
        """Length of thigh and shank, metres: the unit of lengths."""
        joints = np.stack([self.both(part) for part in ("hip", "knee", "ankle")])
        return float(np.median(np.linalg.norm(np.diff(joints, axis=0), axis=3).sum(axis=0)))

    @cached_property
    def trunk_m(self) -> float:
        """Distance from the hips to the shoulders, metres."""
        return float(np.median(np.linalg.norm(self.middle("shoulder"), axis=1)))


def body_motion(keypoints: Keypoints) -> BodyMotion | None:
    """Turn the keypoints of one bout into the body's axes; None where fewer than 10 frames show the body.

    Nobody walks backwards: sides are exchanged where the body faces away from where it goes.
    """
    rate_hz, size_px = keypoints.frame_rate_hz, np.array(keypoints.frame_size_px)
    is_known = np.isfinite(keypoints.world_m).all((1, 2)) & np.isfinite(keypoints.image_px).all((1, 2))
    scale = np.full(len(keypoints), np.nan)
    scale[is_known] = _metres_per_pixel(keypoints.world_m[is_known], keypoints.image_px[is_known])
    passes = _find_passes(keypoints, scale)
    is_known &= np.bincount(passes, is_known)[passes] >= MIN_PASS_FRAMES
    if is_known.sum() < MIN_FRAMES:
        return None
    known, passes = keypoints.part(is_known), passes[is_known]
    world, image = known.world_m.astype(float), known.image_px - size_px / 2
    scale = smooth(scale[is_known], passes, rate_hz)
    path = scale[:, None] * np.column_stack(
        [image[:, _HIPS, 0].mean(axis=1), np.full(len(known), FOCAL_LENGTH * size_px.max())]
    )
    velocity = smooth(path, passes, rate_hz, derivative=1)
    speed = np.linalg.norm(velocity, axis=1)
    left = (world[:, _HIPS] + world[:, _SHOULDERS])[..., [0, 2]]
    left = left[:, 0] - left[:, 1]
    # Left of who goes to (x, z) is (-z, x), with z away from the camera.
    is_wrong = (left[:, 1] * velocity[:, 0] < left[:, 0] * velocity[:, 1]) & (speed > MIN_SPEED_M_PER_S)
    world[is_wrong], image[is_wrong] = world[is_wrong][:, MIRRORED], image[is_wrong][:, MIRRORED]
    left[is_wrong] *= -1
    left = smooth(left / (np.linalg.norm(left, axis=1, keepdims=True) + 1e-9), passes, rate_hz)
    x, z = (left / (np.linalg.norm(left, axis=1, keepdims=True) + 1e-9)).T
    axes = np.stack([np.stack([z, 0 * x, -x]), np.stack([x, 0 * x, z]), np.stack([0 * x, 0 * x - 1, 0 * x])])
    body = np.einsum("ijt,tkj->tki", axes, world - world[:, _HIPS].mean(axis=1, keepdims=True))
    image *= scale[:, None, None] * np.array([1, -1])
    return BodyMotion(known.times_seconds, passes, body, image, speed, np.degrees(np.arctan2(x, z)))


def smooth(values: np.ndarray, passes: np.ndarray, rate_hz: float, derivative: int = 0) -> np.ndarray:
    """Smooth each pass by a parabola that moves along (Savitzky & Golay 1964), or return its slope."""
    result = np.zeros_like(values, dtype=float)
    for number in np.unique(passes):
        part = values[passes == number]
        window = min(2 * int(SMOOTHING_SECONDS * rate_hz / 2) + 1, len(part) - 1 + len(part) % 2)
        if window > 3:
            part = savgol_filter(part, window, 2, deriv=derivative, delta=1 / rate_hz, axis=0)
        result[passes == number] = part
    return result


def _metres_per_pixel(world: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Return the scale of each frame: the one that lays the body in metres over the body in pixels."""
    metres, pixels = world[:, _TRUNK_AND_LEGS, :2], image[:, _TRUNK_AND_LEGS]
    metres = metres - metres.mean(axis=1, keepdims=True)
    scale = (metres**2).sum((1, 2)) / np.maximum((metres * pixels).sum((1, 2)), 1e-6)
    return medfilt(scale, 3) if len(scale) > 3 else scale


def _find_passes(keypoints: Keypoints, scale: np.ndarray) -> np.ndarray:
    known = np.flatnonzero(np.isfinite(scale))
    step_px = np.linalg.norm(np.diff(keypoints.image_px[known].mean(axis=1), axis=0), axis=1)
    is_new = np.diff(keypoints.times_seconds[known]) > MAX_GAP_SECONDS
    is_new |= np.abs(np.diff(np.log(scale[known]))) > MAX_GROWTH
    is_new |= step_px * scale[known[1:]] > MAX_JUMP_M
    starts = np.zeros(len(scale), int)
    starts[known[1:]] = is_new
    return np.cumsum(starts)
