"""From a video to the files of its cache entry: the walker cut out of every picture, and the track."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from gaitlib.config import RunConfig
from gaitlib.video import FrameChunk, read_ahead, read_chunks, shrink
from gaitlib.walker import WalkerTrack, cut_crops, find_walker
from gaitlib.walker.shape import SHAPE_NAMES, measure_shapes

WORKING_SIDE_PIXELS = 480
CHUNK_SECONDS = 60.0
# Side of the small whole pictures that tell footage and scene apart from the walker.
THUMB_PIXELS = 32


def store_pictures(path: Path, config: RunConfig, folder: Path, num_threads: int) -> None:
    """Decode a video, find its walker and write the files of its cache entry.

    Memory does not grow with the length of the video: it is read and written in chunks.

    Parameters
    ----------
    path : Path
    config : RunConfig
    folder : Path
        Where ``pictures.bin``, ``thumbs.bin``, ``track.npy`` and ``meta.json`` go.
    num_threads : int
        Threads that decode; 0: as many as there are cores.

    Raises
    ------
    InputError
        If the video cannot be read.
    """
    reader = read_chunks(
        path,
        config.frame_rate_hz,
        WORKING_SIDE_PIXELS,
        color=config.num_channels == 3,
        chunk_seconds=CHUNK_SECONDS,
    )
    reader.num_threads = num_threads
    found = _Found()
    # Beside other workers a chunk in advance would only take memory: they fill the cores already.
    chunks = reader if num_threads == 1 else read_ahead(reader)
    with (folder / "pictures.bin").open("wb") as stream, (folder / "thumbs.bin").open("wb") as thumbs:
        for chunk in chunks:
            crops, small = found.add(chunk, config)
            stream.write(crops)
            thumbs.write(small)
    table = pd.concat(found.tables, ignore_index=True)
    np.save(folder / "track.npy", table.to_records(index=False))
    side = config.frame_size
    meta = {
        "num_pictures": found.num_pictures,
        "pictures_digest": found.content.hexdigest(),
        "frame_shape": found.frame_shape,
        "crop": config.crop,
        "picture_shape": [side, side, config.num_channels],
        "methods": sorted(found.methods),
        "num_people": found.num_people,
        "small_height_pixels": found.small_height_pixels,
        "why_empty": _why_empty(found),
        "frames_read": reader.report.frames_read,
        "corrupt_frames": reader.report.corrupt_frames,
        "duration_seconds": reader.report.duration_seconds,
        "comment": reader.report.comment,
        "notes": list(reader.report.notes),
    }
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


@dataclass
class _Found:
    """What has been found in the chunks of a video so far."""

    tables: list[pd.DataFrame] = field(default_factory=list)
    methods: set[str] = field(default_factory=set)
    num_pictures: int = 0
    num_segments: int = 0
    num_people: int = 0
    small_height_pixels: float = 0.0
    frame_shape: list[int] = field(default_factory=lambda: [0, 0])
    content: Any = field(default_factory=hashlib.sha256)

    def add(self, chunk: FrameChunk, config: RunConfig) -> tuple[bytes, bytes]:
        """Find the walker in the next chunk; return the crops and the small whole pictures."""
        grey = _as_grey(chunk.frames)
        self.frame_shape = list(grey.shape[1:])
        track = find_walker(grey, config.frame_rate_hz)
        shapes, silhouettes = measure_shapes(grey, track)
        track = _framed(track, grey.shape[1:]) if config.crop == "frame" else track
        is_walking = track.segments >= 0
        pictures: Iterable[np.ndarray] = (chunk.frames[place] for place in np.flatnonzero(is_walking))
        if config.crop == "silhouette" and silhouettes is not None:
            pictures = _without_scene(pictures, silhouettes)
        crops = cut_crops(pictures, track.squares[is_walking], config.frame_size).tobytes()
        self.content.update(crops)
        self.tables.append(self._table(chunk.times_seconds, track, shapes))
        self.num_pictures += int(is_walking.sum())
        self.num_segments = max(self.num_segments, int(self.tables[-1]["segment"].max()) + 1)
        self.methods.add(track.method)
        self.num_people = max(self.num_people, track.num_people)
        self.small_height_pixels = max(self.small_height_pixels, track.small_height_pixels)
        return crops, _shrink(grey).tobytes()

    def _table(self, times_seconds: np.ndarray, track: WalkerTrack, shapes: np.ndarray) -> pd.DataFrame:
        """Return the chunk's rows of the track table."""
        walking = track.segments >= 0
        columns = {"time_seconds": times_seconds}
        columns |= dict(zip(("left", "top", "width", "height"), track.boxes.T, strict=True))
        columns |= dict(zip(("square_x", "square_y", "square_side"), track.squares.T, strict=True))
        picture = np.where(walking, self.num_pictures + np.cumsum(walking) - 1, -1)
        columns |= {"speed_heights_per_s": track.speeds, "picture": picture}
        columns |= {"segment": np.where(walking, track.segments + self.num_segments, -1)}
        columns |= {f"shape_{name}": values for name, values in zip(SHAPE_NAMES, shapes.T, strict=True)}
        return pd.DataFrame(columns)


def _as_grey(frames: np.ndarray) -> np.ndarray:
    if frames.ndim == 3:
        return frames
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])


def _shrink(frames: np.ndarray) -> np.ndarray:
    return np.stack([shrink(frame, (THUMB_PIXELS, THUMB_PIXELS)) for frame in frames])


def _framed(track: WalkerTrack, shape: tuple[int, ...]) -> WalkerTrack:
    """As published: every picture, whole. The track stays for the speed of the walker."""
    height, width = shape
    square = np.array([width / 2, height / 2, max(width, height)], np.float32)
    squares = np.tile(square, (len(track.squares), 1))
    return replace(track, squares=squares, segments=np.zeros(len(squares), np.int32))


def _without_scene(frames: Iterable[np.ndarray], silhouettes: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the silhouettes of grey frames, or colour frames that are black around the walker."""
    for frame, outline in zip(frames, silhouettes, strict=True):
        yield outline if frame.ndim == 2 else (frame * (outline[..., None] / 255)).astype(np.uint8)


def _why_empty(found: _Found) -> str:
    if found.num_people:
        people = "a person is" if found.num_people == 1 else f"{found.num_people} people are"
        return f"{people} in the picture, but nobody walks in full view."
    if not found.methods:
        return "the video holds no picture."
    return "nobody was found: nothing that looks like a person moves in the picture."
