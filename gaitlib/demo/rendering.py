"""Pixels: a painted place, and a synthetic walker in it, frame by frame."""

from collections.abc import Mapping

import cv2
import numpy as np
import pandas as pd

from gaitlib.demo.kinematics import pose_walker
from gaitlib.demo.parameters import WalkParameters
from gaitlib.demo.scene import HEIGHT_PX, WIDTH_PX, Camera, SceneParameters, make_camera
from gaitlib.demo.shapes import SHADES, SHIFT_BITS, BodyOutlines

NOISE_OFFSET, NOISE_PADDING_PX = 10, 64
# The wall, or the far edge of the ground, stands this far behind the camera's target.
WALL_BEHIND_M = {"room": 6.5, "hall": 9.0, "street": 11.0, "park": 40.0}
ROWS, COLUMNS = np.indices((HEIGHT_PX, WIDTH_PX)).astype(np.float32)


def _clouds(rng: np.random.Generator, coarse: int) -> np.ndarray:
    """Smooth noise of mean 0 and range about +-1, shape (height, width), float32."""
    grid = rng.uniform(-1, 1, (coarse, 2 * coarse)).astype(np.float32)
    return cv2.resize(grid, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)


def _muted(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """Draw a muted colour, shape (3,), float32, around a random brightness."""
    tint = rng.uniform(-14, 14, 3)
    return (rng.uniform(low, high) + tint).astype(np.float32)


def _paint_ground(scene: SceneParameters, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """Paint the whole picture with ground: tiles or planks indoors, blotches outdoors."""
    ahead = scene.camera_height_m * camera.focal_px / np.maximum(ROWS - camera.centre_px[1], 0.5)
    across = ((COLUMNS - camera.centre_px[0]) * ahead / camera.focal_px).astype(np.float32)
    ahead = ahead.astype(np.float32)
    color = _muted(rng, 95, 165)
    if scene.background == "park":
        color = np.array([96, 118, 70], np.float32) + rng.uniform(-12, 12)
    light = 1 + 0.06 * _clouds(rng, 6) + 0.05 * _clouds(rng, 40)
    light *= 1.05 - 0.012 * np.clip(ahead - scene.camera_distance_m, -6, 12)
    if scene.background != "park":
        size_m = rng.uniform(0.5, 1.4)
        rows, columns = np.floor(ahead / size_m), np.floor(across / (2 * size_m))
        shade = np.sin(rows * 12.9898 + columns * 78.233) * 43758.547
        light *= 1 + 0.10 * (shade - np.floor(shade) - 0.5)
        # Joints thinner than a pixel would flicker into patterns far away.
        light[(ahead / size_m - rows < 0.05) & (ahead < 2.5 * scene.camera_distance_m)] *= 0.9
    return color * light[..., None]


def _paint_wall(scene: SceneParameters, base_row: int, rng: np.random.Generator) -> np.ndarray:
    """Paint the whole picture with wall or sky, lighter towards the top."""
    color = _muted(rng, 120, 195)
    if scene.background == "park":
        color = np.array([172, 196, 218], np.float32) + rng.uniform(-20, 10)
    light = 1 + 0.07 * _clouds(rng, 4) + 0.03 * _clouds(rng, 60)
    light *= 1.06 - 0.16 * np.clip(ROWS / max(base_row, 1), 0, 1.2)
    if scene.background == "hall":
        light *= 1 + 0.05 * np.sign(np.sin(COLUMNS / rng.uniform(6, 18)))
    return color * light[..., None]


def _paint_things(picture: np.ndarray, is_park: bool, base_row: int, rng: np.random.Generator) -> None:
    """Stand windows, doors, cupboards or trees along the wall, in place."""
    for _ in range(int(rng.integers(4, 9))):
        left, wide = int(rng.integers(-40, WIDTH_PX)), int(rng.integers(18, 110))
        tall = int(rng.uniform(0.25, 0.95) * max(base_row, 30))
        if is_park:
            _paint_tree(picture, left, base_row, tall, rng)
            continue
        bottom = base_row if rng.random() < 0.6 else base_row - int(0.3 * tall)
        top, middle = max(bottom - tall, 2), left + wide // 2
        color = _muted(rng, 60, 200)
        edge = (color * rng.uniform(0.6, 0.85)).tolist()
        cv2.rectangle(picture, (left, top), (left + wide, bottom), color.tolist(), -1)
        cv2.rectangle(picture, (left, top), (left + wide, bottom), edge, 2)
        if wide > 50:
            cv2.line(picture, (middle, top), (middle, bottom), edge, 2)


def _paint_tree(picture: np.ndarray, left: int, base_row: int, tall: int, rng: np.random.Generator) -> None:
    """Plant a trunk with a crown of leaf blobs, in place."""
    bark = _muted(rng, 60, 90).tolist()
    cv2.line(picture, (left, base_row + 2), (left, base_row - tall), bark, max(tall // 22, 2))
    for _ in range(14):
        leaf = np.array([70, 100, 60]) + rng.uniform(-22, 22)
        centre = np.array([left, base_row - tall]) + rng.normal(0, 0.22 * tall, 2)
        radius = int(tall * rng.uniform(0.08, 0.22)) + 2
        spot = (int(centre[0]), min(int(centre[1]), base_row - radius // 2))
        cv2.circle(picture, spot, radius, leaf.tolist(), -1, cv2.LINE_AA)


def _paint_background(scene: SceneParameters, camera: Camera) -> np.ndarray:
    """Paint the empty place of a synthetic video, shape (height, width, 3), uint8."""
    rng = np.random.default_rng([scene.scene_seed, 1])
    far_m = scene.camera_distance_m + WALL_BEHIND_M[scene.background]
    base_row = int(camera.centre_px[1] + scene.camera_height_m * camera.focal_px / far_m)
    base_row = int(np.clip(base_row, 0, HEIGHT_PX))
    picture = _paint_wall(scene, base_row, rng)
    _paint_things(picture, scene.background == "park", base_row, rng)
    picture[base_row:] = _paint_ground(scene, camera, rng)[base_row:]
    if scene.background in ("room", "hall") and base_row > 4:
        picture[base_row - 4 : base_row] *= 0.8
    vignette = 1 - 0.10 * ((COLUMNS / WIDTH_PX - 0.5) ** 2 + (ROWS / HEIGHT_PX - 0.5) ** 2)
    grain = rng.normal(0, 2.5, (HEIGHT_PX, WIDTH_PX)).astype(np.float32)
    picture = (picture + grain[..., None]) * (scene.brightness_ratio * vignette[..., None])
    picture = cv2.GaussianBlur(picture, (0, 0), 0.7 + scene.blur_sigma_px)
    return np.clip(picture, 8, 238).astype(np.uint8)


class WalkPainter:
    """Paints the frames of one synthetic video; `boxes` are those of `render_video`."""

    def __init__(self, walk: WalkParameters, scene: SceneParameters) -> None:
        camera = make_camera(scene)
        self._scene = scene
        self._outlines = BodyOutlines(pose_walker(walk, scene.frame_seconds), walk, scene, camera)
        self.boxes = self._outlines.boxes
        self._background = _paint_background(scene, camera)
        self._shade = cv2.convertScaleAbs(self._background, alpha=scene.shadow_ratio)
        self._offset = np.full_like(self._background, NOISE_OFFSET)
        self._tones = self._part_tones()
        self._noise, self._noise_places = self._draw_noise()

    def _part_tones(self) -> list[list[tuple[float, ...]]]:
        """Return tones by part and shade; the limbs on the far side are darker."""
        far_side = "left" if self._scene.direction == "right" else "right"
        tones = []
        for part in self._outlines.parts:
            color = np.array(list(bytes.fromhex(getattr(self._scene, f"{part.cloth}_color")[1:])), float)
            color *= self._scene.brightness_ratio * (0.8 if part.name.startswith(far_side) else 1.0)
            tones.append([tuple(np.clip(color * tone, 8, 238).tolist()) for *_, tone in SHADES])
        return tones

    def _draw_noise(self) -> tuple[np.ndarray, np.ndarray]:
        """Draw one large tile of sensor noise, and the corner of it that each frame takes."""
        rng = np.random.default_rng([self._scene.scene_seed, 2])
        size = (HEIGHT_PX + NOISE_PADDING_PX, WIDTH_PX + NOISE_PADDING_PX)
        grain = rng.standard_normal(size, dtype=np.float32) * self._scene.noise_sd
        tile = np.clip(np.round(grain + NOISE_OFFSET), 0, 2 * NOISE_OFFSET).astype(np.uint8)
        places = rng.integers(0, NOISE_PADDING_PX, (self._scene.num_frames, 2))
        return cv2.merge([tile] * 3), places

    def paint(self, frame: int) -> np.ndarray:
        """Paint one frame, shape (height, width, 3), uint8, RGB."""
        picture = self._background.copy()
        self._cast_shadow(picture, frame)
        # From far to near, each part from its dark edge to its light middle.
        for part in self._outlines.order[frame]:
            for shade, tone in enumerate(self._tones[part]):
                for outline in self._outlines.outlines(frame, part, shade):
                    cv2.fillConvexPoly(picture, outline, tone, cv2.LINE_AA, SHIFT_BITS)
        picture = cv2.GaussianBlur(picture, (3, 3), self._scene.blur_sigma_px)
        row, column = self._noise_places[frame]
        cv2.add(picture, self._noise[row : row + HEIGHT_PX, column : column + WIDTH_PX], dst=picture)
        return np.asarray(cv2.subtract(picture, self._offset), np.uint8)

    def _cast_shadow(self, picture: np.ndarray, frame: int) -> None:
        """Darken the ground where the body takes the light, in place."""
        outlines = self._outlines.shadow_outlines(frame)
        points = np.concatenate(outlines)[:, 0] >> SHIFT_BITS
        left, top = np.maximum(points.min(axis=0) - 3, 0)
        right, bottom = np.minimum(points.max(axis=0) + 4, (WIDTH_PX, HEIGHT_PX))
        if left >= right or top >= bottom:
            return
        mask = np.zeros((bottom - top, right - left), np.uint8)
        corner = np.array([left, top], np.int32) << SHIFT_BITS
        for outline in outlines:
            cv2.fillConvexPoly(mask, outline - corner, 255, cv2.LINE_8, SHIFT_BITS)
        soft_mask = cv2.merge([cv2.blur(mask, (5, 3))] * 3)
        region, shade = (whole[top:bottom, left:right] for whole in (picture, self._shade))
        cv2.subtract(region, cv2.multiply(shade, soft_mask, scale=1 / 255), dst=region)


def render_video(row: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """Render a synthetic video again from a row of ``truth.csv``, before compression.

    Change one value of the row to see what it alone does; ``speed_m_per_s`` is not read.

    Returns
    -------
    frames : ndarray of shape (num_frames, height, width, 3), uint8, RGB
    boxes : ndarray of shape (num_frames, 4), float
        Left, top, width and height of the person without the shadow, in pixels.
    """
    painter = WalkPainter(WalkParameters.from_row(row), SceneParameters.from_row(row))
    return np.stack([painter.paint(frame) for frame in range(len(painter.boxes))]), painter.boxes


def contact_sheet(
    truth: pd.DataFrame, walker: str | None = None, num_columns: int = 10, cell_px: int = 112
) -> np.ndarray:
    """Show a walker, by default the table's first, in every emotion: a row an emotion, a column every 0.1 s.

    The picture is RGB of shape (num_emotions * cell_px, num_columns * cell_px, 3), uint8.
    """
    own = truth[truth["walker"] == (walker or truth["walker"].iloc[0])]
    rows = own.drop_duplicates("emotion").sort_values("emotion").to_dict("records")
    return np.vstack([_strip(row, num_columns, cell_px) for row in rows])


def _strip(row: Mapping, num_columns: int, cell_px: int) -> np.ndarray:
    """Cut the walker out of frames around the middle of one video, cells side by side."""
    scene = SceneParameters.from_row(row)
    painter = WalkPainter(WalkParameters.from_row(row), scene)
    times = (np.arange(num_columns) - (num_columns - 1) / 2) * 0.1
    frames = np.round((scene.num_frames - 1) / 2 + times * scene.frame_rate_hz).astype(int)
    frames = np.clip(frames, 0, scene.num_frames - 1)
    left, top, width, height = painter.boxes[frames].T
    scale = 0.72 * cell_px / height.max()
    # One height for all, so that the bounce shows.
    down = cell_px / 2 - scale * (top + height / 2).mean()
    cells = []
    for frame, across in zip(frames, cell_px / 2 - scale * (left + width / 2), strict=True):
        matrix, picture = np.array([[scale, 0, across], [0, scale, down]]), painter.paint(frame)
        cells.append(cv2.warpAffine(picture, matrix, (cell_px, cell_px), borderMode=cv2.BORDER_REPLICATE))
    return np.hstack(cells)
