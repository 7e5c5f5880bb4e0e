"""What an experiment may try: a YAML file, checked as data before anything runs."""

import os
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gaitlib.config import RunConfig, make_config
from gaitlib.errors import InputError


class Range(BaseModel, frozen=True, extra="forbid"):
    """Numbers from `low` to `high`, all alike likely, or with `log` on a logarithmic scale."""

    low: int | float
    high: int | float
    log: bool = False

    def distribution(self) -> BaseDistribution:
        """Return what Optuna draws from: whole numbers where both ends are."""
        kind: Any = IntDistribution if type(self.low) is type(self.high) is int else FloatDistribution
        return kind(self.low, self.high, self.log)


class ExperimentPlan(BaseModel):
    """What an experiment tries and how it is scored; `read_plan` builds it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^\w[\w .+-]{0,79}$")  # of the study and of its folder
    method: Literal["grid", "tpe", "random"] = "grid"  # tpe: tree-structured Parzen estimator
    trials: int = Field(20, ge=1, le=10000)  # of each study; a grid has its own number
    outer_folds: int = Field(5, ge=2, le=50)  # parts of the walkers; each is tested once
    inner_folds: int = Field(3, ge=2, le=50)  # parts of the rest, which score a trial
    settings: dict[str, Any] = {}  # the same in all trials
    # Settings to try.
    search: dict[str, Range | Annotated[list[Any], Field(min_length=1)]] = Field(min_length=1)
    storage: str = ""  # database URL of the study; empty: a file in the run folder

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.method == "grid" and any(isinstance(one, Range) for one in self.search.values()):
            raise ValueError("A grid needs lists of values; ranges are for tpe and random")
        self.distributions()  # Optuna says what it cannot draw from
        return self

    def config_for(self, chosen: Mapping[str, Any]) -> RunConfig:
        """Return the settings of a trial; YAML reads 1e-4 as text."""
        values = {**self.settings, **chosen}
        for name in {"folds", "seeds", "test_fraction"} & values.keys():
            raise InputError(f"Setting {name!r} is decided by the experiment: see outer_folds and seed.")
        return make_config(**values)

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return what Optuna draws the settings from."""
        return {
            name: one.distribution() if isinstance(one, Range) else CategoricalDistribution(one)
            for name, one in self.search.items()
        }


def read_plan(path: Path, storage: str = "") -> ExperimentPlan:
    """Read an experiment from a YAML file; `storage`, or else ``GAITLIB_STORAGE``, overrides the file's.

    Raises `InputError` if the file cannot be read, or a key, a setting or a value cannot be.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is no YAML in UTF-8 ({reason}): mend or save it anew.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no experiment: expected lines such as 'method: grid'.")
    storage = storage or os.environ.get("GAITLIB_STORAGE", "") or content.get("storage", "")
    return make_plan({"name": path.stem, **content, "storage": storage})


def make_plan(content: Mapping[str, Any]) -> ExperimentPlan:
    """Build a plan from plain data and check all of it; see `read_plan`."""
    try:
        plan = ExperimentPlan.model_validate(dict(content))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        problem = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise InputError(f"Experiment {place}: {problem}.") from None
    for chosen in ({}, *list_candidates(plan)):
        plan.config_for(chosen)
    return plan


def list_candidates(plan: ExperimentPlan) -> list[dict[str, Any]]:
    """Return every combination of a grid, in the order of the file; else the two ends of each search."""
    values = [[one.low, one.high] if isinstance(one, Range) else one for one in plan.search.values()]
    ends = [[one[0] for one in values], [one[-1] for one in values]]
    combined = product(*values) if plan.method == "grid" else ends
    return [dict(zip(plan.search, combination, strict=True)) for combination in combined]


def describe_settings(chosen: Mapping[str, Any]) -> str:
    """Return settings as people read them."""
    texts = {name: f"{value:.3g}" if type(value) is float else value for name, value in chosen.items()}
    return ", ".join(f"{name} {text}" for name, text in texts.items())
