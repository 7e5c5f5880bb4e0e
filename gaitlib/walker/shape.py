"""A few numbers on the walker's silhouette in one frame: where it is, how wide, how it leans."""

import cv2
import numpy as np

# In pixels of the working frame, the areas in square pixels: area of the silhouette and of its convex hull;
# top of the head; centre of mass; median column of the mass in four bands of the body; width of three.
SHAPE_NAMES = (
    *("area", "hull_area", "top", "centre_x", "centre_y", "head_x", "shoulders_x", "hips_x", "legs_x"),
    *("shoulders_width", "hips_width", "legs_width"),
)
# Head, shoulders, hips and legs, in shares of the body's height from its top; shadows lie below.
_BANDS = np.array([(0.0, 0.12), (0.14, 0.30), (0.40, 0.54), (0.56, 0.92)])
# Room around the box, in body heights: thin limbs may reach out of it.
_MARGIN = 0.12
# The head begins where a row holds this much, in body heights: the mean place is finer than a pixel.
_TOP_LEVELS = np.array([0.02, 0.03, 0.04, 0.05])
# Shares of a band's mass: a speck does not make the body wide.
_EDGE_MIDDLE_EDGE = np.array([0.02, 0.5, 0.98])


def measure_shapes(masks: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Measure the walker's silhouette in each frame.

    Parameters
    ----------
    masks : ndarray of shape (num_frames, height, width), uint8
        How surely each pixel belongs to the walker.
    boxes : ndarray of shape (num_frames, 4)
        Left, top, width and height, pixels; NaN: do not measure.

    Returns
    -------
    ndarray of shape (num_frames, 12), float32
        Columns as in `SHAPE_NAMES`; NaN where there is nothing to measure.
    """
    shapes = np.full((len(masks), len(SHAPE_NAMES)), np.nan, np.float32)
    for place in np.flatnonzero(np.isfinite(boxes[:, 0])):
        shapes[place] = _measure(masks[place], *map(float, boxes[place]))
    return shapes


def _measure(mask: np.ndarray, left: float, top: float, width: float, height: float) -> np.ndarray:
    first_row, first_column = max(0, int(top - _MARGIN * height)), max(0, int(left - _MARGIN * height))
    part = mask[
        first_row : int(top + height) + 1, first_column : int(np.ceil(left + width + _MARGIN * height))
    ]
    part = part.astype(np.float32) / 255
    by_row, by_column, area = part.sum(axis=1), part.sum(axis=0), float(part.sum())
    if area < 1:
        return np.full(len(SHAPE_NAMES), np.nan)
    points = cv2.findNonZero((part > 0.5).astype(np.uint8))
    hull_area = np.nan if points is None else cv2.contourArea(cv2.convexHull(points))
    head = _top(by_row, height)
    middles, widths = np.transpose([_band(part, *(head + band * height)) for band in _BANDS])
    centre_x, centre_y = by_column @ np.arange(len(by_column)) / area, by_row @ np.arange(len(by_row)) / area
    rows, columns = np.array([head, centre_y]) + first_row, np.array([centre_x, *middles]) + first_column
    return np.array([area, hull_area, rows[0], columns[0], rows[1], *columns[1:], *widths[1:]])


def _top(by_row: np.ndarray, height: float) -> float:
    """Return the row at which the head begins, between rows where the levels are crossed there."""
    rows = np.argmax(by_row >= _TOP_LEVELS[:, None] * height, axis=1)
    rise = by_row[rows] - np.where(rows > 0, by_row[rows - 1], 0)
    return float(np.mean(rows - (by_row[rows] - _TOP_LEVELS * height) / np.maximum(rise, 1e-9) * (rise > 0)))


def _band(part: np.ndarray, first: float, last: float) -> tuple[float, float]:
    """Return the median column of the mass between two rows, and how wide it spreads."""
    by_column = part[max(0, round(first)) : max(1, round(last))].sum(axis=0)
    mass = np.concatenate([[0.0], np.cumsum(by_column)])
    if mass[-1] < 1:
        return np.nan, np.nan
    low, middle, high = np.interp(_EDGE_MIDDLE_EDGE * mass[-1], mass, np.arange(len(mass)) - 0.5)
    return middle, high - low
