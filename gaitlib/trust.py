"""Whether a model file may be opened: who vouches for it, and what it is made of.

A run records the digests of the models it saves; they tell when a file was changed or swapped later. They
cannot tell a whole run folder that somebody else has made: open only those that you have made or know.
"""

import sys
from pathlib import Path
from typing import Any

from gaitlib.config import InputError
from gaitlib.files import read_json, write_json
from gaitlib.names import show_name
from gaitlib.video import file_digest

DIGESTS_NAME = "model_digests.json"

# Parts of Keras that hold numbers and nothing else. Left out on purpose: what carries code (Lambda,
# wrappers of other frameworks) or reads files (lookups), and every object that Keras does not bring.
_ALLOWED_PARTS = {
    *("Functional", "Sequential", "InputLayer", "__keras_tensor__", "DTypePolicy"),
    *("Rescaling", "Normalization", "GroupNormalization", "LayerNormalization", "BatchNormalization"),
    *("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2D", "SeparableConv2D", "ZeroPadding2D", "ZeroPadding3D"),
    *("Cropping1D", "Cropping2D", "Cropping3D", "ConvLSTM2D", "EinsumDense"),
    *("MaxPooling1D", "MaxPooling2D", "MaxPooling3D"),
    *("AveragePooling1D", "AveragePooling2D", "AveragePooling3D"),
    *("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D"),
    *("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D"),
    *("TimeDistributed", "Bidirectional", "LSTM", "LSTMCell", "GRU", "GRUCell", "RNN", "StackedRNNCells"),
    *("Dense", "Flatten", "Reshape", "Permute", "Activation", "ReLU", "LeakyReLU", "Softmax"),
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
    *("Add", "Subtract", "Multiply", "Average", "Concatenate", "MultiHeadAttention", "Attention"),
    *("Zeros", "Ones", "Constant", "GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal"),
    *("Orthogonal", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling"),
    *("L1", "L2", "L1L2"),
}


def record_digest(path: Path, digest: str) -> None:
    """Note in the folder of a model that its run has made a file of this content.

    To be called before the file takes its place, so that a kill in between leaves the old file vouched
    for; that is why a name can have several digests.

    Parameters
    ----------
    path : Path
        Where the file will be.
    digest : str
        SHA-256 of its content.
    """
    digests = _read_digests(path.parent)
    digests[path.name] = list(dict.fromkeys([*digests.get(path.name, []), digest]))
    write_json(path.parent / DIGESTS_NAME, digests)


def is_vouched(path: Path) -> bool:
    """Tell whether the run folder of a model file knows it."""
    return path.name in _read_digests(path.parent)


def check_origin(path: Path, is_trusted: bool) -> None:
    """Refuse a model file that its run folder does not vouch for, or warn if the user trusts it.

    Parameters
    ----------
    path : Path
    is_trusted : bool
        Whether the user has said that a file from elsewhere is to be opened.

    Raises
    ------
    InputError
        If the file has changed since its run saved it; if no run vouches for it and it is not trusted.
    """
    known = _read_digests(path.parent).get(path.name)
    if known is None:
        name = show_name(path)
        if not is_trusted:
            raise InputError(
                f"{name} comes from elsewhere (no {DIGESTS_NAME} of a run beside it vouches for it), and a "
                "model file can be made to mislead or to attack the program that opens it: pass "
                "--trust-model if you know who made it."
            )
        print(
            f"Warning: {name} is opened because of --trust-model: no run beside it vouches for it, so "
            "nobody knows what it was trained on or whether it was changed. Code in it is not run.",
            file=sys.stderr,
        )
    elif file_digest(path) not in known:
        raise InputError(
            f"{show_name(path)} is not the file that its run saved (another SHA-256 than in {DIGESTS_NAME}): "
            "it was changed or damaged, so copy it again or train again."
        )


def check_parts(architecture: Any) -> None:
    """Refuse an architecture that has a part beyond plain layers, before Keras builds it.

    Parameters
    ----------
    architecture : object
        As read from the JSON in a model file.

    Raises
    ------
    ValueError
        If it names anything but `_ALLOWED_PARTS`: a Lambda layer, a custom object, a function.
    """
    if isinstance(architecture, dict):
        if "class_name" in architecture:
            name, registered = architecture["class_name"], architecture.get("registered_name")
            if name not in _ALLOWED_PARTS or registered not in (None, name):
                raise ValueError(f"it holds {show_name(str(registered or name))}, which could run code")
        for part in architecture.values():
            check_parts(part)
    elif isinstance(architecture, list):
        for part in architecture:
            check_parts(part)


def _read_digests(folder: Path) -> dict[str, list[str]]:
    path = folder / DIGESTS_NAME
    if not path.exists():
        return {}
    digests = read_json(path)
    if not isinstance(digests, dict) or not all(isinstance(known, list) for known in digests.values()):
        raise InputError(f"{show_name(path)} is damaged: train again, or take the folder from a backup.")
    return digests
