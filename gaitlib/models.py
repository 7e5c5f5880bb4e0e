"""Models by name: the frame that all share around a body from `gaitlib.architectures`.

Every model takes clips of shape (batch, num_frames, frame_size, frame_size, num_channels) with grey
levels or colours from 0 to 255 and returns class probabilities. Only built-in layers are used, so that
a saved file opens in plain Keras.
"""

from typing import TYPE_CHECKING

import numpy as np

from gaitlib.architectures import BODIES
from gaitlib.backend import load_keras
from gaitlib.config import InputError
from gaitlib.gait_models import GAIT_MODEL_NAMES

if TYPE_CHECKING:
    import keras

MODEL_NAMES: tuple[str, ...] = tuple(BODIES)
# Those that read gait features are fitted by `gaitlib.training.train_model`.
ALL_MODEL_NAMES = MODEL_NAMES + GAIT_MODEL_NAMES


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
    keras = load_keras()
    clip = keras.Input((num_frames, frame_size, frame_size, num_channels), name="clip")
    features = read_clip(clip, name, l2_strength)
    emotion = keras.layers.Dense(num_classes, activation="softmax", name="emotion")(features)
    return keras.Model(clip, emotion, name=name)


def read_clip(clip: "keras.KerasTensor", name: str, l2_strength: float) -> "keras.KerasTensor":
    """Turn clips as they are stored into the 64 features that the answer is made of.

    Parameters
    ----------
    clip : KerasTensor of shape (batch, num_frames, height, width, num_channels)
    name : str
        One of `MODEL_NAMES`: which body lies between the scaling and the Dense layer.
    l2_strength : float

    Returns
    -------
    KerasTensor of shape (batch, 64)
        From the layer `dense`.

    Raises
    ------
    InputError
        If the name is unknown.
    """
    if name not in BODIES:
        names = ", ".join(ALL_MODEL_NAMES)
        is_gait = name in GAIT_MODEL_NAMES
        fault = f"Model {name} reads gait features, not clips" if is_gait else f"Unknown model {name!r}"
        raise InputError(f"{fault}: expected one of {', '.join(MODEL_NAMES) if is_gait else names}.")
    keras = load_keras()
    # Scaling is a layer of the model: a saved file takes clips as they are stored, 0 to 255.
    values = keras.layers.Rescaling(1 / 255, name="scale")(clip)
    # Each clip by itself gets mean 0 and variance 1: light and contrast no longer matter.
    # (One group is the whole clip. LayerNormalization over all axes is the same, but comes back from
    # an .h5 file with other axes.)
    values = keras.layers.GroupNormalization(1, center=False, scale=False, name="level")(values)
    values = BODIES[name](values, clip.shape[1])
    penalty = keras.regularizers.L2(l2_strength)
    return keras.layers.Dense(64, activation="relu", kernel_regularizer=penalty, name="dense")(values)


def shown_model(name: str) -> str:
    """Return the name of the model of pictures to show: the published one for a model of gait features.

    Raises
    ------
    InputError
        If the name is unknown.
    """
    if name in GAIT_MODEL_NAMES:
        return "cnn_lstm"
    if name not in MODEL_NAMES:
        raise InputError(f"Unknown model {name!r}: expected one of {', '.join(ALL_MODEL_NAMES)}.")
    return name


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
