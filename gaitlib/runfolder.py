"""A run's folder: claimed by one process, filled out of sight, in its place only when it is whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from gaitlib.config import InputError
from gaitlib.files import hold_lock, make_folder, project_dir, write_aside

# Why a run failed. A folder with this file and no report gives way to the next run; its first line tells it
# from a file of the same name that somebody else wrote.
ERROR_NAME = "error.txt"
_ERROR_MARK = "A run of gaitlib failed here; the next one into this folder takes its place."


def default_out() -> Path:
    """Return the run folder that is taken where none is named: in ``reports/``, by date and time."""
    return project_dir() / "reports" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"


@contextmanager
def new_run(out: Path) -> Iterator[Path]:
    """Give a hidden folder that becomes the run folder `out` when the block succeeds.

    Parameters
    ----------
    out : Path
        Absent, empty, or the folder of a failed run.

    Yields
    ------
    Path
        Where to write. It vanishes if the block fails, and before the next run if the process is killed.

    Raises
    ------
    InputError
        If `out` holds something, or another process is making it.
    StorageError
        If it cannot be written.
    """
    make_folder(out.parent)
    busy = f"Another run is writing {out} at this moment: choose another --out."
    with hold_lock(out, busy):
        # Under the lock: another run may have finished since.
        check_free(out)
        with write_aside(out) as work:
            work.mkdir()
            yield work
            if is_failed_run(out):
                os.rename(out, work.with_name("failed before"))


def check_free(out: Path) -> None:
    """Refuse a run folder that holds anything but a failed run.

    Raises
    ------
    InputError
    """
    if out.exists() and not is_failed_run(out) and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} already exists: choose another --out, or delete it first.")


def is_failed_run(folder: Path) -> bool:
    """Tell whether a folder holds what a failed run left behind."""
    if not (folder / ERROR_NAME).is_file() or (folder / "index.html").exists():
        return False
    with (folder / ERROR_NAME).open(encoding="utf-8", errors="replace") as stream:
        return stream.readline(200).rstrip("\n") == _ERROR_MARK


def write_failure(folder: Path, reason: object) -> None:
    """Mark a folder as that of a failed run, and say why it failed."""
    (folder / ERROR_NAME).write_text(f"{_ERROR_MARK}\n{reason}\n", encoding="utf-8")
