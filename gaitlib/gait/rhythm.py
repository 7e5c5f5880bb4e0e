"""The rhythm of a walk: how often signals repeat, how far they swing, when they are largest."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks

# Strides per second, from half the slowest walk to a run; this share of a stride must be seen.
STRIDES_HZ, MIN_STRIDES_SEEN = (0.15, 1.9), 0.75
# A wave that explains less of the signals, or an autocorrelation below, is not a walk's.
MIN_EXPLAINED = 0.25
# Over longer times small changes of pace put a wave out of step.
BLOCK_SECONDS = 4.0
# The first peak of this height, as a share of the highest, is the step: a left step is most like the next
# left one. Longer lags than this share of a pass are seen too seldom.
FIRST_PEAK_SHARE, MAX_LAG_SHARE = 0.55, 0.6


@dataclass(frozen=True)
class Rhythm:
    """`weights` add the signals up to one that is largest where the first signal is."""

    frequency_hz: float
    weights: np.ndarray


def find_rhythm(times: np.ndarray, signals: np.ndarray, passes: np.ndarray) -> Rhythm | None:
    """Find the frequency whose wave explains most of some signals; None where nothing repeats.

    A fit needs little more than one stride, copes with gaps and loops and takes no harmonic for the rhythm.

    Parameters
    ----------
    times : ndarray of shape (num_frames,), seconds
    signals : ndarray of shape (num_frames, num_signals)
        Of left against right, in one unit: larger signals count more.
    passes : ndarray of shape (num_frames,), int
        Each unbroken pass has a mean of its own.

    References
    ----------
    Lomb 1976, "Least-squares frequency analysis of unequally spaced data".
    """
    seconds = max(float(np.ptp(times)), 1e-9)
    frequencies = np.arange(max(STRIDES_HZ[0], MIN_STRIDES_SEEN / seconds), STRIDES_HZ[1], 0.005)
    gained, total = np.zeros(len(frequencies)), 0.0
    weights = np.zeros((len(frequencies), signals.shape[1]))
    for block in np.array_split(np.arange(len(times)), max(1, round(seconds / BLOCK_SECONDS))):
        turn = 2 * np.pi * np.outer(frequencies, times[block])
        is_same = passes[block] == passes[block][:, None]
        centring = np.eye(len(block)) - is_same / is_same.sum(axis=1)
        waves, known = np.stack([np.cos(turn), np.sin(turn)], axis=1) @ centring, centring @ signals[block]
        shared = waves @ known
        sizes = np.linalg.solve(waves @ waves.transpose(0, 2, 1) + 1e-9 * np.eye(2), shared)
        gained, total = gained + (shared * sizes).sum((1, 2)), total + (known**2).sum()
        weights = weights + (sizes * sizes[..., :1]).sum(axis=1)
    best = int(gained.argmax()) if len(frequencies) else 0
    if best in (0, len(frequencies) - 1) or gained[best] < MIN_EXPLAINED * total or not total:
        return None
    return Rhythm(float(frequencies[best]), weights[best] / (np.linalg.norm(weights[best]) + 1e-12))


def find_step_seconds(
    times: np.ndarray, signals: np.ndarray, passes: np.ndarray, limits_seconds: tuple[float, float]
) -> float:
    """Return the time of a step by autocorrelation (Moe-Nilssen & Helbostad 2004), NaN if none is clear.

    For signals that repeat with every step of either foot; those that repeat clearly count more.
    """
    frame_seconds = float(np.median(np.diff(times)))
    longest = MAX_LAG_SHARE * np.bincount(passes).max() * frame_seconds
    lags = np.arange(limits_seconds[0], min(limits_seconds[1], longest), frame_seconds)
    curves = np.array([[repeats_after(times, part, passes, lag) for lag in lags] for part in signals.T])
    curves = np.nan_to_num(curves)
    clear = [max((curve[peak] for peak in find_peaks(curve)[0]), default=0.0) for curve in curves]
    if max(clear) < MIN_EXPLAINED:
        return np.nan
    curve = np.average(curves, axis=0, weights=np.maximum(clear, 0) ** 2)
    peaks = find_peaks(curve)[0]
    if not len(peaks):
        return np.nan
    peak = peaks[curve[peaks] >= FIRST_PEAK_SHARE * curve[peaks].max()][0]
    return float(lags[peak] + _peak_shift(curve, peak) * frame_seconds)


def _peak_shift(values: np.ndarray, peak: int) -> float:
    """Return where the parabola through a peak is highest, from its place, in steps."""
    before, top, after = values[peak - 1 : peak + 2]
    return float((before - after) / (2 * (before - 2 * top + after) - 1e-12))


def wave_size(times: np.ndarray, values: np.ndarray, passes: np.ndarray, frequency_hz: float) -> float:
    """Return how far a value swings at a frequency, peak to peak, apart from its slow trend.

    A wave and a parabola are fitted to every 4 s of each pass; NaN where no pass shows most of a wave.
    """
    sizes, frames = [], []
    for number in np.unique(passes):
        rows = np.flatnonzero(passes == number)
        for block in np.array_split(rows, max(1, round(np.ptp(times[rows]) / BLOCK_SECONDS))):
            at = times[block] - times[block].mean()
            turn = 2 * np.pi * frequency_hz * at
            if len(block) >= 8 and np.ptp(at) * frequency_hz >= 0.9 * MIN_STRIDES_SEEN:
                terms = np.stack([np.cos(turn), np.sin(turn), at**0, at, at**2], axis=1)
                sizes.append(2 * np.hypot(*np.linalg.lstsq(terms, values[block], rcond=None)[0][:2]))
                frames.append(len(block))
    return float(np.average(sizes, weights=frames)) if sizes else np.nan


def find_peak_times(
    times: np.ndarray, signal: np.ndarray, passes: np.ndarray, apart_seconds: float
) -> np.ndarray:
    """Return when a signal is largest, seconds, at least some time apart."""
    found = []
    for number in np.unique(passes):
        at, values = times[passes == number], signal[passes == number]
        frame_seconds = float(np.median(np.diff(at))) if len(at) > 2 else np.inf
        for peak in find_peaks(values, height=0, distance=max(1.0, apart_seconds / frame_seconds))[0]:
            found.append(at[peak] + _peak_shift(values, peak) * frame_seconds)
    return np.array(found)


def repeats_after(times: np.ndarray, signal: np.ndarray, passes: np.ndarray, lag_seconds: float) -> float:
    """Return the autocorrelation of a signal some time later, -1 to 1; NaN for fewer than 5 pairs."""
    pairs = [np.zeros((2, 0))]
    for number in np.unique(passes):
        at, values = times[passes == number], signal[passes == number]
        is_seen = at + lag_seconds <= at[-1]
        pairs.append(np.stack([values[is_seen], np.interp(at[is_seen] + lag_seconds, at, values)]))
    earlier, later = np.concatenate(pairs, axis=1)
    is_known = len(earlier) >= 5 and earlier.std() > 0 and later.std() > 0
    return float(np.corrcoef(earlier, later)[0, 1]) if is_known else np.nan
