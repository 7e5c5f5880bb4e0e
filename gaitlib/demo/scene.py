"""Where a synthetic walk is filmed: camera, light, clothes, all drawn without regard to emotion."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDTH_PX, HEIGHT_PX = 640, 240
MARGIN_PX = 8
FRAME_RATES_HZ = (24, 25, 30, 50, 60)
FRAME_RATE_WEIGHTS = (0.2, 0.25, 0.35, 0.1, 0.1)
BACKGROUNDS = ("room", "hall", "street", "park")
HAIR_STYLES = ("short", "long", "bun")
SLEEVES = ("short", "long")
SKIN_COLORS = ("#f1c9a5", "#e0ac86", "#c98f6a", "#a06a48", "#74482f", "#553423")
HAIR_COLORS = ("#1d1714", "#33241b", "#5a3a22", "#8a6238", "#b89660", "#8d8d8d")
# The tallest body with its bounce, and the room that arms, feet and hair need around the pelvis.
TALLEST_M, BODY_AHEAD_M, BODY_BESIDE_M = 2.06, 0.85, 0.38


@dataclass(frozen=True)
class SceneParameters:
    """Camera, place, light and clothes of one synthetic video.

    Parameters
    ----------
    frame_rate_hz : int
        Frames a second.
    num_frames : int
        Length of the clip in frames.
    direction : str
        ``"right"`` or ``"left"``, as seen in the picture.
    azimuth_deg : float
        Camera's place around the walker: 0 from the side, positive from ahead.
    camera_distance_m, camera_height_m : float
        Distance to the middle of the path; height above the ground.
    zoom_ratio : float
        Focal length as a share of the longest with which the fastest walker stays in the picture.
    framing_speed_m_per_s : float
        Speed for which the camera is framed: the same for all videos of a set.
    light_azimuth_deg, light_elevation_deg : float
        Where the light comes from, seen from the camera.
    brightness_ratio : float
        Exposure, 1 for the average.
    shadow_ratio : float
        Darkness of the shadow, 0 to 1.
    noise_sd, blur_sigma_px : float
        Sensor noise in grey levels; softness of the lens.
    background, hair_style, sleeves : str
        Kind of place, hair and shirt.
    shirt_color, trouser_color, shoe_color, skin_color, hair_color : str
        Tones such as ``"#804020"``.
    scene_seed : int
        Seed of the textures and of the sensor noise.
    """

    frame_rate_hz: int = 30
    num_frames: int = 120
    direction: str = "right"
    azimuth_deg: float = 0.0
    camera_distance_m: float = 12.0
    camera_height_m: float = 1.4
    zoom_ratio: float = 1.0
    framing_speed_m_per_s: float = 2.152
    light_azimuth_deg: float = 40.0
    light_elevation_deg: float = 55.0
    brightness_ratio: float = 1.0
    shadow_ratio: float = 0.4
    noise_sd: float = 2.0
    blur_sigma_px: float = 0.6
    background: str = "room"
    hair_style: str = "short"
    sleeves: str = "long"
    shirt_color: str = "#a04040"
    trouser_color: str = "#303a55"
    shoe_color: str = "#302a28"
    skin_color: str = "#e0ac86"
    hair_color: str = "#33241b"
    scene_seed: int = 0

    @property
    def frame_seconds(self) -> np.ndarray:
        """Times of the frames, shape (num_frames,), in seconds around the middle of the clip."""
        middle = (self.num_frames - 1) / 2
        return (np.arange(self.num_frames) - middle) / self.frame_rate_hz

    @classmethod
    def from_row(cls, row: Mapping) -> SceneParameters:
        """Read the fields from a row of ``truth.csv``; its other columns are ignored."""
        readers: dict[str, Callable] = {"int": int, "float": float, "str": str}
        values = {field.name: readers[str(field.type)](row[field.name]) for field in dataclasses.fields(cls)}
        return cls(**values)


def _tone(generator: np.random.Generator) -> str:
    """Draw a cloth colour: any hue, from washed out to strong, from dark to light."""
    hue = generator.random() * 6
    saturation, value = generator.uniform(0.05, 0.75), generator.uniform(0.15, 0.85)
    ramp = np.clip(np.abs((hue - np.array([3.0, 2.0, 4.0])) % 6 - 3) - 1, 0, 1)
    levels = np.round(255 * value * (1 - saturation * ramp)).astype(int)
    return "#" + "".join(f"{level:02x}" for level in levels)


def sample_look(generator: np.random.Generator) -> dict[str, str]:
    """Draw what a person looks like in all videos.

    Parameters
    ----------
    generator : numpy.random.Generator
        Source of chance.

    Returns
    -------
    dict of str
        ``skin_color``, ``hair_color`` and ``hair_style`` of `SceneParameters`.
    """
    return {
        "skin_color": str(generator.choice(SKIN_COLORS)),
        "hair_color": str(generator.choice(HAIR_COLORS)),
        "hair_style": str(generator.choice(HAIR_STYLES)),
    }


def sample_scene(
    generator: np.random.Generator,
    look: Mapping[str, str],
    framing_speed_m_per_s: float,
    seconds: tuple[float, float],
) -> SceneParameters:
    """Draw a scene; nothing in it depends on who walks, or how.

    Parameters
    ----------
    generator : numpy.random.Generator
        Source of chance.
    look : mapping of str
        Skin and hair of the walker, from `sample_look`.
    framing_speed_m_per_s : float
        A speed that no walk of the set exceeds.
    seconds : tuple of two floats
        Shortest and longest clip.

    Returns
    -------
    SceneParameters
    """
    frame_rate_hz = int(generator.choice(FRAME_RATES_HZ, p=FRAME_RATE_WEIGHTS))
    drawn: dict[str, float] = {
        "azimuth_deg": generator.uniform(-20, 20),
        "camera_distance_m": generator.uniform(11, 15),
        "camera_height_m": generator.uniform(0.9, 2.4),
        "zoom_ratio": generator.uniform(0.9, 1.0),
        "light_azimuth_deg": generator.uniform(-180, 180),
        "light_elevation_deg": generator.uniform(60, 85),
        "brightness_ratio": generator.uniform(0.78, 1.08),
        "shadow_ratio": generator.uniform(0.2, 0.55),
        "noise_sd": generator.uniform(0.8, 2.2),
        "blur_sigma_px": generator.uniform(0.4, 0.8),
    }
    rest: dict[str, Any] = {name: round(float(value), 6) for name, value in drawn.items()}
    rest.update(look)
    return SceneParameters(
        frame_rate_hz=frame_rate_hz,
        num_frames=round(generator.uniform(*seconds) * frame_rate_hz),
        direction=str(generator.choice(["right", "left"])),
        framing_speed_m_per_s=framing_speed_m_per_s,
        background=str(generator.choice(BACKGROUNDS)),
        sleeves=str(generator.choice(SLEEVES)),
        shirt_color=_tone(generator),
        trouser_color=_tone(generator),
        shoe_color=_tone(generator),
        scene_seed=int(generator.integers(2**31)),
        **rest,
    )


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks level across the path.

    Parameters
    ----------
    place_m : ndarray of shape (3,), float
        Where the camera stands.
    axes : ndarray of shape (3, 3), float
        Rows: the picture's right, up, and the viewing direction, in world axes.
    focal_px : float
        Focal length in pixels.
    centre_px : ndarray of shape (2,), float
        Column and row of the picture at which the viewing direction points.
    """

    place_m: np.ndarray
    axes: np.ndarray
    focal_px: float = 1.0
    centre_px: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(2))

    def project(self, points_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Project world points.

        Parameters
        ----------
        points_m : ndarray of shape (..., 3), float
            Places in metres.

        Returns
        -------
        pixels : ndarray of shape (..., 2), float
            Column and row.
        depth_m : ndarray of shape (...), float
            Distance along the viewing direction.
        """
        right, up, depth = np.moveaxis((points_m - self.place_m) @ self.axes.T, -1, 0)
        scale = self.focal_px / depth
        return np.stack([right * scale, -up * scale], axis=-1) + self.centre_px, depth


def _level_camera(scene: SceneParameters) -> Camera:
    """Place a camera of focal length 1 beside the path, looking at the middle of it."""
    angle = np.radians(scene.azimuth_deg)
    side = -1.0 if scene.direction == "right" else 1.0
    toward = np.array([np.sin(angle), side * np.cos(angle), 0.0])
    view = -toward
    axes = np.array([[view[1], -view[0], 0.0], [0.0, 0.0, 1.0], view])
    place = toward * scene.camera_distance_m + [0.0, 0.0, scene.camera_height_m]
    return Camera(place, axes)


def make_camera(scene: SceneParameters) -> Camera:
    """Frame the scene for the fastest walker of the set, whoever walks in it.

    Parameters
    ----------
    scene : SceneParameters
        The scene.

    Returns
    -------
    Camera
    """
    level = _level_camera(scene)
    half_path_m = scene.framing_speed_m_per_s * scene.num_frames / scene.frame_rate_hz / 2
    ends = half_path_m + BODY_AHEAD_M
    corners = np.array(
        [
            (ahead, beside, height)
            for ahead in (-ends, ends)
            for beside in (-BODY_BESIDE_M, BODY_BESIDE_M)
            for height in (0.0, TALLEST_M)
        ]
    )
    seen, _ = level.project(corners)
    low, high = seen.min(axis=0), seen.max(axis=0)
    room = np.array([WIDTH_PX, HEIGHT_PX]) - 2 * MARGIN_PX
    focal_px = float(np.min(room / (high - low))) * scene.zoom_ratio
    centre_px = np.array([WIDTH_PX, HEIGHT_PX]) / 2 - focal_px * (low + high) / 2
    return dataclasses.replace(level, focal_px=focal_px, centre_px=centre_px)
