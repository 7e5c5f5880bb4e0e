"""What a model reads in a walk: move one number of a synthetic walk, keep all else, and ask again.

Person, clothes, place, camera and sensor noise stay the same, so that a change of the answer comes from
the movement alone. The videos are encoded, read, and cut like any other.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd

from gaitlib.batches import make_clip_set
from gaitlib.clips import prepare_video, window_starts
from gaitlib.config import InputError, RunConfig, check_known
from gaitlib.demo import WalkParameters, sample_truth
from gaitlib.demo.dataset import write_video
from gaitlib.evaluation import predict_videos
from gaitlib.files import cache_dir, make_folder, temporary_folder, write_aside
from gaitlib.prepared import PreparedVideo

if TYPE_CHECKING:
    import keras

# These people are in no training: the demo's default seed is 0.
_SEED = 1_000_003
# The middle share of what synthetic walks of all emotions show is the range of a sweep.
_RANGE_SHARE, _RANGE_WALKERS = 0.95, 40
# Room for the walk to begin and end beside the clip.
_EXTRA_SECONDS = 1.2
# A smaller change of a probability is told as none.
SMALLEST_CHANGE = 0.05


@dataclass(frozen=True)
class Movement:
    """A number of a synthetic walk that a sweep moves.

    Attributes
    ----------
    name, more, unit : str
        As people read them: "arm swing", "More arm swing", "deg".
    column : str
        Field of `WalkParameters`, or ``speed_m_per_s``.
    """

    name: str
    more: str
    unit: str
    column: str


MOVEMENTS: dict[str, Movement] = {
    "arm_swing": Movement("arm swing", "More arm swing", "deg", "shoulder_swing_deg"),
    "speed": Movement("speed", "Higher speed", "m/s", "speed_m_per_s"),
    "trunk_lean": Movement("trunk lean", "More forward lean", "deg", "trunk_lean_deg"),
    "bounce": Movement("bounce", "More bounce", "cm", "hip_bounce_cm"),
}


def sweep_all(
    model: "keras.Model",
    config: RunConfig,
    emotions: Sequence[str],
    num_walkers: int = 3,
    num_values: int = 7,
) -> pd.DataFrame:
    """Sweep every movement of `MOVEMENTS`, see `sweep_parameter`."""
    sweeps = [sweep_parameter(model, config, emotions, name, num_walkers, num_values) for name in MOVEMENTS]
    return pd.concat(sweeps, ignore_index=True)


def sweep_parameter(
    model: "keras.Model",
    config: RunConfig,
    emotions: Sequence[str],
    parameter: str,
    num_walkers: int = 3,
    num_values: int = 7,
) -> pd.DataFrame:
    """Move one number of a few synthetic neutral walks through its range and ask the model each time.

    Parameters
    ----------
    model : keras.Model
    config : RunConfig
        As the model was trained with.
    emotions : sequence of str
        Class names in the order of the model's output.
    parameter : str
        A key of `MOVEMENTS`.
    num_walkers, num_values : int
        People, and values in even steps over the range that synthetic walks of all emotions show.

    Returns
    -------
    DataFrame
        One row a video: `parameter`, `value` (in the unit of the movement), `walker` and
        ``p_<emotion>``, which is NaN where no walker was found.

    Raises
    ------
    InputError
        If the parameter is unknown.
    """
    check_known(parameter, MOVEMENTS)
    column = MOVEMENTS[parameter].column
    rows = _neutral_rows(config, num_walkers)
    values = np.linspace(*_usual_range(column), num_values)
    table = pd.DataFrame(
        [
            {"parameter": parameter, "value": float(value), "walker": row["walker"]}
            for row in rows
            for value in values
        ]
    )
    changed = [changed_row(row, column, float(value)) for row in rows for value in values]
    make_folder(cache_dir())
    with temporary_folder(cache_dir(), "sweep") as folder:
        paths = [folder / f"{number:03d}.mp4" for number in range(len(changed))]
        jobs = [joblib.delayed(_film)(row, path, config) for row, path in zip(changed, paths, strict=True)]
        videos = list(joblib.Parallel(n_jobs=-1)(jobs))
    probabilities = pd.DataFrame(
        _mean_probabilities(model, videos, config, len(emotions)),
        columns=[f"p_{emotion}" for emotion in emotions],
    )
    return pd.concat([table, probabilities], axis=1)


def changed_row(row: Mapping[str, Any], column: str, value: float) -> dict[str, Any]:
    """Return a row of the truth table with one number of its walk changed, and nothing else.

    A change of ``speed_m_per_s`` is shared by cadence and step length, see `WalkParameters.with_speed`.
    """
    walk = WalkParameters.from_row(row)
    if column == "speed_m_per_s":
        walk = walk.with_speed(value)
    else:
        walk = dataclasses.replace(walk, **{column: value})
    return {**row, **dataclasses.asdict(walk), "speed_m_per_s": walk.speed_m_per_s}


def _neutral_rows(config: RunConfig, num_walkers: int) -> list[dict[str, Any]]:
    seconds = config.num_frames / config.frame_rate_hz + _EXTRA_SECONDS
    truth = sample_truth(range(1, num_walkers + 1), 1, seconds=(seconds, seconds), seed=_SEED)
    rows = truth[truth["emotion"] == "neutral"].to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _usual_range(column: str) -> tuple[float, float]:
    """Return the middle share of what synthetic walks of all emotions show."""
    usual = sample_truth(range(1, _RANGE_WALKERS + 1), 1, seed=_SEED)[column]
    tail = (1 - _RANGE_SHARE) / 2
    return float(usual.quantile(tail)), float(usual.quantile(1 - tail))


def _film(row: Mapping[str, Any], path: Path, config: RunConfig) -> PreparedVideo | None:
    """Render, encode and prepare one video; None where it gives no clip."""
    write_video(row, path)
    try:
        video = prepare_video(path, config, num_threads=1)  # every core has a film of its own
    except InputError:
        return None
    return video if len(window_starts(video, config)) else None


def _mean_probabilities(
    model: "keras.Model", videos: Sequence[PreparedVideo | None], config: RunConfig, num_classes: int
) -> np.ndarray:
    """Return the mean over the clips of each video, shape (num_videos, num_classes)."""
    found = [number for number, video in enumerate(videos) if video is not None]
    means = np.full((len(videos), num_classes), np.nan)
    if found:
        usable = [video for video in videos if video is not None]
        clips = make_clip_set(usable, np.zeros(len(usable), int), config)
        means[found] = predict_videos(model, clips)
    return means


def write_sweeps(table: pd.DataFrame, run_dir: Path) -> None:
    """Write `sweeps.csv` into a run folder."""
    with write_aside(run_dir / "sweeps.csv") as aside:
        table.to_csv(aside, index=False)


def read_sweeps(run_dir: Path) -> pd.DataFrame:
    """Return the sweeps that a run has written, an empty table if none."""
    path = run_dir / "sweeps.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame()


def describe_sweeps(table: pd.DataFrame) -> list[str]:
    """Say in words which movements the model reads and in which direction.

    A change counts from the lowest to the highest value, as the mean over walkers; it is told where it
    is at least `SMALLEST_CHANGE` and most walkers share its direction.

    Parameters
    ----------
    table : DataFrame
        From `sweep_parameter` or `sweep_all`.

    Returns
    -------
    list of str
        What was done; then a sentence a movement, the one with the largest change first.
    """
    num_walkers = table["walker"].nunique()
    parameters = table["parameter"].unique()
    changes = {name: _changes(table[table["parameter"] == name]) for name in parameters}
    ordered = sorted(parameters, key=lambda name: -changes[name]["change"].abs().max())
    about = (
        f"{num_walkers} synthetic walkers in a neutral walk; one number of it moved at a time, all else the "
        "same. This says what the model reads in drawn people, not in filmed ones."
    )
    num_lost = int(table.filter(like="p_").isna().any(axis=1).sum())
    lost = [f"In {num_lost} of {len(table)} of these videos no walker was found."] if num_lost else []
    return [about, *lost, *(_sentence(name, table, changes[name]) for name in ordered)]


def _changes(sweep: pd.DataFrame) -> pd.DataFrame:
    """Return per emotion: mean at the lowest and highest value, mean, least and most change of a walker."""
    rows = {}
    for column in sweep.filter(like="p_"):
        by_walker = sweep.pivot_table(index="walker", columns="value", values=column, dropna=False)
        change = by_walker.iloc[:, -1] - by_walker.iloc[:, 0]
        rows[str(column).removeprefix("p_")] = {
            "first": by_walker.iloc[:, 0].mean(),
            "last": by_walker.iloc[:, -1].mean(),
            "change": change.mean(),
            "least": change.min(),
            "most": change.max(),
            "shared": (np.sign(change) == np.sign(change.mean())).mean(),
            "bend": _bend(by_walker.mean()),
        }
    return pd.DataFrame(rows).T


def _bend(curve: pd.Series) -> float:
    """Return how far a curve rises above, or else falls below, both of its ends."""
    ends = curve.iloc[[0, -1]]
    above, below = curve.max() - ends.max(), curve.min() - ends.min()
    return float(above if above >= -below else below)


def _sentence(parameter: str, table: pd.DataFrame, changes: pd.DataFrame) -> str:
    movement = MOVEMENTS[parameter]
    values = table.loc[table["parameter"] == parameter, "value"]
    subject = f"{movement.more} ({values.min():.3g} to {values.max():.3g} {movement.unit})"
    is_large = changes["change"].abs() >= SMALLEST_CHANGE
    is_told = is_large & (changes["shared"] > 0.5)
    is_bent = ~is_told & (changes["bend"].abs() >= SMALLEST_CHANGE)
    told = changes[is_told].sort_values("change", key=lambda change: -change.abs())
    parts = [_change_words(str(emotion), row) for emotion, row in told.iterrows()]
    for emotion, bend in changes.loc[is_bent, "bend"].items():
        parts.append(f"{'raises' if bend > 0 else 'lowers'} {emotion} in the middle of this range only")
    if parts:
        return f"{subject} {'; '.join(parts)}."
    if is_large.any():
        return f"{subject} changes the answer, but not in the same direction for most walkers."
    return f"{subject} changes nothing beyond {100 * SMALLEST_CHANGE:.0f} points."


def _change_words(emotion: str, row: pd.Series) -> str:
    verb = "raises" if row["change"] > 0 else "lowers"
    least, most = (round(100 * row[name]) for name in ("least", "most"))
    return (
        f"{verb} {emotion} from {row['first']:.0%} to {row['last']:.0%} "
        f"({least:+d} to {most:+d} points in single walkers)"
    )
