"""Where things are kept, and writing that never leaves half a file where a reader finds it."""

import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

from gaitlib.config import InputError


def cache_dir() -> Path:
    """Return the folder of work that need not be done twice (``GAITLIB_CACHE`` moves it)."""
    named = os.environ.get("GAITLIB_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("gaitlib"))


def project_dir() -> Path:
    """Return the nearest folder, here or above, that holds ``notebooks/``; else the current one.

    JupyterLab starts kernels beside the notebook and papermill where it was called; both mean the
    project's own ``videos/`` and ``reports/``.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "notebooks").is_dir():
            return folder
    return here


def project_path(path: str | Path) -> Path:
    """Return `path` as absolute, a relative one being taken from the project's folder."""
    path = Path(path).expanduser()
    return path if path.is_absolute() else project_dir() / path


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place only when the block succeeds.

    Works for files and folders. A kill leaves at most a hidden ``.NAME.*.tmp`` beside it, never a
    part of `path` itself.

    Parameters
    ----------
    path : Path
        The final place; an older file there is replaced.

    Yields
    ------
    Path
        Where to write; with the suffix of `path`, as some writers choose the format by it.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.stem[:60]}.", suffix=".tmp", dir=path.parent))
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror or error}. Choose another folder.") from error
    try:
        yield folder / path.name
        os.replace(folder / path.name, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
    """Read a JSON file.

    Raises
    ------
    InputError
        If the file is missing or is not JSON.
    """
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
