"""Walks relative to the walker: who is compared with what, and that no reference is ever scored."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import is_one_sentence, run_gaitlib
from media import write_video

from gaitlib.answering import ask_model, clip_model
from gaitlib.backend import load_keras
from gaitlib.companions import find_companions
from gaitlib.config import InputError, make_config
from gaitlib.files import read_json
from gaitlib.models import MODEL_NAMES, build_model
from gaitlib.predict import PredictOutputs, predict_files
from gaitlib.preparation import prepare_data
from gaitlib.relative import choose_references, reference_rows, relative_features
from gaitlib.saving import load_model, model_card, save_model
from gaitlib.siamese import is_relative, make_relative
from gaitlib.training import train_model
from gaitlib.verdict import predict_video

TINY = {"num_frames": 8, "frame_size": 32, "max_clips_per_video": 2, "num_resamples": 100, "epochs": 1}


def table(*rows: tuple[str, str, str], **columns) -> pd.DataFrame:
    videos = pd.DataFrame(rows, columns=["video", "walker", "emotion"])
    return videos.assign(digest=[f"digest of {name}" for name in videos["video"]], **columns)


WALKS = (
    ("n/ann_2.mp4", "ann", "neutral"),
    ("n/ann_1.mp4", "ann", "neutral"),
    ("h/ann_1.mp4", "ann", "happy"),
    ("h/bob_1.mp4", "bob", "happy"),
    ("s/bob_1.mp4", "bob", "sad"),
)
WITH_REFERENCE = make_config(relative_to="reference")


def test_first_neutral_walk_of_each_walker_serves_and_is_not_scored():
    chosen = choose_references(table(*WALKS[:3]), WITH_REFERENCE)
    assert list(chosen.references["video"]) == ["n/ann_1.mp4"]
    assert list(chosen.videos["video"]) == ["n/ann_2.mp4", "h/ann_1.mp4"]
    assert set(chosen.videos["reference"]) == {"digest of n/ann_1.mp4"}


def test_walker_without_reference_is_refused_or_treated_as_chosen():
    videos = table(*WALKS)
    with pytest.raises(InputError, match=r"No reference walk of bob: .*missing_reference=skip"):
        choose_references(videos, WITH_REFERENCE)
    skipped = choose_references(videos, make_config(relative_to="reference", missing_reference="skip"))
    assert list(skipped.skipped["video"]) == ["h/bob_1.mp4", "s/bob_1.mp4"]
    assert set(skipped.videos["walker"]) == {"ann"}
    mean = choose_references(videos, make_config(relative_to="reference", missing_reference="walker-mean"))
    assert "bob" in mean.warnings[0]
    places = dict(zip(mean.videos["video"], reference_rows(mean.videos, mean.references), strict=True))
    assert places["h/ann_1.mp4"].tolist() == [len(mean.videos)]
    assert places["h/bob_1.mp4"].tolist() == places["s/bob_1.mp4"].tolist() == [2, 3]


def test_named_reference_holds_for_all_videos_of_its_walker():
    named = [None, None, "n/ann_2.mp4"]
    chosen = choose_references(table(*WALKS[:3], reference=named), WITH_REFERENCE)
    assert list(chosen.references["video"]) == ["n/ann_2.mp4"]
    assert list(chosen.videos["video"]) == ["n/ann_1.mp4", "h/ann_1.mp4"]


def test_reference_is_looked_for_in_its_own_folder():
    rows = [("n/01.mp4", "ann", "neutral"), ("h/02.mp4", "ann", "happy")]
    rows += [("n/01.mp4", "bob", "neutral"), ("h/03.mp4", "bob", "happy")]
    videos = table(*rows, reference=[None, "n/01.mp4", None, "n/01.mp4"], split=["train"] * 2 + ["test"] * 2)
    videos["digest"] = list("abcd")
    chosen = choose_references(videos, WITH_REFERENCE)
    assert chosen.videos.set_index("walker")["reference"].to_dict() == {"ann": "a", "bob": "c"}


def test_single_video_is_not_compared_with_itself():
    videos = table(*WALKS[1:4])
    with pytest.raises(InputError, match=r"single video of bob, so nothing to compare it with: .*=skip"):
        choose_references(videos, make_config(relative_to="walker-mean"))
    skipping = make_config(relative_to="walker-mean", missing_reference="skip")
    chosen = choose_references(videos, skipping)
    assert list(chosen.skipped["video"]) == ["h/bob_1.mp4"]
    assert set(chosen.videos["walker"]) == {"ann"}
    with pytest.raises(InputError, match="single video"):
        choose_references(videos.iloc[2:], skipping)
    fallback = make_config(relative_to="reference", missing_reference="walker-mean")
    assert list(choose_references(videos, fallback).skipped["video"]) == ["h/bob_1.mp4"]


def test_label_file_names_the_reference():
    named = [None, None, "n/ann_2", None, None]
    videos = table(*WALKS, reference=named)[:3]
    chosen = choose_references(videos, WITH_REFERENCE)
    rows = chosen.videos.set_index("video")["reference"]
    assert rows["h/ann_1.mp4"] == "digest of n/ann_2.mp4"
    for wrong, words in (("n/nobody", "not one of the videos"), ("h/bob_1", "shows bob instead of ann")):
        with pytest.raises(InputError, match=words):
            choose_references(table(*WALKS, reference=[None, None, wrong, None, None]), WITH_REFERENCE)
    with pytest.raises(InputError, match="out of the videos folder"):
        choose_references(table(*WALKS, reference=[None, None, "../x", None, None]), WITH_REFERENCE)


def test_relative_features_leave_out_what_is_unknown():
    features = np.array([[3.0, 5.0, np.nan]])
    references = np.array([[1.0, np.nan, 1.0], [2.0, np.nan, 1.0]])
    relative = relative_features(features, references, [np.array([0, 1])])
    assert relative[0, 0] == 1.5 and np.isnan(relative[0, 1:]).all()


@pytest.fixture(scope="module")
def relative_run(demo_folders, tmp_path_factory):
    """Train a model that compares with one neutral walk, through the command line."""
    folder = tmp_path_factory.mktemp("relative") / "run"
    process = run_gaitlib(
        *("train", "--videos", demo_folders[0], "--videos-test", demo_folders[1], "--out", folder),
        *("--relative-to", "reference", "-p", "model=gait_rf"),
        *(part for name, value in TINY.items() for part in ("-p", f"{name}={value}")),
    )
    assert process.returncode == 0, process.stderr
    return folder


def test_references_are_recorded_and_never_scored(relative_run):
    results = read_json(relative_run / "results.json")
    references = {row["video"] for row in results["data"]["references"]}
    assert len(references) == 6 and all(name.startswith("neutral/") for name in references)
    predictions = pd.read_csv(relative_run / "predictions.csv")
    assert not references & set(predictions["video"])
    assert set(predictions["emotion"]) == {"angry", "happy", "sad"}


def test_cross_validation_scores_every_walk_but_the_references_once(demo_folders, tmp_path):
    """The test walkers of each fold bring their own references, also those of the training folder."""
    process = run_gaitlib(
        *("train", "--videos", demo_folders[0], "--videos-test", demo_folders[1], "--out", tmp_path / "run"),
        *("--relative-to", "reference", "--folds", 3, "-p", "model=gait_rf"),
        *(part for name, value in TINY.items() for part in ("-p", f"{name}={value}")),
    )
    assert process.returncode == 0, process.stderr
    folders = demo_folders
    videos = {path.relative_to(folder).as_posix() for folder in folders for path in folder.rglob("*.mp4")}
    references = {row["video"] for row in read_json(tmp_path / "run" / "results.json")["data"]["references"]}
    tested = pd.read_csv(tmp_path / "run" / "predictions.csv")
    assert sorted(tested["video"]) == sorted(videos - references)
    assert tested.groupby("walker")["fold"].nunique().eq(1).all()
    assert tested["walker"].nunique() == len(references) == 6


def test_evaluate_needs_references_too_and_only_the_models_own_way(relative_run, demo_folders, tmp_path):
    model = relative_run / "model.keras"
    command = "evaluate", "--videos-test", demo_folders[1], "--model", model
    scored = run_gaitlib(*command, "--out", tmp_path / "scored")
    assert scored.returncode == 0, scored.stderr
    assert len(read_json(tmp_path / "scored" / "results.json")["data"]["references"]) == 6
    refused = run_gaitlib(*command, "--relative-to", "walker-mean")
    assert refused.returncode == 1
    assert "relative_to=reference" in refused.stderr and "Traceback" not in refused.stderr


def test_predict_asks_for_what_the_model_compares_with(relative_run, trained, demo_folders, tmp_path):
    walk = demo_folders[1] / "happy" / "walker05_1.mp4"
    neutral = demo_folders[1] / "neutral" / "walker05_1.mp4"
    command = "predict", walk, "--model", relative_run / "model.keras"
    without = run_gaitlib(*command)
    assert without.returncode == 1 and "--reference FILE" in without.stderr
    given = run_gaitlib(*command, "--reference", neutral, "--json", tmp_path / "said.json")
    assert given.returncode == 0, given.stderr
    (said,) = read_json(tmp_path / "said.json")["videos"]
    assert said["frames_read"] > 0 and said["status"] in ("ok", "warned", "abstained")
    (tmp_path / "bad.mp4").write_text("no video")
    broken = run_gaitlib(*command, "--reference", tmp_path / "bad.mp4")
    assert broken.returncode == 1 and "reference cannot be used" in broken.stderr
    needless = run_gaitlib("predict", walk, "--model", trained.folder / "model.keras", "--same-walker")
    assert needless.returncode == 1 and "leave out" in needless.stderr


def test_walk_is_not_compared_with_itself(relative_run, demo_folders):
    neutral = demo_folders[1] / "neutral" / "walker05_1.mp4"
    process = run_gaitlib(
        *("predict", demo_folders[1] / "neutral", "--model", relative_run / "model.keras"),
        *("--reference", neutral),
    )
    assert process.returncode == 1 and is_one_sentence(process)
    assert "walker05_1.mp4 is the reference and among the videos to read" in process.stderr


def test_copies_of_one_walk_are_no_mean(demo_folders, tiny_config):
    walk = demo_folders[1] / "happy" / "walker05_1.mp4"
    config = tiny_config.model_copy(update={"relative_to": "walker-mean"})
    with pytest.raises(InputError, match="1 of the 2 videos could be read, copies counted once"):
        find_companions([walk, walk], config, None, True)


def test_reference_on_both_sides_stops_the_run(relative_run, demo_folders, tmp_path):
    """A neutral walk of training under another walker's name in the test, where it would be compared with."""
    tests = shutil.copytree(demo_folders[1], tmp_path / "tests")
    for emotion in ("happy", "sad", "angry"):
        shutil.copy(tests / emotion / "walker05_1.mp4", tests / emotion / "zed_1.mp4")
        (tests / emotion / "walker05_1.mp4").unlink()
    shutil.copy(demo_folders[0] / "neutral" / "walker01_1.mp4", tests / "neutral" / "zed_1.mp4")
    config = make_config(relative_to="reference", **TINY)
    with pytest.raises(InputError, match=r"zed_1\.mp4|walker01_1\.mp4"):
        prepare_data(demo_folders[0], tests, config)
    process = run_gaitlib("evaluate", "--videos-test", tests, "--model", relative_run / "model.keras")
    assert process.returncode == 1 and "Traceback" not in process.stderr
    assert "zed_1.mp4" in process.stderr


def test_user_chooses_what_becomes_of_a_walker_without_a_reference(relative_run, demo_folders, tmp_path):
    tests = shutil.copytree(demo_folders[1], tmp_path / "tests")
    (tests / "neutral" / "walker05_1.mp4").unlink()
    command = "evaluate", "--videos-test", tests, "--model", relative_run / "model.keras"
    refused = run_gaitlib(*command)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert "No reference walk of walker05" in refused.stderr
    said = {"skip": "its walker has no neutral video", "walker-mean": "compared with the mean"}
    for choice, words in said.items():
        out = tmp_path / choice
        process = run_gaitlib(*command, "--out", out, "--missing-reference", choice)
        assert process.returncode == 0, process.stderr
        assert words in process.stdout
        walkers = set(pd.read_csv(out / "predictions.csv")["walker"])
        assert ("walker05" in walkers) == (choice == "walker-mean")


def test_same_walker_through_the_command(demo_folders, tmp_path):
    process = run_gaitlib(
        *("train", "--videos", demo_folders[0], "--videos-test", demo_folders[1], "--out", tmp_path / "run"),
        *("--relative-to", "walker-mean", "-p", "model=gait_rf"),
        *(part for name, value in TINY.items() for part in ("-p", f"{name}={value}")),
    )
    assert process.returncode == 0, process.stderr
    walks = sorted(demo_folders[1].glob("*/walker05_1.mp4"))
    said = run_gaitlib("predict", *walks, "--model", tmp_path / "run" / "model.keras", "--same-walker")
    assert said.returncode == 0, said.stderr
    assert said.stdout.count("walker05_1.mp4") >= 4


@pytest.fixture(scope="module")
def compared(demo_folders):
    """Train a model of pictures relative to the walker's mean."""
    config = make_config(relative_to="walker-mean", model="cnn_gru", learning_rate=1e-3, **TINY)
    data = prepare_data(*demo_folders, config)
    train, validation = (data.clip_set(split, config) for split in ("train", "validation"))
    return data, config, train_model(train, validation, config, data.emotions).model


def test_walks_of_the_same_walker_are_the_references(compared):
    data, config, _ = compared
    clips, rows = data.clip_set("test", config), data.rows("test")
    for video, places in enumerate(clips.reference_videos):
        assert set(rows["walker"][places]) == {rows["walker"][video]}
        assert len(places) == (rows["walker"] == rows["walker"][video]).sum()


def test_difference_to_itself_is_what_the_bias_says(compared):
    data, config, model = compared
    assert is_relative(model)
    clips = data.clip_set("test", config)
    alone = clips.chosen(np.array([0]))
    itself = (np.array([0]),) * len(clips.videos)
    only = replace(alone, references=replace(alone, references=None), reference_videos=itself)
    bias = model.get_layer("emotion").get_weights()[1]
    expected = np.exp(bias) / np.exp(bias).sum()
    assert ask_model(model, only).probabilities[0] == pytest.approx(expected, abs=1e-5)


def test_model_of_single_clips_answers_alike(compared):
    data, config, model = compared
    clips = data.clip_set("test", config)
    answers = ask_model(model, clips).probabilities
    single = clip_model(model, clips, 1)
    chosen = np.flatnonzero(clips.video_numbers == 1)
    own = single.predict(np.stack([clips.read(int(clip)) for clip in chosen]), verbose=0)
    assert own == pytest.approx(answers[chosen], abs=1e-5)


def test_report_in_relative_form_shows_the_references(demo_folders, tmp_path):
    shutil.copytree(demo_folders[0], tmp_path / "videos")
    process = run_gaitlib(
        *("report", "--videos", tmp_path / "videos", "--videos-test", demo_folders[1]),
        *("--out", tmp_path / "run", "--profile", "quick", "--relative-to", "walker-mean"),
        *("-p", "model=gait_ensemble", "-p", "leak_lesson=false"),
        *(part for name, value in TINY.items() for part in ("-p", f"{name}={value}")),
    )
    assert process.returncode == 0, process.stdout + process.stderr
    page = (tmp_path / "run" / "01_preprocessing.html").read_text()
    assert "relative_to is &#39;walker-mean&#39;" in page or "relative_to is 'walker-mean'" in page
    _, card = load_model(tmp_path / "run" / "model.keras")
    assert card["config"]["relative_to"] == "walker-mean"


@pytest.mark.parametrize("body", MODEL_NAMES)
def test_every_body_compares_and_comes_back_from_plain_files(body, tmp_path):
    model = make_relative(build_model(body, 8, 32, 1, 3))
    clips = np.random.default_rng(0).integers(0, 255, (2, 4, 8, 32, 32, 1), np.uint8)
    says = model.predict(list(clips), verbose=0)
    assert says.shape == (4, 3)
    assert np.allclose(says[0], model.predict([clips[0][:1], clips[1][:1]], verbose=0), atol=1e-5)
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"model{suffix}")
        copy = load_keras().models.load_model(tmp_path / f"model{suffix}", compile=False, safe_mode=True)
        assert np.allclose(copy.predict(list(clips), verbose=0), says, atol=1e-6)


def test_network_in_relative_form_trains_tests_predicts_and_explains(demo_folders, tmp_path):
    settings = {**TINY, "model": "cnn_gru", "num_resamples": 100}
    options = [part for name, value in settings.items() for part in ("-p", f"{name}={value}")]
    train = run_gaitlib(
        *("train", "--videos", demo_folders[0], "--videos-test", demo_folders[1]),
        *("--out", tmp_path / "run", "--relative-to", "reference", *options),
    )
    assert train.returncode == 0, train.stderr
    model = tmp_path / "run" / "model.keras"
    again = run_gaitlib("evaluate", "--model", model, "--videos-test", demo_folders[1])
    assert again.returncode == 0, again.stderr
    walk, calm = (sorted((demo_folders[1] / name).glob("*.mp4"))[0] for name in ("angry", "neutral"))
    said = run_gaitlib("predict", walk, "--model", model, "--reference", calm, "--json", tmp_path / "a.json")
    assert said.returncode == 0, said.stderr
    (verdict,) = read_json(tmp_path / "a.json")["videos"]
    assert verdict["status"] in ("ok", "warned", "abstained")
    page = run_gaitlib("explain", walk, "--model", model, "--reference", calm, "--out", tmp_path / "why.html")
    assert page.returncode == 0, page.stderr
    black = tmp_path / "black.mp4"
    write_video(black, [number / 30 for number in range(90)], pictures=[np.zeros((96, 128), np.uint8)] * 90)
    dark = run_gaitlib("predict", walk, "--model", model, "--reference", black)
    assert dark.returncode == 1 and "The reference cannot be used: black.mp4" in dark.stderr


def test_model_that_compares_gives_no_verdict_without_a_companion(compared, demo_folders):
    data, config, model = compared
    video = sorted((demo_folders[1] / "sad").glob("*.mp4"))[0]
    with pytest.raises(InputError, match="compares walks of one person"):
        predict_video(video, model, config, data.emotions)


def test_same_walker_compares_all_videos_with_their_mean(compared, demo_folders, tmp_path):
    data, config, model = compared
    walker = data.rows("test")["walker"].iloc[0]
    paths = [Path(path) for path in data.rows("test")["path"] if walker in path][:3]
    save_model(model, tmp_path, model_card(config, data.emotions, True))
    said = predict_files(
        paths, tmp_path / "model.keras", PredictOutputs(tmp_path / "a.json"), same_walker=True
    )
    videos = read_json(tmp_path / "a.json")["videos"]
    assert len(videos) == len(paths) > 1
    assert all(video["status"] in ("ok", "warned", "abstained") for video in videos)
    assert walker in said
