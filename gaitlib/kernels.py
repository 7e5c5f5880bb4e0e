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

# These leave no name behind in the notebook. Nothing that is imported is garbage, but Python would search
# it for some again and again.
_KEEP_ALL = "__import__('gc').disable()"
_KEEP_SO_FAR = "__import__('gc').freeze(); __import__('gc').enable()"
_IMPORT_KERAS = "__import__('importlib').import_module('gaitlib.backend').import_keras()"
# Workers of joblib would wait for more work, each with all that it has imported.
_FORGET = """get_ipython().reset(new_session=True)
__import__('importlib').import_module('joblib.externals.loky').get_reusable_executor().shutdown(kill_workers=True)
"""


class WarmKernel:
    """A kernel that loads its libraries while others work, and is as new for every notebook.

    Where it cannot be started, for lack of memory or processes, that is tried again when it is needed.

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
        self._code, self._folder, self._log = code, folder, log
        self._client: BlockingKernelClient | None = None
        with suppress(OSError):
            self._start()

    def renew(self) -> KernelManager:
        """Return what `papermill` takes as `km`, once the kernel has done what it was given.

        One that has died is returned as it is.
        """
        if self._client is None:
            self._start()
        assert self._client is not None
        while self.manager.is_alive():
            with suppress(Empty):
                if self._client.get_shell_msg(timeout=1)["parent_header"].get("msg_id") == self._sent:
                    break
        return self.manager

    def forget(self) -> None:
        """Empty the namespace after a notebook, as a restart does; modules stay loaded."""
        self._send(_FORGET)

    def stop(self) -> None:
        """End the kernel's process."""
        if self._client is not None:
            self._client.stop_channels()
            self.manager.shutdown_kernel(now=True)
            self.manager.cleanup_resources()

    def _start(self) -> None:
        # A blocking client would wait for ever for the output of a kernel that dies in a cell.
        self.manager = KernelManager(
            kernel_name="python3", client_class="jupyter_client.asynchronous.AsyncKernelClient"
        )
        with self._log.open("ab") as stream:
            self.manager.start_kernel(
                cwd=str(self._folder),
                stdout=subprocess.DEVNULL,
                stderr=stream,
                # Kernels that share a history file wait for each other, and the user's own is not for these.
                extra_arguments=["--HistoryManager.hist_file=:memory:"],
            )
        try:
            # With a session of its own: two clients of one session take each other's place at the kernel.
            client = BlockingKernelClient()
            client.load_connection_info(self.manager.get_connection_info())
            client.start_channels(iopub=False, stdin=False, hb=False, control=False)
            self._client = client
            self._send(self._code)
        except BaseException:
            self.manager.shutdown_kernel(now=True)
            raise

    def _send(self, code: str) -> None:
        assert self._client is not None
        self._sent = self._client.execute(
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
