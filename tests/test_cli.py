"""The commands as users type them."""

import json
import shutil

import pandas as pd
import pytest
from commands import is_one_sentence, run_gaitlib, run_python
from media import bar_code, write_video

from gaitlib.files import read_json

COMMANDS = ("check", "demo", "report", "train", "evaluate", "predict")


def test_help_lists_the_commands():
    process = run_gaitlib("--help")
    assert process.returncode == 0
    assert all(command in process.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    process = run_gaitlib(command, "--help")
    assert process.returncode == 0
    assert "Usage:" in process.stdout


def test_importing_does_not_load_tensorflow():
    code = "import sys, gaitlib, gaitlib.cli; print({'tensorflow', 'keras'} & set(sys.modules))"
    process = run_python("-c", code)
    assert process.stdout.strip() == "set()", process.stderr


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
    ],
)
def test_wrong_usage_exits_with_2(arguments):
    process = run_gaitlib(*arguments)
    assert process.returncode == 2
    assert "Traceback" not in process.stderr


def test_check_describes_the_set_up(demo_folders):
    process = run_gaitlib("check", "--videos", demo_folders[0], "--videos-test", demo_folders[1])
    assert process.returncode == 0, process.stderr
    for words in ("python 3.", "tensorflow ", "Cache:", "16 videos of 4 walkers", "8 videos of 2 walkers"):
        assert words in process.stdout
    assert "Ready" in process.stdout.splitlines()[-1]


def test_check_says_how_to_mend(tmp_path):
    process = run_gaitlib("check", "--videos", tmp_path / "none", "--videos-test", tmp_path / "none")
    assert process.returncode == 1
    assert "To mend: " in process.stdout
    assert "--videos" in process.stdout
    assert "Not ready" in process.stdout


def test_demo_writes_walkers_once(tmp_path):
    arguments = ("demo", "--videos", tmp_path / "a", "--videos-test", tmp_path / "b", "--walkers", 2)
    process = run_gaitlib(*arguments)
    assert process.returncode == 0, process.stderr
    assert "16 synthetic videos of 2 walkers" in process.stdout
    assert len(list((tmp_path / "a").glob("*/*.mp4"))) == 16
    assert (tmp_path / "b" / "truth.csv").exists()
    again = run_gaitlib(*arguments)
    assert again.returncode == 1
    assert is_one_sentence(again)
    assert "already holds" in again.stderr


def test_train_prints_layers_and_scores(trained):
    for words in ("lstm", "Accuracy on 8 videos of 2 unseen walkers", "precision", "recall", "f1"):
        assert words in trained.stdout
    assert "Confusion matrix (rows: true, columns: predicted):" in trained.stdout
    assert "Synthetic walkers" in trained.stdout
    assert f"Run folder: {trained.folder}" in trained.stdout


def test_train_writes_the_run(trained):
    names = {path.name for path in trained.folder.iterdir()}
    assert names >= {"model.keras", "model.h5", "config.json", "results.json", "predictions.csv"}
    assert "skipped.csv" in names
    assert not [name for name in names if name.startswith(".")]


def test_train_does_not_touch_an_older_run(trained, demo_folders):
    before = (trained.folder / "model.keras").read_bytes()
    process = run_gaitlib("train", "--videos", demo_folders[0], "--out", trained.folder)
    assert process.returncode == 1
    assert is_one_sentence(process)
    assert "choose another --out" in process.stderr
    assert (trained.folder / "model.keras").read_bytes() == before


def test_train_refuses_shared_walkers_and_writes_nothing(demo_folders, tmp_path):
    shutil.copytree(demo_folders[0], tmp_path / "videos")
    (tmp_path / "test" / "sad").mkdir(parents=True)
    content = (demo_folders[0] / "sad" / "walker01_1.mp4").read_bytes()
    (tmp_path / "test" / "sad" / "walker01_9.mp4").write_bytes(content + b"\0\0\0\x08free")
    process = run_gaitlib(
        *("train", "--videos", tmp_path / "videos", "--videos-test", tmp_path / "test"),
        *("--out", tmp_path / "run", "-p", "num_frames=8", "-p", "frame_size=32"),
    )
    assert process.returncode == 1
    last = process.stderr.splitlines()[-1]
    assert last.startswith("gaitlib: The same walker is in training and test (walker01)")
    assert "--allow-shared-walkers" in last
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "run").exists()


def test_evaluate_repeats_the_scores(trained, demo_folders, tmp_path):
    process = run_gaitlib(
        *("evaluate", "--videos-test", demo_folders[1], "--model", trained.folder / "model.h5"),
        *("--out", tmp_path / "again"),
    )
    assert process.returncode == 0, process.stderr
    for words in ("precision", "recall", "f1", "Confusion matrix", "Baselines"):
        assert words in process.stdout
    first, again = (read_json(folder / "results.json") for folder in (trained.folder, tmp_path / "again"))
    assert again["test"] == first["test"]
    tables = [pd.read_csv(folder / "predictions.csv") for folder in (trained.folder, tmp_path / "again")]
    pd.testing.assert_frame_equal(*tables, atol=1e-6)


@pytest.fixture(scope="module")
def answers(trained, demo_folders, tmp_path_factory) -> tuple[dict, list[str], str]:
    """Predict one of everything; return the JSON, the files as given, and what was printed."""
    folder = tmp_path_factory.mktemp("predict")
    still = [bar_code(5, 320, 240)] * 60
    write_video(folder / "still.mp4", size=(320, 240), pictures=still)
    (folder / "text.mp4").write_text("no video")
    shutil.copytree(demo_folders[1] / "sad", folder / "more")
    walk = shutil.copy(demo_folders[1] / "happy" / "walker05_1.mp4", folder / "=walk <b>.mp4")
    files = [folder / "still.mp4", walk, folder / "more", folder / "text.mp4", folder / "gone.mp4"]
    process = run_gaitlib(
        *("predict", *files, "--model", trained.folder / "model.keras", "--json", folder / "out.json")
    )
    assert process.returncode == 0, process.stderr
    inside = sorted((folder / "more").iterdir())
    expected = [str(path) for path in (*files[:2], *inside, *files[3:])]
    return read_json(folder / "out.json"), expected, process.stdout


def test_predict_has_one_entry_a_file_in_order(answers):
    content, expected, _ = answers
    assert content["schema_version"] == 1
    assert content["model"].endswith("model.keras")
    assert [video["video"] for video in content["videos"]] == expected


def test_predict_says_ok_abstained_or_refused(answers):
    statuses = [video["status"] for video in answers[0]["videos"]]
    assert statuses == ["abstained", "ok", "ok", "ok", "refused", "refused"]


def test_predict_entries_have_the_keys_of_the_contract(answers):
    for video in answers[0]["videos"]:
        assert video.keys() >= {
            "video", "status", "emotion", "confidence", "probabilities", "seconds_used", "frames_read",
            "corrupt_frames", "notes", "timeline",
        }  # fmt: skip
        assert all(isinstance(note, str) for note in video["notes"])


def test_predict_gives_probabilities_for_what_it_read(answers):
    for video in answers[0]["videos"]:
        if video["status"] != "ok":
            assert video["emotion"] is None
            assert video["timeline"] == []
            continue
        assert sum(video["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        best = max(video["probabilities"], key=video["probabilities"].get)
        assert (video["emotion"], video["confidence"]) == (best, video["probabilities"][best])
        assert 0.5 < video["seconds_used"] < 3.2
        assert video["frames_read"] > 60
        for part in video["timeline"]:
            assert part["end_seconds"] - part["start_seconds"] == pytest.approx(8 / 15, abs=0.01)
            assert sum(part["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_predict_says_why_not(answers):
    still, *_, text, gone = answers[0]["videos"]
    assert "nobody was found" in " ".join(still["notes"])
    assert still["frames_read"] == 60
    assert "text.mp4" in text["notes"][0]
    assert "gone.mp4" in gone["notes"][0]
    assert text["frames_read"] == gone["frames_read"] == 0


def test_predict_prints_a_line_a_file(answers):
    content, _, stdout = answers
    lines = stdout.splitlines()
    for video in content["videos"]:
        assert any(video["video"] in line for line in lines)
    assert "trained on synthetic walkers" in stdout


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_missing_model_is_one_sentence(command, demo_folders, tmp_path):
    files = [demo_folders[1]] if command == "predict" else ["--videos-test", demo_folders[1]]
    process = run_gaitlib(command, *files, "--model", tmp_path / "gone.keras")
    assert process.returncode == 1
    assert is_one_sentence(process)
    assert "gone.keras" in process.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "-p", "frame_size=8"),
        ("train", "-p", "epoch=1"),
        ("train", "-p", "model=cnn"),
        ("evaluate", "--model", "any.keras", "--missing-reference", "ask"),
    ],
)
def test_wrong_usage_has_a_code_of_its_own(arguments):
    process = run_gaitlib(*arguments)
    assert process.returncode == 2
    assert "Traceback" not in process.stderr


def test_empty_folder_is_one_sentence(trained, tmp_path):
    process = run_gaitlib("predict", tmp_path, "--model", trained.folder / "model.keras")
    assert process.returncode == 1
    assert is_one_sentence(process)
    assert str(tmp_path) in process.stderr


def test_empty_folder_among_others_is_refused_in_its_place(trained, demo_folders, tmp_path):
    (tmp_path / "empty").mkdir()
    process = run_gaitlib(
        *("predict", tmp_path / "empty", demo_folders[1] / "sad", "--model", trained.folder / "model.keras"),
        *("--json", tmp_path / "out.json"),
    )
    assert process.returncode == 0, process.stderr
    entries = json.loads((tmp_path / "out.json").read_text())["videos"]
    assert [entry["status"] == "refused" for entry in entries] == [True, False, False]
    assert "is a folder" in entries[0]["notes"][0]


def test_debug_shows_the_traceback(tmp_path):
    arguments = ("predict", tmp_path, "--model", tmp_path / "gone.keras")
    assert "Traceback" not in run_gaitlib(*arguments).stderr
    for with_debug in (("--debug", *arguments), (*arguments, "--debug")):
        process = run_gaitlib(*with_debug)
        assert process.returncode == 1
        assert "Traceback" in process.stderr


def test_json_is_written_whole_or_not_at_all(trained, demo_folders, tmp_path):
    (tmp_path / "file").write_text("")
    process = run_gaitlib(
        *("predict", demo_folders[1] / "sad" / "walker05_1.mp4", "--model", trained.folder / "model.keras"),
        *("--json", tmp_path / "file" / "out.json"),
    )
    assert process.returncode == 1
    assert str(tmp_path / "file") in process.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert json.dumps(process.stderr).count("Traceback") == 0
