"""How alike two walkers move, seen in their own pictures."""

from functools import lru_cache

import cv2
import numpy as np

from gaitlib.motion import MOTION_SECONDS
from gaitlib.prepared import PreparedVideo

MIN_OVERLAP_SECONDS = 1.2
LIMB_PIXELS = 32


def limb_similarity(
    first: PreparedVideo, second: PreparedVideo, parts: tuple[slice, slice], is_mirrored: bool
) -> float:
    """Return how alike two walkers move in their own pictures.

    Parameters
    ----------
    first, second : PreparedVideo
    parts : tuple of slice
        The rows of each track that show the same moments.
    is_mirrored : bool
        Whether the second is to be seen in a mirror.

    Returns
    -------
    float
        Correlation of what changes, up to 1; 0 if too few pictures are shared.
    """
    tables = [video.rows[part] for video, part in zip((first, second), parts, strict=True)]
    is_shown = (tables[0]["picture"] >= 0) & (tables[1]["picture"] >= 0)
    if is_shown.sum() < MIN_OVERLAP_SECONDS * first.rate_hz:
        return 0.0
    tables = [table[is_shown] for table in tables]
    left, right = (
        _limbs(video)[table["picture"]] for video, table in zip((first, second), tables, strict=True)
    )
    right = right[:, :, ::-1] if is_mirrored else right
    right = _brought_over(right, left, _shape_ratio(*tables))
    return _movement_similarity(left, right, max(1, round(MOTION_SECONDS * first.rate_hz)))


@lru_cache(maxsize=128)
def _limbs(video: PreparedVideo) -> np.ndarray:
    """Return the walker's pictures, small and soft, shape (num_pictures, 32, 32), float32."""
    pictures = video.read(0, video.meta["num_pictures"]).mean(axis=3, dtype=np.float32)
    size = (LIMB_PIXELS, LIMB_PIXELS)
    small = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures]
    return np.stack([cv2.GaussianBlur(picture, (0, 0), 0.75) for picture in small])


def _shape_ratio(first: np.ndarray, second: np.ndarray) -> float:
    """Return how much wider the first shows the walker: films get stretched."""
    widths = [table["width"] / table["square_side"] for table in (first, second)]
    ratio = float(np.median(widths[0] / widths[1]))
    return float(np.clip(ratio, 0.4, 2.5)) if np.isfinite(ratio) else 1.0


def _brought_over(pictures: np.ndarray, goal: np.ndarray, ratio: float) -> np.ndarray:
    """Stretch and shift all pictures alike, so that their mean lies over the goal's."""
    middle = (LIMB_PIXELS - 1) / 2
    stretch = np.array([[ratio, 0, middle * (1 - ratio)], [0, 1, 0]], np.float32)
    (right, down), _ = cv2.phaseCorrelate(
        cv2.warpAffine(pictures.mean(axis=0), stretch, (LIMB_PIXELS, LIMB_PIXELS)).astype(np.float64),
        goal.mean(axis=0).astype(np.float64),
    )
    if max(abs(right), abs(down)) <= LIMB_PIXELS / 10:
        stretch[:, 2] += (right, down)
    return np.stack([cv2.warpAffine(picture, stretch, (LIMB_PIXELS, LIMB_PIXELS)) for picture in pictures])


def _movement_similarity(left: np.ndarray, right: np.ndarray, lag: int) -> float:
    """Return the correlation of what changes within `lag` pictures, at the best delay of up to a picture."""
    # Copies may be sampled up to a picture apart: smoothing in time makes in-between pictures possible.
    left, right = (part[:-2] / 4 + part[1:-1] / 2 + part[2:] / 4 for part in (left, right))
    shown = [left[1:-1], right[:-2], right[1:-1], right[2:]]
    changes = np.stack([(part[lag:] - part[:-lag]).ravel() for part in shown])
    # A picture in between is a mean of two, so that products of these four tell all delays.
    products = (changes @ changes.T).astype(float)
    best = 0.0
    for delay in np.linspace(-1, 1, 9):
        weights = np.array([max(0.0, -delay), 1 - abs(delay), max(0.0, delay)])
        scale = np.sqrt(products[0, 0] * (weights @ products[1:, 1:] @ weights))
        best = max(best, float(products[0, 1:] @ weights / scale) if scale else 0.0)
    return best
