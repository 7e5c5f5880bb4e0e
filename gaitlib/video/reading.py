"""Video files become frames at a steady rate, in memory that does not grow with their length."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path

import av
import av.error
import numpy as np
from av.video.stream import VideoStream

from gaitlib.errors import InputError
from gaitlib.files import show_name
from gaitlib.video.decoding import Decoder, LimitedFile, ReadReport, open_container, open_regular
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
        with open_regular(self.path) as file, open_container(limited := LimitedFile(file), name) as container:
            decoder = Decoder(container, limited, name)
            self.report = decoder.report
            with closing(decoder.frames()) as decoded:  # before the container is
                yield from self._chunks(self._pictures(self._on_ticks(decoded, decoder), decoder.stream))
        if not self.report.frames_read:
            reason = "".join(self.report.notes[-1:]) or "copy it again or convert it to H.264 MP4."
            raise InputError(f"{name} holds no frame that can be decoded: {reason}")

    def _on_ticks(self, decoded: Iterator, decoder: Decoder) -> Iterator[av.VideoFrame]:
        """Yield for each tick the frame on screen then: the latest that has come."""
        tick, shown = 0, None
        for time_seconds, frame in decoded:
            while shown and tick / self._frame_rate_hz < time_seconds - _EPSILON_SECONDS:
                yield shown
                tick += 1
            shown = frame
        while shown and (tick == 0 or tick / self._frame_rate_hz < decoder.end_seconds() - _EPSILON_SECONDS):
            yield shown
            tick += 1

    def _pictures(self, ticks: Iterator[av.VideoFrame], stream: VideoStream) -> Iterator[np.ndarray]:
        """Yield the picture for each tick; a frame that stays on screen is converted once."""
        geometry, picture = None, None
        for frame, shown in groupby(ticks):
            if geometry is None:
                ratio = float(stream.sample_aspect_ratio or 1)
                geometry = Geometry.of(frame, ratio, self._max_side_px, self.report.notes)
                self.report.width, self.report.height = geometry.width, geometry.height
            try:
                picture = geometry.picture(frame, self._color)
            except av.error.FFmpegError as error:  # damage can make up a format
                self.report.corrupt_frames += 1
                if picture is None:
                    name = show_name(self.path)
                    raise InputError(f"{name} cannot be shown ({error.strerror}): convert it.") from None
            yield from (picture for _ in shown)

    def _chunks(self, pictures: Iterator[np.ndarray]) -> Iterator[FrameChunk]:
        num_before = 0
        while (first := next(pictures, None)) is not None:
            frames, num_frames = np.empty((self._chunk_length, *first.shape), np.uint8), 0
            for picture in chain([first], islice(pictures, self._chunk_length - 1)):
                frames[num_frames] = picture
                num_frames += 1
            times_seconds = (num_before + np.arange(num_frames)) / self._frame_rate_hz
            num_before += num_frames
            yield FrameChunk(times_seconds, frames[:num_frames])
            del frames  # the chunk is the caller's, to keep or to drop


def read_video(
    path: str | Path, frame_rate_hz: float = 15.0, max_side_px: int = 960, color: bool = True
) -> tuple[FrameChunk, ReadReport]:
    """Read a whole video, which must fit into memory, as one chunk; see `VideoReader`."""
    reader = VideoReader(path, frame_rate_hz, max_side_px, color, chunk_seconds=20.0)
    parts = zip(*((one.times_seconds, one.frames) for one in reader), strict=True)
    return FrameChunk(*map(np.concatenate, parts)), reader.report
