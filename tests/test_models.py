"""The published model, written twice."""

import numpy as np
import pytest

from gaitlib.config import InputError
from gaitlib.models import MODEL_NAMES, build_model, copy_weights, layer_table

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
    with pytest.raises(InputError, match=r"'cnn'.*cnn_lstm, cnn_lstm_timedistributed"):
        build("cnn")
