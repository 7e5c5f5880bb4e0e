"""One video to one verdict: an emotion, or the reason why there is none."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from gaitlib.clips import PreparedVideo, prepare_video, prepare_videos
from gaitlib.config import RunConfig
from gaitlib.data import VideoSet
from gaitlib.errors import InputError
from gaitlib.files import show_name
from gaitlib.gait import measure_gait
from gaitlib.labels import list_videos
from gaitlib.models import ClipAnswers, TrainedModel
from gaitlib.predict.doubts import find_doubts, walking_notes

# Every clip of a video counts here; training takes a few per video so that none dominates.
_ALL_CLIPS = 100_000


@dataclass(frozen=True)
class Moment:
    """What a model says of one clip or walking bout."""

    start_seconds: float
    end_seconds: float
    probabilities: dict[str, float]


@dataclass
class Verdict:
    """What is known about one video.

    Attributes
    ----------
    video : str
        As it was named.
    status : {"ok", "warned", "abstained", "refused"}
        Read whole; read, with a fault that a note names; read, but no verdict; not read.
    confidence : float or None
        Calibrated probability of `emotion`.
    probabilities : dict of str to float
        Calibrated, by emotion.
    seconds_used : float
        Seconds of walking behind the verdict; what repeats counts once.
    frames_read, corrupt_frames : int
        Frames decoded, and damaged ones among them.
    gait : DataFrame
        Gait parameters, one row a walking bout (`gaitlib.gait.measure_gait`).
    prepared : PreparedVideo or None
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
    timeline: list[Moment] = field(default_factory=list)
    gait: pd.DataFrame = field(default_factory=pd.DataFrame)
    prepared: PreparedVideo | None = None

    @property
    def word(self) -> str:
        """The verdict in a word or two."""
        words = {"abstained": "no verdict", "refused": "not readable"}
        return f"{self.emotion} {self.confidence:.0%}" if self.emotion else words[self.status]

    def abstain(self, reason: str) -> "Verdict":
        """Give no verdict and say why."""
        self.status = "abstained"
        self.emotion = self.confidence = None
        self.notes.append(reason)
        return self


def judge_files(
    files: Sequence[Path],
    model: TrainedModel,
    reference_paths: Sequence[Path] = (),
    same_walker: bool = False,
) -> list[Verdict]:
    """Judge videos and folders of videos, one verdict a file, in order.

    Parameters
    ----------
    files : sequence of Path
        A folder stands for the videos in it; a folder without any gets a verdict of its own.
    model : TrainedModel
    reference_paths : sequence of Path
        Walks of the same person, for a model that compares with them.
    same_walker : bool
        Whether all files show one person, for a model that compares with the mean of a person's walks.

    Raises
    ------
    InputError
        If a reference walk that the model needs is missing or cannot be read.
    """
    paths = [path for file in files for path in (list_videos(file) if file.is_dir() else [file]) or [file]]
    config = predict_config(model.config)
    if len(paths) > 1:  # on all cores; what cannot be read is told below, where it has its place
        prepare_videos(paths, config, "Reading videos")
    beside = _reference_walks(paths if same_walker else reference_paths, model, config)
    return [judge_video(path, model, beside) for path in paths]


def predict_config(config: RunConfig) -> RunConfig:
    """Return the settings of a model to predict with: here, and with every clip of a video."""
    return config.model_copy(update={"max_clips_per_video": _ALL_CLIPS, "scheduler": ""})


def judge_video(path: Path, model: TrainedModel, beside: Sequence[PreparedVideo] = ()) -> Verdict:
    """Judge one video; its faults become part of the verdict.

    Parameters
    ----------
    path : Path
    model : TrainedModel
    beside : sequence of PreparedVideo
        Walks of the same person, for a model that compares with them.
    """
    verdict = Verdict(os.fsencode(path).decode("utf-8", "replace"))
    model = model.model_copy(update={"config": predict_config(model.config)})
    try:
        video = prepare_video(Path(path), model.config)
    except InputError as error:
        verdict.notes.append(str(error))
        return verdict
    meta = video.meta
    verdict.prepared, verdict.frames_read, verdict.corrupt_frames = (
        video,
        meta["frames_read"],
        meta["corrupt_frames"],
    )
    if not video.bouts:
        return verdict.abstain(meta["why_empty"])
    verdict.status = "warned" if meta["read_notes"] else "ok"
    verdict.notes += [*meta["notes"], *walking_notes(video)]
    verdict.gait = measure_gait(video)
    _answer(verdict, model, _as_set(video, model, beside))
    doubts = find_doubts(video, verdict.gait, model)
    if doubts.notes:
        verdict.status = "warned"
        verdict.notes += doubts.notes
    return verdict.abstain(doubts.reason) if doubts.reason else verdict


def _reference_walks(
    paths: Sequence[Path], model: TrainedModel, config: RunConfig
) -> tuple[PreparedVideo, ...]:
    kind = config.relative_to
    if kind == "none":
        return ()
    if not paths:
        how = "--reference FILE" if kind == "reference" else "--same-walker, or --reference for each walk"
        raise InputError(
            f"The model {model.name} compares a walk with others of the same person ({kind}): name them with "
            f"{how}."
        )
    found = prepare_videos(list(paths), config, "Reading reference walks")
    walks = tuple(video for video in found if isinstance(video, PreparedVideo) and video.bouts)
    if not walks:
        raise InputError(f"No reference walk could be read: {show_name(paths[0])}: {found[0]}")
    return walks


def _as_set(video: PreparedVideo, model: TrainedModel, beside: Sequence[PreparedVideo]) -> VideoSet:
    one = partial(np.zeros, 1)
    if model.config.relative_to == "none":
        return VideoSet((video,), one(int), one(str))
    others = tuple(walk for walk in beside if walk.digest != video.digest) or tuple(beside)
    if model.config.relative_to == "walker-mean":
        others = (video, *(walk for walk in beside if walk.digest != video.digest))
    return VideoSet((video,), one(int), one(str), others, (np.arange(len(others)),))


def _answer(verdict: Verdict, model: TrainedModel, videos: VideoSet) -> None:
    """Fill in what the model says, unless the walk is unlike any in training."""
    answers = model.predict_clips(videos)
    means = model.calibrated(model.predict(videos, answers))[0]
    named = dict(zip(model.emotions, means.tolist(), strict=True))
    verdict.probabilities = named
    verdict.emotion = max(named, key=named.__getitem__)
    verdict.confidence = named[verdict.emotion]
    verdict.timeline = _timeline(answers, model)
    verdict.seconds_used = float(sum(bout.distinct_seconds for bout in videos.videos[0].own_bouts))
    limit = model.novelty.limit if model.novelty else None
    distance = float(model.novelty_of(videos, answers)[0])
    if limit is None:
        verdict.notes.append("Whether the walk is like those in training could not be checked.")
    elif distance > limit:
        verdict.abstain(f"The walk is unlike any in training (distance {distance:.1f}, limit {limit:.1f}).")


def _timeline(answers: ClipAnswers, model: TrainedModel) -> list[Moment]:
    rows = zip(
        answers.start_seconds, answers.end_seconds, model.calibrated(answers.probabilities), strict=True
    )
    moments = [
        Moment(float(start), float(end), dict(zip(model.emotions, shares.tolist(), strict=True)))
        for start, end, shares in rows
    ]
    return sorted(moments, key=lambda moment: moment.start_seconds)
