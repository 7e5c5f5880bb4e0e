"""The answers for videos without labels as one page that opens offline."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from gaitlib.annotate import probabilities_over_time
from gaitlib.names import show_name
from gaitlib.pages import write_page
from gaitlib.plotting import WIDTH_INCHES, alt_text, described, emotion_colors
from gaitlib.prepared import PreparedVideo

NUM_PICTURES = 8
# More would be thinner than a dot of the picture.
MAX_BINS = 600
BIN_SECONDS = 0.1
# Names of files and notes are others' text: the template escapes them.
_BODY = """
<h1>What the walks show</h1>
<p class="headline">{{ num_read }} of {{ entries | length }} video{{ "s" if entries | length != 1 }} read,
{{ num_abstained }} without a verdict, {{ num_refused }} not readable.</p>
<p>Model: <code>{{ model }}</code>. The emotion is what the walk resembles most among those the model was
trained on. It does not say what somebody feels. {{ novelty }}</p>
<table>
<caption>All videos; seconds of walking are those behind the verdict.</caption>
<thead><tr><th scope="col">Video</th><th scope="col">Emotion</th><th scope="col">Confidence</th>
<th scope="col">Seconds of walking</th><th scope="col">Note</th></tr></thead>
<tbody>
{% for entry in entries -%}
<tr><td><a href="#video{{ loop.index }}">{{ entry.name }}</a></td><td>{{ entry.word }}</td>
<td>{{ entry.confidence }}</td><td>{{ entry.seconds }}</td><td>{{ entry.note }}</td></tr>
{% endfor -%}
</tbody>
</table>
{% for entry in entries %}
<section>
<h2 id="video{{ loop.index }}">{{ entry.name }}: {{ entry.word }}{% if entry.confidence %},
{{ entry.confidence }}{% endif %}</h2>
{% if entry.note %}<p>{{ entry.note }}</p>{% endif %}
{% if entry.picture -%}
<img src="data:image/png;base64,{{ entry.picture }}" alt="{{ entry.picture_text }}">
{%- endif %}
</section>
{% endfor %}
"""


@dataclass(frozen=True)
class PageEntry:
    """What the page shows of one video: plain texts, and a picture as base64 PNG (empty: none)."""

    name: str
    status: str
    word: str
    confidence: str
    seconds: str
    note: str
    picture: str
    picture_text: str


def page_entry(verdict: Mapping[str, Any], video: PreparedVideo | None, emotions: Sequence[str]) -> PageEntry:
    """Collect what the page shows of one video.

    Parameters
    ----------
    verdict : mapping
        Fields of `gaitlib.verdict.Verdict`.
    video : PreparedVideo or None
        None where the file could not be read.
    emotions : sequence of str
        All that the model knows, so that colours are the same for all videos.
    """
    picture = text = ""
    if video is not None and video.meta["num_pictures"]:
        figure = plot_walk(verdict, video, emotions)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=100)
        plt.close(figure)
        picture, text = base64.b64encode(stream.getvalue()).decode(), alt_text(figure)
    confidence = verdict["confidence"]
    return PageEntry(
        name=show_name(Path(verdict["video"]).name),
        status=verdict["status"],
        word=verdict["emotion"] or {"abstained": "no verdict", "refused": "not readable"}[verdict["status"]],
        confidence="" if confidence is None else f"{confidence:.0%}",
        seconds=f"{verdict['seconds_used']:.1f}",
        note=" ".join(verdict["notes"]),
        picture=picture,
        picture_text=text,
    )


def plot_walk(verdict: Mapping[str, Any], video: PreparedVideo, emotions: Sequence[str]) -> Figure:
    """Show pictures of the walker over the probabilities over time.

    Parameters
    ----------
    verdict : mapping
        Fields of `gaitlib.verdict.Verdict`; without a timeline only the pictures are shown.
    video : PreparedVideo
    emotions : sequence of str
    """
    timeline = verdict["timeline"]
    ratios = [WIDTH_INCHES / NUM_PICTURES, 1.5] if timeline else [WIDTH_INCHES / NUM_PICTURES]
    figure = plt.figure(figsize=(WIDTH_INCHES, sum(ratios) + 0.4), layout="constrained")
    grid = figure.add_gridspec(len(ratios), NUM_PICTURES, height_ratios=ratios)
    stored = video.track[video.track["segment"] >= 0]
    places = np.linspace(0, len(stored) - 1, NUM_PICTURES).astype(int)
    for column, place in enumerate(places):
        ax = figure.add_subplot(grid[0, column])
        ax.imshow(
            video.read(int(stored["picture"].iloc[place]), 1)[0].squeeze(), cmap="gray", vmin=0, vmax=255
        )
        ax.set(xticks=[], yticks=[], xlabel=f"{stored['time_seconds'].iloc[place]:.1f} s")
        ax.xaxis.label.set_fontsize(8)
    if not timeline:
        return described(figure, f"{NUM_PICTURES} pictures of what was followed in the video; no verdict.")
    ax = figure.add_subplot(grid[1, :])
    seconds = float(video.track["time_seconds"].max()) + 1e-6
    num_bins = int(np.clip(seconds / BIN_SECONDS, 10, MAX_BINS))
    names, shares = probabilities_over_time(timeline, seconds, num_bins)
    times = (np.arange(num_bins) + 0.5) * seconds / num_bins
    colors = emotion_colors(emotions)
    floor = np.zeros(num_bins)
    for number, name in enumerate(names):
        roof = floor + shares[:, number]
        ax.fill_between(times, floor, roof, step="mid", color=colors[name], lw=0, label=name)
        floor = roof
    ax.set(xlim=(0, seconds), ylim=(0, 1), xlabel="Time, s", ylabel="Probability")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, ncols=len(names), loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8)
    means = ", ".join(f"{name} {share:.0%}" for name, share in verdict["probabilities"].items())
    return described(
        figure,
        f"{NUM_PICTURES} pictures of the walker, and below them the probabilities over {seconds:.0f} s. "
        f"Mean over the video: {means}.",
    )


def write_predictions(
    path: Path,
    entries: Sequence[PageEntry],
    model_name: str,
    is_demo: bool,
    novelty: Mapping[str, Any] | None,
) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
        The HTML file.
    entries : sequence of PageEntry
    model_name : str
    is_demo : bool
        The model was trained on synthetic walkers, which a banner says.
    novelty : mapping or None
        See `gaitlib.novelty.fit_novelty`.
    """
    statuses = [entry.status for entry in entries]
    body = (
        jinja2.Environment(autoescape=True)
        .from_string(_BODY)
        .render(
            entries=entries,
            model=model_name,
            novelty=_about_novelty(novelty),
            num_read=len(entries) - statuses.count("abstained") - statuses.count("refused"),
            num_abstained=statuses.count("abstained"),
            num_refused=statuses.count("refused"),
        )
    )
    banners = (
        ["The model was trained on synthetic walkers: what it says of real people is a trial."]
        if is_demo
        else []
    )
    write_page(path, "Predictions", body, [], banners, "Made by EmotionGait. Opens offline.")


def _about_novelty(novelty: Mapping[str, Any] | None) -> str:
    if novelty is None or novelty["threshold"] is None:
        return "Whether the pictures are like those in training was not checked."
    text = "Videos whose pictures are unlike any in training get no verdict."
    if novelty["false_alarm_rate"] is not None:
        low, high = novelty["false_alarm_ci95"]
        text += (
            f" That also happened to {novelty['false_alarm_rate']:.0%} of the {novelty['num_videos']} "
            f"validation videos (95 % interval {low:.0%} to {high:.0%})."
        )
    return text
