"""Body parts of the synthetic walkers as outlines in the picture, with depths and boxes."""

from typing import NamedTuple

import cv2
import numpy as np

from gaitlib.demo.parameters import WalkParameters
from gaitlib.demo.scene import Camera, SceneParameters

SHIFT_BITS = 4
CORNERS = 16
# A part is drawn as nested outlines: (size, how far it moves towards the light, tone).
SHADES = ((1.0, 0.0, 0.60), (0.80, 0.16, 0.83), (0.52, 0.34, 1.04))
TURNS = 2 * np.pi * np.arange(CORNERS) / CORNERS
CIRCLE = np.stack([np.cos(TURNS), np.sin(TURNS)], axis=-1)


class Part(NamedTuple):
    """Balls (joints and radii as shares of height) in one hull; in a chain, in one hull per pair."""

    name: str
    cloth: str
    nearer_m: float
    balls: dict[str, float]
    is_chain: bool = False


LEG_BALLS = {"hip": 0.049, "thigh": 0.046, "knee": 0.033, "calf": 0.033, "ankle": 0.022}
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


def body_parts(hair_style: str, sleeves: str) -> list[Part]:
    """List the parts of a body."""
    limbs = [
        part._replace(
            name=f"{side}_{part.name}",
            balls={f"{side}_{joint}": radius for joint, radius in part.balls.items()},
        )
        for side in ("left", "right")
        for part in (*LEG, *ARMS[sleeves], HAND)
    ]
    return [*limbs, *TRUNK, *HAIR[hair_style]]


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
    for side in ("left", "right"):
        places[f"{side}_collar"] = between("chest", f"{side}_shoulder", 0.72)
        places[f"{side}_palm"] = between(f"{side}_wrist", f"{side}_hand", 0.55)
        places[f"{side}_thigh"] = between(f"{side}_hip", f"{side}_knee", 0.35)
        calf = between(f"{side}_knee", f"{side}_ankle", 0.28)
        places[f"{side}_calf"] = calf - [0.006 * height_m, 0, 0]
        # The joints of the foot lie on its sole.
        for joint, radius in (("heel", 0.017), ("ball", 0.016), ("toe", 0.012)):
            places[f"{side}_{joint}"] = joints[f"{side}_{joint}"] + [0, 0, radius * height_m]
    return places


class BodyOutlines:
    """Outlines of all parts in all frames; `order` sorts the parts of each frame from far to near."""

    def __init__(
        self, joints: dict[str, np.ndarray], walk: WalkParameters, scene: SceneParameters, camera: Camera
    ) -> None:
        self.parts = body_parts(scene.hair_style, scene.sleeves)
        places = _flesh_out(joints, walk.height_m)
        balls = [ball for part in self.parts for ball in part.balls.items()]
        centres_m = np.stack([places[joint] for joint, _ in balls], axis=1)
        radii_m = np.array([radius for _, radius in balls]) * walk.height_m * walk.girth_ratio
        azimuth, elevation = np.radians([scene.light_azimuth_deg, scene.light_elevation_deg])
        level = np.cos(elevation)
        light = np.array([np.sin(azimuth) * level, np.sin(elevation), -np.cos(azimuth) * level])
        pixels, depth_m = camera.project(centres_m)
        self._circles = _ball_circles(pixels, camera.focal_px * radii_m / depth_m, light)
        self._shadows = _shadow_circles(centres_m, radii_m, light @ camera.axes, camera)
        self._place_parts(depth_m)

    def _place_parts(self, depth_m: np.ndarray) -> None:
        """Note the balls of each hull, and order the parts by the mean depth of their balls."""
        first, self._hulls, depths = 0, [], []
        for part in self.parts:
            last = first + len(part.balls)
            pairs = [slice(ball, ball + 2) for ball in range(first, last - 1)]
            self._hulls.append(pairs if part.is_chain else [slice(first, last)])
            depths.append(depth_m[:, first:last].mean(axis=1) - part.nearer_m)
            first = last
        self.order = np.argsort(-np.stack(depths, axis=1), axis=1, kind="stable")

    @property
    def boxes(self) -> np.ndarray:
        """Left, top, width and height of the body in pixels, shape (num_frames, 4)."""
        low, high = (extreme(self._circles[:, :, 0], axis=(1, 2)) for extreme in (np.min, np.max))
        # One pixel more: a box reaches from the first pixel to the end of the last.
        return np.concatenate([low / (1 << SHIFT_BITS), (high - low) / (1 << SHIFT_BITS) + 1.0], axis=1)

    def outlines(self, frame: int, part: int, shade: int) -> list[np.ndarray]:
        """Return the outlines of a part's hulls in one frame and shade."""
        return self._wrapped(self._circles[frame, :, shade], part)

    def shadow_outlines(self, frame: int) -> list[np.ndarray]:
        """Return the outlines of the shadow on the ground, like `outlines`, of all parts."""
        shadows = self._shadows[frame]
        return [outline for part in range(len(self.parts)) for outline in self._wrapped(shadows, part)]

    def _wrapped(self, circles: np.ndarray, part: int) -> list[np.ndarray]:
        return [cv2.convexHull(circles[hull].reshape(-1, 2)) for hull in self._hulls[part]]


def _fixed_point(pixels: np.ndarray) -> np.ndarray:
    """Round pixel places to the fixed-point numbers that OpenCV draws with."""
    return np.round(pixels * (1 << SHIFT_BITS)).astype(np.int32)


def _ball_circles(pixels: np.ndarray, radii_px: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Circles of all balls, shape (num_frames, num_balls, num_shades, CORNERS, 2), int32."""
    size, move = np.array(SHADES).T[:2, :, None, None]
    rings = size * CIRCLE + move * np.array([light[0], -light[1]])
    return _fixed_point(pixels[:, :, None, None, :] + radii_px[..., None, None, None] * rings)


def _shadow_circles(centres: np.ndarray, radii: np.ndarray, light: np.ndarray, camera: Camera) -> np.ndarray:
    """Shadows of all balls (metres) on the ground, shape (num_frames, num_balls, CORNERS / 2, 2), int32."""
    fallen = centres - light * (centres[..., 2:] / light[2])
    ring = np.concatenate([CIRCLE[::2], np.zeros((CORNERS // 2, 1))], axis=1)
    return _fixed_point(camera.project(fallen[:, :, None, :] + radii[:, None, None] * ring)[0])
