"""Which pixels belong to something that moves: a background learnt from the whole stretch of video."""

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from gaitlib.walker.blobs import SHADOW_SHARE, clean, find_blobs, find_parts

# Grey levels by which a pixel must differ at least; sensor noise raises it (see `noise_level`).
MIN_DIFFERENCE = 12
# Two pictures this far apart in time show a walker's whole body displaced, even a slow one's.
MOTION_LAG_SECONDS = 0.4
# The camera moves where more than this share of the scene shifts by more than this between pictures.
MOVING_CAMERA_PIXELS = 1.0
MOVING_CELLS_SHARE = 0.45
NUM_CELLS = 16
# Silhouettes fill 0.35 to 0.6 of their box, point lights about 0.15.
SPARSE_FILL = 0.31
# A shadow lies farther out than a foot reaches.
FOOT_REACH = 0.08
# Differences, in thresholds, between which a pixel goes from scene to somebody.
SOFT_RANGE = (0.4, 1.9)
_NEAR = np.ones((11, 11), np.uint8)
# From how far away a pixel of a silhouette is influenced, by blurring, cleaning and `_NEAR`.
SIGHT_PIXELS = 16

Region = tuple[slice, slice]
EVERYWHERE: Region = slice(0, None), slice(0, None)


@dataclass(frozen=True)
class Background:
    """Model of the empty scene.

    Attributes
    ----------
    picture : ndarray of shape (height, width), uint8, grey
        The scene without anybody.
    threshold : float
        Grey levels by which a pixel must differ to belong to somebody.
    is_camera_moving : bool
        The pictures shift as a whole, so that the model is of no use.
    reach : float
        How far apart the parts of one person may lie, relative to the usual; larger for people seen
        as separate lights.
    """

    picture: np.ndarray
    threshold: float
    is_camera_moving: bool
    reach: float = 1.0

    def foreground(self, frame: np.ndarray) -> np.ndarray:
        """Return the cleaned mask (uint8, 0 or 255) of what is not background in a grey frame."""
        return clean(self.difference(frame), self.threshold)

    def difference(self, frame: np.ndarray) -> np.ndarray:
        """Return by how many grey levels a grey frame differs from the scene, uint8."""
        return self._difference(cv2.GaussianBlur(frame, (3, 3), 0))

    def _difference(self, smooth: np.ndarray) -> np.ndarray:
        # Cameras adapt their exposure when somebody enters: bring the scene back to its brightness.
        scene, now = self.picture[::8, ::8].astype(float), smooth[::8, ::8].astype(float)
        gain = float(np.median((scene + 4) / (now + 4)))
        if abs(gain - 1) > 0.02:
            smooth = cv2.convertScaleAbs(smooth, alpha=gain, beta=4 * (gain - 1))
        return cv2.absdiff(smooth, self.picture)

    def silhouette(self, frame: np.ndarray, box: np.ndarray, where: Region = EVERYWHERE) -> np.ndarray:
        """Return how surely each pixel of a grey frame belongs to somebody, uint8, 0 to 255.

        Soft where clothes resemble the scene, so that limbs fade rather than vanish; the scene, the
        light and most of the colour of the clothes are gone.

        Parameters
        ----------
        frame : ndarray of shape (height, width), uint8, grey
        box : ndarray of shape (4,)
            Left, top, width, height of the walker; what lies flat beside the feet is a shadow.
        where : tuple of slice
            The rows and columns to return; within `SIGHT_PIXELS` of an edge that cuts the frame, what
            lies beyond it is missed.
        """
        smooth = cv2.GaussianBlur(frame, (3, 3), 0)
        near = cv2.dilate(clean(self._difference(smooth)[where], self.threshold), _NEAR)
        soft = cv2.LUT(cv2.absdiff(smooth[where], self.picture[where]), _soft_levels(self.threshold))
        silhouette = cv2.bitwise_and(soft, near)
        if self.reach <= 1:
            left, top, width, height = box - (where[1].start, where[0].start, 0, 0)
            at_feet = slice(max(0, int(top + (1 - SHADOW_SHARE) * height)), None)
            silhouette[at_feet, : max(0, int(left - FOOT_REACH * height))] = 0
            silhouette[at_feet, max(0, int(left + width + FOOT_REACH * height)) :] = 0
        return silhouette

    def blobs(self, frame: np.ndarray) -> np.ndarray:
        """Return the blobs of a grey frame that are large enough to be a person (`find_blobs`)."""
        return find_blobs(self.foreground(frame), self.reach)


@lru_cache(maxsize=16)
def _soft_levels(threshold: float) -> np.ndarray:
    """Return how surely a pixel belongs to somebody for each difference of 0 to 255, uint8."""
    low, high = SOFT_RANGE
    levels = (np.arange(256, dtype=np.float32) - low * threshold) * (255 / (high - low) / threshold)
    return np.clip(levels, 0, 255).astype(np.uint8)


def learn_background(frames: np.ndarray, frame_rate_hz: float) -> Background:
    """Learn the empty scene from grey frames.

    Every pixel is averaged over the pictures in which nothing moves there and which agree with the
    median. A plain median fails on slow walkers in short videos, who cover a pixel for more than half
    of the time; a plain average keeps a ghost of somebody who stood still for a while.

    Parameters
    ----------
    frames : ndarray of shape (num_frames, height, width), uint8, grey
    frame_rate_hz : float
        Pictures a second in `frames`.

    Returns
    -------
    Background
    """
    lag = max(1, round(MOTION_LAG_SECONDS * frame_rate_hz))
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), 40)).astype(int))
    threshold = max(MIN_DIFFERENCE, 4.5 * noise_level(frames))
    smooth = np.stack([cv2.GaussianBlur(frames[index], (3, 3), 0) for index in chosen])
    still = np.stack([~_moving_regions(frames, index, lag, threshold) for index in chosen])
    median = _median(smooth)
    agrees = still & (cv2.absdiff(smooth, median[None].repeat(len(smooth), 0)) < 2 * threshold)
    use = np.where(agrees.sum(axis=0) >= 0.5 * still.sum(axis=0), agrees, still)
    count = use.sum(axis=0)
    mean = np.einsum("fhw,fhw->hw", smooth, use, dtype=np.float32) / np.maximum(count, 1)
    picture = np.where(count >= 2, mean, median).round().astype(np.uint8)
    _erase_ghosts(picture, smooth, still, threshold)
    background = Background(picture, threshold, _is_camera_moving(frames))
    return replace(background, reach=_reach(background, frames[chosen]))


def _median(frames: np.ndarray) -> np.ndarray:
    """Return the middle value of each pixel, shape (height, width), uint8, of fewer than 256 pictures.

    Bit by bit, from the highest: faster than sorting, as all pixels are compared at once.
    """
    median = np.zeros(frames.shape[1:], np.uint8)
    for bit in 1 << np.arange(8, dtype=np.uint8)[::-1]:
        num_below = (frames < (median | bit)).sum(axis=0, dtype=np.uint8)
        median[num_below <= len(frames) // 2] |= bit
    return median


def anything_moves(frames: np.ndarray, background: Background, frame_rate_hz: float) -> bool:
    """Say whether anything as large as a person moves in the pictures, or the camera does."""
    if background.is_camera_moving:
        return True
    lag = max(1, round(MOTION_LAG_SECONDS * frame_rate_hz))
    step = max(1, len(frames) // 30)
    pairs = zip(frames[:-lag:step], frames[lag::step], strict=True)
    return any(len(find_blobs(clean(cv2.absdiff(*pair), background.threshold))) for pair in pairs)


def _reach(background: Background, frames: np.ndarray) -> float:
    """Return 2 where the blobs are mostly empty, as those of point lights are, else 1."""
    blobs = [find_blobs(background.foreground(frame)) for frame in frames]
    fills = [(found[:, 4] / (found[:, 2] * found[:, 3])).max() for found in blobs if len(found)]
    return 2.0 if fills and np.median(fills) < SPARSE_FILL else 1.0


def _erase_ghosts(picture: np.ndarray, frames: np.ndarray, still: np.ndarray, threshold: float) -> None:
    """Remove from the scene (in place) people who stood in it for most of the time.

    Where they are gone, the bare scene differs from the picture by a blob that does not move and
    whose outline shows in the learnt picture but not in the frame.
    """
    for frame, is_still in zip(frames, still, strict=True):
        for top, left, own in find_parts(clean(cv2.absdiff(frame, picture), threshold)):
            where = np.s_[max(0, top - 4) : top + len(own) + 4, max(0, left - 4) : left + own.shape[1] + 4]
            blob = np.zeros(picture[where].shape, np.uint8)
            blob[top - where[0].start :, left - where[1].start :][: len(own), : own.shape[1]] = own
            if is_still[where][blob > 0].mean() < 0.95:
                continue
            outline = cv2.morphologyEx(blob, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
            if _edge_strength(picture[where], outline) > 1.3 * _edge_strength(frame[where], outline):
                region = cv2.dilate(blob, np.ones((7, 7), np.uint8)) > 0
                picture[where][region] = frame[where][region]


def _edge_strength(picture: np.ndarray, outline: np.ndarray) -> float:
    return float(np.hypot(*(part[outline].astype(float) for part in cv2.spatialGradient(picture))).mean())


def noise_level(frames: np.ndarray) -> float:
    """Estimate the sensor noise (standard deviation, grey levels) from consecutive pictures.

    The median absolute difference is not moved by the few pixels in which somebody walks.
    """
    middle = len(frames) // 2
    if len(frames) < 2:
        return 0.0
    difference = cv2.absdiff(frames[middle], frames[middle - 1])
    return float(np.median(difference)) / 0.6745 / np.sqrt(2)


def _moving_regions(frames: np.ndarray, index: int, lag: int, threshold: float) -> np.ndarray:
    """Mark the boxes around everything that moves in one picture, as a boolean mask."""
    region = np.zeros(frames.shape[1:], bool)
    for other in (index - lag, index + lag):
        if not 0 <= other < len(frames):
            continue
        mask = clean(cv2.absdiff(frames[index], frames[other]), threshold)
        for left, top, width, height, _ in find_blobs(mask).astype(int):
            margin = 2 + height // 20
            rows = slice(max(0, top - margin), top + height + margin)
            region[rows, max(0, left - margin) : left + width + margin] = True
    return region


def _is_camera_moving(frames: np.ndarray) -> bool:
    """Say whether most parts of the picture shift between neighbouring frames.

    Corners are followed from picture to picture; each cell of a 4 x 4 grid has one vote, so that a
    large walker with many corners does not outvote the scene, and a cell without corners is still.
    """
    votes: list[bool] = []
    num_votes = min(len(frames) - 1, 12)
    for index in np.linspace(0, len(frames) - 2, num_votes).astype(int):
        if 2 * votes.count(False) >= num_votes:  # the others cannot turn it any more
            return False
        before, after = frames[index], frames[index + 1]
        distances = np.zeros(NUM_CELLS)
        corners = cv2.goodFeaturesToTrack(before, 150, 0.02, 8)
        if corners is not None:
            moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, np.empty_like(corners))
            good = found.ravel() == 1
            start = corners.reshape(-1, 2)[good]
            distance = np.linalg.norm(moved.reshape(-1, 2)[good] - start, axis=1)
            cell = (4 * start / np.array(before.shape[::-1])).astype(int) @ (1, 4)
            for number in np.unique(cell):
                distances[number] = np.median(distance[cell == number])
        votes.append(bool((distances > MOVING_CAMERA_PIXELS).mean() > MOVING_CELLS_SHARE))
    return bool(votes) and float(np.mean(votes)) > 0.5
