"""Settings, files and errors: what every room stands on."""

import errno
import multiprocessing
import os
import time

import numpy as np
import pandas as pd
import pytest

from gaitlib.config import RunConfig, make_config, resolve_body
from gaitlib.errors import InputError, known_sentence, sentence_of
from gaitlib.files import hold_lock, read_json, show_name, write_aside, write_csv, write_json


def test_defaults_are_valid_and_frozen():
    config = make_config()
    assert config == RunConfig()
    with pytest.raises(ValueError, match="frozen"):
        config.epochs = 3


@pytest.mark.parametrize("profile", ["quick", "standard", "published"])
def test_every_profile_is_valid(profile):
    assert make_config(profile, seed=1).seed == 1


def test_published_profile_is_the_publication():
    config = make_config("published")
    assert (config.model, config.learning_rate) == ("cnn_lstm", 0.00007)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epoch": 3}, "expected one of .* epochs"),
        ({"epochs": "3.5"}, "'epochs' is '3.5'"),
        ({"epochs": [3]}, "'epochs' is .3.: input should be"),
        ({"epochs": 0}, "'epochs' is 0"),
        ({"folds": 1}, "expected 0"),
        ({"num_channels": 2}, "1 or 3"),
        ({"crop": "skeleton", "body": "silhouette"}, "needs body"),
        ({"learning_rate": float("nan")}, "finite"),
    ],
)
def test_wrong_settings_are_told_in_a_sentence(settings, words):
    with pytest.raises(InputError, match=words):
        make_config(**settings)


def test_texts_become_values_of_the_declared_type():
    parsed = make_config(epochs="5", augment="false", learning_rate="1e-3", reference_emotion="007")
    assert (parsed.epochs, parsed.augment, parsed.learning_rate) == (5, False, 1e-3)
    assert parsed.reference_emotion == "007"
    with pytest.raises(InputError, match="'epochs' is 'five': input should be a valid integer"):
        make_config(epochs="five")


def test_crop_follows_the_body():
    assert resolve_body(make_config(), "keypoints").crop == "skeleton"
    assert resolve_body(make_config(), "silhouette").crop == "silhouette"
    assert resolve_body(make_config(crop="frame"), "keypoints").crop == "frame"
    with pytest.raises(InputError, match="without skeleton"):
        resolve_body(make_config(model="skeleton_gru"), "silhouette")


def test_nothing_half_written_takes_the_name(tmp_path):
    path = tmp_path / "results.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="stop"), write_aside(path) as aside:
        aside.write_text("half")
        raise ValueError("stop")
    assert read_json(path) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


def test_json_has_no_nan(tmp_path):
    write_json(tmp_path / "a.json", {"x": float("nan"), "y": np.array([1.0, np.inf])})
    assert read_json(tmp_path / "a.json") == {"x": None, "y": [1.0, None]}


def test_missing_and_damaged_json_are_told(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    for name in ("none.json", "bad.json"):
        with pytest.raises(InputError, match=f"{name} is missing or damaged .*: run the step"):
            read_json(tmp_path / name)


def _hold(path, started):
    with hold_lock(path, "busy"):
        started.set()
        time.sleep(30)


def test_lock_is_told_and_ends_with_its_holder(tmp_path):
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "run", started))
    process.start()
    assert started.wait(20)
    with pytest.raises(InputError, match="busy"), hold_lock(tmp_path / "run", "busy"):
        pass
    process.kill()
    process.join()
    with hold_lock(tmp_path / "run", "busy"):
        pass


def test_unwritable_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file") as error, write_aside(tmp_path / "file" / "x" / "y"):
        pass
    assert "Choose another folder" in sentence_of(error.value)
    hidden = PermissionError(13, "Permission denied", "/a/.x1.gaitlib.tmp/b.json")
    assert sentence_of(hidden).startswith("Cannot read or write '/a/b.json': Permission denied.")
    assert sentence_of(OSError(5, "Input/output error")) == "Input/output error."


def test_cells_cannot_act_as_formulas(tmp_path):
    write_csv(tmp_path / "a.csv", pd.DataFrame({"video": ["=cmd()", "ok.mp4"], "n": [1, 2]}))
    assert (tmp_path / "a.csv").read_text().splitlines()[1] == "'=cmd(),1"


def test_names_become_printable():
    assert show_name("walk\n1.mp4") == "walk\\n1.mp4"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("ResourceExhaustedError", "OOM", "not enough memory"),
        ("DeadKernelError", "Kernel died", "was killed"),
        ("RuntimeError", os.strerror(errno.ENOSPC), "Free some space"),
    ],
)
def test_faults_of_the_machine_are_told(name, text, words):
    assert words in known_sentence(name, text)


def test_unknown_errors_own_up():
    assert sentence_of(KeyError("x")).startswith("unexpected KeyError")
    assert sentence_of(InputError("a b")) == "a b"
