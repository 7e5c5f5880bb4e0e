"""Where things are kept, and writing that never leaves half a file where a reader finds it."""

import hashlib
import json
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
from filelock import FileLock, Timeout

from gaitlib.errors import InputError, StorageError, is_full, storage_error

if TYPE_CHECKING:
    import pandas as pd

# End the names of folders in which something is being written, and of locks.
_ASIDE_SUFFIX, _LOCK_SUFFIX = ".gaitlib.tmp", ".gaitlib.lock"
# A process looks for what the killed have left in a folder no more often than this.
_TIDY_SECONDS = 60.0
_tidied: dict[Path, float] = {}


def cache_dir() -> Path:
    """Return the folder of work that need not be done twice (``GAITLIB_CACHE`` moves it)."""
    named = os.environ.get("GAITLIB_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("gaitlib"))


def project_dir() -> Path:
    """Return the nearest folder, here or above, that holds ``notebooks/``; else the current one."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "notebooks").is_dir()), here)


def project_path(path: str | Path) -> Path:
    """Return `path` as absolute, a relative one being taken from the project's folder."""
    path = Path(path).expanduser()
    return path if path.is_absolute() else project_dir() / path


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` (a file or folder) that takes its place when the block succeeds.

    A kill leaves at most a hidden folder beside it, which the next writer into the same folder removes.
    Raises `StorageError` if the folder cannot be written to, or the disk is full.
    """
    make_folder(path.parent)
    try:
        with temporary_folder(path.parent, path.name) as folder:
            yield folder / path.name
            os.replace(folder / path.name, path)
    except (OSError, RuntimeError) as error:  # HDF5 raises the second when it closes a file
        if isinstance(error, StorageError) or not is_full(error):
            raise
        raise storage_error(path, error) from error


def check_output(path: Path | None, suffixes: Sequence[str]) -> None:
    """Raise an `InputError` where a file would be written under another kind's name; None is fine."""
    if path is not None and path.suffix.lower() not in suffixes:
        raise InputError(f"{path} would be written as a {suffixes[0]} file: give it a name that ends so.")


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, or raise a `StorageError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error, _advice(folder)) from error


def _advice(folder: Path) -> str:
    is_cache = folder.is_relative_to(cache_dir())
    return "Let GAITLIB_CACHE name a folder that can be written." if is_cache else "Choose another folder."


@contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """Give an empty hidden folder that goes when the block ends, or soon after its process was killed.

    Its owner holds a lock in it; a folder whose lock is free is nobody's.
    """
    _remove_ownerless(parent)
    try:
        folder, lock = _own_folder(parent, name)
    except OSError as error:
        raise storage_error(parent / name, error, _advice(parent)) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _own_folder(parent: Path, name: str) -> tuple[Path, FileLock]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{name[:60]}.", suffix=_ASIDE_SUFFIX, dir=parent))
        lock = FileLock(folder / "lock")
        # Gone already: another process took the folder, not yet locked, for one of the killed.
        with suppress(FileNotFoundError):
            lock.acquire()
            return folder, lock


def _remove_ownerless(parent: Path) -> None:
    """Remove what the killed have left; rarely, as listing a large folder takes long."""
    now = time.monotonic()
    if now - _tidied.get(parent, -math.inf) < _TIDY_SECONDS:
        return
    _tidied[parent] = now
    # Locked by its owner, removed by another process, or not ours to remove.
    for path in [path for path in parent.iterdir() if path.name.startswith(".")]:
        if path.name.endswith(_ASIDE_SUFFIX):
            with suppress(OSError), FileLock(path / "lock", timeout=0):
                shutil.rmtree(path, ignore_errors=True)
        elif path.name.endswith(_LOCK_SUFFIX):
            with suppress(OSError), FileLock(path, timeout=0):
                path.unlink()


@contextmanager
def hold_lock(path: Path, notice: str, wait: bool = False) -> Iterator[None]:
    """Be the only process that makes `path` during the block; the lock ends with its holder, even if killed.

    Where another holds it, print `notice` and `wait`, or raise the notice as an `InputError`.
    """
    lock = FileLock(path.with_name(f".{path.name}{_LOCK_SUFFIX}"))
    try:
        try:
            # Not zero: who tidies up takes a lock for a moment to see whether it is free.
            lock.acquire(timeout=0.5)
        except Timeout:
            if not wait:
                raise InputError(notice) from None
            print(notice, flush=True)
            lock.acquire()
    except OSError as error:
        raise storage_error(path, error, _advice(path.parent)) from error
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


@contextmanager
def stderr_to(path: Path) -> Iterator[None]:
    """Send what this process, its libraries and its children write to stderr to the end of a file."""
    sys.stderr.flush()
    stderr_copy = os.dup(2)
    with path.open("a") as stream:
        os.dup2(stream.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(stderr_copy, 2)
        os.close(stderr_copy)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, whole or not at all; NaN and infinity become null.

    Bytes of a file's name that are no UTF-8 are written as escapes, which `read_json` turns back.
    """
    with write_aside(path) as aside:
        text = json.dumps(_finite(content), indent=2, allow_nan=False, ensure_ascii=False)
        aside.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def read_json(path: Path) -> Any:
    """Read a JSON file, or raise an `InputError` if it is missing or is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: run the step that writes it first.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}): delete it and run again.") from error


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if hasattr(content, "tolist"):
        return _finite(content.tolist())
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV, whole or not at all; texts cannot act as formulas in a spreadsheet."""
    with write_aside(path) as aside:
        table.map(escape_cell).to_csv(aside, index=False)


def escape_cell(value: Any) -> Any:
    """Return a table's cell with an apostrophe before a text that a spreadsheet would run as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(tuple("=+-@\t\r")) else value


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def show_name(name: object) -> str:
    """Return a file's name as printable text: line breaks and undecodable bytes become escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(name))
