"""Warm kernels: each has run its imports unseen, starts every notebook empty, and ends with the others."""

import nbformat
import psutil
import pytest

from gaitlib.kernels import WarmKernel, imports_of, warm_kernels


def run(kernel: WarmKernel, code: str) -> dict:
    """Run code as papermill does, with a client of its own; return the reply."""
    client = kernel.renew().client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    reply = client.execute(code, reply=True, timeout=60)
    client.stop_channels()
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


def test_imports_are_those_of_the_first_code_cell(tmp_path):
    cells = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell("import a")]
    path = tmp_path / "one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell("import b")]), path)
    assert "\nimport a\n" in imports_of(path, with_keras=False)
    assert "import b" not in imports_of(path, with_keras=True)
    assert "import_keras" in imports_of(path, with_keras=True)
    assert "import_keras" not in imports_of(path, with_keras=False)
