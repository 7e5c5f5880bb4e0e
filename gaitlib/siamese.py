"""A model that sees a walk relative to the same person's other walk: shared layers, then a difference.

The same encoder looks at a clip and at a reference clip (Bromley et al. 1993, "Signature verification
using a siamese time delay neural network"); only the difference of what it finds reaches the answer, so
that whatever is the same in all walks of a person cancels out.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

from gaitlib.backend import load_keras

if TYPE_CHECKING:
    import keras

ENCODER = "encoder"
# The last layer before the answer, in every model that reads pictures.
FEATURE_LAYER, ANSWER_LAYER = "dense", "emotion"


def make_relative(model: "keras.Model") -> "keras.Model":
    """Turn a model of one clip into a model of a clip and a reference clip.

    Parameters
    ----------
    model : keras.Model
        From `gaitlib.models.build_model`. Its layers up to the features are shared, not copied.

    Returns
    -------
    keras.Model
        Takes two blocks of clips, each of shape (batch, num_frames, frame_size, frame_size, num_channels).
    """
    keras = load_keras()
    encoder = keras.Model(model.input, model.get_layer(FEATURE_LAYER).output, name=ENCODER)
    clip, reference = (keras.Input(model.input.shape[1:], name=name) for name in ("clip", "reference"))
    difference = keras.layers.Subtract(name="difference")([encoder(clip), encoder(reference)])
    answer = model.get_layer(ANSWER_LAYER)
    emotion = answer.__class__.from_config(answer.get_config())(difference)
    return keras.Model([clip, reference], emotion, name=f"{model.name}_relative")


def is_relative(model: "keras.Model") -> bool:
    """Whether a model compares a clip with a reference clip."""
    return len(model.inputs) == 2


@lru_cache(maxsize=1)
def split_relative(model: "keras.Model") -> tuple["keras.Model", "keras.Model"]:
    """Return the encoder of a relative model, and what answers to a difference of features.

    So the features of several reference clips can be averaged before they are compared.
    """
    keras = load_keras()
    encoder = model.get_layer(ENCODER)
    difference = keras.Input(encoder.output.shape[1:])
    return encoder, keras.Model(difference, model.get_layer(ANSWER_LAYER)(difference))
