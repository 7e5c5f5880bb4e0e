"""Finds the walker in a video, chunk by chunk: by keypoints, or by silhouettes where the run says so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.ndimage import binary_opening, median_filter

from gaitlib.config import Body
from gaitlib.walker.blazepose import PoseEstimator
from gaitlib.walker.keypoints import Keypoints, smooth, unbroken_runs
from gaitlib.walker.people import PeopleTracker, Person
from gaitlib.walker.silhouettes import find_silhouettes
from gaitlib.walker.walking import BODY_SHARE, State, Walk, find_bouts, judge_frames, level, reason_of, steady

if TYPE_CHECKING:
    from gaitlib.video import FrameChunk

# Crown above the eyes, in body heights; the square follows the way over two steps, not the swing.
_CROWN_HEIGHTS, _PATH_SECONDS = 0.07, 1.2
# Frames of one shot are alike, lighter or darker.
_THUMB_PX, _MIN_LIKENESS, _MIN_CHANGE = 32, 0.65, 6.0
# Bars: darkest grey levels; their edge is straight: share of its length, grey levels. Coding blurs a block.
_BLACK, _MIN_EDGE_SHARE, _MIN_STEP, _MIN_BAR = 28.0, 0.2, 5.0, 0.02
_MAX_STIR, _BLOCK_PX = 6.0, 8
# A film that stops repeats a frame, but for traces of coding (grey levels); slow ones do so for a moment.
_MAX_TRACE, _MIN_STILL_SECONDS = 12, 0.4
_CUT_NOTE = "The film cuts from one shot to another: each walking bout lies within one."
_STILL_NOTE = "The film freezes for a while: that part is left out."
_ARRAYS = ("image_px", "world_m", "visibility")
_BARS_NOTE = "The picture has bars or a frame: a body that they cut off counts as cut off."


@dataclass(frozen=True)
class WalkerTrack:
    """One chunk of a video, a row a frame; boxes and squares in pixels of the working frames.

    `boxes` (left, top, width, height of the body) and `squares` (centre x, centre y, side of the steady
    square around the walker) are NaN where nobody is found. `bouts` numbers the walking bouts of this chunk,
    `person` who is followed; -1 for none. `num_people` are seen at the same time at most. `method` is
    "keypoints", "background" or "nobody"; `reason` says why nobody walks in full view, empty where somebody
    does. `masks` (num_frames, height, width), uint8, are the walker's silhouettes, 0 to 255, and `thumbs`
    (num_frames, 32, 32), uint8, the whole frames in small, grey.
    """

    boxes: np.ndarray
    squares: np.ndarray
    bouts: np.ndarray
    person: np.ndarray
    num_people: int
    method: str
    notes: tuple[str, ...] = ()
    keypoints: Keypoints | None = None
    masks: np.ndarray | None = None
    reason: str = ""
    thumbs: np.ndarray = field(default_factory=lambda: np.empty((0, _THUMB_PX, _THUMB_PX), np.uint8))

    def __len__(self) -> int:
        return len(self.boxes)


class WalkerFinder:
    """Follows the main walker through a video; people keep their numbers from chunk to chunk.

    `full_size_px` is width and height of the upright video, in whose pixels keypoints are given; `with_masks`
    asks for silhouettes beside keypoints. Raises an `InputError` where keypoints are not available.
    """

    def __init__(
        self, body: Body, frame_rate_hz: float, full_size_px: tuple[int, int], with_masks: bool = False
    ) -> None:
        self._rate, self._size_px = frame_rate_hz, full_size_px
        self._with_masks = with_masks or body == "silhouette"
        self._last, self._walked = list[np.ndarray](), dict[int, float]()
        self._tracker = PeopleTracker(PoseEstimator(), frame_rate_hz) if body == "keypoints" else None

    def find(self, chunk: "FrameChunk") -> WalkerTrack:
        """Return where the walker is in each frame of a chunk; chunks come in order."""
        frames, notes, reason, thumbs = chunk.frames, list[str](), "", make_thumbs(chunk.frames)
        shape, view = frames.shape[:3], find_view(frames)
        nobody = Keypoints.empty(chunk.times_seconds, self._size_px)
        if self._tracker is None:
            walks, reason = find_silhouettes(_grey(frames), self._rate, view)
        else:
            is_cut = find_cuts([*self._last, *thumbs])[len(self._last) :]
            self._last = [thumbs[-1]]
            people = self._tracker.follow(frames, is_cut)
            is_still = find_still(frames, self._rate)
            walks = [_judge(each, nobody, shape, view, is_still) for each in people]
            notes += [_STILL_NOTE] if any(np.isfinite(walk.boxes[is_still]).any() for walk in walks) else []
            notes += [_CUT_NOTE] if is_cut.any() else []
            notes += [_BARS_NOTE] if view != (0, 0, shape[2], shape[1]) else []
        for walk in walks:
            self._walked[walk.number] = self._walked.get(walk.number, 0.0) + walk.amount
        walks.sort(key=lambda walk: -self._walked[walk.number])
        rows, bouts, who = np.arange(shape[0]), *_choose(walks, shape[0])
        walks.append(_nobody(nobody, shape))  # whom the places -1 mean
        boxes, squares = (np.stack([getattr(walk, name) for walk in walks]) for name in ("boxes", "squares"))
        masks = [walks[place].silhouette(row) for row, place in enumerate(who)] if self._with_masks else None
        if self._tracker is not None:
            arrays = {name: np.stack([getattr(walk.keypoints, name) for walk in walks]) for name in _ARRAYS}
            nobody = replace(nobody, **{name: each[who, rows] for name, each in arrays.items()})
        is_walking = bool((bouts >= 0).any())
        method = "keypoints" if self._tracker and len(walks) > 1 else "background" if is_walking else "nobody"
        return WalkerTrack(
            boxes=boxes[who, rows],
            squares=squares[who, rows],
            bouts=bouts,
            person=np.array([walk.number for walk in walks], np.int32)[who],
            num_people=int(np.isfinite(boxes[..., 0]).sum(axis=0).max()),
            method=method,
            notes=tuple(notes),
            keypoints=nobody if self._tracker else None,
            masks=None if masks is None else np.stack(masks),
            reason="" if is_walking else f"Nobody walks in full view: {reason or reason_of(walks)}.",
            thumbs=_grey(thumbs),
        )


def _judge(
    person: Person,
    nobody: Keypoints,
    shape: tuple[int, ...],
    view: tuple[int, int, int, int],
    is_still: np.ndarray,
) -> Walk:
    """Return what somebody does whose poses are known; `shape` (num_frames, height, width) of the chunk."""
    keypoints, scale = nobody.part(np.arange(len(nobody))), nobody.frame_size_px[0] / shape[2]
    for row, pose in person.poses.items():
        keypoints.image_px[row], keypoints.world_m[row] = pose.image_px * scale, pose.world_m
        keypoints.visibility[row] = pose.visibility
    keypoints = smooth(keypoints)
    states = judge_frames(keypoints, tuple(edge * scale for edge in view))
    states[is_still & (states == State.WALKING)] = State.STANDING
    bouts = find_bouts(states, runs := unbroken_runs(keypoints), keypoints.frame_rate_hz)
    low, high = keypoints.image_px.min(axis=1) / scale, keypoints.image_px.max(axis=1) / scale
    low[:, 1] -= _CROWN_HEIGHTS * (high - low)[:, 1]
    squares = np.column_stack([(low + high) / 2, (high - low)[:, 1] / BODY_SHARE])
    for run in runs:
        squares[run] = steady(squares[run], _PATH_SECONDS * keypoints.frame_rate_hz, 1)

    def silhouette(row: int) -> np.ndarray:
        if row not in person.poses:
            return np.zeros(shape[1:], np.uint8)
        mask = person.poses[row].mask
        return cv2.warpAffine(mask, person.poses[row].square.to_frame(len(mask)), shape[:0:-1])

    boxes = np.concatenate([low, high - low], axis=1)
    return Walk(person.number, boxes, squares, states, bouts, silhouette, level(keypoints, bouts))


def _nobody(keypoints: Keypoints, shape: tuple[int, ...]) -> Walk:
    boxes, squares = (np.full((shape[0], size), np.nan, np.float32) for size in (4, 3))
    states = np.full(shape[0], State.GONE)
    return Walk(-1, boxes, squares, states, [], lambda row: np.zeros(shape[1:], np.uint8), keypoints)


def _choose(walks: list[Walk], num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Return in each frame the bout and whom to follow (a place): the first who walks, else who is there."""
    who, bouts = np.full((2, num_frames), -1, np.int32)
    for place, walk in enumerate(walks):
        for rows in walk.bouts:
            if (who[rows] < 0).all():
                who[rows], bouts[rows] = place, bouts.max() + 1
    for place, walk in enumerate(walks):
        who[(who < 0) & np.isfinite(walk.boxes[:, 0])] = place
    begins = (bouts >= 0) & (np.diff(bouts, prepend=-1) != 0)
    return np.where(bouts >= 0, np.cumsum(begins) - 1, -1).astype(np.int32), who


def cut_frames(frames: Iterable[np.ndarray], squares: np.ndarray, size: int) -> np.ndarray:
    """Cut a square (centre x, centre y, side, pixels) out of each frame and bring it to one size.

    Beyond the edge of a frame its pixels are repeated. Returns (num_frames, size, size[, 3]), uint8.
    """
    cut, flags = [], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for frame, (x, y, side) in zip(frames, squares, strict=True):
        scale = side / (2 * size)
        shift = (scale - side - 1) / 2
        matrix = np.array([[scale, 0, x + shift], [0, scale, y + shift]])
        twice, border = (2 * size, 2 * size), cv2.BORDER_REPLICATE
        fine = cv2.warpAffine(frame, matrix, twice, flags=flags, borderMode=border)
        cut.append(cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA))
    return np.stack(cut) if cut else np.empty((0, size, size), np.uint8)


def make_thumbs(frames: Iterable[np.ndarray]) -> np.ndarray:
    """Return frames in small, (num_frames, 32, 32[, 3]), uint8."""
    size = (_THUMB_PX, _THUMB_PX)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def find_cuts(thumbs: Sequence[np.ndarray]) -> np.ndarray:
    """Tell which frames, in small, begin another shot than the one before them, (num_frames,), bool."""
    flat = np.reshape(thumbs, (len(thumbs), -1)).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    alike = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    likeness = (alike[1:] * alike[:-1]).sum(axis=1)
    change = np.abs(np.diff(flat, axis=0)).mean(axis=1)
    # A camera that swings round changes every frame.
    is_sudden = change > _MIN_CHANGE + 2 * median_filter(change, 9, mode="nearest")
    return np.append(False, (likeness < _MIN_LIKENESS) & is_sudden)


def find_still(frames: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Tell in which frames a film has stopped, (num_frames,), bool: each repeats the one before."""
    is_same = [cv2.absdiff(one, other).max() <= _MAX_TRACE for one, other in pairwise(frames)]
    return binary_opening([False, *is_same], np.ones(max(2, round(_MIN_STILL_SECONDS * frame_rate_hz))))


def find_view(frames: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the picture within bars, from grey or RGB frames."""
    chosen = frames[np.linspace(0, len(frames) - 1, min(len(frames), 12)).astype(int)]
    grey = _grey(chosen).astype(np.float32)
    top, bottom = _inner(grey)
    left, right = _inner(grey[:, top:bottom].swapaxes(1, 2))
    return left, top, right, bottom


def _inner(grey: np.ndarray) -> tuple[int, int]:
    """Return the first row of the picture, and the first row after it."""
    size, spread = grey.shape[1], grey.std(axis=2).mean(axis=0)
    edges = (np.abs(np.diff(grey, axis=1)).mean(axis=0) > _MIN_STEP).mean(axis=1)
    # Nobody walks in a bar, as legs do on a dark floor, and what is blurred to fill shows nothing sharp.
    change = np.quantile(np.ptp(grey[..., ::4], axis=0), 0.99, axis=1)
    detail = np.quantile(np.abs(grey[..., 1::4] - grey[..., :-1:4]), 0.995, axis=(0, 2))
    black = (grey.mean(axis=(0, 2)) < _BLACK) & (spread < 4)

    def ends(is_fill: np.ndarray, stir: np.ndarray, reach: int = 3) -> list[dict[int, float]]:
        return [_bar_ends(is_fill[::way], edges[::way], stir[::way], reach) for way in (1, -1)]

    first, last = (max(one, key=one.__getitem__, default=0) for one in ends(black, change))
    # Bars that are not black come in pairs; what is blurred moves, unlike a plain ceiling and floor.
    plain, blurred = ends(spread < 2, change), ends(detail < _MAX_STIR, detail, size)
    for (one, other), least in ((plain, 0.0), (blurred, 2 * _MAX_STIR)):
        pairs = [pair for pair in product(one, other) if abs(pair[0] - pair[1]) <= max(2, 0.03 * size)]
        pairs = [pair for pair in pairs if max(change[: pair[0]].max(), change[-pair[1] :].max()) >= least]
        if pairs and not first:
            first, last = max(pairs, key=lambda pair: one[pair[0]] + other[pair[1]])
    return (first, size - last) if first + last < 0.8 * size else (0, size)


def _bar_ends(is_fill: np.ndarray, edges: np.ndarray, stir: np.ndarray, reach: int) -> dict[int, float]:
    """Return after how many rows from the border calm fill may end, with how much of a straight edge."""
    width = int(np.argmin(np.append(is_fill, False)))
    ends = np.flatnonzero(edges[: width + 3] >= _MIN_EDGE_SHARE) + 1
    ends = ends[ends > max(width - reach, _MIN_BAR * len(is_fill))]
    is_calm = (stir[: max(0, width - _BLOCK_PX)] < _MAX_STIR).all()
    return {int(end): float(edges[end - 1]) for end in ends} if is_calm else {}


def _grey(frames: np.ndarray) -> np.ndarray:
    grey = (each if each.ndim == 2 else cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in frames)
    return np.stack(list(grey))
