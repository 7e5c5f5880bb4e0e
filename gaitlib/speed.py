"""How fast models train on this machine, side by side."""

import time
from collections.abc import Sequence

import numpy as np
import pandas as pd

from gaitlib.batches import ClipSet
from gaitlib.config import RunConfig
from gaitlib.models import MODEL_NAMES
from gaitlib.training import build_for, compile_for

# Steps of the optimiser after the first, which also compiles.
_NUM_ROUNDS = 4


def training_speed(names: Sequence[str], clips: ClipSet, config: RunConfig) -> dict[str, float]:
    """Measure training speed in clips a second, the models taking turns so that all meet the same machine.

    Parameters
    ----------
    names : sequence of str
        Names of models.
    clips : ClipSet
    config : RunConfig

    Returns
    -------
    dict of str to float
        Median over the rounds, of each model as it trains: see `gaitlib.fast_lstm.training_twin`.
    """
    from gaitlib.fast_lstm import training_twin

    chosen = np.arange(config.batch_size) % len(clips)
    batch = np.stack([clips.read(int(clip)) for clip in chosen]), clips.clip_targets[chosen]
    num_classes = int(clips.labels.max()) + 1
    models = {}
    for name in names:
        model = build_for(clips, config.model_copy(update={"model": name}), num_classes)
        models[name] = compile_for(training_twin(model), config)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(1 + _NUM_ROUNDS):
        for name, model in models.items():
            start = time.perf_counter()
            model.train_on_batch(*batch)
            seconds[name].append(time.perf_counter() - start)
    return {name: config.batch_size / float(np.median(values[1:])) for name, values in seconds.items()}


def models_table(clips: ClipSet, config: RunConfig) -> pd.DataFrame:
    """Return a row a model: its weights and its training speed.

    Parameters
    ----------
    clips : ClipSet
    config : RunConfig

    Returns
    -------
    DataFrame
        `model`, `weights`, `clips a second`, `times the published layering`.
    """
    num_classes = int(clips.labels.max()) + 1
    speeds = training_speed(MODEL_NAMES, clips, config)
    return pd.DataFrame(
        {
            "model": name,
            "weights": build_for(
                clips, config.model_copy(update={"model": name}), num_classes
            ).count_params(),
            "clips a second": speed,
            "times the published layering": speed / speeds["cnn_lstm_timedistributed"],
        }
        for name, speed in speeds.items()
    )
