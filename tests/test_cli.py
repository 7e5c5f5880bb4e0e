"""The commands as users type them."""

import json
import shutil
import sys
from functools import partial

import pandas as pd
import pytest
from commands import is_one_sentence, run_gaitlib, run_here, run_python
from conftest import TINY, options

from gaitlib.demo import make_demo
from gaitlib.errors import InputError
from gaitlib.files import read_json

COMMANDS = ("check", "weights", "demo", "report", "train", "evaluate", "predict", "experiment")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_on_any_console(command):
    """A console that knows ASCII only gets plain signs, no traceback."""
    plain = {"PYTHONIOENCODING": "ascii"}
    if sys.prefix.isascii():  # else Python itself does not start in such a locale
        plain |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    process = run_gaitlib(command, "--help", **plain)
    assert process.returncode == 0, process.stderr
    assert "Usage:" in process.stdout


def test_report_and_train_take_the_same_options():
    code = (
        "import typer.main, gaitlib.cli as cli; commands = typer.main.get_command(cli.app).commands; "
        "print(*[[option.opts for option in commands[name].params] for name in ('report', 'train')], sep='|')"
    )
    first, second = run_python("-c", code).stdout.split("|")
    assert first.strip() == second.strip() and "--labels" in first


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("walk",),
        ("report", "--epochs", "3"),
        ("report", "-p", "epochs"),
        ("demo",),
        ("demo", "--videos", "a", "--videos-test", "b", "--walkers", "1"),
        ("predict",),
        ("predict", "a.mp4"),
        ("evaluate",),
        ("train", "-p", "frame_size=8"),
        ("train", "-p", "epoch=1"),
        ("train", "-p", "model=cnn"),
        ("evaluate", "--model", "any.keras", "--relative-to", "ask"),
    ],
)
def test_wrong_usage_exits_with_2(arguments):
    process = run_here(*arguments)
    assert process.returncode == 2
    assert "Traceback" not in process.stderr


def test_check_describes_the_set_up(demo_folders):
    process = run_here("check", "--videos", demo_folders[0], "--videos-test", demo_folders[1])
    assert process.returncode == 0, process.stderr
    for words in ("python 3.", "tensorflow ", "Cache:", "of 4 walkers", "of 2 walkers", "ody model"):
        assert words in process.stdout
    assert "Ready" in process.stdout.splitlines()[-1]


def test_check_says_how_to_mend(tmp_path):
    process = run_here("check", "--videos", tmp_path / "none", "--videos-test", tmp_path / "none")
    assert process.returncode == 1
    assert "To mend: " in process.stdout and "make it" in process.stdout
    assert "Not ready" in process.stdout.splitlines()[-1]


def test_check_and_train_give_the_same_warnings(demo_folders, tmp_path):
    """A class with one walker and a name near another's is told before anything runs."""
    videos = tmp_path / "videos"
    shutil.copytree(demo_folders[0], videos)
    (videos / "hapy").mkdir()
    content = (videos / "happy" / "walker01_1.mp4").read_bytes()
    (videos / "hapy" / "walker01_7.mp4").write_bytes(content + b"\0\0\0\x08free")
    process = run_here("check", "--videos", videos, "--videos-test", demo_folders[1])
    assert "Warning: " in process.stdout and "'hapy'" in process.stdout


def test_check_takes_a_label_file(demo_folders, tmp_path):
    names = sorted(path.relative_to(demo_folders[0]).as_posix() for path in demo_folders[0].glob("*/*.mp4"))
    rows = [(name, "calm" if "neutral" in name else "moved") for name in names]
    pd.DataFrame(rows, columns=["video", "emotion"]).to_csv(tmp_path / "mine.csv", index=False)
    process = run_here(
        *("check", "--videos", demo_folders[0], "--videos-test", tmp_path, "--labels", tmp_path / "mine.csv")
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "calm" in process.stdout and "moved" in process.stdout


def test_demo_writes_walkers_once(tmp_path, monkeypatch):
    monkeypatch.setattr("gaitlib.demo.make_demo", partial(make_demo, clip_seconds=(0.2, 0.2)))
    arguments = ("demo", "--videos", tmp_path / "a", "--videos-test", tmp_path / "b", "--walkers", 2)
    process = run_here(*arguments)
    assert "Wrote 16 synthetic videos" in process.stdout, process.stderr
    assert len(list((tmp_path / "a").glob("*/*.mp4"))) >= 8
    again = run_here(*arguments)
    assert again.returncode == 1 and is_one_sentence(again) and "already holds" in again.stderr


def test_train_prints_layers_and_scores_and_writes_the_run(trained):
    for words in "lstm,held-out walkers,precision,recall,F-score,majority,p ,synthetic".split(","):
        assert words in trained.stdout
    assert "Confusion matrix (rows: true, columns: predicted):" in trained.stdout
    assert f"Run folder: {trained.folder}" in trained.stdout
    names = {path.name for path in trained.folder.iterdir()}
    assert names >= {"model.keras", "model.h5", "model.json", "config.json", "results.json"}
    assert names >= {"predictions.csv", "skipped.csv", "gait_parameters.csv"}
    assert not [name for name in names if name.startswith(".")]


def test_train_does_not_touch_an_older_run(trained, demo_folders):
    before = (trained.folder / "model.keras").read_bytes()
    process = run_here("train", "--videos", demo_folders[0], "--out", trained.folder)
    assert process.returncode == 1
    assert is_one_sentence(process)
    assert "choose another --out" in process.stderr
    assert (trained.folder / "model.keras").read_bytes() == before


def test_train_refuses_shared_walkers_before_it_decodes_and_writes_nothing(demo_folders, tmp_path):
    (tmp_path / "test" / "sad").mkdir(parents=True)
    content = (demo_folders[0] / "sad" / "walker01_1.mp4").read_bytes()
    (tmp_path / "test" / "sad" / "walker01_9.mp4").write_bytes(content + b"\0\0\0\x08free")
    process = run_here(
        *("train", "--videos", demo_folders[0], "--videos-test", tmp_path / "test"),
        *("--out", tmp_path / "run", *options(**TINY)),
    )
    assert process.returncode == 1
    last = process.stderr.splitlines()[-1]
    assert "walker01" in last and "in training and test" in last
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("model", ["", "model.h5"])
def test_evaluate_repeats_the_scores(trained, demo_folders, tmp_path, model):
    """A run folder stands for its chosen model, which the run's own scores are of."""
    process = run_here(
        *("evaluate", "--videos-test", demo_folders[1], "--model", trained.folder / model),
        *("--out", tmp_path / "again"),
    )
    assert process.returncode == 0, process.stderr
    for words in ("precision", "recall", "F-score", "Confusion matrix", "Baselines"):
        assert words in process.stdout
    first, again = (read_json(folder / "results.json") for folder in (trained.folder, tmp_path / "again"))
    if not model:
        assert again["test"]["accuracy"] == first["test"]["accuracy"]
        tables = [pd.read_csv(path / "predictions.csv") for path in (trained.folder, tmp_path / "again")]
        pd.testing.assert_frame_equal(*tables, atol=1e-5)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_missing_model_is_one_sentence(command, demo_folders, tmp_path):
    files = ["--videos-test", demo_folders[1]] if command == "evaluate" else [demo_folders[1]]
    process = run_here(command, *files, "--model", tmp_path / "gone.keras")
    assert process.returncode == 1
    assert is_one_sentence(process)
    assert "gone.keras" in process.stderr


def test_debug_shows_the_traceback(tmp_path):
    """What the command lets through, Python shows."""
    arguments = ("predict", tmp_path, "--model", tmp_path / "gone.keras")
    for with_debug in (("--debug", *arguments), (*arguments, "--debug")):
        with pytest.raises(InputError, match="gone"):
            run_here(*with_debug)


def test_predict_writes_json_whole_or_not_at_all(trained, demo_video, tmp_path):
    (tmp_path / "file").write_text("")
    arguments = ("predict", demo_video, "--model", trained.folder, "--json")
    process = run_here(*arguments, tmp_path / "file" / "out.json")
    assert process.returncode == 1
    assert str(tmp_path / "file") in process.stderr and "Traceback" not in process.stderr
    process = run_here(*arguments, tmp_path / "out.json")
    assert process.returncode == 0, process.stderr
    (entry,) = json.loads((tmp_path / "out.json").read_text())["videos"]
    assert entry["status"] in ("ok", "warned", "abstained")
