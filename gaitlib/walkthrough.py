"""What notebook 06 shows on the way from one video to a verdict."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gaitlib.annotate import annotate_video
from gaitlib.batches import ClipSet
from gaitlib.companions import find_companions
from gaitlib.config import InputError, RunConfig
from gaitlib.demo import DEMO_VERSION, sample_truth
from gaitlib.demo.dataset import write_video
from gaitlib.files import cache_dir, project_dir, project_path, write_aside
from gaitlib.labels import list_videos
from gaitlib.names import show_name
from gaitlib.plotting import BASELINE_COLOR, RIGHT_COLOR, WIDTH_INCHES, described, make_figure
from gaitlib.prepared import PreparedVideo
from gaitlib.video import read_video

# These people are in no training: the demo's default seed is 0.
_SEED = 1_000_004
_SECONDS = (6.0, 6.5)


def choose_model(model_file: str, run_dir: Path) -> Path:
    """Return the model to predict with.

    Parameters
    ----------
    model_file : str
        What the user named; empty: the model of the run folder, else that of the newest run.
    run_dir : Path

    Raises
    ------
    InputError
        If none is named and there is no run.
    """
    if model_file:
        return project_path(model_file)
    if (run_dir / "model.keras").exists():
        return run_dir / "model.keras"
    runs = sorted((project_dir() / "reports").glob("*/model.keras"), key=lambda path: path.stat().st_mtime)
    if not runs:
        raise InputError("There is no trained model yet: run the notebooks 01 to 03, or make report.")
    return runs[-1]


def choose_video(video: str) -> Path:
    """Return the video that the user named, or a synthetic walker whom no model has seen."""
    return project_path(video) if video else _drawn("happy")


def choose_companions(
    video_path: Path, config: RunConfig, reference: str, others: str, is_drawn: bool
) -> list[PreparedVideo]:
    """Find what the model compares a walk with, see `find_companions`; of a drawn walker, draw it.

    Parameters
    ----------
    video_path : Path
    config : RunConfig
    reference, others : str
        What the user named, a walk and a folder with more walks of the same person; empty: nothing.
    is_drawn : bool
        Whether the video is the synthetic walker of `choose_video`.
    """
    named = list_videos(project_path(others)) if others else []
    if is_drawn and config.relative_to == "reference" and not reference:
        reference = str(_drawn("neutral"))
    if is_drawn and config.relative_to == "walker-mean" and not named:
        named = [_drawn(emotion) for emotion in ("angry", "neutral", "sad")]
    return find_companions(
        [video_path, *named], config, project_path(reference) if reference else None, bool(named)
    )


def _drawn(emotion: str) -> Path:
    """Draw one walk of a synthetic person."""
    path = cache_dir() / "demo" / f"example_{_SEED}_v{DEMO_VERSION}_{emotion}.mp4"
    if not path.exists():
        truth = sample_truth(range(1, 2), num_takes=1, seconds=_SECONDS, seed=_SEED)
        row = truth[truth["emotion"] == emotion].to_dict("records")[0]
        with write_aside(path) as aside:
            write_video(row, aside)
    return path


def describe_model(card: Mapping[str, Any], config: RunConfig) -> pd.DataFrame:
    """Return what is to be known about a model, one row a fact."""
    facts = {
        "emotions": ", ".join(card["emotions"]),
        "trained on": "synthetic walkers" if card["is_demo"] else "filmed people",
        "a clip": f"{config.num_frames} pictures, {config.num_frames / config.frame_rate_hz:.1f} s",
        "a picture": f"{config.frame_size} x {config.frame_size}, {config.crop}",
    }
    return pd.DataFrame({"what": facts.keys(), "value": facts.values()})


def describe_reading(video: PreparedVideo, config: RunConfig) -> pd.DataFrame:
    """Return how a video was read and what was found in it, one row a fact."""
    meta = video.meta
    facts = {
        "pictures decoded": meta["frames_read"],
        "damaged pictures": meta["corrupt_frames"],
        "length": f"{meta['duration_seconds']:.1f} s",
        "faults": show_name(" ".join(meta["notes"])) or "none",
        "people at the same time": meta["num_people"],
        "found by": ", ".join(meta["methods"]).replace("_", " "),
        "walking in full view": f"{meta['num_pictures'] / config.frame_rate_hz:.1f} s",
    }
    return pd.DataFrame({"what": facts.keys(), "value": map(str, facts.values())})


def plot_track(video: PreparedVideo) -> Figure:
    """Show where in the picture somebody is over time, and when that counts as walking in full view."""
    track, width = video.track, video.meta["frame_shape"][1]
    times, left = track["time_seconds"], track["left"]
    right = left + track["width"]
    is_walking = track["segment"] >= 0
    figure, (ax,) = make_figure(1, height=2.4)
    parts = ((~is_walking, BASELINE_COLOR, "followed"), (is_walking, RIGHT_COLOR, "walks in full view"))
    for where, color, label in parts:
        ax.fill_between(times, left / width, right / width, where=where, color=color, lw=0, label=label)
    ax.set(xlabel="Time, s", ylabel="Place, left to right", ylim=(0, 1), xlim=(0, times.max() + 1e-6))
    ax.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8)
    share = is_walking.mean()
    return described(figure, f"Place of the walker over time: {share:.0%} of it is walking in full view.")


def clip_pictures(clips: ClipSet, config: RunConfig, num_clips: int = 3) -> dict[str, np.ndarray]:
    """Return eight pictures each of some clips, evenly chosen, by their labels (see `plot_strips`)."""
    chosen = np.unique(np.linspace(0, len(clips) - 1, num_clips).round().astype(int))
    places = np.linspace(0, config.num_frames - 1, 8).round().astype(int)
    return {f"clip {number + 1} of {len(clips)}": clips.read(int(number))[places] for number in chosen}


def describe_novelty(distance: float | None, novelty: Mapping[str, Any] | None) -> str:
    """Say in words whether the pictures are like those that the model was trained on."""
    if distance is None or novelty is None:
        return "Whether the pictures are like those in training could not be checked."
    limit = novelty["threshold"]
    words = "unlike any in training" if distance > limit else "like those in training"
    return f"The pictures are {words}: distance {distance:.1f}, limit {limit:.1f}."


def show_annotated(
    path: Path, target: Path, video: PreparedVideo, verdict: Mapping[str, Any], config: RunConfig
) -> Figure:
    """Write the video with what was seen in it, and show six pictures of that.

    Parameters
    ----------
    path, target : Path
        The video, and the mp4 to write.
    video : PreparedVideo
    verdict : mapping
        Fields of `gaitlib.verdict.Verdict`.
    config : RunConfig
    """
    annotate_video(path, target, video, verdict, config)
    num_pictures, seconds = 6, max(video.meta["duration_seconds"], 0.1)
    chunk, _ = read_video(target, num_pictures / seconds, max_side=800, color=True)
    height, width = chunk.frames.shape[1:3]
    figure, axes = plt.subplots(
        2, 3, figsize=(WIDTH_INCHES, WIDTH_INCHES / 3 * 2 * height / width), layout="constrained"
    )
    for ax in axes.ravel():
        ax.set_axis_off()
    for ax, picture in zip(axes.ravel(), chunk.frames, strict=False):
        ax.imshow(picture)
    return described(
        figure,
        "Six pictures of the video, with the box around the walker and the probabilities over time in a "
        "strip below.",
    )
