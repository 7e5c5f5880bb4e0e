"""Kernels started ahead: each answers, has run its imports unseen, and ends with the others."""

import nbformat
import psutil
import pytest

from gaitlib.kernels import imports_of, kernels_ahead


@pytest.mark.parametrize("turn", range(3))  # what two clients do to each other is a matter of chance
def test_every_kernel_answers_and_has_run_its_first_code(turn, tmp_path):
    processes = []
    with kernels_ahead([f"number = {place}" for place in range(3)], tmp_path) as kernels:
        for place, kernel in enumerate(kernels):
            processes.append(psutil.Process(kernel.provisioner.pid))
            client = kernel.client()
            client.start_channels()
            client.wait_for_ready(timeout=60)
            reply = client.execute(
                f"assert number == {place}; __import__('os').getcwd()", silent=True, reply=True
            )
            client.stop_channels()
            assert reply["content"]["status"] == "ok"
            assert sum(process.is_running() for process in processes) == 1
    assert place == 2
    assert not any(process.is_running() for process in processes)


def test_what_fails_ahead_is_left_for_the_notebook_to_say(tmp_path):
    with kernels_ahead(["import no_such_module"], tmp_path) as kernels:
        client = next(kernels).client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        assert client.execute("1 + 1", reply=True)["content"]["status"] == "ok"
        client.stop_channels()


def test_imports_are_those_of_the_first_code_cell(tmp_path):
    cells = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell("import a")]
    path = tmp_path / "one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell("import b")]), path)
    assert imports_of(path, with_keras=False).strip() == "import a"
    assert "import_keras" in imports_of(path, with_keras=True)
