"""The choice of a model by walkers who train or validate; the test has no part in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, log_loss

from gaitlib.config import RunConfig
from gaitlib.data import VideoSet
from gaitlib.models import GAIT_NAMES, PUBLISHED, TrainedModel
from gaitlib.training.fitting import join_sets, out_of_fold

# With fewer walkers, what inner folds say is chance.
_FEWEST_WALKERS = 4
# Of models that inner folds cannot tell apart, the one that errs in two ways holds best for other people.
_STEADY = "gait_ensemble"


@dataclass(frozen=True)
class Choice:
    """The chosen model, a table of all candidates and the reason as a sentence.

    The table has the columns `model`, `accuracy`, `balanced_accuracy` and `log_loss`: of classifiers, the
    best first, on inner folds, of the published network on the validation walkers. It is empty where there
    were too few walkers to choose by.
    """

    name: str
    table: pd.DataFrame
    reason: str


def choose_model(train: VideoSet, config: RunConfig, emotions: Sequence[str]) -> Choice:
    """Choose the classifier with the highest accuracy on inner folds, plain plus balanced.

    The ensemble is chosen unless another leads by a standard error.
    `train` holds all walkers who train or choose the epoch, and nobody of the test.
    """
    num_walkers, scores = len(set(train.walkers)), []
    for name in GAIT_NAMES if num_walkers >= _FEWEST_WALKERS else ():
        scores.append(_score(name, out_of_fold(name, train, config, len(emotions)), train.labels))
    scores.sort(key=lambda row: (-row["accuracy"] - row["balanced_accuracy"], row["log_loss"]))
    table = pd.DataFrame(scores, columns=["model", "accuracy", "balanced_accuracy", "log_loss"])
    if not scores:
        reason = f"{num_walkers} training walkers are too few to choose by: the published network is used."
        return Choice(PUBLISHED, table, reason)
    best, steady = scores[0], next(row for row in scores if row["model"] == _STEADY)
    walkers = f"on inner folds of {num_walkers} training and validation walkers"
    lead = (best["answers"] == train.labels).astype(float) - (steady["answers"] == train.labels)
    if best is not steady and lead.mean() <= lead.std() / len(lead) ** 0.5:
        reason = (
            f"{_STEADY} was chosen: {walkers} it is right in {steady['accuracy']:.0%} of the videos, and "
            f"{best['model']} ({best['accuracy']:.0%}) leads by less than a standard error."
        )
        return Choice(_STEADY, table, reason)
    right = f"right in {best['accuracy']:.0%} of their videos"
    return Choice(best["model"], table, f"{best['model']} was best of {len(scores)} {walkers}, {right}.")


def with_network(choice: Choice, network: TrainedModel, train: VideoSet, validation: VideoSet) -> Choice:
    """Choose a network that has learnt from `train` instead, if it is better on the validation walkers.

    These chose its epoch, which flatters it: it must lead by two standard errors, video by video.
    """
    if choice.table.empty:
        return choice
    both, num_classes = join_sets(train, validation), len(network.emotions)
    others = out_of_fold(choice.name, both, network.config, num_classes)[-len(validation) :].argmax(axis=1)
    row = _score(network.name, network.predict(validation), validation.labels)
    lead = (row["answers"] == validation.labels).astype(float) - (others == validation.labels)
    table = pd.concat([choice.table, pd.DataFrame([row])[choice.table.columns]], ignore_index=True)
    share = f"right in {row['accuracy']:.0%} of the {len(validation)} videos of the validation walkers"
    if lead.mean() > 2 * lead.std() / len(lead) ** 0.5:
        return Choice(network.name, table, f"{network.name} beats {choice.name}: it is {share}.")
    reason = f"{choice.reason} {network.name}, {share}, does not clearly beat it there."
    return Choice(choice.name, table, reason)


def _score(name: str, says: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return the row of a candidate, and its `answers`."""
    answers = says.argmax(axis=1)
    return {
        "model": name,
        "accuracy": (answers == labels).mean(),
        "balanced_accuracy": balanced_accuracy_score(labels, answers),
        "log_loss": log_loss(labels, says, labels=range(says.shape[1])),
        "answers": answers,
    }
