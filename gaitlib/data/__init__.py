"""The videos of a run as one object: divided by walker, checked for leaks, with their reference walks."""

from gaitlib.data.footage import prepared_rows
from gaitlib.data.rundata import (
    Fit,
    RunData,
    VideoSet,
    describe_skipped,
    find_data,
    list_fits,
    load_data,
    make_demo_folders,
    make_fit,
    prepare_data,
    prepare_test,
)
from gaitlib.data.splits import assign_folds, inner_folds
