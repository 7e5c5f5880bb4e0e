"""Cross-validation: no walker on both sides of a fold, nothing chosen by the test, resumed after a kill."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from commands import kill_hard, run_gaitlib, start_python, wait_until

from gaitlib.config import InputError, make_config
from gaitlib.fitting import _fit_digest, train_fits
from gaitlib.folds import Fit, assign_folds, list_fits
from gaitlib.preparation import prepare_data
from gaitlib.rundata import RunData

SETTINGS = ("num_frames=8", "frame_size=32", "max_clips_per_video=2", "epochs=2", "num_resamples=100")


def make_table(num_walkers: int = 10, emotions=("angry", "happy", "sad"), takes: int = 2) -> pd.DataFrame:
    """Return a table of videos, every walker with every emotion."""
    rows = [
        (f"{emotion}/w{walker}_{take}", emotion, f"w{walker}", "train", f"{emotion}{walker}{take}")
        for walker in range(num_walkers)
        for emotion in emotions
        for take in range(takes)
    ]
    return pd.DataFrame(rows, columns=["video", "emotion", "walker", "split", "digest"])


def folded(num_folds: int, seed: int = 0, **settings) -> tuple[RunData, object]:
    videos = make_table()
    config = make_config(folds=num_folds, seed=seed, **settings)
    return RunData(videos.assign(fold=assign_folds(videos, num_folds, seed)), pd.DataFrame()), config


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("num_folds", [2, 3, 5])
def test_every_walker_is_in_one_fold(num_folds, seed):
    videos = make_table()
    videos["fold"] = assign_folds(videos, num_folds, seed)
    assert set(videos["fold"]) == set(range(1, num_folds + 1))
    assert (videos.groupby("walker")["fold"].nunique() == 1).all()
    counts = videos.groupby(["fold", "emotion"]).size().unstack()
    assert (counts.max(axis=1) == counts.min(axis=1)).all()


@pytest.mark.parametrize("seed", range(5))
def test_no_fit_sees_its_test_walkers(seed):
    data, config = folded(5, seed, seeds=2)
    fits = list(list_fits(data, config))
    assert [(fit.fold, fit.seed - seed) for fit in fits] == [(f, s) for f in range(1, 6) for s in (0, 1)]
    for fit in fits:
        walkers = {name: set(fit.data.rows(name)["walker"]) for name in ("train", "validation", "test")}
        assert all(walkers.values())
        assert not walkers["train"] & walkers["validation"]
        assert not (walkers["train"] | walkers["validation"]) & walkers["test"]
        assert set.union(*walkers.values()) == set(data.videos["walker"])
        assert set(fit.data.rows("train")["emotion"]) == set(data.emotions)


def test_every_video_is_tested_once():
    data, config = folded(4)
    tested = [video for fit in list_fits(data, config) for video in fit.data.rows("test")["video"]]
    assert sorted(tested) == sorted(data.videos["video"])
    assert tested == data.rows("judged")["video"].tolist()


def test_fewer_walkers_train_in_every_fold_and_all_are_tested():
    data, config = folded(4, training_walkers=3)
    tested = []
    for fit in list_fits(data, config):
        assert fit.data.rows("train")["walker"].nunique() == 3
        tested += list(fit.data.rows("test")["video"])
    assert sorted(tested) == sorted(data.videos["video"])


def test_seeds_change_the_training_not_the_folds():
    data, config = folded(3, seeds=3)
    fits = [fit for fit in list_fits(data, config) if fit.fold == 2]
    assert len({tuple(fit.data.rows("test")["video"]) for fit in fits}) == 1
    assert len({tuple(fit.data.rows("validation")["video"]) for fit in fits}) > 1
    assert [fit.config.seed for fit in fits] == [0, 1, 2]


def test_single_split_is_one_fit():
    videos = make_table().assign(fold=0)
    videos.loc[videos["walker"].isin(["w1", "w2"]), "split"] = "test"
    videos.loc[videos["walker"] == "w3", "split"] = "validation"
    data = RunData(videos, pd.DataFrame())
    fits = list(list_fits(data, make_config()))
    assert [fit.data.rows("test")["walker"].unique().tolist() for fit in fits] == [["w1", "w2"]]
    assert data.rows("judged").equals(data.rows("test"))


def test_too_few_walkers_for_the_folds():
    with pytest.raises(InputError, match="5 folds need at least 6 walkers, but 4 were found: take fewer"):
        assign_folds(make_table(4), 5, 0)


def test_emotion_of_one_walker_cannot_be_cross_validated():
    videos = make_table(6)
    rare = videos["emotion"].eq("sad") & videos["walker"].ne("w0")
    with pytest.raises(InputError, match="All walkers who show sad fall into one fold"):
        assign_folds(videos[~rare], 3, 0)


def test_picture_in_a_training_and_a_test_clip_stops_the_training(demo_folders, tiny_config, tmp_path):
    data = prepare_data(*demo_folders, tiny_config)
    leaked = data.rows("test").iloc[[0]].assign(split="train")
    planted = replace(data, videos=pd.concat([data.videos, leaked], ignore_index=True))
    with pytest.raises(InputError, match="are in a training clip and in a test clip"):
        train_fits(planted, tiny_config, tmp_path)
    assert not list(tmp_path.iterdir())


def test_one_fold_is_wrong_usage():
    with pytest.raises(InputError, match="expected 0 .a single split. or at least 2"):
        make_config(folds=1)


def arguments(demo_folders, out, *more) -> list:
    settings = [part for setting in SETTINGS for part in ("-p", setting)]
    folders = ("--videos", demo_folders[0], "--videos-test", demo_folders[1])
    return ["train", *folders, "--out", out, "--folds", "2", *settings, *more]


def test_killed_cross_validation_goes_on_to_the_same_end(demo_folders, tmp_path, fresh_cache):
    command = "from gaitlib.cli import main; main()"
    process = start_python(
        command, *arguments(demo_folders, tmp_path / "killed"), GAITLIB_CACHE=str(fresh_cache)
    )
    states = fresh_cache / "training"
    wait_until(lambda: len({path.parent for path in states.glob("*/epoch_*")}) == 2, process, 300)
    kill_hard(process)
    before = {path: path.stat().st_mtime_ns for path in states.glob("*/epoch_00002/*")}
    assert before
    again = run_gaitlib(*arguments(demo_folders, tmp_path / "again"), GAITLIB_CACHE=str(fresh_cache))
    assert again.returncode == 0, again.stderr
    assert all(path.stat().st_mtime_ns == moment for path, moment in before.items())
    straight = run_gaitlib(
        *arguments(demo_folders, tmp_path / "straight"), GAITLIB_CACHE=str(tmp_path / "other")
    )
    assert straight.returncode == 0, straight.stderr
    scores = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("again", "straight")]
    assert scores[0]["test"] == scores[1]["test"]
    assert [fold["fold"] for fold in scores[0]["folds"]] == [1, 2]
    table = pd.read_csv(tmp_path / "again" / "predictions.csv")
    num_videos = sum(len(list(folder.glob("*/*.mp4"))) for folder in demo_folders)
    assert len(table) == table["video"].nunique() == num_videos
    by_fold = table.groupby("fold")["walker"].agg(set)
    assert [sorted(walkers) for walkers in by_fold] == [fold["test_walkers"] for fold in scores[0]["folds"]]
    right = (table["emotion"] == table["predicted"]).groupby(table["fold"]).mean()
    assert right.tolist() == pytest.approx([fold["accuracy"] for fold in scores[0]["folds"]])
    assert np.isclose(scores[0]["test"]["accuracy"], (table["emotion"] == table["predicted"]).mean())


def test_name_in_another_case_is_the_same_walker_across_both_folders(demo_folders, tiny_config, tmp_path):
    """In a cross-validation both folders take part in all folds."""
    for source, target in zip(demo_folders, ("videos", "videosTest"), strict=True):
        shutil.copytree(source, tmp_path / target)
    known = sorted((tmp_path / "videos").glob("*/*.mp4"))[0].stem.rpartition("_")[0]
    other = sorted((tmp_path / "videosTest").glob("*/*.mp4"))[0].stem.rpartition("_")[0]
    for path in (tmp_path / "videosTest").glob(f"*/{other}_*.mp4"):
        path.rename(path.with_name(path.name.replace(other, known.upper())))
    config = tiny_config.model_copy(update={"folds": 3})
    data = prepare_data(tmp_path / "videos", tmp_path / "videosTest", config)
    mine = data.videos[data.videos["walker"].str.casefold() == known.casefold()]
    assert mine["video"].str.contains(known.upper()).any()
    assert mine["fold"].nunique() == mine["walker"].nunique() == 1
    assert any("count as the same walker" in warning for warning in data.warnings)


def test_model_of_walks_compared_otherwise_is_another_model():
    data, config = folded(3)
    digests = {
        _fit_digest(Fit(1, 0, data, config.model_copy(update=change)))
        for change in (
            {},
            {"relative_to": "walker-mean"},
            {"label_form": "soft"},
            {"reference_emotion": "sad"},
        )
    }
    assert len(digests) == 4
