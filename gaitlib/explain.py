"""Where in a clip, and when, a model finds its answer: saliency by gradients, checked by occlusion.

Both ask the same question: by how much would the log-odds of an emotion fall if a place of the clip
were plain grey? Occlusion paints the grey and looks; the gradient estimates it for every pixel at once.
Grey is the clip's median level: with cut-out silhouettes, that is the empty background.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from gaitlib.answering import clip_model
from gaitlib.backend import load_keras
from gaitlib.batches import ClipSet
from gaitlib.config import RunConfig
from gaitlib.rundata import RunData

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# Noisy copies for SmoothGrad, and their noise as a share of the clip's range of grey levels. Silhouettes
# bear little: with a share of 0.1, noise takes over the empty background.
_NUM_COPIES, _NOISE_SHARE = 12, 0.03
_BATCH_SIZE = 48
# Far below any probability that matters; keeps logarithms finite.
_TINY = 1e-12

Patch = tuple[slice, slice, slice]


@dataclass(frozen=True)
class ExplainedClip:
    """A clip, what the model said of it, and what spoke for that.

    Attributes
    ----------
    pictures : ndarray of shape (num_frames, height, width, num_channels), uint8
        As the model sees them.
    saliency : ndarray of shape (num_frames, height, width), float
        See `gradient_saliency`, for the emotion `label`.
    label : int
        Class number of the explained answer.
    probability : float
        That the model gives to it in this clip.
    model : keras.Model
        Takes clips; any reference is built in.
    """

    pictures: np.ndarray
    saliency: np.ndarray
    label: int
    probability: float
    model: "keras.Model"


def gradient_saliency(model: "keras.Model", clip: np.ndarray, label: int) -> np.ndarray:
    """Estimate for every pixel how much it speaks for an answer.

    The gradient of the log-odds, averaged over noisy copies of the clip (SmoothGrad), times what
    distinguishes the pixel from the clip's median grey: the first-order estimate of what
    `occlusion_saliency` measures. Integrated gradients from a grey clip are no help here: the model
    levels each clip to mean 0 and variance 1, so that nothing changes along that path.

    Parameters
    ----------
    model : keras.Model
        Takes clips and returns class probabilities.
    clip : ndarray of shape (num_frames, height, width, num_channels), uint8
    label : int
        Class number of the answer to explain.

    Returns
    -------
    ndarray of shape (num_frames, height, width), float32
        Log-odds a pixel; above 0 it speaks for the answer, below 0 against it.

    References
    ----------
    Smilkov, Thorat, Kim, Viegas & Wattenberg (2017), SmoothGrad: removing noise by adding noise,
    arXiv:1706.03825. Shrikumar, Greenside, Shcherbina & Kundaje (2016), Not just a black box: learning
    important features through propagating activation differences, arXiv:1605.01713 (gradient x input).
    """
    levels = clip.astype(np.float32)
    noise_sd = _NOISE_SHARE * np.ptp(levels)
    noise = np.random.default_rng(0).normal(0, noise_sd, (_NUM_COPIES, *clip.shape))
    gradient = _log_odds_gradient(model, levels + noise, label).mean(axis=0)
    return (gradient * (levels - _plain_grey(clip))).sum(axis=-1).astype(np.float32)


def occlusion_saliency(
    model: "keras.Model", clip: np.ndarray, label: int, patch_pixels: int = 8, patch_frames: int = 6
) -> np.ndarray:
    """Measure how much each block of a clip speaks for an answer, by painting it grey.

    Slower than `gradient_saliency` and coarser, but it assumes nothing: it is the check.

    Parameters
    ----------
    model, clip, label
        As in `gradient_saliency`.
    patch_pixels, patch_frames : int
        Side of a block in pixels, and its length in frames; blocks at the end may be smaller.

    Returns
    -------
    ndarray of shape (num_frames, height, width), float32
        Fall of the log-odds, spread evenly over the pixels of a block.

    References
    ----------
    Zeiler & Fergus (2014), Visualizing and understanding convolutional networks, ECCV.
    """
    grey = _plain_grey(clip)
    # Nothing is hidden where a block is grey already: its saliency is 0 without asking.
    patches = [
        patch
        for patch in _patches(clip.shape[:3], patch_pixels, patch_frames)
        if (clip[patch] != grey.astype(clip.dtype)).any()
    ]
    before = _log_odds(_probabilities(model, clip[None]), label)[0]
    saliency = np.zeros(clip.shape[:3], np.float32)
    for first in range(0, len(patches), _BATCH_SIZE):
        part = patches[first : first + _BATCH_SIZE]
        hidden = np.repeat(clip[None], len(part), axis=0)
        for copy, patch in zip(hidden, part, strict=True):
            copy[patch] = grey
        after = _log_odds(_probabilities(model, hidden), label)
        for patch, value in zip(part, after, strict=True):
            saliency[patch] = (before - value) / saliency[patch].size
    return saliency


def saliency_agreement(
    gradient: np.ndarray, occlusion: np.ndarray, patch_pixels: int = 8, patch_frames: int = 6
) -> float:
    """Return the rank correlation of two saliencies over the blocks that occlusion could change.

    Parameters
    ----------
    gradient, occlusion : ndarray of shape (num_frames, height, width), float
        From `gradient_saliency` and `occlusion_saliency`.
    patch_pixels, patch_frames : int
        As in `occlusion_saliency`.

    Returns
    -------
    float
        Spearman's coefficient, signs counted: 1 the same order, 0 no relation; NaN where all is equal.
    """
    patches = list(_patches(gradient.shape, patch_pixels, patch_frames))
    sums = np.array([(gradient[patch].sum(), occlusion[patch].sum()) for patch in patches])
    sums = sums[sums[:, 1] != 0]
    if len(sums) < 3 or (np.ptp(sums, axis=0) == 0).any():
        return float("nan")
    return float(spearmanr(sums[:, 0], sums[:, 1]).statistic)


def explain_clip(model: "keras.Model", clip: np.ndarray, label: int) -> ExplainedClip:
    """Return a clip with the gradient saliency of one answer."""
    probability = float(_probabilities(model, clip[None])[0, label])
    return ExplainedClip(clip, gradient_saliency(model, clip, label), label, probability, model)


def explain_surest_clip(model: "keras.Model", clips: ClipSet, label: int) -> ExplainedClip:
    """Explain the clip, of those of one video, to which the model gives the answer with most certainty."""
    probabilities = [_probabilities(model, clips.read(clip)[None])[0, label] for clip in range(len(clips))]
    return explain_clip(model, clips.read(int(np.argmax(probabilities))), label)


def explain_surest_errors(
    model: "keras.Model", data: RunData, table: pd.DataFrame, config: RunConfig, num_videos: int = 4
) -> dict[str, ExplainedClip]:
    """Explain the wrong answers that the model was surest of.

    Parameters
    ----------
    model : keras.Model
    data : RunData
    table : DataFrame
        One row a test video of `data`, in its order: `video`, `emotion`, `predicted`, `confidence`.
    config : RunConfig
    num_videos : int

    Returns
    -------
    dict of str to ExplainedClip
        By a text with the video, the true emotion, the answer and its confidence; empty where the model
        made no error, or reads no pictures.
    """
    wrong = table[table["emotion"] != table["predicted"]].nlargest(num_videos, "confidence")
    clips = data.clip_set("test", config)
    explained = {}
    for place, row in wrong.iterrows():
        video = int(str(place))
        answering = clip_model(model, clips, video)
        if answering is None:
            return {}
        label = data.emotions.index(row["predicted"])
        own = clips.chosen(np.flatnonzero(clips.video_numbers == video))
        text = f"{Path(row['video']).stem[:24]}\n{row['emotion']}, read as\n{row['predicted']}, "
        explained[f"{text}{row['confidence']:.0%} sure"] = explain_surest_clip(answering, own, label)
    return explained


def _probabilities(model: "keras.Model", clips: np.ndarray) -> np.ndarray:
    """Return what a model says of clips, shape (num_clips, num_classes), float32."""
    return _compiled(model)[0](clips.astype(np.float32)).numpy()


def _log_odds_gradient(model: "keras.Model", clips: np.ndarray, label: int) -> np.ndarray:
    """Return how the log-odds of one class change with every value of the clips, in their shape."""
    return _compiled(model)[1](clips.astype(np.float32), label).numpy()


@lru_cache(maxsize=1)
def _compiled(model: "keras.Model") -> tuple[Callable[..., "tf.Tensor"], Callable[..., "tf.Tensor"]]:
    """Return the functions of `_probabilities` and `_log_odds_gradient`.

    For any number of clips and any class: to compile takes longer than to run.
    """
    load_keras()
    import tensorflow as tf

    clips = tf.TensorSpec((None, *model.input.shape[1:]), tf.float32)

    @tf.function(input_signature=[clips])
    def answer(values: "tf.Tensor") -> "tf.Tensor":
        return model(values, training=False)

    @tf.function(input_signature=[clips, tf.TensorSpec((), tf.int32)])
    def gradient(values: "tf.Tensor", label: "tf.Tensor") -> "tf.Tensor":
        with tf.GradientTape() as tape:
            tape.watch(values)
            probabilities = model(values, training=False)
            is_label = tf.one_hot(label, model.output.shape[1])
            one = tf.reduce_sum(probabilities * is_label, 1)
            # Not 1 - one, which has no digits left for a sure answer.
            others = tf.reduce_sum(probabilities * (1 - is_label), 1)
            log_odds = tf.math.log(one + _TINY) - tf.math.log(others + _TINY)
        return tape.gradient(log_odds, values)

    return answer, gradient


def _plain_grey(clip: np.ndarray) -> np.ndarray:
    """Return the median level of each channel, shape (num_channels,), float32, whole numbers."""
    return np.floor(np.median(clip, axis=(0, 1, 2))).astype(np.float32)


def _patches(shape: tuple[int, ...], patch_pixels: int, patch_frames: int) -> Iterator[Patch]:
    """Yield blocks that cover a clip without overlap."""
    frames, height, width = shape
    for frame in range(0, frames, patch_frames):
        for top in range(0, height, patch_pixels):
            for left in range(0, width, patch_pixels):
                yield (
                    slice(frame, frame + patch_frames),
                    slice(top, top + patch_pixels),
                    slice(left, left + patch_pixels),
                )


def _log_odds(probabilities: np.ndarray, label: int) -> np.ndarray:
    """Return the log-odds of one class, shape (num_clips,), from shape (num_clips, num_classes)."""
    answer = probabilities[:, label].astype(float)
    # The others' sum keeps its digits where 1 - answer has none left.
    others = np.delete(probabilities, label, axis=1).astype(float).sum(axis=1)
    return np.log(answer + _TINY) - np.log(others + _TINY)
