"""Evaluate a model on the test walkers and write what the report and other programs read."""

import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gaitlib.baselines import chance_accuracy, predict_baselines
from gaitlib.config import RunConfig
from gaitlib.evaluation import (
    Predictions,
    accuracy_with_interval,
    predict_videos,
    score,
    score_by_walker,
)
from gaitlib.files import project_dir, read_json, write_aside, write_json
from gaitlib.labels import escape_cell
from gaitlib.rundata import RunData

if TYPE_CHECKING:
    import keras

SCHEMA_VERSION = 1
_PACKAGES = (
    "gaitlib",
    "tensorflow",
    "keras",
    "numpy",
    "scikit-learn",
    "opencv-python-headless",
    "av",
)


@dataclass(frozen=True)
class Evaluation:
    """Everything that the test walkers taught.

    Attributes
    ----------
    table : DataFrame
        One row a test video: `video`, `walker`, `emotion`, `predicted`, `confidence`, `num_clips` and
        ``p_<emotion>`` per class.
    test : dict
        Scores, see `gaitlib.evaluation.score`, with `baselines`.
    by_walker : DataFrame
        See `gaitlib.evaluation.score_by_walker`.
    """

    table: pd.DataFrame
    test: dict[str, Any]
    by_walker: pd.DataFrame

    @property
    def is_right(self) -> pd.Series:
        """Whether each video was recognised."""
        return self.table["emotion"] == self.table["predicted"]

    def ladder(self, model_name: str) -> dict[str, Any]:
        """Return accuracy and interval of the baselines and of the model, by name."""
        model = {key: self.test[key] for key in ("accuracy", "accuracy_ci95")}
        return {**self.test["baselines"], model_name: model}


def evaluate_model(model: "keras.Model", data: RunData, config: RunConfig) -> Evaluation:
    """Score a model and the baselines on the test walkers.

    Parameters
    ----------
    model : keras.Model
        Trained on the training walkers of `data`.
    data : RunData
    config : RunConfig

    Returns
    -------
    Evaluation
    """
    clips = data.clip_set("test", config)
    probabilities = predict_videos(model, clips)
    walkers = data.rows("test")["walker"].to_numpy()
    predictions = Predictions(clips.labels, probabilities.argmax(axis=1), walkers)
    test = score(predictions, data.emotions, config.num_resamples, config.seed)
    test["baselines"] = _score_baselines(data, predictions, config)
    table = _prediction_table(data, probabilities)
    return Evaluation(table, test, score_by_walker(predictions))


def _score_baselines(data: RunData, predictions: Predictions, config: RunConfig) -> dict[str, Any]:
    # The baselines choose nothing by validation, so that they may learn from these walkers too.
    training = data.prepared("train") + data.prepared("validation")
    labels = np.concatenate([data.clip_set(split, config).labels for split in ("train", "validation")])
    guesses = predict_baselines(training, labels, data.prepared("test"), config.seed)
    num_videos = len(predictions.labels)
    chance = chance_accuracy(len(data.emotions), num_videos, config.num_resamples, config.seed)
    scores: dict[str, Any] = {"chance": chance}
    for name, predicted in guesses.items():
        guess = Predictions(predictions.labels, predicted, predictions.walkers)
        scores[name] = accuracy_with_interval(guess, config.num_resamples, config.seed)
    return scores


def _prediction_table(data: RunData, probabilities: np.ndarray) -> pd.DataFrame:
    rows = data.rows("test")
    table = rows[["video", "walker", "emotion"]].copy()
    table["predicted"] = [data.emotions[place] for place in probabilities.argmax(axis=1)]
    table["confidence"] = probabilities.max(axis=1)
    table["num_clips"] = rows["num_clips"]
    for place, emotion in enumerate(data.emotions):
        table[f"p_{emotion}"] = probabilities[:, place]
    return table


def write_results(run_dir: Path, evaluation: Evaluation, data: RunData, config: RunConfig) -> None:
    """Write `predictions.csv` and `results.json` into a run folder."""
    table = evaluation.table.copy()
    for column in ("video", "walker", "emotion", "predicted"):
        table[column] = table[column].map(escape_cell)
    with write_aside(run_dir / "predictions.csv") as aside:
        table.to_csv(aside, index=False)
    write_json(
        run_dir / "results.json",
        {
            "schema_version": SCHEMA_VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "config": config.model_dump(),
            "versions": versions(),
            "git_commit": git_commit(),
            "data": data.summary(),
            "duration_seconds": step_durations(run_dir),
            "test": evaluation.test,
        },
    )


def read_results(run_dir: Path) -> dict[str, Any]:
    """Read back `results.json`, with the steps that have finished since."""
    results = read_json(run_dir / "results.json")
    return {**results, "duration_seconds": {**results["duration_seconds"], **step_durations(run_dir)}}


def read_evaluation(run_dir: Path) -> Evaluation:
    """Read back what `write_results` wrote."""
    table = pd.read_csv(run_dir / "predictions.csv", keep_default_na=False, dtype={"walker": str})
    test = read_json(run_dir / "results.json")["test"]
    labels = {escape_cell(emotion): place for place, emotion in enumerate(test["labels"])}
    predictions = Predictions(
        table["emotion"].map(labels).to_numpy(),
        table["predicted"].map(labels).to_numpy(),
        table["walker"].to_numpy(),
    )
    return Evaluation(table, test, score_by_walker(predictions))


def record_step(run_dir: Path, step: str, seconds: float) -> None:
    """Note in `steps.json` that a notebook has reached its end, and how long it took."""
    write_json(run_dir / "steps.json", {**step_durations(run_dir), step: round(seconds, 1)})


def step_durations(run_dir: Path) -> dict[str, float]:
    """Return the seconds that each finished step took."""
    path = run_dir / "steps.json"
    return read_json(path) if path.exists() else {}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape the result."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def git_commit() -> str | None:
    """Return the commit of the checkout that runs, with ``+`` if it was changed; None outside one."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(project_dir()), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def describe_scores(test: dict[str, Any]) -> str:
    """Return the scores as text for the console: headline, baselines, emotions, confusion matrix."""
    low, high = test["accuracy_ci95"]
    lines = [
        f"Accuracy on {test['num_videos']} videos of {test['num_walkers']} unseen walkers: "
        f"{test['accuracy']:.1%} (95 % interval {low:.1%} to {high:.1%})",
        f"Balanced accuracy {test['balanced_accuracy']:.1%}, macro F-score {test['macro_f1']:.2f}",
        "",
        "Baselines:",
    ]
    for name, entry in test["baselines"].items():
        low, high = entry["accuracy_ci95"]
        lines.append(f"  {name:<12} {entry['accuracy']:6.1%}  ({low:.1%} to {high:.1%})")
    lines += [
        "",
        score_table(test).to_string(index=False, float_format="{:.2f}".format),
    ]
    matrix = pd.DataFrame(test["confusion_matrix"], test["labels"], test["labels"])
    lines += ["", "Confusion matrix (rows: true, columns: predicted):", matrix.to_string()]
    return "\n".join(lines)


def score_table(test: dict[str, Any]) -> pd.DataFrame:
    """Return precision, recall and F-score, a row an emotion."""
    rows = [
        {
            "emotion": emotion,
            **{name: scores[name] for name in ("precision", "recall", "f1", "num_videos")},
        }
        for emotion, scores in test["per_class"].items()
    ]
    return pd.DataFrame(rows)


def run_table(results: dict[str, Any]) -> pd.DataFrame:
    """Return settings, versions, data and times of a run as a table for readers."""
    rows = {
        "made": results["created"],
        "data fingerprint": results["data"]["fingerprint"],
        "git commit": results["git_commit"] or "not a git checkout",
        **{f"version of {name}": number for name, number in results["versions"].items()},
        **{f"seconds for {step}": seconds for step, seconds in results["duration_seconds"].items()},
        **results["config"],
    }
    return pd.DataFrame({"what": rows.keys(), "value": [str(value) for value in rows.values()]})
