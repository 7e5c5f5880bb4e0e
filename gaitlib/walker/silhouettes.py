"""The second way to find walkers: what moves like a person before the empty scene, and its shape.

For point lights, drawn walkers and people too small for keypoints; the camera must stand still.
"""

from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
from scipy.ndimage import find_objects, median_filter
from scipy.optimize import linear_sum_assignment

from gaitlib.walker.walking import BODY_SHARE, State, View, Walk, find_bouts, path_speed, steady

# Grey levels by which a pixel must differ at least, more in noise; lamps that change less need no correction.
_MIN_DIFFERENCE, _MIN_LIGHT_CHANGE = 12, 1.5
# Frames the scene is learnt from; two so far apart show a walker's whole body displaced, even a slow one's.
_NUM_FRAMES_LEARNT, _MOTION_LAG_SECONDS = 40, 0.4
# Silhouettes fill 0.35 to 0.6 of their box, point lights about 0.15; the least share of the frame.
_SPARSE_FILL, _MIN_BLOB_SHARE = 0.31, 0.0008
# Where the camera moves, frames differ from any learnt scene in more than this share of 16 cells.
_MAX_CELLS_SHARE = 0.65
# Differences, in thresholds, between which a pixel goes from scene to body.
_SOFT_RANGE = 0.4, 1.9
# Slower than this, in body heights a second, is standing; the slowest sad walks measured reach 0.25.
_MIN_SPEED, _MIN_HEIGHT_PX, _MIN_SECONDS, _EDGE_PX = 0.12, 24, 0.7, 2
# Upright people are taller than wide, also with arms swinging; cars and doors are not.
_ASPECT = 1.15, 7.0
# Somebody seen again within this time, no farther than this from where they were, is the same person.
_MAX_GAP_SECONDS, _MAX_JUMP_HEIGHTS, _OTHER = 0.7, 0.5, 1e3
# Smoothing over about two steps keeps the way and drops the swing.
_PATH_SECONDS, _SIZE_SECONDS = 1.2, 2.0
# Pixels: areas of silhouette and convex hull; top of the head; centre of mass; median column of four bands.
SHAPE_NAMES = (
    *("area", "hull_area", "top", "centre_x", "centre_y", "head_x", "shoulders_x", "hips_x", "legs_x"),
    *("shoulders_width", "hips_width", "legs_width"),
)
# In body heights: head, shoulders, hips and legs from the top of the head, shadows lie below; room around the
# box for thin limbs; mass of a row where the head begins: the mean of four places is finer than a pixel.
_BANDS = np.array([(0.0, 0.12), (0.14, 0.30), (0.40, 0.54), (0.56, 0.92)])
_MARGIN, _HEAD_LEVELS = 0.12, np.array([0.02, 0.03, 0.04, 0.05])


def find_silhouettes(frames: np.ndarray, frame_rate_hz: float, view: View) -> tuple[list[Walk], str]:
    """Return everybody in a chunk of grey frames who moves like a person, and why there is nobody.

    People are numbered by how much they walk; who is never seen beside another is taken for the same.
    """
    levelled, middle = level_light(frames), len(frames) // 2
    noise = np.median(cv2.absdiff(levelled[middle], levelled[max(0, middle - 1)])) / 0.6745 / np.sqrt(2)
    threshold = max(_MIN_DIFFERENCE, 4.5 * noise)
    frames = np.stack([cv2.GaussianBlur(frame, (3, 3), 0) for frame in levelled])
    scene = _learn_scene(frames, threshold, max(1, round(_MOTION_LAG_SECONDS * frame_rate_hz)))
    changes = [cv2.absdiff(frame, scene) for frame in frames]
    masks = [_clean(change, threshold) for change in changes]
    cells = [cv2.resize(mask, (4, 4), interpolation=cv2.INTER_AREA) > 8 for mask in masks]
    if np.median(np.mean(cells, axis=(1, 2))) >= _MAX_CELLS_SHARE:
        return [], "the camera moves, which only keypoints can follow"
    blobs = [_find_blobs(mask) for mask in masks]
    fills = [part[:, 4].max() for part in blobs if len(part)]
    if fills and np.median(fills) < _SPARSE_FILL:  # point lights lie farther apart
        blobs = [_find_blobs(mask, reach=2.0) for mask in masks]
    people = [_judge(track, changes, threshold, view, frame_rate_hz) for track in _link(blobs, frame_rate_hz)]
    walks: list[Walk] = []
    for walk in sorted(filter(None, people), key=lambda walk: -walk.amount):
        is_there = np.isfinite(walk.boxes[:, 0])
        others = {other.number for other in walks if np.isfinite(other.boxes[is_there, 0]).any()}
        walks.append(replace(walk, number=min({*range(len(walks) + 1)} - others)))
    return walks, "" if walks else "what moves is no person or too small"


def _learn_scene(frames: np.ndarray, threshold: float, lag: int) -> np.ndarray:
    """Return the empty scene: each pixel is the mean of the frames in which nothing moves there."""
    # A median fails on slow walkers in short videos, who cover a pixel for most of the time; a mean keeps a
    # ghost of who stands for a while: frames that differ from the median count only where they are the most.
    rows = range(0, len(frames), -(-len(frames) // _NUM_FRAMES_LEARNT))
    some = frames[rows.start : rows.stop : rows.step]
    is_still = np.ones(some.shape, np.uint8)
    for still, row in zip(is_still, rows, strict=True):
        for other in {max(0, row - lag), min(len(frames) - 1, row + lag)}:
            moving = _clean(cv2.absdiff(frames[row], frames[other]), threshold)
            for left, top, width, height in _find_blobs(moving)[:, :4].astype(int):
                edge = 2 + height // 20
                box = left - edge, top - edge, width + 2 * edge, height + 2 * edge
                cv2.rectangle(still, box, color=0, thickness=cv2.FILLED)
    median = np.median(some, axis=0).astype(np.uint8)
    agrees = is_still & (np.abs(some - median.astype(np.float32)) < 2 * threshold)
    use = np.where(agrees.sum(axis=0) >= 0.5 * is_still.sum(axis=0), agrees, is_still)
    mean = np.einsum("fhw,fhw->hw", some, use, dtype=np.float32) / np.maximum(use.sum(axis=0), 1)
    return np.where(use.sum(axis=0) >= 2, mean.round(), median).astype(np.uint8)


def level_light(frames: np.ndarray) -> list[np.ndarray]:
    """Give each grey frame the gain that most of its pixels need to be as usual: lamps flicker."""
    small = frames[:, ::8, ::8].reshape(len(frames), -1).astype(np.float32)
    usual, levelled = np.median(small, axis=0), list(frames)
    for row, now in enumerate(small):
        is_known = (np.minimum(now, usual) > 2) & (np.maximum(now, usual) < 250)
        gain = np.median(usual[is_known] / now[is_known]) if is_known.sum() > 50 else 1.0
        if abs(gain - 1) * now.mean() > _MIN_LIGHT_CHANGE:
            levelled[row] = cv2.convertScaleAbs(frames[row], alpha=gain)
    return levelled


def _clean(change: np.ndarray, threshold: float) -> np.ndarray:
    """Return where a picture changes by more than the threshold, without specks; 0 and 255, uint8."""
    _, mask = cv2.threshold(change, threshold, 255, cv2.THRESH_BINARY)
    # Opening by 2 x 2 with one anchor for both steps would move the mask by a pixel, right and down.
    small = np.ones((2, 2), np.uint8)
    mask = cv2.dilate(cv2.erode(mask, small, anchor=(1, 1)), small, anchor=(0, 0))
    return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))


def _draw(change: np.ndarray, threshold: float, square: np.ndarray) -> np.ndarray:
    """Return the walker within the square, uint8, 0 to 255: limbs that resemble the scene are faint."""
    near = cv2.dilate(_clean(change, threshold), np.ones((11, 11), np.uint8)) > 0
    soft = np.interp(change, np.multiply(_SOFT_RANGE, threshold), (0, 255))
    x, y = np.arange(change.shape[1]), np.arange(change.shape[0])[:, None]
    is_inside = np.maximum(np.abs(x - square[0]), np.abs(y - square[1])) <= square[2] / 2
    return (soft * (near & is_inside)).astype(np.uint8)


def _find_blobs(mask: np.ndarray, reach: float = 1.0) -> np.ndarray:
    """Return left, top, width, height and filled share of the blobs that may be a person, (num_blobs, 5)."""
    # Parts that lie close are taken as one, more so up and down than sideways: neighbours stay apart.
    size = [max(3, round(share * reach * mask.shape[0])) | 1 for share in (0.10, 0.045)]
    labels, boxes = cv2.connectedComponents(cv2.dilate(mask, np.ones(size, np.uint8)))[1], []
    labels[mask == 0] = 0
    for label, where in enumerate(find_objects(labels), 1):
        places = np.argwhere(labels[where] == label)
        if len(places) >= _MIN_BLOB_SHARE * mask.size:
            (top, left), (bottom, right) = np.percentile(places, [0.5, 99.5], axis=0, method="nearest")
            width, height = right - left + 1, bottom - top + 1
            fill = len(places) / (width * height)
            boxes.append((left + where[1].start, top + where[0].start, width, height, fill))
    return np.array(boxes, float).reshape(-1, 5)


def _link(blobs: list[np.ndarray], frame_rate_hz: float) -> list[pd.DataFrame]:
    """Join blobs of consecutive frames to people: a box a frame, gaps closed; the index is the frame."""
    tracks: list[dict[int, np.ndarray]] = []
    for row, boxes in enumerate(blobs):
        active = [track for track in tracks if row - max(track) <= _MAX_GAP_SECONDS * frame_rate_hz]
        known = np.array([track[max(track)] for track in active]).reshape(-1, 1, 5)
        gaps = row - np.array([[max(track)] for track in active]).reshape(-1, 1)
        centres, others = (each[..., :2] + each[..., 2:4] / 2 for each in (known, boxes))
        distance = np.linalg.norm(centres - others, axis=-1) / known[..., 3]
        growth = np.abs(np.log(boxes[:, 3] / known[..., 3]))
        is_other = (distance > _MAX_JUMP_HEIGHTS * (1 + 0.1 * gaps)) | (growth > np.log(2))
        cost = np.where(is_other, _OTHER, distance + 0.5 * growth)
        pairs = zip(*linear_sum_assignment(cost), strict=True)
        found = {int(place): active[one] for one, place in pairs if cost[one, place] < _OTHER}
        for place, box in enumerate(boxes):
            if place not in found:
                tracks.append(found.setdefault(place, {}))
            found[place][row] = box
    tables = [pd.DataFrame.from_dict(track, orient="index").iloc[:, :4] for track in tracks]
    return [each.reindex(range(each.index[0], each.index[-1] + 1)).interpolate() for each in tables]


def _judge(
    track: pd.DataFrame, changes: list[np.ndarray], threshold: float, view: View, frame_rate_hz: float
) -> Walk | None:
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
    boxes, squares = (np.full((len(changes), width), np.nan, np.float32) for width in (4, 3))
    boxes[rows], squares[rows] = seen, np.hstack([centres, sides])
    states = np.full(len(changes), State.GONE)
    states[rows], states[rows[is_slow]], states[rows[is_cut]] = State.WALKING, State.STANDING, State.CUT
    bouts = find_bouts(states, [rows], frame_rate_hz)
    return Walk(0, boxes, squares, states, bouts, lambda row: _draw(changes[row], threshold, squares[row]))


def measure_shapes(masks: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Measure the walker's silhouette in each frame.

    `masks` and `boxes` are those of `WalkerTrack`; where a box is NaN, nothing is measured. Returns an
    ndarray of shape (num_frames, 12), float32: columns as in `SHAPE_NAMES`, NaN for what is not known.
    """
    shapes = np.full((len(masks), len(SHAPE_NAMES)), np.nan, np.float32)
    for place in np.flatnonzero(np.isfinite(boxes[:, 0])):
        left, top, width, height = map(float, boxes[place])
        row, column = (max(0, int(edge - _MARGIN * height)) for edge in (top, left))
        right, bottom = int(np.ceil(left + width + _MARGIN * height)), int(top + height) + 1
        part = masks[place, row:bottom, column:right].astype(np.float32) / 255
        by_row, by_column, area = part.sum(axis=1), part.sum(axis=0), float(part.sum())
        if area < 1:
            continue
        points = cv2.findNonZero((part > 0.5).astype(np.uint8))
        hull_area = np.nan if points is None else cv2.contourArea(cv2.convexHull(points))
        head = _head_row(by_row, height)
        middles, widths = np.transpose([_band(part, *(head + band * height)) for band in _BANDS])
        centre = by_column @ np.arange(len(by_column)) / area, by_row @ np.arange(len(by_row)) / area
        places = row + head, column + centre[0], row + centre[1], *(column + middles)
        shapes[place] = area, hull_area, *places, *widths[1:]
    return shapes


def _head_row(by_row: np.ndarray, height: float) -> float:
    """Return where the head begins, between two rows, from the mass of each row."""
    rows = np.argmax(by_row >= _HEAD_LEVELS[:, None] * height, axis=1)
    rise = by_row[rows] - np.where(rows > 0, by_row[rows - 1], 0)
    beyond = (by_row[rows] - _HEAD_LEVELS * height) / np.maximum(rise, 1e-9) * (rise > 0)
    return float(np.mean(rows - beyond))


def _band(part: np.ndarray, first: float, last: float) -> tuple[float, float]:
    """Return the median column of the mass between two rows, and the width of 96 % of it."""
    by_column = part[max(0, round(first)) : max(1, round(last))].sum(axis=0)
    mass = np.concatenate([[0.0], np.cumsum(by_column)])
    if mass[-1] < 1:
        return np.nan, np.nan
    low, middle, high = np.interp(np.array([0.02, 0.5, 0.98]) * mass[-1], mass, np.arange(len(mass)) - 0.5)
    return middle, high - low
