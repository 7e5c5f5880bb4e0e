"""Which model a run is judged by: chosen by inner folds of the training walkers alone."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import sklearn
from sklearn.metrics import balanced_accuracy_score, log_loss

from gaitlib.config import RunConfig
from gaitlib.data import VideoSet, inner_folds
from gaitlib.files import cache_dir, write_aside
from gaitlib.models import GAIT_NAMES, PUBLISHED
from gaitlib.models.classifiers import fit_classifier, gait_inputs, label_shares, predict_classes

# With fewer walkers, what inner folds say is chance.
_NUM_FOLDS, _FEWEST_WALKERS = 5, 4
# Raise when a classifier comes to be fitted otherwise.
_VERSION = 1


@dataclass(frozen=True)
class Choice:
    """The chosen model, a table of all candidates and the reason as a sentence.

    The table has the columns `model`, `accuracy`, `balanced_accuracy` and `log_loss` (on inner folds), the
    best first; it is empty where there were too few walkers to choose by.
    """

    name: str
    table: pd.DataFrame
    reason: str


def choose_model(train: VideoSet, config: RunConfig, emotions: Sequence[str]) -> Choice:
    """Choose the model with the highest accuracy on inner folds, plain and balanced; of equals the surer one.

    Parameters
    ----------
    train : VideoSet
        All walkers who train or choose the epoch; nobody of the test.
    config : RunConfig
    emotions : sequence of str
    """
    num_walkers = len(set(train.walkers))
    scores: list[tuple[str, float, float, float]] = []
    for name in GAIT_NAMES if num_walkers >= _FEWEST_WALKERS else ():
        says = out_of_fold(name, train, config, len(emotions))
        answers, loss = says.argmax(axis=1), log_loss(train.labels, says, labels=range(len(emotions)))
        right = float((answers == train.labels).mean()), float(balanced_accuracy_score(train.labels, answers))
        scores.append((name, *right, float(loss)))
    scores.sort(key=lambda row: (-row[1] - row[2], row[3]))
    table = pd.DataFrame(scores, columns=["model", "accuracy", "balanced_accuracy", "log_loss"])
    if not scores:
        reason = f"{num_walkers} training walkers are too few to choose by: the published network is used."
        return Choice(PUBLISHED, table, reason)
    reason = (
        f"{scores[0][0]} was best of {len(scores)} models on inner folds of {num_walkers} training walkers, "
        f"right in {100 * scores[0][1]:.0f} % of their videos."
    )
    return Choice(scores[0][0], table, reason)


def out_of_fold(name: str, videos: VideoSet, config: RunConfig, num_classes: int) -> np.ndarray:
    """Return what a gait classifier says of each video when fitted without its walker; kept in the cache.

    Returns
    -------
    ndarray of shape (num_videos, num_classes), float
    """
    features, shares = gait_inputs(videos, name), label_shares(videos, num_classes)
    about = [name, config.seed, _VERSION, sklearn.__version__, videos.walkers.tolist()]
    digest = hashlib.sha256(json.dumps(about).encode() + features.tobytes() + shares.tobytes()).hexdigest()
    path = cache_dir() / "trainings" / f"{digest[:32]}.npy"
    if not path.exists():
        says = np.zeros(shares.shape)
        for known, held in divide(videos, config):
            pipeline = fit_classifier(name, features[known], shares[known], config.seed)
            says[held] = predict_classes(pipeline, features[held], num_classes)
        with write_aside(path) as aside:
            np.save(aside, says)
    return np.load(path, allow_pickle=False)


def divide(videos: VideoSet, config: RunConfig) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the inner folds of walkers: places to fit, and places to judge."""
    return inner_folds(videos.labels, videos.walkers, _NUM_FOLDS, config.seed)
