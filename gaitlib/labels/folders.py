"""Find the video files below a folder."""

import os
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
    _search_below(videos_dir, videos_dir, search, set())
    return search


def _search_below(folder: Path, root: Path, search: Search, seen: set[tuple[int, int]]) -> None:
    """Note visible files in the order of their names; enter linked folders, but each only once."""
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        reason = f"cannot be read ({error.strerror or type(error).__name__})."
        if folder == root:
            raise InputError(f"Folder {show_name(folder)} {reason}") from None
        search.skipped[show_name(folder.relative_to(root).as_posix())] = f"This folder {reason}"
        return
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        if entry.name.startswith(".") or entry.name.casefold() in (*_IGNORED, "__macosx"):
            continue
        path = Path(entry.path)
        name = path.relative_to(root).as_posix()
        is_folder = path.is_dir()  # unlike the entry's own, without an error for links in a circle
        if is_folder and not is_video_name(name):
            _search_below(path, root, search, seen)
        elif is_folder:
            search.skipped[show_name(name)] = "A folder with the name of a video."
        elif not is_video_name(name):
            search.skipped[show_name(name)] = "Not a video by its suffix."
        else:
            search.files[name] = path
