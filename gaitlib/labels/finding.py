"""Who shows what: folders, CSV manifests and rating sheets become one table of labelled videos."""

from dataclasses import dataclass
from glob import iglob
from pathlib import Path

import pandas as pd

from gaitlib.errors import InputError
from gaitlib.files import show_name
from gaitlib.labels.manifests import match_videos, parse_manifest
from gaitlib.labels.naming import fill_walkers, folder_emotions
from gaitlib.labels.ratings import is_rating_sheet, mean_ratings, parse_ratings
from gaitlib.labels.tables import normal_name, read_table

VIDEO_SUFFIXES = tuple(
    ".mp4 .m4v .mov .3gp .3g2 .mkv .webm .avi .ts .mts .m2ts .mpg .mpeg .vob .gif .flv .ogv .ogg .asf .wmv "
    ".y4m .ivf .dv".split()
)
_IGNORED = {"readme.md", "truth.csv", "labels.csv", "thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True)
class LabelledVideos:
    """The videos of a folder, and what is known about each.

    `videos` has a row a video: ``video`` (name relative to the folder, with ``/``), ``path`` (absolute),
    ``emotion`` (lower-case; None without labels), ``walker``, further columns of the label file. `skipped`
    has ``video`` and ``reason``; `source` is "manifest", "ratings", "folders" or "none".
    """

    videos: pd.DataFrame
    skipped: pd.DataFrame
    warnings: list[str]
    source: str


def is_video_name(name: str) -> bool:
    """Tell whether the suffix of a file's name is one of a video."""
    return name.lower().endswith(VIDEO_SUFFIXES)


def list_videos(folder: str | Path) -> list[Path]:
    """Return the files in a folder and its subfolders that are videos by their names, sorted."""
    return [path for name, path in _list_files(Path(folder)).items() if is_video_name(name)]


def _list_files(folder: Path) -> dict[str, Path]:
    """Return the visible files by their names relative to `folder`."""
    if not folder.is_dir():
        fault = "is not a folder" if folder.exists() else "is not there"
        raise InputError(f"Videos folder {show_name(folder)} {fault}: check its name or make it.")
    paths = [Path(name) for name in sorted(iglob("**", root_dir=folder, recursive=True))]
    visible = [path for path in paths if not _IGNORED & {part.casefold() for part in path.parts}]
    return {path.as_posix(): folder / path for path in visible if not (folder / path).is_dir()}


def read_labels(path: str | Path) -> pd.DataFrame:
    """Read a label file: a CSV manifest or a rating sheet (``.xlsx`` or ``.csv``).

    Returns ``video``, ``emotion`` (lower-case), ``walker`` (None where not given); of a rating sheet also a
    column of mean ratings per emotion, ``num_raters``, ``margin`` (highest mean minus second) and
    ``agreement`` (see `rater_agreement`). ``attrs`` holds ``source`` and ``warnings``. Raises an `InputError`
    if the file cannot be read as either, or contradicts itself.
    """
    table, name, warnings = read_table(Path(path).expanduser()), show_name(path), list[str]()
    if is_rating := is_rating_sheet(table):
        labels, warnings = mean_ratings(parse_ratings(table, name))
    else:
        labels = parse_manifest(table, name, ("video", "emotion"))
    labels.attrs = {"source": "ratings" if is_rating else "manifest", "warnings": warnings}
    return labels


def find_videos(
    folder: str | Path,
    labels_path: str | Path | None = None,
    suffixes: tuple[str, ...] = VIDEO_SUFFIXES,
) -> LabelledVideos:
    """Find the videos of a folder with their emotions and walkers.

    Labels come from the first of these that is there: `labels_path`; ``labels.csv`` in the folder; one
    folder an emotion. Walkers come from the column ``walker`` of the label file or, where it has none, of
    the folder's ``labels.csv``; else from the names, and a warning tells what was taken for the walker.
    Raises an `InputError` if there is no video, or labels are faulty, contradict each other or name none.
    """
    folder, skipped, warnings = Path(folder).expanduser().absolute(), dict[str, str](), list[str]()
    paths = _list_files(folder)
    files = {name: path for name, path in paths.items() if name.lower().endswith(suffixes) and path.is_file()}
    # A recording beside a video is no file that was left out.
    recordings = {Path(name).with_suffix(".csv").as_posix() for name in files}
    for name in set(paths) - set(files) - recordings:
        skipped[show_name(name)] = "Not a video by its suffix, or no regular file."
    if not files:
        example = show_name(folder / "happy" / "maria_1.mp4")
        raise InputError(
            f"No video in {show_name(folder)}: put them into one folder an emotion, as {example}."
        )
    beside = next((path for path in folder.iterdir() if path.name.casefold() == "labels.csv"), None)
    table = read_table(beside) if beside else pd.DataFrame()
    if beside and not labels_path and set(map(normal_name, table.iloc[0])) != {"video", "walker"}:
        labels_path = beside
    if labels_path:
        labels = read_labels(labels_path)
        source, warnings = labels.attrs["source"], labels.attrs["warnings"]
        videos = match_videos(labels, files, show_name(labels_path), skipped, warnings)
    else:
        videos = folder_emotions(list(files), show_name(folder), skipped)
        source = "folders" if videos["emotion"].any() else "none"
        if source == "none":
            warnings.append("The videos have no labels: no folders that name emotions, and no labels.csv.")
    if beside and beside != labels_path and videos["walker"].isna().all():
        walkers = parse_manifest(table, show_name(beside), ("video",))
        walkers = match_videos(walkers, files, show_name(beside), {}, [])
        named = dict(zip(walkers["video"], walkers["walker"], strict=True))
        videos["walker"] = [named.get(name) for name in videos["video"]]
    fill_walkers(videos, warnings)
    videos.insert(1, "path", [str(files[name]) for name in videos["video"]])
    for column in ("video", "emotion"):
        videos[column] = [value and show_name(value) for value in videos[column]]
    left = pd.DataFrame(sorted(skipped.items()), columns=["video", "reason"], dtype=object)
    return LabelledVideos(videos, left, warnings, source)
