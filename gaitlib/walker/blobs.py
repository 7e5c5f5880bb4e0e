"""Blobs of a foreground mask: what is large enough to be a person, and the box around it."""

from collections.abc import Iterator

import cv2
import numpy as np

MIN_BLOB_SHARE = 0.0008
# A shadow lies flat at the feet: in the lowest part of the body.
SHADOW_SHARE = 0.15
_OPEN, _CLOSE = (np.ones((size, size), np.uint8) for size in (2, 5))


def clean(difference: np.ndarray, threshold: float) -> np.ndarray:
    """Threshold a difference picture and remove specks; returns a mask of 0 and 255, uint8."""
    _, mask = cv2.threshold(difference, threshold, 255, cv2.THRESH_BINARY)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _OPEN)
    return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _CLOSE)


def find_parts(mask: np.ndarray, reach: float = 1.0) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield the blobs of a mask that are large enough to be a person, parts that lie close taken as one.

    A walker may fall apart into pieces (grey trousers on a grey floor, lights on a black ground);
    the reach is longer up and down than sideways, so that neighbours stay apart. All work is done where
    the mask holds something, which is a small part of most pictures.

    Yields
    ------
    tuple of int, int and ndarray of shape (blob_height, blob_width), bool
        Top and left of a box around the blob, and which pixels in it are the blob's own.
    """
    height, min_area = mask.shape[0], MIN_BLOB_SHARE * mask.size
    size = max(3, round(0.10 * reach * height)), max(3, round(0.045 * reach * height))
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        return
    rows = slice(max(0, top - size[0]), top + height + size[0])
    columns = slice(max(0, left - size[1]), left + width + size[1])
    part = mask[rows, columns]
    joined = cv2.dilate(part, np.ones(size, np.uint8))
    num_labels, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    for label in range(1, num_labels):
        left, top, width, height, area = stats[label]
        if area < min_area:  # the blob itself is smaller still
            continue
        box = np.s_[top : top + height, left : left + width]
        own = (labels[box] == label) & (part[box] > 0)
        if np.count_nonzero(own) >= min_area:
            yield rows.start + int(top), columns.start + int(left), own


def find_blobs(mask: np.ndarray, reach: float = 1.0) -> np.ndarray:
    """Find the blobs of a foreground mask that are large enough to be a person.

    A box leaves out the outermost half per cent of its blob's pixels on each side, so that a thin
    line that happens to touch a person does not stretch it.

    Parameters
    ----------
    mask : ndarray of shape (height, width), uint8
    reach : float
        How far apart the parts of one blob may lie, see `Background`.

    Returns
    -------
    ndarray of shape (num_blobs, 5), float
        Left, top, width, height and area in pixels.
    """
    boxes = []
    for first_row, first_column, own in find_parts(mask, reach):
        start, stop = _body_columns(own) if reach <= 1 else (0, own.shape[1])
        own = own[:, start:stop]
        left, right = _trimmed_range(own.sum(axis=0))
        top, bottom = _trimmed_range(own.sum(axis=1))
        corner = first_column + start + left, first_row + top
        boxes.append((*corner, right - left, bottom - top, np.count_nonzero(own)))
    return np.array(boxes, float).reshape(-1, 5)


def _body_columns(own: np.ndarray) -> tuple[int, int]:
    """Return the first and last column of what stands above the feet.

    A shadow lies flat beside the feet; point lights cast none.
    """
    top, bottom = _trimmed_range(own.sum(axis=1))
    body = own[: int(bottom - SHADOW_SHARE * (bottom - top)) + 1]
    return _trimmed_range((body if body.any() else own).sum(axis=0))


def _trimmed_range(counts: np.ndarray) -> tuple[int, int]:
    """Return where counted pixels begin and end, without the outermost half per cent on each side."""
    cumulated = np.cumsum(counts)
    low, high = 0.005 * cumulated[-1], 0.995 * cumulated[-1]
    return int(np.searchsorted(cumulated, low, "right")), int(np.searchsorted(cumulated, high)) + 1
