"""The whole job: check the parameters, run the notebooks in order, export the pages, list the runs."""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client.manager import KernelManager
from papermill.exceptions import PapermillExecutionError

from gaitlib.config import PROFILES, InputError, RunConfig, check_known, make_config, parse_settings
from gaitlib.errors import known_sentence
from gaitlib.export import export_notebook, tidy_streams
from gaitlib.files import project_dir, read_json, stderr_to, write_json
from gaitlib.kernels import ANSWER_SECONDS, imports_of, kernels_ahead
from gaitlib.labels import list_videos
from gaitlib.pages import Page, write_page
from gaitlib.provenance import step_durations
from gaitlib.run_list import data_banners, write_index
from gaitlib.runfolder import check_free, new_run, write_failure
from gaitlib.team import find_team

NOTEBOOKS = ("01_preprocessing", "02_model", "03_training", "04_evaluation", "05_results")
# Those that build, train or ask a model.
_WITH_KERAS = ("02_model", "03_training", "04_evaluation")
# The report proper: its code is hidden, and it becomes the run's index.html.
REPORT_NOTEBOOK = "05_results"
# Parameters of notebooks that are no settings of the run, given by `ReportRequest`.
_PLACES = ("run_dir", "videos", "videos_test", "labels")


@dataclass(frozen=True)
class ReportRequest:
    """What to make a report of.

    Attributes
    ----------
    videos, videos_test : Path
        Training and test videos; synthetic walkers are drawn where the first is empty.
    out : Path, optional
        The run folder; by default ``reports/`` and the date and time.
    labels : Path, optional
        Manifest or rating sheet.
    profile : str
        ``"quick"`` or ``"standard"``.
    parameters : mapping of str to str
        Settings as text, which override the profile's.
    """

    videos: Path
    videos_test: Path
    out: Path | None = None
    labels: Path | None = None
    profile: str = "standard"
    parameters: Mapping[str, str] = field(default_factory=dict)


def make_report(request: ReportRequest) -> Path:
    """Run all notebooks and write the report.

    Returns
    -------
    Path
        The run's `index.html`.

    Raises
    ------
    InputError
        If a parameter or path is wrong, before anything runs; or if a notebook fails: then the run
        folder holds the notebooks as far as they came and `error.txt`, and no `index.html`.
    """
    if find_team():
        raise InputError(
            "TF_CONFIG names several machines, but notebooks run on one: train with `gaitlib train` on all "
            "of them, or unset TF_CONFIG."
        )
    config = _configure(request)
    out = (request.out or project_dir() / "reports" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}").absolute()
    if all((out / name).exists() for name in ("results.json", "index.html")):
        with suppress(OSError):  # a kill may have come between the run and its place in the list
            write_index(out.parent)
    check_free(out)
    if request.labels is None and not list_videos(request.videos):
        print(f"{request.videos} holds no video: synthetic walkers are drawn instead.", flush=True)
    with new_run(out) as work:
        failure = _run(request, config, work, out)
    if failure is not None:
        raise failure
    write_index(out.parent)
    return out / "index.html"


def _configure(request: ReportRequest) -> RunConfig:
    if request.profile not in PROFILES:
        raise InputError(f"Unknown profile {request.profile!r}: expected one of {', '.join(PROFILES)}.")
    for name in request.parameters:
        check_known(name, RunConfig.model_fields)
    config = make_config(request.profile, **parse_settings(request.parameters))
    declared = {name for notebook in NOTEBOOKS for name in notebook_parameters(notebook)}
    unknown = declared - set(RunConfig.model_fields) - set(_PLACES)
    if unknown:
        raise InputError(f"Notebook parameters that are no settings: {', '.join(sorted(unknown))}.")
    return config


def notebook_path(name: str) -> Path:
    """Return the path of one of `NOTEBOOKS` in the checkout.

    Raises
    ------
    InputError
        If it is not there, as when the package was installed without its project.
    """
    for folder in (project_dir(), Path(__file__).parent.parent):
        path = folder / "notebooks" / f"{name}.ipynb"
        if path.is_file():
            return path
    raise InputError(f"notebooks/{name}.ipynb is missing: run from a checkout of the project.")


def notebook_parameters(name: str) -> list[str]:
    """Return the names in a notebook's `parameters` cell."""
    return list(papermill.inspect_notebook(str(notebook_path(name))))


def _run(request: ReportRequest, config: RunConfig, work: Path, out: Path) -> InputError | None:
    """Fill the work folder; of a run that fails, keep the notebooks and the reason."""
    start = time.perf_counter()
    values = {**config.model_dump(), "run_dir": str(work)}
    values |= {name: str(getattr(request, name) or "") for name in ("videos", "videos_test", "labels")}
    try:
        _execute_all(values, work)
        _tidy_notebooks(work, out)
        _complete_results(work, time.perf_counter() - start)
        _export_pages(work, out.name)
    except InputError as error:
        failure = InputError(str(error).replace(str(work), str(out)))
        write_failure(work, failure)
        for page in work.glob("*.html"):
            page.unlink()
        return failure.with_traceback(error.__traceback__)
    return None


def _execute_all(values: Mapping[str, Any], work: Path) -> None:
    codes = [imports_of(notebook_path(name), name in _WITH_KERAS) for name in NOTEBOOKS]
    with kernels_ahead(codes, notebook_path(NOTEBOOKS[0]).parent.parent) as kernels:
        for name in NOTEBOOKS:
            _execute(name, kernels, values, work)


def _execute(name: str, kernels: Iterator[KernelManager], values: Mapping[str, Any], work: Path) -> None:
    """Run one notebook; judge it by its exit and by the step that it must record at its end."""
    print(f"{name} … ", end="", flush=True)
    source = notebook_path(name)
    try:
        with stderr_to(work / "kernels.log"):
            papermill.execute_notebook(
                str(source),
                str(work / f"{name}.ipynb"),
                {key: values[key] for key in notebook_parameters(name)},
                kernel_name="python3",
                km=next(kernels),
                start_timeout=ANSWER_SECONDS,
                cwd=str(source.parent.parent),
                progress_bar=False,
            )
    except PapermillExecutionError as error:
        raise InputError(f"{name} failed: {_told(error.ename, error.evalue)}") from error
    except Exception as error:  # a kernel that died, a disk that is full
        raise InputError(f"{name} failed: {_told(type(error).__name__, str(error))}") from error
    if name not in step_durations(work):
        raise InputError(f"{name} ended before its last cell, so its results are not complete.")
    print(f"{step_durations(work)[name]:.0f} s", flush=True)


def _told(name: str, text: str) -> str:
    """Return in one line what an exception in a notebook means."""
    plain = text if name in ("InputError", "StorageError") else known_sentence(name, text)
    return plain or f"{name}: {' '.join(text.split())}"


def _tidy_notebooks(work: Path, out: Path) -> None:
    """Make the executed notebooks name the folder that they will lie in, and read well."""
    for path in work.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        tidy_streams(notebook)
        for cell in notebook.cells:
            cell.metadata.pop("papermill", None)
            if "injected-parameters" in cell.metadata.get("tags", []):
                cell.source = cell.source.replace(str(work), str(out))
        notebook.metadata.pop("papermill", None)
        nbformat.write(notebook, path)


def _complete_results(work: Path, total_seconds: float) -> None:
    """Add the durations of all steps, which the evaluation could not know yet."""
    results = read_json(work / "results.json")
    results["duration_seconds"] = {**step_durations(work), "total": round(total_seconds, 1)}
    write_json(work / "results.json", results)
    (work / "steps.json").unlink()
    (work / "kernels.log").unlink(missing_ok=True)
    for banner in data_banners(results):
        print(banner)


def _export_pages(work: Path, run_name: str) -> None:
    results = read_json(work / "results.json")
    pages = [Page("index.html", "Results")]
    pages += [Page(f"{name}.html", name.replace("_", " ")) for name in NOTEBOOKS if name != REPORT_NOTEBOOK]
    footer = f"Run {run_name}, {results['created']}, data fingerprint {results['data']['fingerprint']}."
    for name in NOTEBOOKS:
        title, body = export_notebook(work / f"{name}.ipynb", hide_code=name == REPORT_NOTEBOOK)
        targets = [f"{name}.html"] + (["index.html"] if name == REPORT_NOTEBOOK else [])
        for target in targets:
            write_page(work / target, title, body, pages, data_banners(results), footer)
