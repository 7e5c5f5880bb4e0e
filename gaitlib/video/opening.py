"""Open a file safely: this file and no other, as a video and nothing else."""

import io
import mmap
import os
import re
import time
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from gaitlib.errors import InputError
from gaitlib.files import show_name

# Playlists (hls, dash, concat), scripts and still pictures are left out: they open other files, or are none.
_FORMATS = "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,gif,flv,ogg,asf,yuv4mpegpipe,ivf,dv"
MAX_PIXELS = 8192 * 8192
# How a film begins, to find a second one in the same file, which FFmpeg would pass over.
_BEGINNINGS = {
    "mov": rb"\0\0\0[\x10-\x60]ftyp[ -~]{4}",
    "matroska": rb"\x1aE\xdf\xa3.{1,8}\x42\x86\x81\x01",
    "avi": rb"RIFF....AVI LIST",
    "gif": rb"GIF8[79]a",
    "flv": rb"FLV\x01[\x01\x04\x05]\0\0\0\x09",
    "asf": rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9",
}


def open_regular(path: str | Path) -> io.FileIO:
    """Open a regular file for reading, else raise an `InputError`; never opens a pipe or a device."""
    name = show_name(path)
    try:
        if Path(path).is_file():
            return io.FileIO(path, "rb")
    except OSError as error:
        raise InputError(f"{name} cannot be opened ({error.strerror}): check its permissions.") from None
    raise InputError(
        f"{name} is not there, or is a folder, pipe or device, not a regular file: give a video."
    )


class TimedFile:
    """An open file without a name, so that FFmpeg judges by content alone, which raises when time is up.

    Reading may take the limit plus as long as the film lasts so far: damage may send its reader back and
    forth for ever. A file that is still being written ends where it ended at first.
    """

    def __init__(self, file: io.FileIO, limit_seconds: float) -> None:
        self._file, self._limit_seconds = file, limit_seconds
        self.seek, self.tell = file.seek, file.tell
        self._size_bytes = os.fstat(file.fileno()).st_size
        self.started, self.position_seconds = time.monotonic(), 0.0

    def check_time(self) -> None:
        """Raise `TimeoutError` if time is up."""
        if time.monotonic() - self.started > self._limit_seconds + self.position_seconds:
            raise TimeoutError(f"reading took longer than {self._limit_seconds:g} s")

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes."""
        self.check_time()
        return self._file.read(max(0, min(size, self._size_bytes - self._file.tell()))) or b""


def open_container(file: TimedFile, name: str) -> InputContainer:
    """Open a file as one of the known containers, else raise an `InputError`."""
    # FFmpeg opens nothing itself: no protocol is allowed, bytes come from the file object alone.
    safe = {"format_whitelist": _FORMATS, "protocol_whitelist": "none"}
    options = {"max_pixels": str(MAX_PIXELS)}
    try:
        return av.open(file, "r", None, options, safe, metadata_errors="replace", buffer_size=1 << 18)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{name} is no video that can be read ({reason}), or lacks its index, as when a recording was "
            "cut off: give a video, copied again or converted to H.264 MP4."
        ) from None


def main_stream(container: InputContainer, name: str) -> tuple[VideoStream, list[str]]:
    """Return the largest stream of moving pictures, no cover, and notes; `InputError` without one."""
    cover = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    moving = [one for one in container.streams.video if one.codec_context and not one.disposition & cover]
    if not moving:
        raise InputError(f"{name} holds no video that can be decoded, or its header is damaged: convert it.")
    stream = max(moving, key=lambda one: one.width * one.height)
    note = f"Holds {len(moving)} videos: the largest is read, {stream.width}x{stream.height}."
    return stream, [note] if len(moving) > 1 else []


def holds_second_film(file: io.FileIO, format_name: str) -> bool:
    """Tell whether another film begins within the file, as when two are joined byte by byte."""
    beginning = re.compile(_BEGINNINGS.get(format_name.split(",")[0], rb"(?!)"), re.DOTALL)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return beginning.search(content, 64) is not None
