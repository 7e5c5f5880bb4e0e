"""The notebooks as they are stored: clean, short, with the defaults of the settings, saying what they do."""

import ast
import re
from itertools import pairwise

import nbformat
import pytest
from commands import PROJECT

from gaitlib.config import RunConfig
from gaitlib.report.notebooks import REPORT_NOTEBOOK, own_kernel, run_notebook
from gaitlib.report.run import NOTEBOOKS

PATHS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((PROJECT / "notebooks" / "solutions").glob("*.ipynb"))
# Names of files and folders, which are no settings; other notebooks may have more of their own.
FILES = (
    *("run_dir", "videos", "videos_test", "labels", "experiment", "out", "storage"),
    *("recordings", "recordings_labels", "emotions", "against"),
)
each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def cells_of(path, kind: str) -> list:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def parameters_of(path) -> dict[str, tuple[str, object, str]]:
    (cell,) = [cell for cell in cells_of(path, "code") if "parameters" in cell.metadata.get("tags", [])]
    lines, found = cell.source.splitlines(), {}
    for node in ast.parse(cell.source).body:
        assert isinstance(node, ast.AnnAssign), f"{path.stem}: nothing is computed among the parameters"
        comment = lines[node.end_lineno - 1].partition("  # ")[2]
        found[node.target.id] = (ast.unparse(node.annotation), ast.literal_eval(node.value), comment)
    return found


def test_the_report_s_notebooks_are_there():
    assert {f"{name}.ipynb" for name in (*NOTEBOOKS, "07_experiments")} <= {path.name for path in PATHS}


@pytest.mark.parametrize("path", [*PATHS, *SOLUTIONS], ids=lambda path: path.stem)
def test_stored_clean_and_valid_for_every_reader(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    # Without a kernel's name papermill does not find the parameters.
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in cells_of(path, "code"):
        assert cell.outputs == [] and cell.execution_count is None
    for part in (notebook, *notebook.cells):
        assert "papermill" not in part.metadata


@each_notebook
def test_parameters_repeat_the_defaults_of_the_settings(path):
    """`config.py` decides; the notebooks show the same values, types and words."""
    for name, (kind, value, comment) in parameters_of(path).items():
        assert len(comment) > 10, f"{name} says what it is"
        if name in RunConfig.model_fields:
            field = RunConfig.model_fields[name]
            assert (kind, value, comment) == (type(field.default).__name__, field.default, field.description)
        else:
            assert kind == "str" and isinstance(value, str)


def test_every_setting_of_a_run_is_a_parameter_of_one_notebook():
    names = [name for stem in NOTEBOOKS for name in parameters_of(PROJECT / "notebooks" / f"{stem}.ipynb")]
    settings = [name for name in names if name in RunConfig.model_fields]
    assert sorted(settings) == sorted(RunConfig.model_fields)
    assert set(names) - set(settings) <= set(FILES)


@each_notebook
def test_begins_with_its_purpose_and_ends_with_exercises(path):
    texts = [cell.source for cell in cells_of(path, "markdown")]
    assert re.match(r"# \S", texts[0])
    assert "After this notebook you can" in "\n".join(texts[:2])
    if path.stem != REPORT_NOTEBOOK:
        assert all(word in texts[0] for word in ("**Inputs**", "**Outputs**", "**Time**"))
    assert texts[-1].startswith("## Exercises")
    assert 2 <= len(re.findall(r"^\d\. \*\*", texts[-1], re.MULTILINE)) <= 3


@each_notebook
def test_headings_are_unique_and_in_order(path):
    text = "\n".join(cell.source for cell in cells_of(path, "markdown"))
    headings = re.findall(r"^(#+) (.*)$", text, re.MULTILINE)
    assert len(set(headings)) == len(headings)
    levels = [len(marks) for marks, _ in headings]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@each_notebook
def test_code_cells_are_short_and_imports_come_first(path):
    for place, cell in enumerate(cells_of(path, "code")):
        tree = ast.parse(cell.source)
        is_import = any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree))
        assert is_import == (place == 0)
        if place and "parameters" not in cell.metadata.get("tags", []):
            assert len(cell.source.splitlines()) <= 15, cell.source


@each_notebook
def test_is_of_a_size_to_be_read(path):
    cells = nbformat.read(path, as_version=4).cells
    assert 15 <= len(cells) <= 60


def test_every_notebook_has_its_solutions():
    assert [path.stem for path in SOLUTIONS] == [f"{path.stem}_solutions" for path in PATHS]


@pytest.fixture(scope="module")
def kernel():
    with own_kernel() as manager:
        yield manager


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_solutions_run(path, demo_report, demo_folders, kernel, tmp_path):
    """On the report that the tests share; the experiments on synthetic walkers."""
    values = {"run_dir": demo_report.folder, "videos": demo_folders[0], "videos_test": demo_folders[1]}
    values = {name: str(value) for name, value in values.items()}
    (tmp_path / "solutions").mkdir()
    run_notebook(f"solutions/{path.stem}", tmp_path, kernel, values)
