"""What an experiment may try: a YAML file, checked as data before anything runs."""

import math
import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gaitlib.config import RunConfig, check_known, make_config, parse_settings
from gaitlib.errors import InputError
from gaitlib.models import MODEL_NAMES

# Settings that the experiment decides, and where to say so; settings that must be the same in all trials.
_DECIDED = {"folds": "outer_folds", "seeds": "a list of values for 'seed'", "test_fraction": "outer_folds"}
_FIXED = {
    "demo_walkers",
    "allow_shared_walkers",
    "scheduler",
    "sweep_walkers",
    "num_resamples",
}
MAX_CANDIDATES = 2000


class Range(BaseModel, frozen=True, extra="forbid"):
    """Numbers from `low` to `high`, on a logarithmic scale or in steps."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"Low is {self.low}, which is not below high, {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("A logarithmic scale needs low above 0, and no step")
        return self


class ExperimentPlan(BaseModel):
    """What an experiment tries and how it is scored; `read_plan` builds it.

    Examples
    --------
    >>> ExperimentPlan(name="models", search={"model": ["cnn_lstm"]}).method
    'grid'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^\w[\w .+-]{0,79}$")  # of the study and of its folder
    method: Literal["grid", "tpe", "random"] = "grid"  # tpe: tree-structured Parzen estimator
    trials: int = Field(20, ge=1, le=10000)  # of each study; a grid has its own number
    outer_folds: int = Field(5, ge=2, le=50)  # parts of the walkers; each is tested once
    inner_folds: int = Field(3, ge=0, le=50)  # parts of the rest that score a trial; 0: nothing is chosen
    prune: bool = True  # stop a trial that is below the median after an inner fold
    settings: dict[str, Any] = {}  # the same in all trials
    search: dict[str, Range | list[Any]] = {}  # settings to try
    candidates: list[dict[str, Any]] = []  # instead of search: the combinations of a grid
    baseline: dict[str, Any] | None = None  # the combination to compare with; None: the best one
    storage: str = ""  # database URL that machines share; empty: a file in the run folder

    @model_validator(mode="after")
    def _check(self) -> Self:
        ranges = [name for name, one in self.search.items() if isinstance(one, Range)]
        is_grid = self.method == "grid"
        if self.inner_folds == 1:
            raise ValueError("Setting 'inner_folds' is 1: expected 0 (nothing is chosen) or at least 2")
        if self.candidates and (self.search or not is_grid):
            raise ValueError("Give either search or candidates; candidates need method grid")
        if is_grid and ranges:
            raise ValueError(
                f"A grid needs a list of values for {ranges[0]!r}; ranges are for tpe and random"
            )
        if not is_grid and not (self.search and self.inner_folds):
            raise ValueError(f"Method {self.method} needs settings to search, and inner_folds to score them")
        if is_grid and math.prod(len(list(one)) for one in self.search.values()) > MAX_CANDIDATES:
            raise ValueError(f"The grid has more than {MAX_CANDIDATES} combinations: use method tpe")
        return self


def read_plan(path: Path, **changes: Any) -> ExperimentPlan:
    """Read an experiment from a YAML file; `changes` replace fields of the file.

    Raises
    ------
    InputError
        If the file cannot be read, or a key, a setting or a value is not possible.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no regular file: name a YAML file.")
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
        keys = [key.value for key, _ in yaml.compose(text).value] if isinstance(content, dict) else []
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is no YAML in UTF-8 ({reason}): mend or save it anew.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no experiment: expected lines such as 'method: grid'.")
    for key in {key for key in keys if keys.count(key) > 1}:
        raise InputError(f"{path} has the key {key!r} twice: keep one of them.")
    name = re.sub(r"[^\w .+-]", "_", path.stem).lstrip(" .+-")[:80]
    return make_plan({"name": name or "experiment", **content, **changes})


def make_plan(content: Mapping[str, Any]) -> ExperimentPlan:
    """Build a plan from plain data and check all of it; see `read_plan`."""
    _check_names(content, ExperimentPlan.model_fields, "key")
    searched = content.get("search")
    for name, one in searched.items() if isinstance(searched, dict) else ():
        _check_names(one if isinstance(one, dict) else (), Range.model_fields, f"key of search {name!r}:")
    try:
        plan = ExperimentPlan.model_validate(dict(content))
    except ValidationError as error:
        first = error.errors()[0]
        place = f" {'.'.join(map(str, first['loc']))!r}" if first["loc"] else ""
        raise InputError(f"Experiment{place}: {first['msg'].removeprefix('Value error, ')}.") from None
    settings = _checked(plan.settings, {}, fixed=set())
    checked: dict[str, Any] = {"settings": settings}
    checked["candidates"] = [_checked(one, settings) for one in plan.candidates]
    checked["search"] = {name: _options(name, one, settings) for name, one in plan.search.items()}
    checked["baseline"] = None if plan.baseline is None else _checked(plan.baseline, settings)
    plan = plan.model_copy(update=checked)
    if plan.baseline is not None and (plan.method != "grid" or plan.baseline not in list_candidates(plan)):
        raise InputError(f"The baseline ({describe_settings(plan.baseline)}) is no combination of a grid.")
    return plan


def list_candidates(plan: ExperimentPlan) -> list[dict[str, Any]]:
    """Return every combination of a grid, in the order of the file; else the two ends of each search."""
    if plan.candidates:
        return [dict(candidate) for candidate in plan.candidates]
    values = [[one.low, one.high] if isinstance(one, Range) else one for one in plan.search.values()]
    combined = (
        product(*values) if plan.method == "grid" else ([one[end] for one in values] for end in (0, -1))
    )
    return [dict(zip(plan.search, combination, strict=True)) for combination in combined]


def config_for(plan: ExperimentPlan, chosen: Mapping[str, Any]) -> RunConfig:
    """Return the settings of a trial."""
    return make_config(**{**plan.settings, **chosen})


def describe_settings(chosen: Mapping[str, Any]) -> str:
    """Return settings as people read them."""
    texts = {name: f"{value:.3g}" if type(value) is float else str(value) for name, value in chosen.items()}
    words = [text if name == "model" else f"{name} {text}" for name, text in texts.items()]
    return ", ".join(words) or "the settings as given"


def _check_names(names: Any, known: Any, what: str) -> None:
    for name in names:
        try:
            check_known(str(name), list(known))
        except InputError as error:
            words = str(error).replace("Known settings", "Known").replace("setting", what, 1)
            raise InputError(words) from None


def _checked(
    values: Mapping[str, Any], others: Mapping[str, Any], fixed: set[str] = _FIXED
) -> dict[str, Any]:
    """Return settings in their own types, checked together with the `others`."""
    for name in values:
        check_known(name, RunConfig.model_fields)
        if name in _DECIDED:
            raise InputError(f"Setting {name!r} is decided by the experiment: use {_DECIDED[name]}.")
        if name in fixed:
            raise InputError(f"Setting {name!r} must be the same in all trials: put it under settings.")
    # YAML reads 1e-4 as text.
    texts = parse_settings({name: value for name, value in values.items() if isinstance(value, str)})
    config = make_config(**{**others, **values, **texts})
    _check_names([config.model], ["auto", *MODEL_NAMES], "model")
    return {name: getattr(config, name) for name in values}


def _options(name: str, given: Range | list[Any], settings: Mapping[str, Any]) -> Range | list[Any]:
    if name in settings:
        raise InputError(f"Setting {name!r} stands under settings and under search: leave one of them out.")
    if isinstance(given, Range):
        low, high = (_checked({name: end}, settings)[name] for end in (given.low, given.high))
        return given.model_copy(update={"low": low, "high": high})
    if not given:
        raise InputError(f"Searched setting {name!r}: expected a list of values, or low and high.")
    return list(dict.fromkeys(_checked({name: value}, settings)[name] for value in given))
