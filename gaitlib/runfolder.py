"""A run's folder: claimed by one process, filled out of sight, in its place only when it is whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gaitlib.config import InputError
from gaitlib.files import hold_lock, make_folder, write_aside

# Why a run failed; a folder with this and no report gives way to the next run.
ERROR_NAME = "error.txt"


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
    return (folder / ERROR_NAME).exists() and not (folder / "index.html").exists()
