"""Checks that raise where a score would be too good to be true.

Walkers and identical files are looked after by `gaitlib.splits.check_walkers_disjoint`; here is what
a look at names and contents does not show.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from gaitlib.config import InputError
from gaitlib.footage import find_same_footage
from gaitlib.prepared import prepared_rows

if TYPE_CHECKING:
    from gaitlib.batches import ClipSet

# Labels are tried this many rows before and after their place.
MAX_OFFSET_ROWS = 10
MIN_LABELLED = 20
# With this many permutations, none of which fits as well, one data set in 500 raises a false alarm.
NUM_PERMUTATIONS = 499


def check_footage_disjoint(train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Check that no test video shows the footage of a training video, re-encoded, mirrored or cut.

    Parameters
    ----------
    train, test : DataFrame
        Columns `video`, `walker`, `digest` and `entry` (cache folder). Where `test` is empty, all are
        going to be cross-validated: then no two walkers may share footage.

    Returns
    -------
    DataFrame
        `video`, `other`, `how`, `similarity`: the same footage twice on one side. It counts twice, but
        nothing leaks.

    Raises
    ------
    InputError
        If a pair lies across; names both files and says what it looks like.
    """
    both = pd.concat([train, test], ignore_index=True)
    found = find_same_footage(prepared_rows(both), list(range(len(both))), list(both["walker"]))
    is_across = (found["video"] < len(train)) & (found["other"] >= len(train))
    if test.empty:
        # All videos share one side, as before a cross-validation: two walkers are two sides to be.
        walkers = both["walker"]
        is_across = found["video"].map(walkers) != found["other"].map(walkers)
    names = both["video"].to_dict()
    found = found.assign(video=found["video"].map(names), other=found["other"].map(names))
    if is_across.any():
        worst = found[is_across].iloc[0]
        raise InputError(
            f"{worst['other']}{'' if test.empty else ' in the test'} shows the footage of {worst['video']}"
            f"{', of another walker' if test.empty else ' in training'} ({worst['how']}, similarity "
            f"{worst['similarity']:.2f}; {is_across.sum()} such pair(s)), so the score would not hold for "
            "new videos: remove one of the two."
        )
    return found[~is_across].reset_index(drop=True)


def list_windows(clips: "ClipSet", names: Sequence[str]) -> pd.DataFrame:
    """List the clips of a set: `video`, `digest`, `start` and `num_frames`, a row a clip."""
    return pd.DataFrame(
        {
            "video": [names[number] for number in clips.video_numbers],
            "digest": [clips.videos[number].digest for number in clips.video_numbers],
            "start": clips.starts,
            "num_frames": clips.num_frames,
        }
    )


def check_windows_disjoint(train: pd.DataFrame, test: pd.DataFrame) -> None:
    """Check that no picture is in a clip of either side.

    Parameters
    ----------
    train, test : DataFrame
        A row a clip: `video`, `digest` (of the file), `start` (first picture), `num_frames`.

    Raises
    ------
    InputError
        If two clips overlap; names the video and the pictures.
    """
    pairs = train.merge(test, on="digest", suffixes=("", "_test"))
    first = np.maximum(pairs["start"], pairs["start_test"])
    stop = np.minimum(pairs["start"] + pairs["num_frames"], pairs["start_test"] + pairs["num_frames_test"])
    overlaps = np.flatnonzero(first < stop)
    if len(overlaps):
        place = overlaps[0]
        raise InputError(
            f"Pictures {first[place]} to {stop[place] - 1} of {pairs['video'][place]} are in a training clip "
            f"and in a test clip ({len(overlaps)} such pair(s) of clips): split by walker before cutting "
            "clips."
        )


def check_labels_in_place(features: np.ndarray, labels: np.ndarray, seed: int = 0) -> None:
    """Check that the labels do not fit the walks better when all are moved by the same number of rows.

    This happens where labels and videos are joined by their order and one list has a row more. The fit
    is the agreement of the labels with their prediction by kernel ridge regression, cross-validated.
    Of an offset it is asked that its gain over no offset is larger than any gain under 499 random
    permutations of the labels, so that features which say nothing raise one alarm in 500.

    Parameters
    ----------
    features : ndarray of shape (num_videos, num_features), float
        In file order, such as `gaitlib.gait.box_features`.
    labels : ndarray of shape (num_videos,)
        In the same order.
    seed : int
        Draws the permutations.

    Raises
    ------
    InputError
        If labels 1 to 10 rows before or after fit clearly better; says which.

    Notes
    -----
    Where the rows are sorted by emotion an offset changes next to nothing, does next to no harm, and is
    not seen. Fewer than 20 videos are not judged.
    """
    num_videos = len(labels)
    max_offset = min(MAX_OFFSET_ROWS, num_videos // 2 - 1)
    if num_videos < MIN_LABELLED or len(np.unique(labels)) < 2:
        return
    smoother = _cross_validated_smoother(features)
    shown = (np.asarray(labels)[:, None] == np.unique(labels)).astype(float)
    shown -= shown.mean(axis=0)
    offsets = [offset for offset in range(-max_offset, max_offset + 1) if offset]
    gains = _offset_gains(smoother, shown, offsets)
    rng = np.random.default_rng(seed)
    by_chance = [
        _offset_gains(smoother, rng.permutation(shown), offsets).max() for _ in range(NUM_PERMUTATIONS)
    ]
    best = int(gains.argmax())
    if gains[best] > max(by_chance):
        way = "down" if offsets[best] > 0 else "up"
        raise InputError(
            f"The labels fit the walks clearly better when all are moved {way} by {abs(offsets[best])} "
            f"row(s) (p < {2 / NUM_PERMUTATIONS:.3f}): labels and videos are joined by order and one list "
            "has a row too many or too few; check for a header or a missing file, or name the videos in "
            "labels.csv."
        )


def check_fit_is_blind(
    predict: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    X: np.ndarray,
    y: np.ndarray,
    is_test: np.ndarray,
) -> None:
    """Check that a procedure learns nothing from the test.

    What it says of a test row must stay the same when the other test rows become something else and
    all test labels are false. A scaler fitted on all rows, oversampling or a choice of features before
    the split, and an epoch chosen by the test, all show in this way.

    Parameters
    ----------
    predict : callable
        Takes all features, all labels and the mask of the test rows; returns predictions of the test
        rows in their order, shape (num_test, ...). Probabilities show more than classes. Its seed must
        be fixed.
    X : ndarray of shape (num_rows, ...)
    y : ndarray of shape (num_rows,)
        At least two different labels.
    is_test : ndarray of shape (num_rows,), bool

    Raises
    ------
    InputError
        If a prediction changes, or is another one for the same input.
    """
    expected = np.asarray(predict(X, y, is_test))
    if not _equal(expected, predict(X, y, is_test)):
        raise InputError("The same data give other predictions each time: fix the procedure's seed first.")
    places = np.flatnonzero(is_test)
    classes, numbers = np.unique(y, return_inverse=True)
    false_y = np.where(is_test, classes[(numbers + 1) % len(classes)], y)
    # The training row farthest out moves means and scales most.
    train = np.flatnonzero(~is_test)
    flat = X.reshape(len(X), -1).astype(float)
    distance = np.linalg.norm(StandardScaler().fit_transform(flat[train]), axis=1)
    for kept in (0, 1):
        other_X = X.copy()
        other_X[places[1 - kept :: 2]] = X[train[distance.argmax()]]
        if not _equal(expected[kept::2], np.asarray(predict(other_X, false_y, is_test))[kept::2]):
            raise InputError(
                "Predictions of test rows change with the other test rows or their labels: something "
                "(a scaler, oversampling, a choice of features or of an epoch) is fitted on all data; fit "
                "it on the training rows alone."
            )


def check_rows_disjoint(X_train: np.ndarray, X_test: np.ndarray) -> None:
    """Check that no row of features is on both sides, as after oversampling before the split.

    Raises
    ------
    InputError
        If a test row equals a training row; counts them.
    """
    known = {np.ascontiguousarray(row).tobytes() for row in X_train}
    is_copy = [np.ascontiguousarray(row).tobytes() in known for row in X_test]
    if any(is_copy):
        raise InputError(
            f"{sum(is_copy)} of {len(X_test)} test rows, the first in row {is_copy.index(True)}, are copies "
            "of training rows: split before drawing rows again (oversampling)."
        )


def _cross_validated_smoother(features: np.ndarray) -> np.ndarray:
    """Return the matrix that turns labels into their predictions by the other folds' videos."""
    scaled = StandardScaler().fit_transform(np.nan_to_num(features))
    kernel = rbf_kernel(scaled)
    smoother = np.zeros_like(kernel)
    for train, held in KFold(5, shuffle=True, random_state=0).split(scaled):
        inner = kernel[np.ix_(train, train)] + np.eye(len(train))
        smoother[np.ix_(held, train)] = np.linalg.solve(inner, kernel[np.ix_(train, held)]).T
    return smoother


def _offset_gains(smoother: np.ndarray, shown: np.ndarray, offsets: Sequence[int]) -> np.ndarray:
    """Return how much better the labels agree with their predictions at each offset than at none."""
    moved = np.stack([np.roll(shown, offset, axis=0) for offset in [0, *offsets]])
    agreement = (moved * (smoother @ moved)).sum(axis=(1, 2))
    return agreement[1:] - agreement[0]


def _equal(first: np.ndarray, second: np.ndarray) -> bool:
    if np.issubdtype(np.asarray(first).dtype, np.number):
        return bool(np.allclose(first, second, rtol=1e-6, atol=1e-9))
    return bool(np.array_equal(first, second))
