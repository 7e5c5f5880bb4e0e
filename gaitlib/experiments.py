"""Experiments: models and settings tried on walker-disjoint folds, the best one tested on strangers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from optuna import Study, TrialPruned
from optuna.trial import FrozenTrial, Trial, TrialState

from gaitlib.clips import FORMAT_VERSION
from gaitlib.config import ExperimentPlan, InputError, RunConfig
from gaitlib.experiment_data import ExperimentData
from gaitlib.files import hold_lock, make_folder
from gaitlib.preparation import prepare_data
from gaitlib.pretraining import pretrained_path
from gaitlib.search_space import (
    config_for,
    describe_settings,
    list_candidates,
    probe_candidates,
    suggest,
)
from gaitlib.studies import (
    count_try,
    digest_of,
    finish,
    list_jobs,
    make_sampler,
    open_storage,
    open_study,
    work_off,
)
from gaitlib.training import TRAINING_VERSION
from gaitlib.trials import answer_fit, answers_of
from gaitlib.video import file_digest

# What a plan says beyond the work itself: with another value the same trials go on.
_NO_MATTER = {"name", "trials", "storage", "baseline"}
_STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


@dataclass(frozen=True)
class TrialRecord:
    """What became of one trial.

    Attributes
    ----------
    outer : int
        The outer fold whose walkers it has not seen; 0 where nothing is chosen and each fold is a test.
    number : int
        Within its study, from 1.
    settings : dict
        The settings it tried.
    state : {"complete", "pruned", "failed"}
    score : float or None
        Share of the videos of all its folds that were recognised.
    reason : str
        Why it failed; else empty.
    folds : list of dict
        See `gaitlib.trials.answer_fit`.
    """

    outer: int
    number: int
    settings: dict[str, Any]
    state: str
    score: float | None
    reason: str
    folds: list[dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """All trials of an experiment and, where settings were chosen, the test of each choice."""

    trials: list[TrialRecord]
    finals: list[TrialRecord]


def run_experiment(
    plan: ExperimentPlan, videos_dir: Path, videos_test_dir: Path, labels: Path | None, out: Path
) -> tuple[Outcome, ExperimentData]:
    """Do all trials of an experiment that are not done yet.

    Parameters
    ----------
    plan : ExperimentPlan
    videos_dir, videos_test_dir : Path
        The walkers of both take part in the folds; synthetic ones are drawn where the first is empty.
    labels : Path, optional
    out : Path
        The run folder; holds the journal of the study, unless the plan names a database.

    Raises
    ------
    InputError
        If the videos cannot be used, or another process works in the folder.
    """
    make_folder(out)
    with hold_lock(out, f"Another process works in {out} at this moment: choose another --out."):
        prepare = partial(prepare_data, videos_dir, videos_test_dir, labels_path=labels)
        data = ExperimentData(plan, prepare)
        return _Runner(plan, data, out).run(), data


class _Runner:
    """Does the jobs of all studies of one experiment."""

    def __init__(self, plan: ExperimentPlan, data: ExperimentData, out: Path):
        self.plan, self.data = plan, data
        self.storage = open_storage(plan, out)
        self.seed = config_for(plan, {}).seed
        parts = [plan.model_dump(exclude=_NO_MATTER), data.first.fingerprint, _pretrained_digests(plan)]
        self.name = f"{plan.name} {digest_of(*parts, TRAINING_VERSION, FORMAT_VERSION)}"

    def run(self) -> Outcome:
        if not self.plan.inner_folds:
            study = self._open("all", self._jobs(), prune=False)
            finish(study, partial(self._try, outer=0))
            return Outcome(self._records(study, 0), [])
        outer_folds = range(1, self.plan.outer_folds + 1)
        studies = {
            outer: self._open(f"outer {outer}", self._jobs(), self.plan.prune) for outer in outer_folds
        }
        # First what nobody does, then what others have begun: no machine waits while there is work.
        for do in (work_off, finish):
            for outer, study in studies.items():
                do(study, partial(self._try, outer=outer))
        trials = [record for outer, study in studies.items() for record in self._records(study, outer)]
        bests = [best_trial(trials, outer) for outer in outer_folds]
        # Named by what was chosen: with more trials another one may be the best, and is tested anew.
        chosen = digest_of([best.settings if best else None for best in bests])
        final = self._open(f"final {chosen}", [{"outer": outer} for outer in outer_folds], prune=False)
        finish(final, partial(self._test, trials=trials))
        finals = [_record(trial, trial.user_attrs["outer"]) for trial in list_jobs(final)]
        return Outcome(trials, finals)

    def _open(self, part: str, jobs: Sequence[Mapping[str, Any]], prune: bool) -> Study:
        return open_study(self.storage, f"{self.name} {part}", jobs, prune)

    def _records(self, study: Study, outer: int) -> list[TrialRecord]:
        """Return the trials that the plan has now; an earlier call may have been told to do more."""
        return [_record(trial, outer) for trial in list_jobs(study)[: len(self._jobs())]]

    def _jobs(self) -> list[dict[str, Any]]:
        if self.plan.method == "grid":
            return [{"settings": chosen} for chosen in list_candidates(self.plan)]
        return [{} for _ in range(self.plan.trials)]

    def _try(self, trial: Trial, outer: int) -> float:
        """Score one combination of settings by the inner folds, or by all folds where nothing is chosen."""
        number = trial.user_attrs["job"]
        if "settings" not in trial.user_attrs:
            trial.study.sampler = make_sampler(self.plan.method, self.seed, outer, number)
            trial.set_user_attr("settings", suggest(trial, self.plan))
        steps = range(1, (self.plan.inner_folds or self.plan.outer_folds) + 1)
        return self._score(trial, outer, steps)

    def _test(self, trial: Trial, trials: Sequence[TrialRecord]) -> float:
        """Train the best trial of an outer fold on all its walkers and test it on the strangers."""
        outer = trial.user_attrs["outer"]
        best = best_trial(trials, outer)
        if best is None:
            reasons = [other.reason for other in trials if other.outer == outer]
            raise InputError(f"No trial of outer fold {outer} succeeded. The first: {reasons[0]}")
        trial.set_user_attr("settings", best.settings)
        return self._score(trial, 0, [outer])

    def _score(self, trial: Trial, outer: int, steps: Sequence[int]) -> float:
        config = config_for(self.plan, trial.user_attrs["settings"])
        folds: list[dict[str, Any]] = []
        for step in steps:
            is_prunable = outer and step < steps[-1]
            done = trial.user_attrs.get(f"fold{step}")
            folds.append(done or self._fit(trial, outer, step, config))
            if not done:
                if is_prunable:
                    trial.report(_accuracy(folds), step)
                trial.set_user_attr(f"fold{step}", folds[-1])
                self._say(trial, outer, step, folds[-1])
            if is_prunable and trial.should_prune():
                raise TrialPruned
        return _accuracy(folds)

    def _fit(self, trial: Trial, outer: int, step: int, config: RunConfig) -> dict[str, Any]:
        count_try(trial, step)
        fit = self.data.inner_fit(outer, step, config) if outer else self.data.outer_fit(step, config)
        return answer_fit(fit)

    def _say(self, trial: Trial, outer: int, step: int, fold: Mapping[str, Any]) -> None:
        """Print one line about a finished training."""
        inner, settings = self.plan.inner_folds, describe_settings(trial.user_attrs["settings"])
        trial_name = f"trial {trial.user_attrs['job'] + 1}"
        place = f"fold {step}/{self.plan.outer_folds}, {trial_name}"
        if outer:
            place = f"outer fold {outer}/{self.plan.outer_folds}, {trial_name}, inner fold {step}/{inner}"
        elif inner:
            place = f"outer fold {step}/{self.plan.outer_folds}, test of its best trial"
        print(
            f"{place}: {_accuracy([fold]):.1%} of {len(fold['answers']['digest'])} videos, "
            f"{fold['training_seconds']:.0f} s of training ({settings})",
            flush=True,
        )


def _pretrained_digests(plan: ExperimentPlan) -> list[str]:
    """Return digests of the models that trials start from: other weights make other trials."""
    configs = [config_for(plan, chosen) for chosen in probe_candidates(plan)]
    searched = plan.search.get("pretrained", [])
    configs += [config_for(plan, {"pretrained": model}) for model in searched]
    paths = {path for path in map(pretrained_path, configs) if path is not None}
    return sorted(map(file_digest, paths))


def best_trial(trials: Sequence[TrialRecord], outer: int) -> TrialRecord | None:
    """Return the trial of an outer fold with the highest score, the first of equals; None if all failed."""
    complete = [trial for trial in trials if trial.outer == outer and trial.state == "complete"]
    return max(complete, key=lambda trial: trial.score or 0.0, default=None)


def _accuracy(folds: Sequence[Mapping[str, Any]]) -> float:
    return float(answers_of(folds)["is_right"].mean())


def _record(trial: FrozenTrial, outer: int) -> TrialRecord:
    steps = sorted(int(name[4:]) for name in trial.user_attrs if name.startswith("fold"))
    return TrialRecord(
        outer,
        trial.user_attrs["job"] + 1,
        trial.user_attrs.get("settings", {}),
        _STATES[trial.state],
        None if trial.value is None else float(trial.value),
        trial.user_attrs.get("reason", ""),
        [trial.user_attrs[f"fold{step}"] for step in steps],
    )
