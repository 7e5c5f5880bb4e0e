"""Who shows what: folders, CSV manifests and rating sheets become one table of labelled videos."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gaitlib.config import InputError
from gaitlib.labels.folders import Search, search_folder
from gaitlib.labels.manifests import (
    drop_repeats,
    file_keys,
    manifest_from_rows,
    match_files,
    normal_name,
)
from gaitlib.labels.ratings import is_rating_sheet, mean_ratings, ratings_from_rows
from gaitlib.labels.tables import read_rows
from gaitlib.labels.walkers import fill_walkers, take_walkers
from gaitlib.names import show_name


class NothingListed(InputError):  # noqa: N818
    """A label file that lists no video of the folder."""


@dataclass(frozen=True)
class LabelledVideos:
    """The videos of a folder, and what is known about each.

    Attributes
    ----------
    videos : DataFrame
        One row a video: ``video`` (name relative to the folder, with ``/``), ``path`` (absolute),
        ``emotion`` (lower-case; None if there are no labels at all), ``walker``, and the further
        columns of the label file (mean ratings, ``reference``).
    skipped : DataFrame
        Files and names that were not used: ``video``, ``reason``.
    warnings : list of str
        One sentence each.
    source : {"manifest", "ratings", "folders", "none"}
        Where the labels come from.
    """

    videos: pd.DataFrame
    skipped: pd.DataFrame
    warnings: list[str]
    source: str


def read_labels(path: str | Path) -> pd.DataFrame:
    """Read a label file: a CSV manifest or a rating sheet.

    Parameters
    ----------
    path : str or Path
        ``.csv`` with columns ``video,emotion`` and optionally ``walker`` and ``reference``, or a
        rating sheet (``.xlsx`` or ``.csv``).

    Returns
    -------
    DataFrame
        Columns ``video``, ``emotion`` (lower-case), ``walker`` (None where not given); for a rating
        sheet also one column of mean ratings per emotion, ``num_raters`` and ``margin``.
        ``attrs["warnings"]`` is a list of sentences, ``attrs["source"]`` is ``"manifest"`` or
        ``"ratings"``.

    Raises
    ------
    InputError
        If the file cannot be read as either, or contradicts itself.

    Examples
    --------
    >>> read_labels("videos/labels.csv")[["video", "emotion"]]  # doctest: +SKIP
             video  emotion
    0  maria_1.mp4    happy
    """
    path = Path(path)
    rows = read_rows(path)
    if is_rating_sheet(rows):
        table = mean_ratings(ratings_from_rows(rows, show_name(path)))
        table.insert(2, "walker", None)
        table.attrs["source"] = "ratings"
        return table
    return manifest_from_rows(rows, show_name(path))


def read_raters(path: str | Path) -> pd.DataFrame:
    """Read a rating sheet as one row a rating: ``video``, ``rater``, ``emotion``, ``rating``.

    Raises
    ------
    InputError
        If the file is not a rating sheet.
    """
    path = Path(path)
    rows = read_rows(path)
    if not is_rating_sheet(rows):
        raise InputError(
            f"{show_name(path)} is not a rating sheet: expected video names in row 1 and questions "
            "that end in '- Happy', '- Angry' and so on in row 2."
        )
    return ratings_from_rows(rows, show_name(path))


def list_videos(videos_dir: str | Path) -> list[Path]:
    """Return the files in a folder and its subfolders that are videos by their names, sorted."""
    return list(search_folder(Path(videos_dir)).files.values())


def find_videos(
    videos_dir: str | Path,
    labels_path: str | Path | None = None,
    emotions: Sequence[str] | None = None,
) -> LabelledVideos:
    """Find the videos of a folder with their emotions and walkers.

    Labels come from the first of these that is there: `labels_path`; ``labels.csv`` in the folder;
    one folder an emotion. The walker comes from the label file (for a rating sheet, from ``labels.csv``
    in the folder), else from the part of the file's name before its last ``_``, else every video counts
    as its own walker, with a warning.

    Parameters
    ----------
    videos_dir : str or Path
        The folder.
    labels_path : str or Path, optional
        A label file, see `read_labels`.
    emotions : sequence of str, optional
        The emotions that are allowed; any by default.

    Returns
    -------
    LabelledVideos

    Raises
    ------
    InputError
        If the folder holds no video, or the labels are faulty: none of the listed videos is there, a name
        leads out of the folder, a video has two emotions, an emotion is not one of `emotions`.
    """
    videos_dir = Path(videos_dir).expanduser().absolute()
    search = search_folder(videos_dir)
    if not search.files:
        raise InputError(
            f"No video in {show_name(videos_dir)}: put videos into one folder an emotion, such as "
            f"{show_name(videos_dir / 'happy' / 'maria_1.mp4')}."
        )
    found_labels = _label_file(videos_dir, labels_path)
    if found_labels:
        videos, source = _from_file(search, found_labels)
    else:
        videos, source = _from_folders(search)
    _check_allowed(videos, emotions)
    if source == "ratings":
        take_walkers(videos, search, _label_file(videos_dir, None))
    fill_walkers(videos, search.warnings)
    videos["path"] = [str(search.files[name]) for name in videos["video"]]
    videos["video"] = [show_name(name) for name in videos["video"]]
    videos["emotion"] = [name and show_name(name) for name in videos["emotion"]]
    skipped = pd.DataFrame(sorted(search.skipped.items()), columns=["video", "reason"], dtype=object)
    first = ["video", "path", "emotion", "walker"]
    videos = videos[first + [name for name in videos if name not in (*first, "where")]]
    videos.attrs = {}
    return LabelledVideos(videos.reset_index(drop=True), skipped, search.warnings, source)


def check_emotions(train: pd.DataFrame, test: pd.DataFrame | None = None) -> None:
    """Check that there is something to learn, and nothing in the test that was never learnt.

    Parameters
    ----------
    train, test : DataFrame
        Tables with columns ``video`` and ``emotion``.

    Raises
    ------
    InputError
        If training has fewer than two emotions, or the test has one that training lacks.
    """
    known = sorted(train["emotion"].dropna().unique())
    if len(known) < 2:
        have = f"only {known[0]!r}" if known else "no emotion"
        raise InputError(f"The training videos show {have}: at least two emotions are needed to learn.")
    if test is None:
        return
    unseen = test[test["emotion"].notna() & ~test["emotion"].isin(known)]
    if len(unseen):
        video, emotion = unseen[["video", "emotion"]].iloc[0]
        raise InputError(
            f"Test video {video} shows {emotion!r}, which no training video shows "
            f"({', '.join(known)}): add training videos of it or leave its test videos out "
            f"({len(unseen)} in all)."
        )


def _label_file(videos_dir: Path, labels_path: str | Path | None) -> Path | None:
    if labels_path is not None:
        return Path(labels_path).expanduser()
    inside = [path for path in videos_dir.iterdir() if path.name.casefold() == "labels.csv"]
    if inside[1:]:
        raise InputError(f"{show_name(videos_dir)} holds {len(inside)} label files: keep one labels.csv.")
    return next(iter(inside), None)


def _from_folders(search: Search) -> tuple[pd.DataFrame, str]:
    """Label each video with the name of its folder; without folders there are no labels."""
    labelled = [name for name in search.files if "/" in name]
    if not labelled:
        search.warnings.append(
            "The videos have no labels: put them into one folder an emotion or write a labels.csv."
        )
        names, source = list(search.files), "none"
    else:
        names, source = labelled, "folders"
        for name in search.files.keys() - set(labelled):
            search.skipped[show_name(name)] = "Not in a folder that names its emotion."
    emotions = [normal_name(name.split("/")[0]) if source == "folders" else None for name in names]
    table = pd.DataFrame({"video": names, "emotion": emotions, "walker": None}, dtype=object)
    table["where"] = [f"folder {show_name(name.split('/')[0])}" for name in names]
    return table, source


def _from_file(search: Search, labels_path: Path) -> tuple[pd.DataFrame, str]:
    """Label the videos that a label file lists; the missing and the unlisted are skipped."""
    table = read_labels(labels_path)
    file = show_name(labels_path)
    source = table.attrs["source"]
    search.warnings += table.attrs["warnings"]
    table["where"] = table.attrs.get("where", f"{file}: rating sheet")
    listed = list(table["video"])
    keys = file_keys(search.files)
    matches = [match_files(name, keys, where) for name, where in zip(listed, table["where"], strict=True)]
    for name, files in zip(listed, matches, strict=True):
        if len(files) != 1:
            several = f"Listed in {file}, but several files have this name: {', '.join(files)}."
            search.skipped[show_name(name)] = several if files else f"Listed in {file}, but not there."
    num_missing = sum(not files for files in matches)
    if num_missing == len(listed):
        raise NothingListed(
            f"{file} lists {num_missing} videos, of which none is in the folder (the first is "
            f"{listed[0]!r}): check the names in the file, or the folder."
        )
    if num_missing:
        first = next(name for name, files in zip(listed, matches, strict=True) if not files)
        search.warnings.append(
            f"{file} lists {len(listed)} videos, of which {num_missing} are not there, the first {first!r}."
        )
    table["video"] = [files[0] if len(files) == 1 else None for files in matches]
    table = drop_repeats(table[table["video"].notna()], search.warnings)
    for name in search.files.keys() - set(table["video"]):
        search.skipped.setdefault(show_name(name), f"Not listed in {file}.")
    return table, source


def _check_allowed(videos: pd.DataFrame, emotions: Sequence[str] | None) -> None:
    if emotions is None:
        return
    allowed = [normal_name(emotion) for emotion in emotions]
    unknown = videos[~videos["emotion"].isin(allowed)]
    if len(unknown):
        video, emotion, where = unknown[["video", "emotion", "where"]].iloc[0]
        raise InputError(
            f"{where}: {show_name(video)} has the emotion {emotion!r}, expected one of "
            f"{', '.join(allowed)}: correct the label."
        )
