"""Results become figures: each function returns a Figure with its description, and shows nothing."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito's colours, told apart by colour-blind readers too; further emotions take the rest.
PALETTE = {"angry": "#D55E00", "happy": "#E69F00", "neutral": "#999999", "sad": "#0072B2"}
_MORE_COLORS = ("#009E73", "#CC79A7", "#56B4E9", "#000000", "#F0E442")
MODEL_COLOR, BASELINE_COLOR, RIGHT_COLOR, WRONG_COLOR = "#0072B2", "#999999", "#009E73", "#D55E00"
WIDTH_INCHES = 7.2
# Names come from users: a dollar sign in one is no formula.
plt.rcParams["text.parse_math"] = False


def emotion_colors(emotions: Sequence[str]) -> dict[str, str]:
    """Return a colour for each emotion."""
    spare = iter(_MORE_COLORS * len(emotions))
    return {emotion: PALETTE.get(emotion) or next(spare) for emotion in emotions}


def alt_text(figure: Figure) -> str:
    """Return what a figure shows, in words, for those who do not see it."""
    return str(figure.get_label())


def plot_counts(videos: pd.DataFrame) -> Figure:
    """Show how many videos and walkers each emotion has in each part: training, ... or the folds.

    Parameters
    ----------
    videos : DataFrame
        Columns `emotion`, `walker`, `split`, `fold`.
    """
    figure, axes = make_figure(2, height=2.8)
    if videos["fold"].any():
        videos = videos.assign(split="fold " + videos["fold"].astype(str))
        splits = sorted(videos["split"].unique(), key=lambda name: int(name.split()[1]))
    else:
        splits = [
            split for split in ("train", "validation", "test", "unused") if split in set(videos["split"])
        ]
    for ax, column, title in zip(axes, ("video", "walker"), ("Videos", "Walkers"), strict=True):
        counts = videos.groupby(["emotion", "split"])[column].nunique().reset_index(name="count")
        sns.barplot(
            counts,
            x="emotion",
            y="count",
            hue="split",
            hue_order=splits,
            ax=ax,
            palette="colorblind",
        )
        ax.set(xlabel="", ylabel=f"Number of {title.lower()}", title=title)
        ax.set_ylim(top=1.3 * counts["count"].max())
        ax.legend(title="", frameon=False, fontsize=8, ncols=3, loc="upper center")
    totals = ", ".join(f"{split} {(videos['split'] == split).sum()}" for split in splits)
    return described(figure, f"Bar charts of videos and walkers by emotion; videos: {totals}.")


def plot_strips(strips: Mapping[str, np.ndarray], seconds: Sequence[float], title: str = "") -> Figure:
    """Show pictures over time, one row a video.

    Parameters
    ----------
    strips : mapping of str to ndarray of shape (num_pictures, height, width, 1 or 3), uint8
        By the text at the left of the row.
    seconds : sequence of float
        Time of each column within its clip.
    title : str
    """
    num_columns = len(seconds)
    figure, axes = plt.subplots(
        len(strips),
        num_columns,
        figsize=(WIDTH_INCHES, len(strips) * WIDTH_INCHES / num_columns),
        squeeze=False,
        gridspec_kw={"wspace": 0.03, "hspace": 0.05},
    )
    for row, (label, pictures) in zip(axes, strips.items(), strict=True):
        for ax, picture in zip(row, pictures, strict=True):
            ax.imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=255)
            ax.set(xticks=[], yticks=[])
            sns.despine(ax=ax, left=True, bottom=True)
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
    for ax, second in zip(axes[-1], seconds, strict=True):
        ax.set_xlabel(f"{second:.1f} s", fontsize=8)
    if title:
        axes[0, 0].set_title(title, loc="left", fontsize=10)
    return described(figure, f"Pictures over time, one row a video: {'; '.join(strips)}.")


def plot_sheet(picture: np.ndarray, rows: Sequence[str], seconds_between: float) -> Figure:
    """Show a contact sheet whose rows are emotions and whose columns are times.

    Parameters
    ----------
    picture : ndarray of shape (height, width, 3), uint8, RGB
    rows : sequence of str
        What each row shows, from the top.
    seconds_between : float
        Time from one column to the next.
    """
    figure, (ax,) = make_figure(1, height=WIDTH_INCHES * picture.shape[0] / picture.shape[1] + 0.4)
    ax.imshow(picture)
    cell = picture.shape[0] / len(rows)
    ax.set_yticks([(number + 0.5) * cell for number in range(len(rows))], rows)
    columns = round(picture.shape[1] / cell)
    ticks = [(number + 0.5) * cell for number in range(columns)]
    ax.set_xticks(ticks, [f"{number * seconds_between:.1f}" for number in range(columns)])
    ax.set_xlabel("Time, s")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return described(figure, f"One synthetic walker over time, one row an emotion: {', '.join(rows)}.")


def plot_speeds(speeds: pd.DataFrame) -> Figure:
    """Show the walking speed of every video by emotion.

    Parameters
    ----------
    speeds : DataFrame
        Columns `emotion` and `speed_heights_per_s`.
    """
    figure, (ax,) = make_figure(1, height=2.6)
    emotions = sorted(speeds["emotion"].unique())
    sns.stripplot(
        speeds, x="speed_heights_per_s", y="emotion", order=emotions, hue="emotion", size=4, ax=ax,
        palette=emotion_colors(emotions), legend=False, alpha=0.7,
    )  # fmt: skip
    ax.set(xlabel="Walking speed in the picture, body heights a second", ylabel="", xlim=(0, None))
    medians = speeds.groupby("emotion")["speed_heights_per_s"].median()
    words = ", ".join(f"{emotion} {value:.2f}" for emotion, value in medians.items())
    return described(figure, f"Walking speed of each video by emotion; medians in heights a second: {words}.")


def plot_learning_curves(history: pd.DataFrame, best_epoch: int) -> Figure:
    """Show loss and accuracy by epoch for training and validation walkers.

    Parameters
    ----------
    history : DataFrame
        See `gaitlib.training.TrainingResult`.
    best_epoch : int
        The epoch whose weights were kept.
    """
    figure, axes = make_figure(2, height=2.8)
    for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
        ax.plot(history["epoch"], history[name], color=BASELINE_COLOR, ls="--", label="training walkers")
        ax.plot(history["epoch"], history[f"val_{name}"], color=MODEL_COLOR, label="validation walkers")
        ax.axvline(best_epoch, color="black", lw=0.8, ls=":", label=f"kept: epoch {best_epoch}")
        ax.set(xlabel="Epoch", ylabel=f"{name.capitalize()} per clip")
        ax.set_ylim(bottom=0, top=1.02 if name == "accuracy" else None)
    axes[0].legend(frameon=False, fontsize=8)
    last = history.iloc[-1]
    return described(
        figure,
        f"Learning curves over {len(history)} epochs. Best validation loss in epoch {best_epoch}; last "
        f"accuracy {last['accuracy']:.2f} in training, {last['val_accuracy']:.2f} in validation.",
    )


def make_figure(num_axes: int, height: float, width: float = WIDTH_INCHES) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with axes side by side, without a frame at the top and right."""
    figure, axes = plt.subplots(1, num_axes, figsize=(width, height), squeeze=False, layout="constrained")
    for ax in axes[0]:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, list(axes[0])


def described(figure: Figure, text: str) -> Figure:
    """Give a figure its description in words, see `alt_text`."""
    figure.set_label(text)
    return figure
