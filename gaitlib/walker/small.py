"""Whether somebody walks who is too small to be read, so that it can be said."""

import cv2
import numpy as np

from gaitlib.walker.foreground import Background
from gaitlib.walker.tracking import link_boxes

# Smallest figure that can be told from noise, as a share of the picture and in pixels of height.
MIN_FIGURE_SHARE = 0.00008
MIN_FIGURE_PIXELS = 7
MIN_FIGURE_SECONDS = 1.0
MAX_FIGURES = 8
# Upright, and getting somewhere: leaves and flicker stay where they are.
MIN_ASPECT = 1.3
MIN_WAY_HEIGHTS = 1.0


def small_walker_height(
    frames: np.ndarray, background: Background, frame_rate_hz: float, below_pixels: float
) -> float:
    """Return the height of the tallest moving figure that is smaller than a person must be.

    Parameters
    ----------
    frames : ndarray of shape (num_frames, height, width), uint8, grey
    background : Background
    frame_rate_hz : float
    below_pixels : float
        Height from which people are read.

    Returns
    -------
    float
        Pixels in `frames`; 0 if there is no such figure.
    """
    if background.is_camera_moving:
        return 0.0
    boxes_by_frame = [_small_blobs(cv2.absdiff(frame, background.picture), background) for frame in frames]
    tracks = link_boxes(boxes_by_frame, frame_rate_hz)
    heights = [0.0]
    for track in tracks:
        _, boxes = track.filled()
        width, height = np.median(boxes[:, 2:4], axis=0)
        way = np.linalg.norm(np.median(boxes[-5:, :2], axis=0) - np.median(boxes[:5, :2], axis=0))
        is_figure = height >= MIN_ASPECT * width and way >= MIN_WAY_HEIGHTS * height
        if (
            is_figure
            and MIN_FIGURE_PIXELS <= height < below_pixels
            and len(boxes) >= MIN_FIGURE_SECONDS * frame_rate_hz
        ):
            heights.append(float(height))
    return max(heights)


def _small_blobs(difference: np.ndarray, background: Background) -> np.ndarray:
    """Return left, top, width, height of the blobs, at most a few, shape (num_blobs, 4)."""
    _, mask = cv2.threshold(difference, background.threshold, 255, cv2.THRESH_BINARY)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 3), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    blobs = stats[1:][stats[1:, cv2.CC_STAT_AREA] >= max(12, MIN_FIGURE_SHARE * mask.size)]
    largest = np.argsort(blobs[:, cv2.CC_STAT_AREA])[::-1][:MAX_FIGURES]
    return blobs[largest, :4].astype(float)
