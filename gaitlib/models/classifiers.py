"""Gait classifiers and baselines, and what they read; where a run compares walks, so do both."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from gaitlib.clips import PreparedVideo
from gaitlib.data import VideoSet
from gaitlib.gait.measuring import BANDS_HZ, GAIT_PARAMETERS, SHAPES, SPECTRA, measure_bout

BASELINES = ("majority", "speed_only", "box_forest", "background_only")
# The ensemble that reads each walk by itself, also where a run compares walks.
ALONE = "gait_alone"
_FOREST = {"n_estimators": 200, "min_samples_leaf": 2}
# Few videos and parameters that go together (speed, cadence, step length) ask for strong regularisation.
_INVERSE_PENALTY = 0.1
# Few features with a physical meaning: what gait classifiers read of a walk.
_FROM_KEYPOINTS = (
    *("speed_legs_per_s", "cadence_steps_per_min", "bounce_legs", "arm_abduction_deg", "hand_height_legs"),
    *("hand_travel_legs", "foot_clearance_legs", "trunk_lean_deg", "head_pitch_deg"),
)
# Sizes are read as logarithms: relative to a reference they are ratios.
_LOGARITHMS = {*_FROM_KEYPOINTS[:3], "hand_travel_legs", "foot_clearance_legs"}
_FROM_SILHOUETTES = (
    *("speed_legs_per_s", "cadence_steps_per_min", "head_forward_legs"),
    *(*(f"{name}_heights" for name in SHAPES), "centre_of_mass_heights"),
    *(f"{group}_{band}" for group in SPECTRA for band in BANDS_HZ),
)
# The family of what is read of outlines alone, by the first word of its name.
_FAMILIES = {"vertical": "bounce", "arms": "arms", "legs": "legs", "outline": "arms", "shoulders": "arms"}
_FAMILIES |= {"hips": "arms", "hull": "posture", "centre": "posture"}


def fit_classifier(name: str, features: np.ndarray, shares: np.ndarray, seed: int) -> Pipeline:
    """Fit a gait classifier: the median for what is missing, standardised, then the classifier itself.

    `features`, (num_videos, num_features), are NaN where unknown; `shares`, (num_videos, num_classes), say
    how much each video shows each emotion, and sum to 1. Emotions count by their videos: weights by rarity
    cost more accuracy than they gain.
    """
    # Newton's method takes a handful of steps for so few weights, whatever the number of BLAS threads.
    logistic = LogisticRegression(C=_INVERSE_PENALTY, solver="newton-cholesky")
    # They err on different videos. Extremely randomised trees: Geurts et al. 2006, Machine Learning 63.
    trees = ExtraTreesClassifier(**_FOREST, random_state=seed)
    ensemble = VotingClassifier([("trees", trees), ("logistic", logistic)], voting="soft")
    forest = RandomForestClassifier(**_FOREST, random_state=seed)
    classifier = {"gait_logistic": logistic, "gait_forest": forest}.get(name, ensemble)
    # A parameter that no training video shows stays in place, so that columns keep their meaning.
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    pipeline = make_pipeline(imputer, StandardScaler(), classifier)
    rows, labels = np.nonzero(shares > 0)
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


def gait_feature_names(body: str) -> tuple[str, ...]:
    """Return the names of the features, in the order of `gait_features`."""
    return _FROM_KEYPOINTS if body == "keypoints" else _FROM_SILHOUETTES


def feature_families(body: str) -> dict[str, list[int]]:
    """Return the places of the features of each family: speed, rhythm, bounce, arms, legs, posture."""
    families: dict[str, list[int]] = {}
    for place, name in enumerate(gait_feature_names(body)):
        family = GAIT_PARAMETERS["family"].get(name) or _FAMILIES[name.split("_")[0]]
        families.setdefault(family, []).append(place)
    return families


@lru_cache(1 << 15)
def gait_features(video: PreparedVideo) -> np.ndarray:
    """Return the features of a video, (num_features,): means over bouts, weighted by length; NaN: unknown."""
    values = np.ma.masked_invalid(bout_features(video))
    seconds = [bout.distinct_seconds for bout in video.own_bouts]
    return np.ma.filled(np.ma.average(values, axis=0, weights=seconds), np.nan)


def bout_features(video: PreparedVideo) -> np.ndarray:
    """Return the features of each bout of a video, of shape (num_bouts, num_features), float."""
    measured = [measure_bout(video, bout) for bout in video.own_bouts]
    table = pd.DataFrame(measured, columns=list(gait_feature_names(video.meta["body"])), dtype=float)
    sizes = table.columns.isin(_LOGARITHMS)
    table.loc[:, sizes] = np.log(table.loc[:, sizes].clip(lower=1e-6))
    return table.replace([np.inf, -np.inf], np.nan).to_numpy()


def gait_inputs(videos: VideoSet, name: str) -> np.ndarray:
    """Return what a gait classifier reads, shape (num_videos, num_features); NaN where unknown."""
    return compare(replace(videos, references=()) if name == ALONE else videos, gait_features)


def bout_inputs(videos: VideoSet, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the same for each walking bout, and the number of its video, of shape (num_bouts,), int."""
    tables = [bout_features(video) for video in videos.videos]
    numbers = np.repeat(np.arange(len(videos)), [len(table) for table in tables])
    means = 0.0 if name == ALONE else _reference_means(videos, gait_features)[numbers]
    return np.concatenate(tables) - means, numbers


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
def box_features(video: PreparedVideo) -> np.ndarray:
    """Describe a walk by the box around the walker: the least that any classifier should make use of.

    Returns 13 numbers: median speed (body heights per second); mean, SD, 10th and 90th percentile of width
    over height; SD of the centre's height about its path, of the height and of its change (body heights);
    cadence (Hz) and its strength from the autocorrelation of the width; mean change of the width; 90th
    percentile and SD of the speed. Zeros where no box was found.
    """
    track = video.track[(video.track["bout"] >= 0) & video.track["height"].notna()]
    if len(track) < 5:
        return np.zeros(13)
    body = track["square_side"].to_numpy(float)
    width, tall = track["width"].to_numpy(float) / body, track["height"].to_numpy(float) / body
    sway = (track["top"] + track["height"] / 2 - track["square_y"]).to_numpy(float) / body
    speed = track["speed_heights_per_s"].to_numpy(float)
    features = [
        np.median(speed),
        *(width.mean(), width.std(), *np.quantile(width, (0.1, 0.9))),
        *(sway.std(), tall.std(), np.diff(tall).std()),
        *_box_cadence(width, video.meta["frame_rate_hz"]),
        *(np.abs(np.diff(width)).mean(), np.quantile(speed, 0.9), speed.std()),
    ]
    return np.nan_to_num(np.array(features))


def _box_cadence(width: np.ndarray, rate_hz: float) -> tuple[float, float]:
    """Return steps per second and how regular they are: the box is widest once a step."""
    lags = np.arange(max(2, round(0.3 * rate_hz)), min(round(1.3 * rate_hz), len(width) // 2) + 1)
    if not len(lags) or width.std() == 0:
        return 0.0, 0.0
    with np.errstate(invalid="ignore"):  # where the width stays the same for a while
        correlation = np.nan_to_num([np.corrcoef(width[lag:], width[:-lag])[0, 1] for lag in lags])
    best = int(np.argmax(correlation))
    return rate_hz / lags[best], float(correlation[best])


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
