"""From a decoded frame to an upright uint8 picture of the wanted size: grey from the luma plane."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType

from gaitlib.video.tones import TONE_TABLES

# Planar formats whose first plane is luma: yuv420p, yuvj422p, yuva444p10le, nv12, gray, ...
_LUMA = re.compile(r"(?:yuv[ja]?4\d\dp|gray|nv(?:12|21|16|24))(?:(9|10|12|14|16)le)?")
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_MAX_PIXEL_RATIO = 4.0


def shrink(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shrink a picture to `size` (width, height) by averaging; one of that size is returned itself."""
    # Halving is several times as fast as any other shrinking, and the mean of means is the mean.
    while not any(picture.shape[axis] % 2 or picture.shape[axis] < 2 * size[1 - axis] for axis in (0, 1)):
        half = picture.shape[1] // 2, picture.shape[0] // 2
        picture = cv2.resize(picture, half, interpolation=cv2.INTER_AREA)
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class Geometry:
    """How stored pictures become displayed ones; the first picture of a video decides it.

    Attributes
    ----------
    width, height : int
        Size of the displayed picture in square pixels, before it is shrunk.
    stored_size : tuple of int
        (width, height) to shrink a stored picture to, before it is turned.
    transposed, flip_x, flip_y : bool
        What turns the shrunk picture upright, in this order.
    rotation_deg : int
        Clockwise turn that this amounts to: 0, 90, 180 or 270.
    notes : tuple of str
        Faults, one sentence each.
    """

    width: int
    height: int
    stored_size: tuple[int, int]
    transposed: bool
    flip_x: bool
    flip_y: bool
    rotation_deg: int
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, frame: av.VideoFrame, pixel_ratio: float, max_side: int) -> Self:
        """Work out the geometry of a video from its first picture.

        Parameters
        ----------
        frame : av.VideoFrame
            The first picture.
        pixel_ratio : float
            Width of a pixel through its height.
        max_side : int
            Longest side of the output, pixels.
        """
        notes: list[str] = []
        if not 1 / _MAX_PIXEL_RATIO <= pixel_ratio <= _MAX_PIXEL_RATIO:
            notes.append(f"Claims pixels {pixel_ratio:g} times as wide as high: taken as square.")
            pixel_ratio = 1.0
        right, down, is_oblique = _display_axes(frame)
        if is_oblique:
            notes.append("Is to be turned by an odd angle: turned to the nearest right angle.")
        width, height = max(1, round(frame.width * pixel_ratio)), frame.height
        scale = min(1.0, max_side / max(width, height))
        transposed = right[0] == 0
        return cls(
            *((height, width) if transposed else (width, height)),
            stored_size=(max(1, round(width * scale)), max(1, round(height * scale))),
            transposed=transposed,
            flip_x=(down[0] if transposed else right[0]) < 0,
            flip_y=(right[1] if transposed else down[1]) < 0,
            rotation_deg=round(math.degrees(math.atan2(right[1], right[0]))) % 360,
            notes=tuple(notes),
        )

    def output_shape(self) -> tuple[int, int]:
        """Return (height, width) of the output picture."""
        width, height = self.stored_size
        return (width, height) if self.transposed else (height, width)

    def make_picture(self, frame: av.VideoFrame, color: bool) -> np.ndarray:
        """Make the output picture of a frame.

        Parameters
        ----------
        frame : av.VideoFrame
            A decoded frame, of any size and format.
        color : bool
            RGB rather than grey.

        Returns
        -------
        ndarray of shape (height, width) or (height, width, 3), uint8
            Grey covers 0 (black) to 255 (white), whatever range the video stores.
        """
        picture = shrink(_rgb(frame), self.stored_size) if color else self._grey(frame)
        if frame.color_trc in TONE_TABLES:
            picture = cv2.LUT(picture, TONE_TABLES[frame.color_trc])
        if self.transposed:
            picture = picture.swapaxes(0, 1)
        if self.flip_x:
            picture = picture[:, ::-1]
        return picture[::-1] if self.flip_y else picture

    def _grey(self, frame: av.VideoFrame) -> np.ndarray:
        luma = _luma(frame)
        if luma is None:  # RGB, palette: weights of ITU-R BT.601
            return shrink(cv2.cvtColor(_rgb(frame), cv2.COLOR_RGB2GRAY), self.stored_size)
        # Stretching after shrinking costs a small table look-up instead of one at full size.
        plane, num_bits = luma
        small = shrink(plane, self.stored_size)
        is_full = frame.color_range == _FULL_RANGE or frame.format.name.startswith(("yuvj", "gray"))
        if is_full and num_bits == 8:
            return small
        if num_bits == 8:
            return cv2.LUT(small, _STRETCH)
        eight_bit = small / np.float32(1 << (num_bits - 8))
        if is_full:
            eight_bit = small * np.float32(255 / ((1 << num_bits) - 1))
        else:
            eight_bit = (eight_bit - 16) * np.float32(255 / 219)
        return np.clip(np.rint(eight_bit), 0, 255).astype(np.uint8)


# From the limited range of most videos (black 16, white 235) to 0..255.
_STRETCH = np.clip(np.rint((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)


def _luma(frame: av.VideoFrame) -> tuple[np.ndarray, int] | None:
    """Return the luma plane, not copied, and its bits a sample; None if the format has none."""
    found = _LUMA.fullmatch(frame.format.name)
    plane = frame.planes[0]
    if not found or plane.line_size <= 0:
        return None
    num_bits = int(found[1] or 8)
    dtype = np.dtype(np.uint8 if num_bits == 8 else "<u2")
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height]
    return lines[_lines(frame), : frame.width * dtype.itemsize].view(dtype), num_bits


def _rgb(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format="rgb24")[_lines(frame)]


def _lines(frame: av.VideoFrame) -> slice:
    """Return which lines to take: of an interlaced picture those of one moment, the upper of each pair."""
    return slice(None, None, 2 if frame.interlaced_frame and frame.height > 1 else 1)


def _display_axes(frame: av.VideoFrame) -> tuple[tuple[int, int], tuple[int, int], bool]:
    """Return where the stored picture's right and down point on display, and whether obliquely.

    Directions are (x, y) of -1, 0 or 1 with y down. The display matrix holds them as (a, b) and
    (c, d) in its first and second row, times a scale.
    """
    side_data: Mapping[Any, Any] = frame.side_data
    try:
        matrix = np.frombuffer(memoryview(side_data[SideDataType.DISPLAYMATRIX]), "=i4")
    except KeyError:
        return (1, 0), (0, 1), False
    a, b, _, c, d = (float(value) for value in matrix[:5])
    if not (a or b) or not (c or d):
        return (1, 0), (0, 1), True
    if abs(a) >= abs(b):
        axes = (1 if a > 0 else -1, 0), (0, 1 if d >= 0 else -1)
    else:
        axes = (0, 1 if b > 0 else -1), (1 if c >= 0 else -1, 0)
    is_oblique = min(abs(a), abs(b)) > 0.02 * max(abs(a), abs(b))
    return *axes, is_oblique
