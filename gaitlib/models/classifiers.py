"""Gait classifiers and baselines: scikit-learn models that read numbers of a walk and are fitted in a second.

Where a run compares walks, so do both: what the comparison is worth by itself must not pass for the model's
merit.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from gaitlib.clips import PreparedVideo
from gaitlib.data import VideoSet
from gaitlib.gait.features import bout_features, box_features, gait_features

BASELINES = ("majority", "speed_only", "box_forest", "background_only")
# The ensemble that reads each walk by itself, also where a run compares walks.
ALONE = "gait_alone"
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

    `features`, (num_videos, num_features), are NaN where unknown; `shares`, (num_videos, num_classes), say
    how much each video shows each emotion, and sum to 1. Emotions count by their videos: weights by rarity
    cost more accuracy than they gain.
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


def gait_inputs(videos: VideoSet, name: str) -> np.ndarray:
    """Return what a gait classifier reads, shape (num_videos, num_features); NaN where unknown."""
    return compare(_as_seen(videos, name), gait_features)


def _as_seen(videos: VideoSet, name: str) -> VideoSet:
    return replace(videos, references=()) if name == ALONE else videos


def bout_inputs(videos: VideoSet, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the same for each walking bout, and the number of its video, of shape (num_bouts,), int."""
    tables = [bout_features(video) for video in videos.videos]
    numbers = np.repeat(np.arange(len(videos)), [len(table) for table in tables])
    means = _reference_means(_as_seen(videos, name), gait_features)
    return np.concatenate(tables) - means[numbers], numbers


def compare(videos: VideoSet, describe: Callable[[PreparedVideo], np.ndarray]) -> np.ndarray:
    """Return what `describe` says of each video, relative to its reference walks where there are any."""
    return np.stack([describe(video) for video in videos.videos]) - _reference_means(videos, describe)


def _reference_means(videos: VideoSet, describe: Callable[[PreparedVideo], np.ndarray]) -> np.ndarray:
    """Return a row a video, the mean of what is known of its reference walks; 0 where there are none."""
    if not videos.references:
        return np.zeros((len(videos), 1))
    known = [np.ma.masked_invalid([describe(walk) for walk in walks]) for walks in videos.references]
    return np.stack([part.mean(axis=0).filled(np.nan) for part in known])


def predict_baseline(name: str, train: VideoSet, test: VideoSet, num_classes: int, seed: int) -> np.ndarray:
    """Fit a baseline to some videos; return its probabilities for others, shape (num_test, num_classes).

    `majority` gives the shares of the emotions in training, `speed_only` looks at the walking speed in body
    heights a second, `box_forest` at 13 features of the box around the walker, `background_only` at the scene
    with the walker painted out.
    """
    if name == "background_only":
        known, unknown = (np.stack([_describe_scene(one) for one in part.videos]) for part in (train, test))
    else:
        columns = slice(1 if name == "speed_only" else None)
        known, unknown = (compare(part, box_features)[:, columns] for part in (train, test))
    logistic = LogisticRegression(solver="newton-cholesky")
    classifiers = {
        "majority": DummyClassifier(strategy="prior"),
        "speed_only": make_pipeline(StandardScaler(), PolynomialFeatures(2), logistic),
    }
    classifier = classifiers.get(name, RandomForestClassifier(200, random_state=seed))
    return predict_classes(classifier.fit(known, train.labels), unknown, num_classes)


@lru_cache(1 << 15)
def _describe_scene(video: PreparedVideo) -> np.ndarray:
    """Return median grey levels in a grid of 16 by 16, (256,), 0 to 255, outside the walker's box."""
    step = max(1, len(video.track) // 60)
    thumbs = video.thumbs[::step].astype(np.float32)
    scale = np.array([video.meta["width"], video.meta["height"]]) / thumbs.shape[1]
    boxes = video.track[["left", "top", "width", "height"]].to_numpy(float)[::step]
    for thumb, box in zip(thumbs, boxes, strict=True):
        if np.isfinite(box).all():
            (left, top), (right, bottom) = box[:2] / scale - 1.5, (box[:2] + box[2:]) / scale + 1.5
            thumb[max(0, int(top)) : int(bottom) + 1, max(0, int(left)) : int(right) + 1] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of places that are hidden in all frames
        scene = np.nanmedian(thumbs, axis=0)
    scene = np.where(np.isnan(scene), np.nan_to_num(np.nanmean(scene)), scene)
    return cv2.resize(scene.astype(np.float32), (16, 16), interpolation=cv2.INTER_AREA).ravel()
