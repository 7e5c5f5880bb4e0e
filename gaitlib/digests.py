"""Digests of files, read anew only where a file may have changed."""

import hashlib
import os
import platform
import time
from pathlib import Path

from gaitlib.files import write_aside
from gaitlib.video import file_digest

# A file that changed a moment ago may change again within the same tick of the file system's clock.
MIN_AGE_SECONDS = 3.0


def recall_digest(path: Path, cache: Path) -> str | None:
    """Return the SHA-256 of a file's content without reading it, None if it may have changed.

    A file counts as unchanged if its place, device, inode, size and both its times are the same: that
    of its content, which programs can set back, and that of its inode (`st_ctime_ns`), which they
    cannot. Files younger than a few seconds are not trusted.
    """
    note = note_path(path, cache)
    if note is None or not note.exists():
        return None
    digest = note.read_text(encoding="ascii")
    return digest if len(digest) == 64 else None


def remembered_digest(path: Path, cache: Path) -> str:
    """Return the SHA-256 of a file's content, and remember it for `recall_digest`.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    digest = recall_digest(path, cache)
    if digest is None:
        note = note_path(path, cache)
        digest = file_digest(path)
        write_note(note, digest, path, cache)
    return digest


def write_note(note: Path | None, digest: str, path: Path, cache: Path) -> None:
    """Note a file's digest, unless the file has changed since `note_path` told where to, or it is noted."""
    if note is None or not digest or note != note_path(path, cache):
        return
    if recall_digest(path, cache) != digest:
        with write_aside(note) as aside:
            aside.write_text(digest, encoding="ascii")


def note_path(path: Path, cache: Path) -> Path | None:
    """Return where to note the file's digest as it is now; None if it is not there or too young."""
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return None
    if time.time() - max(state.st_mtime, state.st_ctime) < MIN_AGE_SECONDS:
        return None
    place = os.fsencode(os.path.abspath(path))
    # Machines may share a cache, but not what lies under a path.
    numbers = platform.node(), state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
    name = hashlib.sha256(place + b"\0" + repr(numbers).encode()).hexdigest()[:32]
    return cache / "digests" / name
