"""Verdicts as a table, as JSON, as a page, as annotated copies of the videos, and keypoints as CSV."""

import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gaitlib.clips import PreparedVideo
from gaitlib.explain import explain_verdict, figure_html, paragraphs, plot_strips
from gaitlib.files import show_name, write_aside, write_html, write_json
from gaitlib.models import TrainedModel
from gaitlib.predict import Verdict
from gaitlib.video import VideoReader, write_film
from gaitlib.walker import SKELETON_EDGES

# Colour-blind-safe (Okabe & Ito 2008), by place in the alphabet of emotions.
_COLORS = ("#D55E00", "#E69F00", "#56B4E9", "#0072B2", "#009E73", "#CC79A7", "#F0E442", "#999999")
_NEAR, _FAR, _INK = (230, 159, 0), (0, 114, 178), (20, 20, 20)
_NUM_FRAMES, _CAPTION_PX = 8, 24


def verdict_table(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """Return the verdicts as a table for people, one row a video."""
    rows = [
        (show_name(each.video), each.word, f"{each.seconds_used:.1f}", show_name(" ".join(each.notes)))
        for each in verdicts
    ]
    return pd.DataFrame(rows, columns=["video", "verdict", "seconds of walking", "notes"])


def about_model(model: TrainedModel) -> list[str]:
    """Return which model speaks and how it scored on held-out walkers, in sentences."""
    sentences = [f"Model: {model.name}, which knows {', '.join(model.emotions)}."]
    if model.about.get("accuracy") is not None:
        low, high = model.about["accuracy_ci95"]
        sentences.append(
            f"On held-out walkers it was right in {model.about['accuracy']:.0%} of videos (95 % interval "
            f"{low:.0%} to {high:.0%})."
        )
    if model.about.get("is_demo"):
        sentences.append("It was trained on synthetic walkers: what it says about real people is untested.")
    return sentences


def write_verdicts(verdicts: Sequence[Verdict], model: TrainedModel, path: Path) -> None:
    """Write everything that is known about the videos as JSON, in the order of the videos."""
    videos = [
        {"video": verdict.video}
        | {name: value for name, value in vars(verdict).items() if name not in ("path", "prepared")}
        | {name: getattr(verdict, name).to_dict("records") for name in ("timeline", "gait")}
        for verdict in verdicts
    ]
    about = {"name": model.name, "emotions": model.emotions, **model.about}
    write_json(path, {"schema_version": 2, "model": about, "videos": videos})


def write_page(verdicts: Sequence[Verdict], model: TrainedModel, path: Path) -> None:
    """Write a page that opens offline: a table, then for each video frames, probabilities and reasons."""
    about = " ".join(about_model(model))
    parts = [
        paragraphs(
            f"{about} The emotion is the one that the walk resembles most among those the model was trained "
            "on. It does not say what somebody feels."
        ),
        f'<div class="output_subarea">{verdict_table(verdicts).to_html(index=False, border=0)}</div>',
    ]
    for verdict in verdicts:
        parts.append(f"<h2>{escape(show_name(Path(verdict.video).name))}: {escape(verdict.word)}</h2>")
        parts.append(paragraphs(*map(show_name, verdict.notes)))
        if len(verdict.timeline) and verdict.prepared is not None:
            parts += [figure_html(one)[0] for one in (plot_frames(verdict.prepared), plot_timeline(verdict))]
        if verdict.prepared is not None and verdict.emotion:
            parts += explain_verdict(verdict.prepared, model, verdict.emotion)
    write_html(path, title="What the walks show", body=f"<h1>What the walks show</h1>{''.join(parts)}")


def plot_frames(video: PreparedVideo) -> Figure:
    """Show frames of the walker, as the model sees them."""
    rows = np.flatnonzero(video.track["bout"] >= 0)
    rows = rows[np.linspace(0, len(rows) - 1, _NUM_FRAMES).astype(int)]
    times = video.track["time_seconds"][rows].map("{:.1f} s".format)
    return plot_strips({"": video.read(rows)}, list(times), f"{_NUM_FRAMES} frames of the walker")


def plot_timeline(verdict: Verdict) -> Figure:
    """Show the probabilities over time, each clip until the next one begins."""
    shares = pd.DataFrame(verdict.timeline["probabilities"].tolist(), verdict.timeline["start_seconds"])
    shares.loc[verdict.timeline["end_seconds"].iloc[-1]] = shares.iloc[-1]
    figure, ax = plt.subplots(figsize=(8.4, 1.9), layout="constrained")
    ax.stackplot(shares.index, shares.T, labels=shares.columns, colors=_COLORS, step="post")
    ax.set(xlim=shares.index[[0, -1]], ylim=(0, 1), xlabel="Time, s", ylabel="Probability")
    ax.legend(frameon=False, ncols=len(shares.T), loc="lower center", bbox_to_anchor=(0.5, 1), fontsize=8)
    listed = ", ".join(f"{name} {share:.0%}" for name, share in verdict.probabilities.items())
    figure.set_label(f"Probabilities of the emotions over time: in all, {listed}")
    return figure


def write_keypoints(verdicts: Sequence[Verdict], folder: Path) -> None:
    """Write the keypoints of each video as a CSV in the style of DeepLabCut, which pose tools load."""
    for verdict, video, target in _targets(verdicts, folder, ".csv"):
        if video.keypoints is None:
            verdict.notes.append("There are no keypoints to write: the walker was found by the silhouette.")
            continue
        with write_aside(target) as aside:
            video.keypoints.to_dlc_table().to_csv(aside)


def _targets(verdicts: Sequence[Verdict], folder: Path, suffix: str) -> Iterator[tuple]:
    folder.mkdir(parents=True, exist_ok=True)
    for number, verdict in enumerate(verdicts, 1):
        if verdict.prepared is not None:
            stem = show_name(Path(verdict.video).stem)[:100]
            yield verdict, verdict.prepared, folder / f"{number:03d}_{stem}{suffix}"


def write_annotated(verdicts: Sequence[Verdict], folder: Path) -> None:
    """Write copies of the videos as mp4, with the stick figure or box and the word."""
    for verdict, video, target in _targets(verdicts, folder, ".mp4"):
        rate_hz = float(video.meta["frame_rate_hz"])
        reader = VideoReader(verdict.path, rate_hz, max_side_px=640, color=True, chunk_seconds=5.0)
        rows = enumerate(frame for chunk in reader for frame in chunk.frames)
        write_film(target, rate_hz, (_annotate(frame, verdict, video, row) for row, frame in rows))


def _annotate(frame: np.ndarray, verdict: Verdict, video: PreparedVideo, row: int) -> np.ndarray:
    """Return a frame with the walker drawn in, and below it the word or the reason why there is none."""
    draw_walker(frame, video, row)
    strip = np.full((_CAPTION_PX, frame.shape[1], 3), 255, np.uint8)
    text = (verdict.word if verdict.emotion else verdict.notes[-1]).encode("ascii", "replace").decode()
    text = textwrap.shorten(text, max(12, frame.shape[1] // 7), placeholder="...")
    cv2.putText(strip, text, (4, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
    return np.vstack([frame, strip])


def draw_walker(frame: np.ndarray, video: PreparedVideo, row: int) -> None:
    """Draw the stick figure (near limbs orange), or else the box, into an RGB frame of any size, in place."""
    scale, thick = frame.shape[1] / video.meta["width"], max(1, round(max(frame.shape[:2]) / 320))
    if video.keypoints is not None:
        points = video.keypoints.image_px[row] * scale
        for first, second in SKELETON_EDGES if np.isfinite(points).all() else ():
            start, end = points[[first, second]].round().astype(int).tolist()
            cv2.line(frame, start, end, _NEAR if first % 2 and second % 2 else _FAR, thick, cv2.LINE_AA)
        return
    box = video.track.loc[row, ["left", "top", "width", "height"]].to_numpy(float)
    if np.isfinite(box).all():
        left, top, width, height = (box * scale).round().astype(int)
        cv2.rectangle(frame, (left, top), (left + width, top + height), _NEAR, 2, cv2.LINE_AA)
