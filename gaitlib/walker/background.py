"""The empty scene before a camera that stands still, and what in a frame differs from it."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

# Grey levels by which a pixel must differ at least; sensor noise raises it.
_MIN_DIFFERENCE = 12
# Two frames this far apart in time show a walker's whole body displaced, even a slow one's.
_MOTION_LAG_SECONDS, _NUM_FRAMES_LEARNT = 0.4, 40
# Silhouettes fill 0.35 to 0.6 of their box, point lights about 0.15.
_SPARSE_FILL = 0.31
# Where the camera moves, frames differ from any learnt scene in more than this share of 16 cells.
_MAX_CELLS_SHARE = 0.65
# Differences, in thresholds, between which a pixel goes from scene to body; how far around cleaning reaches.
_SOFT_RANGE, _SIGHT_PX = (0.4, 1.9), 16
_MIN_BLOB_SHARE = 0.0008
# A shadow lies flat at the feet, in the lowest part of the body, and farther out than a foot reaches.
_SHADOW_SHARE, _FOOT_REACH = 0.15, 0.08
# Lamps and exposure that change less than this need no correction, grey levels.
_MIN_LIGHT_CHANGE = 1.5
_OPEN, _CLOSE, _NEAR = (np.ones((size, size), np.uint8) for size in (2, 5, 11))


@dataclass(frozen=True)
class Background:
    """A learnt scene: `picture` of shape (height, width), uint8, grey, without anybody.

    A pixel belongs to somebody where it differs by `threshold` grey levels. With a camera that moves
    (`is_still` false) the scene is of no use. `reach` tells how far apart the parts of one person may lie,
    relative to the usual: 2 for point lights.
    """

    picture: np.ndarray
    threshold: float
    is_still: bool = True
    reach: float = 1.0

    def blobs(self, frame: np.ndarray) -> np.ndarray:
        """Return boxes and areas of what may be a person in a grey frame, see `find_blobs`."""
        return find_blobs(_clean(cv2.absdiff(_smooth(frame), self.picture), self.threshold), self.reach)

    def silhouette(self, frame: np.ndarray, box: np.ndarray, square: np.ndarray) -> np.ndarray:
        """Return how surely each pixel of a grey frame belongs to the walker, uint8, 0 to 255.

        Soft where clothes resemble the scene, so that limbs fade rather than vanish; 0 outside of `square`
        (centre x, centre y, side). What lies flat beside the feet of `box` (left, top, width, height) is a
        shadow.
        """
        silhouette = np.zeros(frame.shape, np.uint8)
        low, high = square[:2] - square[2] / 2, square[:2] + square[2] / 2 + 1
        left, top = np.maximum(low.astype(int) - _SIGHT_PX, 0)
        right, bottom = np.maximum(high.astype(int) + _SIGHT_PX, 0)
        where = np.s_[top:bottom, left:right]
        if not frame[where].size:
            return silhouette
        difference = cv2.absdiff(_smooth(frame[where]), self.picture[where])
        first, last = (share * self.threshold for share in _SOFT_RANGE)
        soft = np.clip((np.arange(256) - first) * (255 / (last - first)), 0, 255).astype(np.uint8)
        near = cv2.dilate(_clean(difference, self.threshold), _NEAR)
        body = cv2.bitwise_and(cv2.LUT(difference, soft), near)
        if self.reach <= 1:
            at_feet = body[max(0, int(box[1] + (1 - _SHADOW_SHARE) * box[3]) - top) :]
            at_feet[:, : max(0, int(box[0] - _FOOT_REACH * box[3]) - left)] = 0
            at_feet[:, max(0, int(np.ceil(box[0] + box[2] + _FOOT_REACH * box[3])) - left) :] = 0
        silhouette[where] = body
        return silhouette


def learn_background(frames: np.ndarray, frame_rate_hz: float) -> Background:
    """Learn the empty scene from frames of shape (num_frames, height, width), uint8, grey.

    Every pixel is averaged over the frames in which nothing moves there and which agree with the median.
    A plain median fails on slow walkers in short videos, who cover a pixel for more than half of the
    time; a plain average keeps a ghost of somebody who stood still for a while.
    """
    middle, lag = len(frames) // 2, max(1, round(_MOTION_LAG_SECONDS * frame_rate_hz))
    noise = np.median(cv2.absdiff(frames[middle], frames[max(0, middle - 1)])) / 0.6745 / np.sqrt(2)
    threshold = max(_MIN_DIFFERENCE, 4.5 * noise)
    chosen = np.unique(np.linspace(0, len(frames) - 1, _NUM_FRAMES_LEARNT).astype(int))
    smooth = np.stack([_smooth(frames[row]) for row in chosen])
    still = np.stack([~_moving_region(frames, row, lag, threshold) for row in chosen])
    median = np.partition(smooth, len(smooth) // 2, axis=0)[len(smooth) // 2]
    agrees = still & (cv2.absdiff(smooth, median[None].repeat(len(smooth), 0)) < 2 * threshold)
    use = np.where(agrees.sum(axis=0) >= 0.5 * still.sum(axis=0), agrees, still)
    count = use.sum(axis=0)
    mean = np.einsum("fhw,fhw->hw", smooth, use, dtype=np.float32) / np.maximum(count, 1)
    background = Background(np.where(count >= 2, mean, median).round().astype(np.uint8), threshold)
    masks = [_clean(cv2.absdiff(frame, background.picture), threshold) for frame in smooth]
    found = [blobs for blobs in map(find_blobs, masks) if len(blobs)]
    fills = [(blobs[:, 4] / (blobs[:, 2] * blobs[:, 3])).max() for blobs in found]
    cells = [cv2.resize(mask, (4, 4), interpolation=cv2.INTER_AREA) > 8 for mask in masks]
    is_still = float(np.median(np.mean(cells, axis=(1, 2)))) < _MAX_CELLS_SHARE
    reach = 2.0 if fills and np.median(fills) < _SPARSE_FILL else 1.0
    return replace(background, is_still=is_still, reach=reach)


def _smooth(frame: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(frame, (3, 3), 0)


def _moving_region(frames: np.ndarray, row: int, lag: int, threshold: float) -> np.ndarray:
    """Mark the boxes around everything that moves in one frame, as a boolean mask."""
    region = np.zeros(frames.shape[1:], bool)
    for other in (row - lag, row + lag):
        if 0 <= other < len(frames):
            mask = _clean(cv2.absdiff(frames[row], frames[other]), threshold)
            for left, top, width, height, _ in find_blobs(mask).astype(int):
                margin = 2 + height // 20
                rows = slice(max(0, top - margin), top + height + margin)
                region[rows, max(0, left - margin) : left + width + margin] = True
    return region


def level_light(frames: np.ndarray) -> np.ndarray:
    """Undo what changes all over the picture: exposure that steps, lamps that flicker.

    Each grey frame is brought to the usual picture by the gain and offset that fit most of its pixels, so
    that who walks there does not count. Returns `frames` itself where the light is steady.
    """
    small = frames[:, ::8, ::8].reshape(len(frames), -1).astype(np.float32)
    usual, levelled = np.median(small, axis=0), frames
    for row, now in enumerate(small):
        gain, offset = _fit_light(now, usual)
        if abs((gain - 1) * float(now.mean()) + offset) > _MIN_LIGHT_CHANGE:
            levelled = frames.copy() if levelled is frames else levelled
            table = np.clip(np.arange(256) * gain + offset, 0, 255).round().astype(np.uint8)
            levelled[row] = cv2.LUT(frames[row], table)
    return levelled


def _fit_light(now: np.ndarray, usual: np.ndarray) -> tuple[float, float]:
    is_known = (np.minimum(now, usual) > 2) & (np.maximum(now, usual) < 250)
    now, usual = now[is_known], usual[is_known]
    if len(now) < 50:
        return 1.0, 0.0
    gain, offset = float(np.median(usual / now)), 0.0
    for _ in range(3):
        error = np.abs(gain * now + offset - usual)
        agrees = error <= max(3.0, 2.5 * float(np.median(error)))
        x, y = now[agrees], usual[agrees]
        gain = float(np.cov(x, y, bias=True)[0, 1] / x.var()) if x.std() > 6 else gain
        offset = float(y.mean() - gain * x.mean())
    return gain, offset


def _clean(difference: np.ndarray, threshold: float) -> np.ndarray:
    """Threshold a difference picture and remove specks; returns a mask of 0 and 255, uint8."""
    _, mask = cv2.threshold(difference, threshold, 255, cv2.THRESH_BINARY)
    # Opening by 2 x 2 with one anchor for both steps would move the mask by a pixel, right and down.
    mask = cv2.dilate(cv2.erode(mask, _OPEN, anchor=(1, 1)), _OPEN, anchor=(0, 0))
    return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _CLOSE)


def find_blobs(mask: np.ndarray, reach: float = 1.0) -> np.ndarray:
    """Find the blobs of a foreground mask that are large enough to be a person.

    Parts that lie close are taken as one: a walker may fall apart into pieces. The reach is longer up and
    down than sideways, so that neighbours stay apart.

    Returns
    -------
    ndarray of shape (num_blobs, 5), float
        Left, top, width, height and area in pixels, without the outermost half per cent on each side.
    """
    size = [max(3, round(share * reach * mask.shape[0])) | 1 for share in (0.10, 0.045)]
    min_area = _MIN_BLOB_SHARE * mask.size
    left, top, width, height = cv2.boundingRect(mask)
    # All work is done where the mask holds something, a small part of most frames.
    corner = np.array([max(0, left - size[1]), max(0, top - size[0])])
    part = mask[corner[1] : top + height + size[0], corner[0] : left + width + size[1]]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(part, np.ones(size, np.uint8)))
    boxes = []
    for label, (left, top, width, height, area) in enumerate(stats[1:], 1):
        within = np.s_[top : top + height, left : left + width]
        own = (labels[within] == label) & (part[within] > 0) if area >= min_area else np.zeros((1, 1), bool)
        if np.count_nonzero(own) >= min_area:
            box = _box(own, has_shadow=reach <= 1)
            boxes.append([*(box[:2] + corner + (left, top)), *box[2:]])
    return np.array(boxes, float).reshape(-1, 5)


def _box(own: np.ndarray, has_shadow: bool) -> np.ndarray:
    """Return left, top, width, height and area; what lies beside the feet does not make a body wide."""
    left, right = 0, own.shape[1]
    if has_shadow:
        top, bottom = _trimmed_range(own.sum(axis=1))
        body = own[: int(bottom - _SHADOW_SHARE * (bottom - top)) + 1]
        left, right = _trimmed_range((body if body.any() else own).sum(axis=0))
    own = own[:, left:right]
    (first, last), (top, bottom) = (_trimmed_range(own.sum(axis=axis)) for axis in (0, 1))
    return np.array([left + first, top, last - first, bottom - top, np.count_nonzero(own)])


def _trimmed_range(counts: np.ndarray) -> tuple[int, int]:
    cumulated = np.cumsum(counts)
    low, high = 0.005 * cumulated[-1], 0.995 * cumulated[-1]
    return int(np.searchsorted(cumulated, low, "right")), int(np.searchsorted(cumulated, high)) + 1
