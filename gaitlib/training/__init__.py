"""Fits of one run: folds, seeds, the choice of a model; here or on the workers of a Dask scheduler."""

from gaitlib.training.choosing import choose_model
from gaitlib.training.fitting import TrainingResult, train_model
from gaitlib.training.runs import FitResult, fit_folder, load_fit, train_fits
