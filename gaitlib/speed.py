"""How fast models train on this machine, side by side."""

import hashlib
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gaitlib.batches import ClipSet
from gaitlib.config import InputError, RunConfig
from gaitlib.files import cache_dir, read_json, write_json
from gaitlib.gait_models import GAIT_MODEL_NAMES, fit_gait_model, gait_inputs
from gaitlib.memory import check_batch
from gaitlib.models import MODEL_NAMES
from gaitlib.provenance import versions
from gaitlib.training import build_for, compile_for

if TYPE_CHECKING:
    import keras

Batch = tuple[np.ndarray, np.ndarray]
# Steps of the optimiser after the first, which also compiles.
_NUM_ROUNDS = 4
# Raise when a model or its step of training comes to take longer or shorter.
SPEEDS_VERSION = 3


def seconds_in_turns(tasks: Mapping[str, Callable[[], object]], num_rounds: int) -> dict[str, float]:
    """Time tasks that take turns, so that all meet the same machine.

    Parameters
    ----------
    tasks : mapping of str to callable
    num_rounds : int
        Each task runs so often, after once more that does not count.

    Returns
    -------
    dict of str to float
        Median seconds of a run of each task.
    """
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(1 + num_rounds):
        for name, run in tasks.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values[1:])) for name, values in seconds.items()}


def training_step(model: "keras.Model", batch: Batch, config: RunConfig) -> Callable[[], object]:
    """Return one step of the optimiser on a batch, as training does it.

    The published layering, with which others are compared, is taken as Keras runs it, without the faster
    layers of `gaitlib.fast_layers.training_twin`.

    Parameters
    ----------
    model : keras.Model
        Not compiled; the weights of its twin move, those of the published layering its own.
    batch : tuple of ndarray
        Clips and labels.
    config : RunConfig
    """
    from gaitlib.fast_layers import training_twin

    is_published = model.name == "cnn_lstm_timedistributed"
    twin = compile_for(model if is_published else training_twin(model), config)
    return lambda: twin.train_on_batch(*batch)


def models_table(clips: ClipSet, config: RunConfig) -> tuple[pd.DataFrame, str]:
    """Return a row a model, its weights and its training speed, and the day on which that was measured.

    What was measured on this machine for clips of this shape is kept in the cache: it takes longer than
    all else in its notebook.

    Parameters
    ----------
    clips : ClipSet
    config : RunConfig

    Returns
    -------
    table : DataFrame
        `model`, `weights`, `clips a second`, `times the published layering`; NaN where the memory is too
        short. Models of gait features are fitted in one go: theirs are the clips of all videos by the
        seconds of that, and their weights grow with the videos.
    day : str
        Year, month and day.
    """
    chosen = np.arange(min(config.batch_size, len(clips)))
    alone = replace(clips, references=None)
    batch = np.stack([alone.read(int(clip)) for clip in chosen]), alone.clip_targets[chosen]
    num_classes = int(clips.labels.max()) + 1
    shapes = [MODEL_NAMES, batch[0].shape, batch[1].shape, num_classes, config.l2_strength]
    rows, day = _remembered(shapes, lambda: _measure(alone, batch, config))
    digests = [video.digest for video in clips.videos]
    gait = [GAIT_MODEL_NAMES, digests, clips.labels.tolist(), config.frame_rate_hz]
    gait_rows, gait_day = _remembered(gait, lambda: _measure_gait(alone, num_classes))
    return pd.DataFrame([*rows, *gait_rows]), max(day, gait_day)


def _remembered(
    about: list[Any], measure: Callable[[], list[dict[str, Any]]]
) -> tuple[list[dict[str, Any]], str]:
    """Return what was measured on this machine before, or measure it; and the day of that."""
    about = [platform.node(), os.cpu_count(), versions(), SPEEDS_VERSION, *about]
    digest = hashlib.sha256(repr(about).encode()).hexdigest()[:32]
    path = cache_dir() / "speeds" / f"{digest}.json"
    if not path.exists():
        write_json(path, {"day": f"{date.today():%Y-%m-%d}", "rows": measure()})
    known = read_json(path)
    return known["rows"], known["day"]


def _measure(clips: ClipSet, batch: Batch, config: RunConfig) -> list[dict[str, Any]]:
    num_classes = int(clips.labels.max()) + 1
    models = {
        name: build_for(clips, config.model_copy(update={"model": name}), num_classes) for name in MODEL_NAMES
    }
    steps = {
        name: training_step(model, batch, config)
        for name, model in models.items()
        if _fits(model, len(batch[0]))
    }
    seconds = seconds_in_turns(steps, _NUM_ROUNDS)
    published = seconds.get("cnn_lstm_timedistributed", np.nan)
    return [
        {
            "model": name,
            "weights": model.count_params(),
            "clips a second": len(batch[0]) / seconds.get(name, np.nan),
            "times the published layering": published / seconds.get(name, np.nan),
        }
        for name, model in models.items()
    ]


def _measure_gait(clips: ClipSet, num_classes: int) -> list[dict[str, Any]]:
    features, rows = gait_inputs(clips), []
    for name in GAIT_MODEL_NAMES:
        start = time.perf_counter()
        model = fit_gait_model(name, features, clips.labels, num_classes, seed=0)
        speed = len(clips) / (time.perf_counter() - start)
        rows.append({"model": name, "weights": model.count_params(), "clips a second": speed})
    return rows


def _fits(model: "keras.Model", num_clips: int) -> bool:
    """Tell whether there is memory to train a model; else the table goes on without its speed."""
    try:
        check_batch(model, num_clips)
    except InputError:
        return False
    return True
