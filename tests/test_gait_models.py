"""Models that read gait features: what scikit-learn learnt is what the Keras layers answer."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from gaitlib.calibration import fit_temperature
from gaitlib.clips import prepare_video
from gaitlib.config import InputError, make_config
from gaitlib.evaluation import predict_videos
from gaitlib.folds import make_fit
from gaitlib.gait import MOTION_FEATURES, motion_features
from gaitlib.gait.classifiers import SOLVER
from gaitlib.gait_models import (
    INVERSE_PENALTY,
    MAX_LEAVES,
    NUM_TREES,
    fill_gaps,
    fit_gait_model,
    gait_inputs,
    reads_gait,
)
from gaitlib.judging import judge_fit
from gaitlib.models import build_model
from gaitlib.preparation import prepare_data
from gaitlib.rundata import load_data
from gaitlib.training import loss_and_accuracy, train_model


def with_gaps(num_videos: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(num_videos) % 3
    features = rng.normal(labels[:, None] * [1.0, 0.5, 0, 0, 0, 0], 1.0)
    features[:, 4] = 7.0  # never changes
    features[:, 5] = np.nan  # never known
    features[rng.random(features.shape) < 0.05] = np.nan
    return features, labels


def by_scikit(name: str, known: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Fit and ask scikit-learn directly, on features scaled by hand."""
    mean = np.nan_to_num(np.nanmean(np.where(np.isnan(known).all(axis=0), 0, known), axis=0))
    deviation = np.nanstd(np.where(np.isnan(known).all(axis=0), 0, known), axis=0)
    deviation[deviation < 1e-6] = 1.0
    scaled, others = ((np.where(np.isnan(part), mean, part) - mean) / deviation for part in (known, asked))
    kind = RandomForestClassifier if name == "gait_rf" else ExtraTreesClassifier
    forest = kind(NUM_TREES, max_leaf_nodes=MAX_LEAVES, random_state=0)
    says = forest.fit(scaled, labels).predict_proba(others)
    if name == "gait_rf":
        return says
    logistic = LogisticRegression(C=INVERSE_PENALTY, solver=SOLVER).fit(scaled, labels)
    return (says + logistic.predict_proba(others)) / 2


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:Degrees of freedom")
@pytest.mark.parametrize("name", ["gait_rf", "gait_ensemble"])
def test_layers_answer_as_scikit_learn_does_and_come_back_from_plain_files(name, tmp_path):
    (features, labels), (asked, _) = with_gaps(90, 1), with_gaps(60, 2)
    model = fit_gait_model(name, features, labels, 3, seed=0)
    assert reads_gait(model) and model.output_shape == (None, 3)
    answers = model.predict(fill_gaps(model, asked), verbose=0)
    expected = by_scikit(name, features, labels, asked)
    # A value next to a threshold may fall on its other side in single precision, in one tree of many.
    assert np.abs(answers - expected).mean() < 1e-4
    assert np.abs(answers - expected).max() < 0.02
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"model{suffix}")
        copy = keras.models.load_model(tmp_path / f"model{suffix}", compile=False, safe_mode=True)
        assert np.array_equal(copy.predict(fill_gaps(copy, asked), verbose=0), answers)


@pytest.mark.parametrize("name", ["gait_rf", "gait_ensemble"])
def test_rare_emotions_count_as_much_as_common_ones_if_wanted(name):
    rng = np.random.default_rng(0)
    labels = np.array([0] * 90 + [1] * 10)
    features, asked = (rng.normal(labels[:, None] * 0.8, 1.0, (100, 5)) for _ in range(2))
    found = []
    for weight in (None, "balanced"):
        model = fit_gait_model(name, features, labels, 2, 0, weight)
        found.append(float(model.predict(fill_gaps(model, asked), verbose=0)[:, 1].mean()))
    assert found[0] < found[1]


@pytest.mark.parametrize("settings", [{"pretrained": "a/model.keras"}, {"label_form": "soft"}])
def test_settings_that_a_gait_model_cannot_use_are_refused(trained, tiny_config, settings):
    clips = load_data(trained.folder).clip_set("train", tiny_config)
    config = tiny_config.model_copy(update={"model": "gait_rf", **settings})
    with pytest.raises(InputError, match=f"Model gait_rf cannot use the setting '{next(iter(settings))}'"):
        train_model(clips, clips, config, ("angry", "happy", "neutral", "sad"))


def test_two_classes_and_a_class_without_videos():
    features, labels = with_gaps(60, 3)
    two = fit_gait_model("gait_ensemble", features, np.minimum(labels, 1), 2, seed=0)
    says = two.predict(fill_gaps(two, features), verbose=0)
    assert np.allclose(says.sum(axis=1), 1, atol=1e-5)
    assert (says.argmax(axis=1) == np.minimum(labels, 1)).mean() > 0.8
    gap = fit_gait_model("gait_ensemble", features, np.where(labels == 1, 3, labels), 4, seed=0)
    says = gap.predict(fill_gaps(gap, features), verbose=0)
    assert np.allclose(says[:, 1], 0, atol=1e-6) and np.allclose(says.sum(axis=1), 1, atol=1e-5)


def test_shares_that_add_up_to_a_little_more_than_one_are_no_error():
    sure = np.array([[1.0000002, 0.0], [0.25, 0.75]], np.float32)
    loss, accuracy = loss_and_accuracy(sure, np.array([0, 0]))
    assert loss == pytest.approx(-np.log(0.25) / 2, abs=1e-6) and accuracy == 0.5


def test_pictures_are_no_input_for_a_gait_model():
    assert not reads_gait(build_model("cnn_lstm", 4, 32, 1, 2))


def test_motion_features_are_named_kept_and_differ_between_walks(demo_folders):
    paths = sorted(demo_folders[1].glob("*/*.mp4"))[:3]
    prepared_demo = [prepare_video(path, make_config()) for path in paths]
    features = motion_features(prepared_demo)
    assert features.shape == (len(prepared_demo), len(MOTION_FEATURES))
    assert len(set(MOTION_FEATURES)) == len(MOTION_FEATURES)
    assert np.isfinite(features).mean() > 0.9
    assert (prepared_demo[0].folder / "motion_1.npy").exists()
    assert np.array_equal(features, motion_features(prepared_demo), equal_nan=True)
    assert not np.allclose(features[0], features[1], equal_nan=True)


@pytest.mark.parametrize("training_walkers", [0, 2])
def test_temperature_is_that_of_a_model_fitted_alike_to_the_training_walkers(demo_folders, training_walkers):
    """With so few videos of some emotions, weights change how sure a forest is."""
    config = make_config(model="gait_rf", training_walkers=training_walkers, validation_fraction=0.4)
    data = prepare_data(*demo_folders, config)
    keep = (data.videos["split"] != "train") | (data.videos["emotion"] == "sad")
    keep |= ~data.videos.duplicated(["split", "emotion"])
    fit = make_fit(replace(data, videos=data.videos[keep].reset_index(drop=True)), 1, config.seed, config)
    train, validation = (fit.data.clip_set(split, config) for split in ("train", "validation"))
    temperatures = []
    for weight in ("balanced", None):
        probe = fit_gait_model("gait_rf", gait_inputs(train), train.labels, 4, config.seed, weight)
        temperatures.append(fit_temperature(predict_videos(probe, validation), validation.labels))
    model = train_model(train, validation, config, fit.data.emotions).model
    judged = judge_fit(model, fit, with_baselines=False, best_epoch=1).temperature
    assert judged == pytest.approx(temperatures[0], rel=1e-6)
    assert judged != pytest.approx(temperatures[1], rel=1e-3)
