"""A run: settings checked, videos prepared, models trained and tested, a folder with or without pages."""

import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from gaitlib.config import RunConfig, make_config, parse_settings
from gaitlib.data import RunData, describe_skipped, find_data, load_data, prepare_data, prepare_test
from gaitlib.errors import InputError, StorageError, UsageError
from gaitlib.evaluation import (
    effect_sizes,
    evaluate,
    family_ablation,
    leak_lesson,
    read_results,
    record_step,
    versions,
    write_results,
)
from gaitlib.files import (
    cache_dir,
    hold_lock,
    make_folder,
    project_dir,
    project_path,
    temporary_folder,
    write_aside,
    write_json,
)
from gaitlib.labels import list_videos
from gaitlib.models import INDEX_NAME, list_gpus, load_trained
from gaitlib.report.pages import Page, write_index, write_pages
from gaitlib.report.sentences import console_text, listed
from gaitlib.training import run_many, train_fits
from gaitlib.walker import weights_dir, weights_problem

NOTEBOOKS = "01_preprocessing 02_model 03_training 04_evaluation 08_other_senses 05_results".split()
# Begins the ``error.txt`` of a failed run, whose folder gives way to the next one.
_ERROR_MARK = "A run of gaitlib failed here; the next one into this folder takes its place."


@dataclass(frozen=True)
class RunRequest:
    """What to make a run of: absolute paths, and `settings`, texts by name that override the profile's."""

    videos: Path
    videos_test: Path
    out: Path | None = None
    labels: Path | None = None
    profile: str = "standard"
    settings: Mapping[str, str] = field(default_factory=dict)

    def config(self) -> RunConfig:
        """Return the validated settings; raise a UsageError if one cannot be."""
        try:
            return make_config(self.profile, **parse_settings(self.settings))
        except InputError as error:
            raise UsageError(str(error)) from None

    def folder(self, name: str = "") -> Path:
        """Return the run folder, by default in ``reports/``, by name, or date and time."""
        return self.out or project_dir() / "reports" / (name or f"{datetime.now():%Y-%m-%d_%H-%M-%S}")

    def places(self) -> dict[str, str]:
        """Return where the videos and labels are, as the notebooks take it."""
        return {name: str(getattr(self, name) or "") for name in ("videos", "videos_test", "labels")}


@contextmanager
def new_run(out: Path) -> Iterator[Path]:
    """Yield a hidden folder that is renamed to `out` on success, or when a notebook fails."""
    failure = None
    with hold_lock(out, f"Another run is writing {out} at this moment: choose another --out."):
        note = out / "error.txt"
        has_failed = note.is_file() and note.read_text("utf-8", "replace").startswith(_ERROR_MARK)
        if out.exists() and not has_failed and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"{out} already exists: choose another --out, or delete it first.")
        with write_aside(out) as work:
            work.mkdir()
            try:
                yield work
            except InputError as error:
                if not any(work.glob("*.ipynb")):
                    raise
                failure = InputError(str(error).replace(str(work), str(out)))
                failure.__cause__ = error
                (work / "error.txt").write_text(f"{_ERROR_MARK}\n{failure}\n", encoding="utf-8")
            if has_failed:
                os.rename(out, work.with_name("failed before"))
    if failure:
        raise failure


def make_report(request: RunRequest) -> str:
    """Run the notebooks of a report and write its pages; return where it is."""
    from gaitlib.report.notebooks import own_kernel, run_notebook

    config, out, start = request.config(), request.folder(), time.perf_counter()
    exports: dict[str, Page] = {}
    with new_run(out) as work:
        estimates = _announce(request, config)
        values = {**config.model_dump(), **request.places(), "run_dir": str(work)}
        with own_kernel() as kernel:
            for number, name in enumerate(NOTEBOOKS, 1):
                begun = time.perf_counter()
                exports[name] = run_notebook(name, work, kernel, values, out)
                seconds = time.perf_counter() - begun
                left = f", about {_minutes(estimates[number:])} left" * (number < len(NOTEBOOKS))
                print(f"[{number}/{len(NOTEBOOKS)}] {name}: {seconds:.0f} s{left}", flush=True)
        results = read_results(work)
        results["duration_seconds"]["total"] = round(time.perf_counter() - start, 1)
        write_json(work / "results.json", results)
        (work / "steps.json").unlink()
        write_pages(exports, results, work, out.name)
    write_index(out.parent)
    return f"Report: {out / 'index.html'}"


def _announce(request: RunRequest, config: RunConfig) -> list[float]:
    """Say what will happen; return about how long each notebook takes on 2 cores, with nothing cached."""
    folders = request.videos, request.videos_test
    number = sum(len(list_videos(folder)) for folder in folders if folder.is_dir())
    kind = "videos" if number else f"synthetic videos ({request.videos} holds no video)"
    number = number or 12 * config.demo_walkers
    training = 0.02 * number * config.epochs * max(config.folds, 1) * config.seeds
    evaluation = 5 + 20 * config.sweep_walkers
    estimates = [10 + 0.8 * number, 5, 5 + training, evaluation, 2 + 0.05 * number, 3]
    look = "less where videos were prepared before; for a first look, --profile quick"
    print(f"Report of {number} {kind}. About {_minutes(estimates)}, {look}.", flush=True)
    return estimates


def _minutes(estimates: Sequence[float]) -> str:
    seconds = sum(estimates)
    return f"{max(10, round(seconds, -1)):.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def make_experiment(file: Path, request: RunRequest, storage: str = "") -> str:
    """Run an experiment, then notebook 07 on its results as the run's page; return where it is."""
    from gaitlib.experiments import read_plan, run_experiment
    from gaitlib.report.notebooks import EXPERIMENT_NOTEBOOK, own_kernel, run_notebook

    plan = read_plan(file, **({"storage": storage} if storage else {}))
    out = request.folder(plan.name)
    results = run_experiment(plan, request.videos, request.videos_test, request.labels, out)
    values = {**request.places(), "experiment": str(file.absolute()), "out": str(out), "storage": storage}
    with own_kernel() as kernel:
        exports = {EXPERIMENT_NOTEBOOK: run_notebook(EXPERIMENT_NOTEBOOK, out, kernel, values, out)}
    write_pages(exports, results, out, out.name)
    write_index(out.parent)
    return f"Page: {out / 'index.html'}"


def train_run(request: RunRequest) -> str:
    """Prepare, train, evaluate, and write a run folder without pages; return layers and scores, to print."""
    config, out = request.config(), request.folder()
    with new_run(out) as work:
        with _timed(work, "prepare"):
            data = prepare_run(request, config, work)
            config = data.config
        with _timed(work, "train"):
            first = train_fits(data, config, work)[0]
        with _timed(work, "evaluate"):
            evaluation = evaluate(data, config, work)
            evaluation.effects = effect_sizes(data, config)
            evaluation.ablation = family_ablation(data, config)
            evaluation.leak_lesson = leak_lesson(data, evaluation, config) if config.leak_lesson else None
        write_results(work, evaluation, data, config)
    shown, layers = (first.published or first.chosen).model, list[str]()
    if shown.kind != "gait":
        shown.predictor.summary(line_length=100, print_fn=layers.append)
    return "\n".join([*layers, console_text(evaluation, data, config), "", f"Run folder: {out}"])


@contextmanager
def _timed(work: Path, step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    record_step(work, step, time.perf_counter() - start)


def prepare_run(request: RunRequest, config: RunConfig, run_dir: Path) -> RunData:
    """Find, check, prepare and divide the videos of a run, and save them and the settings in its folder."""
    many = partial(run_many, scheduler=config.scheduler)
    data = prepare_data(request.videos, request.videos_test, config, request.labels, many)
    data.save(run_dir)
    write_json(run_dir / "config.json", data.config.model_dump())
    return data


def ready_model(run_dir: str = "") -> Path:
    """Return a run folder with a model: `run_dir`, or else the newest in ``reports/``.

    Where there is none, a small model of few synthetic walkers is trained once and kept in the cache.
    """
    if run_dir:
        return project_path(run_dir)
    made = sorted(project_path("reports").glob(f"*/{INDEX_NAME}"), key=lambda path: path.stat().st_mtime)
    folder = made[-1].parent if made else cache_dir() / "first_model"
    if not (folder / INDEX_NAME).exists():
        nothing = cache_dir() / "no videos"
        make_folder(nothing)
        train_run(RunRequest(nothing, nothing, folder, profile="quick"))
    return folder


def evaluate_run(path: Path, request: RunRequest) -> str:
    """Test a trained model (run folder or file in one) on labelled videos; return the scores, to print."""
    request.config()
    settings = {"scheduler": "", "allow_shared_walkers": False, **parse_settings(request.settings)}
    model, run_dir = load_trained(path), path if path.is_dir() else path.parent
    trained_with = model.config.relative_to
    if settings.get("relative_to", trained_with) != trained_with:
        raise InputError(f"{path} was trained with relative_to={trained_with}: leave out --relative-to.")
    config = make_config(**{**model.config.model_dump(), **settings, "folds": 0, "seeds": 1})
    many = partial(run_many, scheduler=config.scheduler)
    data = prepare_test(load_data(run_dir), request.videos_test, config, request.labels, many)
    if data.emotions != model.emotions:
        raise InputError(f"{path} knows other emotions than the run in its folder: put it back into its own.")
    evaluation = evaluate(data, config, run_dir, model)
    if request.out is not None:
        with new_run(request.folder()) as work:
            data.save(work)
            write_results(work, evaluation, data, config)
    return console_text(evaluation, data, config)


def check_setup(videos: Path, videos_test: Path, labels: Path | None) -> tuple[list[str], bool]:
    """Return lines on versions, machine, folders and the videos in them, and whether a report can be made."""
    lines = [f"{name} {number}" for name, number in versions().items()]
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    lines.append(f"Machine: {machine}, {len(list_gpus())} GPU (none is needed)")
    lines.append(f"Cache: {cache_dir()} (GAITLIB_CACHE moves it, deleting it is safe)")
    problem = weights_problem()
    lines.append(f"Warning: {problem}" if problem else f"Body model: {weights_dir()}")
    try:
        lines += _describe_videos(videos, videos_test, labels)
        with temporary_folder(cache_dir(), "check"):
            pass  # it can be written to
    except (InputError, StorageError) as error:
        return [*lines, f"To mend: {error}", "Not ready."], False
    return [*lines, "Ready: gaitlib report can run."], True


def _describe_videos(videos: Path, videos_test: Path, labels: Path | None) -> list[str]:
    """Return what the folders hold, with the warnings that a training would print."""
    if not videos.is_dir():
        raise InputError(f"{videos} is missing: create it, or name another with --videos.")
    if not list_videos(videos) and labels is None:
        return [f"{videos}: no video, so that synthetic walkers will be drawn"]
    found = find_data(videos, videos_test, make_config(), labels)
    lines = []
    for split, rows in found.videos.groupby("split", sort=False):
        counts = listed(f"{count} {name}" for name, count in rows["emotion"].value_counts().items())
        lines.append(f"{split}: {len(rows)} videos of {rows['walker'].nunique()} walkers ({counts})")
    return [*lines, *describe_skipped(found.skipped), *(f"Warning: {text}" for text in found.warnings)]
