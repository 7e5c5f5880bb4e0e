"""What a score must beat: guessing, the commonest emotion, speed alone, the outline's box alone."""

import warnings
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from gaitlib.clips import PreparedVideo
from gaitlib.gait import gait_features, make_gait_forest, make_gait_logistic

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
# Bounds rather than rivals: nothing that sees the videos can be expected to beat them.
CEILINGS = ("rater_ceiling", "oracle")
_NUM_TREES = 300


def predict_baselines(
    train: Sequence[PreparedVideo],
    train_labels: np.ndarray,
    test: Sequence[PreparedVideo],
    seed: int,
) -> dict[str, np.ndarray]:
    """Fit the baselines on training videos and predict the test videos.

    Everything that is fitted (scaling and filling of gaps too) is fitted on the training videos alone.

    Parameters
    ----------
    train, test : sequence of PreparedVideo
    train_labels : ndarray of shape (num_train,), int
    seed : int

    Returns
    -------
    dict of str to ndarray of shape (num_test,), int
        The predicted class by name of the baseline. Chance is not predicted but known, see
        `chance_accuracy`.
    """
    speed = make_pipeline(StandardScaler(), PolynomialFeatures(2), LogisticRegression(max_iter=1000))
    box = _features(box_features, train, test)
    gait = [gait_features(train), gait_features(test)]
    fits = {
        "speed_only": (speed, [part[:, :1] for part in box]),
        "background_only": (make_forest(seed), _features(scene_features, train, test)),
        "box_forest": (make_forest(seed), box),
        "gait_logistic": (make_gait_logistic(seed), gait),
        "gait_forest": (make_gait_forest(seed), gait),
    }
    guesses = {"majority": np.full(len(test), np.bincount(train_labels).argmax())}
    for name, (classifier, (known, unknown)) in fits.items():
        guesses[name] = classifier.fit(known, train_labels).predict(unknown)
    return guesses


def make_forest(seed: int) -> RandomForestClassifier:
    """Return the random forest that all baselines of that name use; it copes with missing values."""
    return RandomForestClassifier(_NUM_TREES, random_state=seed)


def _features(
    describe: Callable[[PreparedVideo], np.ndarray],
    train: Sequence[PreparedVideo],
    test: Sequence[PreparedVideo],
) -> list[np.ndarray]:
    return [np.stack([describe(video) for video in videos]) for videos in (train, test)]


def chance_accuracy(num_classes: int, num_videos: int, num_resamples: int, seed: int) -> dict[str, object]:
    """Return the accuracy of guessing, and the range in which 95 % of guessers of this test end."""
    guesses = np.random.default_rng(seed).binomial(num_videos, 1 / num_classes, max(num_resamples, 1000))
    low, high = np.quantile(guesses / num_videos, (0.025, 0.975))
    return {"accuracy": 1 / num_classes, "accuracy_ci95": [float(low), float(high)]}


def box_features(video: PreparedVideo) -> np.ndarray:
    """Describe a walk by the box around the walker, first of all by its speed.

    Returns
    -------
    ndarray of shape (13,), float
        Median speed (body heights a second); mean, standard deviation, 10th and 90th percentile of
        width over height; standard deviation of the centre's height about its path, of the height and
        of the height's change (all in body heights); cadence (Hz) and its strength from the
        autocorrelation of the width; change of the width; 90th percentile and standard deviation of
        the speed. Zeros where no box was found.
    """
    track = video.track
    track = track[(track["segment"] >= 0) & track["height"].notna()]
    if len(track) < 5:
        return np.zeros(13)
    height = track["square_side"].to_numpy()
    width = (track["width"] / height).to_numpy()
    top_to_path = ((track["top"] + track["height"] / 2 - track["square_y"]) / height).to_numpy()
    tall = (track["height"] / height).to_numpy()
    speed = track["speed_heights_per_s"].to_numpy()
    rate_hz = 1 / float(np.median(np.diff(track["time_seconds"])))
    cadence_hz, strength = _cadence(pd.Series(width), rate_hz)
    return np.array(
        [
            np.median(speed),
            *(width.mean(), width.std(), *np.quantile(width, (0.1, 0.9))),
            *(top_to_path.std(), tall.std(), np.diff(tall).std()),
            *(cadence_hz, strength, np.abs(np.diff(width)).mean()),
            *(np.quantile(speed, 0.9), speed.std()),
        ]
    )


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


def _cadence(width: pd.Series, rate_hz: float) -> tuple[float, float]:
    """Return steps a second and how regular they are (0 to 1): the box is widest once a step."""
    lags = np.arange(max(2, round(0.3 * rate_hz)), min(round(1.3 * rate_hz), len(width) // 2) + 1)
    if not len(lags):
        return 0.0, 0.0
    correlation = np.nan_to_num([width.autocorr(int(lag)) for lag in lags])
    best = int(np.argmax(correlation))
    return rate_hz / lags[best], float(correlation[best])
