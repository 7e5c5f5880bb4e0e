"""TensorFlow and Keras, loaded when first needed and without their start-up messages."""

import logging
import os
from functools import cache
from pathlib import Path
from types import ModuleType

from gaitlib.files import stderr_to


@cache
def load_keras() -> ModuleType:
    """Import Keras on TensorFlow and return it; takes seconds, so nothing else imports it."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # The native libraries greet on file descriptor 2 before any setting can stop them.
    with stderr_to(Path(os.devnull)):
        import keras
        import tensorflow as tf

        tf.constant(0)  # makes the device, which greets too
    # Keras warns that .h5 is a legacy format, TensorFlow that each of many models is traced anew.
    for name in ("absl", "tensorflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return keras


def list_gpus() -> list[str]:
    """Return the names of the graphics cards that TensorFlow can use."""
    load_keras()
    import tensorflow as tf

    return [gpu.name for gpu in tf.config.list_physical_devices("GPU")]


def seed_everything(seed: int) -> None:
    """Start every random generator at `seed`; without a graphics card a training then repeats to the bit."""
    load_keras().utils.set_random_seed(seed)
    import tensorflow as tf

    if not list_gpus():
        tf.config.experimental.enable_op_determinism()
