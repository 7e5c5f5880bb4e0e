"""Reasons as figures, whose labels describe them, and as one page about a video that opens offline."""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gaitlib.clips import PreparedVideo
from gaitlib.clips.skeleton import draw_sequence
from gaitlib.data import VideoSet
from gaitlib.explain.reasons import explain_network, gait_reasons, reason_sentence
from gaitlib.files import write_aside
from gaitlib.models import TrainedModel

_NUM_FRAMES, _NUM_BARS = 8, 12
_PRINT_DPI, _SCREEN_DPI = 150, 100
# A wider picture scrolls on a phone, where its words would be too small to read.
_WIDE_PX = 640
_FOR, _AGAINST, _AS_USUAL = "#D55E00", "#0072B2", "#bbbbbb"
_ORANGE = (213, 94, 0)
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }} .scroll {{ overflow-x: auto; }} img {{ max-width: 100%; }}
td, th {{ text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ccc; vertical-align: top; }}
.headline {{ font-size: 1.2rem; }} .banner {{ background: #fff3cd; padding: .5rem 1rem; }}
figure {{ margin: 1rem 0; break-inside: avoid; }} img {{ height: auto; }}
figcaption {{ color: #444; font-size: .9rem; }}
</style></head><body><main>
<h1>{title}</h1>
{body}
</main></body></html>
"""
_BANNER = (
    '<p class="banner">Synthetic walkers: the model was trained on people drawn by a program. What it says '
    "of real people is untested.</p>"
)


def explain_verdict(video: PreparedVideo, model: TrainedModel, emotion: str) -> list[str]:
    """Say in HTML why a model has answered with an emotion: parameters and, of a network, where it looked."""
    reasons = gait_reasons(video, model, emotion)
    parts = [paragraph(reason_sentence(reasons, emotion))]
    if len(reasons):
        parts.append(figure_html(plot_reasons(reasons, emotion))[0])
    if model.kind == "network":
        videos, label = VideoSet((video,), np.zeros(1, int), np.zeros(1, str)), model.emotions.index(emotion)
        clip, saliency = explain_network(model, videos, 0, label)
        parts.append(figure_html(plot_saliency(clip, saliency, emotion, model.config.frame_rate_hz))[0])
    return parts


def plot_saliency(clip: np.ndarray, saliency: np.ndarray, text: str, frame_rate_hz: float) -> Figure:
    """Show frames of a clip with what spoke for the answer in colour, and below them when."""
    figure, (above, below) = plt.subplots(2, figsize=(8.4, 2.4), height_ratios=[2.2, 1], layout="constrained")
    above.imshow(_strip(clip, saliency), aspect="equal")
    above.set(xticks=[], yticks=[])
    above.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=8)
    moments = np.maximum(saliency, 0).reshape(len(clip), -1).sum(axis=1)
    times = np.arange(len(moments)) / frame_rate_hz
    below.fill_between(times, moments, color=_FOR, alpha=0.6, lw=0)
    below.set(xlim=(0, times[-1]), yticks=[], ylabel="Evidence", xlabel="Time in the clip, s")
    figure.set_label(
        "What spoke for the answer, in one clip: orange marks places that speak for it, the curve below says "
        "in which frames."
    )
    return figure


def _strip(clip: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """Lay frames of a clip side by side, of shape (height, width, 3), uint8, evidence in orange."""
    chosen = np.linspace(0, len(clip) - 1, _NUM_FRAMES).astype(int)
    if clip.ndim == 3:  # keypoints: a spot at each joint that speaks for the answer
        return np.hstack([_stick_figure(clip[row], saliency[row]) for row in chosen])
    evidence = np.stack([cv2.GaussianBlur(saliency[row], (0, 0), 1.5) for row in chosen])
    evidence = np.clip(evidence / max(float(np.quantile(evidence, 0.995)), 1e-9), 0, 1)[..., None]
    grey = clip[chosen].mean(axis=-1, keepdims=True)
    return np.hstack(list((grey * (1 - evidence) + np.array(_ORANGE) * evidence).astype(np.uint8)))


def _stick_figure(posture: np.ndarray, saliency: np.ndarray, size: int = 96) -> np.ndarray:
    frame = np.repeat(draw_sequence(posture[None], size, 1)[0], 3, axis=-1)
    strongest = max(float(np.abs(saliency).max()), 1e-9)
    scale = 0.8 * size / max(np.ptp(posture[:, 1]), 1e-6)
    for point, share in zip(posture, saliency / strongest, strict=True):
        if share > 0.2:
            place = (np.array([size / 2, size / 2]) + scale * point[:2]).round().astype(int)
            cv2.circle(frame, tuple(map(int, place)), round(2 + 5 * share), _ORANGE, -1, cv2.LINE_AA)
    return frame


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


def write_html(path: Path, title: str, parts: Sequence[str], is_demo: bool) -> None:
    """Write a page from HTML parts, with a banner where the model learnt from synthetic walkers."""
    body = "\n".join([_BANNER, *parts] if is_demo else parts)
    with write_aside(path) as aside:
        page = _PAGE.format(title=escape(title), body=body)
        aside.write_text(page, encoding="utf-8", errors="backslashreplace")


def paragraph(text: str, kind: str = "") -> str:
    """Return an escaped text as a paragraph."""
    return f"<p{f' class={kind}' if kind else ''}>{escape(text)}</p>"


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
