"""What models and baselines say about the test walkers of their fold, and the scores of it all."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import binom

from gaitlib.config import RunConfig
from gaitlib.data import Fit, RunData, list_fits
from gaitlib.demo import TRUTH_NAME, WalkParameters, read_truth
from gaitlib.evaluation import scores
from gaitlib.evaluation.intervals import Difference, compare_rights, permutation_p
from gaitlib.evaluation.scores import Predictions, measure_calibration, score_rights
from gaitlib.files import read_json
from gaitlib.models import BASELINES, TrainedModel, fit_classifier, gait_inputs, label_shares, predict_classes
from gaitlib.training import fit_folder, load_fit, read_history, train_model

# The classifiers of gait parameters that stand among the baselines.
_GAIT_BASELINES = ("gait_forest", "gait_logistic")
# The moment at which a walk begins says nothing about how the person walks.
_TRUTH = [part.name for part in fields(WalkParameters) if part.name != "start_cycle"]


class Evaluation(BaseModel):
    """Everything that the test walkers taught; its fields are entries of ``results.json``."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    predictions: Predictions = Field(exclude=True)  # each video once, by the first seed's chosen models
    test: scores.Scores
    baselines: dict[str, scores.BaselineScore]
    chosen: str  # the model, with folds the one that was chosen most often
    fits: list[scores.FitScore]
    permutation_p: float
    calibration: dict[str, scores.Calibration]
    warnings: list[str]
    leak_lesson: scores.LeakScores | None = None
    ablation: dict[str, Difference] = {}
    effects: pd.DataFrame = Field(default_factory=pd.DataFrame, exclude=True)  # see `effect_sizes`

    @property
    def folds(self) -> list[scores.FitScore]:
        """The fits whose answers make the scores, one a fold; empty for a single split."""
        first = [fit for fit in self.fits if fit.seed == self.fits[0].seed]
        return first if len(first) > 1 else []

    def ladder(self) -> pd.DataFrame:
        """Return `name`, `accuracy`, `low`, `high`, and the lead over it: `lead`, `lead_low`, `lead_high`."""
        rows = [(self.chosen, self.test.accuracy, *self.test.accuracy_ci95, None, None, None)]
        for name, one in self.baselines.items():
            lead = one.difference, *(one.difference_ci95 or (None, None))
            rows.append((name, one.accuracy, *one.accuracy_ci95, *lead))
        table = pd.DataFrame(rows, columns="name accuracy low high lead lead_low lead_high".split())
        table = table.drop_duplicates("name")
        return table.sort_values("accuracy", ascending=False, kind="stable", ignore_index=True)


def evaluate(
    data: RunData, config: RunConfig, run_dir: Path, model: TrainedModel | None = None
) -> Evaluation:
    """Score the models that training has saved in `run_dir`, or `model` alone, beside the baselines."""
    if model is not None:
        fit = Fit(1, config.seed, data, config)
        answers = judge_model(model, fit)
        return combine(with_baselines(answers, model.name, fit), [score_fit(answers, model, fit)], config)
    fits, judged = [], []
    for fit in list_fits(data, config):
        chosen, history = load_fit(run_dir, fit, "chosen"), read_history(run_dir, fit, "chosen")
        assert chosen is not None
        answers, best = judge_model(chosen, fit), history.set_index("epoch")["val_loss"].idxmin()
        reason = read_json(fit_folder(run_dir, fit) / "model.json").get("reason", "")
        fits.append(score_fit(answers, chosen, fit, best_epoch=best, reason=reason))
        if fit.seed == config.seed:
            published = load_fit(run_dir, fit, "published")
            judged.append(with_baselines(answers, chosen.name, fit, published).videos)
    return combine(Predictions(pd.concat(judged, ignore_index=True), data.emotions), fits, config)


def judge_model(model: TrainedModel, fit: Fit) -> Predictions:
    """Let one model judge the test videos of a fit."""
    shares = model.predict(fit.data.video_set("test", fit.config)).astype(float)
    rows, fold = fit.data.rows("test"), fit.fold if fit.config.folds else 0
    rows[[f"p_{emotion}" for emotion in model.emotions]] = shares / shares.sum(axis=1, keepdims=True)
    return Predictions(rows.assign(fold=fold, temperature=model.temperature), model.emotions)


def score_fit(answers: Predictions, model: TrainedModel, fit: Fit, **known: Any) -> scores.FitScore:
    """Return how the model of a fit did; `known` is what else stands in its score."""
    return scores.FitScore(
        fold=fit.fold,
        seed=fit.seed,
        model=model.name,
        test_walkers=sorted(set(answers.videos["walker"])),
        accuracy=answers.is_right.mean(),
        num_videos=len(answers.videos),
        temperature=model.temperature,
        **known,
    )


def with_baselines(
    answers: Predictions, name: str, fit: Fit, published: TrainedModel | None = None
) -> Predictions:
    """Add columns ``said_<baseline>``, the answers of baselines that learn from the same walkers.

    Where a baseline is the model itself, called `name`, its answers are taken.
    """
    known, emotions, seed = learnt_from(fit), np.array(fit.data.emotions, object), fit.config.seed
    train, test = known.video_set("train", fit.config), fit.data.video_set("test", fit.config)
    shares = {name: baseline(train, test, len(emotions), seed) for name, baseline in BASELINES.items()}
    shares |= {name: judge_gait(name, fit) for name in _GAIT_BASELINES}
    if published is not None:
        shares[published.name] = published.predict(test)
    if name in shares:
        shares[name] = answers.probabilities
    said = {f"said_{name}": emotions[one.argmax(axis=1)] for name, one in shares.items()}
    oracle = predict_oracle(known.rows("train"), fit.data.rows("test"), seed)
    if oracle is not None:
        said["said_oracle"] = oracle
    return replace(answers, videos=answers.videos.assign(**said))


def judge_gait(name: str, fit: Fit, left_out: Sequence[int] = ()) -> np.ndarray:
    """Fit a gait classifier without some features; return its answers, shape (num_videos, num_classes)."""
    train, test = learnt_from(fit).video_set("train", fit.config), fit.data.video_set("test", fit.config)
    known, unknown = (np.delete(gait_inputs(part), left_out, axis=1) for part in (train, test))
    shares = label_shares(train, len(fit.data.emotions))
    return predict_classes(fit_classifier(name, known, shares, fit.config.seed), unknown, shares.shape[1])


def learnt_from(fit: Fit) -> RunData:
    """Return the data with the validation walkers in training."""
    videos = fit.data.videos
    return replace(fit.data, videos=videos.assign(split=videos["split"].replace("validation", "train")))


def predict_oracle(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> np.ndarray | None:
    """Predict emotions of synthetic walks from their true parameters; None where these are not known."""
    from sklearn.ensemble import RandomForestClassifier

    truth = _truth_of(pd.concat([train["path"], test["path"]]).map(Path))
    if truth is None:
        return None
    oracle = RandomForestClassifier(200, random_state=seed).fit(truth[: len(train)], train["emotion"])
    return oracle.predict(truth[len(train) :])


def _truth_of(paths: pd.Series) -> np.ndarray | None:
    folders = {path.parents[1] for path in paths}
    if not all((folder / TRUTH_NAME).is_file() for folder in folders):
        return None
    tables = {folder: read_truth(folder).set_index("video")[_TRUTH] for folder in folders}
    rows = [tables[path.parents[1]].reindex([f"{path.parent.name}/{path.name}"]) for path in paths]
    truth = pd.concat(rows).to_numpy(float)
    return None if np.isnan(truth).any() else truth


def combine(predictions: Predictions, fits: Sequence[scores.FitScore], config: RunConfig) -> Evaluation:
    """Score the answers of all folds; in `predictions`, each video once, by models of the first seed."""
    test, models = scores.score(predictions, config), [fit.model for fit in fits if fit.seed == fits[0].seed]
    labels, walkers = predictions.labels, predictions.videos["walker"].to_numpy(str)
    said = {"before": predictions.probabilities, "after": predictions.calibrated}
    return Evaluation(
        predictions=predictions,
        test=test,
        baselines=_score_baselines(predictions, config),
        chosen=max(models, key=models.count),
        fits=list(fits),
        permutation_p=permutation_p(labels, predictions.predicted, walkers, config),
        calibration={name: measure_calibration(one, labels) for name, one in said.items()},
        warnings=[
            f"No test video shows {emotion}, so no figure is given for it: add videos of it by other walkers."
            for emotion, one in test.per_class.items()
            if not one.num_videos
        ],
    )


def _score_baselines(predictions: Predictions, config: RunConfig) -> dict[str, scores.BaselineScore]:
    """Score each baseline on the same videos, with the model's lead over it video by video."""
    videos, chance = predictions.videos, 1 / len(predictions.emotions)
    rights: dict[str, pd.Series] = {"chance": pd.Series(chance, videos.index)}
    for column in videos.columns[videos.columns.str.startswith("said_")]:
        rights[column.removeprefix("said_")] = videos[column] == videos["emotion"]
    if "agreement" in videos and videos["agreement"].notna().all():
        rights["rater_ceiling"] = videos["agreement"]
    walkers = videos["walker"]
    found = {name: score_rights(one, walkers, config, predictions) for name, one in rights.items()}
    # The range in which 95 % of those who guess at this test end.
    limits = tuple(float(limit) / len(videos) for limit in binom.interval(0.95, len(videos), chance))
    return {**found, "chance": found["chance"].model_copy(update={"accuracy_ci95": limits})}


def leak_lesson(data: RunData, evaluation: Evaluation, config: RunConfig) -> scores.LeakScores | None:
    """Train the chosen model on a split by video, and score it on the same videos as the held-out one."""
    if config.relative_to == "walker-mean":  # a leaking split would divide the mean too
        return None
    leaking = leaking_split(data, config)
    train, validation = (leaking.video_set(split, config) for split in ("train", "validation"))
    model = train_model(evaluation.chosen, train, validation, config, data.emotions).model
    known = judge_model(model, Fit(1, config.seed, leaking, config)).rights()
    held_out, walkers = evaluation.predictions.rights().loc[known.index], known.index.get_level_values(0)
    return scores.LeakScores(
        model=evaluation.chosen,
        held_out=score_rights(held_out, walkers, config),
        leaking=score_rights(known, walkers, config),
        **compare_rights(held_out, known, config).model_dump(),
    )


def leaking_split(data: RunData, config: RunConfig) -> RunData:
    """Return the data split by video: a part of the judged videos tests, all others train and validate."""
    videos = data.videos
    judged = videos if config.folds else videos[videos["split"] == "test"]
    test = _draw(judged, 4 if config.folds else 2, config.seed)
    validation = _draw(videos.drop(test), round(1 / config.validation_fraction), config.seed)
    parts = [videos.index.isin(test), videos.index.isin(validation)]
    return replace(data, videos=videos.assign(split=np.select(parts, ["test", "validation"], "train")))


def _draw(videos: pd.DataFrame, one_in: int, seed: int) -> pd.Index:
    """Draw one in so many videos, as evenly over the emotions as can be."""
    shuffled = videos.sample(frac=1, random_state=seed)
    return shuffled.sort_values("emotion", kind="stable").index[::one_in]
