"""All trainings of a run: the models of each fold and seed, and which of them the run is judged by."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import joblib

from gaitlib.clips import run_many
from gaitlib.config import RunConfig
from gaitlib.data import Fit, RunData, list_fits
from gaitlib.errors import InputError
from gaitlib.files import read_json, write_csv, write_json
from gaitlib.models import INDEX_NAME, PUBLISHED, TrainedModel, load_trained, save_model
from gaitlib.training.choosing import Choice, choose_model
from gaitlib.training.fitting import OTHER_SETTINGS, TrainingResult, train_model

Which = Literal["chosen", "published"]


@dataclass(frozen=True)
class FitResult:
    """What one fold and seed has learnt.

    `chosen` is the model that the run is judged by. Where a model was named, `published` and `choice` are
    None; where the published network was chosen, both are the same object.
    """

    fit: Fit
    chosen: TrainingResult
    published: TrainingResult | None = None
    choice: Choice | None = None


def train_fits(data: RunData, config: RunConfig, run_dir: Path) -> list[FitResult]:
    """Train and save the models of a run: for each fold and seed the published network and the chosen model.

    The choice is made anew in every fold, by its training walkers; a `model` other than ``"auto"`` is trained
    alone. A run that was stopped goes on with the epoch that it had reached. The models of the first fold and
    seed are saved in `run_dir`, others in ``fits/foldF_seedS/``.
    """
    fits, results = list(list_fits(data, config)), []
    (run_dir / "results.json").unlink(missing_ok=True)  # of other models
    if config.scheduler:
        # The workers leave what they learn in the cache, from where it is taken below.
        list(run_many(_train_there, fits, config.scheduler, "Training"))
    for fit in fits:
        results.append(_train_fit(fit))
        _save(results[-1], fit_folder(run_dir, fit))
    return results


def _train_there(fit: Fit) -> None:
    _train_fit(fit)


def _train_fit(fit: Fit) -> FitResult:
    train, validation = (fit.data.video_set(split, fit.config) for split in ("train", "validation"))
    is_open, emotions = fit.config.model == "auto", fit.data.emotions
    choice = choose_model(train.joined(validation), fit.config, emotions) if is_open else None

    def trained(name: str) -> TrainingResult:
        result = train_model(name, train, validation, fit.config, emotions)
        known = {"fold": fit.fold, "seed": fit.seed, "best_epoch": result.best_epoch}
        reason = choice.reason if choice else ""
        model = result.model.with_about(**known, reason=reason, is_demo=fit.data.is_demo)
        return replace(result, model=model)

    if choice is None:
        return FitResult(fit, trained(fit.config.model))
    published = trained(PUBLISHED)
    return FitResult(fit, published if choice.name == PUBLISHED else trained(choice.name), published, choice)


def fit_folder(run_dir: Path, fit: Fit) -> Path:
    """Return where the models of a fit lie: those of the first, used for prediction, at the top."""
    is_first = fit.fold == 1 and fit.seed == fit.data.config.seed
    return run_dir if is_first else run_dir / "fits" / f"fold{fit.fold}_seed{fit.seed}"


def _save(result: FitResult, folder: Path) -> None:
    index = {"name": result.chosen.model.name, "trained_on": _digest(result.fit)}
    parts = {"published": result.published} if result.published else {}
    for which, part in {**parts, "chosen": result.chosen}.items():
        stem = "model" if part is result.published or not parts else "chosen"
        index[which] = save_model(part.model, folder, stem).name
        write_csv(folder / f"{stem}_history.csv".removeprefix("model_"), part.history)
    if result.choice:
        write_csv(folder / "choice.csv", result.choice.table)
    write_json(folder / INDEX_NAME, index)


def load_fit(run_dir: Path, fit: Fit, which: Which = "chosen") -> TrainedModel | None:
    """Load a model that `train_fits` has saved; None for a published network where a model was named.

    Raises an `InputError` if it is missing, or was trained on other videos or with other settings.
    """
    folder = fit_folder(run_dir, fit)
    index = read_json(folder / INDEX_NAME)
    if index.get("trained_on") != _digest(fit):
        raise InputError(
            f"The models in {folder} were trained on other videos or with other settings than this run has "
            "now: run 03_training again."
        )
    return load_trained(folder / index[which]) if which in index else None


def _digest(fit: Fit) -> str:
    """Name what a fit learns from and how; a training that was stopped leaves older models behind."""
    return joblib.hash([fit.data.fingerprint, fit.config.model_dump(exclude=OTHER_SETTINGS)])
