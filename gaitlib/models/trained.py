"""`TrainedModel`: the one object that answers for videos, whatever kind of model lies behind it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, Field
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.covariance import LedoitWolf

from gaitlib.clips import ClipSet, evaluation_batches, make_clip_set
from gaitlib.config import RunConfig
from gaitlib.data import VideoSet
from gaitlib.models.classifiers import bout_inputs, gait_inputs, predict_classes
from gaitlib.models.networks import GAIT_NAMES, SKELETON, split_network

if TYPE_CHECKING:
    import keras

_FALSE_ALARM_SHARE = 0.05
# Strength of the belief that the temperature is near 1, in videos: a handful cannot say much else.
_PRIOR_VIDEOS = 4.0
_TINY = 1e-7


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Find the temperature that makes probabilities fit labels best, above 1 for a model that was too sure.

    The log loss is minimised (Guo et al. 2017, arXiv:1706.04599), with a weak pull towards 1.
    """

    def loss(log_temperature: float) -> float:
        cooled = apply_temperature(probabilities, math.exp(log_temperature))
        pull = _PRIOR_VIDEOS * log_temperature**2 / 2
        return float(pull - np.log(cooled[np.arange(len(labels)), labels] + _TINY).sum())

    return math.exp(minimize_scalar(loss, bounds=np.log((0.1, 10)), method="bounded").x)


def apply_temperature(probabilities: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
    """Divide log-probabilities by a temperature (or one a row) and normalise; the likeliest class stays."""
    return softmax(np.log(probabilities + _TINY) / np.reshape(temperature, (-1, 1)), axis=1)


class Novelty(BaseModel, frozen=True):
    """How far from the training videos a video may lie before the model's answer means nothing.

    The Mahalanobis distance of features to those of the training (Lee et al. 2018, arXiv:1807.03888). The
    limit is a conformal one (Vovk et al. 2005), from videos of unseen walkers; None below 19 of them.
    """

    location: list[float]
    precision: list[list[float]]
    limit: float | None = None

    @classmethod
    def fit(cls, features: np.ndarray) -> "Novelty":
        """Describe the features of training videos or clips, shape (n, num_features); no limit yet."""
        fitted = LedoitWolf().fit(features)
        return cls(location=fitted.location_.tolist(), precision=fitted.precision_.tolist())

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Return the distance of each row of shape (n, num_features), in standard deviations."""
        return cdist(features, [self.location], "mahalanobis", VI=np.array(self.precision))[:, 0]

    def with_limit(self, distances: np.ndarray) -> "Novelty":
        """Set the limit that a further video exceeds with a chance of 5 % at most."""
        place = math.ceil((len(distances) + 1) * (1 - _FALSE_ALARM_SHARE))
        limit = float(np.sort(distances)[place - 1]) if place <= len(distances) else None
        return self.model_copy(update={"limit": limit})


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


class TrainedModel(BaseModel, frozen=True, extra="forbid"):
    """A model with all that is needed to use it.

    `predictor` is a network or a scikit-learn pipeline; `about` tells what it was trained on and how it
    scored (`is_demo`, `num_walkers`, `num_videos`, `gait_reference` and more).
    """

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

    def predict(self, videos: VideoSet, answers: ClipAnswers | None = None) -> np.ndarray:
        """Return uncalibrated probabilities, shape (num_videos, num_classes).

        Labels are not looked at; `answers` of `predict_clips` save a network from running twice.
        """
        if self.kind == "gait":
            return predict_classes(self.predictor, gait_inputs(videos, self.name), len(self.emotions))
        answers = answers or self.predict_clips(videos)
        return _by_video(answers.probabilities, answers, len(videos), np.mean)

    def predict_clips(self, videos: VideoSet) -> ClipAnswers:
        """Return what the model says of every clip, or of every walking bout."""
        if self.kind == "gait":
            features, numbers = bout_inputs(videos, self.name)
            bouts = [bout for video in videos.videos for bout in video.own_bouts]
            start, end = np.array([(bout.start_seconds, bout.end_seconds) for bout in bouts]).reshape(-1, 2).T
            answers = predict_classes(self.predictor, features, len(self.emotions))
            return ClipAnswers(answers, numbers, start, end, features)
        clips, (encoder, head) = make_clips(videos, self), self._parts
        features = encoder.predict(evaluation_batches(replace(clips, references=None)), verbose=0)
        if clips.references is not None:
            others = encoder.predict(evaluation_batches(clips.references), verbose=0)
            numbers = clips.references.video_numbers
            means = [others[np.isin(numbers, places)].mean(axis=0) for places in clips.reference_videos]
            features = features - np.stack(means)[clips.video_numbers]
        start, end = clips.rows.min(axis=1), clips.rows.max(axis=1) + 1
        rate, answers = self.config.frame_rate_hz, np.asarray(head(features))
        return ClipAnswers(answers, clips.video_numbers, start / rate, end / rate, features)

    def calibrated(self, probabilities: np.ndarray) -> np.ndarray:
        """Return probabilities that say how often the model is right, shape (num_videos, num_classes)."""
        return apply_temperature(probabilities, self.temperature)

    def novelty_of(self, videos: VideoSet, answers: ClipAnswers | None = None) -> np.ndarray:
        """Return how far each video lies from the training videos; beyond ``novelty.limit`` it is unusual.

        Shape (num_videos,), the median over clips in standard deviations; NaN where the model cannot tell.
        """
        if self.novelty is None:
            return np.full(len(videos), np.nan)
        if self.kind == "gait":
            features = self.predictor[:-1].transform(gait_inputs(videos, self.name))
            return self.novelty.distances(features)
        answers = answers or self.predict_clips(videos)
        return _by_video(self.novelty.distances(answers.features), answers, len(videos), np.median)

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

    read = ClipSet.read_keypoints


def make_clips(videos: VideoSet, model: TrainedModel) -> ClipSet:
    """Return the clips that a network reads, with those of the reference walks where there are any."""
    clips = make_clip_set(videos.videos, videos.labels, model.config, videos.targets)
    if model.name == SKELETON:
        clips = SequenceClips(**vars(clips))
    if not videos.references:
        return clips
    walks = {walk: place for place, walk in enumerate(dict.fromkeys(chain(*videos.references)))}
    beside = VideoSet(tuple(walks), np.zeros(len(walks), int), np.zeros(len(walks), str))
    places = tuple(np.array([walks[walk] for walk in own]) for own in videos.references)
    return replace(clips, references=make_clips(beside, model), reference_videos=places)
