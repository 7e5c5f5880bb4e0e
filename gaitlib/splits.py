"""Who trains, who chooses and who tests: never the same walker twice."""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from gaitlib.config import InputError
from gaitlib.labels.manifests import normal_name


def hold_out_walkers(videos: pd.DataFrame, fraction: float, seed: int) -> np.ndarray:
    """Choose walkers to hold out, with emotions as evenly spread as the walkers allow.

    Parameters
    ----------
    videos : DataFrame
        Columns `walker` and `emotion`, a row a video.
    fraction : float
        Share of the walkers to hold out.
    seed : int

    Returns
    -------
    ndarray of shape (num_videos,), bool
        True for the videos of held-out walkers.

    Raises
    ------
    InputError
        If there are fewer than two walkers, or an emotion would have no walker left to learn from.
    """
    num_walkers = videos["walker"].nunique()
    if num_walkers < 2:
        raise InputError(
            f"Only {num_walkers} walker was found among {len(videos)} videos, but unseen walkers are needed "
            "to judge the model: add videos of other people, or name the walkers in labels.csv."
        )
    counts = videos["emotion"].value_counts()
    num_folds = int(np.clip(round(1 / fraction), 2, min(num_walkers, max(2, counts.iloc[0]))))
    if counts.iloc[0] < 2:
        raise InputError(
            f"Each emotion ({_listed(set(counts.index))}) has a single video, so none can be held out: add "
            "videos of other people."
        )
    is_held = fold_walkers(videos, num_folds, seed) == 1
    missing = set(videos["emotion"]) - set(videos.loc[~is_held, "emotion"])
    if missing:
        raise InputError(
            f"Every walker who shows {_listed(missing)} would be held out for testing: add videos of "
            "other people who show it."
        )
    return is_held


def fold_walkers(videos: pd.DataFrame, num_folds: int, seed: int) -> np.ndarray:
    """Return the fold of each video, from 1: a walker's videos in one, emotions as even as that allows.

    Whether an emotion is missing from a fold is for the caller to check.
    """
    splitter = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed)
    folds = np.zeros(len(videos), int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of emotions with few videos
        for number, (_, held) in enumerate(splitter.split(videos, videos["emotion"], videos["walker"])):
            folds[held] = number + 1
    return folds


def leave_out_walkers(videos: pd.DataFrame, num_walkers: int, seed: int) -> pd.DataFrame:
    """Let only so many walkers train; the videos of the others get the split ``"unused"``.

    The walkers of a smaller number are among those of a larger one, so that a learning curve grows.

    Parameters
    ----------
    videos : DataFrame
        Columns `walker`, `emotion` and `split`.
    num_walkers : int
        0: all.
    seed : int

    Raises
    ------
    InputError
        If the walkers left do not show all emotions.
    """
    training = videos[videos["split"] == "train"]
    walkers = np.random.default_rng(seed).permutation(np.unique(training["walker"]))
    if not 0 < num_walkers < len(walkers):
        return videos
    is_left = training["walker"].isin(walkers[num_walkers:])
    missing = set(training["emotion"]) - set(training.loc[~is_left, "emotion"])
    if missing:
        raise InputError(
            f"Setting 'training_walkers' is {num_walkers}, and none of these walkers shows "
            f"{_listed(missing)}: take more walkers or another seed."
        )
    return videos.assign(split=videos["split"].mask(videos.index.isin(training.index[is_left]), "unused"))


def check_walkers_disjoint(train: pd.DataFrame, test: pd.DataFrame, allow_shared: bool) -> list[str]:
    """Check that nobody and no file is on both sides.

    Parameters
    ----------
    train, test : DataFrame
        Columns `walker`, `video` and `digest` (SHA-256 of the file).
    allow_shared : bool
        Go on with a warning where walkers are shared; files never may be.

    Returns
    -------
    list of str
        The shared walkers; empty where all is well.

    Raises
    ------
    InputError
        If a walker or a file's content is on both sides; names them.
    """
    same_files = train.merge(test, on="digest", suffixes=("", "_test"))
    if len(same_files):
        first = same_files.iloc[0]
        raise InputError(
            f"{len(same_files)} test video(s) are copies of training videos, such as {first['video_test']} "
            f"of {first['video']}: remove them from one of the two folders."
        )
    known = {normal_name(str(walker)) for walker in train["walker"]}
    shared = sorted({walker for walker in test["walker"] if normal_name(str(walker)) in known})
    if shared and not allow_shared:
        raise InputError(
            f"The same walker is in training and test ({_listed(shared)}), so the score would not hold for "
            "unseen people: move these videos to one folder, or name the walkers in labels.csv, or pass "
            "--allow-shared-walkers, which marks every page."
        )
    return shared


def drop_duplicates(videos: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep one of several files with the same content.

    Returns
    -------
    tuple of DataFrame
        The videos kept, and `video`, `reason` for those dropped.

    Raises
    ------
    InputError
        If two copies have different emotions.
    """
    for _, group in videos[videos.duplicated("digest", keep=False)].groupby("digest"):
        if group["emotion"].nunique() > 1:
            pair = group.iloc[:2]
            names = " and ".join(f"{row.video} ({row.emotion})" for row in pair.itertuples())
            raise InputError(f"{names} are the same file with different emotions: delete one of them.")
    is_copy = videos.duplicated("digest")
    first = videos.drop_duplicates("digest").set_index("digest")["video"]
    copies = videos.loc[is_copy]
    reasons = [f"same content as {first[digest]}" for digest in copies["digest"]]
    return videos.loc[~is_copy], pd.DataFrame({"video": copies["video"], "reason": reasons})


def _listed(names: Sequence[str] | set[str], limit: int = 5) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - limit} more" if len(ordered) > limit else ""
    return ", ".join(ordered[:limit]) + more
