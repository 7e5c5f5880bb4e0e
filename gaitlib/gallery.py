"""Pictures of walkers chosen for a reader: one of each emotion, varied copies, the surest errors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gaitlib.batches import vary_pictures
from gaitlib.clips import window_starts
from gaitlib.config import RunConfig
from gaitlib.demo import contact_sheet, read_truth
from gaitlib.gait import measure_gait, pair_with_truth
from gaitlib.prepared import PreparedVideo
from gaitlib.results import Evaluation
from gaitlib.rundata import SPLITS, RunData

# Enough to find a clear example among.
_FEW_VIDEOS = 24


def strip_seconds(config: RunConfig, num_pictures: int = 8) -> list[float]:
    """Return when the pictures of `clip_strip` come within their clip, in seconds."""
    return [float(place / config.frame_rate_hz) for place in _places(config, num_pictures)]


def clip_strip(video: PreparedVideo, config: RunConfig, num_pictures: int = 8) -> np.ndarray:
    """Return pictures at even distances from the middle clip of a video.

    Returns
    -------
    ndarray of shape (num_pictures, frame_size, frame_size, num_channels), uint8
    """
    starts = window_starts(video, config)
    clip = video.read(int(starts[len(starts) // 2]), config.num_frames)
    return clip[_places(config, num_pictures)]


def strips_by_emotion(data: RunData, config: RunConfig, num_walkers: int = 2) -> dict[str, np.ndarray]:
    """Return a strip of the first training walkers in each emotion, by their label."""
    rows, prepared = data.rows("train"), data.prepared("train")
    strips = {}
    for emotion in data.emotions:
        chosen = rows[rows["emotion"] == emotion].drop_duplicates("walker").head(num_walkers)
        for place, walker in zip(chosen.index, chosen["walker"], strict=True):
            strips[f"{emotion}\n{walker}"] = clip_strip(prepared[place], config)
    return strips


def varied_strips(data: RunData, config: RunConfig, num_variants: int = 3) -> dict[str, np.ndarray]:
    """Return a strip of one training clip and of its varied copies."""
    strip = clip_strip(data.prepared("train")[0], config)
    strips = {"as cached": strip}
    for number in range(num_variants):
        rng = np.random.default_rng([config.seed, number])
        strips[f"varied {number + 1}"] = vary_pictures(strip, rng)
    return strips


def surest_strips(
    data: RunData, evaluation: Evaluation, config: RunConfig, is_right: bool, num_videos: int = 3
) -> dict[str, np.ndarray]:
    """Return strips of the right, or wrong, answers that the model was surest of.

    Returns
    -------
    dict of str to ndarray
        Empty where there is no such answer.
    """
    table = evaluation.table[evaluation.is_right == is_right]
    prepared = data.prepared("judged")
    strips = {}
    for place, row in table.nlargest(num_videos, "confidence").iterrows():
        verdict = f"{row['emotion']}" if is_right else f"{row['emotion']}, not {row['predicted']}"
        label = f"{Path(row['video']).stem[:24]}\n{verdict}\n{row['confidence']:.0%} sure"
        strips[label] = clip_strip(prepared[int(str(place))], config)
    return strips


def all_walks(data: RunData) -> tuple[list[PreparedVideo], np.ndarray]:
    """Return every video of a run and its emotion."""
    videos = [video for split in SPLITS for video in data.prepared(split)]
    return videos, np.concatenate([data.rows(split)["emotion"].to_numpy() for split in SPLITS])


def clear_walk(videos: Sequence[PreparedVideo]) -> PreparedVideo | None:
    """Return the video whose steps repeat most regularly, of the first few; None if none shows steps."""
    regularity = [measure_gait(video)["value"]["step_regularity"] for video in videos[:_FEW_VIDEOS]]
    known = [value for value in regularity if not np.isnan(value)]
    return videos[regularity.index(max(known))] if known else None


def demo_truth(data: RunData, config: RunConfig) -> pd.DataFrame | None:
    """Return measured and true gait of the synthetic training walkers, None where no truth is known."""
    folder = _demo_folder(data)
    return pair_with_truth(folder, config) if folder else None


def demo_sheet(data: RunData) -> np.ndarray | None:
    """Return a sheet of one synthetic walker in every emotion, None where the videos are not ours."""
    folder = _demo_folder(data)
    return contact_sheet(read_truth(folder)) if folder else None


def _demo_folder(data: RunData) -> Path | None:
    folder = Path(data.rows("train")["path"].iloc[0]).parents[1]
    return folder if data.is_demo and (folder / "truth.csv").exists() else None


def walking_speeds(data: RunData) -> pd.DataFrame:
    """Return emotion and median walking speed (body heights a second) of every video."""
    videos, emotions = all_walks(data)
    speeds = [video.track["speed_heights_per_s"].median() for video in videos]
    return pd.DataFrame({"emotion": emotions, "speed_heights_per_s": speeds})


def _places(config: RunConfig, num_pictures: int) -> np.ndarray:
    return np.linspace(0, config.num_frames - 1, num_pictures).round().astype(int)
