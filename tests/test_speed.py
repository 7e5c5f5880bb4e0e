"""What was measured once on a machine is not measured again."""

import time

from gaitlib.models import ALL_MODEL_NAMES
from gaitlib.rundata import load_data
from gaitlib.speed import models_table


def test_speeds_are_measured_once(trained, tiny_config, fresh_cache):
    clips = load_data(trained.folder).clip_set("train", tiny_config)
    start = time.perf_counter()
    table, day = models_table(clips, tiny_config)
    took = time.perf_counter() - start
    assert tuple(table["model"]) == ALL_MODEL_NAMES
    assert (table["clips a second"] > 0).all()
    assert (table["weights"] > 1000).all()
    assert table.set_index("model").loc["cnn_lstm_timedistributed", "times the published layering"] == 1
    start = time.perf_counter()
    again, same_day = models_table(clips, tiny_config)
    assert time.perf_counter() - start < took / 5
    assert again.equals(table)
    assert same_day == day
