"""Recordings beside a walk: what watches and phones export as CSV, and the sound of a video."""

import io
import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import av
import numpy as np
import pandas as pd

from gaitlib.errors import InputError
from gaitlib.files import decode_text, show_name

SOUND_RATE_HZ = 16_000
_MIN_SECONDS, _MAX_SOUND_SECONDS = 2.0, 600
# What columns of exports are called, in lower case with underscores.
_SIGNALS = {
    "heart_rate_bpm": r"heart_?rate|beats_per_min|(^|_)(hr|bpm)(_|$)|(^|_)pulse(_rate)?$",
    "eda_us": r"(^|_)(eda|gsr)(_|$)|skin_?conduct",
    "ecg_mv": r"(^|_)e[ck]g(_|$)",
    "ppg": r"(^|_)(ppg|bvp)(_|$)",
}
for _x in "xyz":
    _SIGNALS[f"acc_{_x}_m_s2"] = rf"(acc|beschl)[a-z_]*?_?{_x}(_|$)|^(a|g_f)?_?{_x}(_axis)?(_m?g|_m_s_?2)?$"
    _SIGNALS[f"gyro_{_x}_deg_s"] = rf"(gyr|rotat)[a-z_]*?_?{_x}(_|$)|^w_?{_x}$|^w?_?{_x}(_axis)?_(rad|deg)_s$"
_NO_SIGNAL = r"(^|_)(conf|confidence|max(?!_\d)|min|zone|resting|quality)(_|$)"
_PER_MINUTE = r"(beats|counts?|1|per)_min(_|$)"
_TIME = r"(^|_)(time|timestamp|seconds|t|date|datetime|epoch|unix|zeit|temps|tiempo)(_|$)"
_CLOCK_UNITS = {"ms": 1e-3, "millis": 1e-3, "milliseconds": 1e-3, "us": 1e-6, "ns": 1e-9}
_UNITS = {"mg": 9.80665e-3, "g": 9.80665, "radians a second": 180 / np.pi, "mdps": 1e-3}
# What changes slowly, and values of it that a living person can give; others count as missing.
_RANGES = {"heart_rate_bpm": (25.0, 240.0), "eda_us": (0.01, 100.0)}
_MIN_RATE_HZ = 8.0  # of all others: the fastest steps still show


@dataclass(frozen=True)
class Recording:
    """Signals beside a walk, each a Series over its own times, seconds from the start of the recording.

    Names are ``acc_x_m_s2``, ``gyro_x_deg_s`` (and y, z), ``heart_rate_bpm``, ``eda_us``, ``ecg_mv`` and
    ``ppg``. `notes` tells in a sentence each what was converted or left out.
    """

    signals: dict[str, pd.Series]
    notes: tuple[str, ...] = ()

    def vector(self, kind: str) -> tuple[np.ndarray, float] | None:
        """Return ``acc`` or ``gyro``, (num_samples, 3), at the even rate of ``acc`` in hertz, or None."""
        parts = [one for name, one in sorted(self.signals.items()) if name.startswith(kind)]
        if len(parts) < 3 or "acc_x_m_s2" not in self.signals:
            return None
        times = self.signals["acc_x_m_s2"].index.to_numpy()
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
    name, table, notes = show_name(path), _read_csv(Path(path)), list[str]()
    counts = table.filter(regex=_TIME).nunique()
    if counts.empty:
        raise InputError(f"{name} has no time column: call one of its columns time_seconds.")
    clock = str(counts.index[counts >= counts.max() / 2][0])
    sensor = next(iter(table.filter(regex="^(sensor(_?name|_?type)?|type)$").columns), None)
    kinds = table.pop(sensor) if sensor else pd.Series("", table.index)
    seconds = _seconds_of(table[clock], clock).dropna()
    latest = seconds.groupby(kinds).transform(lambda own: own.cummax().shift(fill_value=-np.inf))
    seconds = seconds[seconds > latest]
    if (num_lost := len(table) - len(seconds)) > 0.1 * len(table) or len(seconds) < 2:
        raise InputError(f"{name}: {num_lost} of {len(table)} times are missing, repeat or go backwards.")
    if num_lost:
        notes.append(f"{num_lost} rows whose time is missing, repeats or goes backwards were left out.")
    seconds -= seconds.min()
    columns = {
        _plain_name(f"{kind}_{column}"): texts.set_axis(seconds[texts.index])
        for kind, rows in table.drop(columns=counts.index).loc[seconds.index].groupby(kinds)
        for column, texts in rows.items()
        if not (sensor and texts.isna().all())
    }
    if not (signals := _find_signals(columns, notes)):
        reason = f" ({' '.join(notes)})" if notes else ": expected columns such as acc_x_m_s2, heart_rate_bpm"
        raise InputError(f"{name} holds no signal that could be used{reason.rstrip('.')}.")
    return Recording(signals, tuple(notes))


def read_sound(path: Path | str) -> np.ndarray:
    """Return the sound of a video as one channel at `SOUND_RATE_HZ`: (num_samples,), float32, -1 to 1.

    It ends after ten minutes. Raises an `InputError` where there is none, or it is silent or damaged.
    """
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.audio:
                raise InputError("The video has no sound.")
            resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE_HZ)
            decoded = container.decode(audio=0)
            frames = takewhile(lambda frame: (frame.time or 0) <= _MAX_SOUND_SECONDS, decoded)
            parts = [part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)]
    except (av.error.FFmpegError, OSError) as error:
        raise InputError("The sound is damaged.") from error
    sound = np.concatenate([np.zeros(0, np.float32), *parts])
    if len(sound) < SOUND_RATE_HZ or np.abs(sound).max() < 1e-4:
        raise InputError("The sound is silent or shorter than a second.")
    return sound


def _read_csv(path: Path) -> pd.DataFrame:
    """Return the cells as text, under plain names."""
    name = show_name(path)
    try:
        lines = decode_text(path.read_bytes()).splitlines()
        # Before the header, devices speak of themselves.
        first = next((place for place, line in enumerate(lines[:100]) if _is_header(line)), 0)
        text = "\n".join(lines[first:]).lstrip("# ")
        separator = max(",;\t", key=text.partition("\n")[0].count)
        table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, index_col=False)
    except Exception as error:  # pandas and the csv module have no common class of errors
        raise InputError(f"{name} cannot be read as a table ({show_name(error)}): save it as CSV.") from error
    if table.shape[1] < 2 or table.empty:
        raise InputError(f"{name} is not a table of signals: expected a header and a row per sample.")
    table.columns = table.columns.map(_plain_name)
    return table.loc[:, ~table.columns.duplicated()]


def _is_header(line: str) -> bool:
    names = [_plain_name(cell) for cell in re.split(r"[,;\t]", line)]
    return any(re.search(_TIME, name) for name in names) and any(map(_signal_of, names))


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()).strip("_")


def _signal_of(column: str) -> str | None:
    found = (name for name, pattern in _SIGNALS.items() if re.search(pattern, column))
    return None if re.search(_NO_SIGNAL, re.sub(_PER_MINUTE, "", column)) else next(found, None)


def _numbers(texts: pd.Series) -> pd.Series:
    """Read numbers, with decimal commas too; NaN for other text."""
    return pd.to_numeric(texts.astype("string").str.replace(",", "."), errors="coerce")


def _seconds_of(times: pd.Series, header: str) -> pd.Series:
    """Read dates, or numbers in the unit that the header or their size tells."""
    times = times.str.replace(r"^\s*(\d+:\d\d[.,]\d+)\s*$", r"0:\1", regex=True)  # minutes and seconds
    numbers, words = _numbers(times), header.split("_")
    if numbers.notna().mean() < 0.5:
        dates = pd.to_datetime(times, errors="coerce", utc=True, format="mixed")
        return (dates - dates.min()).dt.total_seconds()
    largest, span, units = numbers.max(), numbers.max() - numbers.min(), (1.0, 1e-3, 1e-6, 1e-9)
    named = [unit for word, unit in _CLOCK_UNITS.items() if word in words]
    # Unix times of 2000 to 2050 tell their unit; others are in the largest that makes an hour at most.
    of_epoch = [unit for unit in units if 0.95e9 < largest * unit < 2.5e9 and span * unit < 86_400]
    is_long = {"s", "sec", "seconds"}.intersection(words) and numbers.diff().median() < 1
    possible = [unit for unit in units if span * unit <= 3600 or (is_long and unit == 1)]
    return numbers * [*named, *of_epoch, *possible, 1.0][0]


def _find_signals(columns: dict[str, pd.Series], notes: list[str]) -> dict[str, pd.Series]:
    """Return what can be used of columns of text over seconds, in the units of the names."""
    signals, headers = dict[str, pd.Series](), dict[str, str]()
    for header, texts in columns.items():
        name = _signal_of(header)
        if name and name not in signals:
            if header == "x":
                notes.append("Columns x, y and z are taken for acceleration.")
            if (signal := _clean(texts, name, notes)) is not None:
                signals[name], headers[name] = signal, header
    for kind in ("acc", "gyro"):
        own = [name for name in signals if name.startswith(kind)]
        said = " ".join(headers[name] for name in own)
        if own and (unit := _other_unit(kind, said, [signals[name] for name in own])):
            is_known = unit in _UNITS
            notes.append(f"{kind}: {f'taken for {unit} and converted' if is_known else unit}.")
            scaled = {name: signals.pop(name) * _UNITS.get(unit, 1) for name in own}
            signals |= scaled if is_known else {}
    return signals


def _clean(texts: pd.Series, name: str, notes: list[str]) -> pd.Series | None:
    """Return the longest part of a signal without a gap; None, with a note, where it is of no use."""
    numbers, is_slow = _numbers(texts), name in _RANGES
    if num_texts := int((numbers.isna() & texts.notna()).sum()):
        notes.append(f"{name}: {num_texts} cells hold text in place of a number.")
    values = numbers[np.isfinite(numbers) & numbers.between(*_RANGES.get(name, (-np.inf, np.inf)))]
    gaps = np.diff(values.index, prepend=values.index[:1]) > (20 if is_slow else 1)
    parts = [part for _, part in values.groupby(gaps.cumsum())]
    longest = max(parts, key=lambda part: np.ptp(part.index), default=values)
    ends = longest.min(), longest.max()
    if len(longest) < 2 or np.ptp(longest.index) < _MIN_SECONDS:
        notes.append(f"{name} is missing: less than {_MIN_SECONDS:g} s of physiologically plausible values.")
    elif not is_slow and len(longest) < _MIN_RATE_HZ * np.ptp(longest.index):
        notes.append(f"{name} has fewer than {_MIN_RATE_HZ:g} samples a second and was left out.")
    elif not is_slow and longest.nunique() < 2:
        notes.append(f"{name} never changes and was left out.")
    elif name[:3] in ("acc", "gyr") and longest.isin(ends).sum() > len(ends) + 0.05 * len(longest):
        notes.append(f"{name} is saturated at the end of its range and was left out.")
    else:
        if gaps.any():
            notes.append(f"{name} has {gaps.sum()} gaps: the longest part without one is used.")
        return longest
    return None


def _other_unit(kind: str, headers: str, signals: list[pd.Series]) -> str:
    """Return the unit of an acceleration or rotation, by header or range, if not that of the names."""
    size = np.linalg.norm([np.sqrt(signal.pow(2).mean()) for signal in signals])
    steady = np.linalg.norm([signal.mean() for signal in signals])
    if kind == "gyro":
        is_rad = size < 8 or "rad" in headers
        return "mdps" if "mdps" in headers else "radians a second" if is_rad else ""
    # Walking shakes a wrist or a pocket by more than 1 m/s2, nobody by 100 on average; gravity is one g.
    if size > 100 or "_mg" in headers:
        is_mg = "_mg" in headers or (500 < size < 1800 if steady > 0.6 * size else size < 4000)
        return "mg" if is_mg else "neither m/s2 nor g, left out (raw counts of the sensor?)"
    is_still = size < 0.7 or (size < 1.5 and steady > 0.6 * size)
    return "g" if is_still or re.search(r"_g\b", headers) else ""
