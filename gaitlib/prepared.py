"""What is kept of a video: the pictures of its walker, the track, and the whole scene in small."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gaitlib.cutting import THUMB_PIXELS
from gaitlib.files import read_json


@dataclass(frozen=True)
class PreparedVideo:
    """The cached pictures and track of one video.

    Attributes
    ----------
    folder : Path
        Cache entry.
    digest : str
        SHA-256 of the video file.
    """

    folder: Path
    digest: str

    @cached_property
    def meta(self) -> dict[str, Any]:
        """How the video was read and the walker found."""
        return read_json(self.folder / "meta.json")

    @cached_property
    def rows(self) -> np.ndarray:
        """The rows of `track`, shape (num_rows,), with its columns as named fields."""
        return np.load(self.folder / "track.npy")

    @cached_property
    def track(self) -> pd.DataFrame:
        """One row a picture looked at: time, box, square, speed, segment, picture number and shape.

        The shape (`gaitlib.walker.shape`) is NaN where nobody walks or no scene could be learnt.
        """
        return pd.DataFrame(self.rows)

    @cached_property
    def rate_hz(self) -> float:
        """Pictures a second that were looked at."""
        steps = np.diff(self.rows["time_seconds"])
        return 1 / float(np.median(steps)) if len(steps) else 15.0

    def read(self, first: int, num_frames: int) -> np.ndarray:
        """Return stored pictures, shape (num_frames, frame_size, frame_size, num_channels), uint8.

        The file is mapped, not read: only the pictures asked for come from the disk.
        """
        shape = tuple(self.meta["picture_shape"])
        size = int(np.prod(shape))
        pictures = np.memmap(
            self.folder / "pictures.bin",
            np.uint8,
            mode="r",
            offset=first * size,
            shape=(num_frames, *shape),
        )
        return np.array(pictures)

    @property
    def thumbs(self) -> np.ndarray:
        """The whole picture in small, for each row of the track: shape (num_rows, 32, 32), uint8, grey."""
        thumbs = np.fromfile(self.folder / "thumbs.bin", np.uint8)
        return thumbs.reshape(-1, THUMB_PIXELS, THUMB_PIXELS)

    @cached_property
    def repeats(self) -> np.ndarray:
        """Whether the picture of each row of the track repeats an earlier one, shape (num_rows,), bool."""
        return np.load(self.folder / "repeats.npy")

    @property
    def motion(self) -> np.ndarray:
        """What moves where, coarsely (`gaitlib.motion`), shape (num_steps, 8, 8), float32."""
        return np.load(self.folder / "motion.npy")

    @cached_property
    def walks(self) -> list[tuple[int, int]]:
        """First picture and number of pictures of every unbroken walk."""
        segments = self.rows["segment"]
        stored = self.rows[segments >= 0]
        _, starts, counts = np.unique(stored["segment"], return_index=True, return_counts=True)
        firsts = stored["picture"][starts]
        return [(int(first), int(count)) for first, count in zip(firsts, counts, strict=True)]


def prepared_rows(rows: pd.DataFrame) -> list[PreparedVideo]:
    """Return the cached pictures of videos, in the order of their rows: columns `entry` and `digest`."""
    if rows.empty:
        return []
    pairs = zip(rows["entry"], rows["digest"], strict=True)
    return [PreparedVideo(Path(entry), digest) for entry, digest in pairs]
