"""From two folders to three splits: what is refused, skipped, held out, remembered."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from gaitlib.config import InputError
from gaitlib.preparation import prepare_data, prepare_test
from gaitlib.rundata import load_data


@pytest.fixture()
def folders(demo_folders, tmp_path) -> tuple[Path, Path]:
    """Return copies of the synthetic walkers, to be changed at will."""
    for source, name in zip(demo_folders, ("videos", "videosTest"), strict=True):
        shutil.copytree(source, tmp_path / name)
    return tmp_path / "videos", tmp_path / "videosTest"


def test_test_folder_is_the_test(demo_folders, tiny_config):
    data = prepare_data(*demo_folders, tiny_config)
    assert data.videos["split"].value_counts().to_dict() == {"train": 12, "test": 8, "validation": 4}
    walkers = [set(data.rows(split)["walker"]) for split in ("train", "validation", "test")]
    assert sum(map(len, walkers)) == len(set.union(*walkers)) == 6
    assert data.emotions == ("angry", "happy", "neutral", "sad")
    assert data.is_demo
    assert data.num_synthetic == 24


@pytest.mark.parametrize("is_there", [True, False])
def test_without_test_videos_walkers_are_held_out(folders, tiny_config, is_there):
    shutil.rmtree(folders[1])
    if is_there:
        folders[1].mkdir()
    data = prepare_data(*folders, tiny_config)
    walkers = [set(data.rows(split)["walker"]) for split in ("train", "validation", "test")]
    assert all(walkers)
    assert sum(map(len, walkers)) == len(set.union(*walkers)) == 4
    (warning,) = data.warnings
    assert "test folder holds no labelled video that can be used" in warning


def write_labels(path: Path, folders: tuple[Path, ...]) -> Path:
    """Write a label file for the videos of folders, with the emotions happy and sad exchanged."""
    swapped = {"happy": "sad", "sad": "happy"}
    names = [file.relative_to(folder) for folder in folders for file in sorted(folder.rglob("*.mp4"))]
    rows = [f"{name.as_posix()},{swapped.get(name.parts[0], name.parts[0])}" for name in names]
    path.write_text("\n".join(["video,emotion", *rows]))
    return path


@pytest.mark.parametrize("lists_test", [True, False])
def test_label_file_that_lists_the_test_comes_before_its_folders(folders, tiny_config, tmp_path, lists_test):
    labels = write_labels(tmp_path / "labels.csv", folders if lists_test else folders[:1])
    test = prepare_data(*folders, tiny_config, labels).rows("test")
    is_swapped = test["video"].str.split("/").str[0] != test["emotion"]
    assert len(test) == 8
    assert is_swapped.sum() == (4 if lists_test else 0)


def test_label_file_that_lists_a_part_of_the_test_leaves_it_alone(folders, tiny_config, tmp_path):
    labels = write_labels(tmp_path / "labels.csv", folders)
    labels.write_text("\n".join(labels.read_text().splitlines()[:-1]))
    data = prepare_data(*folders, tiny_config, labels)
    test = data.rows("test")
    assert len(test) == 8
    assert (test["video"].str.split("/").str[0] == test["emotion"]).all()
    assert any("does not list all videos of the test folder" in warning for warning in data.warnings)


def test_label_file_of_the_training_is_not_taken_for_test_videos_of_the_same_names(
    folders, tiny_config, tmp_path
):
    """The file names videos without their folders, as 001.mp4, and the test has one of each name too."""
    for folder in folders:
        for number, path in enumerate(sorted(folder.glob("*/*.mp4"))):
            path.rename(path.with_name(f"{number:03d}.mp4"))
    names = [path.name for path in sorted(folders[0].glob("*/*.mp4"))]
    walkers = [f"w{number % 4}" for number in range(len(names))]
    emotions = [path.parent.name for path in sorted(folders[0].glob("*/*.mp4"))]
    rows = [",".join(row) for row in zip(names, emotions, walkers, strict=True)]
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(["video,emotion,walker", *rows]))
    test = prepare_data(*folders, tiny_config, labels).rows("test")
    assert len(test) == 8
    assert (test["video"].str.split("/").str[0] == test["emotion"]).all()


def test_unlabelled_test_videos_are_skipped_with_a_hint(folders, tiny_config, tmp_path):
    loose = tmp_path / "loose"
    loose.mkdir()
    shutil.copy(next(folders[1].glob("*/*.mp4")), loose / "a.mp4")
    data = prepare_data(folders[0], loose, tiny_config)
    assert (data.videos["split"] == "test").any()
    (reason,) = data.skipped.loc[data.skipped["video"] == "a.mp4", "reason"]
    assert "gaitlib predict" in reason


def test_the_same_data_has_the_same_fingerprint(demo_folders, folders, tiny_config):
    fingerprint = prepare_data(*demo_folders, tiny_config).fingerprint
    assert prepare_data(*folders, tiny_config).fingerprint == fingerprint
    next(folders[0].glob("sad/*.mp4")).unlink()
    assert prepare_data(*folders, tiny_config).fingerprint != fingerprint


def test_shared_walker_is_refused_unless_allowed(folders, tiny_config):
    (folders[1] / "sad" / "walker05_1.mp4").rename(folders[1] / "sad" / "walker01_9.mp4")
    with pytest.raises(InputError, match=r"\(walker01\).*--allow-shared-walkers"):
        prepare_data(*folders, tiny_config)
    allowed = tiny_config.model_copy(update={"allow_shared_walkers": True})
    assert prepare_data(*folders, allowed).shared_walkers == ("walker01",)


def test_same_file_on_both_sides_is_refused_under_any_name(folders, tiny_config):
    shutil.copy(folders[0] / "sad" / "walker01_1.mp4", folders[1] / "sad" / "somebody_1.mp4")
    with pytest.raises(InputError, match=r"sad/somebody_1\.mp4 of sad/walker01_1\.mp4.*remove"):
        prepare_data(*folders, tiny_config)


def test_same_file_with_two_emotions_is_refused(folders, tiny_config):
    shutil.copy(folders[0] / "sad" / "walker01_1.mp4", folders[0] / "happy" / "walker01_2.mp4")
    with pytest.raises(InputError, match="same file with different emotions"):
        prepare_data(*folders, tiny_config)


def test_copy_within_a_folder_is_skipped(folders, tiny_config):
    shutil.copy(folders[0] / "sad" / "walker01_1.mp4", folders[0] / "sad" / "walker01_2.mp4")
    data = prepare_data(*folders, tiny_config)
    assert data.skipped.to_dict("records") == [
        {"video": "sad/walker01_2.mp4", "reason": "same content as sad/walker01_1.mp4"}
    ]


def test_only_one_emotion_is_refused(folders, tiny_config):
    for emotion in ("angry", "happy", "neutral"):
        for folder in folders:
            shutil.rmtree(folder / emotion)
    with pytest.raises(InputError, match=r"only 'sad': at least two"):
        prepare_data(*folders, tiny_config)


def test_test_emotion_that_training_never_saw_is_refused(folders, tiny_config):
    shutil.rmtree(folders[0] / "happy")
    with pytest.raises(InputError, match=r"happy/walker05_1\.mp4 shows 'happy', which no training"):
        prepare_data(*folders, tiny_config)


def test_only_one_walker_is_refused(folders, tiny_config):
    for path in folders[0].glob("*/*.mp4"):
        if not path.name.startswith("walker01"):
            path.unlink()
    with pytest.raises(InputError, match="Only 1 walker"):
        prepare_data(*folders, tiny_config)


def test_nothing_readable_names_the_first_reason(folders, tiny_config):
    for path in folders[0].glob("*/*.mp4"):
        path.write_text("no video")
    shutil.rmtree(folders[1])
    with pytest.raises(InputError, match=r"None of the 16 videos could be used\. .*walker01_1\.mp4"):
        prepare_data(*folders, tiny_config)


def test_videos_without_labels_say_three_ways_to_label(folders, tiny_config, tmp_path):
    loose = tmp_path / "loose"
    loose.mkdir()
    shutil.copy(next(folders[0].glob("*/*.mp4")), loose / "a.mp4")
    with pytest.raises(InputError, match=r"loose .*one folder an emotion, add a labels\.csv .*--labels FILE"):
        prepare_data(loose, folders[1], tiny_config)


def test_missing_folder_is_named(folders, tiny_config, tmp_path):
    with pytest.raises(InputError, match=r"nowhere is not there"):
        prepare_data(tmp_path / "nowhere", folders[1], tiny_config)


def test_what_is_saved_comes_back(demo_folders, tiny_config, tmp_path):
    data = prepare_data(*demo_folders, tiny_config)
    data.save(tmp_path)
    again = load_data(tmp_path)
    pd.testing.assert_frame_equal(again.videos, data.videos, check_dtype=False)
    assert again.summary() == data.summary()
    assert (tmp_path / "skipped.csv").read_text().splitlines()[0] == "video,reason"


def test_later_test_videos_are_held_against_the_same_training(folders, demo_folders, tiny_config, tmp_path):
    data = prepare_data(*demo_folders, tiny_config)
    again = prepare_test(data, folders[1], tiny_config, None)
    assert again.fingerprint == data.fingerprint
    with pytest.raises(InputError, match="copies of training videos"):
        prepare_test(data, folders[0], tiny_config, None)
    loose = tmp_path / "loose"
    loose.mkdir()
    shutil.copy(next(folders[1].glob("*/*.mp4")), loose / "a.mp4")
    with pytest.raises(InputError, match=r"no labels to test against.*gaitlib predict"):
        prepare_test(data, loose, tiny_config, None)
