"""The whole job: check the parameters, run the notebooks in order, export the pages, list the runs."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gaitlib.config import InputError, RunConfig, make_config, parse_settings
from gaitlib.files import project_dir, read_json, write_json
from gaitlib.kernels import WarmKernel, imports_of, warm_kernels
from gaitlib.labels import list_videos
from gaitlib.pages import Page, write_page
from gaitlib.provenance import step_durations
from gaitlib.run_list import data_banners, write_index
from gaitlib.runfolder import check_free, default_out, new_run, write_failure
from gaitlib.team import find_team

NOTEBOOKS = ("01_preprocessing", "02_model", "03_training", "04_evaluation", "05_results")
# Those that build, train or ask a model; their kernel loads Keras while the first notebook prepares videos.
_WITH_KERAS = ("02_model", "03_training", "04_evaluation")
# The report proper: its code is hidden, and it becomes the run's index.html.
REPORT_NOTEBOOK = "05_results"

_Export = Future[tuple[str, str]]  # title and body of a page


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
    config = make_config(request.profile, **parse_settings(request.parameters))
    out = (request.out or default_out()).absolute()
    if all((out / name).exists() for name in ("results.json", "index.html")):
        with suppress(OSError):  # a kill may have come between the run and its place in the list
            write_index(out.parent)
    check_free(out)
    if request.labels is None and not list_videos(request.videos):
        print(f"{request.videos} holds no video: synthetic walkers are drawn instead.", flush=True)
    notebooks = {name: notebook_path(name) for name in NOTEBOOKS}
    first, first_with_keras = notebooks[NOTEBOOKS[0]], notebooks[_WITH_KERAS[0]]
    codes = imports_of(first, with_keras=False), imports_of(first_with_keras, with_keras=True)
    with new_run(out) as work, warm_kernels(codes, first.parent.parent, work / "kernels.log") as kernels:
        failure = _run(request, config, kernels, work, out)
    if failure is not None:
        raise failure
    write_index(out.parent)
    return out / "index.html"


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


def _run(
    request: ReportRequest, config: RunConfig, kernels: Sequence[WarmKernel], work: Path, out: Path
) -> InputError | None:
    """Fill the work folder; of a run that fails, keep the notebooks and the reason."""
    start = time.perf_counter()
    values = {**config.model_dump(), "run_dir": str(work)}
    values |= {name: str(getattr(request, name) or "") for name in ("videos", "videos_test", "labels")}
    try:
        exports = _execute_all(kernels, values, work, out)
        _complete_results(work, time.perf_counter() - start)
        _write_pages(exports, work, out.name)
    except InputError as error:
        failure = InputError(str(error).replace(str(work), str(out)))
        write_failure(work, failure)
        for page in work.glob("*.html"):
            page.unlink()
        return failure.with_traceback(error.__traceback__)
    return None


def _execute_all(
    kernels: Sequence[WarmKernel], values: Mapping[str, object], work: Path, out: Path
) -> dict[str, _Export]:
    """Run the notebooks, with Keras in the second kernel; each becomes a page while the next one works."""
    from gaitlib import execution  # while the first kernel loads, as this takes a second

    for name in NOTEBOOKS:
        execution.check_parameters(notebook_path(name))
    exports: dict[str, _Export] = {}
    with ThreadPoolExecutor(1, "export") as pool:
        for name in NOTEBOOKS:
            for export in exports.values():
                if export.done():
                    export.result()  # a full disk is told now, not after the training
            try:
                execution.execute(notebook_path(name), kernels[name in _WITH_KERAS], values, work)
            except InputError:
                with suppress(OSError, ValueError):  # where the disk is full, as far as it was written
                    execution.tidy(work / f"{name}.ipynb", out)
                raise
            exports[name] = pool.submit(
                execution.tidy_and_export, work / f"{name}.ipynb", out, hide_code=name == REPORT_NOTEBOOK
            )
    return exports


def _complete_results(work: Path, total_seconds: float) -> None:
    """Add the durations of all steps, which the evaluation could not know yet."""
    results = read_json(work / "results.json")
    results["duration_seconds"] = {**step_durations(work), "total": round(total_seconds, 1)}
    write_json(work / "results.json", results)
    (work / "steps.json").unlink()
    (work / "kernels.log").unlink(missing_ok=True)
    for banner in data_banners(results):
        print(banner)


def _write_pages(exports: Mapping[str, _Export], work: Path, run_name: str) -> None:
    results = read_json(work / "results.json")
    links = [Page("index.html", "Results")]
    links += [Page(f"{name}.html", name.replace("_", " ")) for name in NOTEBOOKS if name != REPORT_NOTEBOOK]
    footer = f"Run {run_name}, {results['created']}, data fingerprint {results['data']['fingerprint']}."
    for name, export in exports.items():
        title, body = export.result()
        targets = [f"{name}.html"] + (["index.html"] if name == REPORT_NOTEBOOK else [])
        for target in targets:
            write_page(work / target, title, body, links, data_banners(results), footer)
