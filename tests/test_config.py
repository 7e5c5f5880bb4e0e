"""Settings: one place, checked by name, type and range."""

import ast
import difflib
from collections import Counter

import nbformat
import papermill
import pytest
from commands import PROJECT
from pydantic import ValidationError

from gaitlib.config import InputError, RunConfig, make_config, parse_settings, profile_settings

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
# Parameters that are no settings of the run, with their defaults.
PLACES = {
    "run_dir": "reports/notebook",
    "videos": "videos",
    "videos_test": "videosTest",
    "labels": "",
    "video": "",
    "reference": "",
    "others": "",
    "model_file": "",
    "trust_model": False,
    "experiment": "experiments/first_look.yaml",
    "out": "",
    "storage": "",
}


def parameters_cell(path):
    """Return the one cell with the tag `parameters`."""
    cells = nbformat.read(path, as_version=4).cells
    (cell,) = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    return cell


def test_misspelt_setting_names_the_near_one():
    with pytest.raises(InputError, match=r"'epoch'.*Did you mean 'epochs'"):
        make_config(epoch=3)


def test_unlike_any_setting_lists_all():
    assert not difflib.get_close_matches("zzzz", RunConfig.model_fields)
    with pytest.raises(InputError, match=r"'zzzz'.*frame_rate_hz.*epochs"):
        parse_settings({"zzzz": "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", "5"),
        ("epochs", 2.5),
        ("epochs", True),
        ("epochs", 0),
        ("seed", -1),
        ("augment", 1),
        ("augment", "false"),
        ("crop", "face"),
        ("num_channels", 2),
        ("test_fraction", 1.0),
        ("frame_rate_hz", float("nan")),
        ("model", None),
    ],
)
def test_wrong_type_or_range_is_refused_by_name(name, value):
    with pytest.raises(InputError, match=f"Setting '{name}' is"):
        make_config(**{name: value})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("model", "007", "007"),
        ("augment", "false", False),
        ("augment", "True", True),
        ("epochs", "7", 7),
        ("learning_rate", "1e-3", 0.001),
        ("frame_rate_hz", "12", 12.0),
        ("num_channels", "3", 3),
    ],
)
def test_text_becomes_a_value_of_the_declared_type(name, text, value):
    parsed = parse_settings({name: text})
    assert parsed == {name: value}
    assert type(parsed[name]) is type(value)
    make_config(**parsed)


@pytest.mark.parametrize(
    ("name", "text"), [("epochs", "many"), ("epochs", "2.5"), ("augment", "perhaps"), ("seed", "")]
)
def test_text_of_another_type_is_refused(name, text):
    with pytest.raises(InputError, match=f"Setting '{name}' is '{text}'"):
        parse_settings({name: text})


def test_settings_cannot_be_changed_afterwards():
    config = make_config()
    with pytest.raises(ValidationError):
        config.epochs = 5


def test_quick_profile_differs_only_where_it_says():
    quick, standard = make_config("quick").model_dump(), make_config("standard").model_dump()
    changed = {name for name in quick if quick[name] != standard[name]}
    assert changed == set(profile_settings("quick"))
    assert quick["epochs"] < standard["epochs"]


def test_setting_wins_over_profile():
    assert make_config("quick", epochs=11).epochs == 11


def test_unknown_profile_lists_the_known():
    with pytest.raises(InputError, match=r"'fast'.*quick, standard"):
        make_config("fast")


def test_defaults_are_valid_by_their_own_rules():
    assert make_config(**RunConfig().model_dump()) == RunConfig()


def test_every_setting_stands_in_exactly_one_notebook():
    counts = Counter(
        name for path in NOTEBOOKS for name in papermill.inspect_notebook(str(path)) if name not in PLACES
    )
    assert dict(counts) == dict.fromkeys(RunConfig.model_fields, 1)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_repeats_the_defaults(path):
    for name, found in papermill.inspect_notebook(str(path)).items():
        if name not in PLACES:
            default = RunConfig.model_fields[name].default
            value = ast.literal_eval(found["default"])
            assert (name, value, type(value)) == (name, default, type(default))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_parameters_are_annotated_literals_with_a_comment(path):
    source = parameters_cell(path).source
    for line, statement in zip(source.splitlines(), ast.parse(source).body, strict=True):
        assert isinstance(statement, ast.AnnAssign)
        ast.literal_eval(statement.value)
        assert "  # " in line


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_places_mean_the_same_in_every_notebook(path):
    for name, found in papermill.inspect_notebook(str(path)).items():
        if name in PLACES:
            assert ast.literal_eval(found["default"]) == PLACES[name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("seed", 2**32), ("l2_strength", float("inf")), ("learning_rate", float("inf"))],
        *[("frame_rate_hz", float("nan")), ("frame_rate_hz", 1e-4), ("num_resamples", 10**12)],
        *[("test_fraction", 0.9), ("scheduler", "http://somewhere")],
    ],
)
def test_values_that_nothing_can_work_with_are_refused(name, value):
    with pytest.raises(InputError, match=f"Setting '{name}' is "):
        make_config(**{name: value})
