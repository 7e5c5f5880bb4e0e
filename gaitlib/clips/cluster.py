"""Many like tasks: in processes of this machine, or on the workers of a Dask scheduler.

Workers share the videos and the cache with this machine, under the same paths, and its versions of packages.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

import joblib
from tqdm import tqdm

from gaitlib.errors import InputError

_CONNECT_SECONDS = 10.0
NO_WORKER_SECONDS = 60.0  # a new one may be on its way


def run_many(
    function: Callable[[Any], Any], items: Sequence[Any], scheduler: str = "", description: str = ""
) -> Iterator[Any]:
    """Call `function` for each item, in parallel, and yield the results in order.

    On the workers of a `scheduler` such as ``"tcp://10.0.0.1:8786"``, else in processes here, one a core;
    `description` stands before the line of progress. A worker that dies is replaced by the others; an
    `InputError` if none can be reached, or an item brings down one after another.
    """
    parallel = joblib.Parallel(min(joblib.cpu_count(), len(items) or 1), return_as="generator")
    here = (joblib.delayed(function)(item) for item in items)
    results = _run_on_workers(function, items, scheduler) if scheduler else parallel(here)
    layout = "{desc}: {n_fmt} of {total_fmt}, {remaining} left"
    yield from tqdm(results, description, len(items), bar_format=layout, disable=not description)


def _run_on_workers(function: Callable[[Any], Any], items: Sequence[Any], scheduler: str) -> Iterator[Any]:
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        install = "pip install 'gaitlib[cluster]', here and on the workers"
        raise InputError(f"A scheduler needs Dask, which is not installed: {install}.") from None
    # What goes wrong is said in one sentence, not in Dask's log.
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
    try:
        client = Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        start = f"start them with `dask scheduler` and `dask worker {scheduler} --nworkers auto --nthreads 1`"
        raise InputError(f"No Dask scheduler with a worker answers at {scheduler}: {start}.") from error
    with client:
        try:
            for future in client.map(function, items, pure=False):
                while not future.done():
                    client.wait_for_workers(1, timeout=NO_WORKER_SECONDS)
                    with suppress(TimeoutError):
                        future.exception(timeout=1)
                yield future.result()
        except (KilledWorker, CancelledError, TimeoutError) as error:
            raise InputError(
                "The Dask scheduler or its workers are gone, or a task brought down all that tried it (a "
                "crash, or lack of memory): start them, then the same command; what is finished is kept."
            ) from error
