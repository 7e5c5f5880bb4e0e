"""What models and baselines say about the test walkers of their fold, and the scores of it all."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field
from scipy.stats import binom
from sklearn.ensemble import RandomForestClassifier

from gaitlib.config import RunConfig
from gaitlib.data import Fit, RunData, list_fits
from gaitlib.demo import TRUTH_NAME, WalkParameters
from gaitlib.evaluation import scores
from gaitlib.evaluation.scores import BaselineScore, Predictions, compare_rights, mean_with_interval
from gaitlib.models import ALONE, BASELINES, TrainedModel, classifiers
from gaitlib.training import load_fit, train_model

# The moment at which a walk begins says nothing about how the person walks.
_TRUTH = [part.name for part in fields(WalkParameters) if part.name != "start_cycle"]


class Evaluation(BaseModel, arbitrary_types_allowed=True):
    """Everything that the test walkers taught; its fields are entries of ``results.json``."""

    predictions: Predictions = Field(exclude=True)  # each video once, by the first seed's chosen models
    test: scores.Scores
    baselines: dict[str, BaselineScore]
    chosen: str  # the model, with folds the one that was chosen most often
    fits: list[scores.FitScore]
    permutation_p: float
    calibration: dict[str, dict[str, float]]  # before and after temperature scaling
    warnings: list[str]
    leak_lesson: scores.LeakScores | None = None
    ablation: dict[str, scores.Difference] = {}
    effects: pd.DataFrame = Field(default_factory=pd.DataFrame, exclude=True)  # see `effect_sizes`

    @property
    def folds(self) -> list[scores.FitScore]:
        """The fits whose answers make the scores, one a fold; empty for a single split."""
        first = [fit for fit in self.fits if fit.seed == self.fits[0].seed]
        return first if len(first) > 1 else []

    def ladder(self) -> pd.DataFrame:
        """Return `name`, `accuracy`, `low`, `high`, and the lead over it: `lead`, `lead_low`, `lead_high`."""
        chosen = BaselineScore(self.test.accuracy, self.test.accuracy_ci95)
        rows = [
            (name, one.accuracy, *one.accuracy_ci95, one.difference, *(one.difference_ci95 or (None, None)))
            for name, one in [(self.chosen, chosen), *self.baselines.items()]
        ]
        table = pd.DataFrame(rows, columns="name accuracy low high lead lead_low lead_high".split())
        table = table.drop_duplicates("name")
        return table.sort_values("accuracy", ascending=False, kind="stable", ignore_index=True)


def evaluate(
    data: RunData, config: RunConfig, run_dir: Path, model: TrainedModel | None = None
) -> Evaluation:
    """Score the models that training has saved in `run_dir`, or `model` alone, beside the baselines."""
    fits, judged = [], []
    for fit in list_fits(data, config):
        chosen, published = model, None
        if chosen is None:
            chosen, published = (load_fit(run_dir, fit, which) for which in ("chosen", "published"))
        assert chosen is not None
        answers = judge_model(chosen, fit)
        fits.append(
            scores.FitScore(
                fold=fit.fold,
                seed=fit.seed,
                model=chosen.name,
                test_walkers=sorted(set(answers.videos["walker"])),
                accuracy=answers.is_right.mean(),
                num_videos=len(answers.videos),
                temperature=chosen.temperature,
                best_epoch=chosen.about.get("best_epoch"),
                reason=chosen.about.get("reason", ""),
            )
        )
        if fit.seed == config.seed:
            judged.append(with_baselines(answers, chosen.name, fit, published))
    return combine(Predictions(pd.concat(judged, ignore_index=True), data.emotions), fits, config)


def judge_model(model: TrainedModel, fit: Fit) -> Predictions:
    """Let one model judge the test videos of a fit."""
    shares = model.predict(fit.data.video_set("test", fit.config)).astype(float)
    return _predictions(fit, shares, model.temperature)


def judge_gait(name: str, fit: Fit, left_out: Sequence[int] = ()) -> Predictions:
    """Let a gait classifier judge the test videos, fitted without some features (by place)."""
    train, test = learnt_from(fit).video_set("train", fit.config), fit.data.video_set("test", fit.config)
    inputs = (classifiers.gait_inputs(videos, name) for videos in (train, test))
    known, unknown = (np.delete(part, left_out, axis=1) for part in inputs)
    shares = classifiers.label_shares(train, len(fit.data.emotions))
    classifier = classifiers.fit_classifier(name, known, shares, fit.config.seed)
    return _predictions(fit, classifiers.predict_classes(classifier, unknown, shares.shape[1]))


def _predictions(fit: Fit, shares: np.ndarray, temperature: float = 1.0) -> Predictions:
    rows = fit.data.rows("test").assign(fold=fit.fold, temperature=temperature)
    rows[[f"p_{emotion}" for emotion in fit.data.emotions]] = shares / shares.sum(axis=1, keepdims=True)
    return Predictions(rows, fit.data.emotions)


def with_baselines(answers: Predictions, model: str, fit: Fit, network: TrainedModel | None) -> pd.DataFrame:
    """Return the videos of `answers` with what baselines say in columns ``said_<baseline>``.

    They learn from the same walkers; where one is the `model` itself, its answers are taken.
    """
    known, emotions, seed = learnt_from(fit), np.array(answers.emotions, object), fit.config.seed
    train, test = known.video_set("train", fit.config), fit.data.video_set("test", fit.config)
    shares = {
        name: classifiers.predict_baseline(name, train, test, len(emotions), seed) for name in BASELINES
    }
    ensembles = {"gait_ensemble", ALONE} - {model} if fit.config.relative_to != "none" else set()
    names = ["gait_forest", "gait_logistic", *sorted(ensembles)]
    shares |= {name: judge_gait(name, fit).probabilities for name in names}
    if network is not None:
        shares[network.name] = network.predict(test)
    if model in shares:
        shares[model] = answers.probabilities
    said = {name: emotions[one.argmax(axis=1)] for name, one in shares.items()}
    oracle = predict_oracle(known.rows("train"), answers.videos, seed)
    said |= {} if oracle is None else {"oracle": oracle}
    return answers.videos.assign(**{f"said_{name}": one for name, one in said.items()})


def learnt_from(fit: Fit) -> RunData:
    """Return the data with the validation walkers in training."""
    videos = fit.data.videos
    return replace(fit.data, videos=videos.assign(split=videos["split"].replace("validation", "train")))


def predict_oracle(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> np.ndarray | None:
    """Predict emotions of synthetic walks from their true parameters; None where these are not known."""
    paths = [Path(path) for path in (*train["path"], *test["path"])]
    tables = [pd.DataFrame()]
    for folder in {path.parents[1] for path in paths}:
        if (folder / TRUTH_NAME).is_file():
            table = pd.read_csv(folder / TRUTH_NAME)
            tables.append(table.set_index(table["video"].map(lambda name, folder=folder: folder / name)))
    truth = pd.concat(tables).reindex(index=paths, columns=_TRUTH).to_numpy(float)
    if np.isnan(truth).any():
        return None
    oracle = RandomForestClassifier(200, random_state=seed).fit(truth[: len(train)], train["emotion"])
    return oracle.predict(truth[len(train) :])


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
        permutation_p=scores.permutation_p(labels, predictions.predicted, walkers, config),
        calibration={name: scores.measure_calibration(one, labels) for name, one in said.items()},
        warnings=[
            f"No test video shows {emotion}, so no figure is given for it: add videos of it by other walkers."
            for emotion, one in test.per_class.items()
            if not one.num_videos
        ],
    )


def _score_baselines(predictions: Predictions, config: RunConfig) -> dict[str, BaselineScore]:
    """Score each baseline on the same videos, with the model's lead over it video by video."""
    videos, chance = predictions.videos, 1 / len(predictions.emotions)
    rights = {"chance": pd.Series(chance, videos.index)}
    for column in videos.columns[videos.columns.str.startswith("said_")]:
        rights[column.removeprefix("said_")] = (videos[column] == videos["emotion"]).astype(float)
    if "agreement" in videos and videos["agreement"].notna().all():
        rights["rater_ceiling"] = videos["agreement"]
    found = {}
    for name, one in rights.items():
        lead = mean_with_interval(predictions.is_right - one, videos["walker"], config, lowest=-1)
        found[name] = BaselineScore(*mean_with_interval(one, videos["walker"], config), *lead)
    # The range in which 95 % of those who guess at this test end.
    low, high = (float(limit) / len(videos) for limit in binom.interval(0.95, len(videos), chance))
    return found | {"chance": replace(found["chance"], accuracy_ci95=(low, high))}


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
        **vars(compare_rights(held_out, known, config)),
        held_out=BaselineScore(*mean_with_interval(held_out, walkers, config)),
        leaking=BaselineScore(*mean_with_interval(known, walkers, config)),
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
