"""What moves where in a video, coarsely: by this the same footage is known again (`gaitlib.footage`)."""

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from gaitlib.clips import PreparedVideo

# Movement is what changes within this time: long enough for a step to stand out from the codec's noise.
MOTION_SECONDS = 0.27
MIN_MOTION_LEVELS = 0.05
GRID = 8


def motion_grid(video: "PreparedVideo") -> np.ndarray:
    """Return the movement in each field of a coarse grid over time, shape (num_steps, 8, 8), float32."""
    lag = max(1, round(MOTION_SECONDS * video.rate_hz))
    thumbs = video.thumbs.astype(np.float32)
    if len(thumbs) <= lag:
        return np.zeros((0, GRID, GRID), np.float32)
    motion = thumbs[lag:] - thumbs[:-lag]
    # The light changes everywhere at once, the codec's noise is small everywhere: neither is a walker.
    motion -= np.median(motion, axis=(1, 2), keepdims=True)
    motion = np.stack([cv2.GaussianBlur(step, (0, 0), 0.6) for step in motion])
    noise = 3 * 1.4826 * np.median(np.abs(motion))
    motion = np.sign(motion) * np.maximum(np.abs(motion) - noise, 0)
    if np.abs(motion).mean() < MIN_MOTION_LEVELS:
        motion[:] = 0
    side = motion.shape[1] // GRID
    return motion.reshape(len(motion), GRID, side, GRID, side).mean(axis=(2, 4))
