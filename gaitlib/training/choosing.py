"""The choice of a model by walkers who train or validate; the test has no part in it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, log_loss

from gaitlib.config import RunConfig
from gaitlib.data import VideoSet, hold_out_walkers, inner_folds
from gaitlib.errors import InputError
from gaitlib.files import remember
from gaitlib.models import ALONE, GAIT_NAMES, PUBLISHED, SKELETON, TrainedModel, make_clips
from gaitlib.training.fitting import gait_out_of_fold, train_model, training_key

# With fewer walkers, what inner folds say is chance.
_FEWEST_WALKERS = 4
# Of models that inner folds cannot tell apart, one that errs in two ways holds best for other people.
_STEADY = ("gait_ensemble", ALONE)
# Fewer videos feed no network. Networks take longer: fewer folds, and none after one that leaves a network so
# many standard errors behind.
_FEWEST_VIDEOS, _NUM_NETWORK_FOLDS, _HOPELESS = 40, 3, 2.0


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

    Candidates are the gait classifiers and, from 40 videos on, the networks. An ensemble is chosen unless
    another leads by a standard error. `train` holds all walkers who train or choose the epoch.
    """
    columns = ["num_videos", "accuracy", "balanced_accuracy", "log_loss"]
    num_walkers = len(set(train.walkers))
    if num_walkers < _FEWEST_WALKERS:
        reason = f"{num_walkers} training walkers are too few to choose by: the published network is used."
        return Choice(PUBLISHED, pd.DataFrame(columns=["model", *columns]), reason)
    classifiers = [name for name in GAIT_NAMES if name != ALONE or config.relative_to != "none"]
    says = {name: gait_out_of_fold(name, train, config, len(emotions)) for name in classifiers}
    losses = {name: _score(says[name], train.labels)["log_loss"] for name in _STEADY if name in says}
    steady = min(losses, key=losses.__getitem__)
    networks = [PUBLISHED, *([SKELETON] if config.body == "keypoints" else [])]
    for name in networks if len(train) >= _FEWEST_VIDEOS else ():
        model = TrainedModel(name=name, emotions=tuple(emotions), config=config)
        with suppress(InputError):  # too few walkers show an emotion to choose the epoch by some of them
            says[name] = network_out_of_fold(model, train, says[steady])
    scores = [_score(one, train.labels) for one in says.values()]
    table = pd.DataFrame(scores, columns=columns, index=pd.Index(says, name="model"))
    merit = [-table["num_videos"], -table["accuracy"] - table["balanced_accuracy"], table["log_loss"]]
    table = table.iloc[np.lexsort(merit[::-1])]
    best, right = table.index[0], (table["accuracy"] * 100).map("{:.0f} %".format)
    walkers = f"on inner folds of {num_walkers} training and validation walkers"
    reason = f"{best} was best of {len(table)} {walkers}, right in {right[best]} of their videos."
    if best != steady and _leads_by(says[best], says[steady], train.labels) <= 1:
        lead = f"leads {steady} ({right[steady]}) by less than a standard error"
        reason += f" As it {lead}, {steady} was chosen."
        best = steady
    return Choice(str(best), table.reset_index(), reason)


def network_out_of_fold(model: TrainedModel, videos: VideoSet, rival: np.ndarray) -> np.ndarray:
    """Return what a network says of videos when trained without their walkers, (num_videos, num_classes).

    One that after a fold is clearly behind a `rival`, who says as much, is given up: NaN for the other folds.
    Raises an `InputError` where too few walkers show an emotion to choose the epoch by others.
    """
    key = training_key(model, [make_clips(videos, model)])
    return remember(_network_out_of_fold, ["videos"])(model, videos, rival, key)


def _network_out_of_fold(model: TrainedModel, videos: VideoSet, rival: np.ndarray, key: str) -> np.ndarray:
    says, config = np.full((len(videos), len(model.emotions)), np.nan), model.config
    for known, held in inner_folds(videos.labels, videos.walkers, _NUM_NETWORK_FOLDS, config.seed):
        rest = videos.chosen(known)
        table = pd.DataFrame({"emotion": rest.labels, "walker": rest.walkers})
        is_held = hold_out_walkers(table, config.validation_fraction, config.seed)
        parts = rest.chosen(~is_held), rest.chosen(is_held)
        trained = train_model(model.name, *parts, config, model.emotions).model
        says[held] = trained.predict(videos.chosen(held))
        if _leads_by(rival, says, videos.labels) > _HOPELESS:
            break
    return says


def _leads_by(says: np.ndarray, others: np.ndarray, labels: np.ndarray) -> float:
    """Return by how many standard errors one set of answers leads, video by video, where both are known."""
    known = np.isfinite(says + others).all(axis=1)
    one, other = (each[known].argmax(axis=1) == labels[known] for each in (says, others))
    lead = one.astype(float) - other
    return float(lead.mean() / max(lead.std() / len(lead) ** 0.5, 1e-9))


def _score(says: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the row of a candidate; where it was given up, NaN stands for its answers."""
    known = np.isfinite(says).all(axis=1)
    says, labels = says[known] / says[known].sum(axis=1, keepdims=True), labels[known]
    return {
        "num_videos": len(says),
        "accuracy": (says.argmax(axis=1) == labels).mean(),
        "balanced_accuracy": balanced_accuracy_score(labels, says.argmax(axis=1)),
        "log_loss": log_loss(labels, says, labels=range(says.shape[1])),
    }
