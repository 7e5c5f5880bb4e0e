"""`TrainedModel`: the one object that answers for videos, whatever kind of model lies behind it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from gaitlib.clips import ClipSet, evaluation_batches, make_clip_set
from gaitlib.config import RunConfig
from gaitlib.data import VideoSet
from gaitlib.models.backend import load_keras
from gaitlib.models.calibration import Novelty, apply_temperature
from gaitlib.models.classifiers import bout_inputs, feature_names, gait_inputs, predict_classes
from gaitlib.models.networks import GAIT_NAMES, SKELETON_NAMES, split_network

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ClipAnswers:
    """What a model says of the clips of some videos; a gait classifier, of their walking bouts.

    Probabilities (num_clips, num_classes) are not calibrated; features (num_clips, num_features) are what
    they were made from; the others have the shape (num_clips,).
    """

    probabilities: np.ndarray
    video_numbers: np.ndarray
    start_seconds: np.ndarray
    end_seconds: np.ndarray
    features: np.ndarray


class TrainedModel(BaseModel):
    """A model with all that is needed to use it.

    `emotions` are its classes in order; `config` holds the settings of its training, `body` and `crop`
    decided; `predictor` is a network or a scikit-learn pipeline; `about` tells what it was trained on and how
    it scored (`is_demo`, `num_walkers`, `num_videos`, `gait_reference` and more).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    emotions: Annotated[tuple[str, ...], Field(min_length=2)]
    config: RunConfig
    predictor: Any = Field(default=None, exclude=True, repr=False)
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    novelty: Novelty | None = None
    about: dict[str, Any] = {}

    @property
    def kind(self) -> Literal["network", "comparing", "gait"]:
        """A network of clips, one that compares a clip with a reference walk, or a gait classifier."""
        if self.name in GAIT_NAMES:
            return "gait"
        return "network" if self.config.relative_to == "none" else "comparing"

    @property
    def reads(self) -> Literal["frames", "keypoints", "gait"]:
        """What goes in: the frames of clips, their keypoints, or the gait features of a video."""
        return "keypoints" if self.name in SKELETON_NAMES else "gait" if self.kind == "gait" else "frames"

    def predict(self, videos: VideoSet, answers: ClipAnswers | None = None) -> np.ndarray:
        """Return uncalibrated probabilities, shape (num_videos, num_classes).

        Parameters
        ----------
        videos : VideoSet
            With reference walks where the model compares; labels are not looked at.
        answers : ClipAnswers, optional
            From `predict_clips` of the same videos, so that a network need not run twice.
        """
        if self.kind == "gait":
            return predict_classes(self.predictor, self.gait_inputs(videos), len(self.emotions))
        answers = answers or self.predict_clips(videos)
        return _by_video(answers.probabilities, answers, len(videos), np.mean)

    def predict_clips(self, videos: VideoSet) -> ClipAnswers:
        """Return what the model says of every clip, or of every walking bout."""
        return self._predict_bouts(videos) if self.kind == "gait" else self._predict_clips(videos)

    def _predict_clips(self, videos: VideoSet) -> ClipAnswers:
        clips, (encoder, head) = make_clips(videos, self), self._parts
        features = encoder.predict(evaluation_batches(replace(clips, references=None)), verbose=0)
        if clips.references is not None:
            others = encoder.predict(evaluation_batches(clips.references), verbose=0)
            numbers = clips.references.video_numbers
            means = [others[np.isin(numbers, places)].mean(axis=0) for places in videos.references]
            features = features - np.stack(means)[clips.video_numbers]
        start, end = clips.rows.min(axis=1), clips.rows.max(axis=1) + 1
        rate, answers = self.config.frame_rate_hz, head.predict(features, verbose=0)
        return ClipAnswers(answers, clips.video_numbers, start / rate, end / rate, features)

    def _predict_bouts(self, videos: VideoSet) -> ClipAnswers:
        features, numbers = bout_inputs(videos, self.name)
        bouts = [
            (bout.start_seconds, bout.end_seconds) for video in videos.videos for bout in video.own_bouts
        ]
        start, end = np.reshape(bouts, (-1, 2)).T
        answers = predict_classes(self.predictor, features, len(self.emotions))
        return ClipAnswers(answers, numbers, start, end, features)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """What a gait classifier reads, in the order of `gait_inputs`; empty for networks."""
        return feature_names(self.name, self.config.body) if self.kind == "gait" else ()

    def gait_inputs(self, videos: VideoSet) -> np.ndarray:
        """Return what a gait classifier reads, shape (num_videos, num_features); NaN where unknown."""
        return gait_inputs(videos, self.name)

    def calibrated(self, probabilities: np.ndarray) -> np.ndarray:
        """Return probabilities that say how often the model is right, shape (num_videos, num_classes)."""
        return apply_temperature(probabilities, self.temperature)

    def novelty_of(self, videos: VideoSet, answers: ClipAnswers | None = None) -> np.ndarray:
        """Return how far each video lies from the training videos; beyond ``novelty.limit`` it is unusual.

        Returns
        -------
        ndarray of shape (num_videos,), float
            The median over clips, in standard deviations; NaN where the model cannot tell.
        """
        if self.novelty is None:
            return np.full(len(videos), np.nan)
        if self.kind == "gait":
            return self.novelty.distances(self.predictor[:-1].transform(self.gait_inputs(videos)))
        answers = answers or self.predict_clips(videos)
        return _by_video(self.novelty.distances(answers.features), answers, len(videos), np.median)

    def clip_network(self, videos: VideoSet, place: int) -> "keras.Model":
        """Return a network of single clips that answers as this model does for one of the videos."""
        if self.kind == "network":
            return self.predictor
        keras, (encoder, head) = load_keras(), self._parts
        clips = make_clips(replace(videos, videos=videos.reference_videos, references=()), self)
        others = clips.chosen(np.isin(clips.video_numbers, videos.references[place]))
        mean = encoder.predict(evaluation_batches(others), verbose=0).mean(axis=0)
        clip = keras.Input(encoder.input.shape[1:])
        return keras.Model(clip, head(keras.layers.Rescaling(1.0, -mean)(encoder(clip))))

    @cached_property
    def _parts(self) -> tuple["keras.Model", "keras.Model"]:
        return split_network(self.predictor)

    def with_about(self, **entries: Any) -> Self:
        """Return the same model with more entries in `about`."""
        return self.model_copy(update={"about": {**self.about, **entries}})


def _by_video(values: np.ndarray, answers: ClipAnswers, num_videos: int, summary: Callable) -> np.ndarray:
    parts = [values[answers.video_numbers == place] for place in range(num_videos)]
    return np.stack([summary(part, axis=0) for part in parts])


class SequenceClips(ClipSet):
    """Clips as keypoint sequences of shape (num_frames, 33, 3), float32, in place of frames."""

    def read(self, clip: int, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return a clip, varied where a generator is given."""
        return self.read_keypoints(clip, rng)


def make_clips(videos: VideoSet, model: TrainedModel) -> ClipSet:
    """Return the clips that a network reads, with those of the reference walks where there are any."""
    clips = make_clip_set(videos.videos, videos.labels, model.config, videos.targets)
    if model.reads == "keypoints":
        clips = SequenceClips(**vars(clips))
    if not videos.references:
        return clips
    nobody = np.zeros(len(videos.reference_videos), int)
    beside = replace(videos, videos=videos.reference_videos, labels=nobody, targets=None, references=())
    return replace(clips, references=make_clips(beside, model), reference_videos=videos.references)
