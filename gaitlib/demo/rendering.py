"""Pixels: a synthetic walker painted into a place, frame by frame."""

from collections.abc import Iterable, Iterator, Mapping

import cv2
import numpy as np

from gaitlib.demo.background import paint_background
from gaitlib.demo.kinematics import pose_walker
from gaitlib.demo.parameters import WalkParameters
from gaitlib.demo.scene import HEIGHT_PX, WIDTH_PX, SceneParameters, make_camera
from gaitlib.demo.shapes import SHADES, SHIFT_BITS, BodyOutlines

NOISE_OFFSET = 10
NOISE_PADDING_PX = 64


def _rgb(color: str) -> np.ndarray:
    """Read a tone such as ``"#804020"`` into levels of shape (3,), float."""
    return np.array([int(color[start : start + 2], 16) for start in (1, 3, 5)], float)


def _cloth_colors(scene: SceneParameters) -> dict[str, np.ndarray]:
    """Return the colour of each kind of cloth under the scene's exposure, each of shape (3,)."""
    tones = {
        "shirt": scene.shirt_color,
        "trouser": scene.trouser_color,
        "shoe": scene.shoe_color,
        "skin": scene.skin_color,
        "hair": scene.hair_color,
    }
    return {cloth: _rgb(tone) * scene.brightness_ratio for cloth, tone in tones.items()}


class WalkPainter:
    """Paints the frames of one synthetic video.

    Parameters
    ----------
    walk : WalkParameters
        How the walker moves.
    scene : SceneParameters
        Where, by what camera, in what clothes.

    Attributes
    ----------
    boxes : ndarray of shape (num_frames, 4), float
        Left, top, width and height of the person without the shadow, in pixels.
    """

    def __init__(self, walk: WalkParameters, scene: SceneParameters) -> None:
        camera = make_camera(scene)
        joints = pose_walker(walk, scene.frame_seconds)
        self._outlines = BodyOutlines(joints, walk, scene, camera)
        self._scene = scene
        self._background = paint_background(scene, camera)
        self._shade = cv2.convertScaleAbs(self._background, alpha=scene.shadow_ratio)
        self._offset = np.full_like(self._background, NOISE_OFFSET)
        self._tones = self._part_tones()
        self._noise, self._noise_places = self._draw_noise()
        self.boxes = self._outlines.boxes

    def _part_tones(self) -> list[list[tuple[float, ...]]]:
        """Return tones by part and shade; the limbs on the far side are darker."""
        colors = _cloth_colors(self._scene)
        far_side = "left" if self._scene.direction == "right" else "right"
        tones = []
        for part in self._outlines.parts:
            dim = 0.8 if part.name.startswith(far_side) else 1.0
            levels = [np.clip(colors[part.cloth] * tone * dim, 8, 238) for *_, tone in SHADES]
            tones.append([tuple(level.tolist()) for level in levels])
        return tones

    def _draw_noise(self) -> tuple[np.ndarray, np.ndarray]:
        """Draw one large tile of sensor noise, and the corner of it that each frame takes."""
        generator = np.random.default_rng([self._scene.scene_seed, 2])
        size = (HEIGHT_PX + NOISE_PADDING_PX, WIDTH_PX + NOISE_PADDING_PX)
        grain = generator.standard_normal(size, dtype=np.float32) * self._scene.noise_sd
        tile = np.clip(np.round(grain + NOISE_OFFSET), 0, 2 * NOISE_OFFSET).astype(np.uint8)
        places = generator.integers(0, NOISE_PADDING_PX, (self._scene.num_frames, 2))
        return cv2.merge([tile] * 3), places

    def paint(self, frame: int) -> np.ndarray:
        """Paint one frame.

        Parameters
        ----------
        frame : int
            Number of the frame, from 0.

        Returns
        -------
        ndarray of shape (height, width, 3), uint8, RGB
        """
        picture = self._background.copy()
        self._cast_shadow(picture, frame)
        self._draw_body(picture, frame)
        picture = cv2.GaussianBlur(picture, (3, 3), self._scene.blur_sigma_px)
        row, column = self._noise_places[frame]
        noise = self._noise[row : row + HEIGHT_PX, column : column + WIDTH_PX]
        cv2.add(picture, noise, dst=picture)
        return np.asarray(cv2.subtract(picture, self._offset), np.uint8)

    def _cast_shadow(self, picture: np.ndarray, frame: int) -> None:
        """Darken the ground where the body takes the light, in place."""
        left, top, right, bottom = self._outlines.shadow_box(frame)
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, WIDTH_PX), min(bottom, HEIGHT_PX)
        if left >= right or top >= bottom:
            return
        mask = np.zeros((bottom - top, right - left), np.uint8)
        corner = np.array([left, top], np.int32) << SHIFT_BITS
        for part in range(len(self._outlines.parts)):
            for outline in self._outlines.shadow_outlines(frame, part):
                cv2.fillConvexPoly(mask, outline - corner, 255, cv2.LINE_8, SHIFT_BITS)
        soft_mask = cv2.merge([cv2.blur(mask, (5, 3))] * 3)
        shade = self._shade[top:bottom, left:right]
        region = picture[top:bottom, left:right]
        cv2.subtract(region, cv2.multiply(shade, soft_mask, scale=1 / 255), dst=region)

    def _draw_body(self, picture: np.ndarray, frame: int) -> None:
        """Draw the parts from far to near, each from dark edge to light middle, in place."""
        for part in self._outlines.order[frame]:
            for shade, tone in enumerate(self._tones[part]):
                for outline in self._outlines.outlines(frame, part, shade):
                    cv2.fillConvexPoly(picture, outline, tone, cv2.LINE_AA, SHIFT_BITS)


def iterate_frames(
    walk: WalkParameters, scene: SceneParameters, frames: Iterable[int] | None = None
) -> Iterator[np.ndarray]:
    """Paint frames one after the other, to encode long videos in little memory.

    Parameters
    ----------
    walk : WalkParameters
        How the walker moves.
    scene : SceneParameters
        Where, by what camera, in what clothes.
    frames : iterable of int, optional
        Numbers of the frames wanted; all by default.

    Yields
    ------
    ndarray of shape (height, width, 3), uint8, RGB
    """
    painter = WalkPainter(walk, scene)
    for frame in range(scene.num_frames) if frames is None else frames:
        yield painter.paint(frame)


def render_video(row: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """Render a synthetic video again from a row of ``truth.csv``.

    Change one value of the row and keep the rest to see what it alone does. The column
    ``speed_m_per_s`` follows from cadence and step length and is not read.

    Parameters
    ----------
    row : mapping of str to value
        A row of the table, such as `gaitlib.demo.read_truth` returns.

    Returns
    -------
    frames : ndarray of shape (num_frames, height, width, 3), uint8, RGB
        The pictures, before video compression.
    boxes : ndarray of shape (num_frames, 4), float
        Left, top, width and height of the person without the shadow, in pixels.
    """
    painter = WalkPainter(WalkParameters.from_row(row), SceneParameters.from_row(row))
    frames = np.stack([painter.paint(frame) for frame in range(len(painter.boxes))])
    return frames, painter.boxes
