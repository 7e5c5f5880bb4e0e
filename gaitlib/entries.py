"""Cache entries that tell whether they are whole: a power cut or a full disk may spoil what was stored."""

import shutil
import zlib
from pathlib import Path
from typing import Any

from gaitlib.config import InputError
from gaitlib.files import read_json, temporary_folder, write_json

_SEAL_NAME = "files.json"
_BLOCK_BYTES = 1 << 22


def seal(folder: Path) -> None:
    """Note size and checksum of every file in a folder that is complete."""
    write_json(folder / _SEAL_NAME, {path.name: _sum_of(path) for path in sorted(folder.iterdir())})


def is_whole(folder: Path) -> bool:
    """Say whether all files of an entry are as they were when it was sealed."""
    try:
        noted = read_json(folder / _SEAL_NAME)
        return all(_sum_of(folder / name) == known for name, known in noted.items())
    except (InputError, OSError, AttributeError):
        return False


def remove_spoilt(folder: Path) -> None:
    """Remove an entry that is there but not whole; others see it whole or not at all."""
    if folder.exists() and not is_whole(folder):
        with temporary_folder(folder.parent, folder.name) as aside:
            try:
                folder.rename(aside / folder.name)
            except FileNotFoundError:  # another process was first
                return
            shutil.rmtree(aside / folder.name, ignore_errors=True)


def _sum_of(path: Path) -> list[Any]:
    size, crc = 0, 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            size, crc = size + len(block), zlib.crc32(block, crc)
    return [size, crc]
