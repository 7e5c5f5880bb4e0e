"""What each sense says of a walk, all of them together, and what each adds; walkers held out."""

from collections import defaultdict
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
from gaitlib.models.classifiers import fit_classifier
from gaitlib.senses.measuring import SENSE_PARAMETERS

TOGETHER, SENSES_NAME = "together", "senses.skops"
# With fewer training walkers nothing is scored: one of them is held out while weights are fitted.
_NUM_FOLDS, _FEWEST_WALKERS = 5, 4
# Ratios rather than differences count for what is positive by nature.
_LOGARITHMS = ("_per_min", "_m_s2", "_m_s3", "_seconds", "_ms", "_bpm")
_EXPLAINED_P = 0.01
_SENSES = ("picture", *SENSE_PARAMETERS["sense"].unique())


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
    relative_to: str

    def predict(self, walks: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the probabilities by each sense and `TOGETHER`, shape (num_walks, num_emotions).

        `walks` has the columns of `measure_walks`. NaN where a walk lacks the sense, or all of them.
        """
        said = {}
        for sense, pipeline in self.senses.items():
            features = sense_features(walks, self.columns[sense], self.relative_to)
            is_missing = np.isnan(features).all(axis=1, keepdims=True)
            said[sense] = np.where(is_missing, np.nan, pipeline.predict_proba(features))
        together = softmax(np.tensordot(self.weights, _evidence(said), 1), axis=1)
        together[np.isnan(list(said.values())).all(axis=(0, 2))] = np.nan
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
        raise InputError(f"{path} is no model of the senses ({cause}): run notebook 08 again.") from error


def sense_features(walks: pd.DataFrame, columns: list[str], relative_to: str) -> np.ndarray:
    """Return some columns of walks for a classifier, shape (num_walks, num_features); NaN where unknown.

    With `relative_to` "walker-mean" each is the difference from the mean of all walks of the walker.
    """
    values = walks.reindex(columns=columns).astype(float)
    logs = [name for name in columns if name.endswith(_LOGARITHMS) and not name.startswith("picture_")]
    values[logs] = np.log(values[logs].where(values[logs] > 0))
    if relative_to == "walker-mean":
        values -= values.groupby(walks["walker"].to_numpy()).transform("mean")
    return values.to_numpy()


def senses_of(walks: pd.DataFrame) -> list[str]:
    """Return the senses that two training walkers of each emotion have; none where walkers are too few."""
    known = walks[walks["split"] != "test"] if "split" in walks else walks
    emotions = walks["emotion"].unique()
    if known["walker"].nunique() < _FEWEST_WALKERS or len(emotions) < 2:
        return []
    has = {sense: known.filter(regex=f"^{sense}_").notna().any(axis=1) for sense in _SENSES}
    has_any = pd.DataFrame(has).groupby([known["emotion"], known["walker"]]).any()
    num_walkers = has_any.groupby("emotion").sum().reindex(emotions, fill_value=0)
    return num_walkers.columns[num_walkers.min() > 1].tolist()


def fit_senses(
    walks: pd.DataFrame, senses: Sequence[str], config: RunConfig, emotions: Sequence[str] = ()
) -> SensesModel:
    """Fit a classifier a sense on walks, and their weights on walkers whom they have not seen.

    `senses` are of those of `senses_of`; `emotions` those of the walks unless more are given.
    """
    emotions = tuple(emotions or sorted(walks["emotion"].unique()))
    labels, walkers = pd.Categorical(walks["emotion"], emotions).codes, walks["walker"].to_numpy()
    # A trace of all emotions, so that a fold without one can be learnt from.
    shares = np.where(np.eye(len(emotions))[labels], 1, 1e-6)
    unread = SENSE_PARAMETERS.query("is_read == 'no'")["name"].tolist()
    columns, pipelines, said = dict[str, list[str]](), dict[str, Pipeline](), dict[str, np.ndarray]()
    for sense in senses:
        own = walks.filter(regex=f"^{sense}_").dropna(axis=1, how="all").columns
        columns[sense] = own.difference(unread, sort=False).tolist()
        features = sense_features(walks, columns[sense], config.relative_to)
        has = np.flatnonzero(np.isfinite(features).any(axis=1))
        if not len(has):
            continue  # in this fold nobody has it
        pipelines[sense] = fit_classifier("gait_logistic", features[has], shares[has], config.seed)
        said[sense] = np.full(shares.shape, np.nan)
        for inside, outside in inner_folds(labels[has], walkers[has], _NUM_FOLDS, config.seed):
            known, held = has[inside], has[outside]
            part = fit_classifier("gait_logistic", features[known], shares[known], config.seed)
            said[sense][held] = part.predict_proba(features[held])
    weights = _fit_weights(_evidence(said), labels)
    return SensesModel(emotions, columns, pipelines, weights, config.relative_to)


def judge_senses(walks: pd.DataFrame, senses: Sequence[str], config: RunConfig) -> dict[str, Predictions]:
    """Return what each sense, and all together, say of walks by models that never saw their walkers.

    Those whose column ``split`` is "test" are judged by models of all others; without such, all walks are
    judged by folds of walkers.
    """
    emotions = tuple(sorted(walks["emotion"].unique()))
    folds = inner_folds(walks["emotion"], walks["walker"], config.folds or _NUM_FOLDS, config.seed)
    if "split" in walks and (is_test := walks["split"] == "test").any():
        folds = [(np.flatnonzero(~is_test), np.flatnonzero(is_test))]
    about = walks[["video", "walker", "emotion"]].assign(num_clips=1, fold=0, temperature=1.0)
    tables = defaultdict(list)
    for known, held in folds:
        model = fit_senses(walks.iloc[known], senses, config, emotions)
        for name, said in model.predict(walks.iloc[held]).items():
            shares = {f"p_{emotion}": share for emotion, share in zip(emotions, said.T, strict=True)}
            tables[name].append(about.iloc[held].assign(**shares).dropna())
    judged = {name: pd.concat(parts).sort_index(ignore_index=True) for name, parts in tables.items()}
    return {name: Predictions(table, emotions) for name, table in judged.items()}


def gain_of_each(walks: pd.DataFrame, senses: Sequence[str], config: RunConfig) -> dict[str, Difference]:
    """Return what each sense adds to all others: right answers with it against without, walk by walk."""
    whole, gains = judge_senses(walks, senses, config)[TOGETHER].rights(), {}
    for sense in senses if len(senses) > 1 else ():
        others = judge_senses(walks, [other for other in senses if other != sense], config)
        gains[sense] = compare_rights(others[TOGETHER].rights(), whole, config)
    return gains


def order_leak(walks: pd.DataFrame, config: RunConfig, column: str = "order") -> dict[str, Any]:
    """Tell how well the order of a walker's walks (or the hour) alone gives the emotion, on held-out walkers.

    Pulse, warmth and fatigue follow the order: where it explains the emotion, a sense that reads them would
    seem to read the emotion. Returns `accuracy`, `majority`, `p` (labels shuffled within walkers) and
    `is_explained`; nothing where the labels have no such `column`.
    """
    order = walks.get(column, pd.Series("", walks.index)).fillna("").astype(str)
    if (order == "").all() or walks["walker"].nunique() < 2:
        return {}
    answers = pd.Series("", walks.index)
    for _, own in walks.groupby("walker"):
        others = walks["emotion"].drop(own.index)
        usual = others.groupby(order).agg(lambda shown: shown.mode()[0])
        answers[own.index] = order[own.index].map(usual).fillna(others.mode()[0])
    labels = walks["emotion"].to_numpy(str)
    p = permutation_p(labels, answers.to_numpy(str), walks["walker"].to_numpy(str), config)
    majority = walks["emotion"].value_counts(normalize=True).max()
    accuracy = float((answers == walks["emotion"]).mean())
    return {"accuracy": accuracy, "majority": float(majority), "p": p, "is_explained": p < _EXPLAINED_P}


def _evidence(said: dict[str, np.ndarray]) -> np.ndarray:
    """Return log-probabilities without their mean, 0 where missing: (num_senses, num_walks, num_emotions)."""
    parts = np.log(np.clip(list(said.values()), 1e-3, 1))
    return np.nan_to_num(parts - parts.mean(axis=2, keepdims=True))


def _fit_weights(evidence: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the weights of senses, 0 or more, by the likelihood of what they say out of fold."""

    def loss(weights: np.ndarray) -> float:
        logs = log_softmax(np.tensordot(weights, evidence, 1), axis=1)
        return float(-logs[np.arange(len(labels)), labels].sum() + 0.5 * np.square(weights).sum())

    # Worse than chance counts nothing: a negative weight would turn the bad luck of small folds into a gain.
    return minimize(loss, np.full(len(evidence), 0.5), bounds=[(0, None)] * len(evidence)).x
