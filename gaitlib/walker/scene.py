"""What the film adds to the scene: cuts between shots, and bars or frames around the picture."""

import cv2
import numpy as np
from scipy.ndimage import median_filter

# Frames of one shot are alike, lighter or darker; a loop's first frame is like one seen before.
_THUMB_PX, _MIN_LIKENESS, _SEEN_LIKENESS, _MIN_CHANGE = 32, 0.65, 0.95, 6.0
_MAX_SEEN = 900
# Bars: darkest grey levels; share of the picture's detail, or of its flicker, that fill or frame may have.
_BLACK, _MAX_DETAIL, _MAX_FLICKER = 28.0, 0.35, 0.2
# The edge of a bar is straight: share of its length, grey levels.
_MIN_EDGE_SHARE, _MIN_STEP, _MIN_BAR = 0.3, 5.0, 0.02


class ShotFinder:
    """Tells shots apart, across the chunks of a video."""

    def __init__(self) -> None:
        self._seen = np.zeros((0, _THUMB_PX * _THUMB_PX * 3), np.float32)
        self._shots, self._num_shots = np.zeros(0, int), 1

    def find(self, frames: np.ndarray) -> np.ndarray:
        """Return the number of the shot of each RGB frame, ndarray of shape (num_frames,), int.

        A shot that comes back, and a loop that begins again, keep their number.
        """
        size, num_seen = (_THUMB_PX, _THUMB_PX), len(self._seen)
        thumbs = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA).ravel() for frame in frames]
        flat = np.array(thumbs, np.float32)
        flat = np.concatenate([self._seen, flat - flat.mean(axis=1, keepdims=True)])
        alike = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
        likeness = (alike[1:] * alike[:-1]).sum(axis=1)
        change = np.abs(np.diff(flat, axis=0)).mean(axis=1)
        # A camera that swings round changes every frame.
        is_cut = (likeness < _MIN_LIKENESS) & (
            change > _MIN_CHANGE + 2 * median_filter(change, 9, mode="nearest")
        )
        shots = np.concatenate([self._shots, np.zeros(len(frames), int)])
        for row in range(num_seen, len(flat)):
            shots[row] = shots[row - 1] if row else 0
            if row and is_cut[row - 1]:
                before = alike[:row] @ alike[row]
                shots[row] = shots[before.argmax()] if before.max() >= _SEEN_LIKENESS else self._num_shots
                self._num_shots = max(self._num_shots, int(shots[row]) + 1)
        self._seen, self._shots = flat[-_MAX_SEEN:], shots[-_MAX_SEEN:]
        return shots[num_seen:]


def find_view(frames: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the picture in RGB frames: bars and blurred fill are none."""
    chosen = frames[np.linspace(0, len(frames) - 1, min(len(frames), 12)).astype(int)]
    grey = np.array([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in chosen], np.float32)
    top, bottom = _inner(grey)
    left, right = _inner(grey[:, top:bottom].swapaxes(1, 2))
    return left, top, right, bottom


def _inner(grey: np.ndarray) -> tuple[int, int]:
    """Return the first row of the picture, and the first row after it."""
    size = grey.shape[1]
    edge = np.abs(np.diff(grey, axis=1)).mean(axis=0)
    is_edge = (edge > _MIN_STEP).mean(axis=1) >= _MIN_EDGE_SHARE
    level, spread = grey.mean(axis=(0, 2)), grey.std(axis=2).mean(axis=0)
    detail = np.abs(np.diff(grey, axis=2)).mean(axis=(0, 2))
    flicker = np.abs(np.diff(grey, axis=0)).mean(axis=(0, 2)) if len(grey) > 1 else np.zeros(size)
    middle = slice(size // 4, size - size // 4)
    black = (level < _BLACK) & (spread < 4)
    plain = spread < 2
    soft = detail < _MAX_DETAIL * np.median(detail[middle])
    still = flicker < _MAX_FLICKER * np.median(flicker[middle])
    ends = [(_bar(black, is_edge), _bar(black[::-1], is_edge[::-1]))]
    for fill in (plain, soft, still):
        bars = _bar(fill, is_edge), _bar(fill[::-1], is_edge[::-1])
        if min(bars) and abs(bars[0] - bars[1]) <= max(2, 0.03 * size):
            ends.append(bars)
    first, last = np.max(ends, axis=0)
    return (int(first), int(size - last)) if first + last < 0.8 * size else (0, size)


def _bar(is_fill: np.ndarray, is_edge: np.ndarray) -> int:
    """Return how many rows from the border on are fill and end in a straight edge; 0 for none."""
    width = int(np.argmin(np.append(is_fill, False)))
    places = np.flatnonzero(is_edge[max(0, width - 3) : width + 3]) + max(0, width - 3)
    return int(places[-1]) + 1 if width >= _MIN_BAR * len(is_fill) and len(places) else 0
