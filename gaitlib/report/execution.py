"""Run notebooks with papermill in one kernel, which is the Python that runs this command."""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import papermill
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import KernelManager
from papermill.exceptions import PapermillExecutionError

from gaitlib.errors import InputError, known_sentence

# What papermill has to say comes as an exception, too; of a cell that waits when its kernel ends, asyncio
# would print a traceback.
for _name in ("papermill", "asyncio"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)
_NOTICE_SECONDS = 10.0
# Notebooks pass on data through the run folder only; idle workers would keep their memory.
_FORGET = """get_ipython().reset(new_session=True)
__import__('joblib.externals.loky').externals.loky.get_reusable_executor().shutdown(kill_workers=True)"""


class _ThisPython(KernelSpecManager):
    """Knows one kernel, whatever kernelspecs lie about: the Python that runs this command."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python 3", language="python")


@contextmanager
def own_kernel(folder: Path, log: Path) -> Iterator[KernelManager]:
    """Give a kernel of this Python that works in `folder` and ends with the context.

    It works through several notebooks, each of which finds an empty namespace: to start Python and load
    TensorFlow takes seconds. What libraries write beside the notebooks goes to `log`.
    """
    manager = KernelManager(
        kernel_name="python3",
        kernel_spec_manager=_ThisPython(),
        # nbclient waits for ever for a kernel that dies in a cell, unless its client is asynchronous.
        client_class="jupyter_client.asynchronous.AsyncKernelClient",
    )
    # Kernels that share a history file wait for each other, and the user's own is not for these.
    options = {"cwd": str(folder), "extra_arguments": ["--HistoryManager.hist_file=:memory:"]}
    with log.open("ab") as stream:
        manager.start_kernel(stdout=subprocess.DEVNULL, stderr=stream, **options)
    try:
        yield manager
    finally:
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def execute(source: Path, target: Path, manager: KernelManager, values: Mapping[str, Any]) -> None:
    """Run one notebook with those of `values` that are its parameters, and write it to `target`.

    Raises
    ------
    InputError
        If it fails.
    """
    parameters = {key: values[key] for key in papermill.inspect_notebook(str(source))}
    progress = _Progress(source.stem)
    options = {"progress_bar": False, "stdout_file": progress, "stderr_file": progress}
    options |= {"kernel_name": "python3", "km": manager, "cwd": str(source.parents[1])}
    try:
        papermill.execute_notebook(str(source), str(target), parameters, **options)
        _forget(manager)
    except PapermillExecutionError as error:
        print("".join(progress.said), end="")
        raise InputError(f"{source.stem} failed: {_told(error.ename, error.evalue)}") from error
    except Exception as error:  # a kernel that died, a disk that is full
        raise InputError(f"{source.stem} failed: {_told(type(error).__name__, str(error))}") from error
    finally:
        progress.clear()


def _forget(manager: KernelManager) -> None:
    client = BlockingKernelClient()  # a session of its own: papermill's is closed
    client.load_connection_info(manager.get_connection_info())
    client.start_channels(iopub=False, stdin=False, hb=False, control=False)
    client.execute(_FORGET, silent=True, reply=True, timeout=60)
    client.stop_channels()


class _Progress:
    """Passes on a notebook's progress bars to the console, and keeps what else it says for a failure."""

    def __init__(self, name: str):
        self.said: list[str] = []
        self._name, self._width, self._last = name, 0, time.monotonic()

    def write(self, text: str) -> None:
        line = text.replace("\n", "\r").rstrip("\r").split("\r")[-1].strip()
        shown = f"{self._name}: {line}"[:110].encode("ascii", "ignore").decode()
        if not text.startswith("\r"):
            self.said.append(text)
        elif sys.stdout.isatty():
            print(f"\r{shown:<{self._width}}", end="", flush=True)
            self._width = len(shown)
        elif time.monotonic() - self._last > _NOTICE_SECONDS:
            self._last = time.monotonic()
            print(shown, flush=True)

    def flush(self) -> None:
        """Nothing waits to be written."""

    def clear(self) -> None:
        if self._width:
            print(f"\r{'':<{self._width}}\r", end="", flush=True)


def _told(name: str, text: str) -> str:
    """Return in one line what an exception in a notebook means."""
    plain = text if name in ("InputError", "StorageError") else known_sentence(name, text)
    return plain or f"{name}: {' '.join(text.split())}"
