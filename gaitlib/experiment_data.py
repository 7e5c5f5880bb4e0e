"""The walkers of an experiment: which of them train, choose and test, the same for every trial."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from gaitlib.config import ExperimentPlan, InputError, RunConfig
from gaitlib.folds import Fit, assign_folds, make_fit
from gaitlib.rundata import RunData
from gaitlib.search_space import config_for, probe_candidates
from gaitlib.splits import check_walkers_disjoint

# Settings that change nothing about the videos, their pictures and their clips.
_TRAINING_ONLY = {"model", "pretrained", "l2_strength", "learning_rate", "epochs", "batch_size", "patience"}
_TRAINING_ONLY |= {"augment", "class_weights", "tensorboard", "num_resamples"}


class ExperimentData:
    """Videos prepared as each trial needs them, split by the same walkers throughout.

    Parameters
    ----------
    plan : ExperimentPlan
    prepare : callable
        Takes a `RunConfig` with folds and returns the prepared `RunData`, see
        `gaitlib.preparation.prepare_data`.

    Attributes
    ----------
    first : RunData
        The videos as prepared for the first trial that can be run; its walkers make the folds.
    config : RunConfig
        The settings of that trial.

    Raises
    ------
    InputError
        If no trial's settings fit the videos, or there are too few walkers for the folds.
    """

    def __init__(self, plan: ExperimentPlan, prepare: Callable[[RunConfig], RunData]):
        self._plan, self._prepare = plan, prepare
        self._prepared: dict[str, RunData | InputError] = {}
        self.config, self.first = self._prepare_first()
        # A trial may vary the training's seed; who is tested together stays.
        self._seed = config_for(plan, {}).seed
        videos = self.first.videos
        self._outer = _by_walker(videos, plan.outer_folds, self._seed)
        folds = videos["walker"].map(self._outer)
        self._inner = {
            outer: _by_walker(videos[folds != outer], plan.inner_folds, self._seed)
            for outer in (range(1, plan.outer_folds + 1) if plan.inner_folds else ())
        }
        for folds_inside in self._inner.values():
            _check_learners(folds_inside)

    def outer_fit(self, outer: int, config: RunConfig) -> Fit:
        """Return the training on all walkers but those of an outer fold, tested on these."""
        data = self._folded(config)
        return _pick(data, outer, config, self._plan.outer_folds)

    def inner_fit(self, outer: int, inner: int, config: RunConfig) -> Fit:
        """Return a training that scores a trial: no walker of the outer fold has any part in it.

        Raises
        ------
        InputError
            If one had, or the settings leave nobody to learn from.
        """
        data = self._folded(config)
        is_outer = data.videos["fold"] == outer
        seen = data.videos[~is_outer]
        check_walkers_disjoint(seen, data.videos[is_outer], allow_shared=False)
        folds = _look_up(seen["walker"], self._inner[outer])
        part = replace(data, videos=seen.assign(fold=folds).reset_index(drop=True))
        return _pick(part, inner, config, self._plan.inner_folds)

    def _folded(self, config: RunConfig) -> RunData:
        data = self._for(config)
        return replace(data, videos=data.videos.assign(fold=_look_up(data.videos["walker"], self._outer)))

    def _for(self, config: RunConfig) -> RunData:
        """Return the videos as these settings need them; other settings may leave others out."""
        settings = config.model_dump(exclude=_TRAINING_ONLY | {"folds", "seed"})
        key = repr(sorted(settings.items()))
        if key not in self._prepared:
            self._prepared[key] = self._try(config)
        found = self._prepared[key]
        if isinstance(found, InputError):
            raise found
        return found

    def _try(self, config: RunConfig) -> RunData | InputError:
        seed = config_for(self._plan, {}).seed
        try:
            return self._prepare(config.model_copy(update={"folds": self._plan.outer_folds, "seed": seed}))
        except InputError as error:
            return error

    def _prepare_first(self) -> tuple[RunConfig, RunData]:
        problem = InputError("There is nothing to try.")
        for chosen in probe_candidates(self._plan):
            try:
                config = config_for(self._plan, chosen)
                return config, self._for(config)
            except InputError as error:
                problem = error
        raise problem


def _by_walker(videos: pd.DataFrame, num_folds: int, seed: int) -> dict[str, int]:
    folds = assign_folds(videos, num_folds, seed)
    return dict(zip(videos["walker"], folds.tolist(), strict=True))


def _check_learners(folds: Mapping[str, int]) -> None:
    """Refuse folds that would leave a trial one walker, who cannot both train and choose the epoch."""
    largest = pd.Series(folds).value_counts().max()
    if len(folds) - largest < 2:
        raise InputError(
            f"An outer fold leaves {len(folds)} walkers to its study, and an inner fold takes {largest} of "
            "them, so that fewer than 2 are left to learn from: take more folds, or add videos of other "
            "people."
        )


def _look_up(walkers: pd.Series, folds: Mapping[str, int]) -> pd.Series:
    """Return the fold of each walker; one whom only these settings can use gets one by their name."""
    num_folds = max(folds.values())

    def find(walker: Any) -> int:
        return folds.get(walker) or zlib.crc32(str(walker).encode("utf-8", "replace")) % num_folds + 1

    return walkers.map(find)


def _pick(data: RunData, fold: int, config: RunConfig, num_folds: int) -> Fit:
    if not (data.videos["fold"] == fold).any():
        raise InputError(f"With these settings no video of the walkers of fold {fold} can be used.")
    folded = config.model_copy(update={"folds": num_folds, "seeds": 1})
    return make_fit(data, fold, folded.seed, folded)
