"""What a score must beat: guessing, the commonest emotion, speed alone, the outline's box alone."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from gaitlib.clips import PreparedVideo

# What each baseline is, in words for the report.
BASELINES = {
    "chance": "guessing each emotion equally often",
    "majority": "always the commonest emotion of the training videos",
    "speed_only": "walking speed alone, in body heights a second (logistic regression)",
    "box_forest": "13 features of the box around the walker (random forest)",
}


def predict_baselines(
    train: Sequence[PreparedVideo],
    train_labels: np.ndarray,
    test: Sequence[PreparedVideo],
    seed: int,
) -> dict[str, np.ndarray]:
    """Fit the baselines on training videos and predict the test videos.

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
    train_features = np.stack([box_features(video) for video in train])
    test_features = np.stack([box_features(video) for video in test])
    speed = make_pipeline(StandardScaler(), PolynomialFeatures(2), LogisticRegression(max_iter=1000))
    speed.fit(train_features[:, :1], train_labels)
    forest = RandomForestClassifier(300, random_state=seed).fit(train_features, train_labels)
    majority = np.bincount(train_labels).argmax()
    return {
        "majority": np.full(len(test), majority),
        "speed_only": speed.predict(test_features[:, :1]),
        "box_forest": forest.predict(test_features),
    }


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


def _cadence(width: pd.Series, rate_hz: float) -> tuple[float, float]:
    """Return steps a second and how regular they are (0 to 1): the box is widest once a step."""
    lags = np.arange(max(2, round(0.3 * rate_hz)), min(round(1.3 * rate_hz), len(width) // 2) + 1)
    if not len(lags):
        return 0.0, 0.0
    correlation = np.nan_to_num([width.autocorr(int(lag)) for lag in lags])
    best = int(np.argmax(correlation))
    return rate_hz / lags[best], float(correlation[best])
