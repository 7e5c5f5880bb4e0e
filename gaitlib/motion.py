"""What moves where in a video, coarsely: by this the same footage is known again (`gaitlib.footage`)."""

import cv2
import numpy as np

from gaitlib.prepared import PreparedVideo

# Movement is what changes within this time: long enough for a step to stand out from the codec's noise.
MOTION_SECONDS = 0.27
MIN_MOTION_LEVELS = 0.05
GRID = 8
BLOCK_ROWS = 1000


def motion_grid(video: PreparedVideo) -> np.ndarray:
    """Return the movement in each field of a coarse grid over time, shape (num_steps, 8, 8), float32."""
    thumbs = video.thumbs
    lag = max(1, round(MOTION_SECONDS * video.rate_hz))
    starts = range(0, len(thumbs) - lag, BLOCK_ROWS)
    # Hours of pictures are too large as floating-point numbers: a minute or so at a time.
    blocks = [_block_motion(thumbs[start : start + BLOCK_ROWS + lag], lag) for start in starts]
    grid = np.concatenate([np.zeros((0, GRID, GRID), np.float32), *(block for block, _ in blocks)])
    if sum(len(block) * amount for block, amount in blocks) < MIN_MOTION_LEVELS * len(grid):
        grid[:] = 0
    return grid


def _block_motion(thumbs: np.ndarray, lag: int) -> tuple[np.ndarray, float]:
    """Return the grid of a stretch of a video, and the mean of what moves in it in grey levels."""
    motion = thumbs[lag:].astype(np.float32) - thumbs[:-lag]
    # The light changes everywhere at once, the codec's noise is small everywhere: neither is a walker.
    motion -= np.median(motion, axis=(1, 2), keepdims=True)
    motion = np.stack([cv2.GaussianBlur(step, (0, 0), 0.6) for step in motion])
    noise = 3 * 1.4826 * np.median(np.abs(motion))
    motion = np.sign(motion) * np.maximum(np.abs(motion) - noise, 0)
    side = motion.shape[1] // GRID
    grid = motion.reshape(len(motion), GRID, side, GRID, side).mean(axis=(2, 4))
    return grid, float(np.abs(motion).mean())
