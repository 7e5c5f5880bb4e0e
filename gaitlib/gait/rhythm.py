"""How often and how regularly somebody steps, from how the silhouette repeats itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks

from gaitlib.gait.stretches import Stretch

# Both repeat with every step, left or right: the legs part and close, the head rises and falls.
STEP_SIGNALS = ("legs_width", "top")
# Between a run and the slowest sad walk.
STEPS_PER_MIN = (35.0, 210.0)
# The first peak this high, as a share of the highest, is the step; the highest may be the stride, since
# a left step resembles the next left one most.
FIRST_PEAK_SHARE = 0.5
# Lags longer than this share of a stretch are seen too seldom.
MAX_LAG_SHARE = 0.6


@dataclass(frozen=True)
class Rhythm:
    """The steps of a walk.

    Attributes
    ----------
    cadence_steps_per_min : float
    step_regularity, stride_regularity : float
        Autocorrelation one and two steps later, -1 to 1; the stride's is NaN in short walks.
    """

    cadence_steps_per_min: float
    step_regularity: float
    stride_regularity: float

    def turns(self, num_pictures: int, rate_hz: float) -> np.ndarray:
        """Return the phase of the step in each picture, in radians, shape (num_pictures,)."""
        return 2 * np.pi * self.cadence_steps_per_min / 60 * np.arange(num_pictures) / rate_hz


def find_rhythm(stretches: Sequence[Stretch]) -> Rhythm | None:
    """Find the cadence of a walk.

    The autocorrelations of several signals are averaged, those that repeat clearly counting more; the
    peak's place between two lags comes from the parabola through it and its neighbours.

    Parameters
    ----------
    stretches : sequence of Stretch
        Of one walker, all at the same rate.

    Returns
    -------
    Rhythm or None
        None where nothing repeats.

    References
    ----------
    Moe-Nilssen & Helbostad (2004), Journal of Biomechanics 37, 121-126: cadence and regularity from
    autocorrelation.
    """
    if not stretches:
        return None
    rate_hz = stretches[0].rate_hz
    longest = max(map(len, stretches))
    first = round(60 * rate_hz / STEPS_PER_MIN[1])
    last = min(int(60 * rate_hz / STEPS_PER_MIN[0]), int(MAX_LAG_SHARE * longest))
    lags = np.arange(first - 1, last + 2)
    if last - first < 2:
        return None
    curves = [_autocorrelation([stretch.steps(name) for stretch in stretches], lags) for name in STEP_SIGNALS]
    weights = np.array([_clearness(curve) ** 2 for curve in curves])
    if not weights.any():
        return None
    curve = np.average(curves, axis=0, weights=weights)
    peaks, _ = find_peaks(curve)
    step = peaks[curve[peaks] >= FIRST_PEAK_SHARE * curve[peaks].max()][0] if len(peaks) else 0
    if not step or curve[step] <= 0:
        return None
    before, peak, after = curve[step - 1 : step + 2]
    lag = lags[step] + (before - after) / (2 * (before - 2 * peak + after))
    stride = np.interp(2 * lag, lags, curve, right=np.nan)
    return Rhythm(60 * rate_hz / lag, float(peak), float(stride))


def _autocorrelation(parts: Sequence[np.ndarray], lags: np.ndarray) -> np.ndarray:
    """Return the correlation of a signal, known in parts, with itself some pictures later."""
    curve = np.zeros(len(lags))
    for number, lag in enumerate(lags):
        pairs = [(part[:-lag], part[lag:]) for part in parts if MAX_LAG_SHARE * len(part) >= lag - 1]
        earlier, later = (np.concatenate(sides) for sides in zip(*pairs, strict=True))
        scale = np.sqrt((earlier @ earlier) * (later @ later))
        curve[number] = earlier @ later / scale if scale > 0 else 0.0
    return curve


def _clearness(curve: np.ndarray) -> float:
    """Return the height of the highest peak, 0 to 1."""
    peaks, _ = find_peaks(curve)
    return max(0.0, float(curve[peaks].max())) if len(peaks) else 0.0


def find_steps(stretch: Stretch, rhythm: Rhythm) -> np.ndarray:
    """Return the pictures in which the legs are farthest apart, once a step, shape (num_steps,), int."""
    pictures_between = 60 * stretch.rate_hz / rhythm.cadence_steps_per_min
    return find_peaks(stretch.steps("legs_width"), distance=max(1.0, 0.6 * pictures_between), height=0)[0]
