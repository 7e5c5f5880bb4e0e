"""What a model reads in a walk: vary one parameter of a drawn walker, keep all else, and ask again.

Person, clothes, scene, camera and noise stay the same, so that a change of the answer comes from the
movement alone. The videos are encoded, read and judged like any other.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd

from gaitlib.clips import PreparedVideo, find_clips, prepare_video
from gaitlib.config import RunConfig
from gaitlib.data import VideoSet
from gaitlib.demo import WalkParameters, sample_truth, write_video
from gaitlib.errors import InputError
from gaitlib.files import cache_dir, make_folder, temporary_folder
from gaitlib.models import TrainedModel

# These people are in no training: the demo's default seed is 0.
_SEED = 1_000_003
# The middle share of what drawn walks of all emotions show is the range of a sweep.
_RANGE_SHARE, _RANGE_WALKERS, _SECONDS = 0.95, 40, 2.6
# A smaller change of a probability counts as none.
_SMALLEST_CHANGE = 0.05


class Movement(NamedTuple):
    """A parameter of a drawn walk: how people call it, more of it, its unit, its column in the truth."""

    name: str
    more: str
    unit: str
    column: str


MOVEMENTS = {
    "arm_swing": Movement("arm swing", "More arm swing", "deg", "shoulder_swing_deg"),
    "speed": Movement("speed", "Higher speed", "m/s", "speed_m_per_s"),
    "trunk_lean": Movement("trunk lean", "More forward lean", "deg", "trunk_lean_deg"),
    "bounce": Movement("bounce", "More bounce", "cm", "hip_bounce_cm"),
}


def sweep_movements(model: TrainedModel, num_walkers: int = 2, num_values: int = 5) -> pd.DataFrame:
    """Vary every movement of `MOVEMENTS` in a few drawn neutral walks and ask the model each time.

    Parameters
    ----------
    model : TrainedModel
        One that compares walks with nothing.
    num_walkers, num_values : int
        People, and values in even steps over the range that drawn walks of all emotions show.

    Returns
    -------
    DataFrame
        One row a video: `parameter`, `value` (in the unit of the movement), `walker` and ``p_<emotion>``,
        which is NaN where no walker was found.
    """
    neutral = sample_truth(range(1, num_walkers + 1), 1, seconds=(_SECONDS, _SECONDS), seed=_SEED)
    rows = neutral[neutral["emotion"] == "neutral"].to_dict("records")
    jobs = [
        (name, float(value), row)
        for name, movement in MOVEMENTS.items()
        for value in np.linspace(*_usual_range(movement.column), num_values)
        for row in rows
    ]
    make_folder(cache_dir())
    with temporary_folder(cache_dir(), "sweep") as folder:
        films = joblib.Parallel(n_jobs=-1)(
            joblib.delayed(_film)(_changed(row, name, value), folder / f"{number}.mp4", model.config)
            for number, (name, value, row) in enumerate(jobs)
        )
    keys = [{"parameter": name, "value": value, "walker": row["walker"]} for name, value, row in jobs]
    columns = [f"p_{emotion}" for emotion in model.emotions]
    return pd.concat([pd.DataFrame(keys), pd.DataFrame(_ask(model, films), columns=columns)], axis=1)


def _usual_range(column: str) -> tuple[float, float]:
    usual = sample_truth(range(1, _RANGE_WALKERS + 1), 1, seed=_SEED)[column]
    tail = (1 - _RANGE_SHARE) / 2
    return float(usual.quantile(tail)), float(usual.quantile(1 - tail))


def _changed(row: Mapping[Any, Any], name: str, value: float) -> dict[Any, Any]:
    """Return a row of the truth with one movement changed; speed shares its change with cadence and step."""
    if name == "speed":
        return {**row, **dataclasses.asdict(WalkParameters.from_row(row).with_speed(value))}
    return {**row, MOVEMENTS[name].column: value}


def _film(row: Mapping[Any, Any], path: Path, config: RunConfig) -> PreparedVideo | None:
    write_video(row, path)
    try:
        video = prepare_video(path, config)
    except InputError:
        return None
    return video if len(find_clips(video, config)) else None


def _ask(model: TrainedModel, films: list[PreparedVideo | None]) -> np.ndarray:
    """Return the probabilities of each film, of shape (num_films, num_classes), NaN without a walker."""
    found = [place for place, film in enumerate(films) if film is not None]
    answers = np.full((len(films), len(model.emotions)), np.nan)
    if found:
        videos = tuple(film for film in films if film is not None)
        nobody = np.zeros(len(videos), int)
        answers[found] = model.predict(VideoSet(videos, nobody, nobody.astype(str)))
    return answers


def describe_sweeps(table: pd.DataFrame) -> list[str]:
    """Say which movements the model reads and in which direction, the strongest first.

    A change counts from the lowest to the highest value as the mean over walkers.
    """
    num_walkers = table["walker"].nunique()
    people = "1 synthetic walker" if num_walkers == 1 else f"{num_walkers} synthetic walkers"
    about = (
        f"{people} in a neutral walk; one parameter of it varied at a time, all else the same. This says "
        "what the model reads in drawn people, not in filmed ones."
    )
    changes = {str(name): _changes(part) for name, part in table.groupby("parameter")}
    ordered = sorted(changes, key=lambda name: -changes[name]["change"].abs().max())
    return [about, *(_sentence(name, changes[name]) for name in ordered)]


def _changes(sweep: pd.DataFrame) -> pd.DataFrame:
    """Return for each emotion its mean at the lowest and highest value, and the change between them."""
    means = sweep.groupby("value")[[name for name in map(str, sweep) if name.startswith("p_")]].mean()
    ends = pd.DataFrame({"first": means.iloc[0], "last": means.iloc[-1]})
    ends.index = ends.index.str.removeprefix("p_")
    return ends.assign(change=ends["last"] - ends["first"])


def _sentence(name: str, changes: pd.DataFrame) -> str:
    told = changes[changes["change"].abs() >= _SMALLEST_CHANGE]
    if told.empty:
        return f"{MOVEMENTS[name].more} changes nothing beyond {100 * _SMALLEST_CHANGE:.0f} points."
    told = told.sort_values("change", key=lambda change: -change.abs())
    parts = [
        f"{'raises' if last > first else 'lowers'} {emotion} from {first:.0%} to {last:.0%}"
        for emotion, first, last in zip(told.index, told["first"], told["last"], strict=True)
    ]
    return f"{MOVEMENTS[name].more} {', '.join(parts)}."
