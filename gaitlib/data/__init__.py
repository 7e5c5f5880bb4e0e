"""The videos of a run as one object: divided by walker, checked for leaks, with their reference walks."""

from gaitlib.data.footage import find_same_footage
from gaitlib.data.leaks import check_footage_disjoint, check_labels_in_place
from gaitlib.data.preparation import (
    describe_skipped,
    find_data,
    make_demo_folders,
    prepare_data,
    prepare_test,
)
from gaitlib.data.references import relative_features
from gaitlib.data.rundata import Fit, RunData, VideoSet, list_fits, load_data, make_fit, prepared_rows
from gaitlib.data.splits import assign_folds, check_walkers_disjoint, hold_out_walkers, inner_folds

__all__ = [
    "Fit",
    "RunData",
    "VideoSet",
    "assign_folds",
    "check_footage_disjoint",
    "check_labels_in_place",
    "check_walkers_disjoint",
    "describe_skipped",
    "find_data",
    "find_same_footage",
    "hold_out_walkers",
    "inner_folds",
    "list_fits",
    "load_data",
    "make_demo_folders",
    "make_fit",
    "prepare_data",
    "prepare_test",
    "prepared_rows",
    "relative_features",
]
