"""What a run writes down: results, predictions, gait parameters and what they are worth, provenance."""

import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gaitlib.config import RunConfig
from gaitlib.data import RunData, list_fits, prepared_rows
from gaitlib.evaluation.judging import Evaluation, judge_gait
from gaitlib.evaluation.scores import Difference, Predictions, compare_rights, walker_interval
from gaitlib.files import project_dir, read_csv, read_json, write_csv, write_json
from gaitlib.gait import GAIT_PARAMETERS, measure_gait
from gaitlib.models import feature_families

_PACKAGES = ("gaitlib", "tensorflow", "keras", "numpy", "scikit-learn", "opencv-python-headless", "av")


def write_results(run_dir: Path, evaluation: Evaluation, data: RunData, config: RunConfig) -> None:
    """Write ``results.json``, ``predictions.csv``, ``effects.csv`` and ``gait_parameters.csv``."""
    write_csv(run_dir / "predictions.csv", evaluation.predictions.to_table())
    if not evaluation.effects.empty:
        write_csv(run_dir / "effects.csv", evaluation.effects)
    write_csv(run_dir / "gait_parameters.csv", gait_table(data))
    entries = evaluation.model_dump()
    entries["test"]["baselines"] = entries["baselines"]
    if evaluation.folds:
        entries["folds"] = [fold.model_dump() for fold in evaluation.folds]
    head = {
        "schema_version": 2,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": config.model_dump(),
        "versions": versions(),
        "git_commit": git_commit(),
        "data": data.summary(),
        "duration_seconds": step_durations(run_dir),
    }
    write_json(run_dir / "results.json", {**head, **entries})


def read_results(run_dir: Path) -> dict[str, Any]:
    """Read back ``results.json``, with the steps that have finished since."""
    results = read_json(run_dir / "results.json")
    return {**results, "duration_seconds": {**results["duration_seconds"], **step_durations(run_dir)}}


def read_evaluation(run_dir: Path) -> Evaluation:
    """Read back what `write_results` wrote."""
    results, path = read_results(run_dir), run_dir / "effects.csv"
    texts = dict.fromkeys(("video", "walker", "emotion", "predicted"), str)
    videos = read_csv(run_dir / "predictions.csv", texts)
    videos["fold"] = videos.get("fold", 1)
    known = {fit["fold"]: fit["temperature"] for fit in reversed(results["fits"])}
    videos["temperature"] = videos["fold"].map(known)
    return Evaluation(
        predictions=Predictions(videos, tuple(results["test"]["labels"])),
        effects=pd.read_csv(path) if path.is_file() else pd.DataFrame(),
        **{name: value for name, value in results.items() if name in Evaluation.model_fields},
    )


def gait_table(data: RunData) -> pd.DataFrame:
    """Return what `measure_gait` says of all videos of a run, with `video`, `walker` and `emotion`."""
    rows, names = pd.concat([data.videos, data.references], ignore_index=True), ["video", "walker", "emotion"]
    measured = [measure_gait(video) for video in prepared_rows(rows)]
    tables = dict(zip(rows[names].itertuples(index=False, name=None), measured, strict=True))
    return pd.concat(tables, names=names).reset_index(names).sort_values(["video", "bout"], ignore_index=True)


def effect_sizes(data: RunData, config: RunConfig) -> pd.DataFrame:
    """Return Hedges' g (Hedges 1981) of each gait parameter for each emotion against the others.

    Where walkers show several emotions, values are relative to the mean of the walker (`is_relative`); other
    walkers are left out. `low` and `high` come from the bootstrap over walkers; NaN where unknown.
    """
    table = gait_table(data)
    names = [name for name in GAIT_PARAMETERS["name"] if name in table]
    values = table[table["is_valid"]].groupby(["walker", "emotion", "video"])[names].mean().reset_index()
    several = values.groupby("walker")["emotion"].transform("nunique") > 1
    is_relative = values[several]["walker"].nunique() > 1
    if is_relative:
        values = values[several].copy()
        values[names] -= values.groupby("walker")[names].transform("mean")
    numbers = values[names]
    moments = pd.concat([numbers.notna(), numbers, numbers**2], axis=1, keys=["count", "sum", "squares"])
    sums = moments.groupby([values["walker"], values["emotion"]]).sum().unstack(fill_value=0)
    emotions = sums.columns.unique("emotion")
    parts = sums.to_numpy(float).reshape(len(sums), 3, len(names), len(emotions)).swapaxes(2, 3)
    effects, limits = walker_interval(parts, _hedges, config, lowest=np.nan)
    index = pd.MultiIndex.from_product([emotions, names], names=["emotion", "parameter"])
    rows = index.to_frame(index=False).assign(effect=effects, low=limits[0], high=limits[1])
    rows = rows.assign(num_walkers=len(parts), is_relative=is_relative)
    return rows.join(GAIT_PARAMETERS[["title", "unit", "family"]], on="parameter")


def _hedges(sums: np.ndarray) -> np.ndarray:
    """Return Hedges' g, shape (num, num_emotions * num_parameters); NaN where there is no variation."""
    own, rest = (np.moveaxis(part, 1, 0) for part in (sums, sums.sum(axis=2, keepdims=True) - sums))
    number = own[0] + rest[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = sum(part[2] - part[1] ** 2 / part[0] for part in (own, rest))
        gap = own[1] / own[0] - rest[1] / rest[0]
        effect = gap / np.sqrt(squares / (number - 2)) * (1 - 3 / (4 * number - 9))
    return np.where(np.isfinite(effect), effect, np.nan).reshape(len(sums), -1)


def family_ablation(data: RunData, config: RunConfig) -> dict[str, Difference]:
    """Say by family how a logistic regression of gait parameters changes on held-out walkers without it."""
    fits = [fit for fit in list_fits(data, config) if fit.seed == config.seed]

    def rights_without(places: Sequence[int]) -> pd.Series:
        return pd.concat([judge_gait("gait_logistic", fit, places).rights() for fit in fits])

    whole, families = rights_without([]), feature_families(data.config.body)
    return {name: compare_rights(whole, rights_without(one), config) for name, one in families.items()}


def record_step(run_dir: Path, step: str, seconds: float) -> None:
    """Note in `steps.json` that a step has reached its end, and how long it took."""
    write_json(run_dir / "steps.json", {**step_durations(run_dir), step: round(seconds, 1)})


def step_durations(run_dir: Path) -> dict[str, float]:
    """Return the seconds that each finished step took."""
    path = run_dir / "steps.json"
    return read_json(path) if path.exists() else {}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape the result."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def git_commit() -> str | None:
    """Return the commit of the project's own checkout, with ``+`` if it was changed; None outside one."""
    # A project unpacked in the repository of another one has no folder of its own for git.
    command = ["git", f"--git-dir={project_dir() / '.git'}", f"--work-tree={project_dir()}", "describe"]
    command += ["--always", "--exclude=*", "--abbrev=40", "--dirty=+"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
