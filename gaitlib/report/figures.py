"""Scores and clips become figures: each function returns a Figure with its description as label."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from gaitlib.config import CEILINGS

# Okabe & Ito's colours, told apart by colour-blind readers too; further emotions take the rest.
PALETTE = {"angry": "#D55E00", "happy": "#E69F00", "neutral": "#999999", "sad": "#0072B2"}
_MORE_COLORS = ("#009E73", "#CC79A7", "#56B4E9", "#000000", "#F0E442")
MODEL_COLOR, BASELINE_COLOR, RIGHT_COLOR, WRONG_COLOR = "#0072B2", "#767676", "#009E73", "#D55E00"
WIDTH_INCHES = 8.4
# Names come from users: a dollar sign in one is no formula.
plt.rcParams.update(
    {
        **{"text.parse_math": False, "axes.spines.top": False, "axes.spines.right": False},
        **{"legend.frameon": False, "figure.figsize": (WIDTH_INCHES, 2.8)},
    }
)


def described(figure: Figure, text: str) -> Figure:
    """Give a figure its description in words; the beginning, up to a colon, is its caption."""
    figure.set_label(text)
    return figure


def emotion_colors(emotions: Sequence[str]) -> dict[str, str]:
    """Return a colour for each emotion."""
    spare = iter(_MORE_COLORS * len(emotions))
    return {emotion: PALETTE.get(emotion) or next(spare) for emotion in emotions}


def spelled(name: str) -> str:
    """Return a name with blanks in the place of underscores."""
    return name.replace("_", " ")


def plot_intervals(
    table: pd.DataFrame, caption: str, axis: str, marked: Collection[str] = (), width: float = WIDTH_INCHES
) -> Figure:
    """Show values with their intervals, one row each, the first at the top.

    Parameters
    ----------
    table : DataFrame
        Columns `name`, `accuracy`, `low`, `high`: shares, or differences of shares if any is negative.
    caption, axis : str
    marked : collection of str
        Names in colour, such as the model's; ceilings are hollow.
    width : float
        Inches.
    """
    figure, ax = plt.subplots(figsize=(width, 0.75 + 0.34 * len(table)), layout="constrained")
    is_share = table["accuracy"].min() >= 0
    rows: list[Any] = table[["name", "accuracy", "low", "high"]].to_numpy(object).tolist()
    for place, (name, value, *limits) in enumerate(rows):
        color = MODEL_COLOR if name in marked else BASELINE_COLOR
        ax.hlines(place, *limits, color=color, lw=2)
        ax.plot(value, place, "o", color=color, mfc="white" if name in CEILINGS else color, zorder=3)
        text = f"{value:.0%}" if is_share else f"{100 * value:+.0f}"
        ax.text(value, place - 0.18, text, ha="center", va="bottom", fontsize=8)
    ax.set_yticks(range(len(table)), [spelled(row[0]) for row in rows])
    ax.set(ylim=(len(table) - 0.5, -0.75), xlabel=axis)
    ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")
    ax.grid(axis="x", color="#dddddd", lw=0.6)
    if is_share:
        ax.set_xlim(0, 1.02)
    else:
        ax.axvline(0, color="black", lw=0.8)
    words = "; ".join(f"{spelled(name)} {100 * value:.0f}" for name, value, *_ in rows)
    return described(figure, f"{caption}: {axis.lower()}: {words}.")


def plot_confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> Figure:
    """Show counts and shares of what each emotion was taken for (rows: true)."""
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    texts = np.char.add(counts.astype(str), np.vectorize("\n{:.0%}".format)(shares))
    figure, ax = plt.subplots(figsize=(5.2, 4.0), layout="constrained")
    sns.heatmap(
        shares, annot=texts, fmt="", cmap="Blues", vmin=0, vmax=1, square=True, ax=ax,
        xticklabels=labels, yticklabels=labels, cbar_kws={"label": "Share of the row"},
    )  # fmt: skip
    ax.set(xlabel="Predicted emotion", ylabel="True emotion")
    ax.tick_params(axis="y", rotation=0)
    rows = "; ".join(
        f"{label}: " + ", ".join(f"{count} as {other}" for count, other in zip(row, labels, strict=True))
        for label, row in zip(labels, counts, strict=True)
    )
    return described(figure, f"Confusion matrix, videos by true emotion: {rows}.")


def plot_effects(effects: pd.DataFrame, num_parameters: int = 20) -> Figure:
    """Show the strongest effects of emotions on gait parameters (see `effect_sizes`) as a heat map."""
    sizes = effects.pivot_table("effect", "title", "emotion", sort=False)
    order = sizes.abs().max(axis=1).sort_values(ascending=False).index[:num_parameters]
    sizes = sizes.loc[order]
    is_clear = ((effects["low"] > 0) | (effects["high"] < 0)).astype(float)
    clear = effects.assign(clear=is_clear).pivot_table("clear", "title", "emotion").loc[order, sizes.columns]
    texts = np.char.add(np.vectorize("{:+.1f}".format)(sizes), np.where(clear > 0, " *", ""))
    figure, ax = plt.subplots(figsize=(WIDTH_INCHES, 1.2 + 0.28 * len(sizes)), layout="constrained")
    limit = max(2.0, float(np.abs(sizes.to_numpy()).max()))
    sns.heatmap(
        sizes, annot=texts, fmt="", cmap="PuOr_r", vmin=-limit, vmax=limit, ax=ax,
        cbar_kws={"label": "Effect size, Hedges' g"},
    )  # fmt: skip
    ax.set(xlabel="", ylabel="")
    words = "; ".join(
        f"{title}: " + ", ".join(f"{emotion} {value:+.1f}" for emotion, value in row.items())
        for title, row in sizes.head(6).iterrows()
    )
    return described(figure, f"Effect sizes of gait parameters by emotion, * interval without zero: {words}.")


def plot_strips(strips: Mapping[str, np.ndarray], columns: Sequence[str], caption: str) -> Figure:
    """Show frames over time, one row a video: `strips` by the text at the left, `columns` the texts below.

    Each strip is an ndarray of shape (num_columns, height, width[, 1 or 3]), uint8.
    """
    shape = next(iter(strips.values())).shape
    height = WIDTH_INCHES / len(columns) * shape[1] / shape[2]
    figure, axes = plt.subplots(
        len(strips), len(columns), figsize=(WIDTH_INCHES, len(strips) * height + 0.3), squeeze=False,
        gridspec_kw={"wspace": 0.03, "hspace": 0.05},
    )  # fmt: skip
    for row, (label, frames) in zip(axes, strips.items(), strict=True):
        for ax, frame in zip(row, frames, strict=True):
            ax.imshow(frame.squeeze(), cmap="gray", vmin=0, vmax=255)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
    for ax, text in zip(axes[-1], columns, strict=True):
        ax.set_xlabel(text, fontsize=8)
    return described(figure, f"{caption}: one row a video: {'; '.join(strips).replace(chr(10), ', ')}.")
