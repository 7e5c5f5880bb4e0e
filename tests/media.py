"""Small test videos whose pictures carry their own number as a bar code."""

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

NUM_BITS = 8
TIME_BASE = Fraction(1, 90_000)
# Encoders whose files depend on the number of threads, by default that of the cores. FFmpeg's own writes
# wrong times into MPEG-2 files with fewer than three; VP8's threads spin where there is one core.
NUM_THREADS = {"mpeg1video": 3, "mpeg2video": 3, "mpeg4": 3, "mjpeg": 3, "wmv2": 3, "libvpx": 1}


def bar_code(number: int, width: int = 160, height: int = 96) -> np.ndarray:
    """Draw a picture of shape (height, width), uint8: the bits of `number` above, grey below.

    Bit k is a block, white for 1, counted from the left. The lower half is dark (40) on its left
    and lighter (120) on its right, so that turned and mirrored pictures can be told apart.
    """
    picture = np.empty((height, width), np.uint8)
    edges = np.linspace(0, width, NUM_BITS + 1).round().astype(int)
    for bit in range(NUM_BITS):
        picture[: height // 2, edges[bit] : edges[bit + 1]] = 235 if number >> bit & 1 else 20
    picture[height // 2 :, : width // 2] = 40
    picture[height // 2 :, width // 2 :] = 120
    return picture


def read_code(picture: np.ndarray) -> int:
    """Read the number back from an upright grey picture of any size."""
    height, width = picture.shape
    row = picture[height // 8 : 3 * height // 8].mean(axis=0)
    centers = ((np.arange(NUM_BITS) + 0.5) * width / NUM_BITS).astype(int)
    return sum(1 << bit for bit, center in enumerate(centers) if row[center] > 128)


def read_codes(pictures: np.ndarray) -> list[int]:
    """Read the numbers of several pictures."""
    return [read_code(picture) for picture in pictures]


def write_video(
    path: Path,
    seconds: Sequence[float] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (160, 96),
    **settings: object,
) -> Path:
    """Write a video of bar codes 0, 1, 2, ... with the given timestamps (default 2 s at 30 Hz).

    Keyword settings: ``container_options``, ``codec_options`` (dict), ``pictures`` (arrays in place
    of bar codes), ``picture_format`` (of these), ``with_sound``, ``metadata``, ``attributes`` (of
    the encoder), ``time_base``, ``mux_format``.
    """
    stamps: Sequence[float] = [number / 30 for number in range(60)] if seconds is None else seconds
    pictures = settings.get("pictures") or [bar_code(number, *size) for number in range(len(stamps))]
    options = dict(settings.get("container_options") or {})
    time_base = settings.get("time_base") or TIME_BASE
    with av.open(str(path), "w", format=settings.get("mux_format"), options=options) as container:
        container.metadata.update(settings.get("metadata") or {})
        stream = container.add_stream(codec, rate=30, options=dict(settings.get("codec_options") or {}))
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.codec_context.time_base = stream.time_base = time_base
        stream.codec_context.gop_size = 10
        stream.codec_context.thread_count = NUM_THREADS.get(codec, 0)
        for name, value in dict(settings.get("attributes") or {}).items():
            setattr(stream.codec_context, name, value)
        sound = container.add_stream("aac", rate=8000, layout="mono") if settings.get("with_sound") else None
        for stamp, picture in zip(stamps, pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format=settings.get("picture_format", "gray"))
            frame = frame.reformat(format=pix_fmt)
            frame.pts, frame.time_base = round(stamp / time_base), time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            container.mux(_silence(sound))
    return path


def write_sound(path: Path) -> Path:
    """Write a file with sound and no picture."""
    with av.open(str(path), "w") as container:
        container.mux(_silence(container.add_stream("aac", rate=8000, layout="mono")))
    return path


def turn(path: Path, matrix: Iterable[int]) -> Path:
    """Write a display matrix (a, b, c, d of -1, 0, 1) into the track header of an MP4 file."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4
    assert content[start] == 0, "version 1 headers are longer"
    a, b, c, d = (value * 0x10000 for value in matrix)
    struct.pack_into(">9i", content, start + 40, a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(content)
    return path


def noisy_codes(num_pictures: int, size: tuple[int, int] = (160, 96)) -> list[np.ndarray]:
    """Draw bar codes with noise below them, so that every picture takes many bytes."""
    draw = np.random.default_rng(0)
    pictures = [bar_code(number, *size) for number in range(num_pictures)]
    for picture in pictures:
        below = picture[size[1] // 2 :]
        below += draw.integers(0, 100, below.shape, dtype=np.uint8)
    return pictures


def patch(path: Path, tag: bytes, offset: int, new: bytes, occurrence: int = 0) -> Path:
    """Overwrite bytes of a file at an offset from the end of a tag, its first occurrence or a later one."""
    content = bytearray(path.read_bytes())
    start = -1
    for _ in range(occurrence + 1):
        start = content.index(tag, start + 1)
    start += len(tag) + offset
    content[start : start + len(new)] = new
    path.write_bytes(content)
    return path


def cut(path: Path, share: float) -> Path:
    """Cut off a file after a share of its bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def damage(path: Path, start: float, stop: float, num_bits: int = 30) -> Path:
    """Flip bits drawn at random between two shares of a file."""
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    draw = np.random.default_rng(0)
    where = draw.integers(int(len(content) * start), int(len(content) * stop), num_bits)
    content[where] ^= (1 << draw.integers(0, 8, num_bits)).astype(np.uint8)
    path.write_bytes(content.tobytes())
    return path


def _silence(stream: av.AudioStream) -> list[av.Packet]:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
    frame.sample_rate = 8000
    return stream.encode(frame) + stream.encode()
