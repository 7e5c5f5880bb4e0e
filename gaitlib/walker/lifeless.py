"""Videos that show nothing to judge: black, blank, frozen, or noise."""

import numpy as np

# Share of the pictures that must be alike for the whole video to be called so.
MOST = 0.95
BLACK_LEVEL = 24
BLANK_RANGE = 10
# Coding lets a still picture waver by this much in a small one; whoever walks in it changes it tenfold.
STILL_RANGE = 3
# Noise is another picture every time; the scene of a real video, even shaken, stays nearly the same.
NOISE_CORRELATION = 0.3
MIN_NOISE_SD = 1.5
BLOCK_ROWS = 1000


def why_lifeless(thumbs: np.ndarray) -> str:
    """Say why a video shows nothing, from its small whole pictures.

    Parameters
    ----------
    thumbs : ndarray of shape (num_pictures, side, side), uint8, grey

    Returns
    -------
    str
        The end of a sentence that begins with the file's name; empty if there is something to see.

    Examples
    --------
    >>> why_lifeless(np.zeros((30, 32, 32), np.uint8))
    'the pictures are black.'
    """
    if not len(thumbs):
        return ""
    pictures = thumbs.reshape(len(thumbs), -1)
    if (pictures.max(axis=1) <= BLACK_LEVEL).mean() >= MOST:
        return "the pictures are black."
    if (np.ptp(pictures, axis=1) <= BLANK_RANGE).mean() >= MOST:
        return "the pictures are blank, one even tone."
    if len(pictures) < 3:
        return ""
    is_same = (pictures[1:] == pictures[:-1]).all(axis=1)
    if is_same.mean() >= MOST or np.ptp(pictures, axis=0).max() <= STILL_RANGE:
        return "the picture is frozen: it stands still from beginning to end."
    # Hours of pictures are too large as floating-point numbers: a minute or so at a time.
    starts = range(0, len(pictures) - 1, BLOCK_ROWS)
    is_noise = np.concatenate([_is_noise(pictures[start : start + BLOCK_ROWS + 1]) for start in starts])
    return "the pictures are noise: none resembles the one before." if is_noise.mean() >= MOST else ""


def _is_noise(pictures: np.ndarray) -> np.ndarray:
    """Say for each picture but the first whether it is unlike the one before, shape (n - 1,), bool."""
    patterns = pictures - pictures.mean(axis=1, keepdims=True, dtype=np.float32)
    spreads = patterns.std(axis=1)
    products = (patterns[1:] * patterns[:-1]).mean(axis=1)
    correlations = products / np.maximum(spreads[1:] * spreads[:-1], 1e-6)
    return (correlations < NOISE_CORRELATION) & (np.minimum(spreads[1:], spreads[:-1]) > MIN_NOISE_SD)
