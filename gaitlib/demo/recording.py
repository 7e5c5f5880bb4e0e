"""How a synthetic walk is recorded: the scene before the camera, what a phone hears, what a watch feels.

Scene and look are drawn without regard to emotion; sound and signals are made up, as the walker is.
"""

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import signal
from scipy.spatial.transform import Rotation

from gaitlib.demo.kinematics import EMOTIONS, FLAT_CYCLE, FromRow, WalkParameters, pose_walker

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


SOUND_RATE_HZ, WATCH_RATE_HZ, WATCH_SECONDS = 16_000, 50, 24.0
GRAVITY_M_S2, _PULSE_RATE_HZ = np.array([0.0, 0.0, 9.81]), 200
# How much an emotion changes the pulse, beats a minute, if acted: little beside the spread of people.
_PULSE_CHANGES = dict(zip(EMOTIONS, (8.0, 5.0, 0.0, -3.0), strict=True))


@dataclass(frozen=True)
class SenseParameters(FromRow):
    """Shoes, floor, room, microphone, watch and pulse; drawn apart from the scene that the camera sees."""

    step_loudness_db: float = -18.0  # blow of a heel, below full scale
    floor_cutoff_hz: float = 1500.0  # hard floors sound brighter
    room_seconds: float = 0.15  # time in which an echo falls to a third
    noise_db: float = -55.0  # of the microphone and the surroundings
    watch_side: str = "left"
    watch_lead_seconds: float = 8.0  # by which the recording begins before the video
    heart_rate_bpm: float = 95.0
    noise_seed: int = 0


def sample_senses(
    rng: np.random.Generator, emotion: str, walk: WalkParameters, alpha: float
) -> SenseParameters:
    """Draw what is heard and felt of one take: fast walks sound louder and make the heart beat faster."""
    faster = walk.speed_m_per_s - 1.3
    drawn = {
        "step_loudness_db": -20 + 5 * faster + 3 * rng.standard_normal(),
        "floor_cutoff_hz": rng.uniform(600, 3000),
        "room_seconds": rng.uniform(0.02, 0.12),
        "noise_db": rng.uniform(-65, -48),
        "watch_lead_seconds": rng.uniform(4, 12),
        "heart_rate_bpm": 95 + 12 * faster + alpha * _PULSE_CHANGES[emotion] + 9 * rng.standard_normal(),
    }
    values = {name: round(float(value), 3) for name, value in drawn.items()}
    side = "left" if rng.random() < 0.7 else "right"
    return SenseParameters(**values, watch_side=side, noise_seed=int(rng.integers(2**31)))


def heel_strikes(walk: WalkParameters, start: float, end: float) -> np.ndarray:
    """Return when a heel of either foot comes down, seconds of the video, in order."""
    strides_hz = walk.cadence_steps_per_min / 120
    first, last = (walk.start_cycle + time * strides_hz for time in (start, end))
    cycles = np.arange(np.ceil(2 * first), np.floor(2 * last) + 1) / 2
    return (cycles - walk.start_cycle) / strides_hz


def step_sound(walk: WalkParameters, senses: SenseParameters, seconds: float) -> np.ndarray:
    """Return the sound of the steps, shape (num_samples,), float32, -1 to 1: heel, then sole, and an echo."""
    rng = np.random.default_rng(senses.noise_seed)
    num_samples = round(seconds * SOUND_RATE_HZ)
    blows = np.zeros(num_samples + SOUND_RATE_HZ)
    heel_to_sole = FLAT_CYCLE * 120 / walk.cadence_steps_per_min
    fade = np.exp(-np.arange(round(0.1 * SOUND_RATE_HZ)) / (0.012 * SOUND_RATE_HZ))
    for strike in heel_strikes(walk, 0, seconds):
        for later, decibels in ((0.0, 0.0), (heel_to_sole, -7.0)):
            place = round((strike + later) * SOUND_RATE_HZ)
            loudness = senses.step_loudness_db + decibels + 1.5 * rng.standard_normal()
            blows[place : place + len(fade)] += 10 ** (loudness / 20) * fade * rng.standard_normal(len(fade))
    floor = signal.butter(2, (90, senses.floor_cutoff_hz), "bandpass", fs=SOUND_RATE_HZ, output="sos")
    sound = 2 * signal.sosfilt(floor, blows)
    echo = rng.standard_normal(round(3 * senses.room_seconds * SOUND_RATE_HZ))
    echo *= 0.02 * np.exp(-np.arange(len(echo)) / (senses.room_seconds * SOUND_RATE_HZ))
    sound = (sound + signal.fftconvolve(sound, echo)[: len(sound)])[:num_samples]
    noise = 10 ** (senses.noise_db / 20) * rng.standard_normal(num_samples)
    return np.clip(sound + noise, -1, 1).astype(np.float32)


def watch_signals(walk: WalkParameters, senses: SenseParameters) -> pd.DataFrame:
    """Return what a watch records around the video: acceleration with gravity, rotation, pulse.

    Time 0 is `watch_lead_seconds` before the first frame of the video. The axes are those of the forearm, a
    little turned, since no watch sits straight.
    """
    rng = np.random.default_rng(senses.noise_seed + 1)
    times = np.arange(round(WATCH_SECONDS * WATCH_RATE_HZ)) / WATCH_RATE_HZ
    at = times - senses.watch_lead_seconds
    joints = pose_walker(walk, at)
    elbow, wrist = (joints[f"{senses.watch_side}_{name}"] for name in ("elbow", "wrist"))
    along = (wrist - elbow) / np.linalg.norm(wrist - elbow, axis=1, keepdims=True)
    across = [0.0, 1.0, 0.0] - along * along[:, 1:2]
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    axes = np.stack([along, across, np.cross(along, across)], axis=2)
    force = np.gradient(np.gradient(wrist, times, axis=0), times, axis=0) + GRAVITY_M_S2
    for strike in heel_strikes(walk, at[0], at[-1]):  # a blow shakes the whole body
        later = np.maximum(at - strike, 0)
        force[:, 2] += 1.5 * (at >= strike) * np.exp(-later / 0.04) * np.cos(2 * np.pi * 12 * later)
    worn = Rotation.from_rotvec(rng.normal(0, 0.15, 3)).as_matrix()
    acceleration = np.einsum("tij,ti->tj", axes, force) @ worn
    turned = Rotation.from_matrix(axes)
    turning = (turned[:-1].inv() * turned[1:]).as_rotvec(degrees=True) * WATCH_RATE_HZ
    rotation = np.vstack([turning, turning[-1:]]) @ worn
    measured = np.hstack([acceleration, rotation]).T
    measured += np.repeat([[0.15], [3.0]], 3, axis=0) * rng.standard_normal(measured.shape)
    names = [f"acc_{axis}_m_s2" for axis in "xyz"] + [f"gyro_{axis}_deg_s" for axis in "xyz"]
    columns = {"time_seconds": times, **dict(zip(names, measured, strict=True))}
    return pd.DataFrame(columns | {"heart_rate_bpm": _pulse(senses, len(times))}).round(3)


def _pulse(senses: SenseParameters, num_samples: int) -> np.ndarray:
    """Return the heart rate from beat to beat, as a watch finds it in a pulse wave, beats per minute."""
    import neurokit2  # takes seconds to load

    options = {"heart_rate": senses.heart_rate_bpm, "ibi_randomness": 0.05, "random_state": senses.noise_seed}
    wave = neurokit2.ppg_simulate(WATCH_SECONDS, _PULSE_RATE_HZ, frequency_modulation=0.1, **options)
    beats = neurokit2.ppg_findpeaks(wave, sampling_rate=_PULSE_RATE_HZ)["PPG_Peaks"]
    rate = neurokit2.signal_rate(beats, sampling_rate=_PULSE_RATE_HZ, desired_length=len(wave))
    return np.round(signal.resample_poly(rate, num_samples, len(wave), padtype="line"))
