"""Why a model gives its answer: gait parameters that speak for it, and where a network looks."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gaitlib.clips import PreparedVideo
from gaitlib.data import VideoSet
from gaitlib.gait import GAIT_PARAMETERS, gait_parameters
from gaitlib.models import TrainedModel, make_clips

if TYPE_CHECKING:
    import keras

# Standard deviations from neutral below which a parameter is as usual, and beyond which it counts no more.
_MIN_DISTANCE, _MAX_DISTANCE, _NUM_TOLD = 0.7, 4.0, 3
# Noisy copies for SmoothGrad, and their noise as a share of the clip's range.
_NUM_COPIES, _NOISE_SHARE = 12, 0.03
# Far below any probability that matters; keeps logarithms finite.
_TINY = 1e-12


def gait_reasons(video: PreparedVideo, model: TrainedModel, emotion: str) -> pd.DataFrame:
    """Compare a walk with the neutral walks of the training walkers, for the emotion that was answered.

    A parameter speaks for an emotion where the walk differs from neutral in the direction in which that
    emotion's training walks differ.

    Returns
    -------
    DataFrame
        One row a parameter, what speaks most for the answer first: `parameter`, `title`, `unit`, `value`,
        `neutral` (mean), `distance` (standard deviations from neutral) and `speaks` (distance times the
        usual distance of the emotion's walks). Empty where the training had no neutral walks.
    """
    rows = []
    for name, value in gait_parameters(video).items():
        known = model.about.get("gait_reference", {}).get(name)
        if known is None or not known["sd"] or not np.isfinite(value):
            continue
        distance = float(np.clip((value - known["mean"]) / known["sd"], -_MAX_DISTANCE, _MAX_DISTANCE))
        usual = (known.get("emotions", {}).get(emotion, known["mean"]) - known["mean"]) / known["sd"]
        rows.append((name, value, known["mean"], distance, distance * usual))
    table = pd.DataFrame(rows, columns=["parameter", "value", "neutral", "distance", "speaks"])
    about = GAIT_PARAMETERS[["title", "unit"]]
    return table.join(about, on="parameter").sort_values("speaks", ascending=False, ignore_index=True)


def reason_sentence(reasons: pd.DataFrame, emotion: str) -> str:
    """Say in one sentence which parameters speak for the answer, or that none stands out."""
    told = reasons[(reasons["speaks"] > 0) & (reasons["distance"].abs() >= _MIN_DISTANCE)].head(_NUM_TOLD)
    if told.empty:
        return f"No single gait parameter stands out from neutral walks in the way of {emotion} ones."
    parts = [
        f"{row['title']} {'above' if row['distance'] > 0 else 'below'} neutral ({row['value']:.3g} against "
        f"{row['neutral']:.3g}{'' if row['unit'] == '1' else ' ' + row['unit']})"
        for row in told.to_dict("records")
    ]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"Evidence for {emotion}: {listed}."


def explain_network(
    model: TrainedModel, videos: VideoSet, place: int, label: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the clip of a video to which a network gives an answer with most confidence, and its saliency.

    The clip has the shape (num_frames, height, width, num_channels), uint8, or (num_frames, 33, 3), float32;
    the saliency that without the last axis, float32: log-odds a place, above 0 for the answer.
    """
    clips, network = make_clips(videos.chosen([place]), model), model.predictor
    read = [clips.read(number) for number in range(len(clips))]
    says = network.predict(np.stack(read).astype(np.float32), verbose=0)[:, label]
    clip = read[int(says.argmax())]
    return clip, clip_saliency(network, clip, label)


def clip_saliency(network: "keras.Model", clip: np.ndarray, label: int) -> np.ndarray:
    """Estimate for every place of a clip by how much the log-odds of an answer would fall if it were plain.

    The gradient over noisy copies of the clip (SmoothGrad) times what sets the place apart from the plain
    clip: the median grey of frames, the mean posture of keypoints.

    References
    ----------
    Smilkov et al. (2017), SmoothGrad: removing noise by adding noise, arXiv:1706.03825. Shrikumar et al.
    (2016), Not just a black box, arXiv:1605.01713 (gradient x input).
    """
    import tensorflow as tf

    values = clip.astype(np.float32)
    plain = values.mean(axis=0) if clip.ndim == 3 else np.floor(np.median(values, axis=(0, 1, 2)))
    noise = np.random.default_rng(0).normal(0, _NOISE_SHARE * np.ptp(values), (_NUM_COPIES, *clip.shape))
    noisy = tf.constant(values + noise, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(noisy)
        shares = network(noisy, training=False)
        # The sum of the others keeps its digits where 1 - answer has none left.
        rest = tf.gather(shares, np.delete(np.arange(shares.shape[1]), label), axis=1)
        log_odds = tf.math.log(shares[:, label] + _TINY) - tf.math.log(tf.reduce_sum(rest, 1) + _TINY)
    gradient = tape.gradient(log_odds, noisy).numpy().mean(axis=0)
    return (gradient * (values - plain)).sum(axis=-1)
