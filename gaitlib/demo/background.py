"""Painted places for the synthetic walkers: ground in perspective, and what stands behind it."""

import cv2
import numpy as np

from gaitlib.demo.scene import HEIGHT_PX, WIDTH_PX, Camera, SceneParameters

# The wall, or the far edge of the ground, stands this far behind the camera's target.
WALL_BEHIND_M = {"room": 6.5, "hall": 9.0, "street": 11.0, "park": 40.0}
COLUMNS, ROWS = np.meshgrid(np.arange(WIDTH_PX, dtype=np.float32),
                            np.arange(HEIGHT_PX, dtype=np.float32))  # fmt: skip


def _clouds(generator: np.random.Generator, coarse: int) -> np.ndarray:
    """Smooth noise of mean 0 and range about +-1, shape (height, width), float32."""
    grid = generator.uniform(-1, 1, (coarse, 2 * coarse)).astype(np.float32)
    return cv2.resize(grid, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)


def _muted(generator: np.random.Generator, low: float, high: float) -> np.ndarray:
    """Draw a muted colour, shape (3,), float32, around a random brightness."""
    tint = generator.uniform(-14, 14, 3)
    return (generator.uniform(low, high) + tint).astype(np.float32)


def _ground_points(scene: SceneParameters, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance ahead and to the right of each pixel's point on the ground, in metres."""
    below = np.maximum(ROWS - camera.centre_px[1], 0.5)
    ahead = scene.camera_height_m * camera.focal_px / below
    across = (COLUMNS - camera.centre_px[0]) * ahead / camera.focal_px
    return ahead.astype(np.float32), across.astype(np.float32)


def _paint_ground(scene: SceneParameters, camera: Camera, generator: np.random.Generator) -> np.ndarray:
    """Paint the whole picture with ground: tiles or planks indoors, blotches outdoors."""
    ahead, across = _ground_points(scene, camera)
    color = _muted(generator, 95, 165)
    if scene.background == "park":
        color = np.array([96, 118, 70], np.float32) + generator.uniform(-12, 12)
    light = 1 + 0.06 * _clouds(generator, 6) + 0.05 * _clouds(generator, 40)
    light *= 1.05 - 0.012 * np.clip(ahead - scene.camera_distance_m, -6, 12)
    if scene.background != "park":
        size_m = generator.uniform(0.5, 1.4)
        rows, columns = np.floor(ahead / size_m), np.floor(across / (2 * size_m))
        shade = np.sin(rows * 12.9898 + columns * 78.233) * 43758.547
        light *= 1 + 0.10 * (shade - np.floor(shade) - 0.5)
        # Joints thinner than a pixel would flicker into patterns far away.
        joint = (ahead / size_m - rows < 0.05) & (ahead < 2.5 * scene.camera_distance_m)
        light[joint] *= 0.9
    return color * light[..., None]


def _paint_wall(scene: SceneParameters, base_row: int, generator: np.random.Generator) -> np.ndarray:
    """Paint the whole picture with wall or sky, lighter towards the top."""
    color = _muted(generator, 120, 195)
    if scene.background == "park":
        color = np.array([172, 196, 218], np.float32) + generator.uniform(-20, 10)
    light = 1 + 0.07 * _clouds(generator, 4) + 0.03 * _clouds(generator, 60)
    light *= 1.06 - 0.16 * np.clip(ROWS / max(base_row, 1), 0, 1.2)
    if scene.background == "hall":
        light *= 1 + 0.05 * np.sign(np.sin(COLUMNS / generator.uniform(6, 18)))
    return color * light[..., None]


def _paint_things(
    picture: np.ndarray, scene: SceneParameters, base_row: int, generator: np.random.Generator
) -> None:
    """Stand windows, doors, cupboards or trees along the wall, in place."""
    for _ in range(int(generator.integers(4, 9))):
        left = int(generator.integers(-40, WIDTH_PX))
        wide = int(generator.integers(18, 110))
        tall = int(generator.uniform(0.25, 0.95) * max(base_row, 30))
        if scene.background == "park":
            _paint_tree(picture, left, base_row, tall, generator)
            continue
        standing = generator.random() < 0.6
        bottom = base_row if standing else base_row - int(0.3 * tall)
        color = _muted(generator, 60, 200)
        top = max(bottom - tall, 2)
        cv2.rectangle(picture, (left, top), (left + wide, bottom), color.tolist(), -1)
        edge = (color * generator.uniform(0.6, 0.85)).tolist()
        cv2.rectangle(picture, (left, top), (left + wide, bottom), edge, 2)
        if wide > 50:
            middle = left + wide // 2
            cv2.line(picture, (middle, top), (middle, bottom), edge, 2)


def _paint_tree(
    picture: np.ndarray, left: int, base_row: int, tall: int, generator: np.random.Generator
) -> None:
    """Plant a trunk with a crown of leaf blobs, in place."""
    bark = _muted(generator, 60, 90).tolist()
    cv2.line(picture, (left, base_row + 2), (left, base_row - tall), bark, max(tall // 22, 2))
    for _ in range(14):
        leaf = np.array([70, 100, 60]) + generator.uniform(-22, 22)
        centre = np.array([left, base_row - tall]) + generator.normal(0, 0.22 * tall, 2)
        radius = int(tall * generator.uniform(0.08, 0.22)) + 2
        spot = (int(centre[0]), min(int(centre[1]), base_row - radius // 2))
        cv2.circle(picture, spot, radius, leaf.tolist(), -1, cv2.LINE_AA)


def paint_background(scene: SceneParameters, camera: Camera) -> np.ndarray:
    """Paint the empty place of a synthetic video.

    Parameters
    ----------
    scene : SceneParameters
        Its background kind, brightness, blur and seed are used.
    camera : Camera
        For the perspective of the ground.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8, RGB
    """
    generator = np.random.default_rng([scene.scene_seed, 1])
    far_m = scene.camera_distance_m + WALL_BEHIND_M[scene.background]
    horizon_row = camera.centre_px[1]
    base_row = int(horizon_row + scene.camera_height_m * camera.focal_px / far_m)
    base_row = int(np.clip(base_row, 0, HEIGHT_PX))
    picture = _paint_wall(scene, base_row, generator)
    _paint_things(picture, scene, base_row, generator)
    ground = _paint_ground(scene, camera, generator)
    picture[base_row:] = ground[base_row:]
    if scene.background in ("room", "hall") and base_row > 4:
        picture[base_row - 4 : base_row] *= 0.8
    vignette = 1 - 0.10 * ((COLUMNS / WIDTH_PX - 0.5) ** 2 + (ROWS / HEIGHT_PX - 0.5) ** 2)
    grain = generator.normal(0, 2.5, (HEIGHT_PX, WIDTH_PX)).astype(np.float32)
    picture = (picture + grain[..., None]) * (scene.brightness_ratio * vignette[..., None])
    picture = cv2.GaussianBlur(picture, (0, 0), 0.7 + scene.blur_sigma_px)
    return np.clip(picture, 8, 238).astype(np.uint8)
