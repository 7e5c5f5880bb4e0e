"""What the name of a file says: is it a video, who walks in it, how to show it to people."""

import re
from pathlib import PurePosixPath

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg",
    ".mpeg", ".vob", ".gif", ".flv", ".ogv", ".ogg", ".asf", ".wmv", ".y4m", ".ivf", ".dv",
)  # fmt: skip

# "https://...", "concat:a|b", "C:\walks": names that mean something else than a file in the folder.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


def is_video_name(name: str) -> bool:
    """Tell whether the suffix of a file's name is one of a video."""
    return PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES


def walker_from_name(name: str) -> str | None:
    """Return the walker named in a file's name, the part before its last ``_``, or None.

    Examples
    --------
    >>> walker_from_name("happy/ale_maria_2.mp4")
    'ale_maria'
    """
    before, _, _ = PurePosixPath(name).stem.rpartition("_")
    return before.strip() or None


def is_inside(name: str) -> bool:
    """Tell whether a name, as written in a table, stays inside the folder it is relative to."""
    path = PurePosixPath(name.replace("\\", "/"))
    return not (path.is_absolute() or ".." in path.parts or _SCHEME.match(name))


def show_name(name: object) -> str:
    r"""Return a file's name as printable text: line breaks and undecodable bytes become escapes.

    Examples
    --------
    >>> print(show_name("walk\n1.mp4"))
    walk\n1.mp4
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(name)
    )
