"""Kernels for notebooks run in a row: while one works, the next one loads its libraries.

To start Python and to import what a notebook needs takes seconds, most of all TensorFlow; where there is
a second core, nobody has to wait for it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

# Leaves no name behind in the notebook.
_IMPORT_KERAS = "__import__('importlib').import_module('gaitlib.backend').import_keras()"


# A kernel answers when its imports are done, which takes long on a slow disk; its death is noticed at once.
ANSWER_SECONDS = 600


@dataclass(frozen=True)
class _Kernel:
    """A kernel and the connection through which it got its first work, which stays open till it ends."""

    manager: KernelManager
    client: BlockingKernelClient

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


def imports_of(notebook: Path, with_keras: bool) -> str:
    """Return the code that a notebook's kernel can run before the notebook: its first code cell.

    Parameters
    ----------
    notebook : Path
    with_keras : bool
        Whether to import Keras too, which `gaitlib` does when it first needs it.
    """
    cells = nbformat.read(notebook, as_version=4).cells
    first = next((cell.source for cell in cells if cell.cell_type == "code"), "")
    return f"{first}\n{_IMPORT_KERAS if with_keras else ''}"


@contextmanager
def kernels_ahead(codes: Sequence[str], folder: Path) -> Iterator[Iterator[KernelManager]]:
    """Give an iterator over running kernels, each for `papermill.execute_notebook(..., km=kernel)`.

    Papermill must wait for `ANSWER_SECONDS` (`start_timeout`), as the imports count.

    When a kernel is taken, the one before it ends and the one after it starts. Errors in the code
    that a kernel runs first are not shown: the notebook's own imports will meet them again.

    Parameters
    ----------
    codes : sequence of str
        What each kernel runs first.
    folder : Path
        Where the kernels work.
    """
    running: list[_Kernel] = []
    waiting = list(codes)

    def start() -> None:
        if waiting:
            running.append(_start(waiting[0], folder))
            waiting.pop(0)

    def take() -> Iterator[KernelManager]:
        while waiting or running:
            if not running:
                start()
            with suppress(OSError):  # no room for two: it gets its turn when this one has ended
                start()
            yield running[0].manager
            running.pop(0).stop()

    try:
        yield take()
    finally:
        for kernel in running:
            kernel.stop()


def _start(code: str, folder: Path) -> _Kernel:
    manager = KernelManager(kernel_name="python3")
    # Kernels that share a history file wait for each other, and the user's own is not for these.
    manager.start_kernel(cwd=str(folder), extra_arguments=["--HistoryManager.hist_file=:memory:"])
    # With a session of its own: two clients of one session take each other's place at the kernel.
    client = BlockingKernelClient()
    client.load_connection_info(manager.get_connection_info())
    client.start_channels()
    client.execute(code, silent=True, store_history=False, allow_stdin=False, stop_on_error=False)
    return _Kernel(manager, client)
