"""Video files become frames at a steady rate, in memory that does not grow with their length."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import av
import av.error
import numpy as np
from av.video.stream import VideoStream

from gaitlib.errors import InputError
from gaitlib.files import show_name
from gaitlib.video.decoding import Decoder, ReadReport, open_container, open_regular
from gaitlib.video.frames import Geometry

_EPSILON_SECONDS = 1e-3  # Matroska rounds stamps to milliseconds: 2/30 s is stored as 0.067


@dataclass(frozen=True)
class FrameChunk:
    """A part of a video at a steady rate.

    `times_seconds`, shape (num_frames,), has when each frame is on screen, ``k / frame_rate_hz`` from the
    first frame of the video. `frames`, shape (num_frames, height, width[, 3]), uint8, are RGB or grey from 0
    to 255, upright, in square pixels.
    """

    times_seconds: np.ndarray
    frames: np.ndarray


class VideoReader:
    """Read a video of any length at a steady rate, chunk by chunk, by iterating over it.

    At each tick ``k / frame_rate_hz`` the frame on screen is taken, by time stamps alone, so that a slower
    video repeats frames. Slow motion that a phone has tagged is read at the true pace. No other file and no
    host is ever opened. `report` is complete after the last chunk.

    Frames are shrunk to `max_side_px`, and grey, which is faster, unless `color`. A chunk of `chunk_seconds`
    is held in memory whole. Iterating raises an `InputError` if no frame can be decoded.
    """

    def __init__(
        self,
        path: str | Path,
        frame_rate_hz: float = 15.0,
        max_side_px: int = 960,
        color: bool = True,
        chunk_seconds: float = 60.0,
    ) -> None:
        self.path, self.report = Path(path), ReadReport()
        self._frame_rate_hz, self._max_side_px, self._color = frame_rate_hz, max_side_px, color
        self._chunk_length = max(1, round(chunk_seconds * frame_rate_hz))

    def __iter__(self) -> Iterator[FrameChunk]:
        """Read the file from its start and yield `FrameChunk` after `FrameChunk`."""
        name = show_name(self.path)
        with open_regular(self.path) as file, open_container(file, name) as container:
            decoder = Decoder(container, file, name)
            self.report = decoder.report
            with closing(decoder.frames()) as decoded:  # before the container is
                yield from self._chunks(self._pictures(decoded, decoder.stream))
        if not self.report.frames_read:
            reason = "".join(self.report.notes[-1:]) or "copy it again or convert it to H.264 MP4."
            raise InputError(f"{name} holds no frame that can be decoded: {reason}")

    def _pictures(self, decoded: Iterator[tuple[av.VideoFrame, float]], stream: VideoStream) -> Iterator:
        """Yield the picture on screen at each tick; a frame that stays there is converted once."""
        geometry, picture, tick = None, None, 0
        for frame, until_seconds in decoded:
            if geometry is None:
                ratio = float(stream.sample_aspect_ratio or 1)
                geometry = Geometry.of(frame, ratio, self._max_side_px, self.report.notes)
                self.report.width, self.report.height = geometry.width, geometry.height
            last_tick = (until_seconds - _EPSILON_SECONDS) * self._frame_rate_hz
            if tick and tick >= last_tick:
                continue
            try:
                picture = geometry.picture(frame, self._color)
            except av.error.FFmpegError as error:  # damage can make up a format
                self.report.corrupt_frames += 1
                if picture is None:
                    name = show_name(self.path)
                    raise InputError(f"{name} cannot be shown ({error.strerror}): convert it.") from None
            while tick == 0 or tick < last_tick:
                yield picture
                tick += 1

    def _chunks(self, pictures: Iterator[np.ndarray]) -> Iterator[FrameChunk]:
        num_before = 0
        for first in pictures:
            part = chain([first], islice(pictures, self._chunk_length - 1))
            frames = np.fromiter(part, np.dtype((np.uint8, first.shape)))
            times_seconds = (num_before + np.arange(len(frames))) / self._frame_rate_hz
            num_before += len(frames)
            yield FrameChunk(times_seconds, frames)
            del frames  # the chunk is the caller's, to keep or to drop


def read_video(
    path: str | Path, frame_rate_hz: float = 15.0, max_side_px: int = 960, color: bool = True
) -> tuple[FrameChunk, ReadReport]:
    """Read a whole video, which must fit into memory, as one chunk; see `VideoReader`."""
    reader = VideoReader(path, frame_rate_hz, max_side_px, color, chunk_seconds=20.0)
    parts = zip(*((one.times_seconds, one.frames) for one in reader), strict=True)
    return FrameChunk(*map(np.concatenate, parts)), reader.report
