"""Explanations as figures: where a model looks, what it answers over time, which movements it reads."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from gaitlib.explain import ExplainedClip
from gaitlib.plotting import MODEL_COLOR, WIDTH_INCHES, WRONG_COLOR, described, emotion_colors, make_figure
from gaitlib.sweeps import MOVEMENTS

NUM_PICTURES = 8
# Height of a strip with its profile; of the scale and the axis label under all of them.
_ROW_INCHES, _SCALE_INCHES = 1.35, 0.9
# Single pixels of a gradient are noise; a limb is some pixels wide and moves over some frames.
_SMOOTHING = (0.7, 1.2, 1.2)
# Told apart in print and by colour-blind readers where lines cross.
_MARKERS = "os^DvPX*"
# 95 % of a normal distribution lie within so many standard deviations.
_NORMAL_95 = 1.96
_LARGEST_SHOWN_SD = 6.0


def plot_saliency(explained: Mapping[str, ExplainedClip], frame_rate_hz: float) -> Figure:
    """Show clips with what speaks for their answer, and when it does.

    Parameters
    ----------
    explained : mapping of str to ExplainedClip
        One or more clips of the same length, by the text at the left of the row.
    frame_rate_hz : float

    Returns
    -------
    Figure
        Grey pictures with the evidence laid over them; under each, its share over time.
    """
    height = len(explained) * _ROW_INCHES + _SCALE_INCHES
    figure, axes = plt.subplots(
        2 * len(explained),
        1,
        figsize=(WIDTH_INCHES, height),
        squeeze=False,
        sharex=True,
        gridspec_kw={
            "height_ratios": [1, 0.35] * len(explained),
            "hspace": 0.08,
            "bottom": _SCALE_INCHES / height,
            "top": 1,
        },
    )
    words = []
    for number, (text, clip) in enumerate(explained.items()):
        evidence = smooth_evidence(clip.saliency)
        picture_ax, time_ax = axes[2 * number : 2 * number + 2, 0]
        picture_ax.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=8)
        _draw_strip(picture_ax, clip.pictures, evidence, frame_rate_hz)
        peak = _draw_profile(time_ax, evidence, frame_rate_hz)
        words.append(f"{' '.join(text.split())}, most at {peak:.1f} s")
    axes[-1, 0].set_xlabel("Time in the clip, s")
    _add_color_bar(figure, height)
    return described(
        figure,
        "Pictures of a walker over time, with the places that speak for the answer coloured: "
        f"{'; '.join(words)}.",
    )


def smooth_evidence(saliency: np.ndarray) -> np.ndarray:
    """Return what speaks for the answer, smoothed, as shares that sum to 1 over a clip.

    Parameters
    ----------
    saliency : ndarray of shape (num_frames, height, width), float
        See `gaitlib.explain.gradient_saliency`.
    """
    evidence = np.maximum(gaussian_filter(saliency, _SMOOTHING), 0)
    return evidence / max(float(evidence.sum()), 1e-12)


def _draw_strip(ax: Axes, pictures: np.ndarray, evidence: np.ndarray, frame_rate_hz: float) -> None:
    """Draw pictures side by side, each centred on its time, with the evidence over them."""
    last = len(pictures) - 1
    places = np.linspace(0, last, NUM_PICTURES).round().astype(int)
    half_step = last / (NUM_PICTURES - 1) / 2 / frame_rate_hz
    extent = (-half_step, last / frame_rate_hz + half_step, 0, 1)
    # Darkened, so that the bright end of the colours stands out from a white silhouette.
    grey = np.hstack(list(pictures[places].mean(axis=-1))) * 0.55
    # Full colour at the strongest places of the whole clip, so that pictures can be compared.
    strength = np.clip(evidence[places] / max(float(np.quantile(evidence, 0.999)), 1e-12), 0, 1)
    strength = np.hstack(list(strength))
    ax.imshow(grey, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto")
    ax.imshow(strength, cmap="plasma", vmin=0, vmax=1, alpha=np.sqrt(strength), extent=extent, aspect="auto")
    for edge in np.linspace(extent[0], extent[1], NUM_PICTURES + 1)[1:-1]:
        ax.axvline(edge, color="white", lw=1.5)
    ax.set(yticks=[])
    ax.tick_params(axis="x", length=0)
    ax.spines[:].set_visible(False)


def _draw_profile(ax: Axes, evidence: np.ndarray, frame_rate_hz: float) -> float:
    """Draw the share of the evidence in each frame; return the time of the highest, in seconds."""
    seconds = np.arange(len(evidence)) / frame_rate_hz
    shares = 100 * evidence.sum(axis=(1, 2))
    ax.fill_between(seconds, shares, step="mid", color=MODEL_COLOR, alpha=0.35, lw=0)
    ax.step(seconds, shares, where="mid", color=MODEL_COLOR, lw=1)
    ax.axhline(100 / len(evidence), color="black", lw=0.8, ls=":")
    ax.set(ylim=(0, None))
    ax.set_ylabel("% a frame", fontsize=7, rotation=0, ha="right", va="center")
    ax.tick_params(labelsize=7)
    ax.spines[["top", "right"]].set_visible(False)
    return float(seconds[shares.argmax()])


def _add_color_bar(figure: Figure, height: float) -> None:
    """Add a scale under all rows."""
    ax = figure.add_axes((0.33, 0.34 / height, 0.36, 0.09 / height))
    scale = plt.cm.ScalarMappable(cmap="plasma")
    bar = figure.colorbar(scale, cax=ax, orientation="horizontal", ticks=[0, 1])
    ax.set_xticklabels(["nothing", "most"], fontsize=7)
    bar.set_label("Speaks for the answer (dotted line: if all frames counted the same)", fontsize=7)
    ax.tick_params(length=0)


def plot_sweeps(table: pd.DataFrame) -> Figure:
    """Show the probability of each emotion over each movement, and its spread over walkers.

    Parameters
    ----------
    table : DataFrame
        From `gaitlib.sweeps.sweep_parameter` or `gaitlib.sweeps.sweep_all`.

    Returns
    -------
    Figure
        One part a movement; lines are means over walkers, bands reach from the lowest to the highest.
    """
    parameters = list(table["parameter"].unique())
    emotions = [str(name).removeprefix("p_") for name in table.columns if str(name).startswith("p_")]
    num_rows = -(-len(parameters) // 2)
    figure, axes = plt.subplots(
        num_rows,
        2 if len(parameters) > 1 else 1,
        figsize=(WIDTH_INCHES, 0.5 + 2.3 * num_rows),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for ax in axes.flat[len(parameters) :]:
        ax.set_visible(False)
    words = []
    for ax, parameter in zip(axes.flat, parameters, strict=False):
        sweep = table[table["parameter"] == parameter].groupby("value")
        lines = {emotion: sweep[f"p_{emotion}"].agg(["mean", "min", "max"]) for emotion in emotions}
        _draw_sweep(ax, lines)
        movement = MOVEMENTS[parameter]
        ax.set_xlabel(f"{movement.name.capitalize()}, {movement.unit}")
        ends = [
            f"{name} {line['mean'].iloc[0]:.0%} to {line['mean'].iloc[-1]:.0%}"
            for name, line in lines.items()
        ]
        words.append(f"{movement.name}: {', '.join(ends)}")
    for ax in axes[:, 0]:
        ax.set_ylabel("Probability")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=len(emotions),
        frameon=False,
    )
    num_walkers = table["walker"].nunique()
    return described(
        figure,
        f"Mean probability of each emotion from the lowest to the highest value of each movement of "
        f"{num_walkers} synthetic walkers, all else the same. {'; '.join(words)}.",
    )


def _draw_sweep(ax: Axes, lines: Mapping[str, pd.DataFrame]) -> None:
    colors = emotion_colors(list(lines))
    for number, (emotion, line) in enumerate(lines.items()):
        marker = _MARKERS[number % len(_MARKERS)]
        ax.fill_between(line.index, line["min"], line["max"], color=colors[emotion], alpha=0.15, lw=0)
        ax.plot(line.index, line["mean"], color=colors[emotion], marker=marker, ms=4, label=emotion)
    ax.set(ylim=(0, 1))
    ax.spines[["top", "right"]].set_visible(False)


def plot_timeline(timeline: Sequence[Mapping[str, Any]]) -> Figure:
    """Show the probability of each emotion over the time of a video.

    Parameters
    ----------
    timeline : sequence of mapping
        `start_seconds`, `end_seconds` and `probabilities` of each clip, see `gaitlib.verdict.Verdict`.
    """
    emotions = list(timeline[0]["probabilities"])
    colors = emotion_colors(emotions)
    starts = np.array([clip["start_seconds"] for clip in timeline])
    ends = np.array([clip["end_seconds"] for clip in timeline])
    # Clips that do not touch belong to different walks: no line between them.
    breaks = np.flatnonzero(starts[1:] > ends[:-1]) + 1
    figure, (ax,) = make_figure(1, height=2.8)
    for number, emotion in enumerate(emotions):
        values = np.array([clip["probabilities"][emotion] for clip in timeline])
        middles = np.insert((starts + ends) / 2, breaks, np.nan)
        marker = _MARKERS[number % len(_MARKERS)]
        ax.plot(
            middles,
            np.insert(values, breaks, np.nan),
            color=colors[emotion],
            marker=marker,
            ms=4,
            label=emotion,
        )
    seconds = ends[0] - starts[0]
    ax.set(ylim=(0, 1), xlim=(min(0, starts.min()), ends.max()), ylabel="Probability")
    ax.set_xlabel(f"Time in the video, s (middle of each clip of {seconds:.1f} s)")
    ax.legend(frameon=False, ncols=len(emotions), loc="upper center", bbox_to_anchor=(0.5, 1.18))
    highest = [max(clip["probabilities"], key=clip["probabilities"].get) for clip in timeline]
    counts = pd.Series(highest).value_counts()
    words = ", ".join(f"{emotion} in {count}" for emotion, count in counts.items())
    return described(
        figure,
        f"Probability of each emotion over {len(timeline)} clips of the video; highest is {words}.",
    )


def plot_against_neutral(features: Mapping[str, float], neutral: Mapping[str, tuple[float, float]]) -> Figure:
    """Show how far the walk of one video is from the neutral walks of the training walkers.

    Parameters
    ----------
    features : mapping of str to float
        Value of each feature in the video, by its name and unit as people read them; NaN where it could
        not be measured.
    neutral : mapping of str to tuple of two floats
        Mean and standard deviation of the same features over neutral walks. Features without a
        spread, or not in `features`, are left out.

    Returns
    -------
    Figure
    """
    names = [name for name in neutral if name in features and neutral[name][1] > 0]
    figure, (ax,) = make_figure(1, height=1.1 + 0.3 * len(names))
    ax.axvspan(-_NORMAL_95, _NORMAL_95, color="#e3e7ea", lw=0, label="95 % of neutral walks")
    ax.axvline(0, color="#55595e", lw=0.8)
    words = []
    for place, name in enumerate(reversed(names)):
        mean, sd = neutral[name]
        distance = (features[name] - mean) / sd
        if np.isnan(distance):
            value = "not measured"
        else:
            value = f"{features[name]:.3g} (neutral {mean:.3g})"
            _draw_distance(ax, distance, place)
        # Beside the axes: names and values never lie on the data.
        ax.text(1.02, place, value, transform=ax.get_yaxis_transform(), va="center", fontsize=8)
        words.append(f"{name} {value}")
    ax.set_yticks(range(len(names)), names[::-1], fontsize=8)
    ax.set(xlim=(-_LARGEST_SHOWN_SD - 0.4, _LARGEST_SHOWN_SD + 0.4), ylim=(-0.6, len(names) - 0.4))
    ax.set_xlabel("Distance from neutral walks of the training walkers, their standard deviations")
    ax.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return described(
        figure, f"Gait features of this video against neutral walks: {'; '.join(reversed(words))}."
    )


def _draw_distance(ax: Axes, distance: float, place: int) -> None:
    """Draw one feature; a triangle at the edge points to where it lies when beyond."""
    is_usual = abs(distance) <= _NORMAL_95
    color = MODEL_COLOR if is_usual else WRONG_COLOR
    marker = "o" if is_usual else "D"
    if abs(distance) > _LARGEST_SHOWN_SD:
        marker = ">" if distance > 0 else "<"
    shown = float(np.clip(distance, -_LARGEST_SHOWN_SD, _LARGEST_SHOWN_SD))
    ax.plot([0, shown], [place, place], color=color, lw=1.2)
    ax.plot([shown], [place], color=color, marker=marker, ms=6)
