"""The videos of a run as one object: divided by walker, checked for leaks, with their reference walks."""

from gaitlib.data.preparation import describe_skipped, find_data, prepare_data, prepare_test
from gaitlib.data.rundata import Fit, RunData, VideoSet, list_fits, load_data, make_fit, prepared_rows
from gaitlib.data.splits import assign_folds, hold_out_walkers, inner_folds
