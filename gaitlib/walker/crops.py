"""Cut the steady square around the walker out of each frame."""

from collections.abc import Iterable

import cv2
import numpy as np


def cut_frames(frames: Iterable[np.ndarray], squares: np.ndarray, size: int) -> np.ndarray:
    """Cut a square (centre x, centre y, side, pixels) out of each frame and bring it to one size.

    Beyond the edge of a frame its pixels are repeated.

    Returns
    -------
    ndarray of shape (num_frames, size, size) or (num_frames, size, size, 3), uint8
    """
    cut = [_cut(frame, square, size) for frame, square in zip(frames, squares, strict=True)]
    return np.stack(cut) if cut else np.empty((0, size, size), np.uint8)


def _cut(frame: np.ndarray, square: np.ndarray, size: int) -> np.ndarray:
    x, y, side = (float(value) for value in square)
    scale = side / (2 * size)
    shift = (scale - side - 1) / 2
    matrix = np.array([[scale, 0, x + shift], [0, scale, y + shift]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fine = cv2.warpAffine(frame, matrix, (2 * size, 2 * size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)
