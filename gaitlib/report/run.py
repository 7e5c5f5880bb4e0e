"""A run: settings checked, notebooks executed, a folder that is there as a whole or not at all.

Loads no library that only the notebooks need: they run in a process of their own.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gaitlib.config import RunConfig
from gaitlib.errors import InputError
from gaitlib.files import hold_lock, project_dir, read_json, write_aside, write_json
from gaitlib.labels import list_videos

NOTEBOOKS = "01_preprocessing 02_model 03_training 04_evaluation 08_other_senses 05_results".split()


@dataclass(frozen=True)
class RunRequest:
    """What to make a run of: absolute paths and settings."""

    videos: Path
    videos_test: Path
    config: RunConfig
    out: Path | None = None
    labels: Path | None = None

    def folder(self, name: str = "") -> Path:
        """Return the run folder, by default in ``reports/``, by name, or date and time."""
        return self.out or project_dir() / "reports" / (name or f"{datetime.now():%Y-%m-%d_%H-%M-%S}")

    def places(self) -> dict[str, str]:
        """Return where the videos and labels are, as the notebooks take it."""
        return {name: str(getattr(self, name) or "") for name in ("videos", "videos_test", "labels")}


@contextmanager
def new_run(out: Path) -> Iterator[Path]:
    """Yield a hidden folder that is renamed to `out` on success; a run that fails leaves nothing."""
    with hold_lock(out, f"Another run is writing {out} at this moment: choose another --out."):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"{out} already exists: choose another --out, or delete it first.")
        with write_aside(out) as work:
            work.mkdir()
            yield work


def make_report(request: RunRequest) -> str:
    """Run the notebooks of a report and write its pages; return where it is."""
    from gaitlib.report.notebooks import export_notebook, own_kernel, run_notebook, write_index, write_pages

    config, out, start = request.config, request.folder(), time.perf_counter()
    pages: dict[str, Future] = {}
    with new_run(out) as work:
        estimates = _announce(request)
        values = {**config.model_dump(), **request.places(), "run_dir": str(work)}
        with ThreadPoolExecutor(1) as pool, own_kernel() as kernel:
            for number, name in enumerate(NOTEBOOKS, 1):
                begun = time.perf_counter()
                # A page is made of it while the next one runs.
                pages[name] = pool.submit(export_notebook, run_notebook(name, work, kernel, values))
                seconds = time.perf_counter() - begun
                left = f", about {_minutes(estimates[number:])} left" * (number < len(NOTEBOOKS))
                print(f"[{number}/{len(NOTEBOOKS)}] {name}: {seconds:.0f} s{left}", flush=True)
        results, total_seconds = read_json(work / "results.json"), round(time.perf_counter() - start, 1)
        results["duration_seconds"] |= {**read_json(work / "steps.json"), "total": total_seconds}
        write_json(work / "results.json", results)
        (work / "steps.json").unlink()
        write_pages({name: page.result() for name, page in pages.items()}, results, work, out.name)
    write_index(out.parent)
    return f"Report: {out / 'index.html'}"


def _announce(request: RunRequest) -> list[float]:
    """Say what will happen; return about how long each notebook takes on 2 cores, with nothing cached."""
    folders, config = (request.videos, request.videos_test), request.config
    number = sum(len(list_videos(folder)) for folder in folders if folder.is_dir())
    kind = "videos" if number else f"synthetic videos ({request.videos} holds no video)"
    number = number or 12 * config.demo_walkers
    rivals = 3 if config.model == "auto" else 1  # networks that are tried on inner folds
    training = 0.02 * rivals * number * config.epochs * max(config.folds, 1) * config.seeds
    estimates = [10 + 0.8 * number, 5, 5 + training, 20, 2 + 0.05 * number, 3]
    look = "less where videos were prepared before; for a first look, --profile quick"
    print(f"Report of {number} {kind}. About {_minutes(estimates)}, {look}.", flush=True)
    return estimates


def _minutes(estimates: Sequence[float]) -> str:
    seconds = sum(estimates)
    return f"{max(10, round(seconds, -1)):.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def make_experiment(file: Path, request: RunRequest, storage: str = "") -> str:
    """Run an experiment, then notebook 07 on its results as the run's page; return where it is."""
    from gaitlib.experiments import read_plan, run_experiment
    from gaitlib.report import notebooks

    plan = read_plan(file, storage)
    out = request.folder(plan.name)
    results = run_experiment(plan, request.videos, request.videos_test, request.labels, out)
    values = {**request.places(), "experiment": str(file.absolute()), "out": str(out)}
    # A database's URL may hold a password: no page shows it.
    with notebooks.own_kernel(GAITLIB_STORAGE=plan.storage) as kernel:
        path = notebooks.run_notebook(notebooks.EXPERIMENT_NOTEBOOK, out, kernel, values)
    notebooks.write_pages({path.stem: notebooks.export_notebook(path)}, results, out, out.name)
    notebooks.write_index(out.parent)
    return f"Page: {out / 'index.html'}"
