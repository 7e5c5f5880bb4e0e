"""Find footage that repeats itself: some published clips are one second, played eight times.

A loop is told from a steady walk by its pictures: those of a loop are the same but for the codec's
noise, those of two steps of a person never are.
"""

import cv2
import numpy as np
from scipy.ndimage import binary_opening, median_filter, uniform_filter1d
from threadpoolctl import threadpool_limits

from gaitlib.config import RunConfig
from gaitlib.prepared import PreparedVideo

# A picture repeats an earlier one if the two differ by less than this share of what one picture step
# brings. Loops measured 0 to 0.04, the real walks 0.2 and up, a walk drawn on the spot 0.08 and up.
MAX_REPEAT_RATIO = 0.06
MIN_REPEAT_SECONDS = 0.85
MIN_PERIOD_SECONDS = 0.3
# Below this mean square nothing moves, and standing still is no loop.
MIN_STEP_POWER = 0.02
NUM_PERIODS_TRIED = 12
# Long videos are not looked through in full: time and memory stay small.
MAX_ROWS, MAX_PERIOD_ROWS, NUM_ROWS_ASKED = 9000, 1500, 1500
NUM_ASKED_AT_ONCE = 64


def distinct_seconds(video: PreparedVideo) -> float:
    """Return how many seconds of a video repeat nothing that came before in it."""
    return float((~video.repeats).sum() / video.rate_hz)


def distinct_starts(video: PreparedVideo, starts: np.ndarray, config: RunConfig) -> np.ndarray:
    """Keep the clips that hold no picture which repeats an earlier one, so that nothing counts twice.

    Parameters
    ----------
    video : PreparedVideo
    starts : ndarray of shape (num_clips,), int
        First stored picture of each clip.
    config : RunConfig

    Returns
    -------
    ndarray of shape (num_kept,), int
        Clips across the seam of a loop, where the walker jumps back, are dropped too.
    """
    stored = video.rows["segment"] >= 0
    # Stored pictures are numbered in the order of the track's rows.
    before = np.concatenate([[0], np.cumsum(video.repeats[stored])])
    starts = np.asarray(starts, int)
    return starts[before[starts + config.num_frames] == before[starts]]


def why_looped(video: PreparedVideo, config: RunConfig) -> str:
    """Say why a video whose clips all repeat something gives none, empty if nothing repeats.

    Examples
    --------
    >>> why_looped(video, config)  # doctest: +SKIP
    '1.0 s of footage repeated 8 times: a clip needs 2.0 s of walking without a repeat.'
    """
    if not video.repeats.any():
        return ""
    distinct, whole = distinct_seconds(video), len(video.rows) / video.rate_hz
    times = round(whole / distinct)
    what = f"{distinct:.1f} s of footage repeated {times} times"
    if times < 2:
        what = f"{whole - distinct:.1f} s of {whole:.1f} s repeat what came before"
    needed = config.num_frames / config.frame_rate_hz
    return f"{what}: a clip needs {needed:.1f} s of walking without a repeat."


def repeated_rows(video: PreparedVideo) -> np.ndarray:
    """Say for each row of the track whether its picture repeats an earlier one.

    Returns
    -------
    ndarray of shape (num_rows,), bool

    Notes
    -----
    A stretch of 0.85 s and more must repeat at one delay of at most 100 s, within the first 10 minutes.
    Loops at strong compression, or of a period that is no whole number of pictures at the rate looked
    at, may be missed.
    """
    rate_hz = video.rate_hz
    shortest = round(MIN_REPEAT_SECONDS * rate_hz)
    is_repeated = np.zeros(len(video.rows), bool)
    if len(is_repeated) < 2 * shortest:
        return is_repeated
    thumbs = video.thumbs[:MAX_ROWS].astype(np.float32)
    pictures = np.stack([cv2.GaussianBlur(thumb, (0, 0), 0.6) for thumb in thumbs])
    step = _change(pictures, 1)
    step = median_filter(np.concatenate([step[:1], step]), 9, mode="nearest")
    for period in _likely_periods(pictures, max(2, round(MIN_PERIOD_SECONDS * rate_hz))):
        change = uniform_filter1d(_change(pictures, period), 5)
        is_same = (step[period:] > MIN_STEP_POWER) & (change < MAX_REPEAT_RATIO * step[period:])
        is_repeated[period : len(pictures)] |= binary_opening(is_same, np.ones(shortest))
    return is_repeated


def _change(pictures: np.ndarray, period: int) -> np.ndarray:
    """Return the mean square change from each picture to the one `period` later, without noise."""
    change = pictures[period:] - pictures[:-period]
    change -= np.median(change, axis=(1, 2), keepdims=True)
    noise = 1.4826 * np.median(np.abs(change), axis=(1, 2), keepdims=True)
    return (np.maximum(np.abs(change) - 3 * noise - 0.3, 0) ** 2).mean(axis=(1, 2))


def _likely_periods(pictures: np.ndarray, min_period: int) -> list[int]:
    """Return the commonest delays between a picture and the earlier one most like it."""
    flat = pictures.reshape(len(pictures), -1)
    flat = flat - flat.mean(axis=0)
    power = (flat**2).sum(axis=1)
    asked = np.arange(min_period, len(flat), max(1, len(flat) // NUM_ROWS_ASKED))
    nearest = [np.zeros(0, int)]
    for first in range(0, len(asked), NUM_ASKED_AT_ONCE):  # one product of matrices for many rows
        numbers = asked[first : first + NUM_ASKED_AT_ONCE]
        earlier = np.arange(max(0, numbers[0] - MAX_PERIOD_ROWS), numbers[-1] - min_period + 1)
        with threadpool_limits(1, user_api="blas"):  # other workers have the other cores
            distance = power[earlier] - 2 * flat[numbers] @ flat[earlier[0] : earlier[-1] + 1].T
        delay = numbers[:, None] - earlier
        distance[(delay < min_period) | (delay > MAX_PERIOD_ROWS)] = np.inf
        nearest.append(numbers - earlier[distance.argmin(axis=1)])
    periods, counts = np.unique(np.concatenate(nearest), return_counts=True)
    order = np.argsort(-counts, kind="stable")[:NUM_PERIODS_TRIED]
    return [int(periods[place]) for place in order if counts[place] >= 3]
