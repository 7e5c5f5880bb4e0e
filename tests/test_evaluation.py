"""Scores, intervals and baselines, held against scikit-learn and closed forms."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics

from gaitlib.baselines import chance_accuracy, predict_baselines, scene_features
from gaitlib.batches import evaluation_batches, make_clip_set
from gaitlib.clips import prepare_video
from gaitlib.evaluation import (
    Predictions,
    accuracy_with_interval,
    predict_videos,
    score,
    score_by_walker,
)
from gaitlib.gait import box_features
from gaitlib.prepared import PreparedVideo
from gaitlib.saving import load_model
from gaitlib.walker.shape import SHAPE_NAMES

EMOTIONS = ("angry", "happy", "sad")


def random_predictions(seed: int, num_walkers: int = 12, right: float = 0.5) -> Predictions:
    """Draw predictions in which every class occurs."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(3), rng.choice(3, 69, p=(0.5, 0.3, 0.2))])
    predicted = np.where(rng.random(72) < right, labels, rng.integers(0, 3, 72))
    walkers = np.array([f"w{number % num_walkers}" for number in range(72)])
    return Predictions(labels, predicted, walkers)


def scored(predictions: Predictions, num_resamples: int = 500, seed: int = 0) -> dict:
    """Score with the settings of these tests."""
    return score(predictions, EMOTIONS, num_resamples, seed)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_agree_with_scikit_learn(seed):
    predictions = random_predictions(seed)
    true, said = predictions.labels, predictions.predicted
    result = scored(predictions, 100)
    assert result["accuracy"] == pytest.approx(metrics.accuracy_score(true, said))
    assert result["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(true, said))
    rows = metrics.precision_recall_fscore_support(true, said, zero_division=0)
    macro = metrics.precision_recall_fscore_support(true, said, average="macro", zero_division=0)
    for name, value in zip(("precision", "recall", "f1"), macro, strict=False):
        assert result[f"macro_{name}"] == pytest.approx(value)
    for place, emotion in enumerate(EMOTIONS):
        entry = result["per_class"][emotion]
        found = [entry[name] for name in ("precision", "recall", "f1", "num_videos")]
        assert found == pytest.approx([row[place] for row in rows])
    assert result["confusion_matrix"] == metrics.confusion_matrix(true, said).tolist()
    assert (result["num_videos"], result["num_walkers"]) == (72, 12)
    assert result["labels"] == list(EMOTIONS)


def test_class_that_is_never_predicted_has_precision_zero():
    labels = np.array([0, 1, 2, 0, 1, 2])
    result = scored(Predictions(labels, np.zeros(6, int), np.array(list("aabbcc"))), 100)
    assert result["per_class"]["sad"]["precision"] == 0
    assert result["macro_precision"] == pytest.approx(1 / 9)


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "macro_f1"])
def test_interval_contains_the_value(name):
    result = scored(random_predictions(0))
    low, high = result[f"{name}_ci95"]
    assert 0 <= low < result[name] < high <= 1


def test_interval_of_independent_videos_is_that_of_the_binomial():
    """One video a walker: the bootstrap must come near the closed form."""
    labels = np.zeros(200, int)
    predicted = np.where(np.arange(200) < 140, 0, 1)
    walkers = np.arange(200).astype(str)
    entry = accuracy_with_interval(Predictions(labels, predicted, walkers), 2000, 0)
    half_width = 1.96 * np.sqrt(0.7 * 0.3 / 200)
    assert entry["accuracy"] == pytest.approx(0.7)
    assert entry["accuracy_ci95"] == pytest.approx([0.7 - half_width, 0.7 + half_width], abs=0.015)


def test_interval_is_wider_where_the_videos_of_a_walker_agree():
    labels = np.zeros(80, int)
    walkers = np.repeat(np.arange(10), 8).astype(str)
    agreeing = np.repeat([0, 1], 40)
    mixed = np.tile([0, 1], 40)

    def width(predicted: np.ndarray) -> float:
        low, high = accuracy_with_interval(Predictions(labels, predicted, walkers), 1000, 0)["accuracy_ci95"]
        return high - low

    assert width(agreeing) > 0.5
    scattered = np.random.default_rng(0).permutation(mixed)
    assert width(scattered) < 0.6 * width(agreeing)


@pytest.mark.parametrize(("num_walkers", "num_right"), [(8, 8), (8, 0)])
def test_all_right_or_all_wrong_is_not_certainty(num_walkers, num_right):
    labels = np.repeat(np.arange(2), num_walkers)
    walkers = np.tile(np.arange(num_walkers), 2).astype(str)
    predicted = labels if num_right else 1 - labels
    low, high = accuracy_with_interval(Predictions(labels, predicted, walkers), 200, 0)["accuracy_ci95"]
    exact = stats.binomtest(num_right, num_walkers).proportion_ci()
    assert (low, high) == pytest.approx((exact.low, exact.high))
    assert high - low > 0.3


def test_walkers_who_score_alike_are_not_certainty():
    """Two walkers with a quarter right each: no resample differs, but little is known."""
    predictions = Predictions(np.zeros(8, int), np.tile([0, 1, 1, 1], 2), np.repeat(["a", "b"], 4))
    low, high = accuracy_with_interval(predictions, 200, 0)["accuracy_ci95"]
    assert low < 0.25 < high


def test_single_walker_gives_an_interval_all_the_same():
    predictions = Predictions(np.array([0, 1]), np.array([0, 0]), np.array(["a", "a"]))
    low, high = accuracy_with_interval(predictions, 200, 0)["accuracy_ci95"]
    assert low < 0.5 < high


def test_the_seed_decides_the_interval():
    predictions = random_predictions(3)
    assert scored(predictions, seed=1) == scored(predictions, seed=1)
    assert scored(predictions, seed=1) != scored(predictions, seed=2)


def test_walkers_come_worst_first():
    predictions = Predictions(np.zeros(5, int), np.array([0, 0, 1, 0, 1]), np.array(list("aabbc")))
    expected = {"walker": ["c", "b", "a"], "num_videos": [1, 2, 2], "accuracy": [0.0, 0.5, 1.0]}
    pd.testing.assert_frame_equal(score_by_walker(predictions), pd.DataFrame(expected), check_dtype=False)


def test_video_is_the_mean_of_its_clips(trained, demo_folders, tiny_config):
    model, _ = load_model(trained.folder / "model.keras")
    videos = [prepare_video(path, tiny_config) for path in sorted(demo_folders[1].glob("*/*.mp4"))]
    clips = make_clip_set(videos, np.zeros(len(videos), int), tiny_config)
    by_clip = model.predict(evaluation_batches(clips), verbose=0)
    by_video = predict_videos(model, clips)
    assert np.allclose(by_video.sum(axis=1), 1)
    for number in range(len(videos)):
        expected = by_clip[clips.video_numbers == number].mean(axis=0)
        assert np.allclose(by_video[number], expected, atol=1e-6)


class KnownTrack(PreparedVideo):
    """Stands for a video whose walker was followed: swinging box, steady speed."""

    def __init__(self, speed: float, cadence_hz: float = 1.8, seed: int = 0, num_pictures: int = 60) -> None:
        super().__init__(None, "")
        rng = np.random.default_rng(seed)
        seconds = np.arange(num_pictures) / 15
        width = 40 + 15 * np.cos(2 * np.pi * cadence_hz * seconds) + rng.normal(0, 1, num_pictures)
        columns = {
            "time_seconds": seconds,
            "left": 100 - width / 2,
            "top": 20.0,
            "width": width,
            "height": 100.0,
            "square_x": 100.0,
            "square_y": 70.0,
            "square_side": 125.0,
            "speed_heights_per_s": speed + rng.normal(0, 0.01, num_pictures),
            "picture": np.arange(num_pictures),
            "segment": 0,
        }
        shapes = {f"shape_{name}": np.nan for name in SHAPE_NAMES}
        self.__dict__["track"] = pd.DataFrame({**columns, **shapes})
        self.__dict__["meta"] = {"frame_shape": [240, 320], "methods": ["background"]}

    thumbs = np.full((60, 32, 32), 128, np.uint8)


def test_box_features_find_speed_and_cadence():
    features = box_features(KnownTrack(0.7, cadence_hz=1.875))
    assert features.shape == (13,)
    assert features[0] == pytest.approx(0.7, abs=0.01)
    assert np.abs(features - 1.875).min() < 0.01
    assert np.isfinite(features).all()


def test_too_short_track_has_features_all_the_same():
    assert box_features(KnownTrack(0.7, num_pictures=3)).tolist() == [0.0] * 13


def test_speed_alone_tells_separable_speeds_apart():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 12)
    videos = [KnownTrack(0.3 + 0.3 * label + rng.normal(0, 0.02), seed=n) for n, label in enumerate(labels)]
    test_labels = np.repeat([2, 0, 1], 4)
    tests = [KnownTrack(0.3 + 0.3 * label, seed=90 + n) for n, label in enumerate(test_labels)]
    guesses = predict_baselines(videos, labels, tests, seed=0)
    assert guesses["speed_only"].tolist() == test_labels.tolist()
    assert (guesses["box_forest"] == test_labels).mean() > 0.9


def test_speed_alone_fails_where_speeds_are_alike():
    rng = np.random.default_rng(1)
    labels = np.tile([0, 1, 2, 3], 10)
    videos = [KnownTrack(rng.normal(0.6, 0.1), seed=n) for n in range(40)]
    tests = [KnownTrack(rng.normal(0.6, 0.1), seed=90 + n) for n in range(40)]
    assert (predict_baselines(videos, labels, tests, 0)["speed_only"] == labels).mean() < 0.5


class KnownScene(KnownTrack):
    """Stands for a video of a scene of one grey, in which a bright walker crosses."""

    def __init__(self, grey: int, walker_grey: int) -> None:
        super().__init__(0.5)
        self.__dict__["thumbs"] = np.full((60, 32, 32), grey, np.uint8)
        for number, thumb in enumerate(self.thumbs):
            left = 5 + number * 0.35
            thumb[3:16, int(left) : int(left) + 5] = walker_grey
            self.__dict__["track"].loc[number, "left"] = left * 10
        self.__dict__["track"]["width"] = 50.0


def test_scene_features_see_the_scene_and_not_the_walker():
    dark, light, other_walker = KnownScene(60, 255), KnownScene(120, 255), KnownScene(60, 0)
    assert scene_features(dark).shape == (256,)
    assert np.allclose(scene_features(dark), 60) and np.allclose(scene_features(light), 120)
    assert np.array_equal(scene_features(dark), scene_features(other_walker))


def test_scene_that_gives_the_emotion_away_is_found_out():
    labels = np.tile([0, 1], 12)
    videos = [KnownScene(60 + 40 * label, 200) for label in labels]
    guesses = predict_baselines(videos, labels, videos[:6], 0)
    assert guesses["background_only"].tolist() == labels[:6].tolist()


def test_majority_is_that_of_the_training_videos():
    videos = [KnownTrack(0.5, seed=n) for n in range(7)]
    guesses = predict_baselines(videos, np.array([0, 1, 1, 2, 1, 0, 2]), videos[:3], seed=0)
    assert guesses["majority"].tolist() == [1, 1, 1]


def test_chance_is_one_in_so_many_with_the_spread_of_guessers():
    entry = chance_accuracy(4, 100)
    guesses = np.random.default_rng(0).binomial(100, 0.25, 50_000) / 100
    low, high = entry["accuracy_ci95"]
    assert entry["accuracy"] == 0.25
    assert ((guesses >= low) & (guesses <= high)).mean() >= 0.945
    assert ((guesses > low) & (guesses < high)).mean() < 0.95
