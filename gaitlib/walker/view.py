"""Whether a body is wholly in the picture: what the edge cuts off cannot be read."""

import numpy as np

from gaitlib.walker.foreground import Background

# Pixels that a body must stay away from the left and the right edge.
MARGIN_PIXELS = 2
# Legs that leave the picture differ from the scene by more thresholds than their reflection on a floor,
# over at least this share of the box's width: measured 0.1 to 1 for legs, nothing for reflections.
STRONG_DIFFERENCE = 2.0
MIN_STRONG_SHARE = 0.1
# Boxes leave out thin parts: one that ends within this many body heights of the edge may be cut off there.
NEAR_HEIGHTS = 0.05


def is_beside_edges(boxes: np.ndarray, width: int) -> np.ndarray:
    """Say for each box whether it keeps off the left and the right edge, shape (num_boxes,), bool."""
    return (boxes[:, 0] >= MARGIN_PIXELS) & (boxes[:, 0] + boxes[:, 2] <= width - MARGIN_PIXELS)


def is_cut_below(
    background: Background, frames: np.ndarray, indices: np.ndarray, boxes: np.ndarray
) -> np.ndarray:
    """Say for each box whether the lower edge of the picture cuts off the body in it.

    The box alone does not tell: a reflection on the floor may reach the edge, too.

    Parameters
    ----------
    background : Background
    frames : ndarray of shape (num_frames, height, width), uint8, grey
    indices : ndarray of shape (num_boxes,), int
        Numbers of the pictures that the boxes are in.
    boxes : ndarray of shape (num_boxes, 4)
        Left, top, width, height in pixels.

    Returns
    -------
    ndarray of shape (num_boxes,), bool
    """
    limit = STRONG_DIFFERENCE * background.threshold
    is_low = boxes[:, 1] + boxes[:, 3] >= frames.shape[1] - NEAR_HEIGHTS * boxes[:, 3]
    is_cut = np.zeros(len(boxes), bool)
    for place in np.flatnonzero(is_low):
        difference = background.difference(frames[indices[place]])
        is_cut[place] = _share_at_edge(difference, boxes[place], limit) >= MIN_STRONG_SHARE
    return is_cut


def _share_at_edge(difference: np.ndarray, box: np.ndarray, limit: float) -> float:
    """Return the share of a box's columns in which the last rows of a picture differ much."""
    left, _, width, _ = box
    columns = slice(max(0, int(left)), max(0, int(left + width)) + 1)
    edge = difference[-MARGIN_PIXELS:, columns]
    return float((edge.mean(axis=0) > limit).mean()) if edge.size else 0.0
