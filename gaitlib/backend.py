"""TensorFlow and Keras, loaded when first needed and without their start-up messages."""

import logging
import os
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from gaitlib.files import stderr_to

if TYPE_CHECKING:
    import keras


@cache
def load_keras() -> ModuleType:
    """Import Keras on TensorFlow and return it; takes seconds, so nothing else imports it."""
    keras = import_keras()
    with stderr_to(Path(os.devnull)):
        import tensorflow as tf

        tf.constant(0)  # makes the device, which greets too
    # Keras warns that .h5 is a legacy format; it is part of what a run must leave.
    logging.getLogger("absl").setLevel(logging.ERROR)
    # TensorFlow warns of functions traced anew, as they are for each of many models.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return keras


def import_keras() -> ModuleType:
    """Import Keras on TensorFlow and return it; no device is taken: a GPU stays free for others.

    The native libraries greet on file descriptor 2 before any setting can stop them; it is turned
    away for the time of the import, and errors still come as exceptions.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with stderr_to(Path(os.devnull)):
        import keras
        import tensorflow  # noqa: F401
    return keras


def plain_layers(model: "keras.Model") -> "list[keras.Layer]":
    """Return all layers of a model; in the place of a model within it stand that one's layers."""
    parts = [plain_layers(layer) if hasattr(layer, "layers") else [layer] for layer in model.layers]
    return [layer for part in parts for layer in part]


def list_gpus() -> list[str]:
    """Return the names of the graphics cards that TensorFlow can use."""
    load_keras()
    import tensorflow as tf

    return [gpu.name for gpu in tf.config.list_physical_devices("GPU")]


def seed_everything(seed: int) -> None:
    """Start every random generator that Keras, NumPy and Python draw from at `seed`.

    On a processor the same sums then give the same bits each time. On a graphics card this would forbid
    some operations, so that two trainings may differ there in the last bits.
    """
    load_keras().utils.set_random_seed(seed)
    import tensorflow as tf

    if not list_gpus():
        tf.config.experimental.enable_op_determinism()
