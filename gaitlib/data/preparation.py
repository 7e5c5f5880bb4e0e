"""From folders to the videos of a run: found, checked, prepared, divided by walker, held against leaks."""

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from gaitlib.clips import PreparedVideo, find_clips, prepare_videos, recognises_person
from gaitlib.config import RunConfig, resolve_body
from gaitlib.data.footage import check_footage_disjoint
from gaitlib.data.rundata import RunData, divide_training
from gaitlib.data.splits import assign_folds, check_walkers_disjoint, hold_out_walkers, name_some
from gaitlib.errors import InputError
from gaitlib.files import cache_dir, file_digest, hold_lock, make_folder, write_aside
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
    videos_dir: Path, videos_test_dir: Path, config: RunConfig, labels_path: Path | None = None
) -> RunData:
    """Find, check, prepare and divide the videos of a run; draw synthetic walkers where there are none.

    Where `videos_test_dir` holds no labelled video, walkers are held out. `labels_path` (a manifest or a
    rating sheet) holds for the test too where it lists all of it. Raises an `InputError` if there are too few
    usable videos, emotions or walkers, or a walker, a file or its footage is on both sides.
    """
    if labels_path is None and videos_dir.is_dir() and not list_videos(videos_dir):
        videos_dir, videos_test_dir = make_demo_folders(config)
    found = find_data(videos_dir, videos_test_dir, config, labels_path)
    return _finish(_decode(_with_body(found)))


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
        if test.videos["emotion"].isna().all():
            reason = "No label: gaitlib predict reads unlabelled videos."
            skipped.append(test.videos[["video"]].assign(reason=reason))
        else:
            tables.append(test.videos.assign(split="test"))
            warnings = warnings + test.warnings
    videos = pd.concat(tables, ignore_index=True)
    data = _without_copies(RunData(videos, pd.concat(skipped), config, tuple(warnings)))
    is_training = (data.videos["split"] == "train") | bool(config.folds)
    check_enough_walkers(data.videos[is_training], not is_training.all() or bool(config.folds))
    return replace(data, warnings=_divide(data).warnings)


def prepare_test(
    data: RunData, videos_test_dir: Path, config: RunConfig, labels_path: Path | None = None
) -> RunData:
    """Put other test videos in the place of a run's own, checked against the same training videos."""
    config = config.model_copy(update={"folds": 0, "body": data.config.body, "crop": data.config.crop})
    found = _find_labelled(videos_test_dir, labels_path)
    test = RunData(found.videos.assign(split="test"), found.skipped, config, tuple(found.warnings))
    known = data.with_references(data.videos["split"] != "test").assign(split="train")
    test = _decode(_without_copies(test))
    return _finish(replace(test, is_demo=test.is_demo or data.is_demo), known)


def _find_labelled(folder: Path, labels_path: Path | None) -> LabelledVideos:
    found = find_videos(folder, labels_path)
    if found.videos["emotion"].isna().all():
        raise InputError(
            f"The videos in {folder} have no labels: put them into one folder per emotion, add a labels.csv "
            "with the columns video,emotion, or pass --labels FILE; gaitlib predict reads them without."
        )
    return found


def _find_test(folder: Path, labels_path: Path | None, train: LabelledVideos) -> LabelledVideos:
    """Label the test by the file of the training where that lists all of it by names of its own."""
    own = find_videos(folder)
    if labels_path:
        with suppress(InputError):  # the file lists the training alone
            listed = find_videos(folder, labels_path)
            stems, known = ({Path(name).stem for name in part.videos["video"]} for part in (listed, train))
            if set(listed.videos["video"]) >= set(own.videos["video"]) and not stems & known:
                return listed
    return own


def _without_copies(data: RunData) -> RunData:
    """Leave out files that are there twice; give each walker one spelling."""
    videos = data.videos.assign(fold=0, digest=[file_digest(Path(path)) for path in data.videos["path"]])
    first = {normal_name(walker): walker for walker in reversed(videos["walker"])}
    videos["walker"] = [first[normal_name(walker)] for walker in videos["walker"]]
    side = ["digest"] if data.config.folds else ["digest", "split"]
    for _, group in videos[videos.duplicated(side, keep=False)].groupby(side):
        if group["emotion"].nunique() > 1:
            pair = group.drop_duplicates("emotion").itertuples()
            names = " and ".join(f"{row.video} ({row.emotion})" for row in pair)
            raise InputError(f"{names} are the same file with different emotions: delete one of them.")
    reasons = "Same content as " + videos.groupby(side)["video"].transform("first") + "."
    is_copy = videos.duplicated(side)
    # One label file may list both folders: what the other folder holds is not missing.
    missing = data.skipped[~data.skipped["video"].isin(videos["video"])]
    copies = videos[["video"]].assign(reason=reasons)[is_copy]
    skipped, videos = pd.concat([missing, copies], ignore_index=True), videos[~is_copy].reset_index(drop=True)
    return replace(data, videos=videos, skipped=skipped, warnings=(*data.warnings, *inspect_labels(videos)))


def set_references_apart(data: RunData) -> RunData:
    """Set apart the first video, by name, of each walker that shows the reference emotion.

    People walk differently before they feel anything: what is left of a walk relative to a neutral one of
    the same person, or to the mean of all, need not know who walks. A reference walk is never trained on and
    never scored. Who has none is skipped; an `InputError` if that is everybody in training or test.
    """
    config, videos = data.config, data.videos.assign(reference="")
    if config.relative_to == "none":
        return replace(data, videos=videos, references=videos[:0])
    what, is_left = "second video", videos.groupby("walker")["video"].transform("size") < 2
    if config.relative_to == "reference":
        neutral = videos[videos["emotion"] == normal_name(config.reference_emotion)].sort_values("video")
        first = neutral.drop_duplicates("walker").set_index("walker")["digest"].to_dict()
        videos["reference"] = [first.get(walker, "") for walker in videos["walker"]]
        what, is_left = f"{config.reference_emotion} video", videos["reference"] == ""
    is_reference = videos["digest"].isin(videos["reference"])
    is_used = ~is_left & ~is_reference
    if not is_used.groupby(videos["split"]).any().all():
        raise InputError(f"There is no {what} to compare with of any walker: add some, or name the walkers.")
    left = videos.loc[is_left, ["video"]].assign(reason=f"Its walker has no {what} to be compared with.")
    return replace(
        data,
        videos=videos[is_used].reset_index(drop=True),
        references=videos[is_reference],
        skipped=pd.concat([data.skipped, left], ignore_index=True),
    )


def _divide(data: RunData) -> RunData:
    """Set reference walks apart and decide for each video whether it trains, chooses or tests."""
    config, shared = data.config, list[str]()
    check_emotions(data.videos[data.videos["split"] == "train"], data.videos)
    data = set_references_apart(data)
    videos, warnings = data.videos, list(data.warnings)
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
    videos, unique = divide_training(videos, is_test, config), tuple(dict.fromkeys(warnings))
    return replace(data, videos=videos, warnings=unique, shared_walkers=tuple(shared))


def _finish(data: RunData, known: pd.DataFrame | None = None) -> RunData:
    """Divide the videos, those `known` too, and look for leaks; say what was skipped if a run ends here."""
    try:
        if data.videos.empty:
            raise InputError(f"No video could be used: {data.skipped['reason'].iloc[-1]}")
        data = replace(data, videos=pd.concat([known, data.videos], ignore_index=True))
        data = _divide(data)
        is_test = (data.videos["split"] == "test") & (data.config.folds == 0)
        twice = check_footage_disjoint(data.with_references(~is_test), data.with_references(is_test))
    except InputError:
        print(*describe_skipped(data.skipped), sep="\n")
        raise
    return replace(data, warnings=data.warnings + twice)


def _with_body(data: RunData) -> RunData:
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
    prepare_videos(tried, by_keypoints, "Looking for people")
    is_found = [recognises_person(path, by_keypoints) for path in tried]  # None: cannot be read
    is_most = 2 * is_found.count(True) > len(tried) - is_found.count(None)
    return replace(data, config=by_keypoints if is_most else resolve_body(config, "silhouette"))


def _decode(data: RunData) -> RunData:
    """Prepare the videos and describe those that can be used; the others are skipped."""
    from gaitlib.demo import SYNTHETIC_COMMENT

    paths = [Path(path) for path in data.videos["path"]]
    made = prepare_videos(paths, data.config)
    clips = np.array([0 if isinstance(one, str) else len(find_clips(one, data.config)) for one in made])
    reasons = [one if isinstance(one, str) else "Nobody walks in full view." for one in made]
    refused = data.videos[["video"]].assign(reason=reasons)[clips == 0]
    used = [one for one, count in zip(made, clips, strict=True) if isinstance(one, PreparedVideo) and count]
    metas = [video.meta for video in used]
    videos = data.videos[clips > 0].assign(
        entry=[str(video.folder) for video in used],
        num_clips=clips[clips > 0],
        method=["+".join(meta["methods"]) for meta in metas],
        walk_seconds=[sum(bout.end_seconds - bout.start_seconds for bout in video.bouts) for video in used],
        distinct_seconds=[sum(bout.distinct_seconds for bout in video.bouts) for video in used],
    )
    return replace(
        data,
        videos=videos.reset_index(drop=True),
        skipped=pd.concat([data.skipped, refused], ignore_index=True),
        is_demo=any(meta["comment"] == SYNTHETIC_COMMENT for meta in metas),
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
