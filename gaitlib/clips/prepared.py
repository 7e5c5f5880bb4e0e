"""What is kept of a video in the cache, and how the other rooms read it."""

import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gaitlib.clips.skeleton import draw_sequence
from gaitlib.errors import InputError
from gaitlib.files import read_json
from gaitlib.walker import Keypoints

THUMB_PX = 32


@dataclass(frozen=True)
class Bout:
    """A walking bout: one person walks, without a break and without footage that came before.

    `number` counts in order of time and stands in the track's column `bout`; `last_row` is included;
    `distinct_seconds` is the length without repeats, `period_frames` one round of a loop, else 0; `heading`
    is "left", "right", "towards" the camera or "away".
    """

    number: int
    first_row: int
    last_row: int
    start_seconds: float
    end_seconds: float
    distinct_seconds: float
    period_frames: int
    heading: str
    person: int

    def __len__(self) -> int:
        return self.last_row + 1 - self.first_row


@dataclass(frozen=True)
class PreparedVideo:
    """The cached track, keypoints and frames of one video; `digest` is the SHA-256 of its file.

    Rows count the frames of the whole video at the rate of the run.
    """

    folder: Path
    digest: str

    @cached_property
    def meta(self) -> dict[str, Any]:
        """How the video was read and the walker found; `why_empty` says why there is no bout."""
        return read_json(self.folder / "meta.json")

    @cached_property
    def track(self) -> pd.DataFrame:
        """The walker in each row.

        Columns: `time_seconds`; box `left`, `top`, `width`, `height` and square `square_x`, `square_y`,
        `square_side` in pixels of the frames that `VideoReader` gives by default; `bout` and `person` (-1:
        none); `speed_heights_per_s`; `picture` (place among the stored frames, -1: none); `shape_*`
        (`SHAPE_NAMES`, from silhouettes only).
        """
        return pd.DataFrame(np.load(self.folder / "track.npy"))

    @cached_property
    def keypoints(self) -> Keypoints | None:
        """The walker's keypoints in each row, None where silhouettes were read."""
        path = self.folder / "keypoints.npz"
        return Keypoints.load(path) if path.exists() else None

    @property
    def sequence(self) -> np.ndarray:
        """The keypoints as `keypoint_sequence` gives them, of shape (num_rows, 33, 3), float32."""
        return np.load(self.folder / "sequence.npy", mmap_mode="r")

    @cached_property
    def bouts(self) -> tuple[Bout, ...]:
        """The walking bouts in order of time."""
        return tuple(Bout(**entry) for entry in self.meta["bouts"])

    @property
    def own_bouts(self) -> tuple[Bout, ...]:
        """The walking bouts of the person who walks most: whom a verdict is about."""
        return tuple(bout for bout in self.bouts if bout.person == self.meta["main_person"])

    @property
    def thumbs(self) -> np.ndarray:
        """The whole frame in small, of shape (num_rows, 32, 32), uint8, grey."""
        return self._stored("thumbs.bin", (THUMB_PX, THUMB_PX))

    @property
    def repeats(self) -> np.ndarray:
        """Whether each frame repeats an earlier one, of shape (num_rows,), bool."""
        return np.load(self.folder / "repeats.npy")

    def read(self, rows: np.ndarray, frame_size: int = 48, num_channels: int = 1) -> np.ndarray:
        """Return frames of walking bouts, shape (num_frames, frame_size, frame_size, num_channels), uint8.

        Rows may come in any order. Skeletons are drawn as asked for; other frames come as they were stored.
        """
        if self.meta["crop"] == "skeleton":
            return draw_sequence(self.sequence[rows], frame_size, num_channels)
        return self._stored("pictures.bin", self.meta["picture_shape"])[self._places[rows]]

    @cached_property
    def _places(self) -> np.ndarray:
        return np.load(self.folder / "track.npy", mmap_mode="r")["picture"].copy()

    def _stored(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Map a file of frames: only those asked for come from the disk."""
        path = self.folder / name
        if not path.stat().st_size:
            return np.zeros((0, *shape), np.uint8)
        return np.memmap(path, np.uint8, mode="r").reshape(-1, *shape)

    def is_whole(self) -> bool:
        """Tell whether all files are there as they were written."""
        try:
            return self.meta["files"] == checksums(self.folder)
        except (InputError, OSError, KeyError, TypeError):
            return False


def checksums(folder: Path) -> dict[str, int]:
    """Return the CRC-32 of each file of an entry but its description."""
    paths = sorted(path for path in folder.iterdir() if path.name != "meta.json")
    return {path.name: zlib.crc32(path.read_bytes()) for path in paths}
