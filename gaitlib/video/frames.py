"""From a decoded frame to an upright picture in square pixels, RGB or grey; from pictures to a film."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType

from gaitlib.files import write_aside


@dataclass(frozen=True)
class Geometry:
    """How stored frames become displayed ones, `width` by `height` in square pixels.

    A stored frame is shrunk to `stored_size` (width, height) and then turned upright by `axes`: where its
    right and its down point, two unit vectors (x, y), y down.
    """

    width: int
    height: int
    stored_size: tuple[int, int]
    axes: np.ndarray

    @classmethod
    def of(cls, frame: av.VideoFrame, pixel_ratio: float, max_side_px: int, notes: list[str]) -> Self:
        """Work out the geometry of a video from its first frame and the shape of its pixels."""
        ratio = pixel_ratio if 0.25 <= pixel_ratio <= 4 else 1.0
        if ratio != pixel_ratio:
            notes.append(f"Claims pixels {pixel_ratio:g} times as wide as high: taken as square.")
        axes = _display_axes(frame)
        size = max(1, round(frame.width * ratio)), frame.height
        scale = min(1.0, max_side_px / max(size))
        stored_size = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        return cls(*(size if axes[0, 0] else size[::-1]), stored_size, axes)

    def picture(self, frame: av.VideoFrame, color: bool) -> np.ndarray:
        """Return a frame upright, shape (height, width, 3) RGB or (height, width) grey 0 to 255, uint8."""
        kind = "rgb24" if color else "gray"
        if color and not frame.interlaced_frame:
            image: np.ndarray = frame.reformat(*self.stored_size, kind, interpolation="AREA").to_ndarray()
        else:  # of interlaced frames the upper line of each pair: those of one moment
            lines = frame.to_ndarray(format=kind)[:: 2 if frame.interlaced_frame else 1]
            image = cv2.resize(lines, self.stored_size, interpolation=cv2.INTER_AREA)
        image = image if self.axes[0, 0] else image.swapaxes(0, 1)
        flip_x, flip_y = self.axes.sum(axis=0) < 0
        return image[:: -1 if flip_y else 1, :: -1 if flip_x else 1]


def _display_axes(frame: av.VideoFrame) -> np.ndarray:
    """Return the axes of `Geometry` from the display matrix, whose rows they are, times a scale."""
    side_data: Any = frame.side_data
    if SideDataType.DISPLAYMATRIX not in side_data:
        return np.eye(2)
    matrix = np.frombuffer(memoryview(side_data[SideDataType.DISPLAYMATRIX]), "=i4")
    axes = np.rint(matrix[[0, 1, 3, 4]].reshape(2, 2) / max(np.abs(matrix[[0, 1, 3, 4]]).max(), 1))
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
