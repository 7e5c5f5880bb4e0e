"""Files appear whole or not at all."""

import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from commands import PROJECT, kill_hard, start_python, wait_until

from gaitlib.config import InputError
from gaitlib.errors import StorageError
from gaitlib.files import (
    cache_dir,
    check_output,
    hold_lock,
    project_dir,
    project_path,
    read_json,
    write_aside,
    write_json,
)
from gaitlib.run_list import write_index
from gaitlib.runfolder import new_run, write_failure


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


WRITE = """
import sys, time
from pathlib import Path
from gaitlib.files import write_aside
with write_aside(Path(sys.argv[1])) as aside:
    aside.write_text("half")
    time.sleep(60)
"""


def test_kill_leaves_the_old_file_and_the_next_writer_tidies_up(tmp_path, monkeypatch):
    monkeypatch.setattr("gaitlib.files._TIDY_SECONDS", 0)
    target = tmp_path / "a.txt"
    target.write_text("old")
    process = start_python(WRITE, target)
    wait_until(lambda: any(tmp_path.glob(".a.*/a.txt")), process)
    (left,) = tmp_path.glob(".a.*")
    write_json(tmp_path / "b.json", {})
    assert left.exists(), "its owner was alive"
    kill_hard(process)
    assert target.read_text() == "old"
    (tmp_path / ".other.tmp").mkdir()
    write_json(tmp_path / "b.json", {})
    assert sorted(os.listdir(tmp_path)) == [".other.tmp", "a.txt", "b.json"]


def test_folder_of_many_is_not_listed_at_every_write(tmp_path, monkeypatch):
    write_json(tmp_path / "a.json", {})
    left = tmp_path / ".b.gaitlib.tmp"
    left.mkdir()
    write_json(tmp_path / "a.json", {})
    assert left.exists(), "this process had tidied up a moment ago"
    monkeypatch.setattr("gaitlib.files._TIDY_SECONDS", 0)
    write_json(tmp_path / "a.json", {})
    assert not left.exists()


def test_folder_taken_before_its_owner_locked_it_is_made_again(tmp_path, monkeypatch):
    """Another process may see a new folder before its lock is held, and remove it."""
    made = []

    def make_and_lose(*arguments, **options):
        made.append(mkdtemp(*arguments, **options))
        if len(made) < 3:
            os.rmdir(made[-1])
        return made[-1]

    mkdtemp = tempfile.mkdtemp
    monkeypatch.setattr("tempfile.mkdtemp", make_and_lose)
    write_json(tmp_path / "a.json", {})
    assert os.listdir(tmp_path) == ["a.json"]


COUNT = """
import sys, time
from pathlib import Path
from gaitlib.files import hold_lock
path = Path(sys.argv[1])
for _ in range(100):
    with hold_lock(path, "", wait=True):
        number = int(path.read_text())
        time.sleep(0.0005)
        path.write_text(str(number + 1))
"""


def test_lock_whose_file_comes_and_goes_lets_one_in_at_a_time(tmp_path):
    (tmp_path / "count").write_text("0")
    processes = [start_python(COUNT, tmp_path / "count") for _ in range(3)]
    for process in processes:
        output = process.communicate()[0].strip()
        assert process.returncode == 0, output
    assert (tmp_path / "count").read_text() == "300"
    assert os.listdir(tmp_path) == ["count"]


def test_held_lock_is_refused_in_the_words_given(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from gaitlib.files import hold_lock\n"
        "with hold_lock(Path(sys.argv[1]), ''):\n"
        "    time.sleep(60)\n"
    )
    process = start_python(code, tmp_path / "a")
    wait_until(lambda: (tmp_path / ".a.gaitlib.lock").exists(), process)
    try:
        with (
            pytest.raises(InputError, match="Somebody is there"),
            hold_lock(tmp_path / "a", "Somebody is there"),
        ):
            pass
    finally:
        kill_hard(process)
    with hold_lock(tmp_path / "a", "A killed holder holds nothing"):
        pass
    assert os.listdir(tmp_path) == []


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"Cannot write .*file: File exists.* Choose another folder"):
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


def test_folder_of_the_user_is_no_failed_run(tmp_path):
    """It happens to hold an error.txt."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "error.txt").write_text("my notes on errors")
    (mine / "thesis.docx").write_text("years of work")
    with pytest.raises(InputError, match="already exists"), new_run(mine):
        pass
    assert (mine / "thesis.docx").read_text() == "years of work"


def test_failed_run_gives_way(tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    write_failure(out, "01_preprocessing failed: no video.")
    with new_run(out) as work:
        (work / "index.html").write_text("done")
    assert os.listdir(out) == ["index.html"]


@pytest.mark.parametrize("name", ["walk.mp4", "model.keras", "page.txt", "page"])
def test_output_never_takes_the_place_of_another_kind_of_file(name):
    with pytest.raises(InputError, match=r"would be written as a \.json file"):
        check_output(Path(name), (".json",))
    check_output(Path("said.JSON"), (".json",))
    check_output(None, (".json",))


def test_list_of_runs_bears_strangers(tmp_path):
    """Other results.json files, and a page of the user's own."""
    for name, content in {"a": "{}", "b": "[]", "c": '{"created": "2020", "test": {}}', "d": "{"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(content)
        (tmp_path / name / "index.html").write_text("x")
    write_index(tmp_path)
    assert "0 runs" in (tmp_path / "index.html").read_text()
    (tmp_path / "index.html").write_text("my own home page")
    write_index(tmp_path)
    assert (tmp_path / "index.html").read_text() == "my own home page"
