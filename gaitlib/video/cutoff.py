"""Evidence that a video file ends before it should; never used to read it."""

import io
import os
import struct

import av
from av.container import InputContainer
from av.video.stream import VideoStream


def promised_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """Return how long the pictures last by the header, None if it does not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    tag = stream.metadata.get("DURATION", "")  # Matroska: 00:00:12.345000000
    if tag.count(":") == 2:
        hours, minutes, seconds = tag.split(":")
        try:
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        except ValueError:
            return None
    # The container's length covers its sound too, and in a transport stream it is only a guess.
    if container.duration and not container.streams.audio and "mpeg" not in container.format.name:
        return container.duration / av.time_base
    return None


def ends_midway(file: io.FileIO, format_name: str) -> bool:
    """Tell whether a file is shorter than the structure of its container says.

    Parameters
    ----------
    file : io.FileIO
        The open file; its position is kept.
    format_name : str
        FFmpeg's name of the container.

    Returns
    -------
    bool
        False also for containers that do not tell, such as Matroska (see `promised_seconds`).
    """
    position, size = file.tell(), os.fstat(file.fileno()).st_size
    try:
        if format_name.startswith("mov"):
            return _last_box_end(file, size) > size
        if format_name == "avi":
            file.seek(4)
            return int.from_bytes(file.read(4), "little") + 8 > size
        # Packets of 188 bytes, on Blu-ray and camcorders with 4 bytes more each.
        return format_name == "mpegts" and bool(size % 188 and size % 192)
    finally:
        file.seek(position)


def _last_box_end(file: io.FileIO, size: int) -> int:
    """Walk over the boxes of an MP4 file and return where the last one ends, by its own length."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1 and len(header) == 16:  # a 64-bit length follows
            (length,) = struct.unpack(">Q", header[8:])
        if length < 8:  # 0: to the end of the file; else no box at all
            return size
        end += length
    return end
