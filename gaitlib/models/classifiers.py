"""Gait classifiers: scikit-learn pipelines that read gait parameters and are fitted in a second."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from gaitlib.clips import PreparedVideo
from gaitlib.data import VideoSet
from gaitlib.gait import (
    GAIT_PARAMETERS,
    bout_features,
    gait_feature_names,
    gait_features,
    gait_parameters,
    measure_gait,
)

# Reads all gait parameters; the others, the few that were seen to hold for other people.
READS_ALL = "gait_all"
_FOREST = {"n_estimators": 200, "min_samples_leaf": 2}
# Few videos and parameters that go together (speed, cadence, step length) ask for strong regularisation.
_INVERSE_PENALTY = 0.1


def _make_classifier(name: str, seed: int) -> Any:
    # Newton's method takes a handful of steps for so few weights, whatever the number of BLAS threads.
    logistic = LogisticRegression(C=_INVERSE_PENALTY, solver="newton-cholesky")
    if name == "gait_logistic":
        return logistic
    if name == "gait_forest":
        return RandomForestClassifier(**_FOREST, random_state=seed)
    # They err on different videos. Extremely randomised trees: Geurts et al. 2006, Machine Learning 63.
    trees = ExtraTreesClassifier(**_FOREST, random_state=seed)
    return VotingClassifier([("trees", trees), ("logistic", logistic)], voting="soft")


def fit_classifier(name: str, features: np.ndarray, shares: np.ndarray, seed: int) -> Pipeline:
    """Fit a gait classifier: the median for what is missing, standardised, then the classifier itself.

    Emotions count by their videos: weights by rarity cost more accuracy than they gain.

    Parameters
    ----------
    name : str
        One of `gaitlib.models.GAIT_NAMES`.
    features : ndarray of shape (num_videos, num_features), float
        NaN where unknown.
    shares : ndarray of shape (num_videos, num_classes), float
        How much each video shows each emotion; rows sum to 1.
    seed : int
    """
    rows, labels = np.nonzero(shares > 0)
    # A parameter that no training video shows stays in place, so that columns keep their meaning.
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    pipeline = make_pipeline(imputer, StandardScaler(), _make_classifier(name, seed))
    weights = {f"{pipeline.steps[-1][0]}__sample_weight": shares[rows, labels]}
    return pipeline.fit(features[rows], labels, **weights)


def predict_classes(classifier: Any, features: np.ndarray, num_classes: int) -> np.ndarray:
    """Return probabilities of all classes, shape (num_videos, num_classes), 0 for those never shown."""
    probabilities = np.zeros((len(features), num_classes))
    probabilities[:, classifier.classes_] = classifier.predict_proba(features)
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def label_shares(videos: VideoSet, num_classes: int) -> np.ndarray:
    """Return the shares of the raters, or a 1 for each label; shape (num_videos, num_classes)."""
    return np.eye(num_classes)[videos.labels] if videos.targets is None else videos.targets


def feature_names(name: str, body: str) -> tuple[str, ...]:
    """Return what a gait classifier reads, in the order of `gait_inputs`."""
    few = gait_feature_names(body)
    more = [parameter for parameter in GAIT_PARAMETERS["name"] if parameter not in few]
    return (*few, *more) if name == READS_ALL else few


def gait_inputs(videos: VideoSet, name: str) -> np.ndarray:
    """Return what a gait classifier reads of videos, relative to reference walks where there are any.

    Returns
    -------
    ndarray of shape (num_videos, num_features), float
        NaN where unknown.
    """
    return compare(videos, _all_features if name == READS_ALL else _few_features)


def bout_inputs(videos: VideoSet, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the same for each walking bout, and the number of its video, of shape (num_bouts,), int."""
    parts = [bout_features(video) for video in videos.videos]
    numbers = np.repeat(np.arange(len(videos)), [len(part) for part in parts])
    if name == READS_ALL:
        more = feature_names(name, videos.videos[0].meta["body"])[parts[0].shape[1] :]
        tables = [measure_gait(video)[list(more)].to_numpy(float) for video in videos.videos]
        parts = [np.hstack(pair) for pair in zip(parts, tables, strict=True)]
    if not videos.references:
        return np.concatenate(parts), numbers
    describe = _all_features if name == READS_ALL else _few_features
    beside = np.stack(describe_each(videos.reference_videos, describe))
    places = [videos.references[number] for number in numbers]
    return relative_features(np.concatenate(parts), beside, places), numbers


def _few_features(video: PreparedVideo) -> np.ndarray:
    return gait_features([video])[0]


def _all_features(video: PreparedVideo) -> np.ndarray:
    few, values = _few_features(video), gait_parameters(video)
    return np.array(
        [*few, *(values[name] for name in feature_names(READS_ALL, video.meta["body"])[len(few) :])]
    )


def compare(videos: VideoSet, describe: Callable[[PreparedVideo], np.ndarray]) -> np.ndarray:
    """Return what `describe` says of each video, relative to its reference walks where there are any."""
    features = np.stack(describe_each(videos.videos, describe))
    if not videos.references:
        return features
    beside = np.stack(describe_each(videos.reference_videos, describe))
    return relative_features(features, beside, videos.references)


def describe_each(videos: Sequence[PreparedVideo], describe: Callable[[PreparedVideo], Any]) -> list[Any]:
    """Return what `describe` says of each video, from memory where it was asked before."""
    return [_remembered(describe, video.folder, video.digest) for video in videos]


@lru_cache(maxsize=1 << 15)
def _remembered(describe: Callable[[PreparedVideo], Any], folder: Path, digest: str) -> Any:
    return describe(PreparedVideo(folder, digest))


def relative_features(
    features: np.ndarray, reference_features: np.ndarray, references: Sequence[np.ndarray]
) -> np.ndarray:
    """Return features, shape (num_videos, num_features), minus the mean of those of the references.

    `references` holds for each video the places of its references in `reference_features`. What is unknown
    (NaN) of the video, or of all of its references, stays so.
    """
    known = np.ma.masked_invalid(reference_features)
    means = [known[places].mean(axis=0).filled(np.nan) for places in references]
    return features - np.reshape(means, features.shape)
