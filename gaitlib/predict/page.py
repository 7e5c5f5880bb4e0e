"""All verdicts as one page that opens offline."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gaitlib.explain import figure_html, paragraph, write_html
from gaitlib.files import show_name
from gaitlib.models import TrainedModel
from gaitlib.predict.annotating import COLORS, probabilities_over_time
from gaitlib.predict.verdict import Verdict
from gaitlib.predict.writing import about_model, verdict_table

_NUM_FRAMES, _NUM_BINS = 8, 300


def write_page(verdicts: Sequence[Verdict], model: TrainedModel, path: Path) -> None:
    """Write the page: a table of all videos, then frames and probabilities over time of each."""
    counts = pd.Series([verdict.status for verdict in verdicts]).value_counts()
    num_read = counts.get("ok", 0) + counts.get("warned", 0)
    parts = [
        paragraph(
            f"{len(verdicts)} video{'' if len(verdicts) == 1 else 's'}: {num_read} read, "
            f"{counts.get('abstained', 0)} without a verdict, {counts.get('refused', 0)} not readable.",
            "headline",
        ),
        paragraph(
            f"{' '.join(about_model(model))} The emotion is the one that the walk resembles most among those "
            "the model was trained on. It does not say what somebody feels."
        ),
        f'<div class="scroll">{verdict_table(verdicts).to_html(index=False, border=0)}</div>',
    ]
    for verdict in verdicts:
        parts.append(f"<h2>{escape(show_name(Path(verdict.video).name))}: {escape(verdict.word)}</h2>")
        parts += [paragraph(show_name(note)) for note in verdict.notes]
        if verdict.prepared is not None and verdict.prepared.bouts:
            parts.append(figure_html(plot_walk(verdict)))
    write_html(path, "What the walks show", parts, bool(model.about.get("is_demo")))


def plot_walk(verdict: Verdict) -> Figure:
    """Show frames of the walker, as the model sees them, above the probabilities over time.

    The figure's label describes it in words.
    """
    video = verdict.prepared
    assert video is not None
    ratios = [1.0, 1.3] if verdict.timeline else [1.0]
    figure = plt.figure(figsize=(8.0, 1.1 + 1.3 * (len(ratios) - 1) + 0.4), layout="constrained")
    grid = figure.add_gridspec(len(ratios), _NUM_FRAMES, height_ratios=ratios)
    rows = np.flatnonzero(video.track["bout"] >= 0)
    rows = rows[np.linspace(0, len(rows) - 1, _NUM_FRAMES).astype(int)]
    for column, (row, frame) in enumerate(zip(rows, video.read(rows), strict=True)):
        ax = figure.add_subplot(grid[0, column])
        ax.imshow(frame.squeeze(), cmap="gray", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
        ax.set_xlabel(f"{video.track['time_seconds'].iloc[row]:.1f} s", fontsize=8)
    text = f"{_NUM_FRAMES} frames of the walker"
    if verdict.timeline:
        _plot_timeline(figure.add_subplot(grid[1, :]), verdict)
        means = ", ".join(f"{name} {share:.0%}" for name, share in verdict.probabilities.items())
        text += f"; below, the probabilities over time. Over the whole video: {means}"
    figure.set_label(f"{text}.")
    return figure


def _plot_timeline(ax: plt.Axes, verdict: Verdict) -> None:
    assert verdict.prepared is not None
    seconds = float(verdict.prepared.track["time_seconds"].iloc[-1]) + 1e-6
    shares = probabilities_over_time(verdict.timeline, seconds, _NUM_BINS)
    times = (np.arange(_NUM_BINS) + 0.5) * seconds / _NUM_BINS
    names = list(verdict.timeline[0].probabilities)
    ax.stackplot(times, shares.T, labels=names, colors=COLORS[: len(names)])
    ax.set(xlim=(0, seconds), ylim=(0, 1), xlabel="Time, s", ylabel="Probability")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, ncols=len(names), loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8)
