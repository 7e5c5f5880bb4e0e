"""What an experiment taught: candidates ranked, differences tested, the best trial held against strangers."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gaitlib.comparison import compare, least_p, paired
from gaitlib.config import ExperimentPlan, InputError
from gaitlib.evaluation import Predictions, accuracy_with_interval, mean_with_interval, score
from gaitlib.experiment_data import ExperimentData
from gaitlib.experiments import Outcome, TrialRecord, best_trial
from gaitlib.files import write_aside, write_json
from gaitlib.labels import escape_cell
from gaitlib.provenance import git_commit, versions
from gaitlib.search_space import describe_settings
from gaitlib.trials import DIGEST_LENGTH, answers_of, cost_of

SCHEMA_VERSION = 1
_ORDER = ("complete", "pruned", "failed")
# How many candidates are compared: a search tries more than anybody wants to tell apart.
MAX_COMPARED = 20
_SCORES = ("accuracy", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True)
class Candidate:
    """One combination of settings with all of its trials.

    Attributes
    ----------
    settings : dict
    trials : list of TrialRecord
        One, or one in the study of each outer fold.
    """

    settings: dict[str, Any]
    trials: list[TrialRecord]

    @property
    def state(self) -> str:
        """The best that became of its trials."""
        return min((trial.state for trial in self.trials), key=_ORDER.index)

    @property
    def num_complete(self) -> int:
        """How many of its trials came to their end."""
        return sum(trial.state == "complete" for trial in self.trials)

    @property
    def label(self) -> str:
        """The settings as people read them."""
        return describe_settings(self.settings)

    @property
    def folds(self) -> list[dict[str, Any]]:
        """The fits of its complete trials; a score from a part of the folds would be no fair one."""
        return [fold for trial in self.trials if trial.state == "complete" for fold in trial.folds]


def list_candidates_tried(outcome: Outcome) -> list[Candidate]:
    """Return the trials of all studies, those with the same settings together."""
    groups: dict[str, list[TrialRecord]] = {}
    for trial in outcome.trials:
        groups.setdefault(json.dumps(trial.settings, sort_keys=True), []).append(trial)
    return [Candidate(trials[0].settings, trials) for trials in groups.values()]


def make_results(plan: ExperimentPlan, outcome: Outcome, data: ExperimentData) -> dict[str, Any]:
    """Return all that stands in `results.json`.

    Raises
    ------
    InputError
        If no trial succeeded.
    """
    candidates = list_candidates_tried(outcome)
    if not any(candidate.folds for candidate in candidates):
        raise InputError(f"No trial succeeded. The first: {outcome.trials[0].reason}")
    ranked = _rank(candidates, data)
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "experiment",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "name": plan.name,
        "plan": plan.model_dump(exclude={"storage"}),
        "versions": versions(),
        "git_commit": git_commit(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "data": data.first.summary(),
        "num_trials": len(outcome.trials),
        "training_seconds": sum(
            fold["training_seconds"] for trial in outcome.trials + outcome.finals for fold in trial.folds
        ),
        "chance": max(entry.get("chance", 0.0) for _, entry in ranked),
        "ranking": [entry for _, entry in ranked],
        "comparisons": _comparisons([candidate for candidate, _ in ranked], plan, data),
        **({"nested": _nested(outcome, data)} if outcome.finals else {}),
    }


def _rank(candidates: Sequence[Candidate], data: ExperimentData) -> list[tuple[Candidate, dict[str, Any]]]:
    """Return candidates with their entries, best first.

    One that was given up in some outer folds has its score from those where it did well: it comes after
    those that were tried in more of them.
    """
    entries = [(candidate, _entry(candidate, data)) for candidate in candidates]
    entries.sort(
        key=lambda pair: (
            _ORDER.index(pair[0].state),
            -pair[0].num_complete,
            -(pair[1].get("accuracy") or 0.0),
        )
    )
    return [(candidate, {"rank": place + 1, **entry}) for place, (candidate, entry) in enumerate(entries)]


def _entry(candidate: Candidate, data: ExperimentData) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "label": candidate.label,
        "settings": candidate.settings,
        "state": candidate.state,
        "num_trials": len(candidate.trials),
        "num_complete": candidate.num_complete,
    }
    answers = answers_of(candidate.folds)
    if len(answers):
        scores = _score(answers, data)
        entry["chance"] = 1 / len(_emotions(answers))
        entry |= {name: scores[name] for key in _SCORES for name in (key, f"{key}_ci95")}
        entry |= {"num_videos": int(answers["digest"].nunique()), "num_walkers": scores["num_walkers"]}
    entry["num_fits"] = sum(len(trial.folds) for trial in candidate.trials)
    entry |= cost_of(candidate.folds or [fold for trial in candidate.trials for fold in trial.folds])
    reasons = [trial.reason for trial in candidate.trials if trial.reason]
    return entry | ({"reason": reasons[0]} if reasons else {})


def _score(answers: pd.DataFrame, data: ExperimentData) -> dict[str, Any]:
    return score(_predictions(answers), _emotions(answers), data.config.num_resamples, data.config.seed)


def _accuracy(answers: pd.DataFrame, data: ExperimentData) -> dict[str, Any]:
    return accuracy_with_interval(_predictions(answers), data.config.num_resamples, data.config.seed)


def _emotions(answers: pd.DataFrame) -> tuple[str, ...]:
    """Return the classes of one candidate: where references are not judged, theirs may be none."""
    return tuple(sorted({*answers["emotion"], *answers["predicted"]}))


def _predictions(answers: pd.DataFrame) -> Predictions:
    places = {emotion: place for place, emotion in enumerate(_emotions(answers))}
    labels, predicted = (answers[name].map(places).to_numpy(int) for name in ("emotion", "predicted"))
    return Predictions(labels, predicted, answers["walker"].to_numpy())


def _comparisons(ranked: Sequence[Candidate], plan: ExperimentPlan, data: ExperimentData) -> dict[str, Any]:
    """Compare every complete candidate with the plan's baseline, or else with the best one."""
    complete = [candidate for candidate in ranked if candidate.folds]
    against = next((one for one in complete if one.settings == plan.baseline), complete[0])
    lost = [one for one in ranked if one.settings == plan.baseline and one is not against]
    others = [candidate for candidate in complete if candidate is not against][:MAX_COMPARED]
    tables = [answers_of(candidate.folds) for candidate in (against, *others)]
    results = compare(tables[0], tables[1:], data.config.num_resamples, data.config.seed)
    rows = [{"label": other.label, **row} for other, row in zip(others, results, strict=True)]
    walkers = min((row["num_walkers"] for row in rows if row["num_walkers"]), default=0)
    return {
        "against": against.label,
        "is_best": against is complete[0],
        "baseline_lost": lost[0].label if lost else None,
        "num_comparisons": len(rows),
        "least_p_holm": least_p(walkers, len(rows)) if rows else None,
        "rows": rows,
    }


def _nested(outcome: Outcome, data: ExperimentData) -> dict[str, Any]:
    """Hold the best trial of each outer fold against its test on walkers that no trial has seen."""
    draws = data.config.num_resamples, data.config.seed
    tested = [final for final in outcome.finals if final.state == "complete"]
    if not tested:
        return {"folds": [_outer_fold(final, outcome) for final in outcome.finals]}
    nested = answers_of([fold for final in tested for fold in final.folds])
    bests = [best_trial(outcome.trials, final.outer) for final in tested]
    chosen = answers_of([fold for best in bests if best is not None for fold in best.folds])
    # A test that failed leaves videos without an answer: both scores are of the same videos.
    chosen = chosen[chosen["digest"].isin(nested["digest"])]
    best = _accuracy(chosen, data)
    optimism, optimism_interval = _optimism(chosen, nested, draws)
    return {
        **_score(nested, data),
        "best_score": best["accuracy"],
        "best_score_ci95": best["accuracy_ci95"],
        "optimism": optimism,
        "optimism_ci95": optimism_interval,
        "folds": [_outer_fold(final, outcome) for final in outcome.finals],
    }


def _optimism(
    chosen: pd.DataFrame, nested: pd.DataFrame, draws: tuple[int, int]
) -> tuple[float, list[float]]:
    """Return by how much the best trials' scores promise more, video by video."""
    both = paired(nested, chosen)
    return mean_with_interval((both["second"] - both["first"]).to_numpy(), both["walker"].to_numpy(), *draws)


def _outer_fold(final: TrialRecord, outcome: Outcome) -> dict[str, Any]:
    best = best_trial(outcome.trials, final.outer)
    answers = answers_of(final.folds)
    return {
        "fold": final.outer,
        "best_trial": best.number if best else None,
        "settings": best.settings if best else None,
        "label": describe_settings(best.settings) if best else "",
        "best_score": best.score if best else None,
        "accuracy": final.score,
        "test_walkers": sorted(answers["walker"].unique()),
        "num_videos": len(answers),
        **cost_of(final.folds),
        **({"reason": final.reason} if final.reason else {}),
    }


def trial_table(outcome: Outcome, data: ExperimentData) -> pd.DataFrame:
    """Return a row a trial: its study, state, score with interval, settings and costs."""
    rows = []
    for trial in outcome.trials:
        answers, interval = answers_of(trial.folds), [np.nan, np.nan]
        if trial.state == "complete":
            interval = _accuracy(answers, data)["accuracy_ci95"]
        rows.append(
            {
                "outer_fold": trial.outer or "",
                "trial": trial.number,
                "state": trial.state,
                "accuracy": trial.score,
                "ci95_low": interval[0],
                "ci95_high": interval[1],
                **trial.settings,
                "num_fits": len(trial.folds),
                **cost_of(trial.folds),
                "reason": trial.reason,
            }
        )
    return pd.DataFrame(rows)


def prediction_table(plan: ExperimentPlan, outcome: Outcome, data: ExperimentData) -> pd.DataFrame:
    """Return a row an answer on a test walker: of every candidate, or of the best trial's test."""
    names = {
        digest[:DIGEST_LENGTH]: name
        for digest, name in zip(data.first.videos["digest"], data.first.videos["video"], strict=True)
    }
    tables = [
        answers_of(record.folds).assign(settings=describe_settings(record.settings))
        for record in (outcome.finals if plan.inner_folds else outcome.trials)
    ]
    table = pd.concat(tables, ignore_index=True)
    table.insert(0, "video", table["digest"].map(names).fillna(table["digest"]))
    return table.drop(columns=["is_right"])


def write_results(
    out: Path, results: Mapping[str, Any], trials: pd.DataFrame, predictions: pd.DataFrame
) -> None:
    """Write `results.json`, `trials.csv` and `predictions.csv` into a run folder."""
    for name, table in (("trials", trials), ("predictions", predictions)):
        safe = table.map(lambda cell: escape_cell(cell) if isinstance(cell, str) else cell)
        with write_aside(out / f"{name}.csv") as aside:
            safe.to_csv(aside, index=False)
    write_json(out / "results.json", results)
