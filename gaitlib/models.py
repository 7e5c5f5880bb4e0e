"""Models by name: short functions that build them from Keras's own layers.

Every model takes clips of shape (batch, num_frames, frame_size, frame_size, num_channels) with grey
levels or colours from 0 to 255 and returns class probabilities. Only built-in layers are used, so that
a saved file opens in plain Keras.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gaitlib.backend import load_keras
from gaitlib.config import InputError

if TYPE_CHECKING:
    import keras


def build_model(
    name: str,
    num_frames: int,
    frame_size: int,
    num_channels: int,
    num_classes: int,
    l2_strength: float = 0.01,
) -> "keras.Model":
    """Build a model with fresh weights.

    Parameters
    ----------
    name : str
        One of `MODEL_NAMES`.
    num_frames, frame_size, num_channels : int
        Shape of a clip: (num_frames, frame_size, frame_size, num_channels).
    num_classes : int
        Number of emotions.
    l2_strength : float
        L2 penalty on the weights of the Dense layer with 64 units.

    Returns
    -------
    keras.Model
        Not compiled.

    Raises
    ------
    InputError
        If the name is unknown.

    Examples
    --------
    >>> build_model("cnn_lstm", 30, 64, 1, 4).output_shape
    (None, 4)
    """
    if name not in _FRAME_LAYERS:
        raise InputError(f"Unknown model {name!r}: expected one of {', '.join(MODEL_NAMES)}.")
    keras = load_keras()
    clip = keras.Input((num_frames, frame_size, frame_size, num_channels), name="clip")
    # Scaling is a layer of the model: a saved file takes clips as they are stored, 0 to 255.
    values = keras.layers.Rescaling(1 / 255, name="scale")(clip)
    # Each clip by itself gets mean 0 and variance 1: light and contrast no longer matter.
    # (One group is the whole clip. LayerNormalization over all axes is the same, but comes back from
    # an .h5 file with other axes.)
    values = keras.layers.GroupNormalization(1, center=False, scale=False, name="level")(values)
    values = _FRAME_LAYERS[name](values, num_frames)
    values = keras.layers.LSTM(32, name="over_time")(values)
    penalty = keras.regularizers.L2(l2_strength)
    values = keras.layers.Dense(64, activation="relu", kernel_regularizer=penalty, name="dense")(values)
    emotion = keras.layers.Dense(num_classes, activation="softmax", name="emotion")(values)
    return keras.Model(clip, emotion, name=name)


def _published_frame_layers(values: "keras.KerasTensor", num_frames: int) -> "keras.KerasTensor":
    """Look at each frame by itself, as layered in the publication: one small network, 30 times."""
    layers = load_keras().layers
    frame_layers = (
        layers.Conv2D(16, 3, activation="relu", name="edges"),
        layers.MaxPooling2D(2, name="pool_edges"),
        layers.Conv2D(32, 3, activation="relu", name="shapes"),
        layers.MaxPooling2D(2, name="pool_shapes"),
        layers.Flatten(name="flatten"),
    )
    for layer in frame_layers:
        values = layers.TimeDistributed(layer, name=f"each_{layer.name}")(values)
    return values


def _fast_frame_layers(values: "keras.KerasTensor", num_frames: int) -> "keras.KerasTensor":
    """Compute the same function with kernels that span one frame: all frames in one operation."""
    layers = load_keras().layers
    values = layers.Conv3D(16, (1, 3, 3), activation="relu", name="edges")(values)
    values = layers.MaxPooling3D((1, 2, 2), name="pool_edges")(values)
    values = layers.Conv3D(32, (1, 3, 3), activation="relu", name="shapes")(values)
    values = layers.MaxPooling3D((1, 2, 2), name="pool_shapes")(values)
    return layers.Reshape((num_frames, -1), name="flatten")(values)


_FRAME_LAYERS: dict[str, Callable[["keras.KerasTensor", int], "keras.KerasTensor"]] = {
    "cnn_lstm": _fast_frame_layers,
    "cnn_lstm_timedistributed": _published_frame_layers,
}
MODEL_NAMES: tuple[str, ...] = tuple(_FRAME_LAYERS)


def copy_weights(source: "keras.Model", target: "keras.Model") -> None:
    """Give `target` the weights of `source`, which hold the same numbers in other shapes.

    A Conv2D kernel of shape (3, 3, in, out) and a Conv3D kernel of shape (1, 3, 3, in, out) differ by
    a leading one only.
    """
    shapes = [weight.shape for weight in target.get_weights()]
    weights = source.get_weights()
    target.set_weights([weight.reshape(shape) for weight, shape in zip(weights, shapes, strict=True)])


def layer_table(model: "keras.Model") -> list[dict[str, object]]:
    """Return name, kind, output shape and number of weights of each layer."""
    return [
        {
            "layer": layer.name,
            "kind": type(layer).__name__,
            "output shape": " x ".join(str(size) for size in layer.output.shape[1:]),
            "weights": layer.count_params(),
        }
        for layer in model.layers
    ]


def largest_difference(model: "keras.Model", twin: "keras.Model", clips: np.ndarray) -> float:
    """Return the largest difference between two models' probabilities after copying the weights."""
    copy_weights(model, twin)
    return float(np.abs(model.predict(clips, verbose=0) - twin.predict(clips, verbose=0)).max())
