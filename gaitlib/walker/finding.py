"""Finds the walker in a video, chunk by chunk: by keypoints, or by silhouettes where the run says so."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import cv2
import numpy as np
from scipy.ndimage import binary_opening, median_filter

from gaitlib.config import Body
from gaitlib.video import FrameChunk
from gaitlib.walker.blazepose import PoseEstimator
from gaitlib.walker.keypoints import Keypoints
from gaitlib.walker.people import PeopleTracker
from gaitlib.walker.silhouettes import find_silhouettes
from gaitlib.walker.walking import View, Walk, judge_person, reason_of

# Frames of one shot are alike, lighter or darker.
_THUMB_SIZE, _MIN_LIKENESS, _MIN_CHANGE = (32, 32), 0.65, 6.0
# Bars: darkest grey levels; their edge is straight: share of its length, grey levels. Coding blurs a block.
_BLACK, _MIN_EDGE_SHARE, _MIN_STEP, _MIN_BAR = 28.0, 0.2, 5.0, 0.02
_MAX_STIR, _BLOCK_PX = 6.0, 8
# A film that stops repeats a frame, but for traces of coding (grey levels); slow ones do so for a moment.
_MAX_TRACE, _MIN_STILL_SECONDS = 12, 0.4
_CUT_NOTE = "The film cuts from one shot to another: each walking bout lies within one."
_STILL_NOTE = "The film freezes for a while: that part is left out."
_BARS_NOTE = "The picture has bars or a frame: a body that they cut off counts as cut off."


@dataclass(frozen=True)
class WalkerTrack:
    """One chunk of a video, a row a frame, in pixels of the working frames; NaN or -1 where nobody is found.

    `boxes` are left, top, width, height of the body, `squares` centre x, centre y, side of the steady square
    around it. `bouts` numbers the walking bouts of this chunk, `person` is who is followed, `num_people` are
    seen at once at most. `method` is "keypoints", "background" or "nobody"; `reason` says why nobody walks
    in full view, else it is empty. `masks` (num_frames, height, width), uint8, are silhouettes, 0 to 255,
    `thumbs` (num_frames, 32, 32), uint8, the whole frames, grey. `is_cut` tells where another shot begins.
    """

    boxes: np.ndarray
    squares: np.ndarray
    bouts: np.ndarray
    person: np.ndarray
    num_people: int
    method: str
    notes: list[str]
    keypoints: Keypoints | None
    masks: np.ndarray | None
    reason: str
    thumbs: np.ndarray
    is_cut: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, walk: Walk, rows: np.ndarray) -> None:
        """Follow somebody in these rows."""
        self.boxes[rows], self.squares[rows] = walk.boxes[rows], walk.squares[rows]
        self.person[rows] = walk.number
        if self.keypoints and walk.keypoints:
            for name in ("image_px", "world_m", "visibility"):
                getattr(self.keypoints, name)[rows] = getattr(walk.keypoints, name)[rows]
        if self.masks is not None:
            for row in rows:
                self.masks[row] = walk.silhouette(row)


class WalkerFinder:
    """Follows the main walker through a video; people keep their numbers from chunk to chunk.

    `full_size_px` is the upright video's; `with_masks` asks for silhouettes beside keypoints. Raises an
    `InputError` where keypoints are not available.
    """

    def __init__(
        self, body: Body, frame_rate_hz: float, full_size_px: tuple[int, int], with_masks: bool = False
    ) -> None:
        self._rate, self._size_px = frame_rate_hz, full_size_px
        self._with_masks = with_masks or body == "silhouette"
        self._last, self._walked = list[np.ndarray](), defaultdict[int, float](float)
        self._tracker = PeopleTracker(PoseEstimator(), frame_rate_hz) if body == "keypoints" else None

    def find(self, chunk: FrameChunk) -> WalkerTrack:
        """Return where the walker is in each frame of a chunk; chunks come in order."""
        frames, thumbs, view = chunk.frames, make_thumbs(chunk.frames), find_view(chunk.frames)
        is_cut = find_cuts([*self._last, *thumbs])[-len(thumbs) :]
        keypoints, notes, self._last = None, [_CUT_NOTE] * int(is_cut.any()), [thumbs[-1]]
        if self._tracker is None:
            walks, reason = find_silhouettes(_grey(frames), self._rate, view)
        else:
            keypoints = Keypoints.empty(chunk.times_seconds, self._size_px)
            is_still, size = find_still(frames, self._rate), frames.shape[2:0:-1]
            people = self._tracker.follow(frames, is_cut).items()
            walks = [judge_person(*person, keypoints, view, is_still, size) for person in people]
            reason = ""
            notes += [_STILL_NOTE] if any(np.isfinite(walk.boxes[is_still]).any() for walk in walks) else []
            notes += [_BARS_NOTE] if view != (0, 0, *size) else []
        for walk in walks:
            self._walked[walk.number] += walk.amount
        walks.sort(key=lambda walk: -self._walked[walk.number])
        is_walking = any(walk.bouts for walk in walks)
        track = WalkerTrack(
            boxes=np.full((len(frames), 4), np.nan, np.float32),
            squares=np.full((len(frames), 3), np.nan, np.float32),
            bouts=np.full(len(frames), -1, np.int32),
            person=np.full(len(frames), -1, np.int32),
            num_people=int(np.isfinite([walk.boxes[:, 0] for walk in walks]).sum(axis=0).max()),
            method="keypoints" if self._tracker and walks else "background" if is_walking else "nobody",
            notes=notes,
            keypoints=keypoints,
            masks=np.zeros(frames.shape[:3], np.uint8) if self._with_masks else None,
            reason="" if is_walking else f"Nobody walks in full view: {reason or reason_of(walks)}.",
            thumbs=_grey(thumbs),
            is_cut=is_cut,
        )
        for walk in walks:
            for rows in walk.bouts:
                if (track.person[rows] < 0).all():
                    track.take(walk, rows)
                    track.bouts[rows] = track.bouts.max() + 1 + is_cut[rows].cumsum() - is_cut[rows[0]]
        for walk in walks:
            track.take(walk, np.flatnonzero((track.person < 0) & np.isfinite(walk.boxes[:, 0])))
        return track


def cut_frames(frames: Iterable[np.ndarray], squares: np.ndarray, size: int) -> np.ndarray:
    """Cut a square (centre x, centre y, side, pixels) out of each frame and bring it to one size.

    Beyond the edge of a frame its pixels are repeated. Returns (num_frames, size, size[, 3]), uint8.
    """
    cut, flags = [], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for frame, (x, y, side) in zip(frames, squares, strict=True):
        scale = side / (2 * size)
        shift = (scale - side - 1) / 2
        matrix = np.array([[scale, 0, x + shift], [0, scale, y + shift]])
        twice = 2 * size, 2 * size
        fine = cv2.warpAffine(frame, matrix, twice, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        cut.append(cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA))
    return np.stack(cut) if cut else np.empty((0, size, size), np.uint8)


def make_thumbs(frames: Iterable[np.ndarray]) -> np.ndarray:
    """Return frames in small, (num_frames, 32, 32[, 3]), uint8."""
    return np.stack([cv2.resize(frame, _THUMB_SIZE, interpolation=cv2.INTER_AREA) for frame in frames])


def find_cuts(thumbs: Sequence[np.ndarray]) -> np.ndarray:
    """Tell which frames, in small, begin another shot than the one before them, (num_frames,), bool."""
    flat = np.reshape(thumbs, (len(thumbs), -1)).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    alike = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    likeness = (alike[1:] * alike[:-1]).sum(axis=1)
    change = np.abs(np.diff(flat, axis=0)).mean(axis=1)
    # A camera that swings round changes every frame.
    is_sudden = change > _MIN_CHANGE + 2 * median_filter(change, 9, mode="mirror")
    return np.append(False, (likeness < _MIN_LIKENESS) & is_sudden)


def find_still(frames: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Tell in which frames a film has stopped, (num_frames,), bool: each repeats the one before."""
    is_same = [cv2.absdiff(one, other).max() <= _MAX_TRACE for one, other in pairwise(frames)]
    return binary_opening([False, *is_same], np.ones(max(2, round(_MIN_STILL_SECONDS * frame_rate_hz))))


def find_view(frames: np.ndarray) -> View:
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
    # Without captions, which may stand in a black bar.
    low, high = np.percentile(grey, (25, 75), axis=2).mean(axis=1)
    black = (high < _BLACK) & (high - low < 4)

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
    if not (first or last):  # a single one ends in an edge from side to side
        first, last = (max((end for end in one if one[end] > 0.9), default=0) for one in plain)
    return (first, size - last) if first + last < 0.8 * size else (0, size)


def _bar_ends(is_fill: np.ndarray, edges: np.ndarray, stir: np.ndarray, reach: int) -> dict[int, float]:
    """Return after how many rows from the border calm fill may end, with how much of a straight edge."""
    width = int(np.argmin(np.append(is_fill, False)))
    ends = np.flatnonzero(edges[: width + 3] >= _MIN_EDGE_SHARE) + 1
    ends = ends[ends > max(width - reach, _MIN_BAR * len(is_fill))]
    is_calm = (stir[: max(0, width - _BLOCK_PX)] < _MAX_STIR).all()
    return {int(end): float(edges[end - 1]) for end in ends} if is_calm else {}


def _grey(frames: np.ndarray) -> np.ndarray:
    return frames if frames.ndim == 3 else np.stack([cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in frames])
