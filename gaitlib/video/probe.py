"""Open a video file safely: this file and no other, a video and nothing else, its main pictures."""

import errno
import hashlib
import io
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import av
import av.error
import av.logging
from av.container import InputContainer
from av.video.stream import VideoStream

from gaitlib.config import InputError
from gaitlib.names import show_name

# Everything said about a file is said in ReadReport.notes; FFmpeg's own log would fill the console.
av.logging.set_libav_level(av.logging.PANIC)

# Containers of moving pictures. Playlists (hls, dash, concat), scripts and still pictures are left
# out on purpose: they open other files, or are no video.
CONTAINERS = (
    "mov", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "h264", "hevc", "gif", "flv",
    "ogg", "asf", "yuv4mpegpipe", "ivf", "dv",
)  # fmt: skip
MAX_PIXELS = 8192 * 8192
_READ_BYTES = 1 << 18
# FFmpeg opens nothing itself: no protocol is allowed, bytes come from the file object alone.
_CONTAINER_OPTIONS = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "none"}
_KINDS = (
    (b"#EXTM3U", "a playlist"),
    (b"ffconcat", "a concat script"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"<", "a web page or XML text"),
    (b"PK\x03\x04", "a zip archive"),
    (b"%PDF", "a PDF document"),
    (b"BM", "a BMP picture"),
)
_BEGINNINGS = (
    (b"\x1aE\xdf\xa3", "a Matroska or WebM"),
    (b"RIFF", "an AVI"),
    (b"FLV", "a Flash"),
    (b"OggS", "an Ogg"),
    (b"\x30\x26\xb2\x75", "a Windows Media"),
    (b"GIF8", "a GIF"),
    (b"\0\0\1\xba", "an MPEG"),
    (b"DKIF", "an IVF"),
)


def open_regular(path: str | Path) -> io.FileIO:
    """Open a regular file for reading; never blocks on a pipe, never opens a device.

    Raises
    ------
    InputError
        If the file is missing, unreadable or not a regular file.
    """
    name = show_name(path)
    try:
        kind = os.stat(path).st_mode
        if stat.S_ISDIR(kind):
            raise InputError(f"{name} is a folder, not a video: give videos, or a folder that holds some.")
        if not stat.S_ISREG(kind):
            raise InputError(f"{name} is not a regular file but a pipe, socket or device: give a file.")
        file = io.FileIO(path, "rb", opener=_open_without_blocking)
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # exchanged since the look above
            file.close()
            raise InputError(f"{name} is not a regular file: give a file.")
        return file
    except FileNotFoundError:
        fault = "is a link to a file that is not there" if os.path.islink(path) else "is not there"
        raise InputError(f"{name} {fault}: check its name.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{name} cannot be opened ({reason}): check the file and its permissions.") from None


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    with open_regular(path) as file:
        try:
            return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{show_name(path)} cannot be read ({error.strerror}).") from None


def open_video(file: io.FileIO, name: str, check_time: Callable[[], None]) -> InputContainer:
    """Open a file as one of the known video containers.

    Parameters
    ----------
    file : binary file
        From `open_regular`.
    name : str
        The file's name, for messages.
    check_time : callable
        Called at each read; raises when time is up.

    Raises
    ------
    InputError
        If the content is not a video.
    """
    head = file.read(64) or b""
    size_bytes = os.fstat(file.fileno()).st_size
    file.seek(0)
    if not size_bytes:
        raise InputError(f"{name} is empty (0 bytes): copy or record it again.")
    try:
        return av.open(
            _Guarded(file, check_time),
            mode="r",
            container_options=_CONTAINER_OPTIONS,
            options={"max_pixels": str(MAX_PIXELS)},
            metadata_errors="replace",
            buffer_size=_READ_BYTES,
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{name} {_refusal(head, error)}") from None


def main_stream(container: InputContainer, name: str, notes: list[str]) -> VideoStream:
    """Return the largest stream of moving pictures; a cover picture is none.

    Raises
    ------
    InputError
        If there is none that can be decoded.
    """
    moving = [stream for stream in container.streams.video if not _is_cover(stream)]
    known = [stream for stream in moving if stream.codec_context is not None]
    if not moving:
        if container.streams.video:
            held = "a cover picture only"
        elif container.streams.audio:
            held = "sound but no pictures"
        else:
            held = "no pictures that can be found, or its header is damaged"
        raise InputError(f"{name} holds {held}: give a video.")
    if not known:
        raise InputError(
            f"{name} is in a format that cannot be decoded, or its header is damaged: "
            "convert it to H.264 MP4."
        )
    stream = max(known, key=lambda one: one.width * one.height)
    if stream.width * stream.height > MAX_PIXELS:
        raise InputError(f"{name} claims {stream.width}x{stream.height} pixels: convert it to 1080p.")
    if len(moving) > 1:
        notes.append(
            f"Holds {len(moving)} video streams: the largest is read, {stream.width}x{stream.height}."
        )
    return stream


class _Guarded(io.RawIOBase):
    """A file without a name that looks at the clock at each read and ends where it ended at first.

    Without a name FFmpeg judges by content alone; and a damaged file that sends its reader back
    and forth without giving a picture ends when time is up.
    """

    def __init__(self, file: io.FileIO, check_time: Callable[[], None]) -> None:
        self._file = file
        self._check_time = check_time
        # A file that is still being written would never end.
        self._size_bytes = os.fstat(file.fileno()).st_size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self._check_time()
        num_left = max(0, self._size_bytes - self._file.tell())
        return self._file.read(num_left if size < 0 else min(size, num_left)) or b""

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)
        except OSError:  # damage that points before the file's beginning
            return -errno.EINVAL

    def tell(self) -> int:
        return self._file.tell()


class Clockwork:
    """Raise `TimeoutError` when reading takes too long; time spent elsewhere does not count.

    A video may take `limit_seconds` plus as long as it lasts, so that an hour's film is not cut
    off on a slow machine while a damaged one that yields nothing is.
    """

    def __init__(self, limit_seconds: float) -> None:
        self.limit_seconds = limit_seconds
        self.position_seconds = 0.0
        self._started = time.monotonic()
        self._paused = 0.0

    def check(self) -> None:
        """Raise `TimeoutError` if time is up."""
        elapsed = time.monotonic() - self._started
        if elapsed > self.limit_seconds + self.position_seconds:
            raise TimeoutError(f"reading took longer than {self.limit_seconds:g} s")

    def pause(self) -> None:
        """Stop the clock while the reader of the pictures is at work."""
        self._paused = time.monotonic()

    def resume(self) -> None:
        """Let the clock go on."""
        self._started += time.monotonic() - self._paused


def _open_without_blocking(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _is_cover(stream: VideoStream) -> bool:
    cover = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    return bool(stream.disposition & cover)


def _refusal(head: bytes, error: Exception) -> str:
    """Say what a file is that could not be opened as a video, and what to do."""
    if isinstance(error, TimeoutError):
        return f"was given up: {error}. Convert it to H.264 MP4."
    for start, kind in _KINDS:
        if head.lstrip().startswith(start):
            return f"is {kind} under the name of a video, and was not opened: give a video."
    if head[8:12] == b"WEBP":
        return "is a WebP picture under the name of a video, and was not opened: give a video."
    for start, kind in _BEGINNINGS:
        if head.startswith(start):
            return f"is {kind} file whose beginning is damaged or cut off: copy it again."
    if head[4:8] in (b"ftyp", b"mdat", b"moov", b"wide", b"free"):
        return (
            "is an MP4 file without a usable index, as when a recording was cut off: copy it again "
            "or repair it."
        )
    if head.isascii() and all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        return "is text under the name of a video: give a video."
    reason = getattr(error, "strerror", None) or error
    return f"is not a video that can be read ({reason}): convert it to H.264 MP4."
