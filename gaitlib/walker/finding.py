"""Finds the walker in a video, chunk by chunk: by keypoints, or by silhouettes where the run says so."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.signal import savgol_filter

from gaitlib.config import Body
from gaitlib.walker.blazepose import PoseEstimator
from gaitlib.walker.keypoints import Keypoints
from gaitlib.walker.people import PeopleTracker, Person
from gaitlib.walker.scene import ShotFinder, find_view
from gaitlib.walker.silhouettes import BODY_SHARE, find_by_silhouette
from gaitlib.walker.smoothing import smooth, unbroken_runs
from gaitlib.walker.track import WalkerTrack
from gaitlib.walker.walking import find_bouts, judge_frames, level, reason_of

if TYPE_CHECKING:
    from gaitlib.video import FrameChunk

# Crown above the eyes, in body heights; the square follows the way over two steps, not the swing.
_CROWN_HEIGHTS, _PATH_SECONDS = 0.07, 1.2
_CUT_NOTE = "The film cuts from one shot to another: each walking bout lies within one."
_BARS_NOTE = "Bars, blurred fill or a frame surround the picture: a body that they cut off counts as cut off."


class WalkerFinder:
    """Follows the main walker through a video; people keep their numbers from chunk to chunk.

    Parameters
    ----------
    body : {"keypoints", "silhouette"}
    frame_rate_hz : float
    full_size_px : tuple of int
        Width and height of the upright video; keypoints are given in its pixels.
    with_masks : bool
        Whether silhouettes are wanted beside keypoints.
    num_threads : int
        Threads of the networks.

    Raises
    ------
    InputError
        If keypoints are asked for and the model files are not there.
    """

    def __init__(
        self,
        body: Body,
        frame_rate_hz: float,
        full_size_px: tuple[int, int],
        with_masks: bool = False,
        num_threads: int = 1,
    ) -> None:
        self._rate, self._size_px, self._with_masks = frame_rate_hz, full_size_px, with_masks
        self._shots, self._looks = ShotFinder(), list[np.ndarray]()
        self._walked = dict[int, float]()
        self._tracker = None
        if body == "keypoints":
            self._tracker = PeopleTracker(PoseEstimator(num_threads), frame_rate_hz)

    def find(self, chunk: "FrameChunk") -> WalkerTrack:
        """Return where the walker is in each frame of a chunk; chunks come in order."""
        frames = chunk.frames
        if self._tracker is None:
            grey = frames if frames.ndim == 3 else [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in frames]
            return find_by_silhouette(np.asarray(grey), self._rate, self._looks)
        shots, view = self._shots.find(frames), find_view(frames)
        people = self._tracker.follow(frames, shots)
        scale = self._size_px[0] / frames.shape[2]
        view_px = tuple(edge * scale for edge in view)
        walks = [_judge(each, chunk.times_seconds, scale, self._size_px, view_px) for each in people]
        for walk in walks:
            self._walked[walk.number] = self._walked.get(walk.number, 0.0) + walk.amount
        walks.sort(key=lambda walk: -self._walked[walk.number])
        notes = [_CUT_NOTE] if np.diff(shots, prepend=0).any() else []
        if view != (0, 0, frames.shape[2], frames.shape[1]):
            notes.append(_BARS_NOTE)
        track = _join(walks, Keypoints.empty(chunk.times_seconds, self._size_px), scale, tuple(notes))
        if self._with_masks:
            track = replace(track, masks=_masks(track.person, people, frames.shape))
        return track


def why_nobody(track: WalkerTrack) -> str:
    """Return in one sentence why a track holds no walking bout, with what to do where that is known."""
    return f"nobody walks in full view: {track.reason or 'no person could be made out'}."


@dataclass(frozen=True)
class _Walk:
    """One person of a chunk, judged."""

    number: int
    keypoints: Keypoints
    states: np.ndarray
    bouts: list[np.ndarray]

    @property
    def amount(self) -> float:
        """How much walking there is, in how large a picture."""
        heights = np.ptp(self.keypoints.image_px[..., 1], axis=1)
        return float(sum(heights[rows].sum() for rows in self.bouts))


def _judge(
    person: Person,
    times_seconds: np.ndarray,
    scale: float,
    size_px: tuple[int, int],
    view_px: tuple[float, ...],
) -> _Walk:
    keypoints = Keypoints.empty(times_seconds, size_px)
    for row, pose in person.poses.items():
        keypoints.image_px[row], keypoints.world_m[row] = pose.image_px * scale, pose.world_m
        keypoints.visibility[row] = pose.visibility
    keypoints = smooth(keypoints)
    states = judge_frames(keypoints, view_px)
    bouts = find_bouts(states, keypoints)
    return _Walk(person.number, level(keypoints, bouts), states, bouts)


def _join(walks: list[_Walk], joined: Keypoints, scale: float, notes: tuple[str, ...]) -> WalkerTrack:
    """Follow, at each moment, the first of these people who walks, else the first who is there."""
    num_frames = len(joined)
    person, bouts = np.full(num_frames, -1, np.int32), np.full(num_frames, -1, np.int32)
    boxes, squares = (np.full((num_frames, columns), np.nan, np.float32) for columns in (4, 3))
    parts = [(walk, rows, True) for walk in walks for rows in walk.bouts]
    parts += [(walk, np.flatnonzero(walk.keypoints.is_found), False) for walk in walks]
    for number, (walk, rows, is_bout) in enumerate(parts):
        free = rows[person[rows] < 0]
        if is_bout and len(free) < len(rows):
            continue
        person[free], bouts[free] = walk.number, number if is_bout else -1
        body, path = _boxes(walk.keypoints)
        boxes[free], squares[free] = body[free] / scale, path[free] / scale
        for name in ("image_px", "world_m", "visibility"):
            getattr(joined, name)[free] = getattr(walk.keypoints, name)[free]
    together = np.sum([walk.keypoints.is_found for walk in walks], axis=0) if walks else np.zeros(1, int)
    is_walking = bouts >= 0
    begins = is_walking & (np.diff(bouts, prepend=-1) != 0)
    bouts[is_walking] = np.cumsum(begins)[is_walking] - 1
    method = "keypoints" if walks else "nobody"
    reason = "" if is_walking.any() else reason_of([walk.states for walk in walks])
    return WalkerTrack(
        boxes, squares, bouts, person, int(together.max()), method, notes, joined, reason=reason
    )


def _boxes(keypoints: Keypoints) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes (num_frames, 4) and steady squares (num_frames, 3) around a body, full-size pixels."""
    low, high = keypoints.image_px.min(axis=1), keypoints.image_px.max(axis=1)
    low[:, 1] -= _CROWN_HEIGHTS * (high - low)[:, 1]
    size = high - low
    path = np.column_stack([low + size / 2, size[:, 1] / BODY_SHARE])
    for run in unbroken_runs(keypoints):
        window = min(round(_PATH_SECONDS * keypoints.frame_rate_hz) | 1, len(run) - 1 + len(run) % 2)
        if window > 2:
            path[run] = savgol_filter(path[run], window, 1, axis=0)
    return np.concatenate([low, size], axis=1), path


def _masks(person: np.ndarray, people: list[Person], shape: tuple[int, ...]) -> np.ndarray:
    """Return the silhouette of who is followed in each frame, (num_frames, height, width), uint8."""
    masks = np.zeros(shape[:3], np.uint8)
    for each in people:
        for row, pose in each.poses.items():
            if person[row] == each.number:
                matrix = pose.square.to_frame(len(pose.mask))
                masks[row] = cv2.warpAffine(pose.mask, matrix, (shape[2], shape[1]))
    return masks
