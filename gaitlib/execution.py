"""Execute a notebook as papermill does, and make it a page.

Apart from `report`, because papermill and nbconvert take a second to import: kernels load in that time.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from gaitlib.config import InputError, RunConfig
from gaitlib.errors import known_sentence
from gaitlib.export import export_notebook, tidy_streams
from gaitlib.files import write_aside
from gaitlib.kernels import WarmKernel
from gaitlib.provenance import step_durations

# What it has to say of a kernel's death comes as an exception too.
logging.getLogger("papermill").setLevel(logging.CRITICAL)
# Of a cell that waits when the kernel is stopped, asyncio would print a traceback.
logging.getLogger("asyncio").setLevel(logging.CRITICAL)
# Parameters of notebooks that are no settings of the run.
_PLACES = ("run_dir", "videos", "videos_test", "labels")


def check_parameters(notebook: Path) -> None:
    """Raise InputError if a notebook has a parameter that is neither setting nor place."""
    unknown = set(_parameters(notebook)) - set(RunConfig.model_fields) - set(_PLACES)
    if unknown:
        names = ", ".join(sorted(unknown))
        raise InputError(f"{notebook.name} has parameters that are no settings: {names}.")


def _parameters(notebook: Path) -> list[str]:
    return list(papermill.inspect_notebook(str(notebook)))


def execute(source: Path, kernel: WarmKernel, values: Mapping[str, Any], work: Path) -> None:
    """Run one notebook into a folder; judge it by its exit and by the step that it must record at its end.

    Parameters
    ----------
    source : Path
        The notebook.
    kernel : WarmKernel
        Works on it as if it had just been started.
    values : mapping
        Parameters by name, of which the notebook gets its own.
    work : Path
        The run folder.

    Raises
    ------
    InputError
        If it fails.
    """
    name = source.stem
    print(f"{name} … ", end="", flush=True)
    try:
        papermill.execute_notebook(
            str(source),
            str(work / source.name),
            {key: values[key] for key in _parameters(source)},
            kernel_name="python3",
            km=kernel.renew(),
            cwd=str(source.parent.parent),
            progress_bar=False,
        )
        kernel.forget()
    except PapermillExecutionError as error:
        raise InputError(f"{name} failed: {_told(error.ename, error.evalue)}") from error
    except Exception as error:  # a kernel that died, a disk that is full
        raise InputError(f"{name} failed: {_told(type(error).__name__, str(error))}") from error
    if name not in step_durations(work):
        raise InputError(f"{name} ended before its last cell, so its results are not complete.")
    print(f"{step_durations(work)[name]:.0f} s", flush=True)


def tidy(path: Path, out: Path) -> None:
    """Make an executed notebook read well and name the folder that it will lie in, not that of the work."""
    notebook = nbformat.read(path, as_version=4)
    tidy_streams(notebook)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace(str(path.parent), str(out))
    notebook.metadata.pop("papermill", None)
    with write_aside(path) as aside:
        nbformat.write(notebook, aside)


def tidy_and_export(path: Path, out: Path, hide_code: bool) -> tuple[str, str]:
    """Make a page of an executed notebook: tidy it (see `tidy`), return title and HTML body."""
    tidy(path, out)
    return export_notebook(path, hide_code)


def _told(name: str, text: str) -> str:
    """Return in one line what an exception in a notebook means."""
    plain = text if name in ("InputError", "StorageError") else known_sentence(name, text)
    return plain or f"{name}: {' '.join(text.split())}"
