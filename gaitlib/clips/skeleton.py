"""Walks as keypoints alone: turned to one heading, scaled by body height, drawn as a stick figure.

No clothes, no scene, no camera: after PoseC3D (Duan et al. 2022), who draw keypoints as soft limbs so that
ordinary convolutions learn from them.
"""

import cv2
import numpy as np
import pandas as pd

from gaitlib.walker import MIRRORED, Keypoints

# About two strides: shoulders and hips twist at each step, the heading does not.
_HEADING_SECONDS = 2.0
# Who moves less than this between the ends of a bout, in sides of the square, gets nowhere.
_MIN_WAY = 0.2
# What the lengths of legs, trunk and neck add up to, in body heights.
_ANKLE_TO_NOSE = 0.87
# Limbs of the left and the right side: arm, leg and foot.
_LEFT_LIMBS = (11, 13, 15, 19), (23, 25, 27), (27, 29, 31, 27)
_RIGHT_LIMBS = (12, 14, 16, 20), (24, 26, 28), (28, 30, 32, 28)
# How much of a frame's height the body fills, its hips in the middle; thickness in frame heights.
_BODY_SHARE, _LIMB, _TRUNK, _HEAD = 0.8, 0.045, 0.085, 0.11
# Grey of the far limbs, of the trunk and of the near limbs; places are drawn to 1/16 of a pixel.
_FAR, _MIDDLE, _NEAR, _SHIFT = 110, 180, 255, 4


def keypoint_sequence(keypoints: Keypoints) -> np.ndarray:
    """Return the keypoints of a walk as seen from its side, walking right, whatever the camera saw.

    Shape (num_frames, 33, 3), float32, in body heights from the middle of the hips: x forward, y down, z to
    the left of the body. Gaps are interpolated; zeros where nobody is found at all.
    """
    flat = pd.DataFrame(keypoints.world_m.reshape(len(keypoints), -1).astype(float))
    world = flat.interpolate(limit_direction="both").fillna(0).to_numpy().reshape(-1, 33, 3)
    kernel = np.hanning(2 * round(_HEADING_SECONDS * keypoints.frame_rate_hz) + 3)
    # Convolution in full, as a bout may be shorter than the kernel.
    smooth = [np.convolve(part, kernel)[len(kernel) // 2 :][: len(world)] for part in _facing(world)]
    cos, sin = (part[:, None] / np.maximum(np.hypot(*smooth), 1e-9)[:, None] for part in smooth)
    x, y, z = np.moveaxis(world, -1, 0)
    turned = np.stack([x * cos + z * sin, y, z * cos - x * sin], axis=-1)
    return (turned / _body_height(world)).astype(np.float32)


def _facing(world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how much right and how much away the body faces, seen from above, from shoulders and hips."""
    left = (world[:, [11, 23]] - world[:, [12, 24]]).sum(axis=1)
    return left[:, 2], -left[:, 0]


def _body_height(world: np.ndarray) -> float:
    upper, lower = world[:, [23, 25, 24, 26]], world[:, [25, 27, 26, 28]]
    hips, shoulders = (world[:, pair].mean(axis=1) for pair in ([23, 24], [11, 12]))
    legs = np.linalg.norm(upper - lower, axis=2).sum(axis=1) / 2
    trunk = np.linalg.norm(shoulders - hips, axis=1) + np.linalg.norm(world[:, 0] - shoulders, axis=1)
    return max(float(np.median(legs + trunk)) / _ANKLE_TO_NOSE, 1e-6)


def face_ahead(keypoints: Keypoints, rows: np.ndarray, way: tuple[float, float]) -> None:
    """Let the body face the way it goes (right, away), in place: with hidden faces front is taken for back.

    Left and right change names then; which foot is nearer was mostly right.
    """
    if np.hypot(*way) < _MIN_WAY:
        return
    facing = np.stack(_facing(keypoints.world_m[rows]), axis=1)
    turned = rows[facing @ way < 0]
    for values in (keypoints.image_px, keypoints.world_m, keypoints.visibility):
        values[turned] = values[turned][:, MIRRORED]


def draw_sequence(sequence: np.ndarray, size: int, num_channels: int = 1) -> np.ndarray:
    """Draw what `keypoint_sequence` returns as a stick figure on black; the left limbs, far away, are darker.

    Shape (num_frames, size, size, num_channels), uint8; the channels are equal.
    """
    # All frames lie below each other on one canvas, so that each kind of limb is one call.
    canvas = np.zeros((len(sequence) * size, size), np.uint8)
    places = np.clip(size * (0.5 + _BODY_SHARE * sequence[..., :2]), 1, size - 1)
    places[..., 1] += size * np.arange(len(sequence))[:, None]
    places = ((places - 0.5) * 2**_SHIFT).round().astype(np.int32)
    hips, shoulders, ears = (places[:, pair].mean(axis=1) for pair in ([23, 24], [11, 12], [7, 8]))
    lines = [(places[:, limb], _FAR, _LIMB) for limb in _LEFT_LIMBS]
    lines.append((np.stack([hips, shoulders, ears], axis=1), _MIDDLE, _TRUNK))
    lines.append((np.stack([ears, places[:, 0]], axis=1), _MIDDLE, _HEAD))
    lines += [(places[:, limb], _NEAR, _LIMB) for limb in _RIGHT_LIMBS]
    for points, grey, width in lines:
        each = list(np.ascontiguousarray(points, np.int32))
        cv2.polylines(canvas, each, False, grey, max(1, round(width * size)), cv2.LINE_AA, _SHIFT)
    return np.broadcast_to(canvas.reshape(-1, size, size, 1), (len(sequence), size, size, num_channels))


def vary_sequence(sequence: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vary what `keypoint_sequence` returns: build, near side, view and the estimator's error."""
    if rng.random() < 0.5:
        sequence = sequence[:, MIRRORED] * (1, 1, -1)
    angle, size = rng.uniform(-0.17, 0.17), rng.uniform(0.94, 1.06, 3) * rng.uniform(0.94, 1.06)
    cos, sin = np.cos(angle), np.sin(angle)
    moved = sequence * size + rng.normal(0, 0.006, (1, 33, 3)) + rng.normal(0, 0.002, sequence.shape)
    return (moved @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])).astype(np.float32)
