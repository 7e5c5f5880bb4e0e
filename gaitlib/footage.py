"""Tell footage by what moves in it: the same film under another name.

What is compared survives another codec, size, frame rate, light, a mirror, a cut and a narrow crop.
Small whole pictures find candidates among all pairs and how they lie in time; the walker's own
pictures, of which the limbs' movement is all that counts, decide.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy import fft
from threadpoolctl import threadpool_limits

from gaitlib.footage_notes import recall, remember
from gaitlib.limbs import MIN_OVERLAP_SECONDS, limb_similarity
from gaitlib.motion import GRID
from gaitlib.prepared import PreparedVideo

# Mean of both correlations. Of 96 copies one measured 0.85, the others 0.89 to 1; two synthetic walkers
# reach 0.83, two takes of one in the same place and clothes 0.96.
OTHER_WALKER_SIMILARITY = 0.87
SAME_WALKER_SIMILARITY = 0.975
# Pairs below cannot reach such a mean, however alike the limbs are, and are not looked at closely.
CANDIDATE_SIMILARITY = 2 * OTHER_WALKER_SIMILARITY - 1
BLOCK_NUMBERS = 4_000_000
# Time by which copies may begin or end apart without being called an excerpt.
EXCERPT_SECONDS = 0.4


@dataclass(frozen=True)
class _Match:
    """Two videos that move alike: their numbers, the delay of the second in pictures, and how alike."""

    first: int
    second: int
    lag: int
    is_mirrored: bool
    similarity: float


def find_same_footage(
    videos: Sequence[PreparedVideo], names: Sequence[Hashable], walkers: Sequence[str] | None = None
) -> pd.DataFrame:
    """Find pairs of videos that show the same footage.

    Parameters
    ----------
    videos : sequence of PreparedVideo
    names : sequence
        How to call the videos in the result; file names or numbers.
    walkers : sequence of str, optional
        Who walks. The same person, filmed twice in the same clothes and place, looks more alike than
        two people, so a pair of different walkers is called the same footage at a lower similarity.

    Returns
    -------
    DataFrame
        `video`, `other`, `how` (such as ``"re-encoded copy"`` or ``"mirrored excerpt"``) and
        `similarity` (mean of the correlations of movement in the whole picture and of the limbs, up to
        1), the most alike first.

    Notes
    -----
    Not found: footage played at another speed, turned, or cropped to much less than the whole, and
    copies with less than about 1.5 s of walking in common. Of videos without movement nothing is known.
    """
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, video in enumerate(videos):
        numbers[video.folder.name].append(number)
    found = _compare({video.folder.name: video for video in videos})
    identical = {(entry, entry): ("identical file", 1.0) for entry in numbers}
    rows = []
    for (one, other), (how, similarity) in {**found, **identical}.items():
        for first, second in product(numbers[one], numbers[other]):
            is_other = walkers is not None and walkers[first] != walkers[second]
            limit = OTHER_WALKER_SIMILARITY if is_other else SAME_WALKER_SIMILARITY
            if similarity >= limit and (first < second or one != other):
                first, second = sorted((first, second))
                rows.append((names[first], names[second], how, similarity))
    table = pd.DataFrame(rows, columns=["video", "other", "how", "similarity"])
    return table.sort_values("similarity", ascending=False, ignore_index=True)


def _compare(videos: dict[str, PreparedVideo]) -> dict[tuple[str, str], tuple[str, float]]:
    """Return the pairs that are alike: names of their entries, how they are related, similarity.

    Only pairs with a video that was not there when the others were compared are looked at.
    """
    compared, found = recall(list(videos))
    names = sorted(videos, key=lambda name: name not in compared)
    if len(compared) == len(names):
        return found
    ordered = [videos[name] for name in names]
    grids = [video.motion for video in ordered]
    for match in _candidates(grids, _shortest_overlap(ordered), len(compared)):
        first, second = ordered[match.first], ordered[match.second]
        parts = _shared_rows(first, second, match.lag)
        limbs = limb_similarity(first, second, parts, match.is_mirrored)
        similarity = (limbs + match.similarity) / 2
        pair = names[match.first], names[match.second]
        # A walk on the spot may look alike mirrored too: the better of both is the one.
        if similarity >= max(OTHER_WALKER_SIMILARITY, found.get(pair, ("", 0.0))[1]):
            found[pair] = _how(first, second, match), similarity
    remember(names, found)
    return found


def _shortest_overlap(videos: Sequence[PreparedVideo]) -> int:
    return round(MIN_OVERLAP_SECONDS * videos[0].rate_hz) if videos else 1


def _candidates(grids: Sequence[np.ndarray], min_overlap: int, num_known: int) -> Iterator[_Match]:
    """Yield pairs whose coarse movement correlates at some delay, plain or mirrored.

    Pairs within the first `num_known` are left out. Correlation with masks in the frequency domain
    (Padfield, IEEE Trans. Image Processing 2012), many pairs at once; videos of similar length are
    compared together, so that few are padded much.
    """
    order = np.argsort([len(grid) for grid in grids], kind="stable")
    order = order[[len(grids[number]) >= min_overlap for number in order]]
    known, new = (
        [part[block] for block in _blocks([len(grids[number]) for number in part])]
        for part in (order[order < num_known], order[order >= num_known])
    )
    # Many small products: threads of their own would spend their time on waiting for each other.
    with threadpool_limits(1, user_api="blas"):
        for row, firsts in enumerate(new):
            for seconds in (*new[row:], *known):
                yield from _block_matches(grids, firsts, seconds, min_overlap)


def _blocks(lengths: Sequence[int]) -> list[slice]:
    """Divide sorted videos so that two blocks' correlations stay within a fixed memory."""
    blocks = []
    start = 0
    while start < len(lengths):
        size = 1
        while start + size < len(lengths) and 2 * lengths[start + size] * (size + 1) ** 2 <= BLOCK_NUMBERS:
            size += 1
        blocks.append(slice(start, start + size))
        start += size
    return blocks


def _block_matches(
    grids: Sequence[np.ndarray], firsts: np.ndarray, seconds: np.ndarray, min_overlap: int
) -> Iterator[_Match]:
    lengths = [np.array([len(grids[number]) for number in part]) for part in (firsts, seconds)]
    longest = [int(part.max()) for part in lengths]
    size = fft.next_fast_len(sum(longest), real=True)
    padded = [_padded(grids, part, size) for part in (firsts, seconds)]
    moved = [(part**2).sum(axis=2) for part in padded]
    total = np.minimum(moved[0].sum(axis=1)[:, None], moved[1].sum(axis=1))
    # A delay beyond the first's end stands for one before its beginning.
    lags = np.arange(size)
    lags[longest[0] :] -= size
    energy = [
        _moved_while_shown(moved[0], lags, lengths[1]).transpose(0, 2, 1),
        _moved_while_shown(moved[1], -lags, lengths[0]),
    ]
    begin = np.maximum(lags, 0)[:, None, None]
    end = np.minimum(lengths[0][:, None], lags[:, None, None] + lengths[1])
    is_short = end - begin < min_overlap
    is_short |= (energy[0] < 0.3 * total) | (energy[1] < 0.3 * total)
    scale = np.sqrt(np.maximum(energy[0] * energy[1], 1e-6))
    spectra = [fft.rfft(part, axis=1) for part in padded]
    mirrored = spectra[1].reshape(*spectra[1].shape[:2], GRID, GRID)[..., ::-1].reshape(spectra[1].shape)
    for is_mirrored, other in ((False, spectra[1]), (True, mirrored)):
        similarity = np.where(is_short, -1, _correlate(spectra[0], other, size) / scale)
        best = similarity.argmax(axis=0)
        peak = np.take_along_axis(similarity, best[None], axis=0)[0]
        for row, column in np.argwhere(peak >= CANDIDATE_SIMILARITY):
            first, second, lag = int(firsts[row]), int(seconds[column]), int(lags[best[row, column]])
            # Within one block each pair comes twice, and each video meets itself.
            if first < second or first not in seconds:
                match = _Match(first, second, lag, is_mirrored, float(peak[row, column]))
                yield match if first < second else _swapped(match)


def _swapped(match: _Match) -> _Match:
    return _Match(match.second, match.first, -match.lag, match.is_mirrored, match.similarity)


def _padded(grids: Sequence[np.ndarray], numbers: np.ndarray, size: int) -> np.ndarray:
    """Return grids as rows of one length, shape (num_videos, size, 64)."""
    padded = np.zeros((len(numbers), size, GRID * GRID), np.float32)
    for row, number in enumerate(numbers):
        padded[row, : len(grids[number])] = grids[number].reshape(-1, GRID * GRID)
    return padded


def _moved_while_shown(moved: np.ndarray, lags: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return how much moves in each video while one that begins `lag` pictures later is on.

    Parameters
    ----------
    moved : ndarray of shape (num_videos, num_pictures)
    lags : ndarray of shape (num_lags,), int
    lengths : ndarray of shape (num_others,), int

    Returns
    -------
    ndarray of shape (num_lags, num_others, num_videos)
    """
    so_far = np.zeros((moved.shape[1] + 1, len(moved)), np.float32)
    so_far[1:] = np.cumsum(moved, axis=1, dtype=float).T
    begin = np.clip(lags, 0, moved.shape[1])
    end = np.clip(lags[:, None] + lengths, 0, moved.shape[1])
    return so_far[end] - so_far[begin][:, None]


def _correlate(first: np.ndarray, second: np.ndarray, size: int) -> np.ndarray:
    """Return the correlation of all pairs at all delays from their spectra.

    Parameters
    ----------
    first, second : ndarray of shape (num_videos, num_frequencies, 64), complex
    size : int
        Number of delays.

    Returns
    -------
    ndarray of shape (size, num_first, num_second)
    """
    # Contiguous, or the products and the way back take half as long again.
    left = np.ascontiguousarray(first.transpose(1, 0, 2))
    right = np.ascontiguousarray(second.transpose(1, 2, 0).conj())
    pairs = np.ascontiguousarray((left @ right).transpose(1, 2, 0))
    return fft.irfft(pairs, size, axis=2, workers=-1).transpose(2, 0, 1)


def _shared_rows(first: PreparedVideo, second: PreparedVideo, lag: int) -> tuple[slice, slice]:
    start, stop = max(0, lag), min(len(first.rows), len(second.rows) + lag)
    return slice(start, stop), slice(start - lag, stop - lag)


def _how(first: PreparedVideo, second: PreparedVideo, match: _Match) -> str:
    slack = EXCERPT_SECONDS * first.rate_hz
    ends_apart = len(first.rows) - len(second.rows) - match.lag
    is_excerpt = abs(match.lag) > slack or abs(ends_apart) > slack
    if is_excerpt:
        return "mirrored excerpt" if match.is_mirrored else "excerpt"
    return "mirrored copy" if match.is_mirrored else "re-encoded copy"
