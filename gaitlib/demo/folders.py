"""Folders that appear complete or not at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

KEPT_NAMES = ("README.md", ".gitkeep")


class DemoError(Exception):
    """The synthetic walkers cannot be made; the message says why and how to mend it."""


def check_free(folders: Sequence[Path]) -> None:
    """Refuse folders that hold anything, or that lie in each other.

    Parameters
    ----------
    folders : sequence of Path
        Absolute paths of the folders to write.

    Raises
    ------
    DemoError
        Naming the folder that is in the way.
    """
    for folder in folders:
        if folder.exists() and not folder.is_dir():
            raise DemoError(f"{folder} is a file; give a folder for the synthetic walkers.")
        held = sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []
        others = [name for name in held if name not in KEPT_NAMES]
        if others:
            raise DemoError(
                f"{folder} already holds {others[0]}; empty the folder or give another one "
                "for the synthetic walkers."
            )
    for folder in folders:
        if sum(other == folder or folder in other.parents for other in folders) > 1:
            raise DemoError(
                f"{folder} cannot hold both the training and the test walkers; give two folders "
                "that lie beside each other."
            )


@contextlib.contextmanager
def build_aside(folders: Sequence[Path]) -> Iterator[list[Path]]:
    """Build folders under temporary names beside them, and rename all when the block succeeds.

    Parameters
    ----------
    folders : sequence of Path
        Absolute paths; absent, or holding nothing but `KEPT_NAMES`, which stay.

    Yields
    ------
    list of Path
        The empty temporary folders, in the same order. They vanish if the block fails.
    """
    asides = [folder.with_name(f".{folder.name}.{os.getpid()}.partial") for folder in folders]
    try:
        for aside in asides:
            aside.mkdir(parents=True)
        yield asides
        for folder, aside in zip(folders, asides, strict=True):
            _put_in_place(aside, folder)
    finally:
        for aside in asides:
            shutil.rmtree(aside, ignore_errors=True)


def _put_in_place(aside: Path, folder: Path) -> None:
    """Rename a complete folder to its name, taking over the kept files of the old one."""
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        for name in KEPT_NAMES:
            if (folder / name).exists():
                shutil.copy2(folder / name, aside / name)
        folder.rename(old)
    aside.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
