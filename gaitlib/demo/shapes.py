"""Body parts of the synthetic walkers as outlines in the picture, with depths and boxes."""

import itertools
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Part:
    """A body part: balls around joints, and the hulls that wrap them.

    Parameters
    ----------
    name : str
        Name of the part.
    balls : tuple of (str, float)
        Joint and radius, as a share of body height, of each ball.
    cloth : str
        Which colour of the scene it takes.
    nearer_m : float
        Drawn as if this much nearer to the camera, to settle ties.
    is_chain : bool
        Wrap each ball with the next one, as a limb that bends, rather than all at once.
    """

    name: str
    balls: tuple[tuple[str, float], ...]
    cloth: str
    nearer_m: float = 0.0
    is_chain: bool = False

    @property
    def hulls(self) -> list[slice]:
        """Which of the balls each hull wraps."""
        if not self.is_chain:
            return [slice(0, len(self.balls))]
        return [slice(first, first + 2) for first in range(len(self.balls) - 1)]


def _limbs(side: str, sleeves: str) -> list[Part]:
    """Return the parts of one arm and one leg."""

    def at(*balls: tuple[str, float]) -> tuple[tuple[str, float], ...]:
        return tuple((f"{side}_{joint}", radius) for joint, radius in balls)

    leg = at(("hip", 0.049), ("thigh", 0.046), ("knee", 0.033), ("calf", 0.033), ("ankle", 0.022))
    foot = at(("ankle", 0.020), ("heel", 0.017), ("ball", 0.016))
    upper_arm = at(("shoulder", 0.031), ("elbow", 0.024))
    forearm = at(("elbow", 0.0235), ("wrist", 0.017))
    if sleeves == "long":
        arms = [Part(f"{side}_arm", upper_arm + forearm[1:], "shirt", 0.025, True)]
    else:
        arms = [
            Part(f"{side}_upper_arm", upper_arm, "shirt", 0.035),
            Part(f"{side}_forearm", forearm, "skin", 0.025),
        ]
    return [
        Part(f"{side}_leg", leg, "trouser", 0.0, True),
        Part(f"{side}_foot", foot, "shoe", -0.01),
        Part(f"{side}_toes", at(("ball", 0.016), ("toe", 0.012)), "shoe", -0.012),
        *arms,
        Part(f"{side}_hand", at(("wrist", 0.014), ("palm", 0.020)), "skin", 0.03),
    ]


def body_parts(hair_style: str, sleeves: str) -> list[Part]:
    """List the parts of a body.

    Parameters
    ----------
    hair_style : str
        ``"short"``, ``"long"`` or ``"bun"``.
    sleeves : str
        ``"short"`` or ``"long"``.

    Returns
    -------
    list of Part
    """
    shoulders = (("left_collar", 0.036), ("right_collar", 0.036))
    chest = (("breast", 0.066), ("waist", 0.058), ("belly", 0.060))
    hips = (("left_hip", 0.050), ("right_hip", 0.050), ("pelvis", 0.058))
    hair_balls = {
        "short": (("hair", 0.062),),
        "long": (("hair", 0.062), ("nape", 0.048), ("mane", 0.034)),
        "bun": (("hair", 0.061),),
    }
    bun = [Part("bun", (("bun", 0.027),), "hair", -0.01)] if hair_style == "bun" else []
    return [
        *_limbs("left", sleeves),
        *_limbs("right", sleeves),
        Part("hips", hips, "trouser", 0.02),
        Part("torso", shoulders + chest, "shirt", 0.03),
        Part("neck", (("neck", 0.030), ("nape", 0.030)), "skin", -0.02),
        Part("face", (("face", 0.054), ("chin", 0.034)), "skin"),
        Part("nose", (("nose", 0.010), ("face", 0.03)), "skin", 0.001),
        Part("hair", hair_balls[hair_style], "hair", -0.005),
        *bun,
    ]


def _flesh_out(joints: dict[str, np.ndarray], height_m: float) -> dict[str, np.ndarray]:
    """Add the places between joints that give the body its shape."""

    def between(first: str, second: str, share: float) -> np.ndarray:
        return (1 - share) * joints[first] + share * joints[second]

    places = dict(joints)
    places["breast"] = between("waist", "chest", 0.62)
    places["belly"] = between("pelvis", "waist", 0.25)
    places["bun"] = joints["nape"] + 0.9 * (joints["hair"] - joints["face"]) + [0, 0, 0.03]
    places["mane"] = between("nape", "chest", 0.55) + 1.2 * (joints["hair"] - joints["face"])
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


def light_direction(scene: SceneParameters, camera: Camera) -> np.ndarray:
    """Return the unit vector to the light in world axes, shape (3,)."""
    azimuth, elevation = np.radians([scene.light_azimuth_deg, scene.light_elevation_deg])
    level = np.cos(elevation)
    seen = np.array([np.sin(azimuth) * level, np.sin(elevation), -np.cos(azimuth) * level])
    return seen @ camera.axes


class BodyOutlines:
    """Outlines of all parts in all frames.

    Parameters
    ----------
    joints : dict of ndarray of shape (num_frames, 3), float
        Joints in metres, as `gaitlib.demo.kinematics.pose_walker` places them.
    walk : WalkParameters
        For the size of the body.
    scene : SceneParameters
        For hair and light.
    camera : Camera
        The camera.

    Attributes
    ----------
    parts : list of Part
        The body parts.
    order : ndarray of shape (num_frames, num_parts), int
        Parts from far to near.
    boxes : ndarray of shape (num_frames, 4), float
        Left, top, width and height of the person, in pixels.
    """

    def __init__(
        self,
        joints: dict[str, np.ndarray],
        walk: WalkParameters,
        scene: SceneParameters,
        camera: Camera,
    ) -> None:
        self.parts = body_parts(scene.hair_style, scene.sleeves)
        places = _flesh_out(joints, walk.height_m)
        balls = [ball for part in self.parts for ball in part.balls]
        self._firsts = np.cumsum([0] + [len(part.balls) for part in self.parts])
        centres_m = np.stack([places[joint] for joint, _ in balls], axis=1)
        radii_m = np.array([radius for _, radius in balls]) * walk.height_m * walk.girth_ratio
        light = light_direction(scene, camera)
        self._circles = _ball_circles(centres_m, radii_m, light, camera)
        self._shadows = _shadow_circles(centres_m, radii_m, light, camera)
        _, depth = camera.project(centres_m)
        self.order = self._sort_parts(depth)
        self.boxes = _boxes(self._circles[:, :, 0])

    def _sort_parts(self, depth_m: np.ndarray) -> np.ndarray:
        """Order parts from far to near by the mean depth of their balls."""
        pairs = itertools.pairwise(self._firsts)
        mean = np.stack([depth_m[:, first:last].mean(axis=1) for first, last in pairs], axis=1)
        keys = mean - np.array([part.nearer_m for part in self.parts])
        return np.argsort(-keys, axis=1, kind="stable")

    def outlines(self, frame: int, part: int, shade: int) -> list[np.ndarray]:
        """Return the outlines of a part's hulls in one frame and shade.

        Parameters
        ----------
        frame, part, shade : int
            Which frame, which of `parts`, which of `SHADES`.

        Returns
        -------
        list of ndarray of shape (num_corners, 1, 2), int32
            Column and row in fixed point with `SHIFT_BITS` bits.
        """
        circles = self._circles[frame, self._firsts[part] : self._firsts[part + 1], shade]
        return [cv2.convexHull(circles[hull].reshape(-1, 2)) for hull in self.parts[part].hulls]

    def shadow_outlines(self, frame: int, part: int) -> list[np.ndarray]:
        """Return the outlines of a part's shadow on the ground, like `outlines`."""
        circles = self._shadows[frame, self._firsts[part] : self._firsts[part + 1]]
        return [cv2.convexHull(circles[hull].reshape(-1, 2)) for hull in self.parts[part].hulls]

    def shadow_box(self, frame: int) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom of the shadow in whole pixels."""
        points = self._shadows[frame].reshape(-1, 2) >> SHIFT_BITS
        left, top = points.min(axis=0) - 3
        right, bottom = points.max(axis=0) + 4
        return int(left), int(top), int(right), int(bottom)


def _fixed_point(pixels: np.ndarray) -> np.ndarray:
    """Round pixel places to the fixed-point numbers that OpenCV draws with."""
    return np.round(pixels * (1 << SHIFT_BITS)).astype(np.int32)


def _ball_circles(
    centres_m: np.ndarray, radii_m: np.ndarray, light: np.ndarray, camera: Camera
) -> np.ndarray:
    """Circles of all balls, shape (num_frames, num_balls, num_shades, num_corners, 2), int32."""
    pixels, depth = camera.project(centres_m)
    radii_px = (camera.focal_px * radii_m / depth)[..., None, None, None]
    toward_light = np.array([light @ camera.axes[0], -(light @ camera.axes[1])])
    size, move = np.array(SHADES).T[:2, :, None, None]
    return _fixed_point(pixels[:, :, None, None, :] + radii_px * (size * CIRCLE + move * toward_light))


def _shadow_circles(
    centres_m: np.ndarray, radii_m: np.ndarray, light: np.ndarray, camera: Camera
) -> np.ndarray:
    """Shadows of all balls on the ground, shape (num_frames, num_balls, corners, 2), int32."""
    fallen = centres_m - light * (centres_m[..., 2:] / light[2])
    ring = np.concatenate([CIRCLE[::2], np.zeros((CORNERS // 2, 1))], axis=1)
    points = fallen[:, :, None, :] + radii_m[:, None, None] * ring
    return _fixed_point(camera.project(points)[0])


def _boxes(circles: np.ndarray) -> np.ndarray:
    """Boxes around circles of shape (num_frames, num_balls, num_corners, 2), in fixed point."""
    low = circles.min(axis=(1, 2)) / (1 << SHIFT_BITS)
    high = circles.max(axis=(1, 2)) / (1 << SHIFT_BITS)
    # One pixel more: a box reaches from the first pixel to the end of the last.
    return np.concatenate([low, high - low + 1.0], axis=1)
