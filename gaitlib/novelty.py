"""Whether pictures are unlike any that a model was trained on, so that its word means nothing.

A network gives an emotion for anything, a car or noise too. What it remembers of a clip (the output of
the recurrent layer) lies near that of training clips only for similar pictures: the Mahalanobis distance
to them (Lee et al., A simple unified framework for detecting out-of-distribution samples, NeurIPS 2018;
covariance after Ledoit & Wolf 2004) tells. The threshold comes from walkers who were not trained on.
"""

import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import binomtest
from sklearn.covariance import LedoitWolf

from gaitlib.backend import load_keras
from gaitlib.batches import ClipSet, evaluation_batches

if TYPE_CHECKING:
    import keras

# The dense layer after it tells less: it keeps what serves the emotions, and drops what is odd.
FEATURE_LAYER = "over_time"
# Share of the validation videos that may pass for unlike.
FALSE_ALARM_SHARE = 0.05
# Enough for the spread of 32 features; more take time only.
MAX_CLIPS = 600


@lru_cache(maxsize=1)
def feature_model(model: "keras.Model") -> "keras.Model":
    """Return a model of the same weights that answers with (features, probabilities)."""
    return load_keras().Model(model.input, [model.get_layer(FEATURE_LAYER).output, model.output])


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
        Plain numbers for a model card: `layer`, `mean` (num_features), `whitening`
        (num_features x num_features), `threshold` (None for fewer than 19 validation videos),
        `false_alarm_rate` of a validation video against the limit that the others set, its 95 %
        interval `false_alarm_ci95` (Wilson; videos of one walker count as independent, which makes it
        somewhat narrow), and `num_videos`.
    """
    features = feature_model(model)
    step = -(-len(train) // MAX_CLIPS)
    learnt, _ = features.predict(evaluation_batches(_every(train, step)), verbose=0)
    mean = learnt.mean(axis=0)
    covariance = LedoitWolf().fit(learnt).covariance_
    fitted: dict[str, Any] = {
        "layer": FEATURE_LAYER,
        "mean": np.round(mean.astype(float), 5).tolist(),
        "whitening": np.round(np.linalg.cholesky(np.linalg.inv(covariance)), 5).tolist(),
    }
    others, _ = features.predict(evaluation_batches(validation), verbose=0)
    numbers = validation.video_numbers
    distances = np.array([novelty_of(others[numbers == video], fitted) for video in np.unique(numbers)])
    return fitted | {"threshold": _limit(distances)} | _false_alarms(distances)


def novelty_of(features: np.ndarray, fitted: dict[str, Any]) -> float:
    """Return how far a video lies from the training clips: the median over its clips.

    Parameters
    ----------
    features : ndarray of shape (num_clips, num_features), float
        From `feature_model`.
    fitted : dict
        From `fit_novelty`.

    Returns
    -------
    float
        In standard deviations; above ``fitted["threshold"]`` the video is unlike any in training.
    """
    away = (features - np.array(fitted["mean"])) @ np.array(fitted["whitening"])
    return float(np.median(np.linalg.norm(away, axis=1)))


def _every(clips: ClipSet, step: int) -> ClipSet:
    """Return every so many clips, in order."""
    chosen = np.arange(0, len(clips), max(1, step))
    return replace(
        clips,
        starts=clips.starts[chosen],
        video_numbers=clips.video_numbers[chosen],
        is_mirrored=clips.is_mirrored[chosen],
    )


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
