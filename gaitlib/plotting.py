"""Results become figures: each function returns a Figure with its description, and shows nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

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
    """Show how many videos and walkers each emotion has in training, validation and test.

    Parameters
    ----------
    videos : DataFrame
        Columns `emotion`, `walker`, `split`.
    """
    figure, axes = make_figure(2, height=2.8)
    splits = [split for split in ("train", "validation", "test") if split in set(videos["split"])]
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
        ax.legend(title="", frameon=False, fontsize=8, ncols=len(splits), loc="upper center")
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


def plot_confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> Figure:
    """Show counts and shares of what each emotion was taken for (rows: true)."""
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    texts = np.array(
        [
            [f"{count}\n{share:.0%}" for count, share in zip(*rows, strict=True)]
            for rows in zip(counts, shares, strict=True)
        ]
    )
    figure, (ax,) = make_figure(1, height=3.6, width=4.6)
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
    return described(figure, f"Confusion matrix, videos by true emotion. {rows}.")


def plot_class_scores(per_class: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Show precision, recall and F-score of each emotion with 95 % intervals."""
    figure, (ax,) = make_figure(1, height=3.0)
    colors = emotion_colors(list(per_class))
    names = {"precision": "Precision", "recall": "Recall", "f1": "F-score"}
    step = 0.8 / len(per_class)
    for number, (emotion, scores) in enumerate(per_class.items()):
        places = np.arange(3) + (number - (len(per_class) - 1) / 2) * step
        values = [scores[name] for name in names]
        errors = _error_bars(values, [scores[f"{name}_ci95"] for name in names])
        ax.bar(places, values, step * 0.9, color=colors[emotion], label=emotion)
        ax.errorbar(places, values, errors, fmt="none", ecolor="black", capsize=2, lw=1)
    ax.set_xticks(range(3), list(names.values()))
    ax.set(ylim=(0, 1.05), ylabel="Score per video")
    ax.legend(
        frameon=False,
        ncols=len(per_class),
        loc="upper center",
        bbox_to_anchor=(0.5, 1.16),
        fontsize=8,
    )
    words = "; ".join(f"{emotion} F-score {scores['f1']:.2f}" for emotion, scores in per_class.items())
    return described(figure, f"Precision, recall and F-score by emotion with 95 % intervals. {words}.")


def plot_ladder(scores: Mapping[str, Mapping[str, Any]], model_name: str) -> Figure:
    """Show the model's accuracy above the baselines', each with its 95 % interval.

    Parameters
    ----------
    scores : mapping of str to mapping
        `accuracy` and `accuracy_ci95` by name; the model under `model_name`.
    """
    ordered = sorted(scores.items(), key=lambda item: item[1]["accuracy"])
    figure, (ax,) = make_figure(1, height=0.9 + 0.36 * len(ordered))
    for place, (name, entry) in enumerate(ordered):
        color = MODEL_COLOR if name == model_name else BASELINE_COLOR
        errors = _error_bars([entry["accuracy"]], [entry["accuracy_ci95"]])
        ax.errorbar([entry["accuracy"]], [place], xerr=errors, fmt="o", color=color, capsize=3, lw=2)
        place_above = (entry["accuracy"], place + 0.18)
        ax.text(*place_above, f"{entry['accuracy']:.0%}", ha="center", fontsize=8)
    ax.set_yticks(range(len(ordered)), [name.replace("_", " ") for name, _ in ordered])
    ax.set(xlim=(0, 1.02), ylim=(-0.6, len(ordered) - 0.2))
    ax.set_xlabel("Accuracy per video on unseen walkers (dot), 95 % interval (bar)")
    ax.grid(axis="x", color="#dddddd", lw=0.6)
    words = "; ".join(f"{name} {entry['accuracy']:.0%}" for name, entry in reversed(ordered))
    return described(figure, f"Accuracy of the model and the baselines with 95 % intervals: {words}.")


def plot_confidence(confidence: np.ndarray, is_right: np.ndarray) -> Figure:
    """Show how sure the model was of its right and of its wrong answers.

    Parameters
    ----------
    confidence : ndarray of shape (num_videos,)
        Probability of the predicted emotion.
    is_right : ndarray of shape (num_videos,), bool
    """
    figure, (ax,) = make_figure(1, height=2.6)
    bins = np.linspace(0, 1, 21).tolist()
    parts = [confidence[is_right], confidence[~is_right]]
    labels = [f"right ({len(parts[0])})", f"wrong ({len(parts[1])})"]
    ax.hist(parts, bins, stacked=True, color=[RIGHT_COLOR, WRONG_COLOR], label=labels, edgecolor="white")
    ax.set(
        xlabel="Confidence (probability of the predicted emotion)",
        ylabel="Number of videos",
        xlim=(0, 1),
    )
    ax.legend(frameon=False)
    means = [f"{part.mean():.2f}" if len(part) else "none" for part in parts]
    return described(figure, f"Histogram of confidence; mean when right {means[0]}, when wrong {means[1]}.")


def _error_bars(values: Sequence[float], intervals: Sequence[Sequence[float]]) -> np.ndarray:
    """Return distances below and above the values, shape (2, num_values), never negative."""
    low, high = np.array(intervals, float).T
    return np.maximum([np.asarray(values) - low, high - np.asarray(values)], 0)


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
