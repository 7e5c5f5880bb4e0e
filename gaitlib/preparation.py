"""From two folders to training, validation and test videos, ready to learn from."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gaitlib.clips import prepare_videos, window_starts
from gaitlib.config import InputError, RunConfig
from gaitlib.demo import DEMO_VERSION, SYNTHETIC_COMMENT, make_demo
from gaitlib.files import cache_dir, hold_lock, make_folder, write_aside
from gaitlib.folds import assign_folds, list_fits
from gaitlib.gait import box_features
from gaitlib.labels import LabelledVideos, check_emotions, find_videos, join_spellings, list_videos
from gaitlib.labels.finding import NothingListed
from gaitlib.leaks import check_footage_disjoint, check_labels_in_place
from gaitlib.names import show_name
from gaitlib.prepared import PreparedVideo, prepared_rows
from gaitlib.relative import choose_references
from gaitlib.rundata import RunData
from gaitlib.splits import check_walkers_disjoint, drop_duplicates, hold_out_walkers, leave_out_walkers


def prepare_data(
    videos_dir: Path, videos_test_dir: Path, config: RunConfig, labels_path: Path | None = None
) -> RunData:
    """Find, read and split the videos of a run; draw synthetic walkers where there are none.

    Parameters
    ----------
    videos_dir, videos_test_dir : Path
        Training videos and test videos. Where the second holds no labelled video, walkers of the first
        are held out.
    config : RunConfig
    labels_path : Path, optional
        Manifest or rating sheet; holds for the test videos too where it lists all of them.

    Returns
    -------
    RunData

    Raises
    ------
    InputError
        If there are too few usable videos, emotions or walkers, or a walker or file is on both sides.
    """
    if labels_path is None and videos_dir.is_dir() and not list_videos(videos_dir):
        videos_dir, videos_test_dir = make_demo_folders(config)
    train, test = _find_both(videos_dir, videos_test_dir, labels_path)
    tables = [train.videos.assign(split="train")]
    if test is not None:
        check_emotions(train.videos, test.videos)
        tables.append(test.videos.assign(split="test"))
    listed = pd.concat(tables, ignore_index=True)
    joined: list[str] = []
    join_spellings(listed, joined)
    videos, skipped = _prepare(listed, config)
    found = [part for part in (train, test) if part is not None]
    data = RunData(
        videos,
        pd.concat([*(part.skipped for part in found), skipped], ignore_index=True),
        (*(warning for part in found for warning in part.warnings), *joined),
        num_synthetic=int((videos.pop("comment") == SYNTHETIC_COMMENT).sum()),
    )
    if any(part.source in ("manifest", "ratings") for part in found):
        features = np.stack([box_features(video) for video in prepared_rows(videos)])
        check_labels_in_place(features, videos["emotion"].to_numpy(), config.seed)
    return _split(data, config)


def prepare_test(
    data: RunData, videos_test_dir: Path, config: RunConfig, labels_path: Path | None
) -> RunData:
    """Put other test videos in the place of a run's own, against the same training videos.

    Raises
    ------
    InputError
        If there is no labelled video, an emotion that training never saw, or a shared walker or file.
    """
    found = find_videos(videos_test_dir, labels_path)
    if found.source == "none":
        raise InputError(
            f"The videos in {videos_test_dir} have no labels to test against: put them into one folder an "
            "emotion, or use `gaitlib predict`."
        )
    training = data.videos[data.videos["split"].isin(("train", "validation"))].assign(fold=0)
    seen = _with_own_references(training, data.references)
    # A reference may show an emotion that is never judged.
    check_emotions(pd.concat([training, data.references], ignore_index=True), found.videos)
    videos, skipped = _prepare(found.videos.assign(split="test"), config)
    num_synthetic = int((videos.pop("comment") == SYNTHETIC_COMMENT).sum())
    test, copies = drop_duplicates(videos.assign(fold=0))
    # Before references are set apart: they must be strangers too.
    shared = check_walkers_disjoint(seen, test, config.allow_shared_walkers)
    check_footage_disjoint(seen, test)
    tested = RunData(
        test,
        pd.concat([found.skipped, skipped, copies], ignore_index=True),
        tuple(found.warnings),
        tuple(shared),
        num_synthetic,
    )
    tested = _with_references(tested, config)
    check_emotions(training, tested.videos)
    references = data.references.reindex(columns=training.columns)
    learnt = references[references["walker"].isin(training["walker"])]
    return replace(
        tested,
        videos=pd.concat([training, tested.videos], ignore_index=True),
        references=pd.concat([learnt, tested.references], ignore_index=True),
    )


def make_demo_folders(config: RunConfig) -> tuple[Path, Path]:
    """Draw the synthetic walkers into the cache, unless they are there; return both folders."""
    folder = cache_dir() / "demo" / f"v{DEMO_VERSION}_walkers{config.demo_walkers}_seed{config.seed}"
    make_folder(folder.parent)
    with hold_lock(folder, "Another process draws the same synthetic walkers: waiting for it.", wait=True):
        if not folder.is_dir():
            with write_aside(folder) as aside:
                aside.mkdir()
                make_demo(
                    aside / "videos", aside / "videosTest", num_walkers=config.demo_walkers, seed=config.seed
                )
    return folder / "videos", folder / "videosTest"


def _find_both(
    videos_dir: Path, videos_test_dir: Path, labels_path: Path | None
) -> tuple[LabelledVideos, LabelledVideos | None]:
    train = find_videos(videos_dir, labels_path)
    if train.source == "none":
        raise InputError(
            f"The videos in {videos_dir} have no labels: put them into one folder an emotion, add a "
            "labels.csv with the columns video,emotion, or pass --labels FILE."
        )
    if not videos_test_dir.is_dir() or not list_videos(videos_test_dir):
        return train, None
    test = _find_test(videos_test_dir, labels_path, train)
    if test.source == "none":
        reason = "no label: `gaitlib predict` reads unlabelled videos"
        unlabelled = test.videos[["video"]].assign(reason=reason)
        skipped = pd.concat([train.skipped, unlabelled], ignore_index=True)
        return replace(train, skipped=skipped), None
    # One label file may list both folders: what the other folder holds is not missing.
    train_names, test_names = set(train.videos["video"]), set(test.videos["video"])
    train = replace(train, skipped=train.skipped[~train.skipped["video"].isin(test_names)])
    return train, replace(test, skipped=test.skipped[~test.skipped["video"].isin(train_names)])


def _find_test(videos_test_dir: Path, labels_path: Path | None, train: LabelledVideos) -> LabelledVideos:
    """Label the test by the file that labels the training, where that lists its videos.

    Labels of the folder's own hold where the file lists some of its videos only, or names that a video of
    the training has too: then the file may not mean these.
    """
    own = find_videos(videos_test_dir)
    if labels_path is None:
        return own
    try:
        listed = find_videos(videos_test_dir, labels_path)
    except NothingListed:
        return own
    if own.source == "none":
        return listed
    names = set(listed.videos["video"])
    stems = [{Path(name).stem for name in part.videos["video"]} for part in (listed, train)]
    if names >= set(own.videos["video"]) and not stems[0] & stems[1]:
        return listed
    own.warnings.append(
        f"{show_name(labels_path)} does not list all videos of the test folder by names of their own "
        f"({len(names)} of {len(own.videos)}): the folder's own labels hold for them."
    )
    return own


def _prepare(videos: pd.DataFrame, config: RunConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    prepared = prepare_videos([Path(path) for path in videos["path"]], config)
    is_used = np.array([isinstance(video, PreparedVideo) for video in prepared])
    reasons = [video for video in prepared if isinstance(video, str)]
    skipped = pd.DataFrame({"video": videos.loc[~is_used, "video"], "reason": reasons})
    if not is_used.any():
        raise InputError(f"None of the {len(videos)} videos could be used. The first: {reasons[0]}")
    used = videos[is_used].reset_index(drop=True)
    entries = [video for video in prepared if isinstance(video, PreparedVideo)]
    return used.assign(**_describe(entries, config)), skipped


def _describe(entries: Sequence[PreparedVideo], config: RunConfig) -> dict[str, list[Any]]:
    metas = [entry.meta for entry in entries]
    return {
        "digest": [entry.digest for entry in entries],
        "entry": [str(entry.folder) for entry in entries],
        "num_clips": [len(window_starts(entry, config)) for entry in entries],
        "walk_seconds": [meta["num_pictures"] / config.frame_rate_hz for meta in metas],
        "method": ["+".join(meta["methods"]) for meta in metas],
        "note": [" ".join(meta["notes"]) for meta in metas],
        "comment": [meta["comment"] for meta in metas],
    }


def _split(data: RunData, config: RunConfig) -> RunData:
    """Drop copies and decide for each video whether it trains, chooses or tests."""
    is_known_test = (data.videos["split"] == "test").any()
    data = _with_references(_drop_copies(data, across=config.folds > 0), config)
    if config.folds:
        folds = assign_folds(data.videos, config.folds, config.seed)
        data = _note_copies(data, data.videos, data.videos[:0])
        data = replace(data, videos=data.videos.assign(fold=folds))
        return next(iter(list_fits(data, config))).data
    videos = data.videos.assign(fold=0)
    if not is_known_test:
        videos.loc[hold_out_walkers(videos, config.test_fraction, config.seed), "split"] = "test"
        sentence = (
            "The test folder holds no labelled video that can be used: walkers held out of the training are "
            "the test."
        )
        data = replace(data, warnings=(*data.warnings, sentence))
    is_test = videos["split"] == "test"
    learnt, tested = (_with_own_references(videos[part], data.references) for part in (~is_test, is_test))
    shared = check_walkers_disjoint(learnt, tested, config.allow_shared_walkers)
    check_emotions(videos[~is_test], videos[is_test])
    data = _note_copies(data, videos[~is_test], videos[is_test])
    training = videos.index[~is_test]
    is_validation = hold_out_walkers(videos.loc[training], config.validation_fraction, config.seed)
    videos.loc[training[is_validation], "split"] = "validation"
    videos = leave_out_walkers(videos, config.training_walkers, config.seed)
    return replace(data, videos=videos, shared_walkers=tuple(shared))


def _with_references(data: RunData, config: RunConfig) -> RunData:
    """Set the videos apart that others are compared with."""
    chosen = choose_references(data.videos, config)
    return replace(
        data,
        videos=chosen.videos,
        references=chosen.references,
        skipped=pd.concat([data.skipped, chosen.skipped], ignore_index=True),
        warnings=(*data.warnings, *chosen.warnings),
    )


def _with_own_references(videos: pd.DataFrame, references: pd.DataFrame) -> pd.DataFrame:
    """Return videos and what they are compared with, which must not be on the other side either."""
    if references.empty:
        return videos
    own = references[references["digest"].isin(set(videos["reference"]) - {""})]
    return pd.concat([videos, own.reindex(columns=videos.columns)], ignore_index=True)


def _note_copies(data: RunData, train: pd.DataFrame, test: pd.DataFrame) -> RunData:
    """Refuse the same footage on both sides; on one side it counts twice, which is worth a warning."""
    same = check_footage_disjoint(
        _with_own_references(train, data.references), _with_own_references(test, data.references)
    )
    notes = [f"{row.other} shows the footage of {row.video} ({row.how})." for row in same.itertuples()]
    return replace(data, warnings=(*data.warnings, *notes))


def _drop_copies(data: RunData, across: bool) -> RunData:
    """Keep one of several equal files, within each folder or across both."""
    groups = [data.videos] if across else [part for _, part in data.videos.groupby("split", sort=False)]
    kept, copies = zip(*(drop_duplicates(part) for part in groups), strict=True)
    videos = pd.concat(kept, ignore_index=True)
    return replace(data, videos=videos, skipped=pd.concat([data.skipped, *copies], ignore_index=True))
