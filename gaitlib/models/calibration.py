"""How sure a model may be: a temperature for its probabilities, a limit on how unusual a video may be."""

import math

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.covariance import LedoitWolf

_FALSE_ALARM_SHARE = 0.05
_TEMPERATURES = (0.1, 10.0)
# Strength of the belief that the temperature is near 1, in videos: a handful cannot say much else.
_PRIOR_VIDEOS = 4.0
_TINY = 1e-7


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Find the temperature that makes probabilities fit labels best, above 1 for a model that was too sure.

    The log loss is minimised (Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural
    networks") with a weak pull towards 1, because few videos would ask for extremes.

    Parameters
    ----------
    probabilities : ndarray of shape (num_videos, num_classes), float
        Of walkers whom the model was not trained on; never of the test.
    labels : ndarray of shape (num_videos,), int
    """

    def loss(log_temperature: float) -> float:
        cooled = apply_temperature(probabilities, math.exp(log_temperature))
        pull = _PRIOR_VIDEOS * log_temperature**2 / 2
        return float(pull - np.log(cooled[np.arange(len(labels)), labels] + _TINY).sum())

    return math.exp(minimize_scalar(loss, bounds=np.log(_TEMPERATURES), method="bounded").x)


def apply_temperature(probabilities: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
    """Divide log-probabilities by a temperature (or one a row) and normalise; the likeliest class stays."""
    return softmax(np.log(probabilities + _TINY) / np.reshape(temperature, (-1, 1)), axis=1)


class Novelty(BaseModel):
    """How far from the training videos a video may lie before the model's answer means nothing.

    A model names an emotion for anything, noise too. The Mahalanobis distance of its features to those of
    the training tells (Lee et al. 2018, "A simple unified framework for detecting out-of-distribution
    samples"; covariance after Ledoit & Wolf 2004). The limit is a conformal one (Vovk et al. 2005), from
    `num_videos` videos of unseen walkers; None for fewer than 19.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    location: list[float]
    precision: list[list[float]]
    limit: float | None = None
    num_videos: int = 0

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
        return self.model_copy(update={"limit": limit, "num_videos": len(distances)})
