"""One fit: the same after a kill, the same in another process."""

import json
import os
import shutil
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from commands import kill_hard, run_python, start_python, wait_until
from dropout_model import build_dropout_model

from gaitlib.backend import load_keras
from gaitlib.batches import evaluation_batches
from gaitlib.callbacks import EpochDraws, generator_states
from gaitlib.config import InputError
from gaitlib.fast_layers import FAST_LAYERS, PooledConv3D, ProjectedLSTM, training_twin
from gaitlib.models import MODEL_NAMES, build_model
from gaitlib.preparation import prepare_data
from gaitlib.rundata import load_data
from gaitlib.saving import load_model, model_card, read_history, save_history, save_model
from gaitlib.training import build_for, class_weights, compile_for, train_model

TRAIN = """
import json, sys
sys.path.insert(0, "tests")
from dropout_model import use_dropout_model
from pathlib import Path
from gaitlib.config import make_config
from gaitlib.rundata import load_data
from gaitlib.training import train_model
config = make_config(**json.loads(sys.argv[2]))
if config.model == "dropout":
    use_dropout_model()
data = load_data(Path(sys.argv[1]))
train, validation = (data.clip_set(split, config) for split in ("train", "validation"))
train_model(train, validation, config, data.emotions)
"""

# Plain Keras, without gaitlib.
PREDICT = """
import os, sys
os.environ["KERAS_BACKEND"] = "tensorflow"
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1], compile=False)
np.save(sys.argv[3], model.predict(np.load(sys.argv[2]), verbose=0))
"""


@pytest.fixture(scope="module")
def run_dir(demo_folders, tiny_config, tmp_path_factory):
    """Return a run folder with prepared videos."""
    folder = tmp_path_factory.mktemp("run")
    prepare_data(*demo_folders, tiny_config).save(folder)
    return folder


@pytest.fixture(scope="module")
def clip_sets(run_dir, tiny_config):
    """Return training and validation clips."""
    data = load_data(run_dir)
    return [data.clip_set(split, tiny_config) for split in ("train", "validation")]


@pytest.fixture(scope="module")
def emotions(run_dir):
    """Return the class names."""
    return load_data(run_dir).emotions


@pytest.fixture(scope="module")
def long_config(tiny_config):
    """Return settings of a training that is long enough to be killed."""
    return tiny_config.model_copy(update={"epochs": 8, "learning_rate": 0.003, "patience": 4})


@pytest.fixture(scope="module")
def straight(clip_sets, emotions, long_config):
    """Train without any disturbance."""
    return train_model(*clip_sets, long_config, emotions)


def test_history_has_a_row_an_epoch(straight):
    columns = {"epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    assert set(straight.history) >= columns
    assert straight.history["epoch"].tolist() == list(range(1, len(straight.history) + 1))
    assert np.isfinite(straight.history).all(axis=None)
    assert straight.resumed_epoch == 0


def test_best_epoch_is_the_one_that_is_kept(straight, clip_sets):
    losses = straight.history["val_loss"]
    assert straight.best_epoch == int(losses.idxmin()) + 1
    loss, _ = straight.model.evaluate(evaluation_batches(clip_sets[1]), verbose=0)
    assert loss == pytest.approx(losses.min(), rel=1e-5)


def test_finished_training_keeps_its_best_weights_only(straight, session_cache):
    kept = {path.name[:5] for path in (session_cache / "training").rglob("*") if path.is_file()}
    assert kept == {"best_", "state"}


def test_same_seed_same_training(straight, clip_sets, emotions, long_config, fresh_cache):
    again = train_model(*clip_sets, long_config, emotions)
    assert again.resumed_epoch == 0
    assert without_seconds(again).equals(without_seconds(straight))
    assert all(map(np.array_equal, again.model.get_weights(), straight.model.get_weights()))


def test_stopped_training_keeps_another_waiting_and_its_kill_hands_over(
    straight, run_dir, clip_sets, emotions, long_config, fresh_cache
):
    arguments = TRAIN, run_dir, json.dumps(long_config.model_dump())
    first = start_python(*arguments, GAITLIB_CACHE=str(fresh_cache))
    wait_until(lambda: any((fresh_cache / "training").glob("*/epoch_0000[2-5]")), first)
    os.killpg(first.pid, signal.SIGSTOP)
    try:
        second = start_python(*arguments, GAITLIB_CACHE=str(fresh_cache))
        assert second.stdout.readline().startswith("Another process trains the same model on the same videos")
    finally:
        kill_hard(first)
    assert second.communicate()[0].count("Traceback") == second.returncode == 0
    resumed = train_model(*clip_sets, long_config, emotions)
    assert resumed.resumed_epoch == len(straight.history)
    assert_same_training(resumed, straight)
    assert not list((fresh_cache / "training").glob(".*"))


def test_training_with_dropout_goes_on_after_a_kill_to_the_same_bits(
    run_dir, clip_sets, emotions, long_config, tmp_path, monkeypatch
):
    """All draws (order, augmentation, dropout, first weights) come from seed, epoch and place."""
    monkeypatch.setattr("gaitlib.training.build_model", build_dropout_model)
    config = long_config.model_copy(update={"model": "dropout", "epochs": 12, "patience": 12})
    monkeypatch.setenv("GAITLIB_CACHE", str(tmp_path / "straight"))
    straight = train_model(*clip_sets, config, emotions)
    monkeypatch.setenv("GAITLIB_CACHE", str(tmp_path / "killed"))
    process = start_python(TRAIN, run_dir, json.dumps(config.model_dump()))
    wait_until(lambda: any((tmp_path / "killed" / "training").glob("*/epoch_0000[2-9]")), process)
    kill_hard(process)
    resumed = train_model(*clip_sets, config, emotions)
    assert 2 <= resumed.resumed_epoch < 12
    assert_same_training(resumed, straight)


def test_dropout_draws_anew_in_every_epoch_and_layer():
    model = build_dropout_model("dropout", 4, 16, 1, 3)
    draws = EpochDraws(seed=5)
    draws.set_model(model)
    drawn = set()
    for epoch in (0, 1, 0):
        draws.on_epoch_begin(epoch)
        drawn |= {tuple(state.numpy().tolist()) for state in generator_states(model)}
    assert len(generator_states(model)) == 2
    assert len(drawn) == 4


def test_weights_of_an_epoch_that_a_kill_undid_do_not_count(
    straight, clip_sets, emotions, long_config, fresh_cache
):
    train_model(*clip_sets, long_config, emotions)
    (state_dir,) = (fresh_cache / "training").iterdir()
    (best,) = state_dir.glob("best_*")
    best.with_name("best_00099.npz").write_text("of an epoch that never ended")
    assert_same_training(train_model(*clip_sets, long_config, emotions), straight)
    assert list(state_dir.glob("best_*")) == [best]


def assert_same_training(result, other) -> None:
    assert result.best_epoch == other.best_epoch
    assert without_seconds(result).equals(without_seconds(other))
    assert all(map(np.array_equal, result.model.get_weights(), other.model.get_weights()))


def without_seconds(result) -> pd.DataFrame:
    return result.history.drop(columns="seconds")


def test_finished_training_is_not_done_twice(straight, clip_sets, long_config, emotions):
    again = train_model(*clip_sets, long_config, emotions)
    assert again.resumed_epoch == len(straight.history)
    assert again.history.equals(straight.history)
    assert all(map(np.array_equal, again.model.get_weights(), straight.model.get_weights()))


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_training_twin_learns_the_same(clip_sets, emotions, name, tmp_path):
    clips = clip_sets[0]
    shape = clips.read(0).shape
    model = build_model(name, *shape[:2], shape[3], len(emotions))
    twin = training_twin(model)
    batch = np.stack([clips.read(number) for number in range(4)]), clips.clip_labels[:4]
    assert np.allclose(model(batch[0]), twin(batch[0]), atol=1e-6)
    for either in (model, twin):
        either.compile("sgd", "sparse_categorical_crossentropy")
        either.train_on_batch(*batch)
    for weight, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        assert np.allclose(weight, other, atol=1e-6)
    twin.save(tmp_path / "twin.keras")
    back = load_keras().saving.load_model(tmp_path / "twin.keras", custom_objects=FAST_LAYERS)
    assert np.array_equal(back(batch[0]), twin(batch[0]))


def test_twin_of_the_published_network_is_made_of_the_fast_layers(clip_sets, emotions):
    shape = clip_sets[0].read(0).shape
    twin = training_twin(build_model("cnn_lstm", *shape[:2], shape[3], len(emotions)))
    assert isinstance(twin.get_layer("over_time"), ProjectedLSTM)
    for name in ("edges", "shapes"):
        assert isinstance(twin.get_layer(name), PooledConv3D)
        assert type(twin.get_layer(f"pool_{name}")).__name__ == "Identity"


def test_half_precision_is_for_the_products_alone(clip_sets, emotions, tiny_config):
    model = build_for(clip_sets[0], tiny_config, len(emotions))
    twin = compile_for(training_twin(model, "mixed_float16"), tiny_config)
    policies = {layer.name: layer.dtype_policy.name for layer in twin.layers}
    assert {policies[name] for name in ("scale", "level", model.layers[-1].name)} == {"float32"}
    assert list(policies.values()).count("mixed_float16") > 5
    assert {weight.dtype for weight in twin.weights} == {"float32"}
    assert "LossScale" in type(twin.optimizer).__name__
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}


def test_half_precision_learns(clip_sets, tiny_config):
    """Pooling in half precision is for GPUs alone: this small model has none."""
    keras = load_keras()
    layers, clips = keras.layers, clip_sets[0]
    clip = layers.Input((8, 32, 32, 1))
    values = layers.Conv3D(4, (1, 3, 3), strides=(1, 4, 4))(layers.Rescaling(1 / 255, name="scale")(clip))
    values = layers.LSTM(8)(layers.Reshape((8, -1))(values))
    model = keras.Model(clip, layers.Dense(4, activation="softmax")(values))
    twin = compile_for(training_twin(model, "mixed_float16"), tiny_config)
    batch = np.stack([clips.read(number) for number in range(4)]), clips.clip_labels[:4]
    assert twin.layers[-2].compute_dtype == "float16"
    assert np.allclose(model(batch[0]), twin(batch[0]), atol=0.01)
    twin.train_on_batch(*batch)
    pairs = zip(twin.get_weights(), model.get_weights(), strict=True)
    changes = [np.abs(new - old).max() for new, old in pairs]
    assert np.isfinite(changes).all()
    assert max(changes) > 0


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU")
def test_half_precision_without_a_gpu_is_refused(clip_sets, emotions, tiny_config):
    with pytest.raises(InputError, match=r"'precision' is 'mixed_float16', but there is no GPU"):
        train_model(*clip_sets, tiny_config.model_copy(update={"precision": "mixed_float16"}), emotions)


def test_soft_labels_are_what_is_learnt(clip_sets, emotions, tiny_config):
    """Raters who always disagree evenly teach a model to be unsure; the same clips, hard, make it sure."""
    even = [replace(clips, targets=np.full((len(clips.videos), 4), 0.25)) for clips in clip_sets]
    settings = {"epochs": 12, "learning_rate": 0.01, "augment": False, "patience": 12}
    config = tiny_config.model_copy(update=settings)
    soft = train_model(*even, config.model_copy(update={"label_form": "soft"}), emotions).model
    hard = train_model(clip_sets[0], clip_sets[0], config, emotions).model
    clips = np.stack([clip_sets[0].read(number) for number in range(4)])
    assert soft.predict(clips, verbose=0).max() < 0.4
    assert hard.predict(clips, verbose=0).max() > 0.4


def test_patience_ends_a_training_that_gets_no_better(clip_sets, emotions, tiny_config):
    config = tiny_config.model_copy(update={"epochs": 30, "learning_rate": 1e-12, "patience": 2})
    result = train_model(*clip_sets, config, emotions)
    assert len(result.history) < 30


def test_augmented_training_learns_the_training_walkers(clip_sets, emotions, tiny_config):
    config = tiny_config.model_copy(update={"epochs": 25, "learning_rate": 0.005, "patience": 25})
    history = train_model(*clip_sets, config, emotions).history
    assert history["loss"].iloc[-3:].mean() < 0.9 * history["loss"].iloc[0]


def test_huge_learning_rate_is_one_sentence_or_an_earlier_epoch(clip_sets, emotions, tiny_config):
    config = tiny_config.model_copy(update={"learning_rate": 1e30})
    try:
        result = train_model(*clip_sets, config, emotions)
    except InputError as error:
        assert "lower the learning rate" in str(error)
    else:
        assert np.isfinite(result.history["val_loss"]).all()


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_fresh_process_with_plain_keras_says_the_same(trained, tmp_path, name):
    model, card = load_model(trained.folder / name)
    clips = np.random.default_rng(0).integers(0, 256, (5, *model.input_shape[1:]), np.uint8)
    np.save(tmp_path / "clips.npy", clips)
    process = run_python(
        "-c", PREDICT, trained.folder / name, tmp_path / "clips.npy", tmp_path / "answers.npy"
    )
    assert process.returncode == 0, process.stderr
    answers = np.load(tmp_path / "answers.npy")
    assert answers.shape == (5, len(card["emotions"]))
    assert np.abs(answers - model.predict(clips, verbose=0)).max() < 1e-6


def test_both_files_hold_the_same_model(trained):
    (keras_model, keras_card), (h5_model, h5_card) = (
        load_model(trained.folder / name) for name in ("model.keras", "model.h5")
    )
    assert keras_card == h5_card
    assert all(map(np.array_equal, keras_model.get_weights(), h5_model.get_weights()))
    clips = np.random.default_rng(0).integers(0, 256, (3, *keras_model.input_shape[1:]), np.uint8)
    answers = [model.predict(clips, verbose=0) for model in (keras_model, h5_model)]
    assert np.abs(answers[0] - answers[1]).max() < 1e-6


def test_card_tells_what_is_needed_to_use_the_model(trained):
    _, card = load_model(trained.folder / "model.keras")
    assert card["emotions"] == ["angry", "happy", "neutral", "sad"]
    assert card["config"]["num_frames"] == 8
    assert card["is_demo"] is True


def test_missing_model_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no model at .*gone\.keras: train one first"):
        load_model(tmp_path / "gone.keras")


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.txt"])
def test_text_is_no_model(tmp_path, name):
    (tmp_path / name).write_text("weights")
    with pytest.raises(InputError, match=rf"{name} cannot be used as a model .*name the model\.keras"):
        load_model(tmp_path / name, trust_model=True)


def test_model_cut_off_is_refused(trained, tmp_path):
    content = (trained.folder / "model.keras").read_bytes()
    (tmp_path / "model.keras").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cannot be used as a model"):
        load_model(tmp_path / "model.keras", trust_model=True)


def test_failed_save_leaves_nothing(tmp_path, clip_sets, tiny_config, emotions):
    """A card that JSON cannot hold unchanged (a tuple comes back as a list) is found out."""
    shape = clip_sets[0].read(0).shape
    model = build_model("cnn_lstm", *shape[:2], shape[3], len(emotions))
    card = {**model_card(tiny_config, emotions, True), "odd": (1, 2)}
    with pytest.raises(InputError, match=r"model\.keras did not keep the model"):
        save_model(model, tmp_path, card)
    assert os.listdir(tmp_path) == []


def test_history_survives_the_disk(straight, tmp_path):
    save_history(straight.history, tmp_path)
    assert np.allclose(read_history(tmp_path), straight.history)


def test_emptied_cache_asks_for_the_first_notebook(run_dir, tmp_path):
    content = json.loads((run_dir / "data.json").read_text())
    for video in content["videos"]:
        video["entry"] = str(tmp_path / "gone")
    (tmp_path / "data.json").write_text(json.dumps(content))
    shutil.copy(run_dir / "skipped.csv", tmp_path)
    with pytest.raises(InputError, match="run 01_preprocessing again"):
        load_data(tmp_path)


def test_class_weights_give_every_emotion_the_same_say():
    labels = np.array([0] * 6 + [1] * 3 + [2])
    weights = class_weights(labels, 3)
    shares = [weights[number] * (labels == number).sum() for number in range(3)]
    assert shares == pytest.approx([10 / 3] * 3)


def test_class_without_clips_gets_a_plain_weight():
    assert class_weights(np.array([0, 0, 2, 2]), 3) == {0: 1.0, 1: 1.0, 2: 1.0}
