"""Video files become pictures at a steady rate, with their times and a report on their faults."""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from gaitlib.config import InputError
from gaitlib.names import show_name
from gaitlib.video.cutoff import ends_midway
from gaitlib.video.decoding import Decoder, ReadReport
from gaitlib.video.gif import first_damaged_picture
from gaitlib.video.pictures import Geometry
from gaitlib.video.probe import Clockwork, file_digest, main_stream, open_regular, open_video

__all__ = ["FrameChunk", "ReadReport", "VideoReader", "file_digest", "read_chunks", "read_video"]

_EPSILON_SECONDS = 1e-3  # Matroska rounds stamps to milliseconds: 2/30 s is stored as 0.067


@dataclass(frozen=True)
class FrameChunk:
    """A stretch of a video at a steady rate.

    Attributes
    ----------
    times_seconds : ndarray of shape (num_frames,), float64
        When each picture is on screen: ``k / frame_rate_hz`` from the first picture of the video.
    source_seconds : ndarray of shape (num_frames,), float64
        When the picture shown then had come on screen: its own timestamp, from the first picture.
    frames : ndarray of shape (num_frames, height, width) or (num_frames, height, width, 3), uint8
        Grey (0 black to 255 white) or RGB, upright, in square pixels.
    """

    times_seconds: np.ndarray
    source_seconds: np.ndarray
    frames: np.ndarray


class VideoReader:
    """Read a video in chunks; memory does not grow with its length.

    Iterating opens the file and decodes it from its start; `report` is filled on the way. See
    `read_chunks` for the parameters.

    Attributes
    ----------
    num_threads : int
        Threads that decode; 0, as many as there are cores, until it is set. Several videos at once are
        read fastest with one thread each.
    """

    def __init__(
        self,
        path: str | Path,
        frame_rate_hz: float,
        max_side: int,
        color: bool,
        chunk_seconds: float,
        time_limit_seconds: float,
    ) -> None:
        self.path = Path(path)
        self.frame_rate_hz = frame_rate_hz
        self.max_side = max_side
        self.color = color
        self.chunk_length = max(1, round(chunk_seconds * frame_rate_hz))
        self.time_limit_seconds = time_limit_seconds
        self.num_threads = 0
        self.report = ReadReport()

    def __iter__(self) -> Iterator[FrameChunk]:
        """Yield `FrameChunk` after `FrameChunk`.

        Raises
        ------
        InputError
            If the file is not a video or holds no picture that can be decoded.
        """
        self.report = ReadReport()
        clock = Clockwork(self.time_limit_seconds)
        name = show_name(self.path)
        with open_regular(self.path) as file, open_video(file, name, clock.check) as container:
            self.report.comment = container.metadata.get("comment", "")
            stream = main_stream(container, name, self.report.notes)
            stream.codec_context.thread_type = "AUTO"
            stream.codec_context.thread_count = self.num_threads
            is_cut = ends_midway(file, container.format.name, stream.id)
            decoder = Decoder(container, stream, clock, self.report, name, is_cut)
            yield from self._chunks(self._pictures(self._on_ticks(decoder), stream), clock)
            decoder.finish()
            if container.format.name == "gif":
                self._look_for_damage(file, clock)

    def _look_for_damage(self, file: io.FileIO, clock: Clockwork) -> None:
        """Look at a GIF once more, as FFmpeg does not tell."""
        number = first_damaged_picture(file, clock.check)
        if number is not None and not self.report.corrupt_frames:
            self.report.note(f"The data of picture {number} are damaged: it and later ones may be wrong.")

    def _on_ticks(self, decoder: Decoder) -> Iterator[tuple[float, av.VideoFrame]]:
        """Yield for each tick the picture on screen then: the latest that has come."""
        tick = 0
        shown: tuple[float, av.VideoFrame] | None = None
        for time_seconds, frame in decoder:
            while shown and tick / self.frame_rate_hz < time_seconds - _EPSILON_SECONDS:
                yield shown
                tick += 1
            shown = time_seconds, frame
        end_seconds = decoder.timeline.end_seconds() - _EPSILON_SECONDS
        while shown and (tick == 0 or tick / self.frame_rate_hz < end_seconds):
            yield shown
            tick += 1

    def _pictures(
        self, ticks: Iterator[tuple[float, av.VideoFrame]], stream: VideoStream
    ) -> Iterator[tuple[float, np.ndarray]]:
        """Yield time and output picture for each tick; one that stays on screen is made once."""
        geometry: Geometry | None = None
        last: tuple[av.VideoFrame, np.ndarray] | None = None
        for time_seconds, frame in ticks:
            if geometry is None:
                geometry = Geometry.of(frame, float(stream.sample_aspect_ratio or 1), self.max_side)
                self._describe(geometry)
            if last is None or last[0] is not frame:
                last = frame, geometry.make_picture(frame, self.color)
            yield time_seconds, last[1]

    def _chunks(self, pictures: Iterator[tuple[float, np.ndarray]], clock: Clockwork) -> Iterator[FrameChunk]:
        """Collect pictures into chunks."""
        num_before = 0
        sources: list[float] = []
        frames = np.empty(0, np.uint8)
        for time_seconds, picture in pictures:
            if not sources:
                frames = np.empty((self.chunk_length, *picture.shape), np.uint8)
            frames[len(sources)] = picture
            sources.append(time_seconds)
            if len(sources) == self.chunk_length:
                clock.pause()
                yield self._chunk(num_before, sources, frames)
                clock.resume()
                num_before, sources = num_before + len(sources), []
                frames = np.empty(0, np.uint8)  # the chunk is the caller's now, to keep or to drop
        if sources:
            yield self._chunk(num_before, sources, frames[: len(sources)].copy())

    def _chunk(self, num_before: int, sources: list[float], frames: np.ndarray) -> FrameChunk:
        times_seconds = (num_before + np.arange(len(sources))) / self.frame_rate_hz
        return FrameChunk(times_seconds, np.array(sources), frames)

    def _describe(self, geometry: Geometry) -> None:
        self.report.width, self.report.height = geometry.width, geometry.height
        self.report.rotation_deg = geometry.rotation_deg
        for sentence in geometry.notes:
            self.report.note(sentence)


def read_chunks(
    path: str | Path,
    frame_rate_hz: float = 15.0,
    max_side: int = 480,
    color: bool = False,
    chunk_seconds: float = 60.0,
    time_limit_seconds: float = 600.0,
) -> VideoReader:
    """Read a video of any length at a steady rate, chunk by chunk.

    At each tick ``k / frame_rate_hz`` the picture on screen is taken, by timestamps alone: the
    latest that has come, so that a slower video repeats pictures. It is turned upright, brought to
    square pixels and shrunk; grey comes from the luma plane, stretched to 0..255.

    Parameters
    ----------
    path : str or Path
        The video. No other file and no host is ever opened.
    frame_rate_hz : float
        Pictures a second to take.
    max_side : int
        Longest side of the pictures, pixels; smaller videos keep their size.
    color : bool
        RGB rather than grey.
    chunk_seconds : float
        Length of a chunk; a chunk is held in memory whole.
    time_limit_seconds : float
        Reading stops, with a note, when it takes longer than this plus the time read so far.

    Returns
    -------
    VideoReader
        To iterate over; its ``report`` is complete after the last chunk.

    Raises
    ------
    InputError
        On iteration: if the file is not a video or holds no picture that can be decoded.

    Examples
    --------
    >>> reader = read_chunks("walk.mp4", frame_rate_hz=15)  # doctest: +SKIP
    >>> sum(len(chunk.frames) for chunk in reader)  # doctest: +SKIP
    75
    >>> reader.report.notes  # doctest: +SKIP
    []
    """
    if not (frame_rate_hz > 0 and math.isfinite(frame_rate_hz) and max_side > 0):
        raise InputError(f"frame_rate_hz {frame_rate_hz} and max_side {max_side} must be positive numbers.")
    return VideoReader(path, frame_rate_hz, max_side, color, chunk_seconds, time_limit_seconds)


def read_video(
    path: str | Path, frame_rate_hz: float = 15.0, max_side: int = 480, color: bool = False
) -> tuple[FrameChunk, ReadReport]:
    """Read a whole video, which must fit into memory, as one chunk; see `read_chunks`.

    Returns
    -------
    chunk : FrameChunk
    report : ReadReport

    Raises
    ------
    InputError
        If the file is not a video or holds no picture that can be decoded.
    """
    reader = read_chunks(path, frame_rate_hz, max_side, color, chunk_seconds=20.0)
    chunks = list(reader)
    joined = {
        name: np.concatenate([getattr(chunk, name) for chunk in chunks])
        for name in ("times_seconds", "source_seconds", "frames")
    }
    return FrameChunk(**joined), reader.report
