"""Kernels that work through several notebooks, so that libraries are loaded once, and ahead of their use.

To start Python and to import what a notebook needs takes seconds, most of all TensorFlow. What a notebook
leaves behind in its namespace, the next one does not see: they pass data through the run folder only.
"""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import Empty

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

# These leave no name behind in the notebook. Nothing that is imported is garbage: to search it for some,
# as Python does again and again, takes a tenth of a report's time.
_KEEP_ALL = "__import__('gc').disable()"
_KEEP_SO_FAR = "__import__('gc').freeze(); __import__('gc').enable()"
_IMPORT_KERAS = "__import__('importlib').import_module('gaitlib.backend').import_keras()"
_FORGET = "get_ipython().reset(new_session=True)"


class WarmKernel:
    """A running kernel that loads its libraries while others work.

    Parameters
    ----------
    code : str
        What it runs first, such as imports. Errors in it are not shown: a notebook's own imports will meet
        them again.
    folder : Path
        Where it works.
    log : Path
        What it and TensorFlow write beside the notebooks.
    """

    def __init__(self, code: str, folder: Path, log: Path):
        self.manager = KernelManager(kernel_name="python3")
        with log.open("ab") as stream:
            self.manager.start_kernel(
                cwd=str(folder),
                stdout=subprocess.DEVNULL,
                stderr=stream,
                # Kernels that share a history file wait for each other, and the user's own is not for these.
                extra_arguments=["--HistoryManager.hist_file=:memory:"],
            )
        # With a session of its own: two clients of one session take each other's place at the kernel.
        self._client = BlockingKernelClient()
        self._client.load_connection_info(self.manager.get_connection_info())
        self._client.start_channels()
        self._sent = self._send(code)
        self._is_new = True

    def renew(self) -> KernelManager:
        """Empty the namespace, as after a restart, and return what `papermill` takes as `km`.

        Waits until the kernel has run its first code; one that has died is returned as it is.
        """
        if not self._is_new:
            self._sent = self._send(_FORGET)
        self._is_new = False
        while self.manager.is_alive():
            with suppress(Empty):
                if self._client.get_shell_msg(timeout=1)["parent_header"].get("msg_id") == self._sent:
                    break
        return self.manager

    def stop(self) -> None:
        """End the kernel's process."""
        self._client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()

    def _send(self, code: str) -> str:
        return self._client.execute(
            code, silent=True, store_history=False, allow_stdin=False, stop_on_error=False
        )


def imports_of(notebook: Path, with_keras: bool) -> str:
    """Return the code that a notebook's kernel can run before the notebook: its first code cell.

    Parameters
    ----------
    notebook : Path
    with_keras : bool
        Whether to import Keras too, which `gaitlib` does when it first needs it.
    """
    # Read as the JSON that it is: to import nbformat takes as long as to start a kernel.
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    first = next(("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"), "")
    return "\n".join((_KEEP_ALL, first, _IMPORT_KERAS if with_keras else "", _KEEP_SO_FAR))


@contextmanager
def warm_kernels(codes: Sequence[str], folder: Path, log: Path) -> Iterator[list[WarmKernel]]:
    """Give a kernel for each code, all started at once; see `WarmKernel`. They end with the context."""
    with ExitStack() as stack:
        kernels = []
        for code in codes:
            kernels.append(WarmKernel(code, folder, log))
            stack.callback(kernels[-1].stop)
        yield kernels
