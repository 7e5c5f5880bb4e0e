"""Pixels: a painted place, and a synthetic walker in it, frame by frame.

A body part is the hull of balls around joints, painted three times, from a dark edge to a light middle.
"""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np

from gaitlib.demo.kinematics import SIDES, WalkParameters, pose_walker
from gaitlib.demo.recording import HEIGHT_PX, SOUND_RATE_HZ, WIDTH_PX, Camera, SceneParameters, make_camera

SYNTHETIC_COMMENT = "Synthetic walker made by gaitlib demo"
ENCODER_OPTIONS = {"preset": "superfast", "crf": "22", "threads": "1", "tune": "fastdecode"}
SHIFT_BITS = 4  # OpenCV draws with fixed-point numbers
TURNS = 2 * np.pi * np.arange(16) / 16
CIRCLE = np.stack([np.cos(TURNS), np.sin(TURNS)], axis=-1)
# Size of each hull, how far it moves towards the light, and its tone.
SHADES = ((1.0, 0.0, 0.60), (0.80, 0.16, 0.83), (0.52, 0.34, 1.04))
NOISE_OFFSET, NOISE_PADDING_PX = 10, 64
# The wall, or the far edge of the ground, stands this far behind the camera's target.
WALL_BEHIND_M = {"room": 6.5, "hall": 9.0, "street": 11.0, "park": 40.0}
PARK = np.array([(172, 196, 218), (96, 118, 70), (70, 100, 60)])  # sky, grass, leaves


class Part(NamedTuple):
    """Balls (joints and radii as shares of height) in one hull; in a chain, in one hull per pair."""

    name: str
    cloth: str
    nearer_m: float
    balls: dict[str, float]
    is_chain: bool = False


LEG_BALLS = {"hip": 0.049, "thigh": 0.046, "knee": 0.033, "calf": 0.033, "ankle": 0.022}
# The joints of the foot lie on its sole.
SOLE_BALLS = {"heel": 0.017, "ball": 0.016, "toe": 0.012}
LEG = [
    Part("leg", "trouser", 0.0, LEG_BALLS, is_chain=True),
    Part("foot", "shoe", -0.01, {"ankle": 0.020, "heel": 0.017, "ball": 0.016}),
    Part("toes", "shoe", -0.012, {"ball": 0.016, "toe": 0.012}),
]
ARMS = {
    "long": [Part("arm", "shirt", 0.025, {"shoulder": 0.031, "elbow": 0.024, "wrist": 0.017}, is_chain=True)],
    "short": [
        Part("upper_arm", "shirt", 0.035, {"shoulder": 0.031, "elbow": 0.024}),
        Part("forearm", "skin", 0.025, {"elbow": 0.0235, "wrist": 0.017}),
    ],
}
HAND = Part("hand", "skin", 0.03, {"wrist": 0.014, "palm": 0.020})
TORSO_BALLS = {"left_collar": 0.036, "right_collar": 0.036, "breast": 0.066, "waist": 0.058, "belly": 0.060}
TRUNK = [
    Part("hips", "trouser", 0.02, {"left_hip": 0.050, "right_hip": 0.050, "pelvis": 0.058}),
    Part("torso", "shirt", 0.03, TORSO_BALLS),
    Part("neck", "skin", -0.02, {"neck": 0.030, "nape": 0.030}),
    Part("face", "skin", 0.0, {"face": 0.054, "chin": 0.034}),
    Part("nose", "skin", 0.001, {"nose": 0.010, "face": 0.03}),
]
HAIR = {
    "short": [Part("hair", "hair", -0.005, {"hair": 0.062})],
    "long": [Part("hair", "hair", -0.005, {"hair": 0.062, "nape": 0.048, "mane": 0.034})],
    "bun": [Part("hair", "hair", -0.005, {"hair": 0.061}), Part("bun", "hair", -0.01, {"bun": 0.027})],
}


def _body_parts(scene: SceneParameters) -> list[Part]:
    limbs = []
    for side, part in itertools.product(SIDES, (*LEG, *ARMS[scene.sleeves], HAND)):
        balls = {f"{side}_{joint}": radius for joint, radius in part.balls.items()}
        limbs.append(part._replace(name=f"{side}_{part.name}", balls=balls))
    return [*limbs, *TRUNK, *HAIR[scene.hair_style]]


def _flesh_out(joints: dict[str, np.ndarray], height_m: float) -> dict[str, np.ndarray]:
    """Add the places between joints that give the body its shape."""

    def between(first: str, second: str, share: float) -> np.ndarray:
        return (1 - share) * joints[first] + share * joints[second]

    back_of_head = joints["hair"] - joints["face"]
    places = joints | {
        "breast": between("waist", "chest", 0.62),
        "belly": between("pelvis", "waist", 0.25),
        "bun": joints["nape"] + 0.9 * back_of_head + [0, 0, 0.03],
        "mane": between("nape", "chest", 0.55) + 1.2 * back_of_head,
    }
    for side in SIDES:
        places[f"{side}_collar"] = between("chest", f"{side}_shoulder", 0.72)
        places[f"{side}_palm"] = between(f"{side}_wrist", f"{side}_hand", 0.55)
        places[f"{side}_thigh"] = between(f"{side}_hip", f"{side}_knee", 0.35)
        places[f"{side}_calf"] = between(f"{side}_knee", f"{side}_ankle", 0.28) - [0.006 * height_m, 0, 0]
        for joint, radius in SOLE_BALLS.items():
            places[f"{side}_{joint}"] = joints[f"{side}_{joint}"] + [0, 0, radius * height_m]
    return places


def _clouded(rng: np.random.Generator, color: np.ndarray) -> np.ndarray:
    """Fill a picture with a colour in uneven light."""
    light = rng.uniform(0.92, 1.08, (12, 32))
    return cv2.resize(light, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)[..., None] * color


def _paint_background(scene: SceneParameters, camera: Camera) -> np.ndarray:
    """Paint a wall or the sky, the ground, and between them cupboards or hedges, uint8."""
    rng = np.random.default_rng([scene.scene_seed, 1])
    far_m = scene.camera_distance_m + WALL_BEHIND_M[scene.background]
    edge_row = camera.centre_px[1] + scene.camera_height_m * camera.focal_px / far_m
    edge_row = int(np.clip(edge_row, 0, HEIGHT_PX))
    colors = PARK if scene.background == "park" else rng.uniform((120, 95, 80), (195, 165, 180))[:, None]
    wall, ground, thing = colors + rng.uniform(-14, 14, (3, 3))
    picture = _clouded(rng, wall)
    for left, width, tall in rng.uniform((-40, 18, 0.25), (WIDTH_PX, 110, 0.95), (6, 3)):
        corners = (int(left), int(edge_row * (1 - tall))), (int(left + width), edge_row)
        cv2.rectangle(picture, *corners, (thing + rng.uniform(-60, 60)).tolist(), -1)
    picture[edge_row:] = _clouded(rng, ground)[edge_row:]
    picture = cv2.GaussianBlur(picture * scene.brightness_ratio, (0, 0), 0.7 + scene.blur_sigma_px)
    return np.clip(picture, 8, 238).astype(np.uint8)


def paint_frames(row: Mapping) -> Iterator[np.ndarray]:
    """Paint the frames of a synthetic video from a row of ``truth.csv``, (height, width, 3), uint8, RGB."""
    walk, scene = WalkParameters.from_row(row), SceneParameters.from_row(row)
    parts, camera = _body_parts(scene), make_camera(scene)
    seconds = (np.arange(scene.num_frames) - (scene.num_frames - 1) / 2) / scene.frame_rate_hz
    places, scale_m = _flesh_out(pose_walker(walk, seconds), walk.height_m), walk.height_m * walk.girth_ratio
    drawn = [_project(part, places, scale_m, scene, camera) for part in parts]
    circles, shadows, depths = zip(*drawn, strict=True)
    from_far_to_near = np.argsort(-np.stack(depths, axis=1), axis=1, kind="stable")
    tones = [_part_tones(part, scene) for part in parts]
    background = _paint_background(scene, camera)
    shade = cv2.convertScaleAbs(background, alpha=scene.shadow_ratio)
    # One large tile of sensor noise, and the corner of it that each frame takes.
    rng = np.random.default_rng([scene.scene_seed, 2])
    size = (HEIGHT_PX + NOISE_PADDING_PX, WIDTH_PX + NOISE_PADDING_PX)
    grain = rng.standard_normal(size, dtype=np.float32) * scene.noise_sd + NOISE_OFFSET
    noise = cv2.merge([np.clip(np.round(grain), 0, 2 * NOISE_OFFSET).astype(np.uint8)] * 3)
    corners = rng.integers(0, NOISE_PADDING_PX, (scene.num_frames, 2))
    for frame, (top, left) in enumerate(corners):
        shadow = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
        for part, rings in zip(parts, shadows, strict=True):
            _fill(shadow, rings[frame], part.is_chain, 255, cv2.LINE_8)
        soft_shadow = cv2.merge([cv2.blur(shadow, (5, 3))] * 3)
        picture = cv2.subtract(background, cv2.multiply(shade, soft_shadow, scale=1 / 255))
        for number in from_far_to_near[frame]:
            for rings, tone in zip(circles[number][frame], tones[number], strict=True):
                _fill(picture, rings, parts[number].is_chain, tone, cv2.LINE_AA)
        picture = cv2.GaussianBlur(picture, (3, 3), scene.blur_sigma_px)
        picture = cv2.add(picture, noise[top : top + HEIGHT_PX, left : left + WIDTH_PX])
        yield np.maximum(picture, NOISE_OFFSET) - NOISE_OFFSET


def _project(
    part: Part, places: dict[str, np.ndarray], scale_m: float, scene: SceneParameters, camera: Camera
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the balls of a part as circles, by frame and shade, their shadows by frame, and the depths."""
    centres_m = np.stack([places[joint] for joint in part.balls], axis=1)
    radii_m = np.array(list(part.balls.values())) * scale_m
    pixels, depth_m = camera.project(centres_m)
    size, move, _ = np.array(SHADES).T[:, :, None, None, None]
    rings = size * CIRCLE + move * np.array([scene.light[0], -scene.light[1]])
    radii_px = (camera.focal_px * radii_m / depth_m)[:, None, :, None, None]
    light_m = scene.light @ camera.axes
    fallen_m = centres_m - light_m * (centres_m[..., 2:] / light_m[2])
    rings_m = radii_m[:, None, None] * np.pad(CIRCLE[::2], ((0, 0), (0, 1)))
    shadows, _ = camera.project(fallen_m[:, :, None] + rings_m)
    circles, shadows = (
        np.round(points * (1 << SHIFT_BITS)).astype(np.int32)
        for points in (pixels[:, None, :, None] + radii_px * rings, shadows)
    )
    return circles, shadows, depth_m.mean(axis=1) - part.nearer_m


def _part_tones(part: Part, scene: SceneParameters) -> list[tuple[float, ...]]:
    """Return a part's tones by shade; the limbs on the far side are darker."""
    far_side = "left" if scene.direction == "right" else "right"
    color = np.array(list(bytes.fromhex(getattr(scene, f"{part.cloth}_color")[1:])), float)
    color *= scene.brightness_ratio * (0.8 if part.name.startswith(far_side) else 1.0)
    return [tuple(np.clip(color * tone, 8, 238).tolist()) for *_, tone in SHADES]


def _fill(picture: np.ndarray, rings: np.ndarray, is_chain: bool, tone: Any, line: int) -> None:
    """Paint the hull of circles, shape (num_circles, num_points, 2), or in a chain that of each pair."""
    num_together = 2 if is_chain else len(rings)
    for first in range(len(rings) - num_together + 1):
        hull = cv2.convexHull(rings[first : first + num_together].reshape(-1, 2))
        cv2.fillConvexPoly(picture, hull, tone, line, SHIFT_BITS)


def write_video(row: Mapping, path: Path, sound: np.ndarray | None = None) -> None:
    """Render a synthetic video from a row of ``truth.csv`` and encode it as H.264; its metadata says so.

    `sound` has shape (num_samples,), float32, at `SOUND_RATE_HZ`.
    """
    cv2.setNumThreads(1)  # videos are written in parallel, one a core
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = SYNTHETIC_COMMENT
        stream = container.add_stream("libx264", rate=int(row["frame_rate_hz"]), options=ENCODER_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        if sound is not None:
            track = container.add_stream("aac", rate=SOUND_RATE_HZ, layout="mono")
            heard = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
            heard.sample_rate = SOUND_RATE_HZ
            container.mux([*track.encode(heard), *track.encode(None)])
        for picture in paint_frames(row):
            planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode(None))
