"""The walkers of an experiment: which of them train, choose and test, the same for every trial."""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from gaitlib.config import RunConfig
from gaitlib.data import Fit, RunData, assign_folds, make_fit
from gaitlib.errors import InputError
from gaitlib.experiments.plan import ExperimentPlan, config_for, list_candidates

# Settings that change nothing about the videos and their clips.
_TRAINING_ONLY = {
    "model",
    "l2_strength",
    "learning_rate",
    "epochs",
    "batch_size",
    "patience",
    "augment",
    "seed",
}
_TRAINING_ONLY |= {"class_weights", "num_resamples", "label_form"}


class ExperimentFolds:
    """Videos prepared as each trial needs them, divided by the same walkers throughout.

    Parameters
    ----------
    plan : ExperimentPlan
    prepare : callable
        Takes a `RunConfig` with folds and returns the prepared `RunData`.

    Attributes
    ----------
    first : RunData
        The videos as prepared for the first trial that can be run; its walkers make the folds.

    Raises
    ------
    InputError
        If no trial's settings fit the videos, or there are too few walkers for the folds.
    """

    def __init__(self, plan: ExperimentPlan, prepare: Callable[[RunConfig], RunData]):
        self._plan, self._prepare, self._cache = plan, prepare, dict[str, RunData | InputError]()
        self._fixed = {"folds": plan.outer_folds, "seed": config_for(plan, {}).seed}
        tried = [self._try(config_for(plan, chosen)) for chosen in list_candidates(plan)]
        found = [data for data in tried if isinstance(data, RunData)]
        if not found:
            raise next(iter(tried))  # type: ignore[misc]
        self.first = found[0]
        videos = self.first.videos
        self._outer: dict[str, int] = dict(zip(videos["walker"], videos["fold"].tolist(), strict=True))
        outers = range(1, plan.outer_folds + 1) if plan.inner_folds else ()
        self._inner = {outer: self._divide(videos[videos["fold"] != outer]) for outer in outers}

    def fit(self, config: RunConfig, outer: int, inner: int = 0) -> Fit:
        """Return a training that is tested on an outer fold, or on an inner one of the other walkers.

        With `inner`, no walker of the outer fold has any part in it.
        """
        data, folds, number, fold = self._try(config), self._outer, self._plan.outer_folds, outer
        if isinstance(data, InputError):
            raise data
        videos = data.videos
        if inner:
            videos = videos[videos["walker"].map(self._outer) != outer].reset_index(drop=True)
            folds, number, fold = self._inner[outer], self._plan.inner_folds, inner
        # A walker whom only these settings can use joins the first fold.
        videos = videos.assign(fold=videos["walker"].map(folds).fillna(1).astype(int))
        if not (videos["fold"] == fold).any():
            raise InputError(f"With these settings no video of the walkers of fold {fold} can be used.")
        decided = {"folds": number, "seeds": 1, "body": data.config.body, "crop": data.config.crop}
        return make_fit(replace(data, videos=videos), fold, config.seed, config.model_copy(update=decided))

    def _divide(self, videos: pd.DataFrame) -> dict[str, int]:
        folds = pd.Series(assign_folds(videos, self._plan.inner_folds, self._fixed["seed"]), videos["walker"])
        sizes = folds.groupby(level=0).first().value_counts()
        if sizes.sum() - sizes.max() < 2:
            raise InputError(
                f"An outer fold leaves {sizes.sum()} walkers, an inner fold takes {sizes.max()} of them: "
                "fewer than 2 are left to learn from: take more folds, or add videos of other people."
            )
        return dict(zip(videos["walker"], folds.tolist(), strict=True))

    def _try(self, config: RunConfig) -> RunData | InputError:
        """Return the videos as these settings need them, prepared once."""
        config = config.model_copy(update=self._fixed)
        key = config.model_dump_json(exclude=_TRAINING_ONLY)
        if key not in self._cache:
            try:
                self._cache[key] = self._prepare(config)
            except InputError as error:
                self._cache[key] = error
        return self._cache[key]
