"""An evaluation: the scores of all models of a run, and the files that hold them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import binom

from gaitlib.config import RunConfig
from gaitlib.data import Fit, RunData
from gaitlib.evaluation.calibration import Calibration, measure_calibration
from gaitlib.evaluation.effects import write_gait_parameters
from gaitlib.evaluation.intervals import permutation_p
from gaitlib.evaluation.judging import Judgement, judge_fits, judge_model, with_baselines
from gaitlib.evaluation.provenance import git_commit, step_durations, versions
from gaitlib.evaluation.scores import (
    AblationScore,
    BaselineScore,
    FitScore,
    LeakScores,
    Predictions,
    Scores,
    score_rights,
)
from gaitlib.evaluation.scores import score as score_predictions
from gaitlib.files import read_json, write_csv, write_json
from gaitlib.models import TrainedModel
from gaitlib.training import update_about

SCHEMA_VERSION = 2
# What `escape_cell` puts before a text that a spreadsheet would run.
_ESCAPED = re.compile(r"^'(?=[=+@\t\r-])")
_TEXTS = ("video", "walker", "emotion", "predicted")


class Evaluation(BaseModel):
    """Everything that the test walkers taught; its fields are entries of ``results.json``.

    `predictions` (each video once, by the first seed's chosen models) and `effects` (see
    `gaitlib.evaluation.effect_sizes`) are tables of their own. With folds, `chosen` is the name of the model
    that was chosen most often.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    predictions: Predictions = Field(exclude=True)
    test: Scores
    baselines: dict[str, BaselineScore]
    chosen: str
    fits: list[FitScore]
    permutation_p: float
    calibration: dict[str, Calibration]
    choices: list[dict[str, Any]]
    warnings: list[str]
    leak_lesson: LeakScores | None = None
    ablation: list[AblationScore] = []
    effects: pd.DataFrame = Field(default_factory=pd.DataFrame, exclude=True)

    @property
    def folds(self) -> list[FitScore]:
        """The fits whose answers make the scores, one a fold; empty for a single split."""
        first = [fit for fit in self.fits if fit.seed == self.fits[0].seed]
        return first if len(first) > 1 else []

    def ladder(self) -> pd.DataFrame:
        """Return `name`, `accuracy`, `low`, `high`, and the lead over it: `lead`, `lead_low`, `lead_high`."""
        own = BaselineScore(accuracy=self.test.accuracy, accuracy_ci95=self.test.accuracy_ci95)
        rows = [
            (name, one.accuracy, *one.accuracy_ci95, one.difference, *(one.difference_ci95 or (None, None)))
            for name, one in {**self.baselines, self.chosen: own}.items()
        ]
        table = pd.DataFrame(rows, columns="name accuracy low high lead lead_low lead_high".split())
        return table.sort_values("accuracy", ascending=False, kind="stable", ignore_index=True)


def evaluate(
    data: RunData, config: RunConfig, run_dir: Path, model: TrainedModel | None = None
) -> Evaluation:
    """Score the models of a run, or `model` alone on a single split, beside the baselines.

    The models are those that `gaitlib.training.train_fits` saved in `run_dir`, each judging walkers that it
    has never seen.
    """
    if model is None:
        return combine(list(judge_fits(data, config, run_dir)), data, config)
    fit = Fit(1, config.seed, data, config)
    return combine([with_baselines(judge_model(model, fit), fit)], data, config)


def combine(judgements: Sequence[Judgement], data: RunData, config: RunConfig) -> Evaluation:
    """Put the answers of all folds together and score them; the first seed's answers make the scores."""
    first = [part for part in judgements if part.score.seed == judgements[0].score.seed]
    videos = pd.concat([part.predictions.videos for part in first], ignore_index=True)
    answers = [(part.predictions.probabilities, part.predictions.temperatures) for part in first]
    predictions = Predictions(videos, data.emotions, *map(np.concatenate, zip(*answers, strict=True)))
    test, models = score_predictions(predictions, config), [part.score.model for part in first]
    said = {"before": predictions.probabilities, "after": predictions.calibrated}
    return Evaluation(
        predictions=predictions,
        test=test,
        baselines=_score_baselines(first, predictions, config),
        chosen=max(models, key=models.count),
        fits=[part.score for part in judgements],
        permutation_p=permutation_p(predictions.labels, predictions.predicted, predictions.walkers, config),
        calibration={name: measure_calibration(one, predictions.labels) for name, one in said.items()},
        choices=[part.choice for part in first if part.choice],
        warnings=[
            f"No test video shows {emotion}, so no figure is given for it: add videos of it by other walkers."
            for emotion in test.untested
        ],
    )


def _score_baselines(
    first: Sequence[Judgement], predictions: Predictions, config: RunConfig
) -> dict[str, BaselineScore]:
    """Score each baseline on the same videos, with the model's lead over it video by video."""
    number, chance = len(predictions.videos), 1 / len(predictions.emotions)
    rights = {"chance": np.full(number, chance)}
    for name in first[0].baselines:
        said = np.concatenate([part.baselines[name] for part in first]).argmax(axis=1)
        rights[name] = said == predictions.labels
    ceiling = predictions.videos.get("agreement")
    if ceiling is not None and ceiling.notna().all():
        rights["rater_ceiling"] = ceiling.to_numpy(float)
    scores = {
        name: score_rights(one, predictions.walkers, config, predictions) for name, one in rights.items()
    }
    # The range in which 95 % of those who guess at this test end.
    limits = tuple(float(limit) / number for limit in binom.interval(0.95, number, chance))
    return {**scores, "chance": scores["chance"].model_copy(update={"accuracy_ci95": limits})}


def write_results(run_dir: Path, evaluation: Evaluation, data: RunData, config: RunConfig) -> None:
    """Write ``results.json``, ``predictions.csv``, ``effects.csv`` and ``gait_parameters.csv``."""
    write_csv(run_dir / "predictions.csv", evaluation.predictions.to_table())
    if not evaluation.effects.empty:
        write_csv(run_dir / "effects.csv", evaluation.effects)
    write_gait_parameters(data, run_dir)
    entries = evaluation.model_dump()
    entries["test"]["baselines"] = entries["baselines"]
    if evaluation.folds:
        entries["folds"] = [fold.model_dump() for fold in evaluation.folds]
    head = {
        "schema_version": SCHEMA_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": config.model_dump(),
        "versions": versions(),
        "git_commit": git_commit(),
        "data": data.summary(),
        "duration_seconds": step_durations(run_dir),
    }
    write_json(run_dir / "results.json", {**head, **entries})
    if (run_dir / "model.json").is_file():
        update_about(run_dir, accuracy=evaluation.test.accuracy, accuracy_ci95=evaluation.test.accuracy_ci95)


def read_results(run_dir: Path) -> dict[str, Any]:
    """Read back ``results.json``, with the steps that have finished since."""
    results = read_json(run_dir / "results.json")
    return {**results, "duration_seconds": {**results["duration_seconds"], **step_durations(run_dir)}}


def read_evaluation(run_dir: Path) -> Evaluation:
    """Read back what `write_results` wrote."""
    results, path = read_results(run_dir), run_dir / "effects.csv"
    table = pd.read_csv(run_dir / "predictions.csv", keep_default_na=False, dtype=dict.fromkeys(_TEXTS, str))
    for name in _TEXTS:
        table[name] = table[name].str.replace(_ESCAPED, "", regex=True)
    emotions, videos = tuple(results["test"]["labels"]), table if "fold" in table else table.assign(fold=0)
    probabilities = table.iloc[:, 6 : 6 + len(emotions)].to_numpy(float)
    known = {fit["fold"] * ("fold" in table): fit["temperature"] for fit in reversed(results["fits"])}
    return Evaluation(
        predictions=Predictions(videos, emotions, probabilities, videos["fold"].map(known).to_numpy(float)),
        effects=pd.read_csv(path) if path.is_file() else pd.DataFrame(),
        **{name: value for name, value in results.items() if name in Evaluation.model_fields},
    )
