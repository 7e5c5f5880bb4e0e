"""Checks that stop a run whose score would be too good, or too bad, to be true."""

import numpy as np
import pandas as pd

from gaitlib.data.footage import find_same_footage
from gaitlib.data.rundata import prepared_rows
from gaitlib.errors import InputError

# With 499 permutations, of which none fits as well, one data set in 500 raises a false alarm.
_MAX_OFFSET_ROWS, _MIN_VIDEOS, _NUM_PERMUTATIONS = 10, 20, 499


def check_footage_disjoint(train: pd.DataFrame, test: pd.DataFrame) -> tuple[str, ...]:
    """Check that no test video shows the footage of a training video; say what is there twice on one side.

    Parameters
    ----------
    train, test : DataFrame
        Columns `video`, `walker`, `digest` and `entry`. Where `test` is empty, all are going to be
        cross-validated: then no two walkers may share footage.

    Raises
    ------
    InputError
        If a pair lies across; names both files and says what it looks like.
    """
    both = pd.concat([train, test], ignore_index=True)
    found = find_same_footage(prepared_rows(both), range(len(both)), list(both["walker"]))
    side = both["walker"] if test.empty else pd.Series(np.arange(len(both)) < len(train))
    is_across = (found["video"].map(side) != found["other"].map(side)).to_numpy(bool)
    found[["video", "other"]] = found[["video", "other"]].apply(lambda places: places.map(both["video"]))
    for row in found[is_across].itertuples():
        other, video = ("", "of another walker") if test.empty else (" in the test", "in training")
        raise InputError(
            f"{row.other}{other} shows the footage of {row.video} {video} ({row.how}, similarity "
            f"{row.similarity:.2f}; {is_across.sum()} such pair(s)), so the score would not hold for new "
            "videos: remove one of the two, or give both one walker."
        )
    return tuple(f"{row.other} shows the footage of {row.video} ({row.how})." for row in found.itertuples())


def check_labels_in_place(features: np.ndarray, labels: np.ndarray, seed: int = 0) -> None:
    """Check that the labels do not fit the walks better when all are moved by the same number of rows.

    This happens where labels and videos are joined by their order and one list has a row more. The fit is
    how alike the walks of one label are (kernel alignment); the gain of an offset must be larger than any
    gain under 499 permutations of the labels.

    Parameters
    ----------
    features : ndarray of shape (num_videos, num_features), float
        In file order. Fewer than 20 videos, or videos sorted by emotion, are not judged.
    labels : ndarray of shape (num_videos,)

    Raises
    ------
    InputError
        If labels 1 to 10 rows before or after fit clearly better; says which.
    """
    from sklearn.metrics.pairwise import rbf_kernel
    from sklearn.preprocessing import StandardScaler

    classes = np.unique(labels)
    if len(labels) < _MIN_VIDEOS or (labels[1:] != labels[:-1]).sum() <= 2 * len(classes):
        return
    alike = rbf_kernel(StandardScaler().fit_transform(np.nan_to_num(features)))
    np.fill_diagonal(alike, 0)
    shown = (labels[:, None] == classes).astype(float)
    shown -= shown.mean(axis=0)
    offsets = [offset for offset in range(-_MAX_OFFSET_ROWS, _MAX_OFFSET_ROWS + 1) if offset]

    def gains(shown: np.ndarray) -> np.ndarray:
        moved = np.stack([np.roll(shown, offset, axis=0) for offset in (0, *offsets)])
        fits = (moved * (alike @ moved)).sum(axis=(1, 2))
        return fits[1:] - fits[0]

    rng, own = np.random.default_rng(seed), gains(shown)
    if own.max() > max(gains(rng.permutation(shown)).max() for _ in range(_NUM_PERMUTATIONS)):
        offset = offsets[int(own.argmax())]
        raise InputError(
            f"The labels fit the walks clearly better when all are moved {'down' if offset > 0 else 'up'} by "
            f"{abs(offset)} row(s) (p < {2 / _NUM_PERMUTATIONS:.3f}): labels and videos are joined by order "
            "and one list has a row too many or too few; check for a header or a missing file."
        )
