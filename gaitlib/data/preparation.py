"""From folders to the videos of a run: found, checked, prepared, divided by walker, held against leaks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from gaitlib.clips import PreparedVideo, find_clips, prepare_videos, recognises_person
from gaitlib.config import RunConfig, resolve_body
from gaitlib.data.footage import check_footage_disjoint
from gaitlib.data.rundata import RunData, divide_training
from gaitlib.data.splits import assign_folds, check_walkers_disjoint, hold_out_walkers, name_some
from gaitlib.demo import DEMO_VERSION, SYNTHETIC_COMMENT, make_demo
from gaitlib.errors import InputError
from gaitlib.files import cache_dir, file_digest, hold_lock, write_aside
from gaitlib.labels import check_emotions, check_enough_walkers, inspect_labels, normal_name
from gaitlib.labels.finding import LabelledVideos, find_videos, list_videos
from gaitlib.walker import ensure_weights, weights_problem

# So many videos, spread over the run, tell whether people are recognised in most of them.
_NUM_TRIED = 20


def prepare_data(
    videos_dir: Path, videos_test_dir: Path, config: RunConfig, labels_path: Path | None = None
) -> RunData:
    """Find, check, prepare and divide the videos of a run; draw synthetic walkers where there are none.

    Where `videos_test_dir` holds no labelled video, walkers are held out. `labels_path` (a manifest or a
    rating sheet) holds for the test too where it has rows for it. Raises an `InputError` if there are too
    few usable videos, emotions or walkers, or a walker, a file or its footage is on both sides.
    """
    unread = list[str]()
    if labels_path is None and videos_dir.is_dir() and not list_videos(videos_dir):
        if videos_test_dir.is_dir() and list_videos(videos_test_dir):
            unread.append(f"As {videos_dir} holds no video, {videos_test_dir} is not read.")
        videos_dir, videos_test_dir = make_demo_folders(config)
    found = find_data(videos_dir, videos_test_dir, config, labels_path)
    return _finish(_decode(_with_body(replace(found, warnings=[*unread, *found.warnings]))))


def find_data(
    videos_dir: Path, videos_test_dir: Path, config: RunConfig, labels_path: Path | None = None
) -> RunData:
    """Return the videos of a run before any is decoded, with what can be warned of.

    Raises an `InputError` where labels, emotions, walkers or folds make the run impossible.
    """
    train = _find_labelled(videos_dir, labels_path)
    if not videos_test_dir.is_dir() and videos_test_dir.name != "videosTest":
        train.warnings.append(f"{videos_test_dir} is no folder: is its name right?")
    data = RunData(train.videos.assign(split="train"), train.skipped, config, train.warnings)
    if videos_test_dir.is_dir() and list_videos(videos_test_dir):
        test = _find_test(videos_test_dir, labels_path, train)
        videos = pd.concat([data.videos, test.videos.assign(split="test")], ignore_index=True)
        skipped = pd.concat([train.skipped, test.skipped])
        data = RunData(videos, skipped, config, train.warnings + test.warnings)
        data = data.without(videos["emotion"].isna(), "No label: gaitlib predict reads unlabelled videos.")
    data = _without_copies(data)
    is_training = (data.videos["split"] == "train") | bool(config.folds)
    check_enough_walkers(data.videos[is_training], not is_training.all() or bool(config.folds))
    return replace(data, warnings=_divide(data).warnings)


def prepare_test(
    data: RunData, videos_test_dir: Path, config: RunConfig, labels_path: Path | None = None
) -> RunData:
    """Put other test videos in the place of a run's own, checked against the same training videos."""
    config = config.model_copy(update={"folds": 0, "body": data.config.body, "crop": data.config.crop})
    found = _find_labelled(videos_test_dir, labels_path)
    test = RunData(found.videos.assign(split="test"), found.skipped, config, found.warnings)
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
    """Label the test by the label file where its rows name test videos alone, else by the folder itself."""
    both = set[str]()
    if labels_path:
        try:
            listed = find_videos(folder, labels_path)
            both = set(train.videos["listed"]).intersection(listed.videos["listed"])
            if not both:
                return listed
        except InputError as error:
            if "lists no video" not in str(error):  # the file lists the training alone
                raise
    own = find_videos(folder)
    if both and own.videos["emotion"].isna().any():
        where = "is the name of a video in both folders"
        raise InputError(f"{labels_path}: {min(both)} {where}: write the folders before the names.")
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
    # One label file may list both folders: what the other folder holds is not missing.
    missing = data.skipped[~data.skipped["video"].isin([*videos["video"], *videos.get("listed", [])])]
    reasons = "Same content as " + videos.groupby(side)["video"].transform("first") + "."
    return replace(data, videos=videos, skipped=missing).without(videos.duplicated(side), reasons)


def set_references_apart(data: RunData) -> RunData:
    """Set apart the first video, by name, of each walker that shows the reference emotion.

    People walk differently before they feel anything: what is left of a walk relative to a neutral one of
    the same person, or to the mean of all, need not know who walks. A reference walk is never trained on and
    never scored. Who has none is skipped; an `InputError` if that is everybody in training or test.
    """
    config, videos = data.config, data.videos.assign(reference="")
    if config.relative_to == "none":
        return replace(data, videos=videos, references=videos[:0])
    what, is_left_out = "second video", videos.groupby("walker")["video"].transform("size") < 2
    if config.relative_to == "reference":
        neutral = videos[videos["emotion"] == normal_name(config.reference_emotion)].sort_values("video")
        first = neutral.drop_duplicates("walker").set_index("walker")["digest"].to_dict()
        videos["reference"] = [first.get(walker, "") for walker in videos["walker"]]
        what, is_left_out = f"{config.reference_emotion} video", videos["reference"] == ""
    data = replace(data, videos=videos)
    data = data.without(is_left_out, f"Its walker has no {what} to be compared with.")
    is_reference = data.videos["digest"].isin(data.videos["reference"])
    walks = data.videos[~is_reference].reset_index(drop=True)
    if set(walks["split"]) < set(videos["split"]):
        raise InputError(f"No walker has a {what} to compare with: add some, or name the walkers.")
    return replace(data, videos=walks, references=data.videos[is_reference])


def _divide(data: RunData) -> RunData:
    """Set reference walks apart and decide for each video whether it trains, chooses or tests."""
    config = data.config
    warnings = [*data.warnings, *inspect_labels(data.videos)]
    check_emotions(data.videos[data.videos["split"] == "train"], data.videos)
    data = set_references_apart(data)
    videos, is_test = data.videos, data.videos["split"] == "test"
    if config.folds:
        videos = videos.assign(fold=assign_folds(videos, config.folds, config.seed))
        is_test = videos["fold"] == 1
    else:
        if not is_test.any():
            is_test |= hold_out_walkers(videos, config.test_fraction, config.seed)
            warnings.append("There is no labelled test video: walkers held out of the training are the test.")
        check_emotions(videos[~is_test], videos)
        check_walkers_disjoint(data.with_references(~is_test), data.with_references(is_test))
        if untested := set(videos["emotion"]) - set(videos.loc[is_test, "emotion"]):
            warnings.append(f"No test video shows {name_some(untested)}, so this is not tested.")
    videos = divide_training(videos, is_test, config)
    return replace(data, videos=videos, warnings=list(dict.fromkeys(warnings)))


def _finish(data: RunData, known: pd.DataFrame | None = None) -> RunData:
    """Divide the videos, those `known` too, and look for leaks; say what was skipped if a run ends here."""
    try:
        if data.videos.empty:
            raise InputError(f"No video could be used: {data.skipped['reason'].iloc[-1]}")
        data = _divide(replace(data, videos=pd.concat([known, data.videos], ignore_index=True)))
        is_test = (data.videos["split"] == "test") & (data.config.folds == 0)
        twice = check_footage_disjoint(data.with_references(~is_test), data.with_references(is_test))
    except InputError:
        print(*describe_skipped(data.skipped), sep="\n")
        raise
    return replace(data, warnings=[*data.warnings, *twice])


def _with_body(data: RunData) -> RunData:
    """Decide how walkers are found: by keypoints if a person is recognised in most of some videos."""
    config, body = data.config, data.config.body
    if body == "auto" and not ensure_weights():
        body, data = "silhouette", replace(data, warnings=[*data.warnings, weights_problem()])
    elif body == "auto":
        by_keypoints = resolve_body(config, "keypoints")
        places = np.linspace(0, len(data.videos) - 1, min(_NUM_TRIED, len(data.videos))).round().astype(int)
        paths = [Path(path) for path in data.videos["path"].iloc[places]]
        prepare_videos(paths, by_keypoints, "Looking for people")
        found = [recognises_person(path, by_keypoints) for path in paths]  # None: cannot be read
        body = "keypoints" if found.count(True) > found.count(False) else "silhouette"
    return replace(data, config=resolve_body(config, body))


def _decode(data: RunData) -> RunData:
    """Prepare the videos and describe those that can be used; the others are skipped."""
    made = prepare_videos([Path(path) for path in data.videos["path"]], data.config)
    data = data.without(pd.Series([isinstance(one, str) for one in made], dtype=bool), made)
    used = [one for one in made if isinstance(one, PreparedVideo)]
    videos = data.videos.assign(
        entry=[str(video.folder) for video in used],
        num_clips=[len(find_clips(video, data.config)) for video in used],
        walk_seconds=[sum(bout.distinct_seconds for bout in video.bouts) for video in used],
    )
    is_demo = any(video.meta["comment"] == SYNTHETIC_COMMENT for video in used)
    return replace(data, videos=videos, is_demo=is_demo)


def describe_skipped(skipped: pd.DataFrame) -> list[str]:
    """Return a line a reason, the most frequent first."""
    groups = sorted(skipped.groupby("reason")["video"], key=lambda group: -len(group[1]))
    return [f"Skipped {len(videos)}: {reason} ({name_some(videos, 3)})" for reason, videos in groups]


def make_demo_folders(config: RunConfig) -> tuple[Path, Path]:
    """Draw the synthetic walkers into the cache, unless they are there; return both folders."""
    folder = cache_dir() / "demo" / f"v{DEMO_VERSION}_walkers{config.demo_walkers}_seed{config.seed}"
    with hold_lock(folder, "Another process draws the same synthetic walkers: waiting for it.", wait=True):
        if not folder.is_dir():
            with write_aside(folder) as aside:
                make_demo(aside / "videos", aside / "videosTest", config.demo_walkers, config.seed)
    return folder / "videos", folder / "videosTest"
