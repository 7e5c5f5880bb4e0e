"""Fits of one run: folds, seeds, the choice of a model; here or on the workers of a Dask scheduler."""

from gaitlib.training.cluster import run_many
from gaitlib.training.fitting import TrainingResult, train_model
from gaitlib.training.runs import (
    FitResult,
    choose_model,
    fit_folder,
    load_fit,
    read_history,
    train_fits,
    update_about,
)

__all__ = [
    "FitResult",
    "TrainingResult",
    "choose_model",
    "fit_folder",
    "load_fit",
    "read_history",
    "run_many",
    "train_fits",
    "train_model",
    "update_about",
]
