"""Work for other machines: a Dask scheduler's workers, who share the videos and the cache with this one.

joblib has a Dask backend too, but it waits for ever where a task kills its workers or the scheduler goes
away; Dask's own futures say so.
"""

import logging
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gaitlib.config import InputError
from gaitlib.errors import StorageError

if TYPE_CHECKING:
    import distributed

CONNECT_SECONDS = 10
# How long to go on without any worker: a new one may be on its way.
NO_WORKER_SECONDS = 60
# What shapes the pictures: workers with other versions would cut others.
PACKAGES = ("gaitlib", "av", "opencv-python-headless", "numpy", "scipy")

Result = TypeVar("Result")


def run_on_workers(
    job: Callable[[Path], Result], paths: Sequence[Path], scheduler: str, cache: Path
) -> Iterator[Result]:
    """Do a job for many files on the workers of a Dask scheduler.

    A worker that dies is replaced by the others; what it had begun is done again.

    Parameters
    ----------
    job : callable
        Takes a path; must be importable on the workers.
    paths : sequence of Path
    scheduler : str
        Such as ``"tcp://10.0.0.1:8786"``.
    cache : Path
        The folder that the job writes to, shared like the files.

    Returns
    -------
    iterator
        What the job returned, in the order of `paths`.

    Raises
    ------
    InputError
        If the scheduler or its workers cannot be reached, a worker does not see a file or the cache or has
        other versions, or a file brings down one worker after another.
    """
    client = _connect(scheduler)
    try:
        _wait_for_workers(client, scheduler)
        _check_versions(client)
    except InputError:
        client.close()
        raise
    cache.mkdir(parents=True, exist_ok=True)
    return _results(client, job, paths, cache)


def _results(
    client: "distributed.Client", job: Callable[[Path], Result], paths: Sequence[Path], cache: Path
) -> Iterator[Result]:
    scheduler = client.scheduler_info()["address"]
    with client, tempfile.NamedTemporaryFile(dir=cache, prefix=".seen_by_") as beacon:
        careful = partial(_do_if_seen, job=job, beacon=Path(beacon.name))
        try:
            futures = client.map(careful, [path.absolute() for path in paths], pure=False)
            for path, future in zip(paths, futures, strict=True):
                yield _result(future, path, client, scheduler)
        except StorageError:
            raise
        except (OSError, CancelledError) as error:
            raise InputError(
                f"The Dask scheduler at {scheduler} has gone away: start it again, then the same command; "
                "what is prepared is not done twice."
            ) from error


def _connect(scheduler: str) -> "distributed.Client":
    try:
        import distributed
    except ImportError:
        raise InputError(
            "A scheduler needs Dask, which is not installed: pip install 'gaitlib[cluster]', here and on the "
            "workers."
        ) from None
    # What goes wrong is said in one sentence, not in Dask's log.
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
    try:
        return distributed.Client(scheduler, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise InputError(
            f"No Dask scheduler answers at {scheduler}: start one with `dask scheduler` and name it as "
            "tcp://HOST:PORT."
        ) from error


def _wait_for_workers(client: "distributed.Client", scheduler: str) -> None:
    try:
        client.wait_for_workers(1, timeout=NO_WORKER_SECONDS)
    except TimeoutError:
        raise InputError(
            f"The Dask scheduler at {scheduler} has no worker: start some with `dask worker {scheduler} "
            "--nworkers auto --nthreads 1`; what is prepared is not done twice."
        ) from None


def _check_versions(client: "distributed.Client") -> None:
    def versions(packages: Sequence[str]) -> tuple[str, dict[str, str]]:
        # Defined within a function, so that a worker without gaitlib can run it too.
        import platform
        from importlib.metadata import PackageNotFoundError, version

        found = {"Python": ".".join(platform.python_version_tuple()[:2])}
        for package in packages:
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                found[package] = "none"
        return platform.node(), found

    needed = versions(PACKAGES)[1]
    for host, found in client.run(versions, PACKAGES).values():
        other = {name: text for name, text in found.items() if text != needed[name]}
        if other:
            has, wanted = (", ".join(f"{name} {texts[name]}" for name in other) for texts in (found, needed))
            raise InputError(
                f"The worker on {host} has {has}, but {wanted} is needed: install the same there."
            )


def _result(future: "distributed.Future", path: Path, client: "distributed.Client", scheduler: str) -> Any:
    from distributed import wait
    from distributed.scheduler import KilledWorker

    while not future.done():
        try:
            wait(future, timeout=1)
        except TimeoutError:
            _wait_for_workers(client, scheduler)
    try:
        return future.result()
    except KilledWorker as error:
        raise InputError(
            f"{path.name} brought down every worker that tried to read it (a crash, or not enough memory): "
            "take it away or give the workers more memory."
        ) from error


def _do_if_seen(path: Path, job: Callable[[Path], Result], beacon: Path) -> Result:
    """Do the job on a worker, or say in one sentence what the worker lacks."""
    host = socket.gethostname()
    for needed in (beacon, path):
        if not needed.exists():
            raise InputError(
                f"The worker on {host} cannot see {needed}: the videos and the cache (GAITLIB_CACHE) must "
                "lie in folders that all machines share under the same path."
            )
    if not os.access(beacon.parent, os.W_OK):
        raise InputError(f"The worker on {host} may not write to the cache {beacon.parent}.")
    try:
        return job(path)
    except StorageError:
        raise
    except OSError as error:  # told apart from a scheduler that is gone
        reason = error.strerror or str(error)
        raise InputError(
            f"The worker on {host} failed at {path} ({reason}): start the same again."
        ) from error
