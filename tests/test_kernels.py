"""Warm kernels: each has run its imports unseen, starts every notebook empty, and ends with the others."""

import nbformat
import papermill
import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from nbclient.exceptions import DeadKernelError

from gaitlib.kernels import WarmKernel, imports_of, warm_kernels


def run(kernel: WarmKernel, code: str) -> dict:
    """Run code as a notebook's, with a client of its own; return the reply."""
    client = BlockingKernelClient()
    client.load_connection_info(kernel.renew().get_connection_info())
    client.start_channels()
    client.wait_for_ready(timeout=60)
    reply = client.execute(code, reply=True, timeout=60)
    client.stop_channels()
    kernel.forget()
    return reply["content"]


@pytest.mark.parametrize("turn", range(3))  # what two clients do to each other is a matter of chance
def test_every_kernel_answers_and_ends_with_the_context(turn, tmp_path):
    with warm_kernels(["import json", "import math"], tmp_path, tmp_path / "log") as kernels:
        processes = [psutil.Process(kernel.manager.provisioner.pid) for kernel in kernels]
        for kernel, module in zip(kernels, ("json", "math"), strict=True):
            code = f"{module}; assert __import__('os').getcwd() == {str(tmp_path)!r}"
            assert run(kernel, code)["status"] == "ok"
    assert not any(process.is_running() for process in processes)


def test_nothing_of_a_notebook_is_left_for_the_next(tmp_path):
    with warm_kernels(["number = 1"], tmp_path, tmp_path / "log") as (kernel,):
        assert run(kernel, "other = number")["status"] == "ok"
        for name in ("number", "other"):
            assert run(kernel, name)["ename"] == "NameError"
        assert run(kernel, "display(get_ipython())")["execution_count"] == 1


def test_modules_stay_loaded(tmp_path):
    code = "import colorsys; colorsys.is_warm = True"
    with warm_kernels([code], tmp_path, tmp_path / "log") as (kernel,):
        for _ in range(2):
            assert run(kernel, "import colorsys; assert colorsys.is_warm")["status"] == "ok"


def test_what_fails_ahead_is_left_for_the_notebook_to_say(tmp_path):
    with warm_kernels(["import no_such_module"], tmp_path, tmp_path / "log") as (kernel,):
        assert run(kernel, "1 + 1")["status"] == "ok"


def test_kernel_that_dies_of_its_first_code_is_not_waited_for(tmp_path):
    with warm_kernels(["__import__('os')._exit(3)"], tmp_path, tmp_path / "log") as (kernel,):
        assert not kernel.renew().is_alive()


def test_kernel_that_dies_in_a_cell_is_not_waited_for(tmp_path):
    cells = [nbformat.v4.new_code_cell(text) for text in ("1 + 1", "__import__('os')._exit(9)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "dies.ipynb")
    with warm_kernels(["import json"], tmp_path, tmp_path / "log") as (kernel,):
        paths = [str(tmp_path / name) for name in ("dies.ipynb", "out.ipynb")]
        with pytest.raises(DeadKernelError):
            papermill.execute_notebook(*paths, kernel_name="python3", km=kernel.renew(), progress_bar=False)


def test_workers_of_a_notebook_end_with_it(tmp_path):
    with warm_kernels(["import joblib"], tmp_path, tmp_path / "log") as (kernel,):
        code = "joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(-number) for number in range(9))"
        assert run(kernel, code)["status"] == "ok"
        own = psutil.Process(kernel.renew().provisioner.pid)
        assert not [
            child for child in own.children(recursive=True) if "popen_loky" in " ".join(child.cmdline())
        ]


def test_kernel_that_could_not_be_started_is_started_when_it_is_needed(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(KernelManager, "start_kernel", refuse)
        kernel = WarmKernel("number = 1", tmp_path, tmp_path / "log")
        kernel.stop()
    assert run(kernel, "number")["status"] == "ok"
    kernel.stop()


def test_imports_are_those_of_the_first_code_cell(tmp_path):
    cells = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell("import a")]
    path = tmp_path / "one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell("import b")]), path)
    assert "\nimport a\n" in imports_of(path, with_keras=False)
    assert "import b" not in imports_of(path, with_keras=True)
    assert "import_keras" in imports_of(path, with_keras=True)
    assert "import_keras" not in imports_of(path, with_keras=False)
