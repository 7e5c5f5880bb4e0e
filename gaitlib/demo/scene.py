"""Where a synthetic walk is filmed: camera, light, clothes, all drawn without regard to emotion."""

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gaitlib.demo.kinematics import FromRow

WIDTH_PX, HEIGHT_PX = 640, 240
MARGIN_PX = 8
FRAME_RATES_HZ, FRAME_RATE_WEIGHTS = (24, 25, 30, 50, 60), (0.2, 0.25, 0.35, 0.1, 0.1)
# What is drawn evenly between two bounds, and from a list.
RANGES = {
    "azimuth_deg": (-20, 20),
    "camera_distance_m": (11, 15),
    "camera_height_m": (0.9, 2.4),
    "zoom_ratio": (0.9, 1.0),
    "light_azimuth_deg": (-180, 180),
    "light_elevation_deg": (60, 85),
    "brightness_ratio": (0.78, 1.08),
    "shadow_ratio": (0.2, 0.55),
    "noise_sd": (0.8, 2.2),
    "blur_sigma_px": (0.4, 0.8),
}
LOOKS = {
    "skin_color": ("#f1c9a5", "#e0ac86", "#c98f6a", "#a06a48", "#74482f", "#553423"),
    "hair_color": ("#1d1714", "#33241b", "#5a3a22", "#8a6238", "#b89660", "#8d8d8d"),
    "hair_style": ("short", "long", "bun"),
}
# The tallest body with its bounce, and the room that arms, feet and hair need around the pelvis.
TALLEST_M, BODY_AHEAD_M, BODY_BESIDE_M = 2.06, 0.85, 0.38


@dataclass(frozen=True)
class SceneParameters(FromRow):
    """Camera, place, light and clothes of one synthetic video; colours are like ``"#804020"``."""

    frame_rate_hz: int = 30
    num_frames: int = 120
    direction: str = "right"  # or "left", as seen in the picture
    azimuth_deg: float = 0.0  # place of the camera: 0 beside the walker, positive from ahead
    camera_distance_m: float = 12.0  # to the middle of the path
    camera_height_m: float = 1.4
    zoom_ratio: float = 1.0  # of the longest focal length that keeps the fastest walker in the picture
    framing_speed_m_per_s: float = 2.152  # what the camera is framed for, the same for all videos of a set
    light_azimuth_deg: float = 40.0  # seen from the camera
    light_elevation_deg: float = 55.0
    brightness_ratio: float = 1.0  # exposure, 1 for the average
    shadow_ratio: float = 0.4  # darkness of the shadow, 0 to 1
    noise_sd: float = 2.0  # of the sensor, in grey levels
    blur_sigma_px: float = 0.6  # softness of the lens
    background: str = "room"  # or "hall", "street", "park"
    hair_style: str = "short"  # or "long", "bun"
    sleeves: str = "long"  # or "short"
    shirt_color: str = "#a04040"
    trouser_color: str = "#303a55"
    shoe_color: str = "#302a28"
    skin_color: str = "#e0ac86"
    hair_color: str = "#33241b"
    scene_seed: int = 0  # of the textures and the sensor noise

    @property
    def light(self) -> np.ndarray:
        """Unit vector towards the light along the camera's axes, shape (3,)."""
        azimuth, elevation = np.radians([self.light_azimuth_deg, self.light_elevation_deg])
        level = np.cos(elevation)
        return np.array([np.sin(azimuth) * level, np.sin(elevation), -np.cos(azimuth) * level])


def _tone(rng: np.random.Generator) -> str:
    """Draw a cloth colour: any hue, from washed out to strong, from dark to light."""
    hue, saturation, value = 6 * rng.random(), rng.uniform(0.05, 0.75), rng.uniform(0.15, 0.85)
    ramp = np.clip(np.abs((hue - np.array([3.0, 2.0, 4.0])) % 6 - 3) - 1, 0, 1)
    levels = np.round(255 * value * (1 - saturation * ramp)).astype(int)
    return "#" + "".join(f"{level:02x}" for level in levels)


def sample_scene(
    look_rng: np.random.Generator, rng: np.random.Generator, fastest_m_per_s: float, seconds: tuple
) -> SceneParameters:
    """Draw a person's look and a scene; nothing in it depends on how the person walks."""
    frame_rate_hz = int(rng.choice(FRAME_RATES_HZ, p=FRAME_RATE_WEIGHTS))
    drawn: dict[str, Any] = {name: round(rng.uniform(*ends), 6) for name, ends in RANGES.items()}
    drawn |= {name: str(look_rng.choice(choices)) for name, choices in LOOKS.items()}
    return SceneParameters(
        frame_rate_hz=frame_rate_hz,
        num_frames=round(rng.uniform(*seconds) * frame_rate_hz),
        direction=str(rng.choice(["right", "left"])),
        framing_speed_m_per_s=fastest_m_per_s,
        background=str(rng.choice(["room", "hall", "street", "park"])),
        sleeves=str(rng.choice(["short", "long"])),
        shirt_color=_tone(rng),
        trouser_color=_tone(rng),
        shoe_color=_tone(rng),
        scene_seed=int(rng.integers(2**31)),
        **drawn,
    )


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks level across the path; its axes point right, up and ahead."""

    place_m: np.ndarray
    axes: np.ndarray
    focal_px: float = 1.0
    centre_px: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def project(self, points_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels, shape (..., 2), and the depths, shape (...), of points of shape (..., 3)."""
        right, up, depth = np.moveaxis((points_m - self.place_m) @ self.axes.T, -1, 0)
        scale = self.focal_px / depth
        return np.stack([right * scale, -up * scale], axis=-1) + self.centre_px, depth


def make_camera(scene: SceneParameters) -> Camera:
    """Frame the scene for the fastest walker of the set, whoever walks in it."""
    angle, side = np.radians(scene.azimuth_deg), -1.0 if scene.direction == "right" else 1.0
    toward = np.array([np.sin(angle), side * np.cos(angle), 0.0])
    axes = np.array([[-toward[1], toward[0], 0.0], [0.0, 0.0, 1.0], -toward])
    level = Camera(toward * scene.camera_distance_m + [0.0, 0.0, scene.camera_height_m], axes)
    ends = scene.framing_speed_m_per_s * scene.num_frames / scene.frame_rate_hz / 2 + BODY_AHEAD_M
    spans = (-ends, ends), (-BODY_BESIDE_M, BODY_BESIDE_M), (0.0, TALLEST_M)
    seen, _ = level.project(np.array(list(itertools.product(*spans))))
    low, high = seen.min(axis=0), seen.max(axis=0)
    size = np.array([WIDTH_PX, HEIGHT_PX])
    focal_px = float(np.min((size - 2 * MARGIN_PX) / (high - low))) * scene.zoom_ratio
    return replace(level, focal_px=focal_px, centre_px=size / 2 - focal_px * (low + high) / 2)
