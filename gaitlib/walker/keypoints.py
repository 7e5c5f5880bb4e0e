"""Body keypoints of one person over time: one labelled structure with named points, axes and units."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from gaitlib.errors import InputError
from gaitlib.files import write_aside

if TYPE_CHECKING:
    import pandas as pd

# The order of BlazePose (Bazarevsky et al. 2020).
KEYPOINT_NAMES: tuple[str, ...] = (
    *("nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye"),
    *("right_eye_outer", "left_ear", "right_ear", "mouth_left", "mouth_right"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("left_pinky", "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb"),
    *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
    *("left_heel", "right_heel", "left_foot_index", "right_foot_index"),
)
_PLACES = {name: place for place, name in enumerate(KEYPOINT_NAMES)}
# Limbs and trunk as pairs of keypoints.
SKELETON_EDGES: tuple[tuple[int, int], ...] = (
    *((11, 12), (11, 23), (12, 24), (23, 24), (0, 11), (0, 12)),
    *((11, 13), (13, 15), (15, 19), (12, 14), (14, 16), (16, 20)),
    *((23, 25), (25, 27), (27, 29), (29, 31), (27, 31)),
    *((24, 26), (26, 28), (28, 30), (30, 32), (28, 32)),
)
# Place of each keypoint's twin on the other side of the body; the nose is its own.
MIRRORED: np.ndarray = np.array(
    [
        _PLACES[name.replace("left", "right") if "left" in name else name.replace("right", "left")]
        for name in KEYPOINT_NAMES
    ]
)
_ARRAYS = ("times_seconds", "image_px", "world_m", "visibility")


@dataclass(frozen=True)
class Keypoints:
    """The 33 keypoints of one person in each frame; NaN where the person is not found.

    Attributes
    ----------
    times_seconds : ndarray of shape (num_frames,), float64
    image_px : ndarray of shape (num_frames, 33, 2), float32
        x to the right, y down, in pixels of the upright video at full size.
    world_m : ndarray of shape (num_frames, 33, 3), float32
        x to the right, y down, z away from the camera, metres; the origin is between the hips.
    visibility : ndarray of shape (num_frames, 33), float32
        0 hidden to 1 seen.
    frame_size_px : tuple of int
        Width and height of the upright video at full size.
    """

    times_seconds: np.ndarray
    image_px: np.ndarray
    world_m: np.ndarray
    visibility: np.ndarray
    frame_size_px: tuple[int, int]

    def __len__(self) -> int:
        return len(self.times_seconds)

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second, from the median distance of two frames; 0 for a single frame."""
        return float(1 / np.median(np.diff(self.times_seconds))) if len(self) > 1 else 0.0

    @property
    def is_found(self) -> np.ndarray:
        """Whether the person is found, ndarray of shape (num_frames,), bool."""
        return np.isfinite(self.image_px[:, 0, 0])

    @staticmethod
    def index(name: str) -> int:
        """Return the place of a keypoint.

        Raises
        ------
        InputError
            If no keypoint bears the name.

        Examples
        --------
        >>> Keypoints.index("left_hip")
        23
        """
        if name not in _PLACES:
            raise InputError(f"Unknown keypoint {name!r}: expected one of {', '.join(KEYPOINT_NAMES)}.")
        return _PLACES[name]

    def part(self, rows: slice | np.ndarray) -> Self:
        """Return the frames `rows` alone (a slice, places or a mask)."""
        times, image_px, world_m, visibility = (getattr(self, name)[rows] for name in _ARRAYS)
        return type(self)(times, image_px, world_m, visibility, self.frame_size_px)

    def mirrored(self) -> Self:
        """Return the same walk seen in a mirror: left and right change places and names."""
        image_px, world_m = self.image_px[:, MIRRORED].copy(), self.world_m[:, MIRRORED].copy()
        image_px[..., 0] = self.frame_size_px[0] - image_px[..., 0]
        world_m[..., 0] *= -1
        visibility = self.visibility[:, MIRRORED]
        return type(self)(self.times_seconds, image_px, world_m, visibility, self.frame_size_px)

    @classmethod
    def empty(cls, times_seconds: np.ndarray, frame_size_px: tuple[int, int]) -> Self:
        """Return keypoints of a person who is found in no frame."""
        points = [np.full((len(times_seconds), 33, *axes), np.nan, np.float32) for axes in ((2,), (3,), ())]
        return cls(np.asarray(times_seconds, np.float64), points[0], points[1], points[2], frame_size_px)

    def save(self, path: Path) -> None:
        """Write the keypoints as a NumPy archive (.npz), whole or not at all."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        with write_aside(path) as aside:
            np.savez(aside, frame_size_px=np.array(self.frame_size_px), **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If the file is missing, damaged or holds something else.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                times, image_px, world_m, visibility = (archive[name] for name in _ARRAYS)
                width, height = map(int, archive["frame_size_px"])
            return cls(times, image_px, world_m, visibility, (width, height))
        except Exception as error:  # zip, zlib and NumPy each raise their own
            raise InputError(f"{path} holds no keypoints ({error}): delete it and run again.") from error

    def to_dlc_table(self) -> "pd.DataFrame":
        """Return the image keypoints as DeepLabCut lays them out.

        Returns
        -------
        DataFrame
            A row a frame; columns (scorer, keypoint, "x" | "y" | "likelihood"), x and y in pixels.
        """
        import pandas as pd

        parts = [["BlazePose"], KEYPOINT_NAMES, ["x", "y", "likelihood"]]
        header = pd.MultiIndex.from_product(parts, names=["scorer", "bodyparts", "coords"])
        values = np.concatenate([self.image_px, self.visibility[..., None]], axis=2)
        return pd.DataFrame(values.reshape(len(self), -1), columns=header)
