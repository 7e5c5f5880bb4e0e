"""Why a model gives its answer, in HTML: gait parameters that speak for it, and where a network looks."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gaitlib.clips import PreparedVideo
from gaitlib.clips.skeleton import draw_sequence
from gaitlib.data import VideoSet
from gaitlib.gait import GAIT_PARAMETERS, gait_parameters
from gaitlib.models import TrainedModel, make_clips

# Standard deviations from neutral below which a parameter is as usual, and beyond which it counts no more.
_MIN_DISTANCE, _MAX_DISTANCE, _NUM_TOLD = 0.7, 4.0, 3
# Noisy copies for SmoothGrad, and their noise as a share of the clip's range.
_NUM_COPIES, _NOISE_SHARE = 12, 0.03
# Far below any probability that matters; keeps logarithms finite.
_TINY = 1e-12
# How much of its height a stick figure fills, see `draw_sequence`.
_BODY_SHARE = 0.8
_NUM_BARS, _NUM_FRAMES, _FIGURE_PX = 12, 8, 96
# A wider picture scrolls on a phone, where its words would be too small to read.
_PRINT_DPI, _SCREEN_DPI, _WIDE_PX = 150, 100, 640
_FOR, _AGAINST, _AS_USUAL, _ORANGE = "#D55E00", "#0072B2", "#bbbbbb", (213, 94, 0)


def explain_verdict(video: PreparedVideo, model: TrainedModel, emotion: str) -> list[str]:
    """Say in HTML why a model has answered with an emotion: parameters and, of a network, where it looked."""
    reasons = gait_reasons(video, model, emotion)
    parts = [paragraphs(reason_sentence(reasons, emotion))]
    if len(reasons):
        parts.append(figure_html(plot_reasons(reasons, emotion))[0])
    if model.kind == "network":
        videos, label = VideoSet((video,), np.zeros(1, int), np.zeros(1, str)), model.emotions.index(emotion)
        clip, saliency = explain_network(model, videos, label)
        parts.append(figure_html(plot_saliency(clip, saliency, emotion))[0])
    return parts


def gait_reasons(video: PreparedVideo, model: TrainedModel, emotion: str) -> pd.DataFrame:
    """Compare a walk with the neutral walks of the training walkers, for the emotion that was answered.

    Returns a row a parameter, what speaks most for the answer first: `parameter`, `title`, `unit`, `value`,
    `neutral` (mean), `distance` (standard deviations from neutral) and `speaks`, above 0 where the walk
    differs from neutral in the direction in which the training walks of the emotion differ. Empty where the
    training had no neutral walks.
    """
    table = pd.DataFrame(model.about.get("gait_reference", {}), ["mean", "sd", "emotions"]).T
    table["emotions"] = table["emotions"].map(lambda means: means.get(emotion))
    table = table.rename(columns={"mean": "neutral"}).assign(value=pd.Series(gait_parameters(video)))
    table = table.astype(float).rename_axis("parameter")
    of_sd = 1 / table["sd"].where(table["sd"] > 0)
    distance = ((table["value"] - table["neutral"]) * of_sd).clip(-_MAX_DISTANCE, _MAX_DISTANCE)
    usual = (table["emotions"].fillna(table["neutral"]) - table["neutral"]) * of_sd
    table = table.assign(distance=distance, speaks=distance * usual).dropna(subset="distance")
    table = table.join(GAIT_PARAMETERS[["title", "unit"]]).drop(columns=["sd", "emotions"])
    return table.sort_values("speaks", ascending=False).reset_index()


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
    return f"Evidence for {emotion}: {', '.join(parts)}."


def plot_reasons(reasons: pd.DataFrame, emotion: str) -> Figure:
    """Show how far the parameters of a walk lie from neutral, those that speak for the answer in colour."""
    shown = pd.concat([reasons.head(_NUM_BARS - 4), reasons.tail(4)]).drop_duplicates("parameter")[::-1]
    figure, ax = plt.subplots(figsize=(8.4, 0.8 + 0.32 * len(shown)), layout="constrained")
    colors = [_FOR if row > 0.2 else _AGAINST if row < -0.2 else _AS_USUAL for row in shown["speaks"]]
    ax.barh(range(len(shown)), shown["distance"], color=colors, height=0.7)
    ax.axvspan(-2, 2, color="0.92", zorder=0)
    ax.axvline(0, color="0.3", lw=0.8)
    names = (shown["title"] + ", " + shown["unit"]).str.removesuffix(", 1")
    ax.set_yticks(range(len(shown)), names, fontsize=8)
    ax.set_xlabel("Standard deviations from the neutral walks of the training walkers")
    figure.set_label(
        f"The walk against neutral walks: orange bars speak for {emotion}, blue ones against, grey ones for "
        "neither; the grey band holds 95 % of neutral walks."
    )
    return figure


def explain_network(model: TrainedModel, videos: VideoSet, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the clip of one video to which a network gives an answer with most confidence, and its saliency.

    The clip has the shape (num_frames, height, width, num_channels), uint8, or (num_frames, 33, 3), float32;
    the saliency that without the last axis, float32: log-odds a place, above 0 for the answer.
    """
    clips, network = make_clips(videos, model), model.predictor
    read = [clips.read(number) for number in range(len(clips))]
    says = network.predict(np.stack(read).astype(np.float32), verbose=0)[:, label]
    clip = read[int(says.argmax())]
    return clip, clip_saliency(network, clip, label)


def clip_saliency(network: Any, clip: np.ndarray, label: int) -> np.ndarray:
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


def plot_saliency(clip: np.ndarray, saliency: np.ndarray, text: str) -> Figure:
    """Show frames of a clip with what spoke for the answer in orange; `text` says which answer."""
    frames = _mark_evidence(clip, saliency)
    return plot_strips({text: frames}, [""] * len(frames), "In orange, what spoke for the answer in one clip")


def plot_strips(strips: Mapping[str, np.ndarray], columns: Sequence[str], caption: str) -> Figure:
    """Show rows of frames, (num_columns, height, width[, 1 or 3]), uint8, by the text at the left."""
    frames = np.stack(list(strips.values()))
    num_rows, num_columns, height, width = frames.shape[:4]
    image = np.vstack([np.hstack(list(row)) for row in frames])
    size = 8.4, 8.4 * image.shape[0] / image.shape[1] + 0.3
    figure, ax = plt.subplots(figsize=size, layout="constrained")
    ax.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
    ax.set_xticks((np.arange(num_columns) + 0.5) * width, columns)
    ax.set_yticks((np.arange(num_rows) + 0.5) * height, list(strips))
    ax.tick_params(length=0, labelsize=8)
    ax.spines[:].set_visible(False)
    names = "; ".join(columns if list(strips) == [""] else strips).replace("\n", ", ")
    figure.set_label(f"{caption}: {names}.")
    return figure


def _mark_evidence(clip: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """Return frames of a clip, of shape (num, height, width, 3), uint8, with the evidence in orange."""
    chosen = np.linspace(0, len(clip) - 1, _NUM_FRAMES).astype(int)
    frames, evidence = clip[chosen], saliency[chosen]
    if clip.ndim == 3:  # keypoints: the evidence lies at the joints of a stick figure
        places = (_FIGURE_PX * (0.5 + _BODY_SHARE * frames[..., :2])).clip(0, _FIGURE_PX - 1).astype(int)
        evidence = np.zeros((_NUM_FRAMES, _FIGURE_PX, _FIGURE_PX), np.float32)
        evidence[np.arange(_NUM_FRAMES)[:, None], places[..., 1], places[..., 0]] = saliency[chosen]
        frames = draw_sequence(frames, _FIGURE_PX)
    evidence = np.stack([cv2.GaussianBlur(one, (0, 0), 1.5) for one in evidence])
    evidence = np.clip(evidence / max(float(np.quantile(evidence, 0.995)), 1e-9), 0, 1)[..., None]
    grey = frames.mean(axis=-1, keepdims=True)
    return (grey * (1 - evidence) + np.array(_ORANGE) * evidence).astype(np.uint8)


def paragraphs(*texts: str) -> str:
    """Return texts, escaped, as paragraphs; empty ones are left out."""
    return "".join(f"<p>{escape(text)}</p>" for text in texts if text)


def figure_html(figure: Figure, alt: str = "") -> tuple[str, bytes]:
    """Draw a figure sharp enough for print and close it; return it as HTML and as PNG.

    `alt` describes it in words, by default by its label; the beginning, up to a colon, is its caption.
    """
    stream, alt = io.BytesIO(), alt or str(figure.get_label()) or "Figure"
    figure.savefig(stream, format="png", dpi=_PRINT_DPI, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    png, caption = stream.getvalue(), alt.split(": ")[0].split(". ")[0].rstrip(".") + "."
    width = int.from_bytes(png[16:20], "big") * _SCREEN_DPI // _PRINT_DPI
    wide = ' class="wide"' if width > _WIDE_PX else ""
    image = f'<img src="{data_uri(stream, "png")}"{wide} width="{width}" alt="{escape(alt)}">'
    return captioned(image, caption), png


def captioned(image: str, caption: str) -> str:
    """Return an image, HTML already, with a caption."""
    return f'<figure class="numbered">{image}<figcaption>{escape(caption)}</figcaption></figure>'


def data_uri(stream: io.BytesIO, kind: str) -> str:
    """Return a picture as an address that holds all of it."""
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
