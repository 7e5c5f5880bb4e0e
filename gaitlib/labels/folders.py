"""Find the video files below a folder."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gaitlib.config import InputError
from gaitlib.names import is_video_name, show_name

_IGNORED = {"readme.md", "truth.csv", "labels.csv", "thumbs.db", "desktop.ini"}


@dataclass
class Search:
    """What lies in a folder of videos.

    Attributes
    ----------
    files : dict of str to Path
        Videos by their names relative to the folder, with ``/``.
    skipped : dict of str to str
        What was not used, and why.
    warnings : list of str
        One sentence each.
    """

    files: dict[str, Path] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def search_folder(videos_dir: Path) -> Search:
    """Find the videos below a folder; what else lies there is noted as skipped.

    Raises
    ------
    InputError
        If the folder is missing or cannot be read.
    """
    if not videos_dir.is_dir():
        what = "is not a folder" if videos_dir.exists() else "is not there"
        raise InputError(f"Videos folder {show_name(videos_dir)} {what}: check its name or make it.")
    search = Search()
    for path in _files_below(videos_dir, set()):
        name = path.relative_to(videos_dir).as_posix()
        if not is_video_name(name):
            search.skipped[show_name(name)] = "Not a video by its suffix."
        elif path.is_dir():
            search.skipped[show_name(name)] = "A folder with the name of a video."
        else:
            search.files[name] = path
    return search


def _files_below(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Yield visible files in the order of their names; enter linked folders, but each only once."""
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"Folder {show_name(folder)} cannot be read ({reason}).") from None
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        if entry.name.startswith(".") or entry.name.casefold() in (*_IGNORED, "__macosx"):
            continue
        if entry.is_dir() and not is_video_name(entry.name):
            yield from _files_below(Path(entry.path), seen)
        else:
            yield Path(entry.path)
