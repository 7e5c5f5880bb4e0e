"""Networks and classifiers by name, what a trained model answers, and files that nobody has to trust."""

import json
import shutil
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest
from made_walks import EMOTIONS, make_walks, walk_config

from gaitlib.data import VideoSet
from gaitlib.errors import InputError
from gaitlib.models import BASELINES, GAIT_NAMES, NETWORK_NAMES, SKELETON, classifiers
from gaitlib.models.classifiers import compare, fit_classifier, label_shares, predict_baseline
from gaitlib.models.networks import build_model, copy_weights, load_keras, network_for, seed_everything
from gaitlib.models.storage import _CARD, load_trained, save_model
from gaitlib.models.trained import Novelty, TrainedModel, apply_temperature, fit_temperature

ALL_NETWORKS = (*NETWORK_NAMES, SKELETON)
each_network = pytest.mark.parametrize("name", ALL_NETWORKS)


@pytest.fixture(scope="module", autouse=True)
def small_forests():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(classifiers._FOREST, "n_estimators", 20)
        yield


@pytest.fixture(scope="module")
def walks(tmp_path_factory):
    return make_walks(tmp_path_factory.mktemp("walks"), num_walkers=6)


def inputs_of(network) -> np.ndarray:
    """Draw three clips: frames from 0 to 255, or keypoints around the hips."""
    rng, shape = np.random.default_rng(0), (3, *network.input_shape[1:])
    return rng.integers(0, 256, shape, np.uint8) if len(shape) == 5 else rng.normal(0, 0.3, shape)


def beside_neutral(walks):
    neutral = [walks.chosen((walks.walkers == walker) & (walks.labels == 1)) for walker in walks.walkers]
    return replace(walks, references=tuple(walk.videos for walk in neutral))


def untrained(name: str, **settings) -> TrainedModel:
    config = walk_config(**settings)
    known = {"name": name, "config": config, "predictor": network_for(name, config, 3)}
    return TrainedModel(emotions=EMOTIONS, about={"is_demo": True}, **known)


def gait_model(name: str = "gait_ensemble") -> TrainedModel:
    features = np.random.default_rng(0).normal(size=(12, len(classifiers.gait_feature_names("keypoints"))))
    pipeline = fit_classifier(name, features, np.eye(3)[np.arange(12) % 3], 0)
    return TrainedModel(
        name=name, emotions=EMOTIONS, config=walk_config(), predictor=pipeline, about={"is_demo": True}
    )


@pytest.mark.parametrize("num_channels", [1, 3])
def test_fast_and_published_layering_are_the_same_function(num_channels):
    fast, published = (build_model(name, 5, 22, num_channels, 4) for name in NETWORK_NAMES)
    shapes = [[np.squeeze(weight).shape for weight in each.get_weights()] for each in (fast, published)]
    assert shapes[0] == shapes[1]
    clips = inputs_of(fast)
    before = np.abs(fast(clips) - published(clips)).max()
    copy_weights(published, fast)
    assert np.abs(fast(clips) - published(clips)).max() < 1e-5 < before


def test_sizes_are_the_published_ones():
    """16 and 32 filters of 3 x 3, LSTM 32, Dense 64, softmax: the counts follow in closed form."""
    network, flat = build_model("cnn_lstm", 30, 64, 1, 4), 14 * 14 * 32
    expected = 16 * (9 + 1) + 32 * (9 * 16 + 1) + 4 * 32 * (flat + 32 + 1) + 64 * 33 + 4 * 65
    assert network.count_params() == expected
    assert (network.input_shape, network.output_shape) == ((None, 30, 64, 64, 1), (None, 4))
    penalised = network.get_layer("dense").kernel
    assert float(sum(network.losses)) == pytest.approx(0.01 * float(np.sum(np.square(penalised))), rel=1e-4)


def test_long_clips_make_no_larger_graph():
    import tensorflow as tf

    sizes = []
    for num_frames in (10, 400):
        network = build_model("cnn_lstm", num_frames, 16, 1, 4)
        spec = tf.TensorSpec((2, *network.input_shape[1:]))
        sizes.append(len(tf.function(network).get_concrete_function(spec).graph.get_operations()))
    assert sizes[0] == sizes[1]


@each_network
def test_clips_as_stored_become_probabilities(name):
    network = build_model(name, 5, 22, 1, 3)
    clips = inputs_of(network)
    says = np.asarray(network(clips))
    assert says.shape == (3, 3) and (says >= 0).all() and np.allclose(says.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(says, network(clips.astype(np.float32)), atol=1e-6)
    assert np.abs(says - network(clips[:, ::-1])).max() > 1e-6, "the order of the frames must matter"


@each_network
def test_one_step_moves_every_weight_matrix_and_lowers_the_loss(name):
    seed_everything(0)
    network = build_model(name, 5, 22, 1, 3)
    batch = inputs_of(network), np.arange(3)
    optimizer = load_keras().optimizers.Adam(1e-4)
    network.compile(optimizer, "sparse_categorical_crossentropy", run_eagerly=True)
    before, loss = network.get_weights(), network.evaluate(*batch, verbose=0)
    network.train_on_batch(*batch)
    assert network.evaluate(*batch, verbose=0) < loss
    for weight, new, old in zip(network.weights, network.get_weights(), before, strict=True):
        assert new.ndim < 2 or not np.array_equal(new, old), weight.path


@pytest.mark.parametrize("name", ["cnn", "gait_forest"])
def test_unknown_network_lists_the_known(name):
    with pytest.raises(InputError, match=rf"'{name}': expected.*cnn_lstm, .*, skeleton_gru"):
        build_model(name, 5, 22, 1, 4)


@pytest.mark.parametrize("relative_to", ["none", "reference"])
@pytest.mark.parametrize("name", ["cnn_lstm", "skeleton_gru"])
def test_answer_for_a_video_is_the_mean_over_its_clips(walks, name, relative_to):
    model = untrained(name, relative_to=relative_to)
    videos = walks if relative_to == "none" else beside_neutral(walks)
    answers = model.predict_clips(videos)
    assert model.kind == ("network" if relative_to == "none" else "comparing")
    assert (answers.end_seconds - answers.start_seconds == pytest.approx(8 / 15)) and len(answers.features)
    says = model.predict(videos)
    for place in range(len(videos)):
        own = answers.probabilities[answers.video_numbers == place]
        assert np.allclose(says[place], own.mean(axis=0), atol=1e-6)
    if relative_to != "none":
        assert np.allclose(says[videos.labels == 1].std(axis=0), 0, atol=0.2)
        assert np.allclose(model.predict(videos.chosen([4])), says[4], atol=1e-5)


def test_features_relative_to_the_mean_of_what_is_known():
    features = np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]])
    videos = VideoSet((0, 1, 2), np.zeros(3, int), np.array(list("abc")), ((1,), (0, 1), (2,)))
    relative = compare(videos, features.__getitem__)
    np.testing.assert_array_equal(relative, [[-2.0, np.nan], [1.0, np.nan], [0.0, 0.0]])


@pytest.mark.parametrize("name", GAIT_NAMES)
def test_gait_classifier_answers_for_videos_and_for_bouts(walks, name):
    model = gait_model(name)
    says, answers = model.predict(walks), model.predict_clips(walks)
    assert says.shape == answers.probabilities.shape == (len(walks), 3)
    assert np.allclose(says.sum(axis=1), 1) and answers.end_seconds == pytest.approx(3.0)
    assert model.kind == "gait"


def test_class_without_videos_and_soft_shares(walks):
    rng = np.random.default_rng(0)
    labels = np.array([0, 2] * 30)
    features = rng.normal(labels[:, None], 1.0, (60, 5))
    features[rng.random(features.shape) < 0.1] = np.nan
    fitted = fit_classifier("gait_logistic", features, np.eye(3)[labels], 0)
    says = classifiers.predict_classes(fitted, features, 3)
    assert (says[:, 1] == 0).all() and (says.argmax(axis=1) == labels).mean() > 0.9
    soft = replace(walks, targets=np.tile(np.float32([0.2, 0.3, 0.5]), (len(walks), 1)))
    pipeline = fit_classifier("gait_forest", np.zeros((len(walks), 2)), label_shares(soft, 3), 0)
    assert classifiers.predict_classes(pipeline, np.zeros((1, 2)), 3) == pytest.approx(
        np.array([[0.2, 0.3, 0.5]]), abs=0.05
    )


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_see_what_they_are_named_after(walks, name):
    is_test = np.isin(walks.walkers, ["walker05", "walker06"])
    train, test = walks.chosen(~is_test), walks.chosen(is_test)
    says = predict_baseline(name, train, test, 3, 0)
    assert says.shape == (6, 3) and np.allclose(says.sum(axis=1), 1)
    if name in ("speed_only", "box_forest"):
        assert (says.argmax(axis=1) == test.labels).mean() > 0.6
    if name in ("majority", "background_only"):
        assert np.allclose(says, says[0])


def test_temperature_and_limit_of_novelty():
    rng = np.random.default_rng(0)
    honest = rng.dirichlet(np.ones(3), 1000)
    labels = (honest.cumsum(axis=1) > rng.random((1000, 1))).argmax(axis=1)
    assert fit_temperature(honest, labels) == pytest.approx(1.0, abs=0.15)
    assert fit_temperature(apply_temperature(honest, 0.25), labels) == pytest.approx(4.0, abs=0.6)
    novelty = Novelty.fit(rng.normal(size=(200, 4)) * [1, 2, 3, 4])
    few, many = (
        novelty.with_limit(novelty.distances(rng.normal(size=(n, 4)) * [1, 2, 3, 4])) for n in (18, 400)
    )
    assert few.limit is None and many.limit == pytest.approx(np.sqrt(9.49), rel=0.1)
    assert novelty.distances(np.full((1, 4), 30.0))[0] > 3 * many.limit


MODELS = {
    **{name: lambda name=name: untrained(name) for name in ALL_NETWORKS},
    "comparing": lambda: untrained("cnn_lstm", relative_to="walker-mean"),
    **{name: lambda name=name: gait_model(name) for name in GAIT_NAMES},
}


@pytest.mark.parametrize("name", MODELS)
def test_saved_models_come_back_the_same(name, tmp_path):
    model = MODELS[name]().with_about(accuracy=0.5)
    first = save_model(model, tmp_path)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == (["model.skops"] if model.kind == "gait" else ["model.h5", "model.keras"])
    assert first.name == files[-1]
    for file in files:
        copy = load_trained(tmp_path / file)
        assert copy.model_dump() == model.model_dump()
        if model.kind != "gait":
            assert all(map(np.array_equal, copy.predictor.get_weights(), model.predictor.get_weights()))


@pytest.mark.parametrize("name", ["cnn_lstm", "skeleton_gru"])
def test_h5_holds_plain_keras_layers_and_the_same_function(name, tmp_path):
    model = untrained(name)
    save_model(model, tmp_path)
    plain = load_keras().saving.load_model(tmp_path / "model.h5", compile=False, safe_mode=True)
    clips = inputs_of(plain)
    assert np.allclose(plain(clips), model.predictor(clips), atol=1e-5)
    with h5py.File(tmp_path / "model.h5") as file:
        assert "gaitlib>" not in file.attrs["model_config"]


def change(source, target, edit) -> None:
    """Copy a model file with what `edit` makes of its architecture and its card."""
    if source.suffix == ".h5":
        shutil.copy(source, target)
        with h5py.File(target, "a") as file:
            texts = [json.loads(file.attrs[name]) for name in ("model_config", _CARD)]
            file.attrs["model_config"], file.attrs[_CARD] = map(json.dumps, edit(*texts))
        return
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        names = ("schema.json" if source.suffix == ".skops" else "config.json", _CARD)
        changed = dict(zip(names, edit(*(json.loads(old.read(name)) for name in names)), strict=True))
        for entry in old.namelist():
            new.writestr(entry, json.dumps(changed[entry]) if entry in changed else old.read(entry))


PARTS = {
    "Lambda": {"class_name": "Lambda", "config": {"name": "x", "function": "tanh"}},
    "function": {"module": "posix", "class_name": "function", "config": "system", "registered_name": None},
    "TFSMLayer": {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "x"}},
    "Custom>Dense": {"class_name": "Dense", "config": {"units": 4}, "registered_name": "Custom>Dense"},
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("place", ["layer", "within"])
def test_network_with_a_part_that_the_project_does_not_build_is_refused(tmp_path, suffix, part, place):
    save_model(untrained("cnn_lstm"), tmp_path)

    def edit(architecture, card):
        layers = architecture["config"]["layers"]
        if place == "layer":
            layers.append({**PARTS[part], "name": "x", "inbound_nodes": []})
        else:
            layers[-1]["config"]["kernel_initializer"] = PARTS[part]
        return architecture, card

    change(tmp_path / f"model{suffix}", tmp_path / f"evil{suffix}", edit)
    with pytest.raises(InputError, match=f"it holds {part}, which this project does not build"):
        load_trained(tmp_path / f"evil{suffix}")


def test_pipeline_that_could_run_code_is_refused(tmp_path):
    import skops.io
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    card = gait_model().model_dump_json()
    skops.io.dump(make_pipeline(FunctionTransformer(shutil.rmtree)), tmp_path / "evil.skops")
    with zipfile.ZipFile(tmp_path / "evil.skops", "a") as archive:
        archive.writestr(_CARD, card)
    with pytest.raises(InputError, match=r"Untrusted types found.*shutil\.rmtree"):
        load_trained(tmp_path / "evil.skops")


@pytest.mark.parametrize("part, value", [("left_child", 10**6), ("right_child", 0), ("feature", 10**6)])
def test_trees_that_lead_astray_are_refused(tmp_path, part, value):
    """Scikit-learn would follow them out of its memory, or round and round."""
    import skops.io
    from sklearn.tree._tree import Tree

    model = gait_model("gait_forest")
    tree = model.predictor[-1].estimators_[0]
    state, number = tree.tree_.__getstate__(), tree.tree_.n_features
    state["nodes"][part][0] = value
    tree.tree_ = Tree(number, tree.tree_.n_classes, tree.tree_.n_outputs)
    tree.tree_.__setstate__(state)
    skops.io.dump(model.predictor, tmp_path / "evil.skops")
    with zipfile.ZipFile(tmp_path / "evil.skops", "a") as archive:
        archive.writestr(_CARD, model.model_dump_json())
    with pytest.raises(InputError, match="its trees are damaged"):
        load_trained(tmp_path / "evil.skops")


MISFITS = {
    "num_frames": {"config": {**walk_config().model_dump(), "num_frames": 9, "frame_size": 20}},
    "emotions": {"emotions": EMOTIONS[:2]},
    "config.evil": {"config": {"evil": 1}},
    "temperature": {"temperature": float("-1")},
    "cannot hold": {"name": "gait_forest"},
    "novelty": {"novelty": {"location": "x"}},
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("fault", MISFITS)
def test_card_that_does_not_fit_is_refused_in_one_printable_sentence(tmp_path, suffix, fault):
    save_model(untrained("cnn_lstm"), tmp_path)
    change(
        tmp_path / f"model{suffix}",
        tmp_path / f"odd{suffix}",
        lambda part, card: (part, {**card, **MISFITS[fault]}),
    )
    with pytest.raises(InputError, match="cannot be used as a model") as error:
        load_trained(tmp_path / f"odd{suffix}")
    assert str(error.value).isprintable()


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.skops"])
def test_missing_damaged_or_foreign_file_is_one_sentence(tmp_path, name):
    model = gait_model() if name.endswith("skops") else untrained("cnn_lstm")
    save_model(model, tmp_path)
    content = (tmp_path / name).read_bytes()
    for part in (content[: len(content) // 2], b"no model"):
        (tmp_path / name).write_bytes(part)
        with pytest.raises(InputError, match=f"{name} cannot be used as a model"):
            load_trained(tmp_path / name)
    with pytest.raises(InputError, match="There is no model at"):
        load_trained(tmp_path / f"other_{name}")
    with pytest.raises(InputError, match=r"model\.json is missing"):
        load_trained(tmp_path)


def test_run_folder_names_its_chosen_model_and_tells_more_about_it(tmp_path):
    save_model(untrained("cnn_lstm"), tmp_path)
    save_model(gait_model(), tmp_path, "chosen")
    index = {"chosen": "chosen.skops", "published": "model.keras"}
    results = {"test": {"accuracy": 0.7, "accuracy_ci95": [0.5, 0.9], "labels": EMOTIONS}}
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "model.json").write_text(json.dumps(index))
    for path in (tmp_path, tmp_path / "chosen.skops"):
        model = load_trained(path)
        assert (model.name, model.about["accuracy"]) == ("gait_ensemble", 0.7)
    assert load_trained(tmp_path / "model.keras").about == {"is_demo": True}
    for content in ("{", '{"nested": {}}', '{"test": {"accuracy": 1, "accuracy_ci95": null}}'):
        (tmp_path / "results.json").write_text(content)
        assert "accuracy" not in load_trained(tmp_path).about


def test_models_of_another_version_of_the_cached_videos_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gaitlib.models.storage._CARD", "gaitlib_1.json")
    for model in (gait_model(), untrained("cnn_lstm")):
        save_model(model, tmp_path)
    monkeypatch.undo()
    for name in ("model.skops", "model.keras", "model.h5"):
        with pytest.raises(InputError, match=f"{name} cannot be used .* train again"):
            load_trained(tmp_path / name)
