"""The published model, written twice, and its successors."""

import numpy as np
import pytest

from gaitlib.backend import load_keras, seed_everything
from gaitlib.config import InputError, make_config
from gaitlib.fast_layers import training_twin
from gaitlib.models import MODEL_NAMES, build_model, copy_weights, layer_table
from gaitlib.saving import load_model, model_card, save_model

SHAPE = (5, 22, 1)


def make_clips(num_clips: int = 4, num_channels: int = 1) -> np.ndarray:
    """Draw clips of random pixels."""
    shape = (num_clips, SHAPE[0], SHAPE[1], SHAPE[1], num_channels)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def build(name: str, num_channels: int = 1, num_classes: int = 4):
    """Build a small model."""
    return build_model(name, SHAPE[0], SHAPE[1], num_channels, num_classes)


def test_both_names_of_the_contract_are_there():
    assert {"cnn_lstm", "cnn_lstm_timedistributed"} <= set(MODEL_NAMES)


@pytest.mark.parametrize("num_channels", [1, 3])
def test_equal_weights_give_equal_outputs(num_channels):
    fast, published = build("cnn_lstm", num_channels), build("cnn_lstm_timedistributed", num_channels)
    clips = make_clips(num_channels=num_channels)
    before = np.abs(fast(clips) - published(clips)).max()
    copy_weights(published, fast)
    after = np.abs(fast(clips) - published(clips)).max()
    assert after < 1e-5 < before


def test_weights_come_in_the_same_order_up_to_a_reshape():
    fast, published = (build(name).get_weights() for name in ("cnn_lstm", "cnn_lstm_timedistributed"))
    assert [weight.size for weight in fast] == [weight.size for weight in published]
    squeezed = [np.squeeze(weight).shape for weight in fast]
    assert squeezed == [np.squeeze(weight).shape for weight in published]


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_output_is_one_probability_a_class(name):
    probabilities = np.asarray(build(name, num_classes=3)(make_clips()))
    assert probabilities.shape == (4, 3)
    assert (probabilities >= 0).all()
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_clips_are_taken_as_stored(name):
    """Bytes from 0 to 255 and the same numbers as floats give the same; their scale matters."""
    model, clips = build(name), make_clips()
    probabilities = np.asarray(model(clips))
    assert np.allclose(probabilities, model(clips.astype(np.float32)), atol=1e-6)
    values = [layer for layer in model.layers if layer.__class__.__name__ == "Rescaling"]
    assert values, "scaling must be a layer of the model"


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_only_layers_of_keras_itself(name):
    def check(layer) -> None:
        assert type(layer).__module__.startswith("keras.")
        assert type(layer).__name__ != "Lambda"
        if hasattr(layer, "layer"):
            check(layer.layer)

    for layer in build(name).layers:
        check(layer)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_saved_files_open_in_plain_keras_with_equal_answers(name, tmp_path):
    model, clips = build(name), make_clips()
    config = make_config(num_frames=SHAPE[0], frame_size=SHAPE[1], model=name)
    save_model(model, tmp_path, model_card(config, ("a", "b", "c", "d"), False))
    for file_name in ("model.keras", "model.h5"):
        path = tmp_path / file_name
        plain = load_keras().saving.load_model(path, compile=False, safe_mode=True)
        for copy in (plain, load_model(path)[0]):
            assert all(map(np.array_equal, model.get_weights(), copy.get_weights()))
            assert np.allclose(model(clips), copy(clips), atol=1e-6)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_one_step_moves_every_layer_and_lowers_the_loss(name):
    seed_everything(0)
    model, batch = build(name), (make_clips(), np.arange(4))
    model.compile(load_keras().optimizers.Adam(1e-4), "sparse_categorical_crossentropy")
    before, loss = model.get_weights(), model.evaluate(*batch, verbose=0)
    model.train_on_batch(*batch)
    assert model.evaluate(*batch, verbose=0) < loss
    for weight, new, old in zip(model.weights, model.get_weights(), before, strict=True):
        # A bias before a softmax over time moves nothing, and so stays where it is.
        assert new.ndim < 2 or not np.array_equal(new, old), weight.path


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_training_twin_says_the_same(name):
    model, clips = build(name), make_clips()
    assert np.allclose(model(clips), training_twin(model)(clips), atol=1e-5)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_body_ends_in_one_row_of_features_a_clip(name):
    """What tells unusual clips apart looks at this layer, whatever the model."""
    model = build(name)
    features = model.get_layer("over_time").output
    assert features is model.get_layer("dense").input
    assert len(features.shape) == 2
    assert features.shape[1] <= 64


@pytest.mark.parametrize("name", [name for name in MODEL_NAMES if not name.startswith("cnn_lstm")])
def test_smallest_clip_that_settings_allow(name):
    model = build_model(name, 2, 16, 1, 4)
    assert np.isfinite(model(np.zeros((1, 2, 16, 16, 1)))).all()


@pytest.mark.parametrize("name", ["cnn_gru", "cnn_bilstm", "cnn_tcn", "cnn_transformer", "two_stream"])
def test_order_of_the_frames_matters(name):
    """Backwards, each picture is the same: only the reading over time can tell."""
    model, clips = build(name), make_clips()
    assert np.abs(model(clips) - model(clips[:, ::-1])).max() > 1e-6


def test_sizes_are_the_published_ones():
    """16 and 32 filters of 3x3, LSTM 32, dense 64, softmax: the counts follow in closed form."""
    model = build_model("cnn_lstm", 30, 64, 1, 4)
    flat = 14 * 14 * 32  # 64 -> 62 -> 31 -> 29 -> 14
    expected = 16 * (9 + 1) + 32 * (9 * 16 + 1) + 4 * 32 * (flat + 32 + 1) + 64 * 33 + 4 * 65
    assert model.count_params() == expected
    assert model.input_shape == (None, 30, 64, 64, 1)
    assert model.output_shape == (None, 4)
    assert model.count_params() == build_model("cnn_lstm_timedistributed", 30, 64, 1, 4).count_params()


def test_layer_table_counts_all_weights():
    model = build("cnn_lstm_timedistributed")
    assert sum(row["weights"] for row in layer_table(model)) == model.count_params()


def test_l2_penalty_is_on_the_dense_layer_alone():
    model = build_model("cnn_lstm", 5, 22, 1, 4, l2_strength=0.5)
    (kernel,) = [w for w in model.weights if w.shape == (32, 64)]
    assert float(sum(model.losses)) == pytest.approx(0.5 * float(np.sum(np.square(kernel))), rel=1e-4)


def test_unknown_name_lists_the_known():
    with pytest.raises(InputError, match=r"'cnn'.*cnn_lstm, cnn_lstm_timedistributed, cnn_gru"):
        build("cnn")
