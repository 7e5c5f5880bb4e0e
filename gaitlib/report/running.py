"""Train and evaluate without notebooks, by the functions that the notebooks call."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from gaitlib.config import RunConfig, make_config, parse_settings
from gaitlib.data import RunData, load_data, prepare_data, prepare_test
from gaitlib.errors import InputError, UsageError
from gaitlib.evaluation import (
    Evaluation,
    effect_sizes,
    evaluate,
    family_ablation,
    leak_lesson,
    record_step,
    write_results,
)
from gaitlib.files import write_json
from gaitlib.models import MODEL_NAMES, load_trained
from gaitlib.report.folder import default_out, new_run
from gaitlib.report.sentences import console_text, listed
from gaitlib.training import run_many, train_fits


@dataclass(frozen=True)
class RunRequest:
    """What to make a run of; `settings` are texts by name and override the profile's."""

    videos: Path
    videos_test: Path
    out: Path | None = None
    labels: Path | None = None
    profile: str = "standard"
    settings: Mapping[str, str] = field(default_factory=dict)

    def config(self) -> RunConfig:
        """Return the validated settings; raise a UsageError if one cannot be."""
        try:
            config = make_config(self.profile, **parse_settings(self.settings))
        except InputError as error:
            raise UsageError(str(error)) from None
        if config.model not in ("auto", *MODEL_NAMES):
            raise UsageError(f"There is no model {config.model!r}: expected auto, {', '.join(MODEL_NAMES)}.")
        return config


def train_run(request: RunRequest) -> str:
    """Prepare, train, evaluate, and write a run folder without pages; return layers and scores, to print.

    Raises
    ------
    InputError
        If a setting, the videos, labels or folder cannot be used.
    """
    config, out = request.config(), (request.out or default_out()).absolute()
    with new_run(out) as work:
        with _timed(work, "prepare"):
            data = prepare_run(request.videos, request.videos_test, config, request.labels)
            data.save(work)
            write_json(work / "config.json", data.config.model_dump())
        with _timed(work, "train"):
            first = train_fits(data, data.config, work)[0]
        with _timed(work, "evaluate"):
            evaluation = evaluate_all(data, data.config, work)
        write_results(work, evaluation, data, data.config)
    shown, layers = (first.published or first.chosen).model, list[str]()
    if shown.kind != "gait":
        shown.predictor.summary(line_length=100, print_fn=layers.append)
    return "\n".join([*layers, console_text(evaluation, data, data.config), "", f"Run folder: {out}"])


def prepare_run(videos: Path, videos_test: Path, config: RunConfig, labels: Path | None) -> RunData:
    """Find, check, prepare and divide the videos of a run, on Dask's workers where a scheduler is named."""
    return prepare_data(videos, videos_test, config, labels, partial(run_many, scheduler=config.scheduler))


@contextmanager
def _timed(work: Path, step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    record_step(work, step, time.perf_counter() - start)


def evaluate_all(data: RunData, config: RunConfig, run_dir: Path) -> Evaluation:
    """Score the models of a run, and find out what their score rests on."""
    evaluation = evaluate(data, config, run_dir)
    evaluation.effects = effect_sizes(data, config)
    evaluation.ablation = family_ablation(data, config)
    evaluation.leak_lesson = leak_lesson(data, evaluation, config) if config.leak_lesson else None
    return evaluation


def evaluate_run(
    path: Path, videos_test: Path, out: Path | None, labels: Path | None, settings: Mapping[str, Any]
) -> str:
    """Test a trained model on labelled videos; the run it lies in tells whose videos it was trained on.

    Parameters
    ----------
    path : Path
        A run folder or a model file in one.
    videos_test, labels : Path
    out : Path, optional
        New folder for predictions and results.
    settings : mapping
        What to set otherwise than in the training.

    Raises
    ------
    InputError
        If the model, its run folder or the videos cannot be used.
    """
    model, run_dir = load_trained(path), path if path.is_dir() else path.parent
    trained_with = model.config.relative_to
    if settings.get("relative_to", trained_with) != trained_with:
        raise InputError(
            f"{path} was trained with relative_to={trained_with} and can be tested in that way only: leave "
            "out --relative-to, or train another model."
        )
    if not (run_dir / "data.json").exists():
        raise InputError(
            f"{run_dir} holds no data.json, which says who the model was trained on: evaluate the model in "
            "its run folder."
        )
    config = make_config(**{**model.config.model_dump(), **settings, "folds": 0, "seeds": 1})
    many = partial(run_many, scheduler=config.scheduler)
    data = prepare_test(load_data(run_dir), videos_test, config, labels, many)
    if data.emotions != model.emotions:
        raise InputError(
            f"{path} knows the emotions {listed(model.emotions)}, but the run in its folder was trained on "
            f"{listed(data.emotions)}: put the model back into its own run folder."
        )
    evaluation = evaluate(data, config, run_dir, model)
    if out is not None:
        with new_run(out.absolute()) as work:
            data.save(work)
            write_results(work, evaluation, data, config)
    return console_text(evaluation, data, config)
