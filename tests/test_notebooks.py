"""The notebooks as they are stored: clean, short, and saying what they do."""

import ast
import re

import nbformat
import pytest
from commands import PROJECT

from gaitlib.report import NOTEBOOKS, REPORT_NOTEBOOK

# The report runs none of the last two: one reads a video without a label, one compares models.
OTHERS = ("06_predict_your_video", "07_experiments")
PATHS = [PROJECT / "notebooks" / f"{name}.ipynb" for name in (*NOTEBOOKS, *OTHERS)]
each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def code_cells(path) -> list:
    """Return the code cells of a notebook."""
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_these_are_all_notebooks():
    assert sorted((PROJECT / "notebooks").glob("*.ipynb")) == PATHS


@each_notebook
def test_stored_without_outputs_and_counts(path):
    for cell in code_cells(path):
        assert cell.outputs == []
        assert cell.execution_count is None


@each_notebook
def test_valid_for_every_reader(path):
    nbformat.validate(nbformat.read(path, as_version=4))


@each_notebook
def test_first_cell_says_what_it_takes_and_gives(path):
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    assert re.match(r"# \S", first.source)
    if path.stem != REPORT_NOTEBOOK:
        for word in ("**Inputs**", "**Outputs**", "**Time**"):
            assert word in first.source


@each_notebook
def test_one_import_cell_and_it_comes_first(path):
    cells = code_cells(path)
    with_imports = [
        place
        for place, cell in enumerate(cells)
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(ast.parse(cell.source)))
    ]
    assert with_imports == [0]


@each_notebook
def test_cells_are_short_and_define_nothing(path):
    for cell in code_cells(path):
        tree = ast.parse(cell.source)
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        assert not any(isinstance(node, kinds) for node in ast.walk(tree))
        # Lists of one name a line: parameters, imports, the call that names all settings.
        is_list = "parameters" in cell.metadata.get("tags", []) or len(tree.body) <= 3
        is_list |= all(isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body)
        assert is_list or len(cell.source.splitlines()) <= 15


@each_notebook
def test_every_heading_is_unique(path):
    text = "\n".join(
        cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"
    )
    headings = re.findall(r"^#+ .*$", text, re.MULTILINE)
    assert len(set(headings)) == len(headings)
    assert sum(heading.startswith("# ") for heading in headings) == 1
