"""Any video in, an emotion or an honest abstention out."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from gaitlib.annotate import annotate_video
from gaitlib.batches import evaluation_batches, make_clip_set
from gaitlib.clips import PreparedVideo, prepare_video, why_no_clips
from gaitlib.config import InputError, RunConfig, make_config
from gaitlib.files import write_json
from gaitlib.labels import list_videos
from gaitlib.saving import load_model

if TYPE_CHECKING:
    import keras

SCHEMA_VERSION = 1
# Every stretch of walking counts here; training takes a few clips a video so that none dominates.
_ALL_CLIPS = 100_000


@dataclass
class Verdict:
    """What is known about one video.

    Attributes
    ----------
    video : str
    status : {"ok", "warned", "abstained", "refused"}
        Read whole; read with a fault that a note names; read but no verdict; not read.
    emotion : str or None
    confidence : float or None
        Probability of `emotion`.
    probabilities : dict of str to float
    seconds_used : float
        Seconds of walking behind the verdict.
    frames_read, corrupt_frames : int
        Pictures decoded, and damaged ones among them.
    notes : list of str
    timeline : list of dict
        `start_seconds`, `end_seconds`, `probabilities` of each clip.
    """

    video: str
    status: str = "refused"
    emotion: str | None = None
    confidence: float | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    seconds_used: float = 0.0
    frames_read: int = 0
    corrupt_frames: int = 0
    notes: list[str] = field(default_factory=list)
    timeline: list[dict[str, Any]] = field(default_factory=list)


def predict_files(
    files: Sequence[Path], model_path: Path, json_path: Path | None, annotated_dir: Path | None = None
) -> str:
    """Predict videos and folders of videos.

    Parameters
    ----------
    files : sequence of Path
        A folder stands for the videos in it.
    model_path : Path
        ``model.keras`` or ``model.h5`` of a run.
    json_path : Path, optional
        Where to write all of it.
    annotated_dir : Path, optional
        Folder for copies of the videos with box, word and probabilities.

    Returns
    -------
    str
        A table to print.

    Raises
    ------
    InputError
        If the model cannot be used or there is no file to read.
    """
    paths = [path for file in files for path in (list_videos(file) if file.is_dir() else [file])]
    if not paths:
        raise InputError(f"No video in {', '.join(map(str, files))}: name videos or folders that hold some.")
    model, card = load_model(model_path)
    config = make_config(**{**card["config"], "max_clips_per_video": _ALL_CLIPS})
    bar = tqdm(paths, "Predicting", unit="video", mininterval=1.0, disable=len(paths) == 1)
    verdicts = []
    for number, path in enumerate(bar):
        verdict = predict_video(path, model, config, card["emotions"])
        verdicts.append(verdict)
        if annotated_dir is not None and verdict.status != "refused":
            target = annotated_dir / f"{number + 1:03d}_{path.stem[:80]}.mp4"
            annotate_video(path, target, prepare_video(path, config), verdict.timeline, config)
    if json_path is not None:
        videos = [asdict(verdict) for verdict in verdicts]
        write_json(
            json_path,
            {"schema_version": SCHEMA_VERSION, "model": str(model_path), "videos": videos},
        )
    return _as_table(verdicts, card["is_demo"])


def predict_video(path: Path, model: "keras.Model", config: RunConfig, emotions: Sequence[str]) -> Verdict:
    """Predict one video; faults of the video become part of the verdict.

    Parameters
    ----------
    path : Path
    model : keras.Model
    config : RunConfig
        As the model was trained with.
    emotions : sequence of str
        Class names in the order of the model's output.
    """
    verdict = Verdict(os.fsencode(path).decode("utf-8", "replace"))
    try:
        video = prepare_video(path, config)
    except InputError as error:
        verdict.notes.append(str(error))
        return verdict
    meta = video.meta
    verdict.notes += meta["notes"]
    verdict.frames_read, verdict.corrupt_frames = meta["frames_read"], meta["corrupt_frames"]
    reason = why_no_clips(path.name, video, config)
    if reason:
        verdict.status = "abstained"
        verdict.notes.append(reason)
        return verdict
    verdict.status = "warned" if meta["notes"] else "ok"
    if meta["num_people"] > 1:
        others = meta["num_people"] - 1
        verdict.notes.append(f"{others} more {'person is' if others == 1 else 'people are'} in the picture.")
    if "whole_frame" in meta["methods"]:
        verdict.notes.append("No person could be made out: the whole picture was used.")
    _fill_in(verdict, video, model, config, emotions)
    return verdict


def _fill_in(
    verdict: Verdict,
    video: PreparedVideo,
    model: "keras.Model",
    config: RunConfig,
    emotions: Sequence[str],
) -> None:
    clips = make_clip_set([video], np.zeros(1, int), config)
    by_clip = model.predict(evaluation_batches(clips), verbose=0)
    times = video.track.loc[video.track["segment"] >= 0, "time_seconds"].to_numpy()
    for start, row in zip(clips.starts, by_clip, strict=True):
        verdict.timeline.append(
            {
                "start_seconds": float(times[start]),
                "end_seconds": float(times[start + config.num_frames - 1] + 1 / config.frame_rate_hz),
                "probabilities": _named(row, emotions),
            }
        )
    used = np.unique((clips.starts[:, None] + np.arange(config.num_frames)).ravel())
    mean = by_clip.mean(axis=0)
    verdict.probabilities = _named(mean / mean.sum(), emotions)
    verdict.emotion = emotions[int(mean.argmax())]
    verdict.confidence = verdict.probabilities[verdict.emotion]
    verdict.seconds_used = len(used) / config.frame_rate_hz


def _named(probabilities: np.ndarray, emotions: Sequence[str]) -> dict[str, float]:
    return {emotion: float(value) for emotion, value in zip(emotions, probabilities, strict=True)}


def _as_table(verdicts: Sequence[Verdict], is_demo: bool) -> str:
    rows = [
        {
            "video": verdict.video.replace("\n", " "),
            "emotion": verdict.emotion or f"({verdict.status})",
            "confidence": "" if verdict.confidence is None else f"{verdict.confidence:.0%}",
            "seconds": f"{verdict.seconds_used:.1f}",
            "note": " ".join(verdict.notes).replace("\n", " "),
        }
        for verdict in verdicts
    ]
    note = (
        "\nThe model was trained on synthetic walkers: its words on real people are a trial."
        if is_demo
        else ""
    )
    return pd.DataFrame(rows).to_string(index=False) + note
