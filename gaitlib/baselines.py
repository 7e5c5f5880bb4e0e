"""What a score must beat: guessing, the commonest emotion, speed alone, the outline's box alone."""

import warnings
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from scipy.stats import binom
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from gaitlib.gait import box_features, gait_features, make_gait_forest, make_gait_logistic
from gaitlib.gait.classifiers import SOLVER
from gaitlib.prepared import PreparedVideo
from gaitlib.relative import Beside, relative_features

# What each baseline is, in words for the report.
BASELINES = {
    "chance": "guessing each emotion equally often",
    "majority": "always the commonest emotion of the training videos",
    "speed_only": "walking speed alone, in body heights a second (logistic regression)",
    "background_only": "the scene alone, the walker painted out (random forest)",
    "box_forest": "13 features of the box around the walker (random forest)",
    "gait_logistic": "gait features such as cadence, lean and bounce (logistic regression)",
    "gait_forest": "the same gait features (random forest)",
    "rater_ceiling": "a person who rated the videos, against the other raters",
    "oracle": "the true parameters from which the synthetic walkers were drawn (random forest)",
}
_NUM_TREES = 300


def predict_baselines(
    train: Sequence[PreparedVideo],
    train_labels: np.ndarray,
    test: Sequence[PreparedVideo],
    seed: int,
    beside: tuple[Beside, Beside] | None = None,
) -> dict[str, np.ndarray]:
    """Fit the baselines on training videos and predict the test videos.

    Everything that is fitted (scaling and filling of gaps too) is fitted on the training videos alone.
    Where the model compares walks, so do the baselines: what a comparison is worth by itself must not
    pass for the model's merit.

    Parameters
    ----------
    train, test : sequence of PreparedVideo
    train_labels : ndarray of shape (num_train,), int
    seed : int
    beside : pair of Beside, optional
        What the training videos, and the test videos, are compared with.

    Returns
    -------
    dict of str to ndarray of shape (num_test,), int
        The predicted class by name of the baseline. Chance is not predicted but known, see
        `chance_accuracy`.
    """
    speed = make_pipeline(StandardScaler(), PolynomialFeatures(2), LogisticRegression(solver=SOLVER))
    box, gait = (_compared(describe, (train, test), beside) for describe in (describe_boxes, gait_features))
    fits = {
        "speed_only": (speed, [part[:, :1] for part in box]),
        "background_only": (make_forest(seed), [describe_scenes(part) for part in (train, test)]),
        "box_forest": (make_forest(seed), box),
        "gait_logistic": (make_gait_logistic(), gait),
        "gait_forest": (make_gait_forest(seed), gait),
    }
    guesses = {"majority": np.full(len(test), np.bincount(train_labels).argmax())}
    for name, (classifier, (known, unknown)) in fits.items():
        guesses[name] = classifier.fit(known, train_labels).predict(unknown)
    return guesses


def make_forest(seed: int) -> RandomForestClassifier:
    """Return the random forest that all baselines of that name use; it copes with missing values."""
    return RandomForestClassifier(_NUM_TREES, random_state=seed)


def describe_boxes(videos: Sequence[PreparedVideo]) -> np.ndarray:
    """Return `box_features` of videos, shape (num_videos, 13)."""
    return np.stack([box_features(video) for video in videos])


def describe_scenes(videos: Sequence[PreparedVideo]) -> np.ndarray:
    """Return `scene_features` of videos, shape (num_videos, 256)."""
    return np.stack([scene_features(video) for video in videos])


def _compared(
    describe: Callable[[Sequence[PreparedVideo]], np.ndarray],
    parts: Sequence[Sequence[PreparedVideo]],
    beside: tuple[Beside, Beside] | None,
) -> list[np.ndarray]:
    features = [describe(part) for part in parts]
    if beside is None:
        return features
    return [
        relative_features(part, describe(other.videos), other.places)
        for part, other in zip(features, beside, strict=True)
    ]


def chance_accuracy(num_classes: int, num_videos: int) -> dict[str, object]:
    """Return the accuracy of guessing, and the range in which 95 % of guessers of this test end."""
    low, high = binom.interval(0.95, num_videos, 1 / num_classes)
    return {"accuracy": 1 / num_classes, "accuracy_ci95": [float(low) / num_videos, float(high) / num_videos]}


def scene_features(video: PreparedVideo) -> np.ndarray:
    """Describe the scene without the walker: its mean grey levels in a grid of 16 by 16.

    The walker's box, with a margin, is painted out of each picture before the median over time.

    Returns
    -------
    ndarray of shape (256,), float
        0 to 255.
    """
    step = max(1, len(video.track) // 60)
    thumbs = video.thumbs[::step].astype(np.float32)
    scale = np.array(video.meta["frame_shape"][::-1], float) / thumbs.shape[1]
    boxes = video.track[["left", "top", "width", "height"]].to_numpy(float)[::step]
    for thumb, box in zip(thumbs, boxes, strict=True):
        if not np.isnan(box).any():
            (left, top), (right, bottom) = box[:2] / scale - 1.5, (box[:2] + box[2:]) / scale + 1.5
            thumb[max(0, int(top)) : int(bottom) + 1, max(0, int(left)) : int(right) + 1] = np.nan
    with warnings.catch_warnings():
        # Places that the walker never leaves have no scene to tell; they get the mean of the rest.
        warnings.simplefilter("ignore", RuntimeWarning)
        scene = np.nanmedian(thumbs, axis=0)
        scene = np.where(np.isnan(scene), np.nan_to_num(np.nanmean(scene)), scene)
    return cv2.resize(scene.astype(np.float32), (16, 16), interpolation=cv2.INTER_AREA).ravel()
