"""Experiments: settings tried on walker-disjoint folds, ranked, the best tested on held-out walkers."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
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

# What became of one trial: `outer_fold`, whose walkers it has not seen, `trial` (its number), `settings`,
# `label` (the settings as people read them), `accuracy` and `answers` of the inner folds, `reason` of a
# failure; the best one of a fold has what was `tested` on the held-out walkers, too.
Trial = dict[str, Any]

optuna.logging.set_verbosity(optuna.logging.ERROR)


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
        # A model that cannot read these videos fails in its trial, not here.
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
        fold_of = known[["walker", "fold"]].drop_duplicates()
        videos = data.videos.drop(columns="fold").merge(fold_of, on="walker")
        decided = {"folds": number, "seeds": 1, "body": data.config.body, "crop": data.config.crop}
        return list(list_fits(replace(data, videos=videos), config.model_copy(update=decided)))


def run_experiment(
    plan: ExperimentPlan, videos_dir: Path, videos_test_dir: Path, labels_path: Path | None, out: Path
) -> dict[str, Any]:
    """Do what is left of an experiment, write its tables and ``results.json``, and return the latter.

    Raises `InputError` if the videos cannot be used, no trial of a study succeeds, the folder holds another
    run, or another process works in it.
    """
    out.mkdir(parents=True, exist_ok=True)
    with hold_lock(out, f"Another process works in {out} at this moment: choose another --out."):
        if (out / "results.json").exists() and read_json(out / "results.json").get("name") != plan.name:
            raise InputError(f"{out} holds another run: choose another --out.")
        folds = ExperimentFolds(
            plan, partial(prepare_data, videos_dir, videos_test_dir, labels_path=labels_path)
        )
        work = plan.model_dump(exclude=_NO_MATTER), folds.first.fingerprint, versions()["gaitlib"]
        name, storage = f"{plan.name} {joblib.hash(work)}", plan.storage or f"sqlite:///{out / 'study.db'}"
        trials = list[Trial]()
        for outer in range(1, plan.outer_folds + 1):
            trials += _search(plan, folds, outer, study_name=f"{name} {outer}", storage=storage)
        results = make_results(plan, trials, folds.first)
        write_csv(out / "trials.csv", pd.json_normalize(trials).drop(columns=["answers", "tested"]))
        write_csv(out / "predictions.csv", _answers(trials, "tested"))
        write_json(out / "results.json", results)
        return results


def _search(plan: ExperimentPlan, folds: ExperimentFolds, outer: int, **names: Any) -> list[Trial]:
    """Do what is left of a study and test its best trial on the held-out walkers; see `Trial`.

    Not by `study.optimize`, which counts a trial that Ctrl-C has stopped as one that failed.
    """
    try:
        study = optuna.create_study(direction="maximize", load_if_exists=True, **names)
    except Exception as error:  # each kind of database has its own
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"The study cannot be opened ({reason}): check --storage.") from None
    trials = [one.user_attrs["trial"] for one in study.trials if "trial" in one.user_attrs]
    candidates = list_candidates(plan) if plan.method == "grid" else []
    kind = optuna.samplers.TPESampler if plan.method == "tpe" else optuna.samplers.RandomSampler
    for number in range(len(trials) + 1, (len(candidates) or plan.trials) + 1):
        # A search that was stopped draws the same.
        study.sampler = kind(seed=plan.config_for({}).seed + 10_000 * outer + number)
        drawn = study.ask({} if candidates else plan.distributions())
        settings = candidates[number - 1] if candidates else drawn.params
        trials.append({"trial": number, **_try(plan, folds, outer, settings)})
        drawn.set_user_attr("trial", trials[-1])
        study.tell(drawn, trials[-1]["accuracy"], TrialState.FAIL if trials[-1]["reason"] else None)
    best = max(trials, key=lambda one: (not one["reason"], one["accuracy"]))  # the first of equals
    if not best["answers"]:
        raise InputError(f"No trial succeeded. The first: {best['reason']}")
    best["tested"] = answer_fit(folds.fits(plan.config_for(best["settings"]))[outer - 1])
    return trials


def _try(plan: ExperimentPlan, folds: ExperimentFolds, outer: int, settings: dict[str, Any]) -> Trial:
    """Score one combination of settings by the inner folds."""
    label, answers = describe_settings(settings), list[dict[str, Any]]()
    trial = {"outer_fold": outer, "label": label, "settings": settings, "accuracy": None, "reason": ""}
    try:
        config = plan.config_for(settings)
        fits = folds.fits(config, outer)
        run = partial(run_many, scheduler=config.scheduler) if config.scheduler else map
        for fit, said in zip(fits, run(answer_fit, fits), strict=True):
            answers += said
            print(f"Outer fold {outer}, inner fold {fit.fold} of {len(fits)}: {label}", flush=True)
    except OSError:  # mostly of the disk: what is finished is kept
        raise
    except Exception as error:  # these settings cannot be run; the others go on
        return {**trial, "answers": [], "reason": sentence_of(error)[:300]}
    share = sum(one["emotion"] == one["predicted"] for one in answers) / len(answers)
    return {**trial, "answers": answers, "accuracy": share}


def answer_fit(fit: Fit) -> list[dict[Any, Any]]:
    """Train one model and let it judge the test walkers of its fold.

    Returns `video`, `walker`, `emotion` and `predicted` by video.
    """
    train, validation = (fit.data.video_set(split, fit.config) for split in ("train", "validation"))
    emotions, is_open = fit.data.emotions, fit.config.model == "auto"
    learnt = train.joined(validation)
    name = choose_model(learnt, fit.config, emotions).name if is_open else fit.config.model
    result = train_model(name, train, validation, fit.config, emotions)
    table = judge_model(result.model, fit).to_table()
    if result.model.kind != "gait":  # layers of finished models would pile up over hundreds of trainings
        load_keras().utils.clear_session()
    return table[["video", "walker", "emotion", "predicted"]].to_dict("records")


def _answers(trials: Sequence[Trial], name: str = "answers") -> pd.DataFrame:
    """Return the `answers`, or what was `tested`, of trials, by `walker` and `video`."""
    table = pd.json_normalize([one for one in trials if name in one], name, ["outer_fold", "label"])
    table["is_right"] = (table["emotion"] == table["predicted"]).astype(float)
    return table.set_index(["walker", "video"], drop=False)


def make_results(plan: ExperimentPlan, trials: Sequence[Trial], data: RunData) -> dict[str, Any]:
    """Return all that stands in ``results.json``; trials whose settings read alike count as one."""
    config, answers = plan.config_for({}), _answers(trials)
    ranking = _rank(trials, answers, config)
    rights = {label: table["is_right"] for label, table in answers.groupby("label")}
    against, *others = [one["label"] for one in ranking if one["accuracy"] is not None]
    known = rights[against].index  # trials of two outer folds may have no video in common
    others = [label for label in others if rights[label].index.isin(known).any()]
    rows = [asdict(compare_rights(rights[against], rights[label], config)) for label in others]
    for label, row, p in zip(others, rows, holm([row["p"] for row in rows]), strict=True):
        row |= {"label": label, "p_holm": p}
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
        "comparisons": {"against": against, "rows": rows},
        "nested": _nested([one for one in trials if "tested" in one], config),
    }


def _rank(trials: Sequence[Trial], answers: pd.DataFrame, config: RunConfig) -> list[dict[str, Any]]:
    """Score settings, best first; what failed in some outer fold comes after, what failed in all last."""
    ranking = []
    for label, own in pd.DataFrame(trials).groupby("label", sort=False):
        said = answers[answers["label"] == label]
        scores = _scores(said, config) if len(said) else {"accuracy": None}
        known = {"label": label, "settings": own["settings"].iloc[0], "reason": own["reason"].max()}
        ranking.append(known | scores)
    ranking.sort(key=lambda one: (one["accuracy"] is None, one["reason"] != "", -(one["accuracy"] or 0)))
    return [{"rank": rank, **one} for rank, one in enumerate(ranking, start=1)]


def _scores(answers: pd.DataFrame, config: RunConfig) -> dict[str, Any]:
    """Score answers of all folds; an emotion that nobody showed or named is no class of theirs."""
    emotions = tuple(sorted({*answers["emotion"], *answers["predicted"]}))
    said = {f"p_{emotion}": answers["predicted"] == emotion for emotion in emotions}
    scores = score(Predictions(answers.assign(**said), emotions), config)
    counts = {"num_videos": answers["video"].nunique(), "chance": 1 / len(emotions)}
    return scores.model_dump(exclude={"per_class", "confusion_matrix"}) | counts


def _nested(best: Sequence[Trial], config: RunConfig) -> dict[str, Any]:
    """Compare the inner score of each outer fold's best trial with its test on walkers that no trial saw."""
    tested, chosen = _answers(best, "tested"), _answers(best)
    gain, inner = compare_rights(tested["is_right"], chosen["is_right"], config), _scores(chosen, config)
    folds = pd.DataFrame(best)[["outer_fold", "label", "settings", "accuracy"]]
    folds = folds.set_axis(["fold", "label", "settings", "best_score"], axis=1)
    by_fold = tested.groupby("outer_fold").agg(
        num_videos=("is_right", "size"), accuracy=("is_right", "mean"), test_walkers=("walker", "unique")
    )
    promised = {"best_score": inner["accuracy"], "best_score_ci95": inner["accuracy_ci95"]}
    optimism = {"optimism": gain.difference, "optimism_ci95": gain.difference_ci95}
    rows = folds.join(by_fold, on="fold").to_dict("records")
    return {**_scores(tested, config), **promised, **optimism, "folds": rows}
