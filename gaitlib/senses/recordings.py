"""Recordings beside a walk: what watches and phones export as CSV, and the sound of a video."""

import io
import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pandas as pd

from gaitlib.errors import InputError
from gaitlib.files import decode_text, show_name

SOUND_RATE_HZ = 16_000
STANDARD_GRAVITY_M_S2 = 9.80665
_MIN_SECONDS, _MAX_GAP_SECONDS, _MAX_BYTES, _MAX_SOUND_SECONDS = 2.0, 1.0, 200_000_000, 600
_VECTORS = {"acc": "_m_s2", "gyro": "_deg_s"}
_AXIS = re.compile(r"(acc|gyr|rotation)[a-z_]*?_?([xyz])(_|$)")
_BARE_AXIS = re.compile(r"(?:a|g_f)?_?([xyz])(?:_m?g|_m_s_?2)?|w_?([xyz])(?:_rad_s|_deg_s)?")
_SCALARS = {
    "heart_rate_bpm": re.compile(r"heart_?rate|beats_per_min|(^|_)(hr|bpm)(_|$)|(^|_)pulse(_rate)?$"),
    "eda_us": re.compile(r"(^|_)(eda|gsr)(_|$)|skin_?conduct"),
    "ecg_mv": re.compile(r"(^|_)e[ck]g(_|$)"),
    "ppg": re.compile(r"(^|_)(ppg|bvp)(_|$)"),
}
_TIME = re.compile(r"(^|_)(time|timestamp|seconds|t|date|datetime|epoch|unix)(_|$)")
# Values of each signal that a living person can give; others count as missing.
_RANGES = {"heart_rate_bpm": (25.0, 240.0), "eda_us": (0.01, 100.0)}
# No recording beside a walk lasts longer; nobody shakes as much (root mean square).
_LONGEST_SECONDS, _MOST_M_S2 = 3600.0, 200.0
# Unix times of 2000 to 2050; lines in which devices speak of themselves, at most.
_EPOCH_SECONDS, _MAX_HEAD = (0.95e9, 2.5e9), 100


@dataclass(frozen=True)
class Recording:
    """Signals beside a walk, each a Series over its own times, seconds from the start of the recording.

    Names are ``acc_x_m_s2``, ``gyro_x_deg_s`` (and y, z), ``heart_rate_bpm``, ``eda_us``, ``ecg_mv`` and
    ``ppg``. `notes` tells in a sentence each what was converted or left out.
    """

    signals: dict[str, pd.Series]
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long the recording lasts."""
        return max(float(one.index[-1]) for one in self.signals.values())

    def vector(self, kind: str) -> tuple[np.ndarray, float] | None:
        """Return ``acc`` or ``gyro``, shape (num_samples, 3), at its even rate in hertz; None without it."""
        names = [f"{kind}_{axis}{_VECTORS[kind]}" for axis in "xyz"]
        if not self.signals.keys() >= set(names):
            return None
        parts = [self.signals[name] for name in names]
        times = parts[0].index.to_numpy()
        rate_hz = min(100.0, 1 / float(np.median(np.diff(times))))
        even = np.arange(times[0], times[-1], 1 / rate_hz)
        return np.stack([np.interp(even, part.index, part) for part in parts], axis=1), rate_hz


def read_recording(path: Path | str) -> Recording:
    """Read a CSV file of signals: one row a moment, a column of times, and any of the signals of `Recording`.

    Comma, semicolon or tab; seconds, Unix times to the nanosecond or ISO dates; sensors in columns (empty
    cells where one has no sample) or in rows (columns ``sensor``, ``x``, ``y``, ``z``, ``value``). g, mg and
    radians are told by the header or the range, and converted. Raises an `InputError` if it is no table, has
    no times or no signal that could be used.
    """
    path, notes = Path(path), list[str]()
    table = _read_csv(path)
    table.columns = pd.Index(names := [_plain_name(name) for name in map(str, table.columns)])
    clock = next((name for name in names if _TIME.search(name)), None)
    if clock is None:
        raise InputError(f"{show_name(path)} has no time column: call one of its columns time_seconds.")
    seconds = _seconds_of(table[clock], clock)
    is_running = seconds.notna() & (seconds > seconds.cummax().shift(fill_value=-np.inf).fillna(-np.inf))
    if (num_lost := int((~is_running).sum())) > 0.1 * len(table) or is_running.sum() < 2:
        raise InputError(f"{show_name(path)}: {num_lost} of {len(table)} times are missing or go backwards.")
    if num_lost:
        notes.append(f"{num_lost} rows whose time is missing or goes backwards were left out.")
    table = _widen(table[is_running.to_numpy()], clock)
    table.index = pd.Index(seconds[is_running].to_numpy() - float(seconds[is_running].iloc[0]))
    signals = dict[str, pd.Series]()
    for column in table.columns.drop(clock, errors="ignore"):
        name = _signal_of(column)
        if name and name not in signals:
            if column == "x":
                notes.append("Columns x, y and z are taken for acceleration.")
            signal = _clean(table[column], name, notes)
            signals |= {} if signal is None else {name: signal}
    _convert(signals, list(table.columns), notes)
    if not signals:
        reason = f" ({' '.join(notes)})" if notes else ": expected columns such as acc_x_m_s2, heart_rate_bpm"
        raise InputError(f"{show_name(path)} holds no signal that could be used{reason.rstrip('.')}.")
    return Recording(signals, tuple(notes))


def read_sound(path: Path | str) -> tuple[np.ndarray, str]:
    """Return the sound of a video as one channel at `SOUND_RATE_HZ`, and why there is none (else nothing).

    The samples, shape (num_samples,), float32, -1 to 1, are those of the first ten minutes; none without.
    """
    samples, note = [np.zeros(0, np.float32)], ""
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.audio:
                return samples[0], "The video has no sound."
            resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE_HZ)
            for frame in container.decode(audio=0):
                if frame.time and frame.time > _MAX_SOUND_SECONDS:
                    break
                samples += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    except (av.error.FFmpegError, OSError):
        note = "The sound is damaged."
    sound = np.concatenate(samples)
    if not note and (len(sound) < SOUND_RATE_HZ or float(np.abs(sound).max()) < 1e-4):
        note = "The sound is silent or shorter than a second."
    return (np.zeros(0, np.float32), note) if note else (sound, "")


def _read_csv(path: Path) -> pd.DataFrame:
    name = show_name(path)
    if not path.is_file() or path.stat().st_size > _MAX_BYTES:
        raise InputError(f"{name} is not there, no regular file, or larger than any recording of a walk.")
    try:
        lines = decode_text(path.read_bytes()).splitlines()
        lines = lines[
            next(filter(lambda place: _is_header(lines[place]), range(min(len(lines), _MAX_HEAD))), 0) :
        ]
        separator = max(",;\t", key=lines[0].count) if lines else ","
        table = pd.read_csv(io.StringIO("\n".join(lines).lstrip("# ")), sep=separator, dtype=str)
    except pd.errors.EmptyDataError:
        table = pd.DataFrame()
    except Exception as error:  # pandas and the csv module have no common class of errors
        raise InputError(f"{name} cannot be read as a table ({show_name(error)}): save it as CSV.") from error
    if table.shape[1] < 2 or table.empty:
        raise InputError(f"{name} is not a table of signals: expected a header and a row per sample.")
    return table


def _is_header(line: str) -> bool:
    """Tell whether a line names a time and signals; lines in which a device speaks of itself come before."""
    names = [_plain_name(cell) for cell in re.split(r"[,;\t]", line)]
    return any(map(_TIME.search, names)) and any(map(_signal_of, names))


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()).strip("_")


def _numbers(texts: pd.Series) -> pd.Series:
    """Read numbers, with decimal commas too; NaN for other text."""
    return pd.to_numeric(texts.astype("string").str.replace(",", ".", regex=False), errors="coerce")


def _seconds_of(times: pd.Series, header: str) -> pd.Series:
    numbers = _numbers(times)
    if numbers.notna().mean() < 0.5:
        dates = pd.to_datetime(times, errors="coerce", utc=True, format="mixed")
        return (dates - dates.min()).dt.total_seconds()
    named = {"ms": 1e-3, "us": 1e-6, "ns": 1e-9, "millis": 1e-3, "milliseconds": 1e-3}
    if scale := next((factor for word, factor in named.items() if word in header.split("_")), None):
        return numbers * scale
    largest, span, units = numbers.max(), numbers.max() - numbers.min(), (1.0, 1e-3, 1e-6, 1e-9)
    early, late = _EPOCH_SECONDS
    # Unix times tell their unit; others are in the largest unit in which a recording may last so long.
    of_epoch = [unit for unit in units if early < largest * unit < late and span * unit < 86_400]
    possible = [unit for unit in units if span * unit <= _LONGEST_SECONDS]
    return numbers * [*of_epoch, *possible, 1.0][0]


def _widen(table: pd.DataFrame, clock: str) -> pd.DataFrame:
    """Give each sensor columns of its own where a column names the sensor of each row."""
    sensor = next((name for name in ("sensor", "sensor_name", "sensortype", "type") if name in table), None)
    if sensor is None:
        return table
    wide = {}
    for kind, rows in table.groupby(sensor):
        for column in rows.columns.drop([clock, sensor]):
            wide[_plain_name(f"{kind}_{column}")] = rows[column].reindex(table.index)
    return pd.DataFrame(wide)


def _signal_of(column: str) -> str | None:
    """Return the name of the signal that a column holds, None for others."""
    if found := _AXIS.search(column):
        kind = "acc" if found[1] == "acc" else "gyro"
        return f"{kind}_{found[2]}{_VECTORS[kind]}"
    if found := _BARE_AXIS.fullmatch(column):
        kind = "acc" if found[1] else "gyro"
        return f"{kind}_{found[1] or found[2]}{_VECTORS[kind]}"
    return next((name for name, pattern in _SCALARS.items() if pattern.search(column)), None)


def _clean(texts: pd.Series, name: str, notes: list[str]) -> pd.Series | None:
    """Return the longest part of a signal without a gap; None, with a note, where it is of no use."""
    values = _numbers(texts)
    num_texts = int((values.isna() & texts.notna()).sum())
    low, high = _RANGES.get(name, (-np.inf, np.inf))
    values = values.where(values.between(low, high) & np.isfinite(values)).dropna()
    if num_texts:
        notes.append(f"{name}: {num_texts} cells hold text in place of a number.")
    breaks = np.flatnonzero(np.diff(values.index) > _MAX_GAP_SECONDS * (5 if name in _RANGES else 1)) + 1
    edges = [0, *breaks, len(values)]
    parts = [values.iloc[first:end] for first, end in itertools.pairwise(edges) if first < end]
    longest = max(parts, key=lambda part: part.index[-1] - part.index[0], default=values)
    if len(longest) < 2 or longest.index[-1] - longest.index[0] < _MIN_SECONDS:
        notes.append(f"{name} is missing: less than {_MIN_SECONDS:g} s of physiologically plausible values.")
        return None
    if longest.nunique() < 2 and name not in _RANGES:
        notes.append(f"{name} never changes and was left out.")
        return None
    if len(breaks):
        notes.append(f"{name} has {len(breaks)} gaps: the longest part without one is used.")
    at_end = longest.isin([longest.min(), longest.max()])
    if name[:3] in ("acc", "gyr") and at_end.mean() > 0.05:
        notes.append(f"{name} is saturated at the end of its range and was left out.")
        return None
    return longest


def _convert(signals: dict[str, pd.Series], columns: list[str], notes: list[str]) -> None:
    """Turn g and radians into the units of the names, told by the header or by the range, in place."""
    for kind, unit in _VECTORS.items():
        own = [f"{kind}_{axis}{unit}" for axis in "xyz" if f"{kind}_{axis}{unit}" in signals]
        headers = [name for name in columns if (_signal_of(name) or "").startswith(kind)]
        if not own:
            continue
        size = np.sqrt(sum(np.square(signals[name]).mean() for name in own))
        mean = np.sqrt(sum(np.square(signals[name].mean()) for name in own))
        if kind == "acc":
            # Walking shakes a wrist or a pocket by more than 1 m/s2; gravity is one g.
            is_mg = any(re.search(r"[xyz]_mg$", name) for name in headers) or size > _MOST_M_S2
            is_other = is_mg or any(re.search(r"[xyz]_g$", name) for name in headers)
            is_other |= size < 0.7 or (size < 1.5 and mean > 0.6 * size)
            words, factor = "mg" if is_mg else "g", STANDARD_GRAVITY_M_S2 * (1e-3 if is_mg else 1.0)
        else:
            is_other = any("rad" in name for name in headers) or size < 8
            factor, words = float(np.degrees(1)), "radians a second"
        if is_other:
            notes.append(f"{kind}: taken for {words} and converted.")
            signals |= {name: signals[name] * factor for name in own}
