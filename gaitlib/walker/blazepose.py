"""BlazePose (Bazarevsky et al. 2020): a person detector and a landmark network, run by LiteRT.

The same steps as in MediaPipe: the detector gives the middle of the hips and a point that tells size and
turn of the body; the landmark network sees the turned square around it.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from gaitlib.errors import InputError
from gaitlib.files import stderr_to
from gaitlib.walker.weights import DETECTOR_FILE, LANDMARK_FILE, weights_dir, weights_problem

MIN_SCORE = 0.5
_DETECTOR_PX, _LANDMARK_PX, _HEAT_PX, _NUM_BODY = 224, 256, 64, 33
# The detector's grids: cells along a side, anchors in a cell.
_GRIDS = ((28, 2), (14, 2), (7, 6))
# Side of the square in distances from the hips to the second point.
_SQUARE_SCALE = 2.5
# Heat maps are read this many cells around a point.
_WINDOW = np.arange(-3, 4)


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
    """One person in one frame; pixels are those of the frame.

    Attributes
    ----------
    score : float
        How sure the network is that there is a person, 0 to 1.
    image_px : ndarray of shape (33, 2), float32
    world_m : ndarray of shape (33, 3), float32
        Metres from the middle of the hips, turned upright: x right, y down, z away from the camera.
    visibility : ndarray of shape (33,), float32
    square, next_square : BodySquare
        Where the network looked, and where to look in the next frame.
    mask : ndarray of shape (128, 128), uint8
        How surely each pixel of `square` shows the person, 0 to 255.
    """

    score: float
    image_px: np.ndarray
    world_m: np.ndarray
    visibility: np.ndarray
    square: BodySquare
    next_square: BodySquare
    mask: np.ndarray


class PoseEstimator:
    """Finds people in RGB frames and their keypoints.

    Parameters
    ----------
    num_threads : int
        Threads of each network.

    Raises
    ------
    InputError
        If the model files are missing or damaged.
    """

    def __init__(self, num_threads: int = 1) -> None:
        problem = weights_problem()
        if problem:
            raise InputError(problem)
        self._detector = _Network(weights_dir() / DETECTOR_FILE, num_threads)
        self._landmarks = _Network(weights_dir() / LANDMARK_FILE, num_threads)
        self._anchors = np.concatenate([_grid(cells, count) for cells, count in _GRIDS])

    def find(self, frame: np.ndarray) -> Pose | None:
        """Return the person whom the detector sees best in a frame, None where nobody is."""
        poses = (self.estimate(frame, square) for square in self.detect(frame))
        return next((pose for pose in poses if pose.score >= MIN_SCORE), None)

    def detect(self, frame: np.ndarray, region: tuple[int, int, int, int] | None = None) -> list[BodySquare]:
        """Return the squares of the people in a frame, or in a region of it, best first.

        Parameters
        ----------
        frame : ndarray of shape (height, width, 3), uint8, RGB
        region : tuple of int, optional
            Left, top, width and height of the part to look at.
        """
        left, top, width, height = region or (0, 0, frame.shape[1], frame.shape[0])
        scale = _DETECTOR_PX / max(width, height)
        shift = (_DETECTOR_PX - np.array([width, height]) * scale) / 2
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        part = frame[top : top + height, left : left + width]
        small = cv2.warpAffine(part, matrix, (_DETECTOR_PX, _DETECTOR_PX), flags=cv2.INTER_AREA)
        points, scores = self._answers(small)
        points = (points - shift) / scale + (left, top)
        return [
            _square(*np.average(points[group], axis=0, weights=scores[group])[2:4])
            for group in _group(points[:, 0], points[:, 1])
        ]

    def _answers(self, small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return corners and points (n, 6, 2) in pixels of `small` and scores (n,), best first."""
        answers = self._detector.run(small.astype(np.float32) / 127.5 - 1)
        logits = answers[1,].ravel()
        chosen = np.flatnonzero(logits >= 0)
        chosen = chosen[np.argsort(-logits[chosen])][:200]
        points = answers[12,].reshape(-1, 6, 2)[chosen].astype(np.float64)
        half = points[:, 1] / 2
        points[:, 1] = points[:, 0] + half  # centre and size become corners
        points[:, 0] -= half
        return points + self._anchors[chosen, None] * _DETECTOR_PX, _sigmoid(logits[chosen])

    def estimate(self, frame: np.ndarray, square: BodySquare) -> Pose:
        """Return the keypoints of the person in a square of a frame; score 0 where they make no sense.

        Parameters
        ----------
        frame : ndarray of shape (height, width, 3), uint8, RGB
        square : BodySquare
        """
        matrix = square.to_frame(_LANDMARK_PX)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = cv2.warpAffine(frame, matrix, (_LANDMARK_PX, _LANDMARK_PX), flags=flags)
        answers = self._landmarks.run(seen.astype(np.float32) / 255)
        points = answers[195,].reshape(39, 5)
        image_px = _refine(points[:, :2], answers[64, 64, 39]) @ matrix[:, :2].T + matrix[:, 2]
        world_m = answers[117,].reshape(39, 3)[:_NUM_BODY].copy()
        world_m[:, :2] = world_m[:, :2] @ matrix[:, :2].T * (_LANDMARK_PX / square.side)
        is_sane = np.isfinite(world_m).all() and np.abs(image_px).max() < 4 * max(frame.shape)
        return Pose(
            score=float(answers[1,].item()) if is_sane else 0.0,
            image_px=image_px[:_NUM_BODY].astype(np.float32),
            world_m=world_m,
            visibility=_sigmoid(points[:_NUM_BODY, 3]),
            square=square,
            next_square=_square(*image_px[_NUM_BODY : _NUM_BODY + 2]),
            mask=(_sigmoid(answers[256, 256, 1][::2, ::2, 0]) * 255).astype(np.uint8),
        )


class _Network:
    """A TensorFlow Lite file that takes one picture; its answers are told apart by their shapes."""

    def __init__(self, path: Path, num_threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with stderr_to(Path(os.devnull)):  # LiteRT greets
            self._interpreter = Interpreter(model_path=str(path), num_threads=num_threads)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = self._interpreter.get_output_details()
        # The detector's last axis tells its two answers apart, the landmark network's are all different.
        skipped = 1 if len(outputs) > 2 else 2
        self._outputs = {tuple(map(int, each["shape"][skipped:])): each["index"] for each in outputs}

    def run(self, picture: np.ndarray) -> dict[tuple[int, ...], np.ndarray]:
        self._interpreter.set_tensor(self._input, picture[None])
        self._interpreter.invoke()
        return {shape: self._interpreter.get_tensor(index)[0] for shape, index in self._outputs.items()}


def _square(hips: np.ndarray, top: np.ndarray) -> BodySquare:
    """Return the square around a body from the middle of the hips and the point above that tells its size."""
    right, down = top - hips
    side = _SQUARE_SCALE * float(np.hypot(right, down))
    return BodySquare(float(hips[0]), float(hips[1]), side, float(np.arctan2(right, -down)))


def _grid(cells: int, count: int) -> np.ndarray:
    centres = (np.arange(cells) + 0.5) / cells
    rows, columns = np.meshgrid(centres, centres, indexing="ij")
    return np.repeat(np.stack([columns.ravel(), rows.ravel()], axis=1), count, axis=0)


def _group(lower: np.ndarray, upper: np.ndarray) -> list[np.ndarray]:
    """Return for each person which boxes (best first) are theirs: those that overlap the best by 0.3."""
    groups, is_free = [], np.ones(len(lower), bool)
    area = np.prod(upper - lower, axis=1)
    for best in range(len(lower)):
        if is_free[best]:
            common = np.minimum(upper, upper[best]) - np.maximum(lower, lower[best])
            shared = np.prod(np.maximum(common, 0), axis=1)
            groups.append(is_free & (shared >= 0.3 * (area + area[best] - shared)))
            is_free &= ~groups[-1]
    return groups


def _refine(points: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Move each point to the centre of mass of its heat map, 7 cells around, where that is sure of it."""
    scale = _LANDMARK_PX / _HEAT_PX
    cells = np.clip(points / scale, -9, _HEAT_PX + 9).astype(int)
    columns, rows = cells[:, :1] + _WINDOW, cells[:, 1:] + _WINDOW
    is_inside = ((rows >= 0) & (rows < _HEAT_PX))[:, :, None] & ((columns >= 0) & (columns < _HEAT_PX))[
        :, None
    ]
    places = np.clip(rows, 0, _HEAT_PX - 1)[:, :, None], np.clip(columns, 0, _HEAT_PX - 1)[:, None]
    weights = _sigmoid(heat[*places, np.arange(len(points))[:, None, None]]) * is_inside
    is_sure = (weights.max(axis=(1, 2)) >= 0.5) & is_inside[:, 3, 3]
    sums = [weights.sum(axis=1) * columns, weights.sum(axis=2) * rows]
    means = np.sum(sums, axis=2).T / np.maximum(weights.sum(axis=(1, 2)), 1e-6)[:, None]
    return np.where(is_sure[:, None], means * scale, points)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(values, -80, 80)))
