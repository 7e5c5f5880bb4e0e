"""What each trained model and each baseline says about the test walkers of its fold."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gaitlib.config import RunConfig
from gaitlib.data import Fit, RunData, list_fits
from gaitlib.demo import TRUTH_NAME, WalkParameters, read_truth
from gaitlib.evaluation.scores import FitScore, Predictions
from gaitlib.files import read_json
from gaitlib.models import BASELINES, TrainedModel, fit_classifier, gait_inputs, label_shares, predict_classes
from gaitlib.training import fit_folder, load_fit, read_history

# The classifiers of gait parameters that stand among the baselines.
_GAIT_BASELINES = ("gait_forest", "gait_logistic")
# The moment at which a walk begins says nothing about how the person walks.
_TRUTH = [part.name for part in fields(WalkParameters) if part.name != "start_cycle"]


@dataclass(frozen=True)
class Judgement:
    """One model's answers on the test of its fit; the baselines' by name, shape (num_videos, num_classes)."""

    score: FitScore
    predictions: Predictions
    baselines: dict[str, np.ndarray] = field(default_factory=dict)
    choice: dict[str, Any] | None = None


def judge_fits(data: RunData, config: RunConfig, run_dir: Path) -> Iterator[Judgement]:
    """Let every saved model of a run judge the test walkers of its fold; the first seed's, with baselines."""
    for fit in list_fits(data, config):
        model, history = load_fit(run_dir, fit, "chosen"), read_history(run_dir, fit, "chosen")
        assert model is not None
        best = int(history["val_loss"].to_numpy().argmin())
        judgement = judge_model(model, fit, int(history["epoch"].iloc[best]))
        if fit.seed == config.seed:
            judgement = with_baselines(judgement, fit, load_fit(run_dir, fit, "published"))
            judgement = replace(judgement, choice=_read_choice(run_dir, fit))
        yield judgement


def judge_model(model: TrainedModel, fit: Fit, best_epoch: int | None = None) -> Judgement:
    """Let one model judge the test videos of a fit."""
    probabilities = model.predict(fit.data.video_set("test", fit.config)).astype(float)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    rows = fit.data.rows("test").assign(fold=fit.fold if fit.config.folds else 0)
    answers = Predictions(rows, model.emotions, probabilities, np.full(len(rows), model.temperature))
    score = FitScore(
        fold=fit.fold,
        seed=fit.seed,
        model=model.name,
        test_walkers=np.unique(answers.walkers).tolist(),
        accuracy=answers.is_right.mean(),
        num_videos=len(rows),
        best_epoch=best_epoch,
        temperature=model.temperature,
    )
    return Judgement(score, answers)


def with_baselines(judgement: Judgement, fit: Fit, published: TrainedModel | None = None) -> Judgement:
    """Add what the baselines say, fitted on the walkers that the model has learnt from.

    Where a gait classifier or the published network is the model itself, its answers are taken.
    """
    known, config, emotions = learnt_from(fit), fit.config, fit.data.emotions
    train, test, num_classes = (
        known.video_set("train", config),
        fit.data.video_set("test", config),
        len(emotions),
    )
    own, seed = judgement.predictions.probabilities, config.seed
    answers = {name: baseline(train, test, num_classes, seed) for name, baseline in BASELINES.items()}
    for name in _GAIT_BASELINES:
        answers[name] = own
        if name != judgement.score.model:
            model = fit_classifier(name, gait_inputs(train), label_shares(train, num_classes), seed)
            answers[name] = predict_classes(model, gait_inputs(test), num_classes)
    if published is not None:
        answers[published.name] = own if published.name == judgement.score.model else published.predict(test)
    oracle = predict_oracle(known.rows("train"), fit.data.rows("test"), seed)
    if oracle is not None:
        answers["oracle"] = np.eye(num_classes)[[emotions.index(emotion) for emotion in oracle]]
    return replace(judgement, baselines=answers)


def learnt_from(fit: Fit) -> RunData:
    """Return the data with the validation walkers in training."""
    splits = fit.data.videos["split"].replace("validation", "train")
    return replace(fit.data, videos=fit.data.videos.assign(split=splits))


def predict_oracle(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> np.ndarray | None:
    """Predict synthetic test walks from the true parameters that they were drawn with.

    Both tables have columns `path` and `emotion`. Returns the emotions of the test, shape (num_test,), str;
    None where the truth of any video is not known.
    """
    from sklearn.ensemble import RandomForestClassifier

    known, unknown = _truth_of(train), _truth_of(test)
    if known is None or unknown is None:
        return None
    return RandomForestClassifier(200, random_state=seed).fit(known, train["emotion"]).predict(unknown)


def _truth_of(videos: pd.DataFrame) -> np.ndarray | None:
    """Return true parameters, shape (num_videos, num_parameters), from the ``truth.csv`` of each folder."""
    paths = videos["path"].map(Path)
    folders = paths.map(lambda path: path.parents[1])
    if not all((folder / TRUTH_NAME).is_file() for folder in folders.unique()):
        return None
    tables = {folder: read_truth(folder).set_index("video")[_TRUTH] for folder in folders.unique()}
    names = paths.map(lambda path: f"{path.parent.name}/{path.name}")
    rows = [tables[folder].reindex([name]) for folder, name in zip(folders, names, strict=True)]
    truth = pd.concat(rows).to_numpy(float)
    return None if np.isnan(truth).any() else truth


def _read_choice(run_dir: Path, fit: Fit) -> dict[str, Any] | None:
    folder = fit_folder(run_dir, fit)
    if not (folder / "choice.csv").is_file():
        return None
    table = pd.read_csv(folder / "choice.csv").to_dict("records")
    return {"fold": fit.fold, "reason": read_json(folder / "model.json").get("reason", ""), "table": table}
