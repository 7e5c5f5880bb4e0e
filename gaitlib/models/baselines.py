"""Baseline classifiers: what any model must beat, fitted on the training videos alone.

Each takes training videos, test videos, the number of classes and a seed, and returns probabilities of shape
(num_test, num_classes). Where a run compares walks, so do the baselines: what the comparison is worth by
itself must not pass for the model's merit.
"""

import warnings
from collections.abc import Callable

import cv2
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from gaitlib.clips import PreparedVideo
from gaitlib.data import VideoSet
from gaitlib.gait import box_features
from gaitlib.models.classifiers import compare, describe_each, predict_classes

_NUM_TREES = 200


def majority(train: VideoSet, test: VideoSet, num_classes: int, seed: int) -> np.ndarray:
    """Answer with the shares of the emotions in the training videos: the commonest always wins."""
    return np.tile(np.bincount(train.labels, minlength=num_classes) / len(train), (len(test), 1))


def speed_only(train: VideoSet, test: VideoSet, num_classes: int, seed: int) -> np.ndarray:
    """Look at walking speed alone, in body heights a second (logistic regression)."""
    logistic = LogisticRegression(solver="newton-cholesky")
    speed = make_pipeline(StandardScaler(), PolynomialFeatures(2), logistic)
    speed.fit(_boxes(train)[:, :1], train.labels)
    return predict_classes(speed, _boxes(test)[:, :1], num_classes)


def box_forest(train: VideoSet, test: VideoSet, num_classes: int, seed: int) -> np.ndarray:
    """Look at 13 features of the box around the walker (random forest)."""
    return _ask_forest(_boxes, train, test, num_classes, seed)


def background_only(train: VideoSet, test: VideoSet, num_classes: int, seed: int) -> np.ndarray:
    """Look at the scene with the walker painted out (random forest)."""
    return _ask_forest(_scenes, train, test, num_classes, seed)


BASELINES = {baseline.__name__: baseline for baseline in (majority, speed_only, box_forest, background_only)}


def _ask_forest(
    describe: Callable[[VideoSet], np.ndarray], train: VideoSet, test: VideoSet, num_classes: int, seed: int
) -> np.ndarray:
    forest = RandomForestClassifier(_NUM_TREES, random_state=seed).fit(describe(train), train.labels)
    return predict_classes(forest, describe(test), num_classes)


def _boxes(videos: VideoSet) -> np.ndarray:
    return compare(videos, box_features)


def _scenes(videos: VideoSet) -> np.ndarray:
    return np.stack(describe_each(videos.videos, scene_features))


def scene_features(video: PreparedVideo) -> np.ndarray:
    """Describe the scene without the walker: median grey levels in a grid of 16 by 16, (256,), 0 to 255.

    The walker's box, with a margin, is left out of each frame; what stays hidden gets the mean of the rest.
    """
    step = max(1, len(video.track) // 60)
    thumbs = video.thumbs[::step].astype(np.float32)
    size_px = np.array([video.meta["width"], video.meta["height"]])
    scale = size_px * min(1.0, 960 / size_px.max()) / thumbs.shape[1]  # boxes count in frames of 960 pixels
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
