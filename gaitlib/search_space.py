"""What an experiment may try: a YAML file, checked as data before anything runs."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from gaitlib.config import ExperimentPlan, InputError, RunConfig, check_known, make_config, parse_settings
from gaitlib.models import ALL_MODEL_NAMES

if TYPE_CHECKING:
    import optuna

# Settings that the experiment decides itself, and where to say so.
_DECIDED = {
    "folds": "outer_folds",
    "seeds": "a list of values for 'seed' under search",
    "test_fraction": "outer_folds",
}
# Settings that must be the same in all trials, or shape no trial.
_FIXED = (
    *("demo_walkers", "allow_shared_walkers", "tensorboard", "scheduler"),
    *("sweep_walkers", "leak_lesson", "num_resamples"),
)
_RANGE_KEYS = ("low", "high", "log", "step")
MAX_CANDIDATES = 2000


def read_plan(path: Path, **changes: Any) -> ExperimentPlan:
    """Read an experiment from a YAML file.

    Parameters
    ----------
    path : Path
        Keys are the fields of `ExperimentPlan`; `name` is the file's own where it is left out.
    **changes
        Fields that replace those of the file.

    Returns
    -------
    ExperimentPlan
        With all values in the types of `RunConfig`.

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
        _check_keys_once(path, yaml.compose(text))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its name.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is in an unknown encoding: save it as UTF-8.") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path} is no YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no experiment: expected lines such as 'method: grid'.")
    name = re.sub(r"[^\w .+-]", "_", path.stem).lstrip(" .+-")[:80]
    return make_plan({"name": name or "experiment", **content, **changes})


def _check_keys_once(path: Path, node: yaml.Node | None) -> None:
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise InputError(f"{path} has the key {twice[0]!r} twice: keep one of them.")
        for _, part in node.value:
            _check_keys_once(path, part)


def make_plan(content: Mapping[str, Any]) -> ExperimentPlan:
    """Build a plan from plain data and check all of it; see `read_plan`."""
    for key in content:
        _check_key(key, ExperimentPlan.model_fields, "key")
    try:
        plan = ExperimentPlan.model_validate(dict(content))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"Experiment's {place!r}: {first['msg'][0].lower()}{first['msg'][1:]}.") from None
    settings = _checked(plan.settings, {}, "settings")
    plan = plan.model_copy(
        update={
            "settings": settings,
            "search": {name: _options(name, given, settings) for name, given in plan.search.items()},
            "candidates": [_checked(one, settings, "candidates") for one in plan.candidates],
            "baseline": None if plan.baseline is None else _checked(plan.baseline, settings, "baseline"),
        }
    )
    _check_whole(plan)
    return plan


def list_candidates(plan: ExperimentPlan) -> list[dict[str, Any]]:
    """Return every combination of a grid, in the order of the file."""
    if plan.candidates:
        return [dict(candidate) for candidate in plan.candidates]
    return [dict(zip(plan.search, values, strict=True)) for values in product(*plan.search.values())]


def probe_candidates(plan: ExperimentPlan) -> list[dict[str, Any]]:
    """Return examples of what the trials will be like: a grid whole, else the two ends of each setting."""
    if plan.method == "grid":
        return list_candidates(plan)
    ends = [
        (given["low"], given["high"]) if isinstance(given, dict) else given for given in plan.search.values()
    ]
    return [{name: end[place] for name, end in zip(plan.search, ends, strict=True)} for place in (0, -1)]


def suggest(trial: "optuna.Trial", plan: ExperimentPlan) -> dict[str, Any]:
    """Let a study's sampler choose a value of every searched setting."""
    chosen: dict[str, Any] = {}
    for name, given in plan.search.items():
        if isinstance(given, list):
            chosen[name] = trial.suggest_categorical(name, given)
        elif isinstance(given["low"], int):
            step = int(given.get("step") or 1)
            chosen[name] = trial.suggest_int(name, given["low"], given["high"], step=step, log=given["log"])
        else:
            span = {"step": given.get("step"), "log": given["log"]}
            chosen[name] = trial.suggest_float(name, given["low"], given["high"], **span)
    return chosen


def config_for(plan: ExperimentPlan, chosen: Mapping[str, Any]) -> RunConfig:
    """Return the settings of a trial."""
    return make_config(**{**plan.settings, **chosen})


def describe_settings(chosen: Mapping[str, Any]) -> str:
    """Return settings as people read them."""
    return ", ".join(_describe(name, value) for name, value in chosen.items()) or "the settings as given"


def _describe(name: str, value: Any) -> str:
    if name == "model":
        return str(value)
    if name == "training_walkers" and value == 0:
        return "all training walkers"
    return f"{name} {value:.3g}" if type(value) is float else f"{name} {value}"


def _check_key(key: Any, known: Iterable[str], what: str) -> None:
    names = list(known)
    if key in names:
        return
    near = difflib.get_close_matches(str(key), names, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}."
    raise InputError(f"Unknown {what} {str(key)!r} in the experiment. {hint}")


def _checked(values: Mapping[Any, Any], others: Mapping[str, Any], part: str) -> dict[str, Any]:
    """Return settings in their own types, each checked by itself and all of them together."""
    checked: dict[str, Any] = {}
    for name, value in values.items():
        checked[name] = _value(name, value, {**others, **checked}, is_fixed=part == "settings")
    return checked


def _value(name: Any, value: Any, others: Mapping[str, Any], is_fixed: bool) -> Any:
    check_known(str(name), RunConfig.model_fields)
    if name in _DECIDED:
        raise InputError(f"Setting {name!r} is decided by the experiment: use {_DECIDED[name]}.")
    if name in _FIXED and not is_fixed:
        raise InputError(f"Setting {name!r} must be the same in all trials: put it under settings.")
    if not isinstance(value, bool | int | float | str):
        raise InputError(
            f"Setting {name!r} is a {type(value).__name__}: expected a number, true, false or text."
        )
    if isinstance(value, str):
        # YAML reads 1e-4 as text.
        value = parse_settings({name: value})[name]
    value = getattr(make_config(**{**others, name: value}), name)
    if name == "model" and value not in ALL_MODEL_NAMES:
        _check_key(value, ALL_MODEL_NAMES, "model")
    return value


def _options(name: Any, given: Any, settings: Mapping[str, Any]) -> list[Any] | dict[str, Any]:
    if name in settings:
        raise InputError(f"Setting {name!r} stands under settings and under search: leave one of them out.")
    if isinstance(given, dict):
        return _range(name, given, settings)
    if not isinstance(given, list) or not given:
        raise InputError(f"Searched setting {name!r}: expected a list of values, or low and high.")
    return list(dict.fromkeys(_value(name, value, settings, is_fixed=False) for value in given))


def _range(name: Any, given: Mapping[Any, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    for key in given:
        _check_key(key, _RANGE_KEYS, f"key of searched setting {name!r}:")
    if "low" not in given or "high" not in given:
        raise InputError(f"Searched setting {name!r}: a range needs low and high.")
    low, high = (_value(name, given[end], settings, is_fixed=False) for end in ("low", "high"))
    is_log, step = given.get("log", False), _step(name, given.get("step"), isinstance(low, int))
    if isinstance(low, bool | str):
        raise InputError(f"Searched setting {name!r} is no number: list its values.")
    if not low < high:
        raise InputError(f"Searched setting {name!r}: low is {low}, which is not below high, {high}.")
    if not isinstance(is_log, bool) or (is_log and (low <= 0 or step is not None)):
        raise InputError(f"Searched setting {name!r}: log is true or false, needs low above 0, and no step.")
    return {"low": low, "high": high, "log": is_log, "step": step}


def _step(name: Any, given: Any, is_whole: bool) -> float | None:
    if given is None:
        return None
    try:
        step = float(given)  # YAML reads 1e-4 as text
    except (TypeError, ValueError):
        step = 0.0
    if isinstance(given, bool) or step <= 0 or (is_whole and step != round(step)):
        kind = "a whole number from 1" if is_whole else "a number above 0"
        raise InputError(f"Searched setting {name!r}: step is {given!r}, expected {kind}.")
    return step


def _check_whole(plan: ExperimentPlan) -> None:
    """Check what no key shows by itself."""
    if plan.inner_folds == 1:
        raise InputError("Experiment's 'inner_folds' is 1: expected 0 (nothing is chosen) or at least 2.")
    if plan.candidates and (plan.search or plan.method != "grid"):
        raise InputError("Give either search or candidates; candidates need method grid.")
    if plan.method != "grid":
        if not plan.search:
            raise InputError(f"Method {plan.method} needs settings to search.")
        if not plan.inner_folds:
            raise InputError(
                f"Method {plan.method} chooses by the scores, so it needs inner_folds: else the walkers that "
                "test would have chosen."
            )
    else:
        _check_grid(plan)
    if plan.baseline is not None and (plan.method != "grid" or plan.baseline not in list_candidates(plan)):
        raise InputError(f"The baseline ({describe_settings(plan.baseline)}) is no combination of a grid.")


def _check_grid(plan: ExperimentPlan) -> None:
    for name, given in plan.search.items():
        if isinstance(given, dict):
            raise InputError(f"A grid needs a list of values for {name!r}; ranges are for tpe and random.")
    number = math.prod(len(given) for given in plan.search.values())
    if number > MAX_CANDIDATES:
        raise InputError(f"The grid has {number} combinations, more than {MAX_CANDIDATES}: use method tpe.")
