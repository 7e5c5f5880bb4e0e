"""A handful of kills; ``make torture`` does many more."""

import os
import random
import signal
import time

import psutil
import pytest
import torture
from commands import kill_hard, wait_until


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> torture.Place:
    """Return synthetic videos and an earlier run."""
    place = torture.Place(tmp_path_factory.mktemp("kills"))
    place.make()
    return place


def test_killed_commands_end_as_undisturbed_ones(place):
    run = torture.Torture(place, random.Random(5))
    for scenario in ("train", "predict"):
        run.run_chain(scenario, 2)
    assert not run.faults
    assert run.kinds.total() >= 1, "the moments drawn came after the end: take another seed"


def test_report_survives_its_parent_and_tells_of_a_killed_kernel(place):
    """First the parent dies and leaves its kernel; then, in the next start, a kernel dies."""
    target = place.folder / "reports" / "orphan"
    target.mkdir()
    command = place.command("report", target)
    first = torture.start(command, place.folder / "cache_orphan")
    wait_until(lambda: any(child_kernels(first)), first)
    orphans = torture.kill(first, parent_only=True)
    second = torture.start(command, place.folder / "cache_orphan")
    wait_until(lambda: any(child_kernels(second)), second)
    try:
        wait_until(lambda: not any(map(is_alive, orphans)), second)
        child_kernels(second)[0].kill()
        assert second.wait(timeout=120) == 1
    finally:
        if second.poll() is None:
            kill_hard(second)
    words = torture.output_of(place.folder / "cache_orphan").read_text().splitlines()[-1]
    assert "gaitlib: 01_preprocessing failed: a process of the program was killed" in words
    assert [path.name for path in target.iterdir()] == ["run"]
    assert (target / "run" / "error.txt").exists()
    assert torture.digests_of(place.earlier) == place.digests


def test_interrupted_report_ends_with_one_sentence(place):
    """As by Ctrl-C, in the middle of a cell that trains."""
    target = place.folder / "reports" / "interrupted"
    target.mkdir()
    command = [*place.command("report", target), "-p", "epochs=500", "-p", "patience=500"]
    process = torture.start(command, place.folder / "cache_interrupted")
    words = torture.output_of(place.folder / "cache_interrupted")
    wait_until(lambda: "03_training" in words.read_text(), process)
    time.sleep(4)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 1
    lines = words.read_text().splitlines()
    assert "stopped; the same command goes on" in lines[-1]
    assert not [line for line in lines if "Traceback" in line or "Error" in line]
    assert not [path for path in target.iterdir() if path.suffix != ".lock"]


def test_two_at_once_are_both_right_or_the_second_is_refused(place):
    """One cache for all: the same output name is refused, the same training is waited for."""
    targets = [place.folder / "reports" / name for name in ("one", "one", "two")]
    for target in targets[1:]:
        target.mkdir()
    processes = []
    for number, target in enumerate(targets):
        output = place.folder / f"output{number}"
        processes.append(
            torture.start(place.command("train", target), place.folder / "cache_at_once", output)
        )
        wait_until(lambda: any(targets[0].glob(".run.*")), processes[0])
    assert [process.wait(timeout=600) for process in processes] == [0, 1, 0]
    words = (place.folder / "output1").read_text()
    assert words.startswith("gaitlib: Another run is writing")
    assert words.count("\n") == 1
    assert torture.outcome(targets[0]) == torture.outcome(targets[2])
    assert not torture.broken_files(place.folder / "cache_at_once")


def child_kernels(process) -> list[psutil.Process]:
    """Return the notebook kernels of a report."""
    children = psutil.Process(process.pid).children() if process.poll() is None else []
    return [child for child in children if "ipykernel_launcher" in " ".join(child.cmdline())]


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process runs; a dead one that nobody has asked for does not."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
