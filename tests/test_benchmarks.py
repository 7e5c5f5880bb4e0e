"""What the benchmarks count, not how fast anything is."""

import importlib
import shutil

import pytest

from benchmarks.__main__ import PARTS
from benchmarks.machine import describe_machine
from benchmarks.reading_speed import TASKS, duration_seconds
from benchmarks.training_speed import training_flops


def test_operations_of_the_published_network_follow_in_closed_form():
    first = 2 * 62**2 * 9 * 16
    second, gates = 2 * 29**2 * 9 * 16 * 32, 2 * (14 * 14 * 32 + 32) * 4 * 32
    head = 3 * 2 * (32 * 64 + 64 * 4)
    assert training_flops(30, 64, 1) == 30 * (2 * first + 3 * (second + gates)) + head


def test_every_part_can_be_run():
    assert all(callable(importlib.import_module(f"benchmarks.{name}").main) for name in PARTS)
    assert "cores" in describe_machine()


@pytest.mark.parametrize("name", TASKS)
def test_each_way_to_read_takes_a_video_to_its_end(name, demo_folders, tmp_path, fresh_cache):
    path = tmp_path / "walk.mp4"
    shutil.copy(next(demo_folders[0].glob("*/walker01_1.mp4")), path)
    assert duration_seconds(path) > 1
    TASKS[name](path)
    assert not any((fresh_cache / "pictures").glob("*"))
