"""Video files become frames at a steady rate, in memory that does not grow with their length, and back."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice, repeat
from math import ceil
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from gaitlib.errors import InputError
from gaitlib.files import show_name, write_aside
from gaitlib.video.decoding import Decoder, ReadReport, open_container, open_regular

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


@dataclass
class VideoReader:
    """Read a video of any length at a steady rate, chunk by chunk, by iterating over it.

    At each tick ``k / frame_rate_hz`` the frame on screen is taken, by time stamps alone, so that a slower
    video repeats frames. Slow motion that a phone has tagged is read at the true pace. Frames are shrunk to
    `max_side_px`, and grey, which is faster, unless `color`. `report` is complete after the last chunk.
    Iterating raises an `InputError` if no frame can be decoded.
    """

    path: str | Path
    frame_rate_hz: float = 15.0
    max_side_px: int = 960
    color: bool = True
    chunk_seconds: float = 60.0
    report: ReadReport = field(default_factory=ReadReport, init=False)

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
        convert, picture, num_shown = None, None, 0
        for frame, until_seconds in decoded:
            convert = convert or self._converter(frame, stream)
            num_due = max(1, ceil((until_seconds - _EPSILON_SECONDS) * self.frame_rate_hz))
            if num_shown >= num_due:
                continue
            try:
                picture = convert(frame)
            except av.error.FFmpegError as error:  # damage can make up a format
                self.report.corrupt_frames += 1
                if picture is None:
                    name = show_name(self.path)
                    raise InputError(f"{name} cannot be shown ({error.strerror}): convert it.") from None
            yield from repeat(picture, num_due - num_shown)
            num_shown = num_due

    def _converter(self, first: av.VideoFrame, stream: VideoStream) -> Callable[[av.VideoFrame], np.ndarray]:
        """Return what turns stored frames into displayed ones: small, upright, in square pixels."""
        ratio = float(stream.sample_aspect_ratio or 1)
        if not 0.25 <= ratio <= 4:
            self.report.notes.append(f"Claims pixels {ratio:g} times as wide as high: taken as square.")
            ratio = 1.0
        axes, width, height = _display_axes(first), max(1, round(first.width * ratio)), first.height
        self.report.width, self.report.height = (width, height) if axes[0, 0] else (height, width)
        scale = min(1.0, self.max_side_px / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        step_x, step_y = axes.sum(axis=0).astype(int)  # -1: to be flipped
        kind = "rgb24" if self.color else "gray"
        scaler = VideoReformatter()  # to make one takes longer than to use it

        def convert(frame: av.VideoFrame) -> np.ndarray:
            if self.color and not frame.interlaced_frame:
                image: np.ndarray = scaler.reformat(frame, *size, kind, interpolation="AREA").to_ndarray()
            else:  # of interlaced frames the upper line of each pair: those of one moment
                whole = scaler.reformat(frame, format=kind).to_ndarray()
                lines = whole[:: 2 if frame.interlaced_frame else 1]
                image = cv2.resize(lines, size, interpolation=cv2.INTER_AREA)
            image = image if axes[0, 0] else image.swapaxes(0, 1)
            return image[::step_y, ::step_x]

        return convert

    def _chunks(self, pictures: Iterator[np.ndarray]) -> Iterator[FrameChunk]:
        num_before, length = 0, max(1, round(self.chunk_seconds * self.frame_rate_hz))
        for first in pictures:
            part = chain([first], islice(pictures, length - 1))
            frames = np.fromiter(part, np.dtype((np.uint8, first.shape)))
            times_seconds = (num_before + np.arange(len(frames))) / self.frame_rate_hz
            num_before += len(frames)
            yield FrameChunk(times_seconds, frames)
            del frames  # the chunk is the caller's, to keep or to drop


def _display_axes(frame: av.VideoFrame) -> np.ndarray:
    """Return where right and down of a stored frame point, unit vectors (x, y), from its display matrix."""
    side_data: Any = frame.side_data
    if SideDataType.DISPLAYMATRIX not in side_data:
        return np.eye(2)
    matrix = np.frombuffer(side_data[SideDataType.DISPLAYMATRIX], "=i4").reshape(3, 3)[:2, :2]
    axes = np.rint(matrix / max(np.abs(matrix).max(), 1))
    return axes if abs(np.linalg.det(axes)) == 1 else np.eye(2)  # the nearest right angle


def write_film(path: Path, frame_rate_hz: float, frames: Iterable[np.ndarray]) -> None:
    """Write RGB frames, (height, width, 3), uint8, as an MP4 (H.264, yuv420p), whole or not at all.

    An odd last row or column of the frames is left out, as the format demands.
    """
    with write_aside(path) as aside, av.open(str(aside), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(frame_rate_hz).limit_denominator(1000))
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            height, width = (size // 2 * 2 for size in frame.shape[:2])
            if not stream.codec_context.is_open:
                stream.width, stream.height = width, height
            even = np.ascontiguousarray(frame[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        container.mux(stream.encode())
