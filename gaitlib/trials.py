"""One training of an experiment and what it answered, as plain data that a study's storage can hold."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gaitlib.backend import load_keras
from gaitlib.batches import ClipSet
from gaitlib.evaluation import predict_videos
from gaitlib.fitting import check_windows
from gaitlib.folds import Fit
from gaitlib.gait.motion import describe_motion
from gaitlib.gait_models import reads_gait
from gaitlib.judging import judge_fit
from gaitlib.pretraining import check_unseen
from gaitlib.training import TrainingResult, train_model

# Enough of a file's SHA-256 to tell the videos of an experiment apart.
DIGEST_LENGTH = 16
# Videos whose gait features are measured to time a prediction.
_NUM_MEASURED = 5
ANSWER_COLUMNS = ("digest", "walker", "emotion", "predicted")


def answer_fit(fit: Fit) -> dict[str, Any]:
    """Train one model and let it judge the test walkers of its fold.

    Returns
    -------
    dict
        `answers` (each of `ANSWER_COLUMNS` as a list, an entry a test video), `num_weights`,
        `best_epoch`, `training_seconds` and `ms_per_clip`, the time of a prediction on this
        machine.

    Raises
    ------
    InputError
        If the fold's videos cannot be learnt from, or the training fails.
    """
    train, validation, test = (
        fit.data.clip_set(split, fit.config) for split in ("train", "validation", "test")
    )
    check_windows(fit)
    check_unseen(fit.config, fit.data.rows("test"))
    result = train_model(train, validation, fit.config, fit.data.emotions)
    judgement = judge_fit(result.model, fit, with_baselines=False, best_epoch=result.best_epoch)
    emotions = np.array(fit.data.emotions)
    fold = {
        "answers": {
            "digest": [digest[:DIGEST_LENGTH] for digest in judgement.videos["digest"]],
            "walker": judgement.videos["walker"].tolist(),
            "emotion": judgement.videos["emotion"].tolist(),
            "predicted": emotions[judgement.predicted].tolist(),
        },
        "ms_per_clip": _ms_per_clip(result, test),
        "num_weights": int(result.model.count_params()),
        "best_epoch": int(result.best_epoch),
        # In epochs: a training that comes from the cache remembers what it took.
        "training_seconds": float(result.history["seconds"].sum()),
    }
    # Layers and traced functions of finished models would pile up over hundreds of trainings.
    load_keras().utils.clear_session()
    return fold


def answers_of(folds: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the answers of several fits as one table with `ANSWER_COLUMNS` and `is_right`."""
    tables = [pd.DataFrame(fold["answers"], columns=list(ANSWER_COLUMNS)) for fold in folds]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(ANSWER_COLUMNS))
    return table.assign(is_right=(table["emotion"] == table["predicted"]).astype(float))


def cost_of(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return weights and the medians of training and prediction time of several fits."""
    if not folds:
        return {"num_weights": None, "training_seconds": None, "ms_per_clip": None}
    return {
        "num_weights": folds[0]["num_weights"],
        "training_seconds": float(np.median([fold["training_seconds"] for fold in folds])),
        "ms_per_clip": float(np.median([fold["ms_per_clip"] for fold in folds])),
    }


def _ms_per_clip(result: TrainingResult, clips: ClipSet) -> float:
    """Measure predictions, the quickest of three, as other programs only ever slow one down."""
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        predict_videos(result.model, clips)
        seconds.append(time.perf_counter() - begin)
    measuring = _seconds_of_features(clips) if reads_gait(result.model) else 0.0
    return 1000 * (min(seconds) + measuring) / len(clips)


def _seconds_of_features(clips: ClipSet) -> float:
    """Return how long the gait features of all videos take, which lie in the cache by now."""
    some = clips.videos[:_NUM_MEASURED]
    begin = time.perf_counter()
    for video in some:
        describe_motion(video)
    return (time.perf_counter() - begin) * len(clips.videos) / len(some)
