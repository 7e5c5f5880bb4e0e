"""Walking bouts in order of time, without footage that repeats itself.

Some published clips are one second, played eight times. A loop is told from a steady walk by its frames:
those of a loop are the same but for the codec's noise, those of two steps of a person never are.
"""

from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
from scipy.ndimage import binary_opening, median_filter, uniform_filter1d

# One step of a slow walker.
MIN_BOUT_SECONDS = 0.8
# A frame repeats an earlier one if both differ by less than this share of what a frame step brings: measured
# 0 to 0.04 for loops, 0.08 and up for walks; between frames, 0 to 0.2 for loops, 8 and up for others.
_MAX_RATIO, _MAX_RATIO_BETWEEN = 0.06, 0.5
# Below this mean square nothing moves, and standing still is no loop.
_MIN_STEP_POWER, _MIN_REPEAT_SECONDS, _MIN_PERIOD_SECONDS = 0.02, 0.85, 0.3
# Long videos are looked through for ten minutes at 15 Hz, for repeats within one.
_MAX_ROWS, _MAX_PERIOD, _NUM_TRIED = 9000, 900, 12


@dataclass(frozen=True)
class Bout:
    """A walking bout: one person walks, without a break and without footage that came before.

    `number` counts in order of time and stands in the track's column `bout`; `last_row` is included;
    `distinct_seconds` is the length without repeats, `period_frames` one round of a loop, else 0. The way
    goes right across the picture and away from the camera, in sides of the walker's square.
    """

    number: int
    first_row: int
    last_row: int
    start_seconds: float
    end_seconds: float
    distinct_seconds: float
    period_frames: int
    person: int
    way_right: float
    way_away: float

    def __len__(self) -> int:
        return self.last_row + 1 - self.first_row

    @property
    def rows(self) -> np.ndarray:
        """The rows of the track, ndarray of shape (num_frames,), int."""
        return np.arange(self.first_row, self.last_row + 1)


def find_bouts(
    runs: np.ndarray, repeats: np.ndarray, period: float, frame_rate_hz: float
) -> list[np.ndarray]:
    """Return the rows of each walking bout, in order of time.

    `runs` numbers in each row the unbroken run of one person's walking, -1 for none; see `find_repeats` for
    the rest. A frame that repeats an earlier one is in no bout: of a loop, the round with most walking is.
    """
    is_new = ~repeats
    if period:
        rounds = (np.arange(len(runs)) / period).astype(int)
        is_new = rounds == np.bincount(rounds, runs >= 0).argmax()
    key = np.where(is_new, runs, -1)
    parts = np.split(np.arange(len(key)), np.flatnonzero(np.diff(key)) + 1)
    shortest = round(MIN_BOUT_SECONDS * frame_rate_hz)
    return [rows for rows in parts if len(rows) >= shortest and key[rows[0]] >= 0]


def find_repeats(thumbs: np.ndarray, frame_rate_hz: float) -> tuple[np.ndarray, float]:
    """Tell which frames repeat an earlier one, from small whole frames (num_frames, side, side), grey.

    Returns whether each frame does, (num_frames,), and the frames of one round where all of the video is a
    loop, not always a whole number; else 0.
    """
    repeats, loop = np.zeros(len(thumbs), bool), 0.0
    shortest, first = round(_MIN_REPEAT_SECONDS * frame_rate_hz), round(_MIN_PERIOD_SECONDS * frame_rate_hz)
    if len(thumbs) < 2 * shortest:
        return repeats, loop
    frames = np.stack([cv2.GaussianBlur(one, (0, 0), 0.6) for one in thumbs[:_MAX_ROWS].astype(np.float32)])
    step = _change(frames, 1)
    step = np.maximum(median_filter(np.concatenate([step[:1], step]), 9, mode="nearest"), 1e-6)
    coarse = frames[:, ::4, ::4].reshape(len(frames), -1)
    periods = np.arange(max(2, first), min(len(frames) - shortest, _MAX_PERIOD))
    unlike = [np.quantile(((coarse[late:] - coarse[:-late]) ** 2).mean(axis=1), 0.25) for late in periods]
    for period in np.sort(periods[np.argsort(unlike)[:_NUM_TRIED]]):
        ratio = uniform_filter1d(_change(frames, period), 5) / step[period:]
        same = binary_opening((step[period:] > _MIN_STEP_POWER) & (ratio < _MAX_RATIO), np.ones(shortest))
        repeats[period : len(frames)] |= same
        if not loop and same.mean() > 0.8:
            ratios = {part: _change(frames, part) / step[ceil(part) :] for part in (period / 3, period / 2)}
            fits = (part for part in ratios if part % 1 and np.median(ratios[part]) < _MAX_RATIO_BETWEEN)
            loop = float(next(fits, period))
            repeats[ceil(loop) : len(frames)] = True
    return repeats, loop


def _change(frames: np.ndarray, period: float) -> np.ndarray:
    """Return the mean square change from each frame to the one `period` later, without noise."""
    back = ceil(period)
    ahead = back - float(period)
    change = frames[back:] - (1 - ahead) * frames[:-back] - ahead * frames[1 : len(frames) + 1 - back]
    change -= np.median(change, axis=(1, 2), keepdims=True)
    noise = 1.4826 * np.median(np.abs(change), axis=(1, 2), keepdims=True)
    return (np.maximum(np.abs(change) - 3 * noise - 0.3, 0) ** 2).mean(axis=(1, 2))
