"""From folders to training, validation and test videos: found, checked, then prepared and divided."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from gaitlib.clips import PreparedVideo, find_clips, prepare_videos, recognises_person
from gaitlib.config import RunConfig, resolve_body
from gaitlib.data.leaks import check_footage_disjoint, check_labels_in_place
from gaitlib.data.references import choose_references
from gaitlib.data.rundata import RunData, divide_training, prepared_rows
from gaitlib.data.splits import assign_folds, check_walkers_disjoint, hold_out_walkers, name_some
from gaitlib.errors import InputError
from gaitlib.files import cache_dir, file_digest, hold_lock, make_folder, write_aside
from gaitlib.gait import box_features
from gaitlib.labels import (
    LabelledVideos,
    check_emotions,
    check_enough_walkers,
    find_videos,
    inspect_labels,
    list_videos,
    normal_name,
)
from gaitlib.walker import ensure_weights, weights_problem

# So many videos, spread over the run, tell whether people are recognised in most of them.
_NUM_TRIED = 20


def prepare_data(
    videos_dir: Path,
    videos_test_dir: Path,
    config: RunConfig,
    labels_path: Path | None = None,
    run_many: Callable | None = None,
) -> RunData:
    """Find, check, prepare and divide the videos of a run; draw synthetic walkers where there are none.

    Parameters
    ----------
    videos_dir, videos_test_dir : Path
        Training and test videos. Where the second holds no labelled video, walkers are held out.
    config : RunConfig
    labels_path : Path, optional
        Manifest or rating sheet; holds for the test videos too where it lists all of them.
    run_many : callable, optional
        Prepares videos in parallel, see `gaitlib.clips.prepare_videos`.

    Returns
    -------
    RunData
        `data.config` has `body` and `crop` decided.

    Raises
    ------
    InputError
        If there are too few usable videos, emotions or walkers, or a walker or file is on both sides.
    """
    if labels_path is None and videos_dir.is_dir() and not list_videos(videos_dir):
        videos_dir, videos_test_dir = make_demo_folders(config)
    return _prepare(find_data(videos_dir, videos_test_dir, config, labels_path), run_many)


def find_data(
    videos_dir: Path, videos_test_dir: Path, config: RunConfig, labels_path: Path | None = None
) -> RunData:
    """Return the videos of a run before any is decoded, with what can be warned of.

    Raises an `InputError` where labels, emotions, walkers or folds make the run impossible.
    """
    train = _find_labelled(videos_dir, labels_path)
    tables, skipped, warnings = [train.videos.assign(split="train")], [train.skipped], train.warnings
    if videos_test_dir.is_dir() and list_videos(videos_test_dir):
        test = _find_test(videos_test_dir, labels_path, train)
        skipped.append(test.skipped)
        if test.source == "none":
            reason = "No label: gaitlib predict reads unlabelled videos."
            skipped.append(test.videos[["video"]].assign(reason=reason))
        else:
            tables.append(test.videos.assign(split="test"))
            warnings = warnings + test.warnings
    videos = pd.concat(tables, ignore_index=True)
    return _check(RunData(videos, pd.concat(skipped, ignore_index=True), config, tuple(warnings)))


def prepare_test(
    data: RunData,
    videos_test_dir: Path,
    config: RunConfig,
    labels_path: Path | None = None,
    run_many: Callable | None = None,
) -> RunData:
    """Put other test videos in the place of a run's own, checked against the same training videos."""
    test = _find_labelled(videos_test_dir, labels_path)
    own = {"folds": 0, "body": data.config.body, "crop": data.config.crop}
    known = data.with_references(data.videos["split"] != "test")
    videos = pd.concat([known.assign(split="train"), test.videos.assign(split="test")], ignore_index=True)
    found = RunData(videos, test.skipped, config.model_copy(update=own), tuple(test.warnings))
    return _prepare(_check(found), run_many)


def _find_labelled(folder: Path, labels_path: Path | None) -> LabelledVideos:
    found = find_videos(folder, labels_path)
    if found.source == "none":
        raise InputError(
            f"The videos in {folder} have no labels: put them into one folder an emotion, add a labels.csv "
            "with the columns video,emotion, or pass --labels FILE; gaitlib predict reads them without."
        )
    return found


def _find_test(folder: Path, labels_path: Path | None, train: LabelledVideos) -> LabelledVideos:
    """Label the test by the file of the training where that lists all of it by names of its own."""
    own = find_videos(folder)
    with suppress(InputError):  # the file means the training alone
        listed = find_videos(folder, labels_path) if labels_path else own
        stems = [{Path(name).stem for name in part.videos["video"]} for part in (listed, train)]
        is_whole = set(listed.videos["video"]) >= set(own.videos["video"]) and not stems[0] & stems[1]
        if not labels_path or own.source == "none" or is_whole:
            return listed
        own.warnings.append(
            f"{labels_path} does not list all videos of the test folder by names of their own: the folder's "
            "own labels hold for them."
        )
    return own


def _check(data: RunData) -> RunData:
    """Do everything that needs no decoding: join walkers, leave copies out, divide on trial."""
    videos, config = data.videos, data.config
    first = {normal_name(walker): walker for walker in reversed(videos["walker"])}
    videos["walker"] = [first[normal_name(walker)] for walker in videos["walker"]]
    known = videos["digest"] if "digest" in videos else [None] * len(videos)  # of the run's training
    both = zip(known, videos["path"], strict=True)
    videos["digest"] = [own if isinstance(own, str) else file_digest(Path(path)) for own, path in both]
    side = ["digest"] if config.folds else ["digest", "split"]
    for _, group in videos[videos.duplicated(side, keep=False)].groupby(side):
        if group["emotion"].nunique() > 1:
            pair = group.drop_duplicates("emotion").itertuples()
            names = " and ".join(f"{row.video} ({row.emotion})" for row in pair)
            raise InputError(f"{names} are the same file with different emotions: delete one of them.")
    is_copy = videos.duplicated(side)
    reasons = "Same content as " + videos.groupby(side)["video"].transform("first") + "."
    copies = videos[["video"]].assign(reason=reasons)[is_copy]
    # One label file may list both folders: what the other folder holds is not missing.
    missing = data.skipped[~data.skipped["video"].isin(videos["video"])]
    skipped = pd.concat([missing, copies], ignore_index=True)
    videos = videos[~is_copy].assign(fold=0).reset_index(drop=True)
    is_training = (videos["split"] == "train") | bool(config.folds)
    check_enough_walkers(videos[is_training], not is_training.all() or bool(config.folds))
    warnings = (*data.warnings, *inspect_labels(videos))
    data = replace(data, videos=videos, skipped=skipped, warnings=warnings)
    return replace(data, warnings=_divide(data).warnings)


def _divide(data: RunData) -> RunData:
    """Set reference walks apart and decide for each video whether it trains, chooses or tests."""
    config, shared, warnings = data.config, list[str](), list(data.warnings)
    check_emotions(data.videos[data.videos["split"] == "train"], data.videos)
    chosen = choose_references(data.videos, config)
    skipped = pd.concat([data.skipped, chosen.skipped], ignore_index=True)
    data = replace(data, videos=chosen.videos, references=chosen.references, skipped=skipped)
    videos, warnings = data.videos, [*warnings, *chosen.warnings]
    is_test = videos["split"] == "test"
    if config.folds:
        videos = videos.assign(fold=assign_folds(videos, config.folds, config.seed))
        is_test = videos["fold"] == 1
    else:
        if not is_test.any():
            is_test |= hold_out_walkers(videos, config.test_fraction, config.seed)
            warnings.append("There is no labelled test video: walkers held out of the training are the test.")
        check_emotions(videos[~is_test], videos)
        sides = data.with_references(~is_test), data.with_references(is_test)
        shared = check_walkers_disjoint(*sides, config.allow_shared_walkers)
        if untested := set(videos["emotion"]) - set(videos.loc[is_test, "emotion"]):
            warnings.append(f"The test shows no {name_some(untested)}: how well that is read is not tested.")
    videos = divide_training(videos, is_test, config)
    unique = tuple(dict.fromkeys(warnings))
    return replace(data, videos=videos, warnings=unique, shared_walkers=tuple(shared))


def _prepare(data: RunData, run_many: Callable | None) -> RunData:
    """Decode the videos, divide those that can be used, and look for leaks; say what was left out if not."""
    data = _decode(_with_body(data, run_many), run_many)
    try:
        if data.videos.empty:
            raise InputError(f"No video could be used: {data.skipped['reason'].iloc[-1]}")
        features = np.stack([box_features(video) for video in prepared_rows(data.videos)])
        check_labels_in_place(features, data.videos["emotion"].to_numpy(), data.config.seed)
        data = _divide(data)
        is_test = (data.videos["split"] == "test") & (data.config.folds == 0)
        twice = check_footage_disjoint(data.with_references(~is_test), data.with_references(is_test))
    except InputError:
        print(*describe_skipped(data.skipped), sep="\n")
        raise
    return replace(data, warnings=data.warnings + twice)


def _with_body(data: RunData, run_many: Callable | None) -> RunData:
    """Decide how walkers are found: by keypoints if a person is recognised in most of some videos."""
    config, paths = data.config, [Path(path) for path in data.videos["path"]]
    if config.body == "auto" and not ensure_weights():
        config = config.model_copy(update={"body": "silhouette"})
        data = replace(data, warnings=(*data.warnings, weights_problem()))
    if config.body != "auto":
        return replace(data, config=resolve_body(config, config.body))
    by_keypoints = resolve_body(config, "keypoints")
    places = np.linspace(0, len(paths) - 1, min(_NUM_TRIED, len(paths))).round().astype(int)
    tried = [paths[place] for place in places]
    prepare_videos(tried, by_keypoints, "Looking for people", run_many)
    is_found = [recognises_person(path, by_keypoints) for path in tried]  # None: cannot be read
    if 2 * is_found.count(True) > len(tried) - is_found.count(None):
        return replace(data, config=by_keypoints)
    return replace(data, config=resolve_body(config, "silhouette"))


def _decode(data: RunData, run_many: Callable | None) -> RunData:
    """Prepare the videos, unless they are, and describe those that can be used; the others are skipped."""
    from gaitlib.demo import SYNTHETIC_COMMENT

    videos = data.videos
    old = videos.dropna(subset="entry") if "entry" in videos else videos[:0]  # of the run's training
    new = videos["path"].drop(old.index)
    made = prepare_videos([Path(path) for path in new], data.config, run_many=run_many)
    by_row = dict(zip([*old.index, *new.index], [*prepared_rows(old), *made], strict=True))
    prepared = [by_row[row] for row in videos.index]
    reasons, clips = [], []
    for video in prepared:
        clips.append(len(find_clips(video, data.config)) if isinstance(video, PreparedVideo) else 0)
        reasons.append(video if isinstance(video, str) else "Nobody walks in full view.")
    is_used = np.array(clips) > 0
    refused = videos[["video"]].assign(reason=reasons)[~is_used]
    entries = [video for video, used in zip(prepared, is_used, strict=True) if used]
    bouts = [entry.bouts for entry in entries]
    used = videos[is_used].assign(
        entry=[str(entry.folder) for entry in entries],
        num_clips=[count for count in clips if count],
        walk_seconds=[sum(bout.end_seconds - bout.start_seconds for bout in part) for part in bouts],
        distinct_seconds=[sum(bout.distinct_seconds for bout in part) for part in bouts],
        method=["+".join(entry.meta["methods"]) for entry in entries],
        note=[" ".join(entry.meta["notes"]) for entry in entries],
    )
    return replace(
        data,
        videos=used.reset_index(drop=True),
        skipped=pd.concat([data.skipped, refused], ignore_index=True),
        num_synthetic=sum(entry.meta["comment"] == SYNTHETIC_COMMENT for entry in entries),
    )


def describe_skipped(skipped: pd.DataFrame) -> list[str]:
    """Return a line a reason, the most frequent first; reasons that differ in numbers only are one."""
    kinds = [re.sub(r"\d+([.,]\d+)?", "0", reason) for reason in skipped["reason"]]
    groups = sorted((group for _, group in skipped.groupby(kinds, sort=False)), key=len, reverse=True)
    return [f"Skipped {len(one)}: {one['reason'].iloc[0]} ({name_some(one['video'], 3)})" for one in groups]


def make_demo_folders(config: RunConfig) -> tuple[Path, Path]:
    """Draw the synthetic walkers into the cache, unless they are there; return both folders."""
    from gaitlib.demo import DEMO_VERSION, make_demo

    folder = cache_dir() / "demo" / f"v{DEMO_VERSION}_walkers{config.demo_walkers}_seed{config.seed}"
    make_folder(folder.parent)
    with hold_lock(folder, "Another process draws the same synthetic walkers: waiting for it.", wait=True):
        if not folder.is_dir():
            with write_aside(folder) as aside:
                aside.mkdir()
                make_demo(aside / "videos", aside / "videosTest", config.demo_walkers, config.seed)
    return folder / "videos", folder / "videosTest"
