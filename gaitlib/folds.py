"""Cross-validation over walkers: every video is judged once by a model that never saw its walker."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from gaitlib.config import InputError, RunConfig
from gaitlib.rundata import RunData
from gaitlib.splits import fold_walkers, hold_out_walkers, leave_out_walkers


@dataclass(frozen=True)
class Fit:
    """One model to train: its walkers and its seed.

    Attributes
    ----------
    fold : int
        From 1; 1 for a single split.
    seed : int
        Of the training; the walkers of the folds do not depend on it.
    data : RunData
        The videos as this model may see them: training, validation and test by its own fold.
    config : RunConfig
        With the seed of this training.
    """

    fold: int
    seed: int
    data: RunData
    config: RunConfig

    @property
    def name(self) -> str:
        """Name of its folder in the run folder."""
        return f"fold{self.fold}_seed{self.seed}"


def assign_folds(videos: pd.DataFrame, num_folds: int, seed: int) -> np.ndarray:
    """Give every video the number of the fold in which it is a test video.

    All videos of a walker are in one fold; emotions are as evenly spread as the walkers allow
    (`sklearn.model_selection.StratifiedGroupKFold`).

    Parameters
    ----------
    videos : DataFrame
        Columns `walker` and `emotion`, a row a video.
    num_folds : int
    seed : int

    Returns
    -------
    ndarray of shape (num_videos,), int
        From 1.

    Raises
    ------
    InputError
        If there are fewer walkers than folds, or an emotion is shown in a single fold only.
    """
    num_walkers = videos["walker"].nunique()
    if num_walkers < num_folds + 1:
        raise InputError(
            f"{num_folds} folds need at least {num_folds + 1} walkers, but {num_walkers} were found: take "
            "fewer folds, add videos of other people, or name the walkers in labels.csv."
        )
    folds = fold_walkers(videos, num_folds, seed)
    for emotion, group in pd.Series(folds).groupby(videos["emotion"].to_numpy()):
        if group.nunique() < 2:
            raise InputError(
                f"All walkers who show {emotion} fall into one fold, so nobody would be left to learn it "
                "from: take fewer folds or add videos of other people who show it."
            )
    return folds


def list_fits(data: RunData, config: RunConfig) -> Iterator[Fit]:
    """Yield every model that a run must train: each fold with each seed.

    In each fold, validation walkers are held out of the training walkers anew; they choose the epoch
    and the temperature, so that no test walker chooses anything.
    """
    for fold in range(1, max(1, config.folds) + 1):
        for seed in range(config.seed, config.seed + config.seeds):
            yield make_fit(data, fold, seed, config)


def make_fit(data: RunData, fold: int, seed: int, config: RunConfig) -> Fit:
    """Return one of the models that `list_fits` lists."""
    return Fit(fold, seed, _seen_by(data, fold, seed, config), config.model_copy(update={"seed": seed}))


def _seen_by(data: RunData, fold: int, seed: int, config: RunConfig) -> RunData:
    if not config.folds and seed == config.seed:
        return data
    videos = data.videos.copy()
    is_test = videos["fold"] == fold if config.folds else videos["split"] == "test"
    videos["split"] = np.where(is_test, "test", "train")
    training = videos.index[~is_test]
    is_validation = hold_out_walkers(videos.loc[training], config.validation_fraction, seed)
    videos.loc[training[is_validation], "split"] = "validation"
    return replace(data, videos=leave_out_walkers(videos, config.training_walkers, seed))
