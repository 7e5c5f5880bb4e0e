"""The whole job: check the settings, run the notebooks in order, export the pages, list the runs."""

import os
import shlex
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

from gaitlib.config import RunConfig
from gaitlib.errors import InputError
from gaitlib.evaluation import read_results, step_durations
from gaitlib.files import project_dir, write_json
from gaitlib.labels import list_videos
from gaitlib.report.export import export_notebook, tidy_notebook, write_page
from gaitlib.report.folder import check_free, default_out, new_run, write_failure
from gaitlib.report.index import run_banners, write_index
from gaitlib.report.running import RunRequest

NOTEBOOKS = ("01_preprocessing", "02_model", "03_training", "04_evaluation", "05_results")
# The report proper: its code is hidden, and it becomes the run's index.html.
REPORT_NOTEBOOK = "05_results"
_FILES = {
    "results.json": "all scores and settings",
    "predictions.csv": "one row a test video",
    "gait_parameters.csv": "one row a walking bout, with units",
    "effects.csv": "effect sizes of the gait parameters",
    "skipped.csv": "files that were not used, with the reason",
    "model.keras": "the published network",
    "model.h5": "the same as HDF5",
    **{f"{name}.ipynb": "executed notebook" for name in NOTEBOOKS},
}


def make_report(request: RunRequest) -> Path:
    """Run notebooks 01 to 05 and write the report; return the run's `index.html`.

    Raises
    ------
    InputError
        If a setting or path is wrong, before anything runs; or if a notebook fails: then the run folder
        holds the notebooks as far as they came and `error.txt`, and no `index.html`.
    """
    config, out = request.config(), (request.out or default_out()).absolute()
    for name in NOTEBOOKS:
        notebook_path(name)
    if (out / "index.html").exists():
        with suppress(OSError):  # a kill may have come between the run and its place in the list
            write_index(out.parent)
    check_free(out)
    print(announce(request, config), flush=True)
    with new_run(out) as work:
        failure = _run(request, config, work, out)
    if failure is not None:
        raise failure
    write_index(out.parent)
    return out / "index.html"


def notebook_path(name: str) -> Path:
    """Return the path of a notebook of the project; raise an InputError where there is no project."""
    for folder in (project_dir(), Path(__file__).parents[2]):
        path = folder / "notebooks" / f"{name}.ipynb"
        if path.is_file():
            return path
    raise InputError(f"notebooks/{name}.ipynb is missing: run from a checkout of the project.")


def estimate_seconds(request: RunRequest, config: RunConfig) -> dict[str, float]:
    """Return about how long each notebook takes where nothing is cached; measured on 2 cores."""
    number = _num_videos(request) or _demo_videos(config)
    clips, fits = number * min(config.max_clips_per_video, 6), max(config.folds, 1) * config.seeds
    training = 0.01 * clips * config.epochs * (1 if config.folds else 0.6)
    leaking = config.leak_lesson * (2 if config.model == "auto" else training)
    judging = 15 + 20 * config.sweep_walkers + leaking
    cores = min(os.cpu_count() or 1, 8)
    return dict(zip(NOTEBOOKS, (10 + 2.5 * number / cores, 8, 8 + training * fits, judging, 4), strict=True))


def announce(request: RunRequest, config: RunConfig) -> str:
    """Say what will happen and about how long that takes."""
    number = _num_videos(request)
    what = f"{number} videos" if number else f"{_demo_videos(config)} synthetic videos"
    why = "" if number else f" ({request.videos} holds no video)"
    quick = "" if request.profile == "quick" else " A first look, with little learnt: --profile quick."
    return (
        f"Report of {what}{why}: walkers are found, models trained and tested on held-out walkers, pages "
        f"written. About {minutes(sum(estimate_seconds(request, config).values()))}, less where videos were "
        f"prepared before.{quick}"
    )


def _num_videos(request: RunRequest) -> int:
    test = list_videos(request.videos_test) if request.videos_test.is_dir() else []
    return len(list_videos(request.videos)) + len(test)


def _demo_videos(config: RunConfig) -> int:
    return 8 * (config.demo_walkers + max(2, round(config.demo_walkers / 2)))


def minutes(seconds: float) -> str:
    """Return a duration in words, rounded as one would say it."""
    return f"{max(10, round(seconds, -1)):.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def _run(request: RunRequest, config: RunConfig, work: Path, out: Path) -> InputError | None:
    """Fill the work folder; of a run that fails, keep the notebooks and the reason."""
    values = {**config.model_dump(), "run_dir": str(work)}
    values |= {name: str(getattr(request, name) or "") for name in ("videos", "videos_test", "labels")}
    start = time.perf_counter()
    try:
        exports = _execute_all(values, estimate_seconds(request, config), work, out)
        results = read_results(work)
        results["duration_seconds"]["total"] = round(time.perf_counter() - start, 1)
        write_json(work / "results.json", results)
        _write_pages(exports, results, work, out.name)
    except InputError as error:
        failure = InputError(str(error).replace(str(work), str(out)))
        write_failure(work, failure)
        return failure.with_traceback(error.__traceback__)
    for name in ("steps.json", "kernel.log"):
        (work / name).unlink(missing_ok=True)
    return None


def _execute_all(
    values: Mapping[str, object], estimates: Mapping[str, float], work: Path, out: Path
) -> dict[str, tuple[str, str]]:
    """Run the notebooks in order; return title and body of each one's page."""
    from gaitlib.report.execution import execute, own_kernel

    exports: dict[str, tuple[str, str]] = {}
    with own_kernel(notebook_path(REPORT_NOTEBOOK).parents[1], work / "kernel.log") as kernel:
        for number, name in enumerate(NOTEBOOKS, 1):
            target = work / f"{name}.ipynb"
            try:
                execute(notebook_path(name), target, kernel, values)
            finally:
                with suppress(OSError, ValueError):  # of a notebook that failed, as far as it was written
                    tidy_notebook(target, out)
            seconds = step_durations(work)
            if name not in seconds:
                raise InputError(f"{name} ended before its last cell, so that its results are not complete.")
            exports[name] = export_notebook(target, hide_code=name == REPORT_NOTEBOOK)
            # Where this machine is slower than the estimate, it will stay so; a filled cache helps once.
            pace = max(1.0, sum(seconds.values()) / sum(estimates[step] for step in exports))
            left = pace * sum(estimates[step] for step in NOTEBOOKS[number:])
            note = f", about {minutes(left)} left" if left else ""
            print(f"[{number}/{len(NOTEBOOKS)}] {name}: {seconds[name]:.0f} s{note}", flush=True)
    return exports


def _write_pages(
    exports: Mapping[str, tuple[str, str]], results: Mapping[str, Any], work: Path, name: str
) -> None:
    lessons = {f"{name}.html": name.replace("_", " ") for name in exports if name != REPORT_NOTEBOOK}
    links = {"index.html": "Results", **lessons, "../index.html": "All runs"}
    footer = f"Run {name}, {results['created']}, data fingerprint {results['data']['fingerprint']}."
    there = {file: text for file, text in _FILES.items() if (work / file).exists()}
    files = [f'<li><a href="{file}">{file}</a>: {text}</li>' for file, text in there.items()]
    end = (
        f"<h2>Files and command</h2><ul>{''.join(files)}</ul><p>The command that made this report:</p>"
        f'<pre class="command">{escape(shlex.join(["gaitlib", *sys.argv[1:]]))}</pre>'
    )
    for notebook, (title, body) in exports.items():
        is_report = notebook == REPORT_NOTEBOOK
        for target in (f"{notebook}.html", *["index.html"] * is_report):
            page = body + end * is_report
            write_page(work / target, title, page, links, run_banners(results), footer)


def make_experiment(
    file: Path, videos: Path, videos_test: Path, labels: Path | None, out: Path | None, storage: str = ""
) -> Path:
    """Run an experiment, then notebook 07 on its results as the run's page; return the page.

    Raises
    ------
    InputError
        If the file or the videos cannot be used.
    """
    from gaitlib.experiments import read_plan, run_experiment
    from gaitlib.report.execution import execute, own_kernel

    plan = read_plan(file, **({"storage": storage} if storage else {}))
    out = (out or project_dir() / "reports" / plan.name).absolute()
    videos, videos_test, labels = videos.absolute(), videos_test.absolute(), labels and labels.absolute()
    results = run_experiment(plan, videos, videos_test, labels, out)
    paths = {"experiment": file.absolute(), "out": out, "videos": videos, "videos_test": videos_test}
    values = {name: str(path or "") for name, path in {**paths, "labels": labels}.items()}
    values["storage"] = storage
    source, target = notebook_path("07_experiments"), out / "07_experiments.ipynb"
    with own_kernel(source.parents[1], out / "kernel.log") as kernel:
        execute(source, target, kernel, values)
    (out / "kernel.log").unlink(missing_ok=True)
    tidy_notebook(target, out)
    title, body = export_notebook(target, hide_code=True)
    links = {target.name: "Notebook", "../index.html": "All runs"}
    write_page(out / "index.html", title, body, links, run_banners(results), f"Experiment {plan.name}.")
    write_index(out.parent)
    return out / "index.html"
