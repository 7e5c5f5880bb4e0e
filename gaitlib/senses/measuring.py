"""What the senses beside the picture tell of a walk: parameters of sound, motion, heart and skin."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import signal
from scipy.ndimage import distance_transform_edt

from gaitlib.gait.motion import peak_shift
from gaitlib.senses.recordings import SOUND_RATE_HZ, Recording

# A row a parameter: name, sense, unit, whether classifiers read it, definition, source.
SENSE_PARAMETERS = pd.read_csv(Path(__file__).with_name("parameters.csv"), dtype=str)
# Time of a step from 200 down to 40 a minute, of most people down to 72; length of the parts of a recording.
_STEP_SECONDS, _SLOWEST_STEP_SECONDS, _PART_SECONDS = (0.3, 1.5), 0.83, 5.0
_LOUDNESS_RATE_HZ, _MIN_SURENESS, _MIN_CONTRAST_DB, _MIN_CLEARNESS = 200, 0.3, 6.0, 0.5


def footsteps(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Find the footsteps in a sound of shape (num_samples,) at `SOUND_RATE_HZ`.

    Returns when they fall, shape (num_steps,), seconds; the loudness in dB, 200 times a second; the time of a
    step in seconds; and how well the loudness repeats with it, 0 to 1.
    """
    # The blow of a heel is short and broad: wind and hum lie below, hiss of the microphone above.
    loudness = 10 * np.log10(np.convolve(_power(sound, (80, 4000)), np.ones(5) / 5, "same") + 1e-10)
    rise = np.maximum(loudness - np.median(loudness), 0)
    similar = _autocorrelation(rise, len(rise))
    # Left and right sound alike: the first clear peak is the step, the next ones are two and more.
    lag = _first_peak(similar[: int(0.6 * len(rise))], _LOUDNESS_RATE_HZ, 0.7)
    if not lag:
        return np.zeros(0), loudness, np.nan, 0.0
    step_seconds = (lag + peak_shift(similar, lag)) / _LOUDNESS_RATE_HZ
    found = signal.find_peaks(rise, height=0.4 * np.percentile(rise, 98), distance=round(0.6 * lag))[0]
    return found / _LOUDNESS_RATE_HZ, loudness, step_seconds, max(0.0, float(similar[lag]))


def measure_sound(sound: np.ndarray) -> dict[str, float]:
    """Return the parameters of the footsteps in a sound, see `footsteps`; empty where none are heard."""
    times, loudness, step_seconds, sureness = footsteps(sound)
    places = np.round(times * _LOUDNESS_RATE_HZ).astype(int)
    contrast_db = float(np.median(loudness[places]) - np.median(loudness)) if len(places) else 0.0
    if len(places) < 3 or sureness < _MIN_SURENESS or contrast_db < _MIN_CONTRAST_DB:
        return {}
    first, last = round(0.05 * _LOUDNESS_RATE_HZ), round(0.3 * _LOUDNESS_RATE_HZ)
    delays = []
    for place in places[places + last <= len(loudness)]:
        after = loudness[place + first : place + last]
        if len(second := signal.find_peaks(after, prominence=2)[0]):
            delays.append((first + second[after[second].argmax()]) / _LOUDNESS_RATE_HZ)
    hiss = _power(sound, (2000, 6000))
    away_seconds = distance_transform_edt(~np.isin(np.arange(len(hiss)), places)) / _LOUDNESS_RATE_HZ
    within, between = hiss[away_seconds < 0.06].mean(), hiss[away_seconds > 0.3 * step_seconds].mean()
    return {
        "sound_cadence_steps_per_min": 60 / step_seconds,
        "sound_loudness_db": contrast_db,
        "sound_loudness_sd_db": float(np.std(loudness[places])),
        "sound_heel_to_toe_seconds": float(np.median(delays)) if delays else np.nan,
        "sound_scuffing_db": float(10 * np.log10((between + 1e-12) / (within + 1e-12))),
        "sound_sureness": sureness,
    }


def measure_motion(recording: Recording) -> dict[str, float]:
    """Return the parameters of acceleration and rotation; empty without acceleration."""
    known, turned = recording.vector("acc"), recording.vector("gyro")
    if known is None:
        return {}
    acceleration, rate_hz = known
    low = signal.butter(4, min(10.0, 0.45 * rate_hz), fs=rate_hz, output="sos")
    smooth = signal.sosfiltfilt(low, acceleration, axis=0)
    size, length = np.linalg.norm(smooth, axis=1), min(len(smooth), round(_PART_SECONDS * rate_hz))
    alike, turning = _autocorrelation(size, length), np.zeros(length)
    values = {
        "motion_intensity_m_s2": _usual_size(smooth - smooth.mean(axis=0), rate_hz),
        "motion_jerk_m_s3": _usual_size(np.gradient(smooth, axis=0) * rate_hz, rate_hz),
    }
    if turned is not None:
        centred = turned[0] - turned[0].mean(axis=0)
        rotation = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
        turning = _autocorrelation(rotation, length)
        values["motion_arm_swing_deg_s"] = float(rotation.std())
    # Both feet shake the body alike, but an arm swings forth with one and back with the other.
    places = np.arange(length)
    clearness = alike - turning + np.interp(2 * places, places, alike + turning)
    # Three steps look like one: the first lag that is nearly as clear as the clearest.
    lag = _first_peak(clearness[: round(0.4 * length)], rate_hz, 0.85)
    if lag:
        step = lag + peak_shift(clearness, lag)
        # Without rotation, a swing forth may look unlike one back: what comes so seldom is a stride.
        step /= 2 if turned is None and step > _SLOWEST_STEP_SECONDS * rate_hz else 1
        values["motion_step_regularity"] = float(alike[round(step)])
        values["motion_stride_regularity"] = float(alike[round(2 * step)])
    if lag and clearness[lag] > _MIN_CLEARNESS:
        step_seconds = step / rate_hz
        values["motion_cadence_steps_per_min"] = 60 / step_seconds
        if turned is not None:
            values["motion_stride_time_cv_percent"] = _stride_variation(rotation, 2 * step_seconds, rate_hz)
    return {name: value for name, value in values.items() if np.isfinite(value)}


def measure_body(recording: Recording) -> dict[str, float]:
    """Return the parameters of heart and skin that the recording tells."""
    signals, values = recording.signals, dict[str, float]()
    for name in ("eda_us", "ppg", "ecg_mv"):  # what is surer comes later
        if name in signals and np.ptp(signals[name].index) >= 10:
            with warnings.catch_warnings():  # of neurokit2, on short signals
                warnings.simplefilter("ignore")
                found = _neurokit(name, signals[name])
            values |= {name: value for name, value in found.items() if np.isfinite(value)}
    if "heart_rate_bpm" in signals:
        rate = signals["heart_rate_bpm"]
        values["heart_rate_mean_bpm"] = float(rate.mean())
        if np.ptp(rate.index) >= 30:  # breathing alone makes a slope of less
            values["heart_rate_slope_bpm_per_min"] = float(60 * np.polyfit(rate.index, rate, 1)[0])
    return values


def _neurokit(name: str, values: pd.Series) -> dict[str, float]:
    import neurokit2  # takes seconds to load

    rate_hz = max(50, round(1 / float(np.median(np.diff(values.index)))))
    even = np.interp(np.arange(values.index[0], values.index[-1], 1 / rate_hz), values.index, values)
    minutes = len(even) / rate_hz / 60
    try:
        if name == "eda_us":
            rate = len(neurokit2.eda_process(even, sampling_rate=rate_hz)[1]["SCR_Peaks"]) / minutes
            return {"skin_conductance_us": float(even.mean()), "skin_responses_per_min": rate}
        process = neurokit2.ecg_process if name == "ecg_mv" else neurokit2.ppg_process
        table, found = process(even, sampling_rate=rate_hz)
        beats = found["ECG_R_Peaks" if name == "ecg_mv" else "PPG_Peaks"]
        pulse = table["ECG_Rate" if name == "ecg_mv" else "PPG_Rate"].to_numpy()
        breaths = neurokit2.signal_findpeaks(band_pass(pulse, (0.1, 0.5), rate_hz))["Peaks"]
    except (ValueError, IndexError, KeyError, ZeroDivisionError):  # too few beats to tell anything
        return {}
    between_ms = np.diff(beats) / rate_hz * 1000
    return {
        "heart_rate_mean_bpm": float(pulse.mean()),
        "heart_rmssd_ms": float(np.sqrt(np.mean(np.diff(between_ms) ** 2))) if len(beats) > 3 else np.nan,
        "heart_respiration_per_min": len(breaths) / minutes if minutes > 0.5 else np.nan,
    }


def _first_peak(similar: np.ndarray, rate_hz: float, share: float) -> int:
    """Return the first lag of a step that is a peak of some share of the highest, 0 where there is none."""
    shortest, longest = (round(limit * rate_hz) for limit in _STEP_SECONDS)
    peaks = signal.find_peaks(similar[:longest])[0]
    peaks = peaks[(peaks >= shortest) & (similar[peaks] > 0)]
    return int(peaks[similar[peaks] > share * similar[peaks].max()][0]) if len(peaks) else 0


def _stride_variation(rotation: np.ndarray, stride_seconds: float, rate_hz: float) -> float:
    """Return how the time from one forward swing of the arm to the next varies, per cent."""
    swing = band_pass(rotation, (0.5 / stride_seconds, 1.5 / stride_seconds), rate_hz)
    peaks = signal.find_peaks(swing, distance=max(1, round(0.6 * stride_seconds * rate_hz)))[0]
    times = np.diff([peak + peak_shift(swing, peak) for peak in peaks]) / rate_hz
    times = times[np.abs(times / stride_seconds - 1) < 0.3]  # a turn or a stop is no stride
    return float(100 * times.std() / times.mean()) if len(times) >= 3 else np.nan


def _autocorrelation(values: np.ndarray, length: int) -> np.ndarray:
    """Return the unbiased autocorrelation within parts of some length, their mean: 1 at lag 0."""
    parts = values[: len(values) // length * length].reshape(-1, length)
    parts = parts - parts.mean(axis=1, keepdims=True)
    full = signal.fftconvolve(parts, parts[:, ::-1], axes=1)[:, length - 1 :]
    return (full / np.arange(length, 0, -1) / (full[:, :1] / length + 1e-12)).mean(axis=0)


def band_pass(values: np.ndarray, band_hz: tuple[float, float], rate_hz: float, order: int = 2) -> np.ndarray:
    """Return what lies in a band of frequencies, without a delay."""
    return signal.sosfiltfilt(signal.butter(order, band_hz, "bandpass", fs=rate_hz, output="sos"), values)


def _power(sound: np.ndarray, band_hz: tuple[float, float]) -> np.ndarray:
    """Return the mean power of a band of the sound, 200 times a second."""
    block, power = SOUND_RATE_HZ // _LOUDNESS_RATE_HZ, band_pass(sound, band_hz, SOUND_RATE_HZ, 4) ** 2
    return power[: len(power) // block * block].reshape(-1, block).mean(axis=1)


def _usual_size(vectors: np.ndarray, rate_hz: float) -> float:
    """Return the root mean square in parts of 5 s, the median: standing at the ends does not count."""
    power = np.square(vectors).sum(axis=1)
    parts = np.array_split(power, max(1, round(len(power) / rate_hz / _PART_SECONDS)))
    return float(np.sqrt(np.median([part.mean() for part in parts])))
