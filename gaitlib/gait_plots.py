"""Figures of the gait features: by emotion, against the truth, and how the steps were found."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gaitlib.config import InputError
from gaitlib.gait.features import GAIT_FEATURES
from gaitlib.gait.rhythm import find_rhythm, find_steps
from gaitlib.gait.stretches import find_stretches
from gaitlib.plotting import BASELINE_COLOR, MODEL_COLOR, described, emotion_colors, make_figure
from gaitlib.prepared import PreparedVideo

NUM_COLUMNS = 3
COMPARED = ("cadence_steps_per_min", "speed_heights_per_s", "bounce_heights", "trunk_lean_deg")
SMALL = 8


def plot_gait_by_emotion(features: np.ndarray, emotions: np.ndarray) -> Figure:
    """Show every gait feature by emotion: a dot a video, the median (tick) and the middle half (line).

    Parameters
    ----------
    features : ndarray of shape (num_videos, num_features)
        See `gaitlib.gait.gait_features`.
    emotions : ndarray of shape (num_videos,), str
    """
    names = sorted(set(emotions))
    table = pd.DataFrame(features, columns=GAIT_FEATURES.index).assign(emotion=emotions)
    num_rows = -(-len(GAIT_FEATURES) // NUM_COLUMNS)
    figure, (canvas,) = make_figure(1, height=1.55 * num_rows)
    canvas.remove()
    places = figure.subplots(num_rows, NUM_COLUMNS).ravel()
    for ax in places[len(GAIT_FEATURES) :]:
        ax.remove()
    for number, (feature, ax) in enumerate(zip(GAIT_FEATURES.index, places, strict=False)):
        _strip(ax, table, feature, names)
        if number % NUM_COLUMNS:
            ax.set_yticklabels([])
    medians = table.groupby("emotion").median()
    words = "; ".join(
        f"{GAIT_FEATURES.loc[name, 'title'].lower()} "
        + ", ".join(f"{emotion} {medians.loc[emotion, name]:.3g}" for emotion in names)
        for name in GAIT_FEATURES.index
    )
    return described(figure, f"Strips of every gait feature by emotion. Medians: {words}.")


def _strip(ax: Axes, table: pd.DataFrame, feature: str, names: list[str]) -> None:
    sns.stripplot(
        table, x=feature, y="emotion", order=names, hue="emotion", palette=emotion_colors(names),
        legend=False, size=2.5, alpha=0.8, ax=ax, zorder=1,
    )  # fmt: skip
    quartiles = table.groupby("emotion")[feature].quantile(np.array([0.25, 0.5, 0.75])).unstack().loc[names]
    places = np.arange(len(names))
    ax.hlines(places, quartiles[0.25], quartiles[0.75], color="black", lw=1.2, zorder=2)
    ax.plot(quartiles[0.5], places, "|", color="black", ms=9, mew=1.6, zorder=2)
    title, unit = _title_and_unit(feature)
    ax.set_xlabel(title if unit == "1" else f"{title}, {unit}", fontsize=SMALL)
    ax.set_ylabel("")
    ax.tick_params(labelsize=SMALL)
    ax.spines[["top", "right"]].set_visible(False)


def _title_and_unit(feature: str) -> tuple[str, str]:
    return str(GAIT_FEATURES.at[feature, "title"]), str(GAIT_FEATURES.at[feature, "unit"])


def plot_against_truth(pairs: pd.DataFrame) -> Figure:
    """Show measured against true cadence, speed, bounce and lean of synthetic walkers.

    Parameters
    ----------
    pairs : DataFrame
        See `gaitlib.gait.pair_with_truth`.
    """
    figure, axes = make_figure(len(COMPARED), height=2.5)
    colors = emotion_colors(sorted(pairs["emotion"].unique()))
    words = []
    for ax, feature in zip(axes, COMPARED, strict=True):
        group = pairs[pairs["feature"] == feature].dropna(subset="measured")
        rank = group["measured"].corr(group["true"], method="spearman")
        for emotion in colors:
            part = group[group["emotion"] == emotion]
            ax.scatter(part["true"], part["measured"], s=9, color=colors[emotion], label=emotion, alpha=0.8)
        ends = [group[["true", "measured"]].min().min(), group[["true", "measured"]].max().max()]
        ax.plot(ends, ends, color="black", lw=0.8, ls=":", zorder=0)
        title, unit = _title_and_unit(feature)
        ax.set_title(f"{title}\nrank correlation {rank:.2f}", fontsize=SMALL)
        ax.set_xlabel(f"True, {unit}", fontsize=SMALL)
        ax.tick_params(labelsize=SMALL)
        words.append(f"{title.lower()} {rank:.2f}")
    axes[0].set_ylabel("Measured", fontsize=SMALL)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=SMALL
    )
    return described(figure, f"Measured against true values; rank correlations: {', '.join(words)}.")


def plot_steps(video: PreparedVideo) -> Figure:
    """Show the legs' width and the head's height over time, with the steps found.

    Raises
    ------
    InputError
        If no steps can be found in the video.
    """
    stretches = find_stretches(video.track)
    rhythm = find_rhythm(stretches)
    if rhythm is None:
        raise InputError("No steps were found: the video shows no silhouette that repeats; choose another.")
    stretch = max(stretches, key=len)
    seconds = np.arange(len(stretch)) / stretch.rate_hz
    steps = find_steps(stretch, rhythm)
    figure, (ax,) = make_figure(1, height=2.6)
    legs, head = 100 * stretch.steps("legs_width"), -100 * stretch.steps("top")
    ax.plot(seconds, legs, color=MODEL_COLOR, label="width of the legs")
    ax.plot(seconds, head, color=BASELINE_COLOR, ls="--", label="height of the head")
    ax.plot(seconds[steps], legs[steps], "v", color="black", ms=5, label="step found")
    ax.set(xlabel="Time, s", ylabel="Change, % of the body height")
    ax.set_ylim(top=1.45 * max(legs.max(), head.max()))
    ax.legend(frameon=False, fontsize=SMALL, ncols=3, loc="upper center")
    ax.set_title(f"{rhythm.cadence_steps_per_min:.0f} steps a minute", fontsize=SMALL + 1)
    return described(
        figure,
        f"Width of the legs and height of the head over {seconds[-1]:.1f} s: {len(steps)} steps found, "
        f"{rhythm.cadence_steps_per_min:.0f} a minute.",
    )
