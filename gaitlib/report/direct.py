"""What a run does, without notebooks: prepare, train, evaluate, and a check of what is there."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gaitlib import evaluation as scoring
from gaitlib.config import make_config
from gaitlib.data import describe_skipped, find_data, load_data, prepare_data, prepare_test
from gaitlib.errors import InputError, sentence_of
from gaitlib.files import cache_dir, project_path, temporary_folder
from gaitlib.labels import list_videos
from gaitlib.models import INDEX_NAME, list_gpus, load_trained
from gaitlib.report.run import RunRequest, new_run
from gaitlib.report.sentences import console_text
from gaitlib.training import train_fits
from gaitlib.walker import weights_dir, weights_problem


def train_run(request: RunRequest) -> str:
    """Prepare, train, evaluate, and write a run folder without pages; return layers and scores, to print."""
    config, out = request.config, request.folder()
    with new_run(out) as work:
        with _timed(work, "prepare"):
            data = prepare_data(request.videos, request.videos_test, config, request.labels)
            data.save(work)
            config = data.config
        with _timed(work, "train"):
            first = train_fits(data, config, work)[0]
        with _timed(work, "evaluate"):
            evaluation = scoring.evaluate(data, config, work)
            evaluation.effects = scoring.effect_sizes(data, config)
            evaluation.ablation = scoring.family_ablation(data, config)
            if config.leak_lesson:
                evaluation.leak_lesson = scoring.leak_lesson(data, evaluation, config)
        scoring.write_results(work, evaluation, data, config)
    model, lines = (first.published or first.chosen).model, list[str]()
    if model.kind != "gait":
        model.predictor.summary(line_length=100, print_fn=lines.append)
    return "\n".join([*lines, console_text(evaluation, data, config), "", f"Run folder: {out}"])


@contextmanager
def _timed(work: Path, step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    scoring.record_step(work, step, time.perf_counter() - start)


def evaluate_run(path: Path, request: RunRequest) -> str:
    """Test a trained model (run folder or file in one) on labelled videos; return the scores, to print."""
    model, run_dir = load_trained(path), path if path.is_dir() else path.parent
    config = model.config.model_copy(update={"scheduler": request.config.scheduler, "folds": 0, "seeds": 1})
    data = prepare_test(load_data(run_dir), request.videos_test, config, request.labels)
    if data.emotions != model.emotions:
        raise InputError(f"{path} knows other emotions than the run in its folder: put it back into its own.")
    evaluation = scoring.evaluate(data, config, run_dir, model)
    if request.out is not None:
        with new_run(request.folder()) as work:
            data.save(work)
            scoring.write_results(work, evaluation, data, config)
    return console_text(evaluation, data, config)


def check_setup(videos: Path, videos_test: Path, labels: Path | None) -> tuple[list[str], bool]:
    """Return lines on versions, machine, folders and the videos in them, and whether a report can be made."""
    machine, problem = f"{platform.system()} {platform.machine()}", weights_problem()
    lines = [
        *(f"{name} {number}" for name, number in scoring.versions().items()),
        f"Machine: {machine}, {os.cpu_count()} cores, {len(list_gpus())} GPU (none is needed)",
        f"Cache: {cache_dir()} (GAITLIB_CACHE moves it, deleting it is safe)",
        f"Warning: {problem}" if problem else f"Body model: {weights_dir()}",
    ]
    try:
        lines += _describe_videos(videos, videos_test, labels)
        with temporary_folder(cache_dir()):
            pass  # it can be written to
    except (InputError, OSError) as error:
        return [*lines, f"To mend: {sentence_of(error)}", "Not ready."], False
    return [*lines, "Ready: gaitlib report can run."], True


def _describe_videos(videos: Path, videos_test: Path, labels: Path | None) -> list[str]:
    """Return what the folders hold, with the warnings that a training would print."""
    if not list_videos(videos) and labels is None:
        return [f"{videos}: no video, so that synthetic walkers will be drawn"]
    found = find_data(videos, videos_test, make_config(), labels)
    lines = []
    for split, rows in found.videos.groupby("split", sort=False):
        counts = ", ".join(f"{count} {name}" for name, count in rows["emotion"].value_counts().items())
        lines.append(f"{split}: {len(rows)} videos of {rows['walker'].nunique()} walkers ({counts})")
    return [*lines, *describe_skipped(found.skipped), *(f"Warning: {text}" for text in found.warnings)]


def ready_model(run_dir: str = "") -> Path:
    """Return a run folder with a model: `run_dir`, or else the newest in ``reports/``.

    Where there is none, a small model of few synthetic walkers is trained once and kept in the cache.
    """
    if run_dir:
        return project_path(run_dir)
    first = cache_dir() / "first_model" / INDEX_NAME
    made = list(project_path("reports").glob(f"*/{INDEX_NAME}")) or [first]
    if not made[0].exists():
        nothing = cache_dir() / "no videos"
        nothing.mkdir(parents=True, exist_ok=True)
        train_run(RunRequest(nothing, nothing, make_config("quick"), first.parent))
    return max(made, key=lambda path: path.stat().st_mtime).parent
