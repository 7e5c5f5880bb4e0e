"""One video to one verdict: an emotion, or the reason why there is none; all that is shown renders it."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from gaitlib.clips import PreparedVideo, prepare_video, prepare_videos
from gaitlib.config import RunConfig
from gaitlib.data import VideoSet
from gaitlib.demo import SYNTHETIC_COMMENT
from gaitlib.errors import InputError
from gaitlib.gait import measure_gait, proportions
from gaitlib.labels import list_videos
from gaitlib.models import ALONE, TrainedModel
from gaitlib.senses import TOGETHER, measure_walk, recording_beside
from gaitlib.senses.fusion import SensesModel

# No step is longer, in leg lengths.
_MAX_STEP_LEGS = 1.25
# Steps per minute that people walk at; below, a step is too slow to be told from half a step. How many times
# as many one of two bouts may have.
_MIN_CADENCE, _MAX_CADENCE, _MAX_CHANGE = 45.0, 190.0, 1.3
# Step length in leg lengths per (steps per minute): people keep this ratio at all speeds and moods (walk
# ratio, Sekiya & Nagasaki 1998); slow motion and sped-up film change it with the square of the speed.
_MIN_WALK_RATIO, _MAX_WALK_RATIO = 0.0046, 0.0112
# How far somebody must go to tell, in sides of the square, and in which share of the frames it must show.
_MIN_WAY, _MIN_BACKWARDS = 0.5, 0.8
# So long a walk has steps that can be found, at any pace of a person. How far proportions may lie from the
# middle of their range, 1 at its ends.
_LONG_SECONDS, _MAX_ODD = 6.0, 1.6


@dataclass
class Verdict:
    """What is known about one video.

    `status` is ``ok`` (read whole), ``warned`` (read, with a fault that a note names), ``abstained`` (read,
    but no verdict) or ``refused`` (not read). Probabilities and confidence are calibrated. `seconds_used`
    counts the walking behind the verdict, what repeats once; `gait` has a row a walking bout, `timeline` the
    `start_seconds`, `end_seconds` and `probabilities` of each clip or bout.
    """

    path: Path
    status: str = "refused"
    emotion: str | None = None
    confidence: float | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    seconds_used: float = 0.0
    frames_read: int = 0
    corrupt_frames: int = 0
    notes: list[str] = field(default_factory=list)
    timeline: pd.DataFrame = field(default_factory=pd.DataFrame)
    gait: pd.DataFrame = field(default_factory=pd.DataFrame)
    prepared: PreparedVideo | None = None

    @property
    def video(self) -> str:
        """The path as text, undecodable bytes replaced."""
        return os.fsencode(self.path).decode("utf-8", "replace")

    @property
    def word(self) -> str:
        """The verdict in a word or two."""
        words = {"abstained": "no verdict", "refused": "not readable"}
        return f"{self.emotion} {self.confidence:.0%}" if self.emotion else words[self.status]

    def warn(self, fault: str) -> None:
        """Note a fault; a verdict that is given bears it in its status."""
        self.status = "warned" if self.status == "ok" else self.status
        self.notes.append(fault)

    def abstain(self, reason: str) -> "Verdict":
        """Give no verdict and say why."""
        self.status, self.emotion, self.confidence = "abstained", None, None
        self.notes.append(reason)
        return self


def judge_files(
    files: Sequence[Path],
    model: TrainedModel,
    references: Sequence[Path] = (),
    senses: SensesModel | None = None,
) -> list[Verdict]:
    """Judge videos and folders of videos, in order, beside `references`, who may be among them."""
    paths, others = (
        [path for file in given for path in (list_videos(file) if file.is_dir() else [file]) or [file]]
        for given in (files, references)
    )
    config = model.config.model_copy(update={"scheduler": ""})  # on this machine
    if config.relative_to == "none" and model.name != ALONE and others:
        raise InputError("This model compares no walks: leave out --reference and --same-walker.")
    if config.relative_to == "reference" and len(others) > 1:
        raise InputError("This model compares with one walk: name that one with --reference.")
    prepare_videos(paths, config, "Reading videos")  # on all cores; what fails is told below
    beside = prepare_videos(others, config, "Reading reference walks")
    verdicts = [judge_video(path, model, beside) for path in paths]
    for verdict in verdicts:
        if senses is not None and senses.relative_to == "none" and verdict.emotion:
            add_senses(verdict, senses, config)
    return verdicts


def add_senses(verdict: Verdict, senses: SensesModel, config: RunConfig) -> None:
    """Say what picture, sound and the ``.csv`` beside a video tell together, where more than one is there."""
    values, notes = measure_walk(str(verdict.path), recording_beside(str(verdict.path)), config)
    said = senses.predict(pd.DataFrame([{"walker": "", **values}]))
    used = [sense for sense, shares in said.items() if sense != TOGETHER and np.isfinite(shares[0, 0])]
    if len(used) > 1:
        share, word = max(zip(said[TOGETHER][0], senses.emotions, strict=True))
        verdict.notes.append(f"Together, {', '.join(used)} say {word} ({share:.0%}).")
    verdict.notes += notes


def judge_video(path: Path, model: TrainedModel, beside: Sequence[PreparedVideo | str] = ()) -> Verdict:
    """Judge one video, `beside` walks of the same person (see `prepare_videos`); its faults become notes."""
    verdict, every_clip = Verdict(Path(path)), {"max_clips_per_video": 100_000, "scheduler": ""}
    model = model.model_copy(update={"config": model.config.model_copy(update=every_clip)})
    try:
        video = prepare_video(Path(path), model.config)
    except InputError as error:
        verdict.notes.append(str(error))
        return verdict
    meta, verdict.prepared = video.meta, video
    verdict.frames_read, verdict.corrupt_frames = meta["frames_read"], meta["corrupt_frames"]
    if not video.bouts:
        return verdict.abstain(meta["why_empty"])
    verdict.status = "warned" if meta["read_notes"] else "ok"
    verdict.notes += meta["notes"]
    if meta["comment"] == SYNTHETIC_COMMENT:
        verdict.notes.append("Synthetic walker: the person in this video was drawn by a program.")
    verdict.gait = measure_gait(video)
    verdict.seconds_used = float(sum(bout.distinct_seconds for bout in video.own_bouts))
    videos = VideoSet((video,), np.zeros(1, int), np.zeros(1, str))
    if model.config.relative_to != "none":
        others = [walk for walk in beside if isinstance(walk, PreparedVideo) and walk.digest != video.digest]
        if not others:
            unread = [walk for walk in beside if isinstance(walk, str)][:1]
            options = "--reference" + " or --same-walker" * (model.config.relative_to == "walker-mean")
            needed = f"The model needs another walk of the person: name one with {options}."
            return verdict.abstain(" ".join([needed, *unread]))
        walks = (video, *others) if model.config.relative_to == "walker-mean" else tuple(others)
        videos = replace(videos, references=(walks,))
    _answer(verdict, model, videos)
    if walks_backwards(video):
        return verdict.abstain("The person walks backwards: is the film played backwards?")
    _check_speed(verdict, model)
    return verdict


def walks_backwards(video: PreparedVideo) -> bool:
    """Tell whether nose and toes point back where somebody goes right or left across the picture."""
    if video.keypoints is None:
        return False
    points, is_back = video.keypoints.image_px[..., 0], [np.zeros((2, 0), bool)]
    for bout in video.own_bouts:
        if abs(bout.way_right) > _MIN_WAY:
            part = points[bout.rows]
            nose = part[:, 0] - part[:, [7, 8]].mean(axis=1)
            toes = (part[:, 31:] - part[:, 29:31]).mean(axis=1)
            is_back.append(np.stack([nose, toes]) * bout.way_right < 0)
    shares = np.concatenate(is_back, axis=1)
    return shares.size > 0 and bool((shares.mean(axis=1) > _MIN_BACKWARDS).all())


def _check_speed(verdict: Verdict, model: TrainedModel) -> None:
    """Give no verdict where the film cannot run at its true speed, and warn where that is in doubt."""
    walks = verdict.gait[verdict.gait["is_valid"]]
    usual, slow, fast = walks.median(numeric_only=True), *walks["cadence_steps_per_min"].agg(["min", "max"])
    if fast > _MAX_CHANGE * slow:
        verdict.warn(f"{slow:.0f} and {fast:.0f} steps per minute in one film: two takes, people or speeds?")
    cadence, length_legs = usual["cadence_steps_per_min"], usual["step_length_legs"]
    low, high = model.about.get("cadence_range_steps_per_min") or (0, math.inf)
    ratio = length_legs / cadence
    is_beyond = cadence < _MIN_CADENCE or cadence > _MAX_CADENCE or length_legs > _MAX_STEP_LEGS
    if math.isnan(cadence) and verdict.seconds_used >= _LONG_SECONDS:
        seconds = f"{verdict.seconds_used:.0f} s of walking"
        verdict.abstain(f"{seconds} show no regular steps: the film may be slowed down.")
    elif math.isnan(cadence):
        verdict.warn("No regular steps were found, so the speed of the film could not be checked.")
    elif is_beyond or not _MIN_WALK_RATIO <= ratio <= _MAX_WALK_RATIO:
        verdict.abstain(
            f"The film seems to be slowed down or sped up: {cadence:.0f} steps per minute are implausible "
            "for people or for steps of this length. Give the video at its true speed."
        )
    elif not 0.85 * low <= cadence <= 1.15 * high:
        usual_range = f"the range of the training walkers ({low:.0f} to {high:.0f})"
        verdict.warn(f"{cadence:.0f} steps per minute are outside {usual_range}: slowed down or sped up?")


def _answer(verdict: Verdict, model: TrainedModel, videos: VideoSet) -> None:
    """Fill in what the model says, unless the walk is unlike any in training."""
    answers, seen = model.predict_clips(videos), proportions(videos.videos[0])
    limits = pd.DataFrame(model.about.get("proportion_ranges", {}))
    odd = (2 * seen - limits.sum()).abs() / (limits.max() - limits.min())
    if odd.max() > 0.5:  # the odder, the less sure
        model = model.model_copy(update={"temperature": 2 * odd.max() * model.temperature})
    shares = model.calibrated(np.concatenate([model.predict(videos, answers), answers.probabilities]))
    verdict.probabilities, *parts = (dict(zip(model.emotions, row, strict=True)) for row in shares.tolist())
    verdict.emotion, verdict.confidence = max(verdict.probabilities.items(), key=lambda item: item[1])
    times = {"start_seconds": answers.start_seconds, "end_seconds": answers.end_seconds}
    verdict.timeline = pd.DataFrame({**times, "probabilities": parts}).sort_values("start_seconds")
    limit, distance = model.novelty and model.novelty.limit, model.novelty_of(videos, answers)[0]
    if limit is None:
        verdict.notes.append("Whether the walk is like those in training could not be checked.")
    elif distance > limit:
        verdict.abstain(f"The walk is unlike any in training (distance {distance:.1f}, limit {limit:.1f}).")
    if verdict.emotion and odd.max() > 1:
        fault = f"The picture may be squeezed, by the walker's {odd.idxmax()}."
        if odd.max() > _MAX_ODD:
            verdict.abstain(f"{fault} Give the video in its true proportions.")
        else:
            verdict.warn(f"{fault} The confidence is lowered.")
