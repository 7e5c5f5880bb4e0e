"""Scores become figures: each function returns a Figure with its description, and shows nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from gaitlib.config import CEILINGS
from gaitlib.plotting import (
    BASELINE_COLOR,
    MODEL_COLOR,
    RIGHT_COLOR,
    WRONG_COLOR,
    described,
    emotion_colors,
    make_figure,
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
    """Show the model's accuracy among the baselines' (full dots) and the ceilings' (hollow dots).

    Parameters
    ----------
    scores : mapping of str to mapping
        `accuracy` and `accuracy_ci95` by name.
    model_name : str
        What the name of the model, rather than a baseline, begins with.
    """
    ordered = sorted(scores.items(), key=lambda item: item[1]["accuracy"])
    figure, (ax,) = make_figure(1, height=0.9 + 0.36 * len(ordered))
    for place, (name, entry) in enumerate(ordered):
        color = MODEL_COLOR if name.startswith(model_name) else BASELINE_COLOR
        errors = _error_bars([entry["accuracy"]], [entry["accuracy_ci95"]])
        filling = "white" if name in CEILINGS else color
        value = [entry["accuracy"]]
        ax.errorbar(value, [place], xerr=errors, fmt="o", color=color, mfc=filling, capsize=3, lw=2)
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


def plot_reliability(before: pd.DataFrame, after: pd.DataFrame) -> Figure:
    """Show accuracy against confidence, before and after temperature scaling.

    Parameters
    ----------
    before, after : DataFrame
        See `gaitlib.calibration.reliability_table`.
    """
    figure, axes = make_figure(2, height=3.4)
    for ax, table, title in zip(axes, (before, after), ("As trained", "With temperature"), strict=True):
        ax.plot([0, 1], [0, 1], color=BASELINE_COLOR, ls="--", lw=1, label="right as often as sure")
        ax.plot(table["confidence"], table["accuracy"], "o-", color=MODEL_COLOR, label="the model")
        ax.set(xlim=(0, 1), ylim=(-0.02, 1.02), aspect="equal", title=title)
        ax.set(xlabel="Mean confidence of a bin", ylabel="Share of right answers")
    axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    number = int(before["num_videos"].sum())
    gaps = [float((table["accuracy"] - table["confidence"]).abs().mean()) for table in (before, after)]
    return described(
        figure,
        f"Reliability diagrams of {number} videos in {len(before)} bins of equally many; mean distance from "
        f"the diagonal {gaps[0]:.2f} as trained and {gaps[1]:.2f} with temperature.",
    )


def plot_coverage(table: pd.DataFrame) -> Figure:
    """Show the accuracy on the videos that the model is surest of, by their share.

    Parameters
    ----------
    table : DataFrame
        See `gaitlib.calibration.coverage_table`.
    """
    figure, (ax,) = make_figure(1, height=2.8)
    ax.step(table["coverage"], table["accuracy"], where="post", color=MODEL_COLOR, label="the model")
    overall = float(table["accuracy"].iloc[-1])
    ax.axhline(overall, color=BASELINE_COLOR, ls="--", lw=1, label="all videos")
    ax.set(xlim=(0, 1), ylim=(0, 1.03), ylabel="Accuracy on the answered videos")
    ax.set_xlabel("Share of videos that get an answer, the surest first")
    ax.legend(frameon=False, fontsize=8, loc="lower right")
    half = float(table["accuracy"].iloc[(len(table) - 1) // 2])
    return described(
        figure,
        f"Accuracy against coverage: {overall:.0%} when every video gets an answer, {half:.0%} on the "
        "surest half.",
    )


def plot_leak(scores: Mapping[str, Any]) -> Figure:
    """Show the honest and the leaked accuracy of the same model on the same videos."""
    figure, (ax,) = make_figure(1, height=1.9)
    rows = (("leaked", "split by video (leaked)", WRONG_COLOR), ("honest", "split by walker", MODEL_COLOR))
    for place, (name, _, color) in enumerate(rows):
        entry = scores[name]
        errors = _error_bars([entry["accuracy"]], [entry["accuracy_ci95"]])
        ax.errorbar([entry["accuracy"]], [place], xerr=errors, fmt="o", color=color, capsize=3, lw=2)
        ax.text(entry["accuracy"], place + 0.16, f"{entry['accuracy']:.0%}", ha="center", fontsize=8)
    ax.set_yticks(range(2), [text for _, text, _ in rows])
    ax.set(xlim=(0, 1.02), ylim=(-0.5, 1.6))
    ax.set_xlabel(f"Accuracy on the same {scores['num_videos']} videos (dot), 95 % interval (bar)")
    ax.grid(axis="x", color="#dddddd", lw=0.6)
    words = ", ".join(f"{text} {scores[name]['accuracy']:.0%}" for name, text, _ in rows)
    return described(figure, f"The same model's accuracy: {words}.")


def plot_spread(folds: Sequence[Mapping[str, Any]], seeds: Sequence[Mapping[str, Any]]) -> Figure:
    """Show the accuracy of every fold, a dot a seed."""
    figure, (ax,) = make_figure(1, height=2.6)
    for number, seed in enumerate(seeds):
        shift = 0.08 * (number - (len(seeds) - 1) / 2)
        places = np.arange(1, len(seed["accuracy_by_fold"]) + 1) + shift
        ax.plot(places, seed["accuracy_by_fold"], "o", color=MODEL_COLOR, alpha=0.7)
    ax.axhline(seeds[0]["accuracy"], color=BASELINE_COLOR, ls="--", lw=1, label="all folds, first seed")
    walkers = [len(fold["test_walkers"]) for fold in folds] or [0]
    names = [f"fold {fold['fold']}\n{count} walkers" for fold, count in zip(folds, walkers, strict=False)]
    ax.set_xticks(range(1, len(names) + 1) if names else [1], names or ["the test"])
    ax.set(ylim=(0, 1.03), ylabel="Accuracy per video")
    ax.legend(frameon=False, fontsize=8)
    values = [value for seed in seeds for value in seed["accuracy_by_fold"]]
    return described(
        figure,
        f"Accuracy of {len(values)} models, by fold and seed: from {min(values):.0%} to {max(values):.0%}.",
    )


def _error_bars(values: Sequence[float], intervals: Sequence[Sequence[float]]) -> np.ndarray:
    """Return distances below and above the values, shape (2, num_values), never negative."""
    low, high = np.array(intervals, float).T
    return np.maximum([np.asarray(values) - low, high - np.asarray(values)], 0)
