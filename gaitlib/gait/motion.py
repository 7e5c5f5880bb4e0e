"""A walking bout of keypoints in the body's own axes, and the rhythm of a walk: how often signals repeat."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.signal import find_peaks, medfilt

from gaitlib.walker import KEYPOINT_NAMES, MIRRORED, Keypoints, steady

# Focal length in longer sides of the frame: phones have 0.7 to 0.9. It scales the depth alone.
FOCAL_LENGTH = 0.8
MIN_FRAMES, _MIN_PASS_FRAMES = 10, 6
# Path, size and direction change slowly; what changes faster is noise or the steps.
_SMOOTHING_SECONDS = 1.5
# A pass ends with a gap, or where somebody grows (log) or moves (metres) more from one frame to the next.
_MAX_GAP_SECONDS, _MAX_GROWTH, _MAX_JUMP_M = 0.35, 0.15, 0.5
# Slower than this, the way somebody goes does not tell which way the body faces; metres per second.
_MIN_SPEED_M_PER_S = 0.25
# Shoulders; hips, knees and ankles: left and right.
_SHOULDERS, _LEGS = [11, 12], [[23, 24], [25, 26], [27, 28]]
_HIPS, _TRUNK_AND_LEGS = _LEGS[0], [11, 12, 23, 24, 25, 26, 27, 28]
# Strides per second, from half the slowest walk to a run; this share of a stride must be seen.
_STRIDES_HZ, _MIN_STRIDES_SEEN = (0.15, 1.9), 0.75
# A wave that explains less of the signals, or an autocorrelation below, is not a walk's.
_MIN_EXPLAINED = 0.25
# Over longer times small changes of pace put a wave out of step.
_BLOCK_SECONDS = 4.0
# The first peak of this height, as a share of the highest, is the step: a left step is most like the next
# left one. Longer lags than this share of a pass are seen too seldom.
_FIRST_PEAK_SHARE, _MAX_LAG_SHARE = 0.55, 0.6
# Ankles that part by less, in legs, are somebody who stands.
_MIN_LEG_SWING = 0.12
# Mean over standard deviation of how far the left foot is ahead: 0 in a walk, 2 if it always is.
_MAX_ONE_SIDED = 0.8
# A step of a run, and of the slowest walk.
_STEP_SECONDS = 0.28, 1.75


@dataclass(frozen=True)
class BodyMotion:
    """The frames of one bout in which the whole body is known.

    `passes`, (num_frames,), numbers the unbroken passes: a loop that starts again, a gap or a cut begins a
    new one. `body_m`, (num_frames, 33, 3), is forward, left and up from the middle of the hips; `image_m`,
    (num_frames, 33, 2), right and up from the middle of the frame, at the walker's distance. `is_frontal`
    tells who comes or goes from who passes; `leg_m`, thigh and shank, is the unit of lengths.
    """

    times_seconds: np.ndarray
    passes: np.ndarray
    body_m: np.ndarray
    image_m: np.ndarray
    speed_m_per_s: np.ndarray
    is_frontal: bool
    leg_m: float

    def both(self, part: str, image: bool = False) -> np.ndarray:
        """Return a paired keypoint, shape (num_frames, 2 sides, axes): left, then right."""
        places = [KEYPOINT_NAMES.index(f"left_{part}"), KEYPOINT_NAMES.index(f"right_{part}")]
        return (self.image_m if image else self.body_m)[:, places]

    def middle(self, part: str, image: bool = False) -> np.ndarray:
        """Return the middle of a paired keypoint, shape (num_frames, axes)."""
        return self.both(part, image).mean(axis=1)


def body_motion(keypoints: Keypoints) -> BodyMotion | None:
    """Turn the keypoints of one bout into the body's axes; None where fewer than 10 frames show the body.

    Nobody walks backwards: sides are exchanged where the body faces away from where it goes.
    """
    rate_hz, size_px = keypoints.frame_rate_hz, np.array(keypoints.frame_size_px)
    known = keypoints.part(keypoints.is_found & np.isfinite(keypoints.world_m).all((1, 2)))
    scale = _metres_per_pixel(known).astype(float)
    passes = _find_passes(known, scale)
    is_long = np.bincount(passes)[passes] >= _MIN_PASS_FRAMES
    if is_long.sum() < MIN_FRAMES:
        return None
    known, passes = known.part(is_long), passes[is_long]
    world, image = known.world_m.astype(float), known.image_px - size_px / 2
    scale = _smooth(scale[is_long], passes, rate_hz)
    path = np.column_stack([scale * image[:, _HIPS, 0].mean(axis=1), scale * (FOCAL_LENGTH * size_px.max())])
    velocity = _smooth(path, passes, rate_hz, derivative=1)
    speed = np.linalg.norm(velocity, axis=1)
    left = (world[:, _HIPS] + world[:, _SHOULDERS])[..., [0, 2]]
    left = left[:, 0] - left[:, 1]
    # Left of who goes to (x, z) is (-z, x), with z away from the camera.
    is_wrong = (left[:, 1] * velocity[:, 0] < left[:, 0] * velocity[:, 1]) & (speed > _MIN_SPEED_M_PER_S)
    world[is_wrong], image[is_wrong] = world[is_wrong][:, MIRRORED], image[is_wrong][:, MIRRORED]
    left[is_wrong] *= -1
    left = _smooth(left / (np.linalg.norm(left, axis=1, keepdims=True) + 1e-9), passes, rate_hz)
    x, z = (left / (np.linalg.norm(left, axis=1, keepdims=True) + 1e-9)).T
    axes = np.array([[z, 0 * x, -x], [x, 0 * x, z], [0 * x, 0 * x - 1, 0 * x]])
    body = np.einsum("ijt,tkj->tki", axes, world - world[:, _HIPS].mean(axis=1, keepdims=True))
    image *= scale[:, None, None] * np.array([1, -1])
    legs = np.linalg.norm(np.diff(body[:, _LEGS], axis=1), axis=3).sum(axis=1)
    is_frontal = bool(np.abs(np.sin(np.median(np.arctan2(x, z)))) > np.sqrt(0.5))
    return BodyMotion(known.times_seconds, passes, body, image, speed, is_frontal, float(np.median(legs)))


def _smooth(values: np.ndarray, passes: np.ndarray, rate_hz: float, derivative: int = 0) -> np.ndarray:
    result = np.zeros_like(values, dtype=float)
    for number in np.unique(passes):
        own = passes == number
        result[own] = steady(values[own], _SMOOTHING_SECONDS * rate_hz, derivative=derivative)
    return result * rate_hz**derivative


def _metres_per_pixel(keypoints: Keypoints) -> np.ndarray:
    """Return the scale of each frame: the one that lays the body in metres over the body in pixels."""
    metres, pixels = keypoints.world_m[:, _TRUNK_AND_LEGS, :2], keypoints.image_px[:, _TRUNK_AND_LEGS]
    metres = metres - metres.mean(axis=1, keepdims=True)
    scale = (metres**2).sum((1, 2)) / np.maximum((metres * pixels).sum((1, 2)), 1e-6)
    return medfilt(scale, 3) if len(scale) > 3 else scale


def _find_passes(keypoints: Keypoints, scale: np.ndarray) -> np.ndarray:
    step_px = np.linalg.norm(np.diff(keypoints.image_px.mean(axis=1), axis=0), axis=1)
    is_new = np.diff(keypoints.times_seconds) > _MAX_GAP_SECONDS
    is_new |= np.abs(np.diff(np.log(scale))) > _MAX_GROWTH
    is_new |= step_px * scale[1:] > _MAX_JUMP_M
    return np.cumsum([0, *is_new])[: len(scale)]


def walking_rhythm(motion: BodyMotion) -> tuple[float, np.ndarray] | None:
    """Return strides a second and how far the left foot is ahead, (num_frames,); None for who stands."""
    when, signals, passes = motion.times_seconds, _legs_apart(motion), motion.passes
    rhythm = find_rhythm(when, signals, passes)
    # Seen from the side, near and far leg may bear each other's names: one seems to be ahead all the time.
    is_mixed = np.abs(signals[:, 0].mean()) > _MAX_ONE_SIDED * signals[:, 0].std()
    if rhythm is None or (is_mixed and not motion.is_frontal):
        hips_up = motion.middle("hip", image=True)[:, 1] / motion.leg_m
        steps = np.stack([np.abs(signals[:, 0]), hips_up], axis=1)
        step = find_step_seconds(when, steps, passes)
        swing = wave_size(when, steps[:, 0], passes, 1 / step) if step > 0 else 0.0
        return (0.5 / step, signals[:, 0]) if swing > _MIN_LEG_SWING / 2 else None
    stride_hz, weights = rhythm
    sizes = [wave_size(when, signal, passes, stride_hz) for signal in signals.T]
    return (stride_hz, signals @ weights) if np.nanmax(sizes, initial=0) > _MIN_LEG_SWING else None


def foot_contacts(motion: BodyMotion, rhythm: tuple[float, np.ndarray]) -> pd.DataFrame:
    """Return `time_seconds` and `side` of each step: a foot is farthest before the other (Zeni 2008)."""
    stride_hz, ahead = rhythm
    ahead, found = ahead - np.median(ahead), []
    for number in np.unique(motion.passes):
        times = motion.times_seconds[motion.passes == number]
        frame_seconds = float(np.median(np.diff(times)))
        apart = max(1.0, 0.6 * (1 / stride_hz) / frame_seconds)
        for side, sign in (("left", 1), ("right", -1)):
            values = sign * ahead[motion.passes == number]
            for peak in find_peaks(values, height=0, distance=apart)[0]:
                found.append((times[peak] + peak_shift(values, peak) * frame_seconds, side))
    table = pd.DataFrame(found, columns=["time_seconds", "side"])
    return table.sort_values("time_seconds", ignore_index=True)


def _legs_apart(motion: BodyMotion) -> np.ndarray:
    """Return how far the left foot is before and above the right one, in space and in the image, in legs."""
    feet = [motion.both(part, image=True)[..., 1] for part in ("ankle", "heel", "foot_index")]
    ankles = motion.both("ankle")
    both = np.stack([ankles[..., 0], ankles[..., 2], *feet])
    return (both[..., 0] - both[..., 1]).T / motion.leg_m


def find_rhythm(
    times: np.ndarray, signals: np.ndarray, passes: np.ndarray
) -> tuple[float, np.ndarray] | None:
    """Find the frequency (Hz) whose wave explains most of some signals; None where nothing repeats.

    Each unbroken pass of the `signals`, (num_frames, num_signals), has a mean of its own. With the frequency
    come weights that add them up to one that is largest where the first is. A fit needs little more than one
    stride, copes with gaps and loops and takes no harmonic for the rhythm (Lomb 1976, "Least-squares
    frequency analysis of unequally spaced data").
    """
    seconds = float(np.ptp(times))
    frequencies = np.arange(max(_STRIDES_HZ[0], _MIN_STRIDES_SEEN / seconds), _STRIDES_HZ[1], 0.005)
    gained, total = np.zeros(len(frequencies)), 0.0
    weights = np.zeros((len(frequencies), signals.shape[1]))
    for block in np.array_split(np.arange(len(times)), max(1, round(seconds / _BLOCK_SECONDS))):
        turn = 2 * np.pi * np.outer(frequencies, times[block])
        is_same = passes[block] == passes[block][:, None]
        centring = np.eye(len(block)) - is_same / is_same.sum(axis=1)
        waves, known = np.stack([np.cos(turn), np.sin(turn)], axis=1) @ centring, centring @ signals[block]
        shared = waves @ known
        sizes = np.linalg.solve(waves @ waves.transpose(0, 2, 1) + 1e-9 * np.eye(2), shared)
        gained, total = gained + (shared * sizes).sum((1, 2)), total + (known**2).sum()
        weights = weights + (sizes * sizes[..., :1]).sum(axis=1)
    best = int(gained.argmax()) if len(frequencies) else 0
    if best in (0, len(frequencies) - 1) or gained[best] < _MIN_EXPLAINED * total or not total:
        return None
    return float(frequencies[best]), weights[best] / (np.linalg.norm(weights[best]) + 1e-12)


def find_step_seconds(
    times: np.ndarray, signals: np.ndarray, passes: np.ndarray, seconds: tuple[float, float] = _STEP_SECONDS
) -> float:
    """Return the time of a step by autocorrelation (Moe-Nilssen & Helbostad 2004), NaN if none is clear.

    For signals that repeat with every step of either foot, within `seconds` (shortest, longest); those that
    repeat clearly count more.
    """
    frame_seconds = float(np.median(np.diff(times)))
    longest = _MAX_LAG_SHARE * np.bincount(passes).max() * frame_seconds
    lags = np.arange(seconds[0], min(seconds[1], longest), frame_seconds)
    curves = np.nan_to_num([[repeats_after(times, part, passes, lag) for lag in lags] for part in signals.T])
    clear = [max((curve[peak] for peak in find_peaks(curve)[0]), default=0.0) for curve in curves]
    if max(clear) < _MIN_EXPLAINED:
        return np.nan
    curve = np.average(curves, axis=0, weights=np.maximum(clear, 0) ** 2)
    peaks = find_peaks(curve)[0]
    if not len(peaks):
        return np.nan
    peak = peaks[curve[peaks] >= _FIRST_PEAK_SHARE * curve[peaks].max()][0]
    return float(lags[peak] + peak_shift(curve, peak) * frame_seconds)


def peak_shift(values: np.ndarray, peak: int) -> float:
    """Return where the parabola through an inner peak is highest, from its place, in steps."""
    before, top, after = values[peak - 1 : peak + 2]
    return float(np.clip((before - after) / (2 * (before - 2 * top + after) - 1e-12), -1, 1))


def wave_size(times: np.ndarray, values: np.ndarray, passes: np.ndarray, frequency_hz: float) -> float:
    """Return how far a value swings at a frequency, peak to peak, apart from its slow trend.

    A wave and a parabola are fitted to every 4 s of each pass; NaN where no pass shows most of a wave.
    """
    sizes, frames = [], []
    for number in np.unique(passes):
        rows = np.flatnonzero(passes == number)
        for block in np.array_split(rows, max(1, round(np.ptp(times[rows]) / _BLOCK_SECONDS))):
            at = times[block] - times[block].mean()
            turn = 2 * np.pi * frequency_hz * at
            if len(block) >= 8 and np.ptp(at) * frequency_hz >= 0.9 * _MIN_STRIDES_SEEN:
                terms = np.stack([np.cos(turn), np.sin(turn), at**0, at, at**2], axis=1)
                sizes.append(2 * np.hypot(*np.linalg.lstsq(terms, values[block], rcond=None)[0][:2]))
                frames.append(len(block))
    return float(np.average(sizes, weights=frames)) if sizes else np.nan


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
