"""Read any video by its time stamps, at a steady rate, in memory that does not grow with its length."""

from gaitlib.video.decoding import ReadReport
from gaitlib.video.reading import FrameChunk, VideoReader, write_film
