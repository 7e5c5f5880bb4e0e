"""Explanations as figures; each figure's label describes it in words."""

from collections.abc import Mapping

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gaitlib.clips import draw_sequence
from gaitlib.explain.saliency import ExplainedClip
from gaitlib.explain.sweeps import MOVEMENTS

_NUM_FRAMES, _NUM_BARS = 8, 12
_FOR, _AGAINST, _AS_USUAL = "#D55E00", "#0072B2", "#bbbbbb"
_LINES = ("-", "--", ":", "-.")


def plot_saliency(explained: Mapping[str, ExplainedClip], frame_rate_hz: float) -> Figure:
    """Show frames of clips with what spoke for the answer in colour, and below them when.

    Parameters
    ----------
    explained : mapping of str to ExplainedClip
        By the text beside each row.
    frame_rate_hz : float
    """
    figure, axes = plt.subplots(
        2 * len(explained),
        1,
        figsize=(8.4, 1.9 * len(explained)),
        height_ratios=[2.2, 1] * len(explained),
        layout="constrained",
        squeeze=False,
    )
    for place, (text, clip) in enumerate(explained.items()):
        above, below = axes[2 * place : 2 * place + 2, 0]
        above.imshow(_strip(clip), aspect="equal")
        above.set(xticks=[], yticks=[])
        above.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=8)
        moments = np.maximum(clip.saliency, 0).reshape(len(clip.clip), -1).sum(axis=1)
        times = np.arange(len(moments)) / frame_rate_hz
        below.fill_between(times, moments, color=_FOR, alpha=0.6, lw=0)
        below.set(xlim=(0, times[-1]), yticks=[], ylabel="Evidence")
    axes[-1, 0].set_xlabel("Time in the clip, s")
    figure.set_label(
        f"What spoke for the answer, in {len(explained)} of the clips: orange marks places that speak for "
        "it, the curve below each strip says in which frames."
    )
    return figure


def _strip(explained: ExplainedClip) -> np.ndarray:
    """Lay frames of a clip side by side, of shape (height, width, 3), uint8, evidence in orange."""
    clip, saliency = explained.clip, explained.saliency
    chosen = np.linspace(0, len(clip) - 1, _NUM_FRAMES).astype(int)
    if clip.ndim == 3:  # keypoints: a spot at each joint that speaks for the answer
        return np.hstack([_stick_figure(clip[row], saliency[row]) for row in chosen])
    evidence = np.stack([cv2.GaussianBlur(saliency[row], (0, 0), 1.5) for row in chosen])
    evidence = np.clip(evidence / max(float(np.quantile(evidence, 0.995)), 1e-9), 0, 1)[..., None]
    grey = np.repeat(clip[chosen].mean(axis=-1, keepdims=True), 3, axis=-1)
    orange = np.array([213.0, 94.0, 0.0])
    return np.hstack(list((grey * (1 - evidence) + orange * evidence).astype(np.uint8)))


def _stick_figure(posture: np.ndarray, saliency: np.ndarray, size: int = 96) -> np.ndarray:
    frame = np.repeat(draw_sequence(posture[None], size, 1)[0], 3, axis=-1)
    strongest = max(float(np.abs(saliency).max()), 1e-9)
    scale = 0.8 * size / max(np.ptp(posture[:, 1]), 1e-6)
    for point, share in zip(posture, saliency / strongest, strict=True):
        if share > 0.2:
            place = (np.array([size / 2, size / 2]) + scale * point[:2]).round().astype(int)
            cv2.circle(frame, tuple(map(int, place)), round(2 + 5 * share), (213, 94, 0), -1, cv2.LINE_AA)
    return frame


def plot_reasons(reasons: pd.DataFrame, emotion: str) -> Figure:
    """Show how far the parameters of a walk lie from neutral, those that speak for the answer in colour."""
    shown = pd.concat([reasons.head(_NUM_BARS - 4), reasons.tail(4)]).drop_duplicates("parameter")[::-1]
    figure, ax = plt.subplots(figsize=(8.4, 0.8 + 0.32 * len(shown)), layout="constrained")
    colors = [_FOR if row > 0.2 else _AGAINST if row < -0.2 else _AS_USUAL for row in shown["speaks"]]
    ax.barh(range(len(shown)), shown["distance"], color=colors, height=0.7)
    ax.axvspan(-2, 2, color="0.92", zorder=0)
    ax.axvline(0, color="0.3", lw=0.8)
    names = [
        title if unit == "1" else f"{title}, {unit}"
        for title, unit in zip(shown["title"], shown["unit"], strict=True)
    ]
    ax.set_yticks(range(len(shown)), names, fontsize=8)
    ax.set_xlabel("Standard deviations from the neutral walks of the training walkers")
    figure.set_label(
        f"The walk against neutral walks: orange bars speak for {emotion}, blue ones against; the grey band "
        "holds 95 % of neutral walks."
    )
    return figure


def plot_sweeps(table: pd.DataFrame) -> Figure:
    """Show how the answer changes as one movement of a drawn walker is varied, one panel a movement."""
    names = list(table["parameter"].unique())
    figure, axes = plt.subplots(
        1, len(names), figsize=(8.4, 2.8), sharey=True, layout="constrained", squeeze=False
    )
    emotions = [name.removeprefix("p_") for name in map(str, table) if name.startswith("p_")]
    for ax, name in zip(axes[0], names, strict=True):
        means = (
            table[table["parameter"] == name]
            .groupby("value")[[f"p_{emotion}" for emotion in emotions]]
            .mean()
        )
        for place, emotion in enumerate(emotions):
            ax.plot(means.index, means[f"p_{emotion}"], _LINES[place % 4], color=f"C{place}", label=emotion)
        movement = MOVEMENTS[name]
        ax.set(xlabel=f"{movement.name.capitalize()}, {movement.unit}", ylim=(0, 1))
    axes[0, 0].set_ylabel("Mean probability")
    axes[0, -1].legend(fontsize=8)
    figure.set_label(
        f"Answers to drawn walkers: {', '.join(MOVEMENTS[name].name for name in names)} varied one at a time."
    )
    return figure
