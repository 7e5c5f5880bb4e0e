"""What a leak looks like: the same model, tested on people of whom it has seen other videos."""

from dataclasses import replace

import numpy as np
import pandas as pd

from gaitlib.config import RunConfig
from gaitlib.data import Fit, RunData
from gaitlib.evaluation.intervals import compare_rights
from gaitlib.evaluation.judging import judge_model
from gaitlib.evaluation.results import Evaluation
from gaitlib.evaluation.scores import LeakScores, score_rights
from gaitlib.training import train_model

# Share of the judged videos that the leaking model is tested on: others of their walkers train it.
_SHARE_SINGLE, _SHARE_FOLDS = 0.5, 0.25


def leak_lesson(data: RunData, evaluation: Evaluation, config: RunConfig) -> LeakScores | None:
    """Train the chosen model on a split by video, and score it on the same videos as the held-out one.

    None with ``relative_to="walker-mean"``, where a leaking split would divide the mean too.
    """
    if config.relative_to == "walker-mean":
        return None
    leaking = leaking_split(data, config)
    train, validation = (leaking.video_set(split, config) for split in ("train", "validation"))
    model = train_model(evaluation.chosen, train, validation, config, data.emotions).model
    known = judge_model(model, Fit(1, config.seed, leaking, config)).predictions.rights()
    held_out = evaluation.predictions.rights().loc[known.index]
    walkers, gain = known.index.get_level_values("walker"), compare_rights(held_out, known, config)
    return LeakScores(
        model=evaluation.chosen,
        held_out=score_rights(held_out, walkers, config),
        leaking=score_rights(known, walkers, config),
        **gain.model_dump(include={"difference", "difference_ci95", "num_videos"}),
    )


def leaking_split(data: RunData, config: RunConfig) -> RunData:
    """Return the data split by video: a part of the judged videos tests, all others train and validate."""
    videos = data.videos
    judged = videos if config.folds else videos[videos["split"] == "test"]
    test = _draw(judged, _SHARE_FOLDS if config.folds else _SHARE_SINGLE, config.seed)
    validation = _draw(videos.drop(test), config.validation_fraction, config.seed)
    parts = [videos.index.isin(test), videos.index.isin(validation)]
    return replace(data, videos=videos.assign(split=np.select(parts, ["test", "validation"], "train")))


def _draw(videos: pd.DataFrame, share: float, seed: int) -> list[int]:
    """Draw a share of the videos, as evenly over the emotions as their numbers allow."""
    from sklearn.model_selection import train_test_split

    counts, number = videos["emotion"].value_counts(), max(1, round(share * len(videos)))
    can_stratify = counts.min() >= 2 and number >= len(counts) <= len(videos) - number
    strata = videos["emotion"] if can_stratify else None
    return train_test_split(videos.index, test_size=number, stratify=strata, random_state=seed)[1].tolist()
