"""The videos of a run: checked before anything is decoded, divided by walker, remembered."""

import shutil
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gaitlib.config import make_config
from gaitlib.data import RunData, VideoSet, assign_folds, inner_folds, list_fits, load_data, preparation
from gaitlib.data.preparation import (
    find_data,
    make_demo_folders,
    prepare_data,
    prepare_test,
    set_references_apart,
)
from gaitlib.data.rundata import soft_targets
from gaitlib.data.splits import check_walkers_disjoint, hold_out_walkers
from gaitlib.demo import make_demo
from gaitlib.errors import InputError
from gaitlib.walker import weights_problem


def table(*rows: tuple[str, str]) -> pd.DataFrame:
    videos = pd.DataFrame(rows, columns=["emotion", "walker"])
    videos["video"] = [f"{row.emotion}/{row.walker}_{row.Index}.mp4" for row in videos.itertuples()]
    return videos.assign(split="train", digest=[f"digest of {name}" for name in videos["video"]], fold=0)


def crossed(num_walkers: int, emotions=("angry", "happy", "sad"), takes: int = 2) -> pd.DataFrame:
    return table(
        *((emotion, f"w{n}") for n in range(num_walkers) for emotion in emotions for _ in range(takes))
    )


def random_table(seed: int) -> pd.DataFrame:
    """Draw videos of 4 to 20 walkers, each of whom shows two emotions at least."""
    rng = np.random.default_rng(seed)
    rows = [
        (str(emotion), f"w{walker}")
        for walker in range(rng.integers(4, 21))
        for emotion in rng.permutation(["angry", "happy", "sad"])[: rng.integers(2, 4)]
        for _ in range(rng.integers(1, 5))
    ]
    return table(*rows).sample(frac=1, random_state=seed)


@pytest.mark.parametrize("seed", range(8))
def test_held_out_walkers_are_whole_and_each_emotion_is_on_both_sides(seed):
    videos = random_table(seed)
    is_held = hold_out_walkers(videos, 0.25, seed)
    held, kept = videos[is_held], videos[~is_held]
    assert not set(held["walker"]) & set(kept["walker"])
    assert set(held["emotion"]) == set(kept["emotion"]) == {"angry", "happy", "sad"}
    assert (is_held == hold_out_walkers(videos, 0.25, seed)).all()
    check_walkers_disjoint(kept, held)
    assert 0.2 <= hold_out_walkers(crossed(40), 0.25, seed).mean() <= 0.3


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_emotion_that_two_walkers_show_is_tested(seed):
    videos = table(*[("calm", f"w{n}") for n in range(16) for _ in range(4)], ("fear", "w3"), ("fear", "w9"))
    is_held = hold_out_walkers(videos, 0.25, seed)
    assert set(videos["emotion"][is_held]) == set(videos["emotion"][~is_held]) == {"calm", "fear"}


def test_an_emotion_of_one_walker_is_learnt_and_said_not_to_be_tested(folders):
    for path in sorted((folders[0] / "sad").glob("*.mp4"))[1:]:
        path.unlink()
    shutil.rmtree(folders[1])
    data = find_data(*folders, make_config())
    assert any("No test video shows sad" in warning for warning in data.warnings)


@pytest.mark.parametrize("num_walkers", [4, 6, 8])
def test_walkers_who_show_one_emotion_each_can_be_held_out(num_walkers):
    videos = table(*[(("happy", "sad")[n % 2], f"w{n}") for n in range(num_walkers)])
    is_held = hold_out_walkers(videos, 0.2, seed=0)
    assert is_held.any()
    assert set(videos["emotion"][~is_held]) == {"happy", "sad"}


def test_emotions_that_nobody_else_shows_cannot_be_held_out():
    with pytest.raises(InputError, match="2 who show happy, sad, those of the test aside, without losing"):
        hold_out_walkers(table(("happy", "a"), ("sad", "b")), 0.5, 0)


def test_walkers_and_files_on_both_sides_are_refused():
    train, test = crossed(8), crossed(8).assign(digest="other")
    test["walker"] = test["walker"].str.upper() + " "
    with pytest.raises(InputError, match=r"\(W0 , W1 , .* and 3 more\).*labels\.csv"):
        check_walkers_disjoint(train, test)
    copies = test.assign(digest=train["digest"], video="copy.mp4")
    with pytest.raises(InputError, match=r"copy.mp4 of angry/w0_0.mp4: remove"):
        check_walkers_disjoint(train, copies)


def folded(num_folds: int, seed: int, **settings) -> tuple[RunData, object]:
    videos, config = crossed(10), make_config(folds=num_folds, seed=seed, **settings)
    return RunData(videos.assign(fold=assign_folds(videos, num_folds, seed)), pd.DataFrame(), config), config


@pytest.mark.parametrize(("num_folds", "seed"), [(2, 0), (3, 1), (5, 2), (5, 3)])
def test_no_fit_sees_its_test_walkers_and_every_video_is_tested_once(num_folds, seed):
    data, config = folded(num_folds, seed, seeds=2)
    counts = data.videos.groupby(["fold", "emotion"]).size().unstack()
    assert (counts.max(axis=1) == counts.min(axis=1)).all()
    fits = list(list_fits(data, config))
    assert [(fit.fold, fit.seed - seed) for fit in fits] == [
        (f, s) for f in range(1, num_folds + 1) for s in (0, 1)
    ]
    for fit in fits:
        walkers = [set(fit.data.rows(name)["walker"]) for name in ("train", "validation", "test")]
        assert sum(map(len, walkers)) == len(set.union(*walkers))
        assert set(fit.data.rows("train")["emotion"]) == set(data.emotions)
    tested = [video for fit in fits[::2] for video in fit.data.rows("test")["video"]]
    assert sorted(tested) == sorted(data.videos["video"])
    assert tested == data.rows("judged")["video"].tolist()


def test_folds_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="5 folds need at least 6 walkers, but 4 were found: take fewer"):
        assign_folds(crossed(4), 5, 0)
    videos = crossed(6)
    rare = videos["emotion"].eq("sad") & videos["walker"].ne("w0")
    with pytest.raises(InputError, match="All walkers who show sad fall into one fold"):
        assign_folds(videos[~rare], 3, 0)


def test_inner_folds_hold_out_whole_walkers():
    videos = crossed(5)
    folds = inner_folds(videos["emotion"], videos["walker"], 9, seed=0)
    assert len(folds) == 5
    for train, test in folds:
        assert not set(videos["walker"][train]) & set(videos["walker"][test])
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(videos)))
    assert inner_folds(["sad", "happy"], ["ann", "ann"], 3, seed=0) == []


# Reference walks


WALKS = table(
    ("neutral", "ann"), ("neutral", "ann"), ("happy", "ann"), ("happy", "bob"), ("sad", "bob"), ("sad", "eve")
)


def set_apart(videos: pd.DataFrame, relative_to: str = "reference") -> RunData:
    skipped = pd.DataFrame(columns=["video", "reason"])
    return set_references_apart(RunData(videos, skipped, make_config(relative_to=relative_to)))


def test_the_first_neutral_walk_serves_and_is_not_scored():
    data = set_apart(WALKS[:3])
    assert list(data.references["video"]) == ["neutral/ann_0.mp4"]
    assert list(data.videos["video"]) == ["neutral/ann_1.mp4", "happy/ann_2.mp4"]
    assert set(data.videos["reference"]) == {"digest of neutral/ann_0.mp4"}
    assert set(set_apart(WALKS, "none").videos["reference"]) == {""}


def test_a_walker_without_reference_is_skipped():
    assert list(set_apart(WALKS).skipped["video"]) == list(WALKS["video"][3:])
    (left,) = set_apart(WALKS, "walker-mean").skipped.itertuples()
    assert (left.video, left.reason) == (
        "sad/eve_5.mp4",
        "Its walker has no second video to be compared with.",
    )
    with pytest.raises(InputError, match="No walker has a neutral video to compare with"):
        set_apart(WALKS[3:])


def test_soft_targets_are_shares_of_the_ratings():
    rows = pd.DataFrame({"happy": [5.0, 2.0], "sad": [1.0, 2.0], "num_raters": [9, 9]})
    np.testing.assert_allclose(soft_targets(rows, ("happy", "sad")), [[1, 0], [0.5, 0.5]], atol=1e-3)
    with pytest.raises(InputError, match="needs the ratings of several people"):
        soft_targets(rows.drop(columns="num_raters"), ("happy", "sad"))


def test_chosen_videos_keep_what_belongs_to_them():
    names = np.array(["a", "b", "c"])
    videos = VideoSet(tuple(names), np.arange(3), names, (("r",), ("s",), ("r", "s")))
    part = videos.chosen(np.array([False, True, True]))
    assert (part.videos, list(part.labels), len(part)) == (("b", "c"), [1, 2], 2)
    assert part.references == (("s",), ("r", "s"))


# Before anything is decoded


@pytest.fixture()
def folders(demo_folders, tmp_path) -> tuple[Path, Path]:
    for source, name in zip(demo_folders, ("videos", "videosTest"), strict=True):
        shutil.copytree(source, tmp_path / name)
    return tmp_path / "videos", tmp_path / "videosTest"


@pytest.fixture()
def undecoded(tmp_path, monkeypatch) -> Iterator[tuple[Path, Path]]:

    def decode(*_, **__):
        raise AssertionError("decoded before the checks")

    monkeypatch.setattr(preparation, "prepare_videos", decode)
    (tmp_path / "test").mkdir()
    return tmp_path / "videos", tmp_path / "test"


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{folder.name}/{name}")


def test_too_few_walkers_are_counted_before_the_test_is_set_aside(undecoded):
    write(undecoded[0], *(f"{e}/maria{n}_1.mp4" for e in ("happy", "sad") for n in "12"))
    with pytest.raises(InputError, match="2 walkers; at least 3 are needed"):
        prepare_data(*undecoded, make_config())


NAMES = [f"{emotion}/w{n}_1.mp4" for emotion in ("happy", "sad") for n in range(6)]


@pytest.mark.parametrize(
    ("training", "test", "settings", "message"),
    [
        (["happy/a_1.mp4", "happy/b_1.mp4", "happy/c_1.mp4"], [], {}, "only 'happy'"),
        (["a_1.mp4"], [], {}, "have no labels: put them into one folder per emotion"),
        (NAMES, ["sad/w1_9.mp4"], {}, r"same walker is in training and test \(w1\)"),
        (NAMES, ["fear/x_9.mp4"], {}, "fear/x_9.mp4 shows 'fear', which no training video shows"),
        (NAMES, [], {"folds": 6}, "6 folds need at least 7 walkers"),
        ([*NAMES, "fear/w1_1.mp4"], [], {"folds": 3}, "All walkers who show fear"),
        (NAMES, [], {"relative_to": "reference"}, "No walker has a neutral video"),
    ],
)
def test_what_labels_and_names_tell_is_told_before_decoding(undecoded, training, test, settings, message):
    write(undecoded[0], *training)
    write(undecoded[1], *test)
    with pytest.raises(InputError, match=message):
        prepare_data(*undecoded, make_config(**settings))


def test_the_same_file_in_two_places(undecoded):
    write(undecoded[0], *NAMES)
    write(undecoded[1], "sad/x_1.mp4", "happy/y_1.mp4")
    shutil.copy(undecoded[0] / NAMES[-1], undecoded[0] / "sad" / "again_1.mp4")
    found = find_data(*undecoded, make_config())
    assert found.skipped.to_dict("records") == [
        {"video": NAMES[-1], "reason": "Same content as sad/again_1.mp4."}
    ]
    shutil.copy(undecoded[0] / NAMES[-1], undecoded[1] / "sad" / "z_1.mp4")
    with pytest.raises(InputError, match=r"sad/z_1\.mp4 of sad/again_1\.mp4: remove"):
        find_data(*undecoded, make_config())
    shutil.copy(undecoded[0] / NAMES[-1], undecoded[0] / "happy" / "x_1.mp4")
    with pytest.raises(InputError, match=r"happy/x_1.mp4 \(happy\) and .* \(sad\) are the same file"):
        find_data(*undecoded, make_config())


def test_warnings_are_there_before_decoding(undecoded):
    write(undecoded[0], *NAMES, "hapy/w1_1.mp4", "hapy/w2_1.mp4")
    warnings = " ".join(find_data(*undecoded, make_config()).warnings)
    assert "'happy' and 'hapy'" in warnings or "'hapy' and 'happy'" in warnings
    assert "no labelled test video" in warnings


@pytest.mark.parametrize("lists_test", [True, False])
def test_a_label_file_that_lists_the_test_comes_before_its_folders(undecoded, tmp_path, lists_test):
    tests = ["sad/x_1.mp4", "happy/y_1.mp4"]
    write(undecoded[0], *NAMES)
    write(undecoded[1], *tests)
    other = {"happy": "sad", "sad": "happy"}
    listed = [(name, *name.removesuffix("_1.mp4").split("/")) for name in NAMES + tests * lists_test]
    rows = [f"{name},{other[emotion]},{walker}" for name, emotion, walker in listed]
    (tmp_path / "all.csv").write_text("\n".join(["video,emotion,walker", *rows]))
    found = find_data(*undecoded, make_config(), tmp_path / "all.csv")
    shown = found.rows("test").set_index("video")["emotion"].to_dict()
    assert shown == {name: other[name.split("/")[0]] if lists_test else name.split("/")[0] for name in tests}
    assert found.skipped.empty


def test_one_label_file_tells_both_folders_apart(undecoded, tmp_path):
    names = [f"0{number}.mp4" for number in range(1, 7)]
    write(undecoded[0], *names)
    write(undecoded[1], *names, "07.mp4")
    folders, emotions = [folder.name for folder in undecoded], ("happy", "sad") * 3
    both = product(folders, zip(names, emotions, strict=True))
    rows = [f"{part}/{name},{emotion},{part}{name[1]}" for part, (name, emotion) in both]
    (tmp_path / "all.csv").write_text("\n".join(["video,emotion,walker", *rows]))
    found = find_data(*undecoded, make_config(), tmp_path / "all.csv")
    assert set(found.rows("test")["walker"]) == {f"{folders[1]}{number}" for number in range(1, 7)}
    assert found.skipped["video"].tolist() == ["07.mp4"]
    twice = [f"{folders[1]}/07{end},{emotion},new" for end, emotion in ((".mp4", "sad"), ("", "happy"))]
    (tmp_path / "all.csv").write_text("\n".join(["video,emotion,walker", *rows, *twice]))
    with pytest.raises(InputError, match="contradict each other"):
        find_data(*undecoded, make_config(), tmp_path / "all.csv")
    (tmp_path / "all.csv").write_text("video,emotion\n01.mp4,sad\n02.mp4,happy\n07.mp4,sad\n")
    with pytest.raises(InputError, match="01.mp4 is the name of a video in both folders"):
        find_data(*undecoded, make_config(), tmp_path / "all.csv")


def test_a_test_folder_that_is_not_read_is_told(undecoded, tmp_path, monkeypatch):
    write(undecoded[0], *NAMES)
    for path in (undecoded[0] / NAMES[0], undecoded[1].with_name("gone")):
        warnings = find_data(undecoded[0], path, make_config()).warnings
        assert f"{path} is no folder: is its name right?" in warnings
    monkeypatch.setattr(preparation, "make_demo_folders", lambda _: undecoded)
    monkeypatch.setattr(preparation, "_with_body", lambda data: pytest.fail(data.warnings[0]))
    write(undecoded[1], "happy/zoe_1.mp4")
    (tmp_path / "empty").mkdir()
    with pytest.raises(pytest.fail.Exception, match="holds no video, .* is not read"):
        prepare_data(tmp_path / "empty", undecoded[1], make_config())


def test_unlabelled_test_videos_are_skipped_with_a_hint(undecoded):
    write(undecoded[0], *NAMES)
    write(undecoded[1], "a.mp4")
    found = find_data(*undecoded, make_config())
    assert found.skipped.to_dict("records") == [
        {"video": "a.mp4", "reason": "No label: gaitlib predict reads unlabelled videos."}
    ]


# With videos


@pytest.fixture(scope="module")
def config(tiny_config):
    return tiny_config.model_copy(update={"body": "silhouette"})


def test_the_test_folder_is_the_test(demo_folders, config, tmp_path):
    data = prepare_data(*demo_folders, config)
    assert data.videos["split"].value_counts().to_dict() == {"train": 12, "test": 8, "validation": 4}
    assert (data.config.body, data.config.crop, data.is_demo) == ("silhouette", "silhouette", True)
    assert data.emotions == ("angry", "happy", "neutral", "sad")
    assert data.videos[["num_clips", "walk_seconds"]].min().min() > 0
    data.save(tmp_path)
    again = load_data(tmp_path)
    pd.testing.assert_frame_equal(again.videos, data.videos, check_dtype=False)
    assert again.summary() == data.summary()
    assert again.config == data.config
    assert (tmp_path / "skipped.csv").read_text().splitlines()[0] == "video,reason"
    videos = data.video_set("train", data.config)
    assert [len(videos), *np.unique(videos.labels), videos.references] == [12, 0, 1, 2, 3, ()]


@pytest.mark.parametrize("relative_to", ["none", "reference", "walker-mean"])
def test_other_test_videos_are_held_against_the_same_training(
    folders, demo_folders, config, tmp_path, relative_to
):
    data = prepare_data(*demo_folders, config.model_copy(update={"relative_to": relative_to}))
    data.save(tmp_path)
    again = prepare_test(load_data(tmp_path), folders[1], data.config)
    assert again.fingerprint == data.fingerprint
    with pytest.raises(InputError, match="copies of training videos"):
        prepare_test(data, folders[0], data.config)
    videos = data.video_set("train", data.config)
    counts = {"none": 0, "reference": 9 * 1, "walker-mean": 12 * 4}
    assert sum(map(len, videos.references)) == counts[relative_to]
    assert len(data.references) == 6 * (relative_to == "reference")


def test_without_a_test_folder_walkers_are_held_out(folders, config):
    shutil.rmtree(folders[1])
    data = prepare_data(*folders, config)
    walkers = [set(data.rows(split)["walker"]) for split in ("train", "validation", "test")]
    assert all(walkers)
    assert sum(map(len, walkers)) == len(set.union(*walkers)) == 4


def test_a_run_that_ends_after_preparation_says_what_was_skipped(folders, config, capsys):
    for path in [*folders[0].glob("*/walker0[23]_1.mp4"), *folders[0].glob("sad/*.mp4")]:
        path.write_bytes(path.name.encode() + path.parent.name.encode())
    with pytest.raises(InputError, match="shows 'sad', which no training video shows"):
        prepare_data(*folders, config)
    line, *others = capsys.readouterr().out.splitlines()
    assert line.startswith("Skipped 10: ")
    assert line.endswith("(angry/walker02_1.mp4, angry/walker03_1.mp4, happy/walker02_1.mp4 and 7 more)")
    assert not others


def test_skipped_reasons_do_not_repeat_the_name(folders, config):
    (folders[0] / "sad" / "walker01_1.mp4").write_text("no video")
    (row,) = prepare_data(*folders, config).skipped.itertuples()
    assert row.video == "sad/walker01_1.mp4"
    assert "walker01_1" not in row.reason


def test_keypoints_where_most_videos_show_a_person(undecoded, demo_folders, monkeypatch):
    found = find_data(*demo_folders, make_config())
    monkeypatch.setattr(preparation, "ensure_weights", lambda: True)
    monkeypatch.setattr(preparation, "prepare_videos", lambda *_, **__: [])
    for seen, body in (([True, True, None], "keypoints"), ([True, False, None], "silhouette")):
        answers = iter(seen * 20)
        monkeypatch.setattr(preparation, "recognises_person", lambda *_, answers=answers: next(answers))
        data = preparation._with_body(found)
        assert (data.config.body, data.config.crop) == (body, {"keypoints": "skeleton"}.get(body, body))


def test_without_weights_silhouettes_are_used_and_it_is_said(
    demo_folders, tmp_path, monkeypatch, tiny_config
):
    monkeypatch.setenv("GAITLIB_WEIGHTS", str(tmp_path))
    data = prepare_data(*demo_folders, tiny_config)
    assert data.config.body == "silhouette"
    assert weights_problem() in data.warnings


def test_synthetic_walkers_are_drawn_once(fresh_cache, monkeypatch):
    monkeypatch.setattr(preparation, "make_demo", partial(make_demo, num_takes=1, clip_seconds=(0.2, 0.2)))
    first = make_demo_folders(make_config(demo_walkers=4, seed=5))
    moments = [path.stat().st_mtime_ns for path in first[0].rglob("*.mp4")]
    assert make_demo_folders(make_config(demo_walkers=4, seed=5)) == first
    assert [path.stat().st_mtime_ns for path in first[0].rglob("*.mp4")] == moments
    assert len(moments) == 16
