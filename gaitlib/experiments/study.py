"""Experiments: settings tried on walker-disjoint folds, ranked, the best tested on held-out walkers."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.trial import FrozenTrial, Trial, TrialState

from gaitlib.config import RunConfig
from gaitlib.data import Fit, RunData, assign_folds, make_fit, prepare_data
from gaitlib.errors import InputError, StorageError, sentence_of
from gaitlib.evaluation import Predictions, compare_rights, git_commit, holm, judge_model, score, versions
from gaitlib.experiments.plan import ExperimentPlan, Range, config_for, describe_settings, list_candidates
from gaitlib.files import hold_lock, make_folder, read_json, write_csv, write_json
from gaitlib.models.backend import load_keras
from gaitlib.training import choose_model, run_many, train_model

# What a plan says beyond the work itself: with another value the same trials go on.
_NO_MATTER = {"name", "trials", "storage", "baseline"}
# Settings that change nothing about the videos and their clips.
_TRAINING_ONLY = {"model", "l2_strength", "learning_rate", "epochs", "batch_size", "patience", "augment"}
_TRAINING_ONLY |= {"seed", "class_weights", "tensorboard", "num_resamples", "label_form", "training_walkers"}
# A search tries more candidates than anybody wants to tell apart.
_MAX_COMPARED = 20

optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(frozen=True)
class TrialRecord:
    """What became of one trial, or of several with the same settings; `reason` says why it failed."""

    outer: int  # fold whose walkers it has not seen; 0 where nothing is chosen
    number: int
    settings: dict[str, Any]
    folds: tuple[Mapping[str, Any], ...] = ()  # see `answer_fit`
    reason: str = ""

    @property
    def label(self) -> str:
        """The settings as people read them."""
        return describe_settings(self.settings)

    @property
    def answers(self) -> Predictions:
        """Answers of all folds; an emotion that nobody showed or named is no class of theirs."""
        table = pd.concat(map(pd.DataFrame, self.folds), ignore_index=True)
        emotions = tuple(sorted({*table["emotion"], *table["predicted"]}))
        places = [emotions.index(emotion) for emotion in table["predicted"]]
        return Predictions(table, emotions, np.eye(len(emotions))[places], np.ones(1))

    @property
    def accuracy(self) -> float:
        """Share of the videos of all its folds that were recognised; NaN without any."""
        return float(self.answers.is_right.mean()) if self.folds else np.nan

    @property
    def seconds(self) -> float:
        """Seconds of training."""
        return sum(fold["training_seconds"][0] for fold in self.folds)


class ExperimentFolds:
    """Videos prepared as each trial needs them, divided by the same walkers throughout.

    `prepare` takes a `RunConfig` with folds and returns `RunData`; the walkers of `first`, the videos as the
    first candidate needs them, make the folds. Raises `InputError` if there are too few.
    """

    def __init__(self, plan: ExperimentPlan, prepare: Callable[[RunConfig], RunData]):
        self._plan, self._prepare = plan, cache(prepare)
        config = config_for(plan, list_candidates(plan)[0])
        self.first = self._data(config)
        videos = self.first.videos
        self._outer: dict[str, int] = dict(zip(videos["walker"], videos["fold"].tolist(), strict=True))
        self._inner: dict[int, dict[str, int]] = {}
        for outer in range(1, plan.outer_folds + 1) if plan.inner_folds else ():
            rest = videos[videos["fold"] != outer]
            folds = assign_folds(rest, plan.inner_folds, config_for(plan, {}).seed)
            self._inner[outer] = dict(zip(rest["walker"], folds.tolist(), strict=True))
            for inner in range(1, plan.inner_folds + 1):
                self.fit(config, outer, inner)

    def _data(self, config: RunConfig) -> RunData:
        fixed = {"folds": self._plan.outer_folds, "seed": config_for(self._plan, {}).seed}
        return self._prepare(RunConfig(**{**config.model_dump(exclude=_TRAINING_ONLY), **fixed}))

    def fit(self, config: RunConfig, outer: int, inner: int = 0) -> Fit:
        """Return a training that is tested on an outer fold, or on an inner one of the other walkers.

        With `inner`, no walker of the outer fold has any part in it.
        """
        data = self._data(config)
        videos, folds, number, fold = data.videos, self._outer, self._plan.outer_folds, outer
        if inner:
            videos = videos[videos["walker"].map(self._outer) != outer].reset_index(drop=True)
            folds, number, fold = self._inner[outer], self._plan.inner_folds, inner
        # A walker whom only these settings can use joins the first fold.
        videos = videos.assign(fold=videos["walker"].map(folds).fillna(1).astype(int))
        decided = {"folds": number, "seeds": 1, "body": data.config.body, "crop": data.config.crop}
        return make_fit(replace(data, videos=videos), fold, config.seed, config.model_copy(update=decided))


def run_experiment(
    plan: ExperimentPlan, videos_dir: Path, videos_test_dir: Path, labels_path: Path | None, out: Path
) -> dict[str, Any]:
    """Do all trials of an experiment that are not done yet, and write what they taught.

    The walkers of both folders take part in the folds. The run folder gets ``results.json``, which is
    returned, ``trials.csv`` and ``predictions.csv``. Raises `InputError` if the videos cannot be used, no
    trial succeeds, the folder holds another run, or another process works in it.
    """
    make_folder(out)
    with hold_lock(out, f"Another process works in {out} at this moment: choose another --out."):
        if (out / "results.json").exists() and read_json(out / "results.json").get("name") != plan.name:
            raise InputError(f"{out} holds another run: choose another --out.")
        storage = _open_storage(plan.storage or f"sqlite:///{out / 'study.db'}")
        folds = ExperimentFolds(
            plan, partial(prepare_data, videos_dir, videos_test_dir, labels_path=labels_path)
        )
        parts = [plan.model_dump(exclude=_NO_MATTER), folds.first.fingerprint, versions()["gaitlib"]]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
        outers = range(1, plan.outer_folds + 1) if plan.inner_folds else (0,)
        trials: list[TrialRecord] = []
        for outer in outers:
            trials += _search(plan, folds, outer, study_name=f"{plan.name} {digest} {outer}", storage=storage)
        tests = [_test(plan, folds, trials, outer) for outer in outers if outer]
        results = make_results(plan, trials, tests, folds.first)
        _write_tables(out, trials, tests)
        write_json(out / "results.json", results)
        return results


def _open_storage(url: str) -> optuna.storages.RDBStorage:
    try:
        return optuna.storages.RDBStorage(url)
    except Exception as error:  # whatever a driver raises, or one that is not installed
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"The storage of the experiment cannot be opened: {reason}.") from None


def _search(plan: ExperimentPlan, folds: ExperimentFolds, outer: int, **names: Any) -> list[TrialRecord]:
    """Do what is left of a study; trials that were stopped are begun again."""
    study = optuna.create_study(direction="maximize", load_if_exists=True, **names)
    number = len(list_candidates(plan)) if plan.method == "grid" else plan.trials
    seed = config_for(plan, {}).seed + 10_000 * outer
    kind = optuna.samplers.TPESampler if plan.method == "tpe" else optuna.samplers.RandomSampler
    for place in sorted(set(range(number)) - set(_ended(study))):
        study.sampler = kind(seed=seed + place)  # a search that was stopped draws the same
        study.optimize(partial(_try, plan, folds, outer, place), n_trials=1)
    ended = _ended(study)
    return [_record(ended[place], outer) for place in range(number)]


def _ended(study: optuna.Study) -> dict[int, FrozenTrial]:
    """Return by their place the trials that came to an end; of a stopped one, nobody knows the reason."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
    ended = [trial for trial in trials if trial.state != TrialState.FAIL or "reason" in trial.user_attrs]
    return {trial.user_attrs["place"]: trial for trial in ended}


def _record(trial: Trial | FrozenTrial, outer: int) -> TrialRecord:
    known = trial.user_attrs
    folds = () if "reason" in known else tuple(known[name] for name in sorted(known) if "fold" in name)
    return TrialRecord(outer, known["place"] + 1, known.get("settings", {}), folds, known.get("reason", ""))


def _try(plan: ExperimentPlan, folds: ExperimentFolds, outer: int, place: int, trial: Trial) -> float:
    """Score one combination of settings; NaN, which Optuna calls a failure, where it cannot be run."""
    trial.set_user_attr("place", place)
    try:
        settings = list_candidates(plan)[place] if plan.method == "grid" else _suggest(plan, trial)
        trial.set_user_attr("settings", settings)
        return _score(plan, folds, outer, trial)
    except StorageError:
        raise
    except Exception as error:
        trial.set_user_attr("reason", sentence_of(error)[:300])
        return np.nan


def _suggest(plan: ExperimentPlan, trial: Trial) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for name, one in plan.search.items():
        if isinstance(one, Range):
            suggest: Any = trial.suggest_int if isinstance(one.low, int) else trial.suggest_float
            step = {"step": one.step} if one.step else {}
            chosen[name] = suggest(name, one.low, one.high, log=one.log, **step)
        else:
            chosen[name] = trial.suggest_categorical(name, one)
    return chosen


def _score(plan: ExperimentPlan, folds: ExperimentFolds, outer: int, trial: Trial) -> float:
    config, number = config_for(plan, trial.user_attrs["settings"]), plan.inner_folds or plan.outer_folds
    steps = range(1, number + 1)
    fits = [folds.fit(config, outer, inner=step) if outer else folds.fit(config, step) for step in steps]
    run = partial(run_many, scheduler=config.scheduler) if config.scheduler else map
    for step, one in zip(steps, run(answer_fit, fits), strict=True):
        trial.set_user_attr(f"fold{step:02}", one)
        record = _record(trial, outer)
        where = f"outer fold {outer}, inner fold" if outer else "fold"
        print(f"{where} {step}/{number}: {record.accuracy:.1%} so far, {record.label}", flush=True)
    return record.accuracy


def _test(
    plan: ExperimentPlan, folds: ExperimentFolds, trials: Sequence[TrialRecord], outer: int
) -> TrialRecord:
    """Train the best trial of an outer fold on all its walkers and test it on the held-out ones."""
    best = _best(trials, outer)
    record = replace(best, folds=(answer_fit(folds.fit(config_for(plan, best.settings), outer)),))
    print(f"outer fold {outer}, test of its best trial: {record.accuracy:.1%}, {record.label}", flush=True)
    return record


def _best(trials: Sequence[TrialRecord], outer: int) -> TrialRecord:
    """Return the trial of an outer fold with the highest accuracy, the first of equals."""
    complete = [trial for trial in trials if trial.outer == outer and not trial.reason]
    if not complete:
        raise InputError(f"No trial succeeded. The first: {trials[0].reason}")
    return max(complete, key=lambda trial: trial.accuracy)


def answer_fit(fit: Fit) -> dict[str, list[Any]]:
    """Train one model and let it judge the test walkers of its fold.

    Returns lists `video`, `walker`, `emotion`, `predicted`, `training_seconds` with an entry a test video.
    """
    train, validation = (fit.data.video_set(split, fit.config) for split in ("train", "validation"))
    name, emotions = fit.config.model, fit.data.emotions
    if name == "auto":
        name = choose_model(train, fit.config, emotions).name
    result = train_model(name, train, validation, fit.config, emotions)
    table = judge_model(result.model, fit).predictions.to_table()
    if result.model.kind != "gait":  # layers of finished models would pile up over hundreds of trainings
        load_keras().utils.clear_session()
    # A training that comes from the cache remembers what it took.
    table["training_seconds"] = float(result.history["seconds"].sum())
    return table[["video", "walker", "emotion", "predicted", "training_seconds"]].to_dict("list")


def make_results(
    plan: ExperimentPlan, trials: Sequence[TrialRecord], tests: Sequence[TrialRecord], data: RunData
) -> dict[str, Any]:
    """Return all that stands in ``results.json``; raise an `InputError` if no trial succeeded."""
    ranked, config = _rank(trials), config_for(plan, {})
    if not ranked[0].folds:
        raise InputError(f"No trial succeeded. The first: {trials[0].reason}")
    ranking = [{"rank": rank, **_entry(one, config)} for rank, one in enumerate(ranked, start=1)]
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
        "comparisons": _compare(ranked, plan, config),
        **({"nested": _nested(trials, tests, config)} if tests else {}),
    }


def _rank(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials, those with the same settings as one, best first; what failed anywhere comes last."""
    groups: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        groups.setdefault(json.dumps(trial.settings, sort_keys=True), []).append(trial)
    merged = map(_join, groups.values())
    return sorted(merged, key=lambda one: (not one.folds, bool(one.reason), -one.accuracy))


def _join(records: Sequence[TrialRecord]) -> TrialRecord:
    """Put the folds of several records together, with the reason of any that failed."""
    folds = tuple(fold for one in records for fold in one.folds)
    return replace(records[0], folds=folds, reason=max(one.reason for one in records))


def _entry(one: TrialRecord, config: RunConfig) -> dict[str, Any]:
    entry = {"label": one.label, "settings": one.settings, "reason": one.reason}
    if not one.folds:
        return {**entry, "accuracy": None}
    answers = one.answers
    counts = {"num_videos": answers.videos["video"].nunique(), "chance": 1 / len(answers.emotions)}
    return {**entry, **_figures(answers, config), **counts, "training_seconds": one.seconds}


def _figures(answers: Predictions, config: RunConfig) -> dict[str, Any]:
    names = {"accuracy", "accuracy_ci95", "balanced_accuracy", "macro_f1", "num_videos", "num_walkers"}
    return score(answers, config).model_dump(include=names)


def _compare(ranked: Sequence[TrialRecord], plan: ExperimentPlan, config: RunConfig) -> dict[str, Any]:
    """Compare candidates with the plan's baseline, or else with the best one, video by video."""
    found = [one for one in ranked if one.folds]
    against = next((one for one in found if one.settings == plan.baseline), found[0])
    rights = against.answers.rights()
    # Trials of two outer folds may have no walker in common.
    pairs = [(one, one.answers.rights()) for one in found if one is not against][:_MAX_COMPARED]
    pairs = [(one, other) for one, other in pairs if len(other.index.intersection(rights.index))]
    rows = [compare_rights(rights, other, config).model_dump() for _, other in pairs]
    corrected = holm([row["p"] for row in rows])
    for (one, _), row, p in zip(pairs, rows, corrected, strict=True):
        row |= {"label": one.label, "p_holm": p}
    return {"against": against.label, "rows": rows}


def _nested(trials: Sequence[TrialRecord], tests: Sequence[TrialRecord], config: RunConfig) -> dict[str, Any]:
    """Compare the inner score of each outer fold's best trial with its test on walkers that no trial saw."""
    bests = [_best(trials, test.outer) for test in tests]
    folds = [
        {"fold": test.outer, "label": test.label, "settings": test.settings, "accuracy": test.accuracy}
        | {"best_score": best.accuracy, "num_videos": len(test.answers.videos)}
        | {"test_walkers": np.unique(test.answers.walkers).tolist()}
        for test, best in zip(tests, bests, strict=True)
    ]
    tested, chosen = _join(tests).answers, _join(bests).answers
    gain, inner = compare_rights(tested.rights(), chosen.rights(), config), score(chosen, config)
    optimism = {"optimism": gain.difference, "optimism_ci95": gain.difference_ci95}
    best_score = {"best_score": inner.accuracy, "best_score_ci95": inner.accuracy_ci95}
    return {**_figures(tested, config), **best_score, **optimism, "folds": folds}


def _write_tables(out: Path, trials: Sequence[TrialRecord], tests: Sequence[TrialRecord]) -> None:
    """Write ``trials.csv``, a row a trial, and ``predictions.csv``, a row an answer."""
    rows = [
        {"outer_fold": one.outer or "", "trial": one.number, "accuracy": one.accuracy}
        | {**one.settings, "training_seconds": one.seconds, "reason": one.reason}
        for one in trials
    ]
    write_csv(out / "trials.csv", pd.DataFrame(rows))
    answers = [one.answers.videos.assign(settings=one.label) for one in (tests or trials) if one.folds]
    write_csv(out / "predictions.csv", pd.concat(answers, ignore_index=True))
