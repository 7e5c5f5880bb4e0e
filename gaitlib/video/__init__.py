"""Read any video by its timestamps, at a steady rate, in memory that does not grow with its length."""

from gaitlib.video.ahead import read_ahead
from gaitlib.video.pictures import shrink
from gaitlib.video.reading import (
    FrameChunk,
    ReadReport,
    VideoReader,
    file_digest,
    read_chunks,
    read_video,
)

__all__ = [
    "FrameChunk",
    "ReadReport",
    "VideoReader",
    "file_digest",
    "read_ahead",
    "read_chunks",
    "read_video",
    "shrink",
]
