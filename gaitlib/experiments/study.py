"""Experiments: settings tried on walker-disjoint folds, ranked, the best tested on held-out walkers."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import joblib
import optuna
import pandas as pd
from optuna.trial import TrialState

from gaitlib.clips import run_many
from gaitlib.config import RunConfig
from gaitlib.data import Fit, RunData, assign_folds, list_fits, prepare_data
from gaitlib.errors import InputError, sentence_of
from gaitlib.evaluation import Predictions, compare_rights, git_commit, holm, judge_model, score, versions
from gaitlib.experiments.plan import ExperimentPlan, describe_settings, list_candidates
from gaitlib.files import hold_lock, read_json, write_csv, write_json
from gaitlib.models import load_keras
from gaitlib.training import choose_model, train_model

# What a plan says beyond the work itself: with another value the same trials go on.
_NO_MATTER = {"name", "trials", "storage"}
# Settings that change nothing about the videos and their clips.
_TRAINING_ONLY = {"model", "l2_strength", "learning_rate", "epochs", "batch_size", "patience", "augment"}
_TRAINING_ONLY |= {"class_weights", "num_resamples", "label_form"}

optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(frozen=True)
class TrialRecord:
    """What became of one trial, or of several with the same settings; `reason` says why it failed."""

    outer: int  # fold whose walkers it has not seen
    number: int
    settings: dict[str, Any]
    answers: Sequence[dict[str, Any]] = ()  # see `answer_fit`
    reason: str = ""

    @property
    def label(self) -> str:
        """The settings as people read them."""
        return describe_settings(self.settings)

    @property
    def rights(self) -> pd.Series:
        """Whether each answer is right, 0 or 1, by `walker` and `video`."""
        table = pd.DataFrame(self.answers, columns=["walker", "video", "emotion", "predicted"])
        table = table.set_index(["walker", "video"])
        return (table["emotion"] == table["predicted"]).astype(float)


class ExperimentFolds:
    """Videos prepared as each trial needs them, divided by the same walkers throughout.

    These are the walkers of `first`, the videos as the first candidate needs them.
    """

    def __init__(self, plan: ExperimentPlan, prepare: Callable[[RunConfig], RunData]):
        self._plan, self._prepare, first = plan, cache(prepare), plan.config_for(list_candidates(plan)[0])
        self.first = self._data(first)
        for outer in range(1, plan.outer_folds + 1):  # too few walkers are told before anything is trained
            self.fits(first, outer)

    def _data(self, config: RunConfig) -> RunData:
        fixed = {"folds": self._plan.outer_folds, "seed": self._plan.config_for({}).seed}
        return self._prepare(RunConfig(**{**config.model_dump(exclude=_TRAINING_ONLY), **fixed}))

    def fits(self, config: RunConfig, outer: int = 0) -> list[Fit]:
        """Return the trainings that are tested on each outer fold, or on each inner one of an outer fold.

        In the latter no walker of the outer fold has any part.
        """
        data, known, number = self._data(config), self.first.videos, self._plan.outer_folds
        if outer:
            known, number = known[known["fold"] != outer], self._plan.inner_folds
            known = known.assign(fold=assign_folds(known, number, self.first.config.seed))
        fold_of = dict(zip(known["walker"], known["fold"], strict=True))
        folds = data.videos["walker"].map(fold_of).dropna().astype(int)
        videos = data.videos.loc[folds.index].assign(fold=folds).reset_index(drop=True)
        decided = {"folds": number, "seeds": 1, "body": data.config.body, "crop": data.config.crop}
        return list(list_fits(replace(data, videos=videos), config.model_copy(update=decided)))


def run_experiment(
    plan: ExperimentPlan, videos_dir: Path, videos_test_dir: Path, labels_path: Path | None, out: Path
) -> dict[str, Any]:
    """Do what is left of an experiment, write its tables and ``results.json``, and return the latter.

    Raises `InputError` if the videos cannot be used, no trial succeeds, the folder holds another run, or
    another process works in it.
    """
    out.mkdir(parents=True, exist_ok=True)
    with hold_lock(out, f"Another process works in {out} at this moment: choose another --out."):
        if (out / "results.json").exists() and read_json(out / "results.json").get("name") != plan.name:
            raise InputError(f"{out} holds another run: choose another --out.")
        prepare = partial(prepare_data, videos_dir, videos_test_dir, labels_path=labels_path)
        folds, trials, tests = ExperimentFolds(plan, prepare), list[TrialRecord](), list[TrialRecord]()
        work = plan.model_dump(exclude=_NO_MATTER), folds.first.fingerprint, versions()["gaitlib"]
        storage = plan.storage or f"sqlite:///{out / 'study.db'}"
        for outer in range(1, plan.outer_folds + 1):
            name = f"{plan.name} {joblib.hash(work)} {outer}"
            trials += _search(plan, folds, outer, study_name=name, storage=storage)
            best = _best(trials, outer)  # on all walkers of its study, tested on the held-out ones
            fit = folds.fits(plan.config_for(best.settings))[outer - 1]
            tests.append(replace(best, answers=answer_fit(fit)))
        results = make_results(plan, trials, tests, folds.first)
        _write_tables(out, trials, tests)
        write_json(out / "results.json", results)
        return results


def _search(plan: ExperimentPlan, folds: ExperimentFolds, outer: int, **names: Any) -> list[TrialRecord]:
    """Do what is left of a study; trials that were stopped are begun again."""
    try:
        study = optuna.create_study(direction="maximize", load_if_exists=True, **names)
    except Exception as error:  # each kind of database has its own
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"The study cannot be opened ({reason}): check --storage.") from None
    stored = [trial.user_attrs["record"] for trial in study.trials if "record" in trial.user_attrs]
    records = [TrialRecord(**one) for one in stored]
    candidates = list_candidates(plan) if plan.method == "grid" else []
    last = len(candidates) or plan.trials
    kind = optuna.samplers.TPESampler if plan.method == "tpe" else optuna.samplers.RandomSampler
    for number in range(len(records) + 1, last + 1):
        # A search that was stopped draws the same.
        study.sampler = kind(seed=plan.config_for({}).seed + 10_000 * outer + number)
        trial = study.ask({} if candidates else plan.distributions())
        settings = candidates[number - 1] if candidates else trial.params
        record = _try(plan, folds, TrialRecord(outer, number, settings))
        records.append(record)
        trial.set_user_attr("record", vars(record))
        share, state = (None, TrialState.FAIL) if record.reason else (record.rights.mean(), None)
        study.tell(trial, share, state)
    return records[:last]


def _try(plan: ExperimentPlan, folds: ExperimentFolds, trial: TrialRecord) -> TrialRecord:
    """Score one combination of settings by the inner folds."""
    try:
        config = plan.config_for(trial.settings)
        fits = folds.fits(config, trial.outer)
        run = partial(run_many, scheduler=config.scheduler) if config.scheduler else map
        for fit, answers in zip(fits, run(answer_fit, fits), strict=True):
            trial = replace(trial, answers=[*trial.answers, *answers])
            share = f"{trial.rights.mean():.1%} so far"
            where = f"outer fold {trial.outer}, inner fold {fit.fold}/{len(fits)}"
            print(f"{where}: {share}, {trial.label}", flush=True)
    except OSError:  # of the disk
        raise
    except Exception as error:  # these settings cannot be run; the others go on
        return replace(trial, answers=(), reason=sentence_of(error)[:300])
    return trial


def _best(trials: Sequence[TrialRecord], outer: int) -> TrialRecord:
    """Return the trial of an outer fold with the highest accuracy, the first of equals; failed ones last."""
    own = [trial for trial in trials if trial.outer == outer]
    return max(own, key=lambda trial: (not trial.reason, trial.rights.mean()))


def answer_fit(fit: Fit) -> list[dict[Any, Any]]:
    """Train one model and let it judge the test walkers of its fold.

    Returns `video`, `walker`, `emotion` and `predicted` by video.
    """
    train, validation = (fit.data.video_set(split, fit.config) for split in ("train", "validation"))
    emotions, is_open = fit.data.emotions, fit.config.model == "auto"
    name = choose_model(train, fit.config, emotions).name if is_open else fit.config.model
    result = train_model(name, train, validation, fit.config, emotions)
    table = judge_model(result.model, fit).to_table()
    if result.model.kind != "gait":  # layers of finished models would pile up over hundreds of trainings
        load_keras().utils.clear_session()
    return table[["video", "walker", "emotion", "predicted"]].to_dict("records")


def make_results(
    plan: ExperimentPlan, trials: Sequence[TrialRecord], tests: Sequence[TrialRecord], data: RunData
) -> dict[str, Any]:
    """Return all that stands in ``results.json``; raise an `InputError` if no trial succeeded."""
    ranked, config = _rank(trials), plan.config_for({})
    if not ranked[0].answers:
        raise InputError(f"No trial succeeded. The first: {trials[0].reason}")
    ranking = []
    for rank, one in enumerate(ranked, start=1):
        scores = _scores(one, config) if one.answers else {"accuracy": None}
        known = {"rank": rank, "label": one.label, "settings": one.settings, "reason": one.reason}
        ranking.append(known | scores)
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
        "chance": ranking[0]["chance"],
        "ranking": ranking,
        "comparisons": _compare(ranked, config),
        "nested": _nested(trials, tests, config),
    }


def _rank(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials, those with the same settings as one, best first; what failed anywhere comes last."""
    groups: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        groups.setdefault(json.dumps(trial.settings, sort_keys=True), []).append(trial)
    merged = map(_join, groups.values())
    return sorted(merged, key=lambda one: (not one.answers, bool(one.reason), -one.rights.mean()))


def _join(records: Sequence[TrialRecord]) -> TrialRecord:
    """Put the answers of several records together, with the reason of any that failed."""
    answers = [answer for one in records for answer in one.answers]
    return replace(records[0], answers=answers, reason=max(one.reason for one in records))


def _scores(one: TrialRecord, config: RunConfig) -> dict[str, Any]:
    """Score the answers of all folds; an emotion that nobody showed or named is no class of theirs."""
    table = pd.DataFrame(one.answers)
    emotions = tuple(sorted({*table["emotion"], *table["predicted"]}))
    said = {f"p_{emotion}": table["predicted"] == emotion for emotion in emotions}
    scores = score(Predictions(table.assign(**said), emotions), config)
    counts = {"num_videos": table["video"].nunique(), "chance": 1 / len(emotions)}
    return scores.model_dump(exclude={"per_class", "confusion_matrix"}) | counts


def _compare(ranked: Sequence[TrialRecord], config: RunConfig) -> dict[str, Any]:
    """Compare candidates with the best one, video by video."""
    against, *others = [one for one in ranked if one.answers]
    known = against.rights.index  # trials of two outer folds may have no video in common
    others = [one for one in others if one.rights.index.isin(known).any()]
    rows = [asdict(compare_rights(against.rights, one.rights, config)) for one in others]
    for one, row, p in zip(others, rows, holm([row["p"] for row in rows]), strict=True):
        row |= {"label": one.label, "p_holm": p}
    return {"against": against.label, "rows": rows}


def _nested(trials: Sequence[TrialRecord], tests: Sequence[TrialRecord], config: RunConfig) -> dict[str, Any]:
    """Compare the inner score of each outer fold's best trial with its test on walkers that no trial saw."""
    bests = [_best(trials, test.outer) for test in tests]
    folds = [
        {"fold": test.outer, "label": test.label, "settings": test.settings, "num_videos": len(test.answers)}
        | {"best_score": best.rights.mean(), "accuracy": test.rights.mean()}
        | {"test_walkers": sorted(set(test.rights.index.get_level_values(0)))}
        for test, best in zip(tests, bests, strict=True)
    ]
    tested, chosen = _join(tests), _join(bests)
    gain, inner = compare_rights(tested.rights, chosen.rights, config), _scores(chosen, config)
    optimism = {"optimism": gain.difference, "optimism_ci95": gain.difference_ci95}
    promised = {"best_score": inner["accuracy"], "best_score_ci95": inner["accuracy_ci95"]}
    return {**_scores(tested, config), **promised, **optimism, "folds": folds}


def _write_tables(out: Path, trials: Sequence[TrialRecord], tests: Sequence[TrialRecord]) -> None:
    """Write ``trials.csv``, a row a trial, and ``predictions.csv``, a row an answer."""
    rows = []
    for one in trials:
        known = {"outer_fold": one.outer, "trial": one.number, "accuracy": one.rights.mean()}
        rows.append({**known, **one.settings, "reason": one.reason})
    answers = [{**answer, "settings": one.label} for one in tests for answer in one.answers]
    write_csv(out / "trials.csv", pd.DataFrame(rows))
    write_csv(out / "predictions.csv", pd.DataFrame(answers))
