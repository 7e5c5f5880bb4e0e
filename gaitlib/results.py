"""The scores of a run, put together from all of its models, and the files that hold them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gaitlib.baselines import chance_accuracy
from gaitlib.calibration import compare_calibration
from gaitlib.config import RunConfig
from gaitlib.evaluation import (
    Predictions,
    accuracy_with_interval,
    better_than_chance,
    mean_with_interval,
    score,
    score_by_walker,
)
from gaitlib.files import read_json, write_aside, write_json
from gaitlib.judging import Judgement
from gaitlib.labels import escape_cell
from gaitlib.provenance import git_commit, step_durations, versions
from gaitlib.rundata import RunData
from gaitlib.soft_labels import compare_with_raters, rater_ceiling

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Evaluation:
    """Everything that the test walkers taught.

    Attributes
    ----------
    table : DataFrame
        One row a test video: `video`, `walker`, `emotion`, `predicted`, `confidence`, `num_clips`,
        ``p_<emotion>`` per class and, in a cross-validation, `fold`.
    test : dict
        Scores, see `gaitlib.evaluation.score`, with `baselines`, `permutation_p`, `calibration`,
        `temperatures` by fold, `seed_average` where there are several seeds, and `soft` where a rating
        sheet gave the labels.
    by_walker : DataFrame
        See `gaitlib.evaluation.score_by_walker`.
    folds : list of dict
        Empty for a single split.
    seeds : list of dict
        Accuracy of each seed, over all folds and by fold.
    """

    table: pd.DataFrame
    test: dict[str, Any]
    by_walker: pd.DataFrame
    folds: list[dict[str, Any]]
    seeds: list[dict[str, Any]]

    @property
    def is_right(self) -> pd.Series:
        """Whether each video was recognised."""
        return self.table["emotion"] == self.table["predicted"]

    @property
    def probabilities(self) -> np.ndarray:
        """Class probabilities as the models gave them, shape (num_videos, num_classes)."""
        return self.table.filter(regex="^p_").to_numpy()

    @property
    def labels(self) -> np.ndarray:
        """True class of each video, shape (num_videos,), int."""
        places = {escape_cell(emotion): place for place, emotion in enumerate(self.test["labels"])}
        return self.table["emotion"].map(escape_cell).map(places).to_numpy()

    @property
    def temperatures(self) -> np.ndarray:
        """Temperature of the model that judged each video, shape (num_videos,)."""
        folds = self.table["fold"] if "fold" in self.table else pd.Series(1, self.table.index)
        return folds.map(lambda fold: self.test["temperatures"][str(fold)]).to_numpy(float)

    @property
    def first_fold(self) -> pd.DataFrame:
        """The videos that the run's first model judged, which is the one to be looked into."""
        is_first = self.table["fold"] == 1 if "fold" in self.table else slice(None)
        return self.table[is_first].reset_index(drop=True)

    def said(self, data: RunData) -> pd.Series:
        """Return the predicted emotion by the digest of each video."""
        return pd.Series(self.table["predicted"].to_numpy(), data.rows("judged")["digest"])

    def ladder(self, model_name: str) -> dict[str, Any]:
        """Return accuracy and interval of the baselines, the model and the average of its seeds, by name."""
        scores = {**self.test["baselines"], model_name: self.test}
        if "seed_average" in self.test:
            scores[f"{model_name}, {len(self.seeds)} averaged"] = self.test["seed_average"]
        keys = ("accuracy", "accuracy_ci95")
        return {name: {key: entry[key] for key in keys} for name, entry in scores.items()}


def combine(judgements: Iterable[Judgement], data: RunData, config: RunConfig) -> Evaluation:
    """Put the answers of all folds together and score them.

    Every test video counts once: the first seed's answers make the scores; further seeds show how far
    the training alone moves them.

    Parameters
    ----------
    judgements : iterable of Judgement
        Each fold with each seed.
    data : RunData
    config : RunConfig
    """
    judgements = list(judgements)
    first = [judgement for judgement in judgements if judgement.seed == judgements[0].seed]
    labels, probabilities = (
        np.concatenate([getattr(part, name) for part in first]) for name in ("labels", "probabilities")
    )
    videos = pd.concat([part.videos for part in first], ignore_index=True)
    temperatures = np.concatenate([np.full(len(part.labels), part.temperature) for part in first])
    predictions = Predictions(labels, probabilities.argmax(axis=1), videos["walker"].to_numpy())
    draws = config.num_resamples, config.seed
    test = score(predictions, data.emotions, *draws)
    test["permutation_p"] = better_than_chance(predictions, *draws)
    test["baselines"] = _score_baselines(first, videos, predictions, data, config)
    if len(judgements) > len(first):
        test["seed_average"] = _score_seed_average(judgements, predictions, config)
    test["calibration"] = compare_calibration(probabilities, labels, temperatures)
    test["temperatures"] = {str(part.fold): part.temperature for part in first}
    soft = compare_with_raters(videos, probabilities, data.emotions)
    if soft:
        test["soft"] = soft
    table = _prediction_table(videos, probabilities, data.emotions)
    folds: list[dict[str, Any]] = []
    if config.folds:
        table["fold"] = np.repeat([part.fold for part in first], [len(part.labels) for part in first])
        folds = [_describe_fold(part) for part in first]
    return Evaluation(table, test, score_by_walker(predictions), folds, _describe_seeds(judgements))


def _score_seed_average(
    judgements: Sequence[Judgement], predictions: Predictions, config: RunConfig
) -> dict[str, Any]:
    """Score the mean of all seeds' probabilities, with its lead over the first seed video by video."""
    by_fold: dict[int, list[np.ndarray]] = {}
    for part in judgements:
        by_fold.setdefault(part.fold, []).append(part.probabilities)
    guess = np.concatenate([np.mean(parts, axis=0).argmax(axis=1) for parts in by_fold.values()])
    guessed = Predictions(predictions.labels, guess, predictions.walkers)
    draws = config.num_resamples, config.seed
    entry = accuracy_with_interval(guessed, *draws)
    gain = guessed.is_right.astype(float) - predictions.is_right
    entry["difference"], entry["difference_ci95"] = mean_with_interval(gain, predictions.walkers, *draws)
    return entry


def _score_baselines(
    judgements: Sequence[Judgement],
    videos: pd.DataFrame,
    predictions: Predictions,
    data: RunData,
    config: RunConfig,
) -> dict[str, Any]:
    """Score each baseline on the same videos, with the model's lead over it video by video."""
    draws = config.num_resamples, config.seed
    model = predictions.is_right.astype(float)
    scores: dict[str, Any] = {"chance": chance_accuracy(len(data.emotions), len(model))}
    right = {"chance": np.full(len(model), 1 / len(data.emotions))}
    for name in judgements[0].guesses:
        guess = np.concatenate([part.guesses[name] for part in judgements])
        guessed = Predictions(predictions.labels, guess, predictions.walkers)
        scores[name] = accuracy_with_interval(guessed, *draws)
        right[name] = guessed.is_right.astype(float)
    ceiling = rater_ceiling(videos)
    if ceiling is not None:
        accuracy, interval = mean_with_interval(ceiling, predictions.walkers, *draws)
        scores["rater_ceiling"] = {"accuracy": accuracy, "accuracy_ci95": interval}
        right["rater_ceiling"] = ceiling
    for name, entry in scores.items():
        lead = mean_with_interval(model - right[name], predictions.walkers, *draws)
        entry["difference"], entry["difference_ci95"] = lead
    return scores


def _prediction_table(
    videos: pd.DataFrame, probabilities: np.ndarray, emotions: Sequence[str]
) -> pd.DataFrame:
    table = videos[["video", "walker", "emotion"]].copy()
    table["predicted"] = [emotions[place] for place in probabilities.argmax(axis=1)]
    table["confidence"] = probabilities.max(axis=1)
    table["num_clips"] = videos["num_clips"]
    for place, emotion in enumerate(emotions):
        table[f"p_{emotion}"] = probabilities[:, place]
    return table


def _describe_fold(part: Judgement) -> dict[str, Any]:
    return {
        "fold": part.fold,
        "test_walkers": sorted(part.videos["walker"].unique()),
        "accuracy": part.accuracy,
        "num_videos": len(part.labels),
        "best_epoch": part.best_epoch,
        "temperature": part.temperature,
    }


def _describe_seeds(judgements: Sequence[Judgement]) -> list[dict[str, Any]]:
    seeds = []
    for seed in dict.fromkeys(part.seed for part in judgements):
        parts = [part for part in judgements if part.seed == seed]
        sizes = [len(part.labels) for part in parts]
        by_fold = [part.accuracy for part in parts]
        accuracy = float(np.average(by_fold, weights=sizes))
        seeds.append({"seed": seed, "accuracy": accuracy, "accuracy_by_fold": by_fold})
    return seeds


def write_results(
    run_dir: Path, evaluation: Evaluation, data: RunData, config: RunConfig, **more: Any
) -> None:
    """Write `predictions.csv` and `results.json` into a run folder.

    Parameters
    ----------
    run_dir : Path
    evaluation : Evaluation
    data : RunData
    config : RunConfig
    **more
        Further entries of `results.json`.
    """
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
            **({"folds": evaluation.folds} if evaluation.folds else {}),
            "seeds": evaluation.seeds,
            **more,
        },
    )


def read_results(run_dir: Path) -> dict[str, Any]:
    """Read back `results.json`, with the steps that have finished since."""
    results = read_json(run_dir / "results.json")
    return {**results, "duration_seconds": {**results["duration_seconds"], **step_durations(run_dir)}}


def read_evaluation(run_dir: Path) -> Evaluation:
    """Read back what `write_results` wrote."""
    texts = dict.fromkeys(("video", "walker", "emotion", "predicted"), str)
    table = pd.read_csv(run_dir / "predictions.csv", keep_default_na=False, dtype=texts)
    results = read_json(run_dir / "results.json")
    test = results["test"]
    labels = {escape_cell(emotion): place for place, emotion in enumerate(test["labels"])}
    predictions = Predictions(
        table["emotion"].map(labels).to_numpy(),
        table["predicted"].map(labels).to_numpy(),
        table["walker"].to_numpy(),
    )
    by_walker = score_by_walker(predictions)
    return Evaluation(table, test, by_walker, results.get("folds", []), results["seeds"])
