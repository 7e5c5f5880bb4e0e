"""Experiments: settings tried on walker-disjoint folds, the best ones tested on held-out walkers."""

import hashlib
import json
import time
import warnings
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from gaitlib.data import Fit, prepare_data
from gaitlib.errors import InputError, StorageError, sentence_of
from gaitlib.evaluation import judge_model, versions
from gaitlib.experiments.folds import ExperimentFolds
from gaitlib.experiments.plan import ExperimentPlan, Range, config_for, list_candidates
from gaitlib.experiments.ranking import ANSWERS, TrialRecord, best_trial, make_results, write_experiment
from gaitlib.files import hold_lock, make_folder, read_json
from gaitlib.models import load_keras
from gaitlib.training import choose_model, run_many, train_model

# A trial whose machine was not heard of for so long is begun again by another one.
HEARTBEAT_SECONDS, GRACE_SECONDS = 20, 120
# Two machines that make the tables of a database at the same moment get in each other's way.
_OPENINGS = 4
# What a plan says beyond the work itself: with another value the same trials go on.
_NO_MATTER = {"name", "trials", "storage", "baseline"}
_STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}

optuna.logging.set_verbosity(optuna.logging.ERROR)


class TrialError(Exception):
    """A trial's settings cannot be run; the reason stands in the trial, and the others go on."""


def run_experiment(
    plan: ExperimentPlan, videos_dir: Path, videos_test_dir: Path, labels_path: Path | None, out: Path
) -> dict[str, Any]:
    """Do all trials of an experiment that are not done yet, and write what they taught.

    Parameters
    ----------
    plan : ExperimentPlan
    videos_dir, videos_test_dir : Path
        The walkers of both take part in the folds; synthetic ones are drawn where the first is empty.
    labels_path : Path or None
    out : Path
        The run folder, for ``results.json``, ``trials.csv`` and ``predictions.csv``.

    Returns
    -------
    dict
        What stands in ``results.json``.

    Raises
    ------
    InputError
        If the videos cannot be used, the folder holds another run, or another process works in it.
    """
    make_folder(out)
    with hold_lock(out, f"Another process works in {out} at this moment: choose another --out."):
        if (out / "results.json").exists() and read_json(out / "results.json").get("name") != plan.name:
            raise InputError(f"{out} holds another run: choose another --out.")
        storage = _open_storage(plan.storage or f"sqlite:///{out / 'study.db'}")
        prepare = partial(prepare_data, videos_dir, videos_test_dir, labels_path=labels_path)
        folds = ExperimentFolds(plan, prepare)
        parts = [plan.model_dump(exclude=_NO_MATTER), folds.first.fingerprint, versions()["gaitlib"]]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
        outers = range(1, plan.outer_folds + 1) if plan.inner_folds else (0,)
        trials: list[TrialRecord] = []
        for outer in outers:
            trials += _search(plan, folds, outer, study_name=f"{plan.name} {digest} {outer}", storage=storage)
        tests = [_test(plan, folds, trials, outer) for outer in outers if outer]
        results = make_results(plan, trials, tests, folds.first)
        write_experiment(out, results, trials, tests)
        return results


def _open_storage(url: str) -> RDBStorage:
    reason = ""
    for _ in range(_OPENINGS):
        try:
            with warnings.catch_warnings():  # Optuna calls its heartbeat experimental; it is tested here
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                return RDBStorage(url, heartbeat_interval=HEARTBEAT_SECONDS, grace_period=GRACE_SECONDS)
        except Exception as error:  # whatever a driver raises, or one that is not installed
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            time.sleep(0.3)
    raise InputError(f"The storage of the experiment cannot be opened: {reason}.")


def _search(plan: ExperimentPlan, folds: ExperimentFolds, outer: int, **names: Any) -> list[TrialRecord]:
    """Do what is left of a study, with whoever shares its database; stopped trials are begun again."""
    study = optuna.create_study(direction="maximize", load_if_exists=True, **names)
    study.pruner = optuna.pruners.MedianPruner() if plan.prune and outer else optuna.pruners.NopPruner()
    wanted = set(range(len(list_candidates(plan)) if plan.method == "grid" else plan.trials))
    seed = config_for(plan, {}).seed + 10_000 * outer
    kind = optuna.samplers.TPESampler if plan.method == "tpe" else optuna.samplers.RandomSampler
    while missing := wanted - set(done := _finished(study)):
        trials = study.get_trials(deepcopy=False, states=(TrialState.WAITING, TrialState.RUNNING))
        begun = {trial.user_attrs.get("place") for trial in trials if plan.storage}
        if missing - begun:
            place = min(missing - begun)
            study.sampler = kind(seed=seed + place)  # whoever draws it, and whenever, draws the same
            study.enqueue_trial({}, user_attrs={"place": place})
            study.optimize(partial(_try, plan, folds, outer), n_trials=1, catch=(TrialError,))
        else:
            time.sleep(1)  # another machine does the last ones, or has stopped
            optuna.storages.fail_stale_trials(study)
    return [_record(done[place], outer) for place in sorted(wanted)]


def _finished(study: optuna.Study) -> dict[int, FrozenTrial]:
    """Return the trials that came to an end by their place; a stopped one failed for no reason of its own."""
    trials = study.get_trials(deepcopy=False, states=tuple(_STATES))
    ended = [trial for trial in trials if trial.state != TrialState.FAIL or "reason" in trial.user_attrs]
    return {trial.user_attrs["place"]: trial for trial in ended}


def _try(plan: ExperimentPlan, folds: ExperimentFolds, outer: int, trial: Trial) -> float:
    """Score one combination of settings by the inner folds, or by all folds where nothing is chosen."""
    if "place" not in trial.user_attrs:
        raise TrialError  # another machine took the last one
    try:
        is_grid = plan.method == "grid"
        settings = list_candidates(plan)[trial.user_attrs["place"]] if is_grid else _suggest(plan, trial)
        trial.set_user_attr("settings", settings)
        return _score(plan, folds, outer, trial)
    except (optuna.TrialPruned, StorageError):
        raise
    except Exception as error:
        trial.set_user_attr("reason", sentence_of(error)[:300])
        raise TrialError from error


def _suggest(plan: ExperimentPlan, trial: Trial) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for name, one in plan.search.items():
        if not isinstance(one, Range):
            chosen[name] = trial.suggest_categorical(name, one)
        elif isinstance(one.low, int):
            chosen[name] = trial.suggest_int(
                name, one.low, int(one.high), step=int(one.step or 1), log=one.log
            )
        else:
            chosen[name] = trial.suggest_float(name, one.low, one.high, step=one.step, log=one.log)
    return chosen


def _score(plan: ExperimentPlan, folds: ExperimentFolds, outer: int, trial: Trial) -> float:
    config, number = config_for(plan, trial.user_attrs["settings"]), plan.inner_folds or plan.outer_folds
    steps = range(1, number + 1)
    fits = [folds.fit(config, outer, inner=step) if outer else folds.fit(config, step) for step in steps]
    answers: Iterable[dict[str, Any]] = map(answer_fit, fits)
    if config.scheduler:
        answers = run_many(answer_fit, fits, config.scheduler)
    for step, one in zip(steps, answers, strict=True):
        trial.set_user_attr(f"fold{step}", one)
        record = _record(trial, outer)
        where = f"outer fold {outer}, inner fold" if outer else "fold"
        print(f"{where} {step}/{number}: {record.accuracy:.1%} so far, {record.label}", flush=True)
        trial.report(record.accuracy, step)
        if step < number and trial.should_prune():
            raise optuna.TrialPruned
    return record.accuracy


def _test(
    plan: ExperimentPlan, folds: ExperimentFolds, trials: Sequence[TrialRecord], outer: int
) -> TrialRecord:
    """Train the best trial of an outer fold on all its walkers and test it on the held-out ones."""
    best = best_trial(trials, outer)
    if best is None:
        reason = next(trial.reason for trial in trials if trial.outer == outer)
        return TrialRecord(outer, 0, {}, "failed", f"No trial succeeded. The first: {reason}")
    answers = answer_fit(folds.fit(config_for(plan, best.settings), outer))
    record = TrialRecord(outer, best.number, best.settings, "complete", folds=(answers,))
    print(f"outer fold {outer}, test of its best trial: {record.accuracy:.1%}, {record.label}", flush=True)
    return record


def answer_fit(fit: Fit) -> dict[str, Any]:
    """Train one model and let it judge the test walkers of its fold.

    Returns
    -------
    dict
        Lists `video`, `walker`, `emotion`, `predicted` with an entry a test video, and `training_seconds`.
    """
    train, validation = (fit.data.video_set(split, fit.config) for split in ("train", "validation"))
    name, emotions = fit.config.model, fit.data.emotions
    if name == "auto":
        name = choose_model(train, fit.config, emotions).name
    result = train_model(name, train, validation, fit.config, emotions)
    table = judge_model(result.model, fit).predictions.to_table()
    if result.model.kind != "gait":  # layers of finished models would pile up over hundreds of trainings
        load_keras().utils.clear_session()
    answers = {name: table[name].tolist() for name in ANSWERS}
    # A training that comes from the cache remembers what it took.
    return {**answers, "training_seconds": float(result.history["seconds"].sum())}


def _record(trial: Trial | FrozenTrial, outer: int) -> TrialRecord:
    known = trial.user_attrs
    state = _STATES[trial.state] if isinstance(trial, FrozenTrial) else ""
    answers = tuple(known[name] for name in sorted(known) if name.startswith("fold"))
    return TrialRecord(
        outer, known["place"] + 1, known.get("settings", {}), state, known.get("reason", ""), answers
    )
