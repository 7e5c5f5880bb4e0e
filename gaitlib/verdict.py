"""What a model says of one video: an emotion, or the reason why there is none."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gaitlib.answering import ask_model
from gaitlib.batches import ClipSet
from gaitlib.clips import prepare_video
from gaitlib.companions import beside_companions, walking_clips, why_not_judged
from gaitlib.config import InputError, RunConfig, make_config
from gaitlib.novelty import novelty_of
from gaitlib.prepared import PreparedVideo

if TYPE_CHECKING:
    import keras

# Every stretch of walking counts here; training takes a few clips a video so that none dominates.
ALL_CLIPS = 100_000
# Who stays within this share of the square around them, as long as they walk, is on a treadmill.
_SPOT_SHARE = 0.5


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
    novelty : float or None
        How far the pictures are from those in training (`gaitlib.novelty`), None if not measured.
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
    novelty: float | None = None
    notes: list[str] = field(default_factory=list)
    timeline: list[dict[str, Any]] = field(default_factory=list)

    def abstain(self, reason: str) -> "Verdict":
        """Give no verdict and say why."""
        self.status = "abstained"
        self.notes.append(reason)
        return self


def predict_config(card: Mapping[str, Any]) -> RunConfig:
    """Return the settings to predict with: as in training, but here and with every clip of a video.

    Parameters
    ----------
    card : mapping
        Of the model, see `gaitlib.saving.load_model`.
    """
    return make_config(**{**card["config"], "max_clips_per_video": ALL_CLIPS, "scheduler": ""})


def predict_video(
    path: Path,
    model: "keras.Model",
    config: RunConfig,
    emotions: Sequence[str],
    novelty: dict[str, Any] | None = None,
    companions: Sequence[PreparedVideo] = (),
) -> Verdict:
    """Predict one video; faults of the video become part of the verdict.

    Parameters
    ----------
    path : Path
    model : keras.Model
    config : RunConfig
        As the model was trained with.
    emotions : sequence of str
        Class names in the order of the model's output.
    novelty : dict, optional
        What training pictures look like (`gaitlib.novelty.fit_novelty`), to abstain from others.
    companions : sequence of PreparedVideo
        What a model that compares walks is to compare with, see `gaitlib.companions`.
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
    clips = walking_clips(video, config)
    reason = why_not_judged(path.name, video, clips, config)
    if reason:
        return verdict.abstain(reason)
    verdict.status = "warned" if meta["notes"] else "ok"
    verdict.notes += _remarks(video)
    by_clip = _answer(verdict, model, beside_companions(clips, companions, config), novelty)
    if verdict.status != "abstained":
        _fill_in(verdict, video, clips, by_clip, emotions, config.frame_rate_hz)
    return verdict


def verdict_sentence(name: str, verdict: Verdict) -> str:
    """Say in words what the model read in a video, or why it gives no verdict."""
    if verdict.emotion is None:
        return f"No verdict on {name}: {verdict.notes[-1]}"
    others = sorted(verdict.probabilities.items(), key=lambda item: -item[1])[1:]
    rest = ", ".join(f"{emotion} {value:.0%}" for emotion, value in others)
    return (
        f"The model reads the walk in {name} as {verdict.emotion} ({verdict.confidence:.0%}; {rest}), from "
        f"{verdict.seconds_used:.1f} s of walking."
    )


def _remarks(video: PreparedVideo) -> list[str]:
    """Return what a reader should know about a video that was read."""
    remarks = []
    num_people = video.meta["num_people"]
    if num_people > 1:
        remarks.append(
            f"Up to {num_people} people are seen at the same time: the one who walks most was read."
        )
    walked = video.track[(video.track["segment"] >= 0) & video.track["left"].notna()]
    way = np.ptp(walked["square_x"] / walked["square_side"].median())
    if video.meta["methods"] == ["background"] and way < _SPOT_SHARE and _keeps_its_size(walked):
        remarks.append("Walks on the spot: parts of the body may pass for the scene.")
    if "people_detector" in video.meta["methods"]:
        remarks.append("The camera moves: the walker is seen before the scene instead of cut out.")
    return remarks


def _keeps_its_size(walked: pd.DataFrame) -> bool:
    sides = walked["square_side"]
    return bool(sides.max() < 1.3 * sides.min())


def _answer(
    verdict: Verdict, model: "keras.Model", clips: ClipSet, novelty: dict[str, Any] | None
) -> np.ndarray:
    """Return the probabilities of each clip; abstain if the pictures are unlike any in training."""
    limit = novelty["threshold"] if novelty else None
    answers = ask_model(model, clips)
    if novelty is None or limit is None:
        verdict.notes.append("Whether the pictures are like those in training could not be checked.")
        return answers.probabilities
    verdict.novelty = distance = novelty_of(answers.features, novelty)
    if distance > limit:
        verdict.abstain(
            f"The pictures are unlike any in training (distance {distance:.1f}, limit {limit:.1f})."
        )
    return answers.probabilities


def _fill_in(
    verdict: Verdict,
    video: PreparedVideo,
    clips: ClipSet,
    by_clip: np.ndarray,
    emotions: Sequence[str],
    frame_rate_hz: float,
) -> None:
    times = video.track.loc[video.track["segment"] >= 0, "time_seconds"].to_numpy()
    for start, row in zip(clips.starts, by_clip, strict=True):
        verdict.timeline.append(
            {
                "start_seconds": float(times[start]),
                "end_seconds": float(times[start + clips.num_frames - 1] + 1 / frame_rate_hz),
                "probabilities": _named(row, emotions),
            }
        )
    used = np.unique((clips.starts[:, None] + np.arange(clips.num_frames)).ravel())
    mean = by_clip.mean(axis=0)
    verdict.probabilities = _named(mean / mean.sum(), emotions)
    verdict.emotion = emotions[int(mean.argmax())]
    verdict.confidence = verdict.probabilities[verdict.emotion]
    verdict.seconds_used = len(used) / frame_rate_hz


def _named(probabilities: np.ndarray, emotions: Sequence[str]) -> dict[str, float]:
    return {emotion: float(value) for emotion, value in zip(emotions, probabilities, strict=True)}
