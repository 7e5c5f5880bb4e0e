"""The second way to find the walker: what moves like a person before a learnt background.

For point lights, drawn walkers and people too small for keypoints; the camera must stand still.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import binary_closing, binary_opening, median_filter
from scipy.optimize import linear_sum_assignment
from scipy.signal import savgol_filter

from gaitlib.walker.background import learn_background, level_light
from gaitlib.walker.scene import find_view
from gaitlib.walker.track import WalkerTrack

# Share of the square's side that the body fills: room for a wide stride and swinging arms.
BODY_SHARE = 0.8
# Slower than this, in body heights a second, is standing; the slowest sad walks measured reach 0.25.
_MIN_SPEED = 0.12
_MIN_HEIGHT_PX, _MIN_SECONDS, _EDGE_PX = 24, 0.7, 2
# Upright people are taller than wide, also with arms swinging; cars and doors are not.
_ASPECT = (1.15, 7.0)
# Somebody seen again within this time, near where they would be by now, is the same person.
_MAX_GAP_SECONDS, _MAX_JUMP_HEIGHTS, _OTHER = 0.7, 0.5, 1e3
# Smoothing over about two steps keeps the way and drops the swing.
_PATH_SECONDS, _SIZE_SECONDS = 1.2, 2.0
# Grey levels of upper and lower body within which two people look the same.
_SAME_LOOK = 12.0

View = tuple[int, int, int, int]


@dataclass(frozen=True)
class _Person:
    rows: np.ndarray
    boxes: np.ndarray
    squares: np.ndarray
    is_walking: np.ndarray


def find_by_silhouette(
    frames: np.ndarray, frame_rate_hz: float, looks: list[np.ndarray] | None = None
) -> WalkerTrack:
    """Follow the person who walks most through a chunk of video.

    Parameters
    ----------
    frames : ndarray of shape (num_frames, height, width), uint8, grey
    frame_rate_hz : float
    looks : list of ndarray, optional
        How the people of earlier chunks look, by their numbers; new people are added to it.

    Returns
    -------
    WalkerTrack
        With `masks`; `method` is "background", or "nobody" where nobody walks in full view.
    """
    frames, looks = level_light(frames), [] if looks is None else looks
    background = learn_background(frames, frame_rate_hz)
    boxes, squares = (np.full((len(frames), width), np.nan, np.float32) for width in (4, 3))
    bouts, number = np.full((2, len(frames)), -1, np.int32)
    masks = np.zeros(frames.shape, np.uint8)
    track = WalkerTrack(boxes, squares, bouts, number, 0, "nobody", masks=masks)
    if not background.is_still:
        return replace(track, reason="the camera moves, which only keypoints can follow")
    chosen = frames[np.linspace(0, len(frames) - 1, min(len(frames), 12)).astype(int)]
    view = find_view(chosen[..., None].repeat(3, axis=3))
    linked = _link(map(background.blobs, frames), frame_rate_hz)
    people = [person for part in linked if (person := _judge(*part, view, frame_rate_hz)) is not None]
    for person in sorted(people, key=lambda person: -person.squares[person.is_walking, 2].sum()):
        is_free, rows = number[person.rows] < 0, person.rows
        if not person.is_walking.any() or is_free.mean() < 0.8:
            continue
        is_walking = person.is_walking & is_free
        for place in np.flatnonzero(is_walking):
            mask = background.silhouette(frames[rows[place]], person.boxes[place], person.squares[place])
            masks[rows[place]] = mask
            is_walking[place] = not _is_cut_below(mask[: view[3]], person.boxes[place])
        is_walking &= lasting(is_walking, frame_rate_hz)
        boxes[rows[is_free]], squares[rows[is_free]] = (
            person.boxes[is_free],
            person.squares[is_free],
        )
        if is_walking.any():
            look = _look(frames, masks, rows[is_walking], person.boxes[is_walking])
            number[rows[is_free]], bouts[rows[is_walking]] = _recognise(look, looks), 0
    begins = np.diff(np.where(bouts >= 0, number, -1), prepend=-1) != 0
    bouts[bouts >= 0] = np.cumsum(begins & (bouts >= 0))[bouts >= 0] - 1
    track = replace(track, num_people=_count_people(people, len(frames)))
    if (bouts >= 0).any():
        return replace(track, method="background")
    reason = (
        "what moves is no person or too small"
        if not people
        else "a person is there, but stands or is cut off"
    )
    return replace(track, reason=reason)


def _link(boxes_by_frame: Iterable[np.ndarray], frame_rate_hz: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Join boxes of consecutive frames to people; return rows without gaps and boxes between them."""
    tracks: list[list[tuple[int, np.ndarray]]] = []
    for row, boxes in enumerate(boxes_by_frame):
        active = [track for track in tracks if row - track[-1][0] <= _MAX_GAP_SECONDS * frame_rate_hz]
        cost = np.array([[_mismatch(track, row, box) for box in boxes] for track in active])
        pairs = zip(*linear_sum_assignment(cost), strict=True) if cost.size else ()
        known = {int(place): int(one) for one, place in pairs if cost[one, place] < _OTHER}
        for place, box in enumerate(boxes[:, :4]):
            if place in known:
                active[known[place]].append((row, box))
            else:
                tracks.append([(row, box)])
    linked = []
    for track in tracks:
        seen, boxes = (np.array(part) for part in zip(*track, strict=True))
        rows = np.arange(seen[0], seen[-1] + 1)
        linked.append((rows, np.stack([np.interp(rows, seen, column) for column in boxes.T], axis=1)))
    return linked


def _mismatch(track: list[tuple[int, np.ndarray]], row: int, box: np.ndarray) -> float:
    """Return the distance in body heights from where somebody should be, plus the change of size."""
    recent = np.array([(known, *(last[:2] + last[2:] / 2), last[3]) for known, last in track[-6:]])
    gap, moved = row - recent[-1, 0], recent[-1] - recent[0]
    expected = recent[-1, 1:3] + moved[1:3] * gap / max(moved[0], 1)
    distance = float(np.linalg.norm(box[:2] + box[2:4] / 2 - expected)) / recent[-1, 3]
    growth = abs(np.log(box[3] / recent[-1, 3]))
    is_other = distance > _MAX_JUMP_HEIGHTS * (1 + 0.1 * gap) or growth > np.log(2)
    return _OTHER if is_other else distance + 0.5 * growth


def _judge(rows: np.ndarray, boxes: np.ndarray, view: View, frame_rate_hz: float) -> _Person | None:
    """Return a track as a person with a verdict for each frame, None if it is no person."""
    height, aspect = np.median(boxes[:, 3]), np.median(boxes[:, 3] / np.maximum(boxes[:, 2], 1))
    is_short = len(rows) < _MIN_SECONDS * frame_rate_hz or height < _MIN_HEIGHT_PX
    if is_short or not _ASPECT[0] <= aspect <= _ASPECT[1]:
        return None
    x, y = (_steady(boxes[:, n] + boxes[:, n + 2] / 2, _PATH_SECONDS * frame_rate_hz, 2) for n in (0, 1))
    body = np.maximum(_steady(boxes[:, 3], _SIZE_SECONDS * frame_rate_hz, 1), 1)
    squares = np.stack([x, y, body / BODY_SHARE], axis=1)
    is_in_view = (boxes[:, 0] >= view[0] + _EDGE_PX) & (boxes[:, 0] + boxes[:, 2] <= view[2] - _EDGE_PX)
    is_walking = lasting(path_speed(squares, frame_rate_hz) >= _MIN_SPEED, frame_rate_hz)
    return _Person(rows, boxes, squares, is_in_view & is_walking)


def path_speed(squares: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Return the speed of steady squares (centre x, centre y, side) in body heights a second.

    Somebody who walks towards the camera grows instead of moving; the growth is counted as if the camera
    stood about four body heights away.
    """
    if len(squares) < 2:
        return np.zeros(len(squares))
    way = np.gradient(np.column_stack([squares[:, :2], np.log(squares[:, 2])]), axis=0) * frame_rate_hz
    return np.hypot(np.hypot(way[:, 0], way[:, 1]) / squares[:, 2] / BODY_SHARE, 4 * way[:, 2])


def _steady(values: np.ndarray, window: float, order: int) -> np.ndarray:
    size = min(2 * (int(window) // 2) + 1, len(values) - 1 + len(values) % 2)
    if size <= order + 1:
        return np.full(len(values), np.median(values)) if order < 2 else values.astype(float)
    return savgol_filter(median_filter(values.astype(float), size=5, mode="nearest"), size, order)


def lasting(flags: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Close gaps and drop stretches shorter than a step or so."""
    size = max(3, round(_MIN_SECONDS * frame_rate_hz)) | 1
    closed = binary_closing(np.pad(flags, size, mode="edge"), np.ones(size))
    return binary_opening(closed, np.ones(size))[size:-size]


def _count_people(people: list[_Person], num_frames: int) -> int:
    """Count who is seen together for a while, without what is far smaller than the rest."""
    tallest = max((np.median(person.squares[:, 2]) for person in people), default=0.0)
    present = np.zeros(num_frames, int)
    for person in people:
        present[person.rows] += np.median(person.squares[:, 2]) >= 0.35 * tallest
    return int(np.sort(present)[::-1][min(12, num_frames - 1)]) or int(present.any())


def _is_cut_below(mask: np.ndarray, box: np.ndarray) -> bool:
    """Tell whether the view ends above the feet: legs differ much at its edge, a reflection does not."""
    edge = mask[-_EDGE_PX:, max(0, int(box[0])) : int(box[0] + box[2]) + 1].min(axis=0) == 255
    return bool(box[1] + box[3] >= len(mask) - 0.05 * box[3] and edge.mean() >= 0.1)


def _look(frames: np.ndarray, masks: np.ndarray, rows: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the usual grey of somebody's upper and lower body, shape (2,)."""
    looks = []
    for place in np.linspace(0, len(rows) - 1, min(len(rows), 9)).astype(int):
        left, top, width, height = np.maximum(boxes[place], 0).astype(int)
        where = np.s_[rows[place], top : top + height, left : left + width]
        halves = zip(*(np.array_split(picture[where], 2) for picture in (frames, masks)), strict=True)
        looks.append(
            np.array([np.median(half[mask > 128]) if (mask > 128).any() else 0 for half, mask in halves])
        )
    return np.median(looks, axis=0)


def _recognise(look: np.ndarray, looks: list[np.ndarray]) -> int:
    """Return the number of who looks like this; somebody new gets the next one."""
    distances = [float(np.abs(look - known).max()) for known in looks]
    if distances and min(distances) < _SAME_LOOK:
        return int(np.argmin(distances))
    looks.append(look)
    return len(looks) - 1
