"""A run's folder: claimed by one process, filled out of sight, in its place only when it is whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from gaitlib.errors import InputError
from gaitlib.files import hold_lock, make_folder, project_dir, write_aside

# Says why a run failed. A folder with this file and no report gives way to the next run; the first line
# tells it from a file of the same name that somebody else wrote.
ERROR_NAME = "error.txt"
_ERROR_MARK = "A run of gaitlib failed here; the next one into this folder takes its place."


def default_out() -> Path:
    """Return the run folder where none is named: in ``reports/``, by date and time."""
    return project_dir() / "reports" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"


@contextmanager
def new_run(out: Path) -> Iterator[Path]:
    """Give a hidden folder that becomes the run folder `out` when the block succeeds, and vanishes if not.

    Raises
    ------
    InputError
        If `out` holds anything but a failed run, or another process is making it.
    """
    make_folder(out.parent)
    with hold_lock(out, f"Another run is writing {out} at this moment: choose another --out."):
        check_free(out)  # under the lock: another run may have finished since
        with write_aside(out) as work:
            work.mkdir()
            yield work
            if _is_failed_run(out):
                os.rename(out, work.with_name("failed before"))


def check_free(out: Path) -> None:
    """Raise an InputError if a run folder holds anything but a failed run."""
    if out.exists() and not _is_failed_run(out) and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} already exists: choose another --out, or delete it first.")


def _is_failed_run(folder: Path) -> bool:
    if not (folder / ERROR_NAME).is_file() or (folder / "index.html").exists():
        return False
    with (folder / ERROR_NAME).open(encoding="utf-8", errors="replace") as stream:
        return stream.readline(200).rstrip("\n") == _ERROR_MARK


def write_failure(folder: Path, reason: object) -> None:
    """Mark a folder as that of a failed run, and say why it failed."""
    (folder / ERROR_NAME).write_text(f"{_ERROR_MARK}\n{reason}\n", encoding="utf-8")
