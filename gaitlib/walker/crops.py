"""Cut a steady square around the walker out of each picture."""

from collections.abc import Iterable

import cv2
import numpy as np


def cut_crops(frames: Iterable[np.ndarray], squares: np.ndarray, frame_size: int) -> np.ndarray:
    """Cut the square around the walker out of each picture and bring it to one size.

    Parameters
    ----------
    frames : iterable of num_frames ndarray of shape (height, width) or (height, width, 3), uint8
    squares : ndarray of shape (num_frames, 3)
        Centre right, centre down and side, in pixels; outside the picture its edge is repeated.
    frame_size : int
        Side of the result, pixels.

    Returns
    -------
    ndarray of shape (num_frames, frame_size, frame_size, 1 or 3), uint8
    """
    crops = [_cut(*pair, frame_size) for pair in zip(frames, squares, strict=True)]
    return np.stack(crops) if crops else np.empty((0, frame_size, frame_size, 1), np.uint8)


def _cut(frame: np.ndarray, square: np.ndarray, frame_size: int) -> np.ndarray:
    right, down, side = square
    fine = 2 * frame_size
    scale = side / fine
    offset = np.array([right, down]) - side / 2 + (scale - 1) / 2
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(frame, matrix, (fine, fine), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    small = cv2.resize(warped, (frame_size, frame_size), interpolation=cv2.INTER_AREA)
    return small.reshape(frame_size, frame_size, -1)
