"""What speaks against a verdict although the video was read: the film's speed, its picture, its people."""

import math
from dataclasses import dataclass

import pandas as pd

from gaitlib.clips import PreparedVideo
from gaitlib.demo import SYNTHETIC_COMMENT
from gaitlib.models import TrainedModel

# Steps per minute that people walk at; below, a step is too slow to be told from half a step.
_MIN_CADENCE, _MAX_CADENCE = 45.0, 190.0
# Step length in leg lengths per (steps per minute): people keep this ratio at all speeds and moods (walk
# ratio, Sekiya & Nagasaki 1998); slow motion and sped-up film change it with the square of the speed.
_MIN_WALK_RATIO, _MAX_WALK_RATIO = 0.0046, 0.0112
# The range of the training walkers is widened by this share on either side.
_RANGE_MARGIN = 0.15


@dataclass(frozen=True)
class Doubts:
    """Notes for the reader, and the reason why there must be no verdict (empty: there may be one)."""

    notes: list[str]
    reason: str = ""


def walking_notes(video: PreparedVideo) -> list[str]:
    """Return what a reader should know of a walk that was read as it should be."""
    is_drawn = video.meta["comment"] == SYNTHETIC_COMMENT
    return ["Synthetic walker: the person in this video was drawn by a program."] * is_drawn


def find_doubts(video: PreparedVideo, gait: pd.DataFrame, model: TrainedModel) -> Doubts:
    """Check that the film runs at its true speed.

    Parameters
    ----------
    video : PreparedVideo
    gait : DataFrame
        From `gaitlib.gait.measure_gait`.
    model : TrainedModel
        Its `about` holds the range of the training walkers' cadence.
    """
    if video.meta["capture_rate_hz"]:
        return Doubts([])  # the phone's tag gave the true speed
    usual = gait[gait["is_valid"]].median(numeric_only=True)
    cadence = float(usual.get("cadence_steps_per_min", float("nan")))
    ratio = float(usual.get("step_length_legs", float("nan"))) / cadence
    if math.isnan(cadence):
        return Doubts(["No regular steps were found, so that the speed of the film could not be checked."])
    if cadence < _MIN_CADENCE or ratio > _MAX_WALK_RATIO:
        return Doubts([], _speed_sentence(cadence, "slowed down", "slow for their length"))
    if cadence > _MAX_CADENCE or ratio < _MIN_WALK_RATIO:
        return Doubts([], _speed_sentence(cadence, "sped up", "fast for their length"))
    known = model.about.get("cadence_range_steps_per_min")
    if known and not (1 - _RANGE_MARGIN) * known[0] <= cadence <= (1 + _RANGE_MARGIN) * known[1]:
        return Doubts(
            [
                f"{cadence:.0f} steps per minute are outside the range of the training walkers "
                f"({known[0]:.0f} to {known[1]:.0f}): is the film slowed down or sped up?"
            ]
        )
    return Doubts([])


def _speed_sentence(cadence: float, how: str, why: str) -> str:
    return (
        f"The film seems to be {how}: {cadence:.0f} steps per minute are too {why} or for people. Give the "
        "video at its true speed."
    )
