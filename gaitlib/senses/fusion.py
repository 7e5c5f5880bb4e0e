"""What each sense says of a walk, all of them together, and what each adds; walkers held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.pipeline import Pipeline

from gaitlib.config import RunConfig
from gaitlib.data import inner_folds
from gaitlib.errors import InputError
from gaitlib.evaluation import Difference, Predictions, compare_rights, permutation_p
from gaitlib.files import write_aside
from gaitlib.models import fit_classifier, predict_classes
from gaitlib.senses.measuring import SENSE_PARAMETERS

TOGETHER, SENSES_NAME = "together", "senses.skops"
# With fewer training walkers nothing is scored: one of them is held out while weights are fitted.
_NUM_FOLDS, _FEWEST_WALKERS = 5, 4
# Ratios rather than differences count for what is positive by nature.
_LOGARITHMS = ("_per_min", "_m_s2", "_m_s3", "_seconds", "_ms", "_bpm")
_EXPLAINED_P = 0.01


@dataclass(frozen=True)
class SensesModel:
    """One classifier a sense, and the weights by which what they say is combined.

    Probabilities are multiplied, each to the power of its sense's weight (logarithmic opinion pool; Genest &
    Zidek 1986). A walk may have any of the senses: one that is missing says nothing.
    """

    emotions: tuple[str, ...]
    columns: dict[str, list[str]]  # what each sense reads of `measure_walks`
    senses: dict[str, Pipeline]
    weights: np.ndarray
    relative_to: str = "none"

    def predict(self, walks: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the probabilities by each sense and `TOGETHER`, shape (num_walks, num_emotions).

        `walks` has the columns of `measure_walks`. NaN where a walk lacks the sense, or all of them.
        """
        said = {}
        for sense, pipeline in self.senses.items():
            features = sense_features(walks, self.columns[sense], self.relative_to)
            said[sense] = np.full((len(walks), len(self.emotions)), np.nan)
            if (has := np.isfinite(features).any(axis=1)).any():
                said[sense][has] = predict_classes(pipeline, features[has], len(self.emotions))
        together = softmax(np.tensordot(self.weights, _evidence(said), 1), axis=1)
        is_silent = np.all([np.isnan(part[:, 0]) for part in said.values()], axis=0)
        together[is_silent] = np.nan
        return said | {TOGETHER: together}

    def save(self, path: Path) -> None:
        """Write the model as a file of skops, which runs no code when it is read."""
        with write_aside(path) as aside:
            skops.io.dump(vars(self), aside)


def load_senses(path: Path) -> SensesModel:
    """Read back what `SensesModel.save` wrote; raises `InputError` for anything else."""
    try:
        return SensesModel(**skops.io.load(path, trusted=["numpy.dtype"]))
    except Exception as error:  # skops has no common class of errors for damaged or foreign files
        cause = type(error).__name__
        raise InputError(f"{path} is no model of the senses ({cause}): run notebook 08 anew.") from error


def columns_of(walks: pd.DataFrame, sense: str) -> list[str]:
    """Return what the classifier of a sense may read: of the picture, what begins with ``picture_``."""
    if sense == "picture":
        return [name for name in map(str, walks) if name.startswith("picture_")]
    read = SENSE_PARAMETERS.query("sense == @sense and is_read == 'yes'")["name"]
    return [name for name in read if name in walks and walks[name].notna().any()]


def sense_features(walks: pd.DataFrame, columns: list[str], relative_to: str = "none") -> np.ndarray:
    """Return some columns of walks for a classifier, shape (num_walks, num_features); NaN where unknown.

    With `relative_to` "walker-mean" each is the difference from the mean of all walks of the walker.
    """
    values = walks.reindex(columns=columns).astype(float)
    for name in columns:
        if name.endswith(_LOGARITHMS) and not name.startswith("picture_"):
            values[name] = np.log(values[name].where(values[name] > 0))
    if relative_to == "walker-mean":
        values -= values.groupby(walks["walker"].to_numpy()).transform("mean")
    return values.to_numpy()


def senses_of(walks: pd.DataFrame) -> list[str]:
    """Return the senses that two training walkers of each emotion have; none where walkers are too few."""
    known = walks[walks["split"] != "test"] if "split" in walks else walks
    if known["walker"].nunique() < _FEWEST_WALKERS or walks["emotion"].nunique() < 2:
        return []
    found = []
    for sense in ("picture", *SENSE_PARAMETERS["sense"].unique()):
        has = np.isfinite(sense_features(known, columns_of(walks, sense))).any(axis=1)
        by_emotion = known[has].groupby("emotion")["walker"].nunique()
        if len(by_emotion) == walks["emotion"].nunique() and by_emotion.min() > 1:
            found.append(sense)
    return found


def fit_senses(
    walks: pd.DataFrame, senses: Sequence[str], config: RunConfig, emotions: Sequence[str] = ()
) -> SensesModel:
    """Fit a classifier a sense on walks, and their weights on walkers whom they have not seen.

    `emotions` are those of the walks unless more are given. Raises `InputError` if there are too few walkers,
    or no sense.
    """
    emotions = tuple(emotions or sorted(walks["emotion"].unique()))
    if walks["walker"].nunique() < _FEWEST_WALKERS - 1 or len(emotions) < 2 or not senses:
        raise InputError(
            f"{walks['walker'].nunique()} walkers who show {', '.join(emotions) or 'nothing'} are too few to "
            f"compare senses: record at least {_FEWEST_WALKERS} people in two emotions each."
        )
    labels, walkers = _labels(walks, emotions), walks["walker"].to_numpy()
    shares, columns = np.eye(len(emotions))[labels], {sense: columns_of(walks, sense) for sense in senses}
    pipelines, said = dict[str, Pipeline](), dict[str, np.ndarray]()
    for sense in senses:
        features = sense_features(walks, columns[sense], config.relative_to)

        def fitted(rows: np.ndarray, features: np.ndarray = features) -> Pipeline:
            return fit_classifier("gait_logistic", features[rows], shares[rows], config.seed)

        has = np.flatnonzero(np.isfinite(features).any(axis=1))
        if len(set(labels[has])) < 2:
            continue  # in these folds nothing can be learnt from it
        said[sense], pipelines[sense] = np.full(shares.shape, np.nan), fitted(has)
        for known, held in inner_folds(labels[has], walkers[has], _NUM_FOLDS, config.seed):
            if len(set(labels[has[known]])) > 1:
                answers = predict_classes(fitted(has[known]), features[has[held]], len(emotions))
                said[sense][has[held]] = answers
    weights = _fit_weights(_evidence(said), labels)
    return SensesModel(emotions, columns, pipelines, weights, config.relative_to)


def judge_senses(walks: pd.DataFrame, senses: Sequence[str], config: RunConfig) -> dict[str, Predictions]:
    """Return what each sense, and all together, say of walks by models that never saw their walkers.

    Those whose column ``split`` is "test" are judged by models of all others; without such, all walks are
    judged by folds of walkers.
    """
    emotions = tuple(sorted(walks["emotion"].unique()))
    shape, names = (len(walks), len(emotions)), (*senses, TOGETHER)
    said: dict[str, np.ndarray] = {name: np.full(shape, np.nan) for name in names}
    is_test = walks["split"].to_numpy() == "test" if "split" in walks else np.zeros(len(walks), bool)
    folds = [(np.flatnonzero(~is_test), np.flatnonzero(is_test))]
    if not is_test.any():
        number = config.folds or _NUM_FOLDS
        folds = inner_folds(_labels(walks, emotions), walks["walker"], number, config.seed)
    for known, held in folds:
        model = fit_senses(walks.iloc[known], senses, config, emotions)
        for name, part in model.predict(walks.iloc[held]).items():
            said[name][held] = part
    about = walks[["video", "walker", "emotion"]].assign(num_clips=1, fold=0, temperature=1.0)
    judged = {}
    for name, probabilities in said.items():
        shares = pd.DataFrame(probabilities, walks.index, [f"p_{emotion}" for emotion in emotions])
        judged[name] = Predictions(about.join(shares).dropna(ignore_index=True), emotions)
    return judged


def gain_of_each(walks: pd.DataFrame, senses: Sequence[str], config: RunConfig) -> dict[str, Difference]:
    """Return what each sense adds to all others: right answers with it against without, walk by walk."""
    whole = judge_senses(walks, senses, config)[TOGETHER].rights()
    gains = {}
    for sense in senses if len(senses) > 1 else ():
        others = [other for other in senses if other != sense]
        gains[sense] = compare_rights(judge_senses(walks, others, config)[TOGETHER].rights(), whole, config)
    return gains


def order_leak(walks: pd.DataFrame, config: RunConfig, column: str = "order") -> dict[str, Any]:
    """Tell how well the order of a walker's walks (or the hour) alone gives the emotion, on held-out walkers.

    Pulse, warmth and fatigue follow the order: where it explains the emotion, a sense that reads them would
    seem to read the emotion. Returns `accuracy`, `majority`, `p` (labels shuffled within walkers) and
    `is_explained`; nothing where the labels have no such `column`.
    """
    if column not in walks or walks[column].replace("", np.nan).isna().all():
        return {}
    emotions = tuple(sorted(walks["emotion"].unique()))
    labels, walkers = _labels(walks, emotions), walks["walker"].to_numpy(str)
    order, answers = walks[column].fillna("").astype(str).to_numpy(), np.zeros(len(walks), int)
    for walker in np.unique(walkers):
        known = walkers != walker
        for row in np.flatnonzero(~known):
            same = labels[known & (order == order[row])]
            answers[row] = np.bincount(same if len(same) else labels[known]).argmax()
    p = permutation_p(labels, answers, walkers, config)
    accuracy, majority = float((answers == labels).mean()), float(np.bincount(labels).max() / len(labels))
    return {"accuracy": accuracy, "majority": majority, "p": p, "is_explained": p < _EXPLAINED_P}


def _labels(walks: pd.DataFrame, emotions: Sequence[str]) -> np.ndarray:
    return np.array([emotions.index(emotion) for emotion in walks["emotion"]])


def _evidence(said: dict[str, np.ndarray]) -> np.ndarray:
    """Return log-probabilities without their mean, 0 where missing: (num_senses, num_walks, num_emotions)."""
    parts = np.log(np.clip(np.stack(list(said.values())), 1e-3, 1))
    return np.nan_to_num(parts - parts.mean(axis=2, keepdims=True))


def _fit_weights(evidence: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the weight of each sense, 0 or more, by the likelihood of walks that its classifier never saw.

    A sense that is worse than chance on held-out walkers counts nothing: a negative weight would turn the
    bad luck of small folds into a gain.
    """

    def loss(weights: np.ndarray) -> float:
        said = log_softmax(np.tensordot(weights, evidence, 1), axis=1)
        return float(-said[np.arange(len(labels)), labels].sum() + 0.5 * np.square(weights).sum())

    start = np.full(len(evidence), 0.5)
    return minimize(loss, start, method="L-BFGS-B", bounds=[(0, None)] * len(evidence)).x
