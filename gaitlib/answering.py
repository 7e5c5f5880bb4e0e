"""What a trained model says of clips, whether it reads pictures, pairs of walks or gait features."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from gaitlib.backend import load_keras
from gaitlib.batches import ClipSet, evaluation_batches
from gaitlib.gait_models import SCALE_LAYER, fill_gaps, gait_inputs, reads_gait
from gaitlib.siamese import FEATURE_LAYER, is_relative, split_relative

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Answers:
    """What a model made of clips.

    Attributes
    ----------
    features : ndarray of shape (num_clips, num_features), float32
        What it goes by: the clip as one row of numbers; the difference of two such rows; scaled gait
        features.
    probabilities : ndarray of shape (num_clips, num_classes), float32
    """

    features: np.ndarray
    probabilities: np.ndarray


def ask_model(model: "keras.Model", clips: ClipSet) -> Answers:
    """Ask a model about every clip.

    A model that reads gait features answers once a video, for all of its clips. A model that compares
    takes the mean over all reference clips.

    Parameters
    ----------
    model : keras.Model
        From `gaitlib.training.train_model`.
    clips : ClipSet
        With references, if the model was trained with them.
    """
    if reads_gait(model):
        return _ask_gait_model(model, clips)
    if is_relative(model):
        return _ask_relative(model, clips)
    features = feature_model(model).predict(evaluation_batches(clips), verbose=0)
    return Answers(*features)


@lru_cache(maxsize=1)
def feature_model(model: "keras.Model") -> "keras.Model":
    """Return a model that answers with (features, probabilities)."""
    keras = load_keras()
    if reads_gait(model):
        features = model.get_layer(SCALE_LAYER).output
    else:
        # What enters the dense layer: its output keeps what serves the emotions, and drops what is odd.
        features = model.get_layer(FEATURE_LAYER).input
    return keras.Model(model.input, [features, model.output])


def num_features(model: "keras.Model") -> int:
    """Return how many numbers a model goes by."""
    if is_relative(model):
        return int(split_relative(model)[0].output.shape[-1])
    return int(feature_model(model).outputs[0].shape[-1])


def clip_model(model: "keras.Model", clips: ClipSet, video: int) -> "keras.Model | None":
    """Return a model of single clips that answers as `model` does for clips of one video.

    Parameters
    ----------
    model : keras.Model
    clips : ClipSet
    video : int
        Place of the video in ``clips.videos``: its references are built into the model.

    Returns
    -------
    keras.Model or None
        None for a model that reads no pictures.
    """
    if reads_gait(model):
        return None
    if not is_relative(model):
        return model
    keras = load_keras()
    encoder, answer = split_relative(model)
    others = encoder.predict(evaluation_batches(clips.only_references(video)), verbose=0)
    from_reference = keras.layers.Rescaling(1.0, -others.mean(axis=0))
    clip = keras.Input(encoder.input.shape[1:])
    return keras.Model(clip, answer(from_reference(encoder(clip))))


def _ask_gait_model(model: "keras.Model", clips: ClipSet) -> Answers:
    features, answers = feature_model(model).predict(fill_gaps(model, gait_inputs(clips)), verbose=0)
    return Answers(features[clips.video_numbers], answers[clips.video_numbers])


def _ask_relative(model: "keras.Model", clips: ClipSet) -> Answers:
    if clips.references is None:
        raise ValueError("This model compares walks: the clips need references.")
    encoder, answer = split_relative(model)
    own = encoder.predict(evaluation_batches(replace(clips, references=None)), verbose=0)
    others = encoder.predict(evaluation_batches(clips.references), verbose=0)
    means = [others[clips.reference_clips(video)].mean(axis=0) for video in range(len(clips.videos))]
    difference = own - np.stack(means)[clips.video_numbers]
    return Answers(difference, answer.predict(difference, verbose=0))
