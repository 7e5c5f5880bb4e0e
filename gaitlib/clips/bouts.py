"""Walking bouts of a video in order of time, and the clips that are cut from them."""

from functools import lru_cache

import numpy as np

from gaitlib.clips.prepared import Bout, PreparedVideo
from gaitlib.config import RunConfig

# One step of a slow walker; a walk is continued from where it was a stride ago, of a fast walker at least.
MIN_BOUT_SECONDS, _MIN_ROUND_SECONDS = 0.8, 0.7


def find_bouts(
    runs: np.ndarray, person: np.ndarray, repeats: np.ndarray, period: float, frame_rate_hz: float
) -> list[np.ndarray]:
    """Return the rows of each walking bout, in order of time.

    A frame that repeats an earlier one is in no bout: of a loop, the round with most walking is.

    Parameters
    ----------
    runs, person : ndarray of shape (num_rows,), int
        Unbroken runs of walking and who walks, -1 for none.
    repeats : ndarray of shape (num_rows,), bool
    period : float
        See `find_repeats`.
    frame_rate_hz : float
    """
    is_new = runs >= 0
    if period:
        rounds = (np.arange(len(runs)) / period).astype(int)
        is_new &= rounds == np.bincount(rounds, is_new).argmax()
    else:
        is_new &= ~repeats
    key = np.where(is_new, runs * (person.max(initial=0) + 1) + person, -1)
    parts = np.split(np.arange(len(key)), np.flatnonzero(np.diff(key)) + 1)
    shortest = round(MIN_BOUT_SECONDS * frame_rate_hz)
    return [rows for rows in parts if len(rows) >= shortest and key[rows[0]] >= 0]


def find_clips(video: PreparedVideo, config: RunConfig) -> np.ndarray:
    """Return the rows of each clip of a video, thinned out evenly to the cap.

    Clips come from the person who walks most. Where no bout is as long as a clip, each bout is one clip,
    continued by itself from the matching phase.

    Returns
    -------
    ndarray of shape (num_clips, num_frames), int
    """
    length = config.num_frames
    own = [bout for bout in video.bouts if bout.person == video.meta["main_person"]]
    clips = [
        np.arange(first, first + length)
        for bout in own
        for first in range(bout.first_row, bout.last_row + 2 - length, config.clip_stride)
    ] or [walk_on(video, bout, length) for bout in own]
    places = np.linspace(0, len(clips) - 1, min(len(clips), config.max_clips_per_video)).round().astype(int)
    return np.array([clips[place] for place in places], int).reshape(-1, length)


def continuation_note(video: PreparedVideo, config: RunConfig) -> str:
    """Say that the clips of a video continue a short walk; empty where they do not."""
    longest = max((len(bout) for bout in video.bouts), default=0)
    if not 0 < longest < config.num_frames:
        return ""
    known, needed = (frames / config.frame_rate_hz for frames in (longest, config.num_frames))
    return f"{known:.1f} s of walking are continued by themselves to a clip of {needed:.1f} s."


def bout_of(video: PreparedVideo, row: int) -> Bout:
    """Return the bout that a row belongs to."""
    return next(bout for bout in video.bouts if bout.first_row <= row <= bout.last_row)


@lru_cache(4096)
def walk_on(video: PreparedVideo, bout: Bout, num_frames: int) -> np.ndarray:
    """Return the rows of a bout, `num_frames` at least: it goes on from where the walker moved alike."""
    rows = np.arange(bout.first_row, bout.last_row + 1)
    if len(rows) >= num_frames:
        return rows
    state = _states(video, rows)
    state = np.concatenate([state, 3 * np.gradient(state, axis=0)], axis=1)
    shortest = max(1, round(_MIN_ROUND_SECONDS * video.meta["frame_rate_hz"]))
    distance = ((state[: max(1, len(rows) - shortest)] - state[-1]) ** 2).sum(axis=1)
    again = rows[int(distance.argmin()) + 1 :]
    return np.concatenate([rows, np.resize(again, num_frames - len(rows))])


def _states(video: PreparedVideo, rows: np.ndarray) -> np.ndarray:
    """Describe the walker in each row by keypoints, or by the frame in small: one row each."""
    if video.meta["body"] == "keypoints":
        return video.sequence[rows].reshape(len(rows), -1)
    return video.read(rows)[:, ::4, ::4].reshape(len(rows), -1).astype(np.float32)
