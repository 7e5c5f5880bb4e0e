"""BlazePose (Bazarevsky et al. 2020): a person detector and a landmark network, run by LiteRT.

The same steps as in MediaPipe: the detector gives the middle of the hips and a point that tells size and
turn of the body; the landmark network sees the turned square around it. The two model files (Apache-2.0) lie
in the wheel of MediaPipe, whose own dependencies clash with ours: only they are taken, once.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from gaitlib.errors import InputError
from gaitlib.files import cache_dir, file_digest, silence_stderr, write_aside

_DETECTOR_FILE, _LANDMARK_FILE = "pose_detection.tflite", "pose_landmark_full.tflite"
_DIGESTS = {
    _DETECTOR_FILE: "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    _LANDMARK_FILE: "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
}
# The wheel of one system serves all: nothing in it is run.
_PIP_DOWNLOAD = (
    *("-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--python-version", "3.12", "--quiet"),
    *("--platform", "manylinux_2_28_x86_64", "--disable-pip-version-check", "mediapipe==0.10.21"),
)
_BY_OUTLINES = "walkers are found by silhouettes"
_REMEDY = f"{_BY_OUTLINES} until 'python -m gaitlib weights' succeeds, or GAITLIB_WEIGHTS names its folder"

MIN_SCORE = 0.5
_DETECTOR_PX, _LANDMARK_PX, _HEAT_PX = 224, 256, 64
# The detector's grids: cells along a side, anchors in a cell; boxes that overlap by so much are one person's.
_GRIDS, _MAX_OVERLAP = ((28, 2), (14, 2), (7, 6)), 0.3
# Keypoints of a body; side of the square in distances from the hips to the point that tells the size.
_NUM_BODY, _SQUARE_SCALE = 33, 2.5


def weights_dir() -> Path:
    """Return the model files' folder: as ``GAITLIB_WEIGHTS`` says, in the environment, or in the cache."""
    if named := os.environ.get("GAITLIB_WEIGHTS"):
        return Path(named).expanduser()
    own = Path(sys.prefix) / "share" / "gaitlib" / "weights"
    return own if own.is_dir() or os.access(sys.prefix, os.W_OK) else cache_dir() / "weights"


def weights_problem() -> str:
    """Return in one sentence why keypoints are not available; empty where they are."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        return f"The package ai-edge-litert is missing (not every system has a wheel of it): {_BY_OUTLINES}."
    for name, digest in _DIGESTS.items():
        path = weights_dir() / name
        if not path.is_file():
            return f"The body model {path} is missing: {_REMEDY}."
        if file_digest(path) != digest:
            return f"The body model {path} is damaged (wrong sha256): {_REMEDY}."
    return ""


def ensure_weights(notify: Callable[[str], object] = print) -> bool:
    """Fetch the model files unless they are there; say so, or why it fails; return whether all is there."""
    problem = weights_problem()
    if problem.startswith("The body model") and not os.environ.get("GAITLIB_WEIGHTS"):
        notify(f"Fetching the body model (BlazePose, inside a wheel of 36 MB) into {weights_dir()}, once.")
        try:
            _fetch()
            problem = weights_problem()
        except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, LookupError) as error:
            reason = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
            problem = f"The body model could not be fetched ({reason}): {_REMEDY}."
    if problem:
        notify(problem)
    return not problem


def _fetch() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, *_PIP_DOWNLOAD, "--dest", folder]
        outcome = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=600)
        if outcome.returncode:
            raise OSError((outcome.stderr.strip() or "pip failed").splitlines()[-1].removeprefix("ERROR: "))
        with zipfile.ZipFile(sorted(Path(folder).glob("*.whl"))[0]) as archive:
            members = {Path(member).name: member for member in archive.namelist()}
            for name, digest in _DIGESTS.items():
                with write_aside(weights_dir() / name) as aside:
                    aside.write_bytes(archive.read(members[name]))
                    if file_digest(aside) != digest:
                        raise OSError(f"{name} has the wrong sha256")


class BodySquare(NamedTuple):
    """A square around a person: centre (the middle of the hips) and side in pixels, turn clockwise."""

    x: float
    y: float
    side: float
    turn_rad: float

    def to_frame(self, num_px: int) -> np.ndarray:
        """Return the affine map (2, 3) from the square drawn `num_px` wide and upright to the frame."""
        cos, sin = np.cos(self.turn_rad), np.sin(self.turn_rad)
        linear = np.array([[cos, -sin], [sin, cos]]) * self.side / num_px
        return np.column_stack([linear, (self.x, self.y) - linear @ (num_px / 2, num_px / 2)])


@dataclass(frozen=True)
class Pose:
    """One person in one frame: keypoints (33) in pixels of the frame and in metres from the hips' middle.

    `world_m` is turned upright: x right, y down, z away from the camera. `score` and `visibility` are 0 to 1;
    the network looked in `square` and should look in `next_square` in the next frame; `mask` tells how
    surely each pixel of `square` shows the person, (256, 256), uint8.
    """

    score: float
    image_px: np.ndarray
    world_m: np.ndarray
    visibility: np.ndarray
    square: BodySquare
    next_square: BodySquare
    mask: np.ndarray


class PoseEstimator:
    """Finds people and their keypoints in RGB frames, (height, width, 3), uint8; needs the model files."""

    def __init__(self) -> None:
        if problem := weights_problem():
            raise InputError(problem)
        self._detector, self._landmarks = map(_load_network, (_DETECTOR_FILE, _LANDMARK_FILE))
        grids = [((np.indices((cells, cells))[::-1] + 0.5) / cells, count) for cells, count in _GRIDS]
        self._anchors = np.concatenate([grid.reshape(2, -1).T.repeat(count, 0) for grid, count in grids])

    def detect(self, frame: np.ndarray, part: BodySquare | None = None) -> list[BodySquare]:
        """Return the squares of the people in a frame or in an upright square of it, best first."""
        height, width = frame.shape[:2]
        matrix = (part or BodySquare(width / 2, height / 2, max(width, height), 0.0)).to_frame(_DETECTOR_PX)
        boxes, scores = _run(self._detector, _warp(frame, matrix, _DETECTOR_PX) / 127.5 - 1)
        is_likely = (sure := _sigmoid(scores[:, 0])) >= MIN_SCORE
        points = boxes[is_likely].reshape(-1, 6, 2)  # centre and size of the box, four points
        points[:, [0, 2, 3]] += self._anchors[is_likely, None] * _DETECTOR_PX
        corners = np.hstack([points[:, 0] - points[:, 1] / 2, points[:, 1]])
        best = cv2.dnn.NMSBoxes(corners.tolist(), sure[is_likely].tolist(), MIN_SCORE, _MAX_OVERLAP)
        return [_square(*(points[place, 2:4] @ matrix[:, :2].T + matrix[:, 2])) for place in best]

    def estimate(self, frame: np.ndarray, square: BodySquare) -> Pose:
        """Return the keypoints of the person in a square of a frame; score 0 where they make no sense."""
        matrix = square.to_frame(_LANDMARK_PX)
        picture = _warp(frame, matrix, _LANDMARK_PX) / 255
        points, score, mask, heat, world = _run(self._landmarks, picture)
        points = points.reshape(-1, 5)  # of the body, then two that tell where to look next, then others
        image_px = _refine(points[:, :2], heat) @ matrix[:, :2].T + matrix[:, 2]
        world_m = world.reshape(-1, 3)[:_NUM_BODY]
        world_m[:, :2] = world_m[:, :2] @ matrix[:, :2].T * (_LANDMARK_PX / square.side)
        is_sane = np.isfinite(world_m).all() and np.abs(image_px).max() < 4 * max(frame.shape)
        return Pose(
            score=float(score[0]) if is_sane else 0.0,
            image_px=image_px[:_NUM_BODY].astype(np.float32),
            world_m=world_m,
            visibility=_sigmoid(points[:_NUM_BODY, 3]),
            square=square,
            next_square=_square(*image_px[_NUM_BODY : _NUM_BODY + 2]),
            mask=(_sigmoid(mask[..., 0]) * 255).astype(np.uint8),
        )


def _load_network(name: str) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    with silence_stderr():  # LiteRT greets
        # As many threads as OpenCV may use: one where videos are read in parallel.
        num_threads = min(4, cv2.getNumThreads())
        network = Interpreter(model_path=str(weights_dir() / name), num_threads=num_threads)
        network.allocate_tensors()
    return network


def _run(network: Any, picture: np.ndarray) -> list[np.ndarray]:
    network.set_tensor(network.get_input_details()[0]["index"], picture[None])
    network.invoke()
    return [network.get_tensor(answer["index"])[0] for answer in network.get_output_details()]


def _warp(frame: np.ndarray, matrix: np.ndarray, num_px: int) -> np.ndarray:
    """Return a square of a frame, (num_px, num_px, 3), float32, 0 to 255."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(frame, matrix, (num_px, num_px), flags=flags).astype(np.float32)


def _square(hips: np.ndarray, top: np.ndarray) -> BodySquare:
    """Return the square around a body from the middle of the hips and the point above that tells its size."""
    right, down = top - hips
    side = _SQUARE_SCALE * float(np.hypot(right, down))
    return BodySquare(float(hips[0]), float(hips[1]), side, float(np.arctan2(right, -down)))


def _refine(points: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Move each point to the centre of mass of its heat map, 7 cells around, where that is sure of it."""
    scale, cells = _LANDMARK_PX / _HEAT_PX, np.arange(-3, 4)
    is_inside = ((points >= 0) & (points < _LANDMARK_PX)).all(axis=1)
    columns, rows = np.clip(points / scale, 0, _HEAT_PX - 1).astype(int).T
    padded = np.pad(_sigmoid(heat), ((3, 3), (3, 3), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(0, 1))
    weights = windows[rows, columns, np.arange(len(points))]
    is_sure = is_inside & (weights.max(axis=(1, 2)) >= 0.5)
    sums = np.column_stack([weights.sum(axis=1) @ cells, weights.sum(axis=2) @ cells])
    means = np.column_stack([columns, rows]) + sums / weights.sum(axis=(1, 2))[:, None]
    return np.where(is_sure[:, None], means * scale, points)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(values, -80, 80)))
