"""The second way to find walkers: what moves like a person before the empty scene, and its shape.

For point lights, drawn walkers and people too small for keypoints; the camera must stand still.
"""

from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
from scipy.ndimage import find_objects, median_filter

from gaitlib.walker.walking import BODY_SHARE, State, View, Walk, find_bouts, path_speed, steady

# Grey levels by which a pixel of the body differs from the scene; lamps that change less need no correction.
_MIN_DIFFERENCE, _MIN_LIGHT_CHANGE = 12, 1.5
# Frames the scene is learnt from; two so far apart show a walker's whole body displaced, even a slow one's.
_NUM_FRAMES_LEARNT, _MOTION_LAG_SECONDS = 40, 0.4
# The least share of the frame; where the camera moves, frames differ in more than this share of 16 cells.
_MIN_BLOB_SHARE, _MAX_CELLS_SHARE = 0.0008, 0.65
# Shares of the frame's height: parts that lie closer are one body, more so up and down than sideways; point
# lights lie twice as far apart, and fill less of their box.
_REACH, _SPARSE_FILL = np.array([0.10, 0.045]), 0.31
# Slower than this, in body heights a second, is standing; the slowest sad walks measured reach 0.25.
_MIN_SPEED, _MIN_HEIGHT_PX, _MIN_SECONDS, _EDGE_PX = 0.12, 24, 0.7, 2
# Upright people are taller than wide, also with arms swinging; cars and doors are not.
_ASPECT = 1.15, 7.0
# Somebody seen again within this time, no farther than this from where they were, and neither half nor twice
# as tall (a logarithm), is the same person.
_MAX_GAP_SECONDS, _MAX_JUMP_HEIGHTS, _MAX_GROWTH = 0.7, 0.5, np.log(2)
# Smoothing over about two steps keeps the way and drops the swing.
_PATH_SECONDS, _SIZE_SECONDS = 1.2, 2.0
# Pixels: areas of silhouette and convex hull; top of the head; centre of mass; median column of four bands.
SHAPE_NAMES = (
    *("area", "hull_area", "top", "centre_x", "centre_y", "head_x", "shoulders_x", "hips_x", "legs_x"),
    *("shoulders_width", "hips_width", "legs_width"),
)
# In body heights: head, shoulders, hips and legs from the top of the head, shadows lie below; room around the
# box. In their square: the highest pixels, whose mean tells where the top is, finer than a pixel.
_BANDS = (-1.0, 0.12), (0.14, 0.30), (0.40, 0.54), (0.56, 0.92)
_MARGIN, _TOP_AREA = 0.12, 0.001


def find_silhouettes(frames: np.ndarray, frame_rate_hz: float, view: View) -> tuple[list[Walk], str]:
    """Return everybody in a chunk of grey frames who moves like a person, and why there is nobody.

    People are numbered by how much they walk; who is never seen beside another is taken for the same.
    """
    frames = np.stack([cv2.GaussianBlur(frame, (3, 3), 0) for frame in level_light(frames)])
    scene = _learn_scene(frames, max(1, round(_MOTION_LAG_SECONDS * frame_rate_hz)))
    masks = np.stack([_clean(cv2.absdiff(frame, scene)) for frame in frames])
    cells = [cv2.resize(mask, (4, 4), interpolation=cv2.INTER_AREA) > 8 for mask in masks]
    if np.median(np.mean(cells, axis=(1, 2))) >= _MAX_CELLS_SHARE:
        return [], "the camera moves or the picture is noisy: only keypoints could tell"
    blobs = [_find_blobs(mask) for mask in masks]
    fills = [boxes[0, 4] for boxes in blobs if len(boxes)]
    if fills and np.median(fills) < _SPARSE_FILL:
        blobs = [_find_blobs(mask, 2 * _REACH) for mask in masks]
    tracks = _link(blobs, _MAX_GAP_SECONDS * frame_rate_hz)
    people = [_judge(track, masks, view, frame_rate_hz) for track in tracks]
    walks: list[Walk] = []
    for walk in sorted(filter(None, people), key=lambda walk: -walk.amount):
        is_there = np.isfinite(walk.boxes[:, 0])
        others = {other.number for other in walks if np.isfinite(other.boxes[is_there, 0]).any()}
        walks.append(replace(walk, number=min({*range(len(walks) + 1)} - others)))
    return walks, "" if walks else "what moves is no person or too small"


def _learn_scene(frames: np.ndarray, lag: int) -> np.ndarray:
    """Return the empty scene: each pixel is the median of the frames in which nothing moves near it."""
    # Slow walkers cover a pixel for most of the time of a short video: the plain median is they.
    some = []
    for row in range(0, len(frames), -(-len(frames) // _NUM_FRAMES_LEARNT)):
        before, after = frames[max(0, row - lag)], frames[min(len(frames) - 1, row + lag)]
        moving = np.maximum(*(_clean(cv2.absdiff(frames[row], other)) for other in (before, after)))
        for left, top, width, height, _ in _find_blobs(moving).astype(int):
            cv2.rectangle(moving, (left - 3, top - 3, width + 6, height + 6), 255, cv2.FILLED)
        some.append(np.ma.masked_array(frames[row], moving > 0))
    scene = np.ma.median(np.ma.stack(some), axis=0)
    return scene.filled(np.median(frames[::lag], axis=0)).astype(np.uint8)


def level_light(frames: np.ndarray) -> list[np.ndarray]:
    """Give each grey frame the gain that most of its pixels need to be as usual: lamps flicker."""
    small = frames[:, ::8, ::8].reshape(len(frames), -1) + 1.0
    gains = np.median(np.median(small, axis=0) / small, axis=1)
    is_other = np.abs(gains - 1) * small.mean(axis=1) > _MIN_LIGHT_CHANGE
    levelled = zip(frames, np.where(is_other, gains, 1), strict=True)
    return [cv2.convertScaleAbs(frame, alpha=gain) for frame, gain in levelled]


def _clean(change: np.ndarray) -> np.ndarray:
    """Return where a picture changes, without specks; 0 and 255, uint8."""
    _, mask = cv2.threshold(change, _MIN_DIFFERENCE, 255, cv2.THRESH_BINARY)
    # Opening by 2 x 2 with one anchor for both steps would move the mask by a pixel, right and down.
    small = np.ones((2, 2), np.uint8)
    mask = cv2.dilate(cv2.erode(mask, small, anchor=(1, 1)), small, anchor=(0, 0))
    return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))


def _find_blobs(mask: np.ndarray, reach: np.ndarray = _REACH) -> np.ndarray:
    """Return left, top, width, height and filled share of what may be a person, the largest first."""
    size = np.maximum(3, np.round(reach * mask.shape[0])).astype(int) | 1
    labels = cv2.connectedComponents(cv2.dilate(mask, np.ones(size, np.uint8)))[1] * (mask > 0)
    boxes = []
    for label, (y, x) in enumerate(find_objects(labels), 1):
        places = np.argwhere(labels[y, x] == label) + (y.start, x.start)
        if len(places) >= _MIN_BLOB_SHARE * mask.size:  # without single pixels: a floor mirrors feet
            (top, left), (bottom, right) = np.percentile(places, [0.5, 99.5], axis=0, method="nearest")
            width, height = right - left + 1, bottom - top + 1
            boxes.append((left, top, width, height, len(places) / (width * height)))
    return np.array(sorted(boxes, key=lambda box: -box[2] * box[3]), float).reshape(-1, 5)


def _link(blobs: list[np.ndarray], max_gap: float) -> list[pd.DataFrame]:
    """Join blobs of consecutive frames to people: a box a frame, gaps closed; the index is the frame."""
    tracks: list[dict[int, np.ndarray]] = []
    for row, boxes in enumerate(blobs):
        for box in boxes[:, :4]:
            active = [track for track in tracks if row - max_gap <= max(track) < row]
            last = np.array([track[max(track)] for track in active]).reshape(-1, 4)
            moved = last - box
            apart = np.linalg.norm(moved[:, :2] + moved[:, 2:] / 2, axis=1) / box[3]
            apart[np.abs(np.log(last[:, 3] / box[3])) > _MAX_GROWTH] = np.inf
            if (apart < _MAX_JUMP_HEIGHTS).any():
                active[apart.argmin()][row] = box
            else:
                tracks.append({row: box})
    tables = [pd.DataFrame.from_dict(track, orient="index") for track in tracks]
    return [each.reindex(range(each.index[0], each.index[-1] + 1)).interpolate() for each in tables]


def _judge(track: pd.DataFrame, masks: np.ndarray, view: View, frame_rate_hz: float) -> Walk | None:
    """Return what somebody does whose boxes are known, None if it is no person."""
    rows, seen = track.index.to_numpy(), track.to_numpy()
    height, aspect = np.median(seen[:, 3]), np.median(seen[:, 3] / seen[:, 2])
    is_short = len(rows) < _MIN_SECONDS * frame_rate_hz or height < _MIN_HEIGHT_PX
    if is_short or not _ASPECT[0] <= aspect <= _ASPECT[1]:
        return None
    usual = median_filter(seen, (5, 1), mode="nearest")
    centres = steady(usual[:, :2] + usual[:, 2:] / 2, _PATH_SECONDS * frame_rate_hz, 2)
    sides = np.maximum(steady(usual[:, 3:], _SIZE_SECONDS * frame_rate_hz, 1), 1) / BODY_SHARE
    is_slow = path_speed(np.hstack([centres, sides]), frame_rate_hz) < _MIN_SPEED
    right_bottom = seen[:, :2] + seen[:, 2:] > np.array(view[2:]) - _EDGE_PX
    is_cut = ((seen[:, :2] < np.array(view[:2]) + _EDGE_PX) | right_bottom).any(axis=1)
    boxes, squares = (np.full((len(masks), width), np.nan, np.float32) for width in (4, 3))
    boxes[rows], squares[rows] = seen, np.hstack([centres, sides])
    states = np.full(len(masks), State.GONE)
    states[rows], states[rows[is_slow]], states[rows[is_cut]] = State.WALKING, State.STANDING, State.CUT
    bouts = find_bouts(states, [rows], frame_rate_hz)
    return Walk(0, boxes, squares, states, bouts, lambda row: _cut_out(masks[row], boxes[row]))


def _cut_out(mask: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return the part of a mask in a box, with room for thin limbs around it."""
    x, y = np.arange(mask.shape[1]), np.arange(mask.shape[0])[:, None]
    middle, half = box[:2] + box[2:] / 2, box[2:] / 2 + _MARGIN * box[3]
    return mask * ((np.abs(x - middle[0]) <= half[0]) & (np.abs(y - middle[1]) <= half[1]))


def measure_shapes(masks: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Measure the walker's silhouette in each frame.

    `masks` and `boxes` are those of `WalkerTrack`; where a box is NaN, nothing is measured. Returns an
    ndarray of shape (num_frames, 12), float32: columns as in `SHAPE_NAMES`, NaN for what is not known.
    """
    shapes = np.full((len(masks), len(SHAPE_NAMES)), np.nan, np.float32)
    for place in np.flatnonzero(np.isfinite(boxes[:, 0])):
        points, height = cv2.findNonZero(masks[place]), boxes[place, 3]
        if points is None:
            continue
        x, y = points[:, 0].T.astype(float)
        top = np.sort(y)[: max(1, round(_TOP_AREA * height**2))].mean()
        bands = [x[(y >= top + first * height) & (y < top + last * height)] for first, last in _BANDS]
        low, middle, high = np.transpose(
            [np.percentile(band, (2, 50, 98)) if len(band) else [np.nan] * 3 for band in bands]
        )
        hull_area = cv2.contourArea(cv2.convexHull(points))
        shapes[place] = len(x), hull_area, top, x.mean(), y.mean(), *middle, *(high - low)[1:]
    return shapes
