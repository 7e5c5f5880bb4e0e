"""Files appear whole or not at all."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from commands import PROJECT, kill_hard, start_python, wait_until

from gaitlib.config import InputError
from gaitlib.files import cache_dir, project_dir, project_path, read_json, write_aside, write_json


def test_write_aside_puts_the_file_in_place(tmp_path):
    with write_aside(tmp_path / "deep" / "a.txt") as aside:
        aside.write_text("new")
        assert aside.suffix == ".txt"
        assert not (tmp_path / "deep" / "a.txt").exists()
    assert (tmp_path / "deep" / "a.txt").read_text() == "new"
    assert os.listdir(tmp_path / "deep") == ["a.txt"]


def test_write_aside_leaves_nothing_after_an_exception(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), write_aside(tmp_path / "a.txt") as aside:
        aside.write_text("half")
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_write_aside_writes_whole_folders(tmp_path):
    with write_aside(tmp_path / "entry") as aside:
        aside.mkdir()
        (aside / "part").write_text("x")
        assert not (tmp_path / "entry").exists()
    assert os.listdir(tmp_path) == ["entry"]


def test_kill_leaves_the_old_file_untouched(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    code = (
        "import sys, time; from pathlib import Path; from gaitlib.files import write_aside\n"
        "with write_aside(Path(sys.argv[1])) as aside:\n"
        "    aside.write_text('half')\n"
        "    time.sleep(60)\n"
    )
    process = start_python(code, target)
    wait_until(lambda: any(tmp_path.glob(".a.*/a.txt")), process)
    kill_hard(process)
    assert target.read_text() == "old"
    assert [name for name in os.listdir(tmp_path) if not name.startswith(".")] == ["a.txt"]


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/a\.txt: .*Choose another folder"):
        write_json(tmp_path / "file" / "a.txt", {})


def test_json_has_no_nan(tmp_path):
    content = {"a": float("nan"), "b": [float("inf"), np.float32("nan"), np.arange(2)], 3: "é", "p": None}
    write_json(tmp_path / "a.json", content)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=pytest.fail) == {
        "a": None,
        "b": [None, None, [0, 1]],
        "3": "é",
        "p": None,
    }


def test_missing_and_broken_json_say_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"no\.json is missing: run the step"):
        read_json(tmp_path / "no.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match=r"bad\.json cannot be read as JSON .*delete it"):
        read_json(tmp_path / "bad.json")


def test_cache_is_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv("GAITLIB_CACHE", str(tmp_path / "here"))
    assert cache_dir() == tmp_path / "here"
    monkeypatch.delenv("GAITLIB_CACHE")
    assert cache_dir().name == "gaitlib"


def test_relative_paths_start_at_the_project(monkeypatch):
    monkeypatch.chdir(PROJECT / "notebooks")
    assert project_dir() == PROJECT
    assert project_path("videos") == PROJECT / "videos"
    assert project_path("/a/b") == Path("/a/b")
