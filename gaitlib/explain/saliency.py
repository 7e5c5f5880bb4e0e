"""Where in a clip, and when, a network finds its answer: saliency by gradients, checked by occlusion.

Both ask by how much the log-odds of an emotion would fall if a place of the clip were plain: for frames
the clip's median grey, for keypoints the clip's mean posture. Occlusion does it and looks; the gradient
estimates it for every place at once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import spearmanr

from gaitlib.models import load_keras

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# Noisy copies for SmoothGrad, and their noise as a share of the clip's range.
_NUM_COPIES, _NOISE_SHARE, _BATCH_SIZE = 12, 0.03, 48
_PATCH_PIXELS, _PATCH_FRAMES = 8, 6
# Far below any probability that matters; keeps logarithms finite.
_TINY = 1e-12


@dataclass(frozen=True)
class ExplainedClip:
    """A clip as the network sees it, and what spoke for one answer.

    Attributes
    ----------
    clip : ndarray of shape (num_frames, height, width, num_channels), uint8, or (num_frames, 33, 3), float32
    saliency : ndarray of shape (num_frames, height, width) or (num_frames, 33), float32
        Log-odds a place; above 0 it speaks for the answer, below 0 against it.
    probability : float
        Of the answer in this clip.
    agreement : float
        Rank correlation with occlusion, 1 the same order, 0 no relation; NaN where hiding changes nothing.
    """

    clip: np.ndarray
    saliency: np.ndarray
    probability: float
    agreement: float


def explain_clip(network: "keras.Model", clip: np.ndarray, label: int) -> ExplainedClip:
    """Explain a network's answer on one clip.

    Parameters
    ----------
    network : keras.Model
        Takes clips and returns class probabilities.
    clip : ndarray
        See `ExplainedClip`.
    label : int
        Class number of the answer.
    """
    gradient, occlusion = gradient_saliency(network, clip, label), occlusion_saliency(network, clip, label)
    probability = float(_compiled(network)[0](clip[None].astype(np.float32)).numpy()[0, label])
    return ExplainedClip(clip, gradient, probability, agreement(gradient, occlusion))


def gradient_saliency(network: "keras.Model", clip: np.ndarray, label: int) -> np.ndarray:
    """Estimate for every place of a clip how much it speaks for an answer.

    The gradient of the log-odds over noisy copies of the clip (SmoothGrad) times what sets the place apart
    from the plain clip.

    Returns
    -------
    ndarray of the clip's shape without its last axis, float32

    References
    ----------
    Smilkov et al. (2017), SmoothGrad: removing noise by adding noise, arXiv:1706.03825. Shrikumar et al.
    (2016), Not just a black box, arXiv:1605.01713 (gradient x input).
    """
    values = clip.astype(np.float32)
    noise = np.random.default_rng(0).normal(0, _NOISE_SHARE * np.ptp(values), (_NUM_COPIES, *clip.shape))
    gradient = _compiled(network)[1]((values + noise).astype(np.float32), label).numpy().mean(axis=0)
    return (gradient * (values - _plain(clip))).sum(axis=-1).astype(np.float32)


def occlusion_saliency(network: "keras.Model", clip: np.ndarray, label: int) -> np.ndarray:
    """Measure how much each block of a clip speaks for an answer by making it plain.

    Slower and coarser than `gradient_saliency`, but it assumes nothing: it is the check.

    Returns
    -------
    ndarray of the clip's shape without its last axis, float32

    References
    ----------
    Zeiler & Fergus (2014), Visualizing and understanding convolutional networks, ECCV.
    """
    plain = np.broadcast_to(_plain(clip), clip.shape).astype(clip.dtype)
    patches = [patch for patch in _patches(clip.shape[:-1]) if (clip[patch] != plain[patch]).any()]
    before = _log_odds(network, clip[None], label)[0]
    saliency = np.zeros(clip.shape[:-1], np.float32)
    for first in range(0, len(patches), _BATCH_SIZE):
        part = patches[first : first + _BATCH_SIZE]
        hidden = np.repeat(clip[None], len(part), axis=0)
        for copy, patch in zip(hidden, part, strict=True):
            copy[patch] = plain[patch]
        for patch, after in zip(part, _log_odds(network, hidden, label), strict=True):
            saliency[patch] = (before - after) / saliency[patch].size
    return saliency


def agreement(gradient: np.ndarray, occlusion: np.ndarray) -> float:
    """Return Spearman's rank correlation of two saliencies over blocks; NaN where all are equal."""
    sums = np.array([(gradient[patch].sum(), occlusion[patch].sum()) for patch in _patches(gradient.shape)])
    sums = sums[sums[:, 1] != 0]
    if len(sums) < 3 or (np.ptp(sums, axis=0) == 0).any():
        return float("nan")
    return float(spearmanr(sums[:, 0], sums[:, 1]).statistic)


def _plain(clip: np.ndarray) -> np.ndarray:
    """Return what hides a place: the median grey of frames, the mean posture of keypoints."""
    if clip.ndim == 3:
        return clip.mean(axis=0)
    return np.floor(np.median(clip, axis=(0, 1, 2))).astype(np.float32)


def _patches(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield blocks that cover frames, or moments of single joints, without overlap."""
    sides = (_PATCH_FRAMES, *((_PATCH_PIXELS, _PATCH_PIXELS) if len(shape) == 3 else (1,)))
    for place in np.ndindex(*(-(-size // side) for size, side in zip(shape, sides, strict=True))):
        yield tuple(slice(at * side, (at + 1) * side) for at, side in zip(place, sides, strict=True))


def _log_odds(network: "keras.Model", clips: np.ndarray, label: int) -> np.ndarray:
    probabilities = _compiled(network)[0](clips.astype(np.float32)).numpy().astype(float)
    # The sum of the others keeps its digits where 1 - answer has none left.
    others = np.delete(probabilities, label, axis=1).sum(axis=1)
    return np.log(probabilities[:, label] + _TINY) - np.log(others + _TINY)


@lru_cache(maxsize=1)
def _compiled(network: "keras.Model") -> tuple[Callable[..., "tf.Tensor"], Callable[..., "tf.Tensor"]]:
    """Return the answer and the gradient of its log-odds, for any number of clips and any class."""
    load_keras()
    import tensorflow as tf

    clips = tf.TensorSpec((None, *network.input.shape[1:]), tf.float32)

    @tf.function(input_signature=[clips])
    def answer(values: "tf.Tensor") -> "tf.Tensor":
        return network(values, training=False)

    @tf.function(input_signature=[clips, tf.TensorSpec((), tf.int32)])
    def gradient(values: "tf.Tensor", label: "tf.Tensor") -> "tf.Tensor":
        with tf.GradientTape() as tape:
            tape.watch(values)
            probabilities = network(values, training=False)
            is_label = tf.one_hot(label, network.output.shape[1])
            one = tf.reduce_sum(probabilities * is_label, 1)
            others = tf.reduce_sum(probabilities * (1 - is_label), 1)
            log_odds = tf.math.log(one + _TINY) - tf.math.log(others + _TINY)
        return tape.gradient(log_odds, values)

    return answer, gradient
