"""Whether what was followed moves in itself: walkers do; traces in the learnt scene and statues do not."""

import cv2
import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d

STIR_LAG_SECONDS = 0.4
# Measured: walkers change a quarter of their box or more, people who stand up to a tenth, traces nothing.
MIN_STIR_SHARE = 0.05
# A step and the next bring the legs to the same place, so that the lag must be shorter than a step.
LEG_LAG_SECONDS = 0.27
# Legs that step on the spot change at least a fifth of their box all the time, standing ones a tenth.
MIN_LEG_SHARE = 0.15
# Who stays within this many body heights does not get anywhere, however long they walk.
MAX_SPOT_HEIGHTS = 0.6
MIN_SPOT_SECONDS = 2.0
# Where the legs lie in the box of a body, from its top.
LEG_RANGE = (0.55, 0.95)


def stirring(
    frames: np.ndarray, indices: np.ndarray, boxes: np.ndarray, threshold: float, lag: int
) -> np.ndarray:
    """Return how much of each box changes within a little time.

    Parameters
    ----------
    frames : ndarray of shape (num_frames, height, width), uint8, grey
    indices : ndarray of shape (n,), int
        Numbers of the pictures that the boxes are in.
    boxes : ndarray of shape (n, 4)
        Left, top, width, height in pixels.
    threshold : float
        Grey levels by which a pixel must differ to count.
    lag : int
        Pictures between the two that are compared, both before and after; the larger change counts.

    Returns
    -------
    ndarray of shape (n,), float
        Share of the box's pixels, 0 to 1.
    """
    shares = np.zeros(len(indices))
    for place, (index, box) in enumerate(zip(indices, boxes, strict=True)):
        left, top, width, height = np.round(box).astype(int)
        region = np.s_[max(top, 0) : top + height, max(left, 0) : left + width]
        for other in (index - lag, index + lag):
            if 0 <= other < len(frames) and frames[index][region].size:
                changed = cv2.absdiff(frames[index][region], frames[other][region]) > threshold
                shares[place] = max(shares[place], changed.mean())
    return shares


def stirs(
    frames: np.ndarray, indices: np.ndarray, boxes: np.ndarray, threshold: float, frame_rate_hz: float
) -> np.ndarray:
    """Say for each box whether anything in it moves within half a second, shape (n,), bool."""
    lag = max(1, round(STIR_LAG_SECONDS * frame_rate_hz))
    shares = stirring(frames, indices, boxes, threshold, lag)
    return maximum_filter1d(shares, 2 * round(0.5 * frame_rate_hz) + 1, mode="nearest") > MIN_STIR_SHARE


def steps_on_the_spot(
    frames: np.ndarray, indices: np.ndarray, boxes: np.ndarray, threshold: float, frame_rate_hz: float
) -> np.ndarray:
    """Say for each box whether its legs step although the person gets nowhere, as on a treadmill.

    Parameters
    ----------
    frames, indices, boxes, threshold
        See `stirring`.
    frame_rate_hz : float

    Returns
    -------
    ndarray of shape (n,), bool
        False throughout for people who get somewhere or are seen for less than two seconds.
    """
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    heights = np.median(boxes[:, 3])
    # A tenth of the boxes may be off: a shadow, a part of the body lost for a moment.
    way = np.ptp(np.percentile(centres, [5, 95], axis=0), axis=0).max() / heights
    if way > MAX_SPOT_HEIGHTS or len(indices) < MIN_SPOT_SECONDS * frame_rate_hz:
        return np.zeros(len(indices), bool)
    legs = boxes.copy()
    legs[:, 1] += LEG_RANGE[0] * boxes[:, 3]
    legs[:, 3] *= LEG_RANGE[1] - LEG_RANGE[0]
    lag = max(1, round(LEG_LAG_SECONDS * frame_rate_hz))
    shares = stirring(frames, indices, legs, threshold, lag)
    return uniform_filter1d(shares, round(frame_rate_hz) | 1, mode="nearest") > MIN_LEG_SHARE
