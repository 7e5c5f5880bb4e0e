"""Two processes on loopback train as one would; a death is told and made good by starting again."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import PROJECT, is_one_sentence, run_gaitlib, wait_until

from gaitlib import team
from gaitlib.config import InputError, make_config
from gaitlib.files import read_json
from gaitlib.multi_worker import join
from gaitlib.rundata import SPLITS, load_data
from gaitlib.saving import load_model, read_history
from gaitlib.team import Team, find_team, meet
from gaitlib.team_batches import _share, training_parts
from gaitlib.training import train_model

SETTINGS = ("num_frames=8", "frame_size=32", "max_clips_per_video=2", "num_resamples=100", "sweep_walkers=0")
LOOPBACK = "127.0.0.1"


def free_addresses(number: int) -> list[str]:
    """Return addresses that nobody listens at."""
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind((LOOPBACK, 0))
    addresses = [f"{LOOPBACK}:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def tf_config(addresses: list[str], number: int) -> str:
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}})


def start_workers(
    folders, out: Path, cache: Path, *settings: str, number: int = 2
) -> list[subprocess.Popen[str]]:
    """Start the same training in several processes, as on several machines."""
    command = [sys.executable, "-m", "gaitlib", "train", "--videos", folders[0], "--videos-test", folders[1]]
    command += ["--out", out, *(part for setting in SETTINGS + settings for part in ("-p", setting))]
    addresses = free_addresses(number)
    return [
        subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
            start_new_session=True,
            env={**os.environ, "GAITLIB_CACHE": str(cache), "TF_CONFIG": tf_config(addresses, place)},
        )
        for place in range(number)
    ]


def kill_group(process: subprocess.Popen[str]) -> None:
    """End a process with those that it has started, who would keep its output open."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def end_of(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Wait for the processes; return exit code, output and errors of each."""
    try:
        outputs = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            kill_group(process)
    return [(process.returncode, *output) for process, output in zip(processes, outputs, strict=True)]


@pytest.fixture()
def new_cache(session_cache, tmp_path) -> Path:
    """Give a cache that holds the prepared pictures and no training."""
    cache = tmp_path / "cache"
    cache.mkdir()
    (session_cache / "pictures").mkdir(exist_ok=True)
    (cache / "pictures").symlink_to(session_cache / "pictures")
    return cache


def test_two_workers_learn_what_one_does(trained, demo_folders, new_cache, tmp_path):
    """Weights of classes, penalties and a last batch that does not divide evenly count as they should."""
    out = tmp_path / "runs" / "run"
    (code, text, errors), (helper_code, helper_text, helper_errors) = end_of(
        start_workers(demo_folders, out, new_cache, "epochs=2")
    )
    assert code == 0, errors
    assert helper_code == 0, helper_errors
    alone, together = read_history(trained.folder), read_history(out)
    assert list(together) == list(alone)
    losses = ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]
    assert np.allclose(together[losses], alone[losses], rtol=0, atol=1e-4)
    assert "Run folder" in text
    assert "Helping the first worker" in helper_text
    assert "Run folder" not in helper_text
    assert os.listdir(out.parent) == ["run"]
    pairs = zip(
        *(load_model(folder / "model.keras")[0].get_weights() for folder in (trained.folder, out)),
        strict=True,
    )
    assert all(np.allclose(weight, other, atol=1e-4) for weight, other in pairs)


@pytest.mark.parametrize("number_after", [2, 1])
def test_training_goes_on_after_a_worker_died(demo_folders, new_cache, tmp_path, number_after):
    """With as many workers as before, or with one that is left."""
    settings = ("epochs=20", "patience=20", "batch_size=7", "learning_rate=0.0001")
    out = tmp_path / "run"
    processes = start_workers(demo_folders, out, new_cache, *settings)
    wait_until(lambda: any((new_cache / "training").glob("*/epoch_0000[3-9]")), processes[0])
    kill_group(processes[1])
    (code, _, errors), _ = end_of(processes)
    assert code == 1
    assert "gaitlib: Another worker has gone" in errors
    assert "Traceback" not in errors
    assert not out.exists()
    workers = start_workers(demo_folders, out, new_cache, *settings, number=number_after)
    for code, _, errors in end_of(workers):
        assert code == 0, errors
    config, data = make_config(**read_json(out / "config.json")), load_data(out)
    alone = train_model(
        *(data.clip_set(split, config) for split in SPLITS[:2]), config, data.emotions
    ).history
    history = read_history(out)
    assert history["epoch"].tolist() == alone["epoch"].tolist() == list(range(1, 21))
    # A higher learning rate would make much of the last digits within these epochs.
    assert np.allclose(history["val_loss"], alone["val_loss"], rtol=0, atol=1e-4)


def test_report_is_not_made_by_a_team(tmp_path):
    process = run_gaitlib("report", "--out", tmp_path / "run", TF_CONFIG=tf_config(free_addresses(2), 0))
    assert process.returncode == 1
    assert is_one_sentence(process)
    assert "gaitlib train" in process.stderr


@pytest.mark.parametrize("number", [0, 1])
def test_worker_that_does_not_come_is_named(number, monkeypatch):
    monkeypatch.setattr(team, "MEET_SECONDS", 0.5)
    addresses = free_addresses(2)
    with pytest.raises(InputError, match=f"1 of 2 workers did not come within 0 s: {addresses[1 - number]}"):
        meet(Team(tuple(addresses), number), "the same")


@pytest.mark.parametrize("meaning", ["the same", "another"])
def test_workers_meet_only_for_the_same_training(meaning):
    addresses = tuple(free_addresses(3))
    failures = []

    def come(number: int) -> None:
        try:
            meet(Team(addresses, number), "the same" if number < 2 else meaning)
        except InputError as error:
            failures.append(str(error))

    threads = [threading.Thread(target=come, args=[number]) for number in (2, 0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive()
    assert len(failures) == (0 if meaning == "the same" else 3)
    assert all("do not mean the same training" in failure for failure in failures)


def test_who_hangs_up_or_is_a_stranger_is_waited_for():
    """A port scanner, then a worker that dies while it waits for the third."""
    addresses = tuple(free_addresses(3))
    host, port = addresses[0].split(":")
    ends = []

    def come(number: int) -> None:
        meet(Team(addresses, number), "the same")
        ends.append(number)

    threads = [threading.Thread(target=come, args=[number]) for number in (0, 1, 2)]
    threads[0].start()
    for words in (b"200 OK HTTP\n", b"7 the same\n", b"1 the same\n"):
        wait_until(lambda: socket.socket().connect_ex((host, int(port))) == 0)
        with socket.create_connection((host, int(port))) as guest:
            guest.sendall(words)
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive()
    assert sorted(ends) == [0, 1, 2]


def test_two_workers_of_one_number_are_told_at_once():
    addresses = tuple(free_addresses(3))
    failures = []

    def come(number: int) -> None:
        try:
            meet(Team(addresses, number), "the same")
        except InputError as error:
            failures.append(str(error))

    threads = [threading.Thread(target=come, args=[number], daemon=True) for number in (0, 1, 1)]
    for thread in threads:
        thread.start()
    wait_until(lambda: failures)
    assert failures == ["Another process is worker 1 already: give each its own index in TF_CONFIG."]
    come(2)
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive()
    assert len(failures) == 1


def test_port_of_a_worker_that_is_taken_is_told_before_it_meets_the_others():
    addresses = tuple(free_addresses(2))
    with (
        socket.create_server((LOOPBACK, int(addresses[1].split(":")[1]))),
        pytest.raises(InputError, match="Cannot listen at port .*, which TF_CONFIG gives to this worker"),
    ):
        meet(Team(addresses, 1), "the same")


JOIN = """
import json, sys
from gaitlib import multi_worker
from gaitlib.config import make_config
from gaitlib.team import Team
multi_worker.START_SECONDS = 8
if sys.argv[2] == "1":  # meets the other, and goes
    multi_worker._time_limit = lambda stderr: sys.exit(0)
multi_worker.join(Team(tuple(json.loads(sys.argv[1])), int(sys.argv[2])), make_config())
"""


def test_worker_that_dies_as_tensorflow_starts_ends_the_wait_of_the_others():
    addresses = json.dumps(free_addresses(2))
    chief, other = (
        subprocess.Popen(
            [sys.executable, "-c", JOIN, addresses, str(number)],
            stderr=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
            env={**os.environ, "TF_CONFIG": tf_config(json.loads(addresses), number)},
        )
        for number in (0, 1)
    )
    assert other.communicate(timeout=120)[1] == ""
    assert chief.communicate(timeout=120)[1] == (
        "gaitlib: Another worker went away while TensorFlow started, and did not come back within 8 s: start "
        "the same command again on every machine.\n"
    )
    assert chief.returncode == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 1}, "2 workers cannot share a batch of 1 clips"),
        ({"relative_to": "reference"}, "Several machines cannot train a network relative to the walker"),
    ],
)
def test_what_a_team_cannot_do_is_told_before_it_meets(settings, words):
    with pytest.raises(InputError, match=words):
        join(Team(("a:1", "b:2"), 0), make_config(**settings))


def test_class_weights_of_soft_labels_are_those_of_the_commonest_vote(trained, tiny_config):
    clips = load_data(trained.folder).clip_set("train", tiny_config)
    targets = np.tile([0.2, 0.3, 0.4, 0.1], (len(clips.videos), 1))
    parts = training_parts(replace(clips, targets=targets), tiny_config, {0: 1, 1: 2, 2: 3, 3: 4}, 0)
    _, _, weights, _ = next(parts(0, 1))
    assert (weights == 3).all()


@pytest.mark.parametrize("num_clips", [1, 2, 3, 7])
def test_every_clip_of_a_batch_counts_once_however_few_there_are(num_clips):
    shares = [_share(np.arange(num_clips), replica, 3) for replica in range(3)]
    assert len({len(mine) for mine, _ in shares}) == 1
    counted = np.concatenate([mine[is_real] for mine, is_real in shares])
    assert sorted(counted) == list(range(num_clips))


@pytest.mark.parametrize(
    "text",
    [
        "worker",
        "[]",
        '{"cluster": {"worker": ["a:1", "b:2"]}}',
        '{"cluster": {"worker": ["a:1", "b"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 2}}',
        '{"cluster": {"worker": ["a:1", "b:2"], "ps": ["c:3"]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_tf_config_of_another_form_is_refused(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="TF_CONFIG is not of the form"):
        find_team()


@pytest.mark.parametrize("text", ["", tf_config(["a:1"], 0)])
def test_one_machine_is_no_team(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    assert find_team() is None
