"""Whether pictures are unlike any that a model was trained on, so that its word means nothing.

A network gives an emotion for anything, a car or noise too. What it remembers of a clip (the output of
the recurrent layer) lies near that of training clips only for similar pictures: the Mahalanobis distance
to them (Lee et al., A simple unified framework for detecting out-of-distribution samples, NeurIPS 2018;
covariance after Ledoit & Wolf 2004) tells. The threshold comes from walkers who were not trained on.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import binomtest
from sklearn.covariance import LedoitWolf

from gaitlib.answering import ask_model
from gaitlib.batches import ClipSet

if TYPE_CHECKING:
    import keras

# Share of the validation videos that may pass for unlike.
FALSE_ALARM_SHARE = 0.05
# Enough for the spread of 32 features; more take time only.
MAX_CLIPS = 600


def fit_novelty(model: "keras.Model", train: ClipSet, validation: ClipSet) -> dict[str, Any]:
    """Learn what training clips look like to a model, and how far other people's clips lie from them.

    Parameters
    ----------
    model : keras.Model
        Trained on `train`.
    train, validation : ClipSet
        Of different walkers.

    Returns
    -------
    dict
        Plain numbers for a model card: `mean` (num_features), `whitening`
        (num_features x num_features), `threshold` (None for fewer than 19 validation videos),
        `false_alarm_rate` of a validation video against the limit that the others set, its 95 %
        interval `false_alarm_ci95` (Wilson; videos of one walker count as independent, which makes it
        somewhat narrow), and `num_videos`.
    """
    step = max(1, -(-len(train) // MAX_CLIPS))
    # A model that reads gait features sees the same in all clips of a video: that counts once.
    learnt = np.unique(ask_model(model, train.chosen(np.arange(0, len(train), step))).features, axis=0)
    mean = learnt.mean(axis=0)
    covariance = LedoitWolf().fit(learnt).covariance_
    fitted: dict[str, Any] = {
        "mean": np.round(mean.astype(float), 5).tolist(),
        "whitening": np.round(np.linalg.cholesky(np.linalg.inv(covariance)), 5).tolist(),
    }
    others = ask_model(model, validation).features
    numbers = validation.video_numbers
    distances = np.array([novelty_of(others[numbers == video], fitted) for video in np.unique(numbers)])
    return fitted | {"threshold": _limit(distances)} | _false_alarms(distances)


def novelty_of(features: np.ndarray, fitted: dict[str, Any]) -> float:
    """Return how far a video lies from the training clips: the median over its clips.

    Parameters
    ----------
    features : ndarray of shape (num_clips, num_features), float
        From `gaitlib.answering.ask_model`.
    fitted : dict
        From `fit_novelty`.

    Returns
    -------
    float
        In standard deviations; above ``fitted["threshold"]`` the video is unlike any in training.
    """
    away = (features - np.array(fitted["mean"])) @ np.array(fitted["whitening"])
    return float(np.median(np.linalg.norm(away, axis=1)))


def _limit(distances: np.ndarray) -> float | None:
    """Return what a further video exceeds with a chance of 5 % at most, None for fewer than 19 videos.

    Split conformal prediction (Vovk et al. 2005): the place in the sorted list counts the new one too.
    """
    place = math.ceil((len(distances) + 1) * (1 - FALSE_ALARM_SHARE))
    return round(float(np.sort(distances)[place - 1]), 4) if 0 < place <= len(distances) else None


def _false_alarms(distances: np.ndarray) -> dict[str, Any]:
    """Judge each video by the limit that the others set."""
    limits = [_limit(np.delete(distances, place)) for place in range(len(distances))]
    known = [(distance, limit) for distance, limit in zip(distances, limits, strict=True) if limit]
    if not known:
        return {"false_alarm_rate": None, "false_alarm_ci95": None, "num_videos": len(distances)}
    num_alarms = sum(bool(distance > limit) for distance, limit in known)
    low, high = binomtest(num_alarms, len(known)).proportion_ci(method="wilson")
    return {
        "false_alarm_rate": num_alarms / len(known),
        "false_alarm_ci95": [float(low), float(high)],
        "num_videos": len(distances),
    }
