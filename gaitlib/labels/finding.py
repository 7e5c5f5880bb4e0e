"""Who shows what: folders, CSV manifests and rating sheets become one table of labelled videos."""

import os
from dataclasses import dataclass
from glob import iglob
from pathlib import Path

import pandas as pd

from gaitlib.errors import InputError
from gaitlib.files import show_name
from gaitlib.labels.naming import folder_emotions, read_walkers
from gaitlib.labels.tables import match_videos, parse_manifest, read_header, read_labels, read_table

VIDEO_SUFFIXES = tuple(
    """.mp4 .m4v .mov .3gp .3g2 .mkv .webm .avi .ts .mts .m2ts .mpg .mpeg .vob .gif .flv .ogv
.ogg .asf .wmv .y4m .ivf .dv""".split()
)
_IGNORED = {"readme.md", "truth.csv", "labels.csv", "thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True)
class LabelledVideos:
    """The videos of a folder, and what is known about each.

    `videos` has a row a video: ``video`` (name relative to the folder, with ``/``), ``path`` (absolute),
    ``emotion`` (lower-case; without labels None in all), ``walker``, of a label file ``listed`` (the name in
    it) and further columns; `skipped` has ``video`` and ``reason``.
    """

    videos: pd.DataFrame
    skipped: pd.DataFrame
    warnings: list[str]


def list_videos(folder: str | Path) -> list[Path]:
    """Return the files in a folder and its subfolders that are videos by their names, sorted."""
    paths = _list_files(Path(folder)).values()
    return [path for path in paths if path.name.lower().endswith(VIDEO_SUFFIXES)]


def _list_files(folder: Path) -> dict[str, Path]:
    """Return the visible files by their names relative to `folder`."""
    if not folder.is_dir():
        fault = "is not a folder" if folder.exists() else "is not there"
        raise InputError(f"Videos folder {show_name(folder)} {fault}: check its name or make it.")
    paths = [Path(name) for name in sorted(iglob("**", root_dir=folder, recursive=True))]
    visible = [path for path in paths if not _IGNORED & {part.casefold() for part in path.parts}]
    return {path.as_posix(): folder / path for path in visible if not (folder / path).is_dir()}


def find_videos(
    folder: str | Path, labels_path: str | Path | None = None, suffixes: tuple[str, ...] = VIDEO_SUFFIXES
) -> LabelledVideos:
    """Find the videos of a folder with their emotions and walkers.

    Labels come from the first of these that is there: `labels_path`; ``labels.csv`` in the folder; one
    folder per emotion. Walkers come from the column ``walker`` of the label file or, where it has none, of
    the folder's ``labels.csv``; else from the names, and a warning tells what was taken for the walker.
    Raises an `InputError` if there is no video, or labels are faulty, contradict each other or name none.
    """
    folder, warnings = Path(folder).expanduser().absolute(), list[str]()
    paths = _list_files(folder)
    files = {name: path for name, path in paths.items() if name.lower().endswith(suffixes)}
    files = {name: path for name, path in files.items() if path.is_file() and os.access(path, os.R_OK)}
    if not files:
        root = show_name(folder)
        raise InputError(f"No video in {root}: put some into one folder per emotion, as happy/maria_1.mp4.")
    recordings = {Path(name).with_suffix(end).as_posix() for name in files for end in (".csv", ".CSV")}
    left_out = map(show_name, paths.keys() - files.keys() - recordings)
    skipped = dict.fromkeys(left_out, "Not a video by its suffix, or no file that can be read.")
    beside = next((path for path in folder.iterdir() if path.name.casefold() == "labels.csv"), None)
    table = read_table(beside) if beside else pd.DataFrame()
    if beside and not labels_path and set(read_header(table)) != {"video", "walker"}:
        labels_path = beside
    if labels_path:
        videos = match_videos(read_labels(labels_path), files, show_name(labels_path), skipped)
    else:
        videos = folder_emotions(list(files), show_name(folder), skipped)
    if beside and not (labels_path and beside.samefile(labels_path)) and videos["walker"].isna().all():
        rows = parse_manifest(table, show_name(beside), ("video",))
        named = match_videos(rows, files, show_name(beside), {})
        videos["walker"] = videos["video"].map(named.set_index("video")["walker"]).astype(object)
    is_open = videos["walker"].isna()
    if is_open.any() and not is_open.all():
        first = show_name(videos["video"][is_open].iloc[0])
        warnings.append(
            f"Rows that name no walker (merged cells?): {is_open.sum()}, such as that of {first}. There the "
            "file's name tells it, so one person may get two names."
        )
    videos.loc[is_open, "walker"] = read_walkers(videos[is_open], warnings)
    videos.insert(1, "path", [str(files[name]) for name in videos["video"]])
    for column in ("video", "emotion", "walker"):
        videos[column] = [value and show_name(value) for value in videos[column]]
    tied = videos[videos["margin"] < 1e-9].itertuples() if "margin" in videos else ()
    warnings += [f"{row.video}: a tie of mean ratings, taken as {row.emotion}." for row in tied]
    reasons = pd.DataFrame(sorted(skipped.items()), columns=["video", "reason"], dtype=object)
    return LabelledVideos(videos, reasons, warnings)
