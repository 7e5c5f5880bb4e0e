"""Evidence that a video file ends before it should; never used to read it."""

import io
import os
import struct
from collections.abc import Callable

import av
from av.container import InputContainer
from av.video.stream import VideoStream

_TAIL_BYTES = 1 << 19
_MAX_ELEMENTS = 1_000_000
_MAX_GIF_BYTES = 1 << 28
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_MATROSKA_SEGMENT, _MATROSKA_CLUSTER = 0x18538067, 0x1F43B675


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


def ends_midway(file: io.FileIO, format_name: str, stream_id: int) -> bool:
    """Tell whether a file is shorter than the structure of its container says.

    Parameters
    ----------
    file : io.FileIO
        The open file; its position is kept.
    format_name : str
        FFmpeg's name of the container.
    stream_id : int
        The container's own number of the video stream; in a transport stream its PID.

    Returns
    -------
    bool
        False also for containers that do not tell, such as raw H.264 (see `promised_seconds`).
    """
    position, size = file.tell(), os.fstat(file.fileno()).st_size
    try:
        if format_name == "mpegts":
            return _transport_is_cut(file, size, stream_id)
        check = _CHECKS.get(format_name.split(",")[0])
        return check is not None and check(file, size)
    except (struct.error, IndexError, KeyError, ValueError):  # too short or too damaged to tell
        return False
    finally:
        file.seek(position)


def _mp4_is_cut(file: io.FileIO, size: int) -> bool:
    """Walk over the boxes of an MP4 file: the last one must not reach beyond its end."""
    end = 0
    while end + 8 <= size:
        header = _read_at(file, end, 16)
        length = int.from_bytes(header[:4], "big")
        if length == 1 and len(header) == 16:  # a 64-bit length follows
            (length,) = struct.unpack(">Q", header[8:])
        if length < 8:  # 0: to the end of the file; else no box at all
            return False
        end += length
    return end > size


def _avi_is_cut(file: io.FileIO, size: int) -> bool:
    """Walk over the RIFF chunks: long files have one a gigabyte."""
    end = 0
    while end + 8 <= size:
        name, length = struct.unpack("<4sI", _read_at(file, end, 8))
        if name != b"RIFF":
            return False
        end += 8 + length
    return end > size


def _matroska_is_cut(file: io.FileIO, size: int) -> bool:
    """Compare the segment's length, or where it is left open those of the parts in it."""
    start = 0
    for _ in range(_MAX_ELEMENTS):
        if start >= size:
            return False
        head = _read_at(file, start, 12)
        name, name_bytes = _ebml_number(head, keeps_marker=True)
        length, length_bytes = _ebml_number(head[name_bytes:], keeps_marker=False)
        start += name_bytes + length_bytes
        is_open = length == (1 << 7 * length_bytes) - 1
        if is_open and name not in (_MATROSKA_SEGMENT, _MATROSKA_CLUSTER):
            return False
        if not is_open and start + length > size:
            return True
        if not is_open:
            start += length
    return False


def _ebml_number(data: bytes, keeps_marker: bool) -> tuple[int, int]:
    """Return a number of variable length at the start of `data`, and how many bytes it takes."""
    num_bytes = 9 - data[0].bit_length()
    if num_bytes > 8 or len(data) < num_bytes:
        raise IndexError("no number")
    number = int.from_bytes(data[:num_bytes], "big")
    return number if keeps_marker else number & ~(1 << 7 * num_bytes), num_bytes


def _transport_is_cut(file: io.FileIO, size: int, pid: int) -> bool:
    """Look for the padding that fills up the last packet of a picture, as all packets are equal."""
    kinds = [(length, length - 188) for length in (188, 192) if size % length == 0]  # 192 in camcorders
    if not kinds:
        return True
    kinds = [kind for kind in kinds if _read_at(file, kind[1], 1) == b"\x47"]
    if not kinds:
        return False
    length, offset = kinds[0]
    tail = _read_at(file, max(0, size - _TAIL_BYTES // length * length), _TAIL_BYTES)
    for start in range(len(tail) - length + offset, -1, -length):
        if int.from_bytes(tail[start + 1 : start + 3], "big") & 0x1FFF == pid:
            return tail[start + 3] >> 4 & 3 == 1  # all of it is picture: more was to follow
    return False


def _program_is_cut(file: io.FileIO, size: int) -> bool:
    """Walk over the packets after the last pack header of an MPEG program stream."""
    tail = _read_at(file, max(0, size - _TAIL_BYTES), _TAIL_BYTES)
    start = tail.rfind(b"\0\0\1\xba")
    if start < 0:
        return False
    start += 14 + (tail[start + 13] & 7) if tail[start + 4] >> 6 == 1 else 12  # MPEG-2 or MPEG-1
    while start + 6 <= len(tail) and tail[start : start + 3] == b"\0\0\1" and tail[start + 3] > 0xBA:
        start += 6 + int.from_bytes(tail[start + 4 : start + 6], "big")
    return start > len(tail)


def _flash_is_cut(file: io.FileIO, size: int) -> bool:
    """Follow the last length, which closes each part, back to the part's own beginning."""
    (length,) = struct.unpack(">I", _read_at(file, size - 4, 4))
    if not 11 <= length <= size - 4:
        return True
    kind, data_bytes = struct.unpack(">B3s", _read_at(file, size - 4 - length, 4))
    return kind & 0x1F not in (8, 9, 18) or int.from_bytes(data_bytes, "big") + 11 != length


def _windows_is_cut(file: io.FileIO, size: int) -> bool:
    """Compare the size that the header of an ASF or WMV file states."""
    head = _read_at(file, 0, _TAIL_BYTES)
    start = head.find(_ASF_FILE_PROPERTIES)
    return start > 0 and int.from_bytes(head[start + 40 : start + 48], "little") > size


def _ogg_is_cut(file: io.FileIO, size: int) -> bool:
    """Look at the last page: it must be whole, and say that it is the last."""
    tail = _read_at(file, max(0, size - _TAIL_BYTES), _TAIL_BYTES)
    start = tail.rfind(b"OggS")
    if start < 0:
        return False
    lengths = tail[start + 27 : start + 27 + tail[start + 26]]
    return not tail[start + 5] & 4 or start + 27 + len(lengths) + sum(lengths) > len(tail)


def _ivf_is_cut(file: io.FileIO, size: int) -> bool:
    """Walk over the pictures, each behind its length."""
    end = int.from_bytes(_read_at(file, 6, 2), "little")
    for _ in range(_MAX_ELEMENTS):
        if end >= size:
            break
        end += 12 + int.from_bytes(_read_at(file, end, 4), "little")
    return end > size


def _gif_is_cut(file: io.FileIO, size: int) -> bool:
    """Walk over the blocks to the one that closes the file; damage leads astray before it."""
    data = _read_at(file, 0, _MAX_GIF_BYTES)
    place = 13 + _color_table_bytes(data[10])
    while place < len(data):
        kind = data[place]
        if kind == 0x3B:
            return False
        if kind not in (0x21, 0x2C):  # extension, picture
            return True
        place += 2 if kind == 0x21 else 11 + _color_table_bytes(data[place + 9])
        while place < len(data) and data[place]:
            place += 1 + data[place]
        place += 1
    return size <= _MAX_GIF_BYTES


def _color_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _dv_is_cut(file: io.FileIO, size: int) -> bool:
    return bool(size % 120_000 and size % 144_000)  # pictures at 30 and at 25 Hz


def _raw_is_cut(file: io.FileIO, size: int) -> bool:
    """Divide a YUV4MPEG2 file by the size of its pictures, which are all alike."""
    head = _read_at(file, 0, 256).partition(b"\n")[0]
    fields = {field[:1]: field[1:] for field in head.split()[1:]}
    width, height = int(fields[b"W"]), int(fields[b"H"])
    columns, rows = -(-width // 2), -(-height // 2)
    chroma = fields.get(b"C", b"420jpeg")
    halves = {b"420": columns * rows, b"422": columns * height, b"444": width * height, b"mono": 0}
    if b"p1" in chroma or not chroma.startswith(tuple(halves)):  # more than 8 bits, or a rare layout
        return False
    color = next(number for name, number in halves.items() if chroma.startswith(name))
    return (size - len(head) - 1) % (len(b"FRAME\n") + width * height + 2 * color) != 0


def _read_at(file: io.FileIO, start: int, num_bytes: int) -> bytes:
    file.seek(max(0, start))
    return file.read(num_bytes) or b""


# By the first of FFmpeg's names of the container.
_CHECKS: dict[str, Callable[[io.FileIO, int], bool]] = {
    "mov": _mp4_is_cut,
    "avi": _avi_is_cut,
    "matroska": _matroska_is_cut,
    "mpeg": _program_is_cut,
    "flv": _flash_is_cut,
    "asf": _windows_is_cut,
    "ogg": _ogg_is_cut,
    "ivf": _ivf_is_cut,
    "gif": _gif_is_cut,
    "dv": _dv_is_cut,
    "yuv4mpegpipe": _raw_is_cut,
}
