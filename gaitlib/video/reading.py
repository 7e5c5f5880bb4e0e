"""Video files become frames at a steady rate, in memory that does not grow with their length."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, groupby, islice
from operator import itemgetter
from pathlib import Path

import av
import numpy as np

from gaitlib.errors import InputError
from gaitlib.files import show_name
from gaitlib.video.decoding import Decoder, ReadReport
from gaitlib.video.frames import Geometry
from gaitlib.video.opening import TimedFile, holds_second_film, main_stream, open_container, open_regular

_MAX_CHUNK_BYTES = 1 << 30
_EPSILON_SECONDS = 1e-3  # Matroska rounds stamps to milliseconds: 2/30 s is stored as 0.067


@dataclass(frozen=True)
class FrameChunk:
    """A part of a video at a steady rate.

    `times_seconds`, shape (num_frames,), has when each frame is on screen, ``k / frame_rate_hz`` from the
    first frame of the video; `source_seconds` its own time stamp, when it had come on screen. `frames`, shape
    (num_frames, height, width[, 3]), uint8, are RGB or grey from 0 to 255, upright, in square pixels.
    """

    times_seconds: np.ndarray
    source_seconds: np.ndarray
    frames: np.ndarray


class VideoReader:
    """Read a video of any length at a steady rate, chunk by chunk, by iterating over it.

    At each tick ``k / frame_rate_hz`` the frame on screen is taken, by time stamps alone, so that a slower
    video repeats frames. Slow motion that a phone has tagged is read at the true pace. No other file and no
    host is ever opened. `report` is complete after the last chunk.

    Frames are shrunk to `max_side_px`, and grey, which is faster, unless `color`. A chunk, held in memory
    whole, is at most `chunk_seconds` long and 1 GiB. `num_threads` decode, 0: one a core; several videos at
    once are read fastest with 1. Reading stops, with a note, when it takes longer than `time_limit_seconds`
    plus the time read so far. Iterating raises an `InputError` if no frame can be decoded.
    """

    def __init__(
        self,
        path: str | Path,
        frame_rate_hz: float = 15.0,
        max_side_px: int = 960,
        color: bool = True,
        chunk_seconds: float = 60.0,
        num_threads: int = 0,
        time_limit_seconds: float = 600.0,
    ) -> None:
        if not (0 < frame_rate_hz < 1e4 and max_side_px > 0):
            raise InputError(f"frame_rate_hz {frame_rate_hz} and max_side_px {max_side_px} must be positive.")
        self.path, self.report = Path(path), ReadReport()
        self._frame_rate_hz, self._max_side_px, self._color = frame_rate_hz, max_side_px, color
        self._chunk_length = max(1, round(chunk_seconds * frame_rate_hz))
        self._num_threads, self._time_limit_seconds = num_threads, time_limit_seconds

    def __iter__(self) -> Iterator[FrameChunk]:
        """Read the file from its start and yield `FrameChunk` after `FrameChunk`."""
        name = show_name(self.path)
        with open_regular(self.path) as file:
            timed = TimedFile(file, self._time_limit_seconds)
            with open_container(timed, name) as container:
                stream, notes = main_stream(container, name)
                decoder = Decoder(container, stream, timed, name)
                self.report = decoder.report
                self.report.notes += notes
                with closing(decoder.frames(self._num_threads)) as decoded:  # before the container is
                    ticks = self._on_ticks(decoded, decoder)
                    yield from self._chunks(self._pictures(ticks, stream.sample_aspect_ratio), timed)
                if not self.report.frames_read:
                    reason = "".join(self.report.notes[-1:]) or "copy it again or convert it to H.264 MP4."
                    raise InputError(f"{name} holds no frame that can be decoded: {reason}")
                if holds_second_film(file, container.format.name):
                    self.report.notes.append("More data follows the film's end, as of two files joined.")

    def _on_ticks(self, decoded: Iterator, decoder: Decoder) -> Iterator[tuple[float, av.VideoFrame]]:
        """Yield for each tick the frame on screen then: the latest that has come."""
        tick, shown = 0, None
        for time_seconds, frame in decoded:
            while shown and tick / self._frame_rate_hz < time_seconds - _EPSILON_SECONDS:
                yield shown
                tick += 1
            shown = time_seconds, frame
        while shown and (tick == 0 or tick / self._frame_rate_hz < decoder.end_seconds() - _EPSILON_SECONDS):
            yield shown
            tick += 1

    def _pictures(self, ticks: Iterator, pixel_ratio: Fraction | None) -> Iterator[tuple[float, np.ndarray]]:
        """Yield time and picture for each tick; a frame that stays on screen is converted once."""
        geometry = None
        for frame, shown in groupby(ticks, key=itemgetter(1)):
            if geometry is None:
                geometry = Geometry.of(frame, float(pixel_ratio or 1), self._max_side_px, self.report.notes)
                self.report.width, self.report.height = geometry.width, geometry.height
                self.report.rotation_deg = geometry.rotation_deg
            picture = geometry.picture(frame, self._color)
            yield from ((time_seconds, picture) for time_seconds, _ in shown)

    def _chunks(self, pictures: Iterator[tuple[float, np.ndarray]], timed: TimedFile) -> Iterator[FrameChunk]:
        num_before = 0
        while first := next(pictures, None):
            length = min(self._chunk_length, max(1, _MAX_CHUNK_BYTES // first[1].nbytes))
            sources, frames = list[float](), np.empty((length, *first[1].shape), np.uint8)
            for time_seconds, picture in chain([first], islice(pictures, length - 1)):
                frames[len(sources)] = picture
                sources.append(time_seconds)
            times_seconds, frames = num_before + np.arange(len(sources)), frames[: len(sources)]
            num_before, paused = num_before + len(sources), time.monotonic()
            yield FrameChunk(times_seconds / self._frame_rate_hz, np.array(sources), frames)
            timed.started += time.monotonic() - paused
            del frames  # the chunk is the caller's, to keep or to drop


def read_video(
    path: str | Path, frame_rate_hz: float = 15.0, max_side_px: int = 960, color: bool = True
) -> tuple[FrameChunk, ReadReport]:
    """Read a whole video, which must fit into memory, as one chunk; see `VideoReader`."""
    reader = VideoReader(path, frame_rate_hz, max_side_px, color, chunk_seconds=20.0)
    parts = zip(*((one.times_seconds, one.source_seconds, one.frames) for one in reader), strict=True)
    return FrameChunk(*map(np.concatenate, parts)), reader.report
