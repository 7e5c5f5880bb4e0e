"""Preparing on a Dask scheduler's workers: real processes on loopback, killed, blind or not there."""

import errno
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import distributed
import pytest
from commands import PROJECT, is_one_sentence, run_gaitlib, wait_until

from gaitlib.clips import prepare_videos
from gaitlib.cluster import run_on_workers
from gaitlib.config import InputError
from gaitlib.prepared import PreparedVideo

# Workers find the jobs of this file too.
PATHS = os.pathsep.join([str(PROJECT), str(Path(__file__).parent)])


def start_dask(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dask", *map(str, arguments), "--no-dashboard"]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        command, stdout=quiet, stderr=quiet, cwd=PROJECT, env={**os.environ, "PYTHONPATH": PATHS}
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def scheduler():
    """Start a scheduler; return its address."""
    address = f"tcp://127.0.0.1:{free_port()}"
    process = start_dask("scheduler", "--host", "127.0.0.1", "--port", address.rsplit(":")[-1])
    try:
        wait_until(lambda: _answers(address))
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.fixture()
def workers(scheduler, tmp_path):
    """Return a function that starts workers of one thread; they end with the test."""
    started = []

    def start(number: int) -> list[subprocess.Popen[bytes]]:
        options = ("--nthreads", 1, "--no-nanny", "--local-directory", tmp_path)
        started.extend(start_dask("worker", scheduler, *options) for _ in range(number))
        with distributed.Client(scheduler, set_as_default=False, timeout=30) as client:
            client.wait_for_workers(len(started), timeout=60)
        return started

    yield start
    for process in started:
        process.kill()
        process.wait()
    with distributed.Client(scheduler, set_as_default=False, timeout=30) as client:
        wait_until(lambda: not client.scheduler_info()["workers"])


def _answers(address: str) -> bool:
    host, port = address.removeprefix("tcp://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def slow_size(path: Path) -> int:
    """Return a file's size, slowly enough for a worker to be killed meanwhile."""
    time.sleep(0.2)
    return path.stat().st_size


def fatal(path: Path) -> None:
    """End the worker, as a video that breaks the decoder would."""
    os._exit(1)


def test_worker_killed_midway_changes_nothing(
    demo_folders, tiny_config, scheduler, workers, tmp_path, fresh_cache, monkeypatch
):
    paths = sorted(demo_folders[1].glob("*/*.mp4"))
    (tmp_path / "bad.mp4").write_text("no video")
    paths.append(tmp_path / "bad.mp4")
    local = prepare_videos(paths, tiny_config)
    monkeypatch.setenv("GAITLIB_CACHE", str(tmp_path / "cluster_cache"))
    victim, _ = workers(2)
    pictures = tmp_path / "cluster_cache" / "pictures"
    killer = subprocess.Popen(
        [sys.executable, "-c", KILL_AFTER, str(pictures), str(victim.pid)], stdout=subprocess.DEVNULL
    )
    remote = prepare_videos(paths, tiny_config.model_copy(update={"scheduler": scheduler}))
    assert killer.wait(timeout=10) == 0
    assert victim.wait(timeout=10) == -9
    assert len(list(pictures.glob("[!.]*"))) == len(paths) - 1
    assert remote[-1] == local[-1]
    for here, there in zip(local[:-1], remote[:-1], strict=True):
        assert isinstance(there, PreparedVideo)
        assert there.folder.parent == pictures
        assert (there.digest, there.folder.name) == (here.digest, here.folder.name)
        assert there.meta == here.meta
        assert there.track.equals(here.track)


# Kills a process as soon as two videos are in the cache, which is long before the last.
KILL_AFTER = """
import os, sys, time
from pathlib import Path
end = time.monotonic() + 60
while len(list(Path(sys.argv[1]).glob("[!.]*"))) < 2:
    if time.monotonic() > end:
        sys.exit(1)
    time.sleep(0.01)
os.kill(int(sys.argv[2]), 9)
"""


def refuse(path: Path) -> None:
    """Fail as a network drive does that has lost its server."""
    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))


def test_failure_of_a_file_system_is_not_called_a_lost_scheduler(scheduler, workers, tmp_path):
    workers(1)
    (tmp_path / "video.mp4").write_bytes(b"12")
    with pytest.raises(InputError, match=r"The worker on .* failed at .*video\.mp4 \(Stale file handle\)"):
        list(run_on_workers(refuse, [tmp_path / "video.mp4"], scheduler, tmp_path))


def test_worker_with_other_versions_is_named_before_it_gets_work(scheduler, workers, tmp_path, monkeypatch):
    workers(1)
    monkeypatch.setattr("gaitlib.cluster.PACKAGES", ("numpy", "no-such-package"))
    assert list(run_on_workers(slow_size, [], scheduler, tmp_path)) == []
    monkeypatch.setattr("importlib.metadata.version", lambda package: "0.1")
    with pytest.raises(InputError, match=r"The worker on .* has numpy 2.*, but numpy 0\.1.* is needed"):
        run_on_workers(slow_size, [], scheduler, tmp_path)


def test_second_run_needs_no_worker_although_the_first_noted_files_elsewhere(
    demo_folders, tiny_config, scheduler, workers, tmp_path, monkeypatch
):
    """Workers on other machines know a file by other numbers than this one."""
    monkeypatch.setenv("GAITLIB_CACHE", str(tmp_path / "cache"))
    paths = sorted(demo_folders[1].glob("*/*.mp4"))[:2]
    config = tiny_config.model_copy(update={"scheduler": scheduler})
    workers(1)
    monkeypatch.setattr("platform.node", lambda: "another machine")
    first = prepare_videos(paths, config)
    monkeypatch.setattr("gaitlib.clips.run_on_workers", None)
    assert prepare_videos(paths, config) == first


def test_worker_that_cannot_see_the_cache_says_so(scheduler, workers, tmp_path):
    workers(1)
    (tmp_path / "video.mp4").write_bytes(b"12")
    jobs = run_on_workers(slow_size, [tmp_path / "gone.mp4"], scheduler, tmp_path)
    with pytest.raises(
        InputError, match=r"The worker on .* cannot see .*gone\.mp4: the videos and the cache"
    ):
        list(jobs)
    assert list(run_on_workers(slow_size, [tmp_path / "video.mp4"], scheduler, tmp_path)) == [2]
    assert not list(tmp_path.glob(".seen_by_*"))


def test_file_that_kills_every_worker_is_named(scheduler, workers, tmp_path):
    workers(4)
    (tmp_path / "deadly.mp4").write_bytes(b"12")
    with pytest.raises(InputError, match=r"deadly\.mp4 brought down every worker"):
        list(run_on_workers(fatal, [tmp_path / "deadly.mp4"], scheduler, tmp_path))


def test_scheduler_that_goes_away_midway_is_one_sentence(tmp_path):
    address = f"tcp://127.0.0.1:{free_port()}"
    short = start_dask("scheduler", "--host", "127.0.0.1", "--port", address.rsplit(":")[-1])
    wait_until(lambda: _answers(address))
    worker = start_dask("worker", address, "--nthreads", 1, "--no-nanny", "--local-directory", tmp_path)
    try:
        paths = [tmp_path / f"{number}.mp4" for number in range(50)]
        for path in paths:
            path.write_bytes(b"12")
        jobs = run_on_workers(slow_size, paths, address, tmp_path)
        assert next(jobs) == 2
        short.kill()
        with pytest.raises(InputError, match=f"The Dask scheduler at {address} has gone away"):
            list(jobs)
    finally:
        for process in (short, worker):
            process.kill()
            process.wait()


def test_scheduler_that_is_not_there_is_one_sentence(demo_folders, tmp_path):
    address = f"tcp://127.0.0.1:{free_port()}"
    process = run_gaitlib(
        *("train", "--videos", demo_folders[0], "--videos-test", demo_folders[1]),
        *("--out", tmp_path / "run", "--scheduler", address),
    )
    assert process.returncode == 1
    assert is_one_sentence(process)
    assert f"No Dask scheduler answers at {address}" in process.stderr


def test_address_that_is_none_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="No Dask scheduler answers at nonsense"):
        list(run_on_workers(slow_size, [tmp_path], "nonsense", tmp_path))


def test_scheduler_without_workers_is_one_sentence(scheduler, tmp_path, monkeypatch):
    monkeypatch.setattr("gaitlib.cluster.NO_WORKER_SECONDS", 1)
    with pytest.raises(InputError, match=r"has no worker: start some with `dask worker tcp://"):
        list(run_on_workers(slow_size, [tmp_path], scheduler, tmp_path))
