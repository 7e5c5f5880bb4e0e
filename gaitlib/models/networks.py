"""Networks by name: clips in, class probabilities out.

Networks of frames take clips of shape (batch, num_frames, frame_size, frame_size, num_channels), 0 to 255;
the network of keypoints takes what `gaitlib.clips.keypoint_sequence` makes, (batch, num_frames, 33, 3).
The frame layers see all frames of all clips at once, folded into the batch axis: the same function as in the
publication, which applies `TimeDistributed` to each layer, at several times the speed.
"""

import logging
import os
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_args

from gaitlib.config import GaitName, NetworkName, RunConfig
from gaitlib.errors import InputError
from gaitlib.files import silence_stderr

if TYPE_CHECKING:
    import keras

PUBLISHED, SKELETON = "cnn_lstm", "skeleton_gru"
NETWORK_NAMES, GAIT_NAMES = map(get_args, (NetworkName, GaitName))

_NUM_KEYPOINTS = 33
# The last layers of every network: the clip as one row of numbers, the Dense layer, the answer.
_FEATURES, _DENSE, _ANSWER, _ENCODER = "over_time", "dense", "emotion", "encoder"


@cache
def load_keras() -> ModuleType:
    """Import Keras on TensorFlow, which takes seconds, without its start-up messages, and return it."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # The native libraries greet on file descriptor 2 before any setting can stop them.
    with silence_stderr():
        import keras
        import tensorflow as tf

        tf.constant(0)  # makes the device, which greets too
    # Keras warns that .h5 is a legacy format, TensorFlow that each of many models is traced anew.
    for name in ("absl", "tensorflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return keras


def list_gpus() -> list[str]:
    """Return the names of the graphics cards that TensorFlow can use."""
    return load_keras().distribution.list_devices("gpu")


def seed_everything(seed: int) -> None:
    """Start every random generator at `seed`; without a graphics card a training then repeats to the bit."""
    load_keras().utils.set_random_seed(seed)
    import tensorflow as tf

    if not list_gpus():
        tf.config.experimental.enable_op_determinism()


def build_model(
    name: str,
    num_frames: int,
    frame_size: int,
    num_channels: int,
    num_classes: int,
    l2_strength: float = 0.01,
) -> "keras.Model":
    """Build a network with fresh weights, not compiled; an `InputError` if its name is unknown.

    The network of keypoints uses `num_frames` alone; `l2_strength` penalises the weights of Dense 64.

    Examples
    --------
    >>> build_model("cnn_lstm", 30, 64, 1, 4).output_shape
    (None, 4)
    """
    # Any size will do, whatever the limits of a run's settings.
    config = RunConfig.model_construct(
        num_frames=num_frames, frame_size=frame_size, num_channels=num_channels, l2_strength=l2_strength
    )
    return network_for(name, config, num_classes)


def network_for(name: str, config: RunConfig, num_classes: int, is_folded: bool = True) -> "keras.Model":
    """Build the network for a run: with two inputs where walks are compared with reference walks.

    `is_folded` false gives the layering of the publication, in plain Keras layers: same weights, same output.
    """
    known = (*NETWORK_NAMES, SKELETON)
    if name not in known:
        raise InputError(f"Unknown network {name!r}: expected one of {', '.join(known)}.")
    keras, layers = load_keras(), load_keras().layers
    if name == SKELETON:
        clip = keras.Input((config.num_frames, _NUM_KEYPOINTS, 3), name="keypoints")
        values = layers.Reshape((config.num_frames, -1), name="joints")(clip)
        values = layers.Dense(64, name="pose")(values)
        values = layers.GRU(48, name=_FEATURES)(values)  # Cho et al. 2014, arXiv:1406.1078
    else:
        side = config.frame_size
        clip = keras.Input((config.num_frames, side, side, config.num_channels), name="clip")
        values = layers.Rescaling(1 / 255, name="scale")(clip)
        # Mean 0 and variance 1 in each clip. (LayerNormalization comes back from .h5 with other axes.)
        values = layers.GroupNormalization(1, center=False, scale=False, name="normalise")(values)
        values = _read_frames(values, is_folded and name == PUBLISHED)
    penalty = keras.regularizers.L2(config.l2_strength)
    values = layers.Dense(64, activation="relu", kernel_regularizer=penalty, name=_DENSE)(values)
    answer = layers.Dense(num_classes, activation="softmax", name=_ANSWER)
    if config.relative_to == "none":
        return keras.Model(clip, answer(values), name=name)
    # One encoder looks at both; what all walks of a person share cancels out (Bromley et al. 1993).
    encoder = keras.Model(clip, values, name=_ENCODER)
    clips = [keras.Input(clip.shape[1:], name=part) for part in ("clip", "reference")]
    difference = layers.Subtract(name="difference")([encoder(one) for one in clips])
    return keras.Model(clips, answer(difference), name=f"{name}_comparing")


def _read_frames(values: Any, is_folded: bool) -> Any:
    """Turn a clip into one row of numbers: first each frame by itself, then the frames in order."""
    keras, layers, num_frames = load_keras(), load_keras().layers, values.shape[1]
    frame_layers = [
        layers.Conv2D(16, 3, activation="relu", name="edges"),
        layers.MaxPooling2D(2, name="pool_edges"),
        layers.Conv2D(32, 3, activation="relu", name="shapes"),
        layers.MaxPooling2D(2, name="pool_shapes"),
        layers.Flatten(name="flatten"),
    ]
    if not is_folded:
        for layer in frame_layers:
            values = layers.TimeDistributed(layer, name=f"each_{layer.name}")(values)
        return layers.LSTM(32, name=_FEATURES)(values)
    values = keras.ops.reshape(values, (-1, *values.shape[2:]))
    for layer in frame_layers:
        values = layer(values)
    values = keras.ops.reshape(values, (-1, num_frames, values.shape[1]))
    return _projected_lstm()(32, name=_FEATURES)(values)


@cache
def _projected_lstm() -> "type[keras.Layer]":
    """Return an LSTM of the same weights and output whose largest product is out of its loop.

    Appleyard, Kocisky & Blunsom 2016, arXiv:1604.01946. No masks, dropout or returned sequences.
    """
    keras, ops = load_keras(), load_keras().ops

    @keras.saving.register_keras_serializable("gaitlib")
    class ProjectedLSTM(keras.layers.LSTM):  # type: ignore[misc, name-defined]
        def call(self, sequences: Any, initial_state: Any = None, **_: Any) -> Any:
            projected = ops.matmul(sequences, self.cell.kernel) + self.cell.bias

            def step(state: Any, frame: Any) -> tuple[Any, Any]:
                hidden, memory = ops.split(state, 2, axis=-1)
                gates = frame + ops.matmul(hidden, self.cell.recurrent_kernel)
                write, keep, content, read = ops.split(gates, 4, axis=-1)
                memory = ops.sigmoid(keep) * memory + ops.sigmoid(write) * ops.tanh(content)
                state = ops.concatenate([ops.sigmoid(read) * ops.tanh(memory), memory], axis=-1)
                return state, state

            start = ops.zeros_like(projected[:, 0, : 2 * self.units])
            return ops.scan(step, start, ops.swapaxes(projected, 0, 1))[0][:, : self.units]

    return ProjectedLSTM


def split_network(network: "keras.Model") -> tuple["keras.Model", "keras.Model"]:
    """Return two networks with the same layers: from a clip to features, and from features to the answer.

    For a comparing network the second takes the difference of the features of two clips.
    """
    keras, names = load_keras(), [_ANSWER]
    if len(network.inputs) == 2:
        encoder = network.get_layer(_ENCODER)
    else:
        # What enters the Dense layer: its output keeps what serves the emotions, and drops what is odd.
        encoder, names = keras.Model(network.input, network.get_layer(_FEATURES).output), [_DENSE, _ANSWER]
    features = values = keras.Input(encoder.output.shape[1:])
    for name in names:
        values = network.get_layer(name)(values)
    return encoder, keras.Model(features, values)


def copy_weights(source: "keras.Model", target: "keras.Model") -> None:
    """Give `target` the weights of `source`: the same numbers in the same order, perhaps in other shapes."""
    pairs = zip(source.get_weights(), target.weights, strict=True)
    target.set_weights([weight.reshape(place.shape) for weight, place in pairs])
