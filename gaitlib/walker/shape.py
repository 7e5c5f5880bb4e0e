"""A few numbers about the walker's silhouette in one picture: where it is, how wide, how it leans."""

import cv2
import numpy as np

from gaitlib.walker.finding import WalkerTrack
from gaitlib.walker.foreground import SIGHT_PIXELS, Region

# What `measure_shape` returns, in this order; all in pixels (the areas in square pixels).
SHAPE_NAMES = (
    "area",
    "hull_area",
    "top",
    "centre_x",
    "centre_y",
    "head_x",
    "shoulders_x",
    "hips_x",
    "legs_x",
    "shoulders_width",
    "hips_width",
    "legs_width",
)
# Bands of the body, in shares of its height from the top. The lowest part of the legs is left out: it
# holds what the shadow left over.
HEAD_BAND, SHOULDER_BAND, HIP_BAND, LEG_BAND = (0.0, 0.12), (0.14, 0.30), (0.40, 0.54), (0.56, 0.92)
# Room around the box, in body heights: limbs may reach out of a box that left thin parts away.
MARGIN = 0.12
# The head begins where a row holds this much, in body heights: less is hair or noise. The mean over a
# few levels finds the place to a fraction of a pixel.
TOP_LEVELS = np.array([0.02, 0.03, 0.04, 0.05])
# Share of a band's mass left out on either side, so that a speck does not make the body wide.
EDGE_SHARE = 0.02


def measure_shape(silhouette: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Measure the silhouette of a walker.

    Parameters
    ----------
    silhouette : ndarray of shape (height, width), uint8
        How surely each pixel belongs to somebody, see `Background.silhouette`.
    box : ndarray of shape (4,)
        Left, top, width and height of the walker, pixels.

    Returns
    -------
    ndarray of shape (12,), float32
        Values in the order of `SHAPE_NAMES`: area of the silhouette and of its convex hull; top of the
        head; centre of mass; median column of the mass in the head, shoulder, hip and leg bands; width of
        the last three bands. NaN where there is nothing to measure.
    """
    body_height = float(box[3])
    rows, columns = _region(silhouette.shape, box)
    part = silhouette[rows, columns].astype(np.float32) / 255
    shape = np.full(len(SHAPE_NAMES), np.nan, np.float32)
    by_row = part.sum(axis=1)
    area = float(by_row.sum())
    if area < 1:
        return shape
    top = _top(by_row, body_height)
    bands = [
        _band(part, top + low * body_height, top + high * body_height)
        for low, high in (HEAD_BAND, SHOULDER_BAND, HIP_BAND, LEG_BAND)
    ]
    middles, widths = np.transpose(bands)
    shape[:2] = area, _hull_area(part)
    shape[2:5] = top, part.sum(axis=0) @ np.arange(part.shape[1]) / area, by_row @ np.arange(len(part)) / area
    shape[5:9], shape[9:] = middles, widths[1:]
    shape[[2, 4]] += rows.start
    shape[[3, 5, 6, 7, 8]] += columns.start
    return shape


def _region(shape: tuple[int, ...], box: np.ndarray) -> tuple[slice, slice]:
    left, top, width, height = box
    margin = MARGIN * height
    rows = slice(max(0, int(top - margin)), min(shape[0], int(top + height) + 1))
    columns = slice(max(0, int(left - margin)), min(shape[1], int(left + width + margin) + 1))
    return rows, columns


def _surroundings(shape: tuple[int, ...], box: np.ndarray, square: np.ndarray) -> Region:
    """Return the rows and columns around a box with its room, and around a square, as a silhouette sees."""
    rows, columns = _region(shape, box)
    right, down, side = square

    def around(part: slice, centre: float) -> slice:
        first, last = int(centre - side / 2), int(centre + side / 2) + 1
        return slice(max(0, min(part.start, first) - SIGHT_PIXELS), max(part.stop, last) + SIGHT_PIXELS)

    return around(rows, down), around(columns, right)


def _top(by_row: np.ndarray, body_height: float) -> float:
    """Return the row at which the head begins, between rows where the levels are crossed there."""
    places = []
    for level in TOP_LEVELS * body_height:
        row = int(np.argmax(by_row >= level))
        before = by_row[row - 1] if row else 0.0
        rise = by_row[row] - before
        places.append(row - (by_row[row] - level) / rise if rise > 0 else row)
    return float(np.mean(places))


def _band(part: np.ndarray, first: float, last: float) -> tuple[float, float]:
    """Return the median column of the mass between two rows, and how wide it spreads."""
    by_column = part[max(0, round(first)) : max(1, round(last))].sum(axis=0)
    cumulated = np.concatenate([[0.0], np.cumsum(by_column)])
    if cumulated[-1] < 1:
        return np.nan, np.nan
    shares = np.array([EDGE_SHARE, 0.5, 1 - EDGE_SHARE]) * cumulated[-1]
    low, middle, high = np.interp(shares, cumulated, np.arange(len(cumulated)) - 0.5)
    return float(middle), float(high - low)


def _hull_area(part: np.ndarray) -> float:
    is_body = part > 0.5
    rows = np.flatnonzero(is_body.any(axis=1))
    if not len(rows):
        return np.nan
    # The outermost pixels of each row span the same hull as all pixels.
    first, last = is_body[rows].argmax(axis=1), part.shape[1] - 1 - is_body[rows, ::-1].argmax(axis=1)
    points = np.column_stack([np.concatenate([first, last]), np.concatenate([rows, rows])])
    return float(cv2.contourArea(cv2.convexHull(points.astype(np.int32))))


def measure_shapes(frames: np.ndarray, track: WalkerTrack) -> tuple[np.ndarray, np.ndarray | None]:
    """Measure the walker's silhouette in every picture in which somebody walks.

    Parameters
    ----------
    frames : ndarray of shape (num_frames, height, width), uint8, grey
    track : WalkerTrack
        The walker in them, see `find_walker`.

    Returns
    -------
    shapes : ndarray of shape (num_frames, 12), float32
        Columns as in `SHAPE_NAMES`; NaN where nobody walks or no scene could be learnt.
    silhouettes : ndarray of shape (num_walking, height, width), uint8, or None
        What was measured, for the pictures in which somebody walks: 0 away from the walker, whose box with
        some room and whose square are whole; None without a learnt scene.
    """
    shapes = np.full((len(frames), len(SHAPE_NAMES)), np.nan, np.float32)
    places = np.flatnonzero(track.segments >= 0)
    if track.background is None or not len(places):
        return shapes, None
    # Most pixels are never touched, and such memory costs nothing.
    silhouettes = np.zeros((len(places), *frames.shape[1:]), np.uint8)
    for silhouette, place in zip(silhouettes, places, strict=True):
        box = track.boxes[place]
        where = _surroundings(silhouette.shape, box, track.squares[place])
        silhouette[where] = track.background.silhouette(frames[place], box, where)
        shapes[place] = measure_shape(silhouette, box)
    return shapes, silhouettes
