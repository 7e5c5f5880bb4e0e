"""From boxes in single pictures to people over time."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import median_filter
from scipy.optimize import linear_sum_assignment
from scipy.signal import savgol_filter

# A person seen again within this time, near where they would be by now, is the same person.
MAX_GAP_SECONDS = 0.7
MAX_JUMP_HEIGHTS = 0.5
# Steps swing the body once a step; smoothing over about two steps keeps the path and drops the swing.
PATH_SECONDS = 1.2
SIZE_SECONDS = 2.0


@dataclass(eq=False)
class Track:
    """One person over time: picture numbers and boxes (left, top, width, height) in pixels."""

    frame_indices: list[int] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)

    def add(self, frame_index: int, box: np.ndarray) -> None:
        """Append the person's box in one picture."""
        self.frame_indices.append(frame_index)
        self.boxes.append(box)

    def expected_centre(self, frame_index: int) -> np.ndarray:
        """Return where the centre should be in a later picture if the person walks on."""
        centres = [_centre(box) for box in self.boxes[-6:]]
        steps = self.frame_indices[-1] - self.frame_indices[-len(centres)]
        velocity = (centres[-1] - centres[0]) / steps if steps else np.zeros(2)
        return centres[-1] + velocity * (frame_index - self.frame_indices[-1])

    def filled(self) -> tuple[np.ndarray, np.ndarray]:
        """Return picture numbers without gaps, shape (n,), and boxes of shape (n, 4) between them."""
        indices = np.arange(self.frame_indices[0], self.frame_indices[-1] + 1)
        boxes = np.array(self.boxes, float)
        columns = [np.interp(indices, self.frame_indices, boxes[:, column]) for column in range(4)]
        return indices, np.stack(columns, axis=1)


def link_boxes(
    boxes_by_frame: Sequence[np.ndarray], frame_rate_hz: float, frame_step: int = 1
) -> list[Track]:
    """Join boxes of consecutive pictures into tracks, nearest to the expected place first.

    Parameters
    ----------
    boxes_by_frame : sequence of ndarray of shape (num_boxes, 4 or more)
        Left, top, width, height in pixels, for each picture looked at.
    frame_rate_hz : float
        Pictures a second of the video.
    frame_step : int
        Pictures between two that were looked at.

    Returns
    -------
    list of Track
    """
    max_gap = max(MAX_GAP_SECONDS * frame_rate_hz, 2.5 * frame_step)
    finished: list[Track] = []
    active: list[Track] = []
    for number, boxes in enumerate(boxes_by_frame):
        frame_index = number * frame_step
        ended = [track for track in active if frame_index - track.frame_indices[-1] > max_gap]
        finished += ended
        active = [track for track in active if track not in ended]
        unmatched = _extend(active, boxes[:, :4], frame_index)
        for box in unmatched:
            active.append(Track([frame_index], [box]))
    return finished + active


def _extend(active: list[Track], boxes: np.ndarray, frame_index: int) -> list[np.ndarray]:
    """Add each box to the track that it continues best; return the boxes that continue none."""
    if not active or not len(boxes):
        return list(boxes)
    cost = np.array([[_mismatch(track, box, frame_index) for box in boxes] for track in active])
    rows, columns = linear_sum_assignment(np.minimum(cost, 1e3))
    taken = set()
    for row, column in zip(rows, columns, strict=True):
        if np.isfinite(cost[row, column]):
            active[row].add(frame_index, boxes[column])
            taken.add(int(column))
    return [box for column, box in enumerate(boxes) if column not in taken]


def _mismatch(track: Track, box: np.ndarray, frame_index: int) -> float:
    """Return the distance in body heights plus the change of size, infinite if not the same person."""
    last_height = track.boxes[-1][3]
    distance = np.linalg.norm(_centre(box) - track.expected_centre(frame_index)) / last_height
    growth = abs(np.log(box[3] / last_height))
    gap = frame_index - track.frame_indices[-1]
    if distance > MAX_JUMP_HEIGHTS * (1 + 0.1 * gap) or growth > np.log(2):
        return np.inf
    return float(distance + 0.5 * growth)


def _centre(box: np.ndarray) -> np.ndarray:
    return box[:2] + box[2:4] / 2


def smooth_path(boxes: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Smooth a track's boxes into a steady path.

    Parameters
    ----------
    boxes : ndarray of shape (num_frames, 4)
        Left, top, width, height in pixels, without gaps.
    frame_rate_hz : float

    Returns
    -------
    ndarray of shape (num_frames, 3)
        Centre right, centre down and body height, in pixels.
    """
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    path = [_smooth(column, PATH_SECONDS * frame_rate_hz, order=2) for column in centres.T]
    height = _smooth(boxes[:, 3], SIZE_SECONDS * frame_rate_hz, order=1)
    return np.stack([*path, np.maximum(height, 1.0)], axis=1)


def path_speed(path: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Return the speed along a smooth path in body heights a second, shape (num_frames,).

    Somebody who walks towards the camera grows instead of moving; the growth is counted as if the
    camera stood about four body heights away.
    """
    if len(path) < 2:
        return np.zeros(len(path))
    centre_speed = np.gradient(path[:, :2], axis=0) * frame_rate_hz / path[:, 2:]
    growth = np.gradient(np.log(path[:, 2])) * frame_rate_hz
    return np.hypot(np.linalg.norm(centre_speed, axis=1), 4 * growth)


def _smooth(values: np.ndarray, window: float, order: int) -> np.ndarray:
    size = 2 * (int(window) // 2) + 1
    size = min(size, len(values) - 1 + len(values) % 2)
    if size <= order + 1:
        return np.full(len(values), np.median(values)) if order < 2 else values.astype(float)
    steady = median_filter(values.astype(float), size=5, mode="nearest")
    return savgol_filter(steady, size, order, mode="interp")
