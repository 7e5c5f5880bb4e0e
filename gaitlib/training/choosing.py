"""The choice of a model by walkers who train or validate; the test has no part in it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, log_loss

from gaitlib.config import RunConfig
from gaitlib.data import VideoSet
from gaitlib.errors import InputError
from gaitlib.models import GAIT_NAMES, PUBLISHED
from gaitlib.training.fitting import leads_by, out_of_fold

# With fewer walkers, what inner folds say is chance.
_FEWEST_WALKERS = 4
# Of models that inner folds cannot tell apart, the one that errs in two ways holds best for other people.
_STEADY = "gait_ensemble"
# Of the two networks of keypoints the one that is trained in half the time.
_KEYPOINT_NETWORK = "skeleton_tcn"


@dataclass(frozen=True)
class Choice:
    """The chosen model, a table of all candidates and the reason as a sentence.

    The table has the columns `model`, `num_videos`, `accuracy`, `balanced_accuracy` and `log_loss`, on inner
    folds, the best first; a network that was given up has judged fewer videos. It is empty where there were
    too few walkers to choose by.
    """

    name: str
    table: pd.DataFrame
    reason: str


def choose_model(train: VideoSet, config: RunConfig, emotions: Sequence[str]) -> Choice:
    """Choose the model with the highest accuracy on inner folds, plain plus balanced.

    Candidates are the gait classifiers, the published network and, with keypoints, a network that reads them.
    The ensemble is chosen unless another leads by a standard error. `train` holds all walkers who train or
    choose the epoch, and nobody of the test.
    """
    num_walkers, says = len(set(train.walkers)), dict[str, np.ndarray]()
    names = (*GAIT_NAMES, PUBLISHED, *([_KEYPOINT_NETWORK] if config.body == "keypoints" else []))
    for name in names if num_walkers >= _FEWEST_WALKERS else ():
        with suppress(InputError):  # these walkers are too few for a network
            says[name] = out_of_fold(name, train, config, emotions, says.get(_STEADY))
    scores = [_score(one, train.labels) for one in says.values()]
    columns = ["num_videos", "accuracy", "balanced_accuracy", "log_loss"]
    table = pd.DataFrame(scores, columns=columns, index=pd.Index(says, name="model"))
    if table.empty:
        reason = f"{num_walkers} training walkers are too few to choose by: the published network is used."
        return Choice(PUBLISHED, table.reset_index(), reason)
    merit = [-table["num_videos"], -table["accuracy"] - table["balanced_accuracy"], table["log_loss"]]
    table = table.iloc[np.lexsort(merit[::-1])]
    best, right = table.index[0], (table["accuracy"] * 100).map("{:.0f} %".format)
    walkers = f"on inner folds of {num_walkers} training and validation walkers"
    reason = f"{best} was best of {len(table)} {walkers}, right in {right[best]} of their videos."
    if best != _STEADY and leads_by(says[best], says[_STEADY], train.labels) <= 1:
        reason = (
            f"{_STEADY} was chosen: {walkers} it is right in {right[_STEADY]} of the videos, and "
            f"{best} ({right[best]}) leads by less than a standard error."
        )
        best = _STEADY
    return Choice(str(best), table.reset_index(), reason)


def _score(says: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the row of a candidate; where it was given up, NaN stands for its answers."""
    known = np.isfinite(says).all(axis=1)
    says, labels = says[known], labels[known]
    return {
        "num_videos": len(says),
        "accuracy": (says.argmax(axis=1) == labels).mean(),
        "balanced_accuracy": balanced_accuracy_score(labels, says.argmax(axis=1)),
        "log_loss": log_loss(labels, says, labels=range(says.shape[1])),
    }
