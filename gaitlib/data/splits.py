"""Who trains, who chooses and who tests: no walker is ever on two sides."""

import warnings
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.model_selection import StratifiedGroupKFold

from gaitlib.errors import InputError
from gaitlib.labels import normal_name

# How often walkers are drawn anew until each emotion is where it is needed.
_NUM_DRAWS = 30


def hold_out_walkers(videos: pd.DataFrame, fraction: float, seed: int) -> np.ndarray:
    """Mark whom to hold out, (num_videos,) bool: about a fraction of the videos, emotions as even as can be.

    An emotion that two walkers show is held out with one of them where that costs the rest no emotion; an
    `InputError` says where an emotion would have no walker left to learn from.
    """
    shown = pd.crosstab(videos["walker"], videos["emotion"]) > 0
    num_folds = int(np.clip(round(1 / fraction), 2, max(2, len(shown))))
    for draw in range(_NUM_DRAWS if len(shown) > 1 else 0):
        folds = fold_walkers(videos["emotion"], videos["walker"], num_folds, seed + draw)
        drawn = [list(held) for held in videos["walker"].groupby(folds).unique()]
        possible = [held for held in drawn if shown.drop(index=held).any().all()]
        if possible:
            held = max(possible, key=lambda held: shown.loc[held].any().sum())
            return videos["walker"].isin(_with_missing(shown, held)).to_numpy()
    raise InputError(
        f"No walker can be held out of the {len(shown)} who show {name_some(shown.columns)}, those of the "
        "test aside, without losing an emotion: add videos of other people who show them."
    )


def _with_missing(shown: pd.DataFrame, held: list[str]) -> list[str]:
    """Hold out one walker more for each emotion that the held do not show, where one can be spared."""
    for emotion in shown.columns:
        for walker in shown.index[shown[emotion]].difference(held):
            if not shown.loc[held, emotion].any() and shown.drop(index=[*held, walker]).any().all():
                held = [*held, walker]
    return held


def fold_walkers(labels: ArrayLike, walkers: ArrayLike, num_folds: int, seed: int) -> np.ndarray:
    """Return the fold of each video, from 1: a walker in one fold, labels as even as that allows."""
    # The splitter refuses fewer videos of every label than folds, though walkers can be divided.
    strata = np.asarray(labels)
    if np.unique(strata, return_counts=True)[1].max() < num_folds:
        strata = np.zeros(len(strata))
    folds = np.zeros(len(strata), int)
    splitter = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of labels with few videos
        for fold, (_, held) in enumerate(splitter.split(strata, strata, np.asarray(walkers)), start=1):
            folds[held] = fold
    return folds


def assign_folds(videos: pd.DataFrame, num_folds: int, seed: int) -> np.ndarray:
    """Return for every video the fold, from 1, that it tests; an `InputError` for too few walkers."""
    if (num_walkers := videos["walker"].nunique()) < num_folds + 1:
        raise InputError(
            f"{num_folds} folds need at least {num_folds + 1} walkers, but {num_walkers} were found: take "
            "fewer folds, add videos of other people, or name the walkers in labels.csv."
        )
    for draw in range(_NUM_DRAWS):
        folds = fold_walkers(videos["emotion"], videos["walker"], num_folds, seed + draw)
        spread = pd.Series(folds).groupby(videos["emotion"].to_numpy()).nunique()
        if spread.min() > 1 and len(set(folds)) == num_folds:
            return folds
    raise InputError(
        f"All walkers who show {name_some(spread.index[spread < 2])} fall into one fold, so nobody would be "
        "left to learn it from: take fewer folds or add videos of other people who show it."
    )


def inner_folds(
    labels: ArrayLike, walkers: ArrayLike, num_folds: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Divide training videos by walker: places to train on and to judge for each fold; none of one walker."""
    num_folds = min(num_folds, len(np.unique(np.asarray(walkers))))
    folds = fold_walkers(labels, walkers, num_folds, seed) if num_folds > 1 else np.zeros(0)
    return [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in np.unique(folds)]


def check_walkers_disjoint(train: pd.DataFrame, test: pd.DataFrame) -> None:
    """Raise an `InputError` if a walker or a file is on both sides.

    `train` and `test` have the columns `walker`, `video` and `digest`.
    """
    same = train.merge(test, on="digest", suffixes=("", "_test"))
    if len(same):
        raise InputError(
            f"{len(same)} test video(s) are copies of training videos, such as {same['video_test'][0]} of "
            f"{same['video'][0]}: remove them from one of the two folders."
        )
    known = set(map(normal_name, train["walker"]))
    shared = {walker for walker in test["walker"] if normal_name(walker) in known}
    if shared:
        raise InputError(
            f"The same walker is in training and test ({name_some(shared)}), so the score would not hold for "
            "unseen people: move these videos to one folder, or name the walkers in labels.csv."
        )


def name_some(names: Iterable[str], limit: int = 5) -> str:
    """Return the first names in alphabetical order and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - limit} more" if len(ordered) > limit else ""
    return ", ".join(ordered[:limit]) + more
