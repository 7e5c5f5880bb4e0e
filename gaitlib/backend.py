"""TensorFlow and Keras, loaded when first needed and without their start-up messages."""

import os
import sys
from functools import cache
from types import ModuleType


@cache
def load_keras() -> ModuleType:
    """Import Keras on TensorFlow and return it; takes seconds, so nothing else imports it.

    The native libraries greet on file descriptor 2 before any setting can stop them; it is turned
    away for the time of the import, and errors still come as exceptions.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr_copy = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            import keras
            import tensorflow as tf

            tf.constant(0)  # makes the device, which greets too
        finally:
            os.dup2(stderr_copy, 2)
            os.close(stderr_copy)
    return keras


def seed_everything(seed: int) -> None:
    """Start every random generator that Keras, NumPy and Python draw from at `seed`."""
    load_keras().utils.set_random_seed(seed)
