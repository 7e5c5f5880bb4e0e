"""What an experiment taught: candidates ranked, compared in pairs, the best trials on held-out walkers."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gaitlib.config import RunConfig
from gaitlib.data import RunData
from gaitlib.errors import InputError
from gaitlib.evaluation import Predictions, compare_rights, git_commit, holm, score, versions
from gaitlib.experiments.plan import ExperimentPlan, describe_settings
from gaitlib.files import write_csv, write_json

ANSWERS = ["video", "walker", "emotion", "predicted"]
_ORDER = ("complete", "pruned", "failed")
_SCORES = ("accuracy", "balanced_accuracy", "macro_f1")
# A search tries more candidates than anybody wants to tell apart.
MAX_COMPARED = 20
# A difference is called real below this probability, corrected for the number of comparisons.
ALPHA = 0.05


@dataclass(frozen=True)
class TrialRecord:
    """What became of one trial, or of several with the same settings.

    `outer` is the outer fold whose walkers it has not seen (0 where nothing is chosen), `state` one of
    ``"complete"``, ``"pruned"``, ``"failed"``; `folds` holds answers, see `gaitlib.experiments.study`.
    """

    outer: int
    number: int
    settings: dict[str, Any]
    state: str
    reason: str = ""
    folds: tuple[Mapping[str, Any], ...] = ()

    @property
    def label(self) -> str:
        """The settings as people read them."""
        return describe_settings(self.settings)

    @property
    def answers(self) -> Predictions:
        """Answers of all folds; an emotion that nobody showed or named is no class of theirs."""
        columns = {name: [value for fold in self.folds for value in fold[name]] for name in ANSWERS}
        table = pd.DataFrame(columns, dtype=object)
        emotions = tuple(sorted({*table["emotion"], *table["predicted"]}))
        places = [emotions.index(emotion) for emotion in table["predicted"]]
        return Predictions(table, emotions, np.eye(len(emotions))[places], np.ones(1))

    @property
    def accuracy(self) -> float:
        """Share of the videos of all its folds that were recognised; NaN without any."""
        return float(self.answers.is_right.mean()) if self.folds else math.nan

    @property
    def seconds(self) -> float:
        """Seconds of training."""
        return sum(fold["training_seconds"] for fold in self.folds)


def best_trial(trials: Sequence[TrialRecord], outer: int) -> TrialRecord | None:
    """Return the complete trial of an outer fold with the highest accuracy, the first of equals."""
    complete = [trial for trial in trials if trial.outer == outer and trial.state == "complete"]
    return max(complete, key=lambda trial: trial.accuracy, default=None)


def make_results(
    plan: ExperimentPlan, trials: Sequence[TrialRecord], tests: Sequence[TrialRecord], data: RunData
) -> dict[str, Any]:
    """Return all that stands in ``results.json``.

    Raises
    ------
    InputError
        If no trial succeeded.
    """
    if not any(trial.state == "complete" for trial in trials):
        raise InputError(f"No trial succeeded. The first: {trials[0].reason}")
    ranked = _rank(trials)
    ranking = [{"rank": rank, **_entry(one, data.config)} for rank, one in enumerate(ranked, start=1)]
    return {
        "schema_version": 2,
        "kind": "experiment",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "name": plan.name,
        "plan": plan.model_dump(exclude={"storage"}),
        "versions": versions(),
        "git_commit": git_commit(),
        "data": data.summary(),
        "num_trials": len(trials),
        "training_seconds": sum(trial.seconds for trial in (*trials, *tests)),
        "chance": max(entry.get("chance", 0.0) for entry in ranking),
        "ranking": ranking,
        "comparisons": _compare(ranked, plan, data.config),
        **({"nested": _nested(trials, tests, data.config)} if tests else {}),
    }


def _rank(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials, those with the same settings as one, best first, incomplete ones last."""
    groups: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        groups.setdefault(json.dumps(trial.settings, sort_keys=True), []).append(trial)
    merged = []
    for group in groups.values():
        worst = max(group, key=lambda trial: _ORDER.index(trial.state))
        folds = tuple(fold for trial in group if trial.state == "complete" for fold in trial.folds)
        merged.append(TrialRecord(0, group[0].number, worst.settings, worst.state, worst.reason, folds))
    return sorted(merged, key=lambda one: (_ORDER.index(one.state), -len(one.folds), -one.accuracy))


def _entry(one: TrialRecord, config: RunConfig) -> dict[str, Any]:
    entry = {"label": one.label, "settings": one.settings, "state": one.state, "reason": one.reason}
    if not one.folds:
        return {**entry, "accuracy": None}
    answers = one.answers
    counts = {"num_videos": answers.videos["video"].nunique(), "chance": 1 / len(answers.emotions)}
    return {**entry, **_figures(answers, config), **counts, "training_seconds": one.seconds}


def _figures(answers: Predictions, config: RunConfig) -> dict[str, Any]:
    names = {key for name in _SCORES for key in (name, f"{name}_ci95")}
    return score(answers, config).model_dump(include=names | {"num_walkers"})


def _compare(ranked: Sequence[TrialRecord], plan: ExperimentPlan, config: RunConfig) -> dict[str, Any]:
    """Compare candidates with the plan's baseline, or else with the best one, video by video."""
    found = [one for one in ranked if one.folds]
    against = next((one for one in found if one.settings == plan.baseline), found[0])
    others = [one for one in found if one is not against][:MAX_COMPARED]
    rows = [
        compare_rights(against.answers.rights(), one.answers.rights(), config).model_dump() for one in others
    ]
    for one, row, p in zip(others, rows, holm([row["p"] for row in rows]), strict=True):
        row |= {"label": one.label, "p_holm": p, "is_real": p < ALPHA}
    is_lost = plan.baseline not in (None, against.settings)
    return {
        "against": against.label,
        "is_best": against is found[0],
        "is_baseline_lost": is_lost,
        "rows": rows,
    }


def _nested(trials: Sequence[TrialRecord], tests: Sequence[TrialRecord], config: RunConfig) -> dict[str, Any]:
    """Compare the inner score of each outer fold's best trial with its test on walkers that no trial saw."""
    bests = [best_trial(trials, test.outer) for test in tests]
    folds = [
        {"fold": test.outer, "label": test.label, "settings": test.settings, "accuracy": test.accuracy}
        | {"best_score": best.accuracy if best else None, "reason": test.reason}
        | {"test_walkers": np.unique(test.answers.walkers).tolist(), "num_videos": len(test.answers.videos)}
        for test, best in zip(tests, bests, strict=True)
    ]
    tested, chosen = (_joined(parts) for parts in (tests, [best for best in bests if best]))
    if not tested.videos.size:
        return {"folds": folds}
    gain, inner = compare_rights(tested.rights(), chosen.rights(), config), score(chosen, config)
    optimism = {"optimism": gain.difference, "optimism_ci95": gain.difference_ci95}
    best_score = {"best_score": inner.accuracy, "best_score_ci95": inner.accuracy_ci95}
    return {**_figures(tested, config), **best_score, **optimism, "folds": folds}


def _joined(records: Sequence[TrialRecord]) -> Predictions:
    return TrialRecord(0, 0, {}, "", "", tuple(fold for one in records for fold in one.folds)).answers


def write_experiment(
    out: Path, results: Mapping[str, Any], trials: Sequence[TrialRecord], tests: Sequence[TrialRecord]
) -> None:
    """Write ``trials.csv`` (a row a trial), ``predictions.csv`` (a row an answer) and ``results.json``."""
    rows = [
        {"outer_fold": one.outer or "", "trial": one.number, "state": one.state, "accuracy": one.accuracy}
        | {**one.settings, "training_seconds": one.seconds, "reason": one.reason}
        for one in trials
    ]
    write_csv(out / "trials.csv", pd.DataFrame(rows))
    answers = [one.answers.videos.assign(settings=one.label) for one in (tests or trials)]
    write_csv(out / "predictions.csv", pd.concat(answers, ignore_index=True))
    write_json(out / "results.json", results)
