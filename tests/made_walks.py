"""Cache entries of walks that nobody filmed: the joints of demo walkers as keypoints."""

import json
from pathlib import Path

import numpy as np

from gaitlib.clips import PreparedVideo, keypoint_sequence
from gaitlib.config import RunConfig, make_config
from gaitlib.data import VideoSet
from gaitlib.demo import WalkParameters, pose_walker, sample_truth
from gaitlib.walker import KEYPOINT_NAMES, Keypoints

EMOTIONS = ("angry", "neutral", "sad")
RATE_HZ = 15.0
# Joints of a demo walker that stand for keypoints of another name.
_JOINTS = {"eye": "face", "ear": "skull", "mouth": "chin", "foot_index": "toe"}
_JOINTS |= dict.fromkeys(("pinky", "index", "thumb"), "hand")
_BOX = ("left", "top", "width", "height", "square_x", "square_y", "square_side", "speed_heights_per_s")


def walk_config(**settings) -> RunConfig:
    small = {"num_frames": 8, "frame_size": 24, "epochs": 3, "max_clips_per_video": 3, "learning_rate": 0.003}
    return make_config(**{**small, "body": "keypoints", "crop": "skeleton", **settings})


def make_walks(
    folder: Path, num_walkers: int, first: int = 1, emotions=EMOTIONS, takes: int = 1, **draw
) -> VideoSet:
    """Write the cache entries of one video a walker, emotion and take."""
    draw = {"alpha": 1.0, "seconds": (3.0, 3.0), "seed": 1, **draw}
    truth = sample_truth(range(first, first + num_walkers), takes, **draw)
    truth = truth[truth["emotion"].isin(emotions)].sort_values(["walker", "emotion", "take"])
    videos = tuple(
        make_walk(folder / f"{row['walker']}_{row['emotion']}_{row['take']}", row)
        for row in truth.to_dict("records")
    )
    return VideoSet(
        videos, np.array([emotions.index(name) for name in truth["emotion"]]), truth["walker"].to_numpy(str)
    )


def make_walk(folder: Path, row: dict) -> PreparedVideo:
    """Write the cache entry of one walk to the right, seen from the side."""
    times = np.arange(int(row["num_frames"] / row["frame_rate_hz"] * RATE_HZ)) / RATE_HZ
    joints = pose_walker(WalkParameters.from_row(row), times)
    world = world_of(joints)
    world = world + np.random.default_rng(row["scene_seed"]).normal(0, 0.004, world.shape)
    image = 100 * (
        world[..., :2] + np.stack([1 + row["speed_m_per_s"] * times, np.full(len(times), 2)], 1)[:, None]
    )
    found = np.ones((len(times), 33), np.float32)
    keypoints = Keypoints(times, image.astype(np.float32), world.astype(np.float32), found, (1200, 400))
    folder.mkdir(parents=True)
    save_keypoints(keypoints, folder)
    np.save(folder / "sequence.npy", keypoint_sequence(keypoints))
    _write_track(folder, times, image, row["speed_m_per_s"] / row["height_m"])
    seconds = len(times) / RATE_HZ
    bout = {"number": 0, "person": 0, "first_row": 0, "last_row": len(times) - 1, "period_frames": 0}
    bout |= {"start_seconds": 0.0, "end_seconds": seconds, "distinct_seconds": seconds}
    bout |= {"way_right": 1.0, "way_away": 0.0}
    meta = {"refusal": "", "crop": "skeleton", "body": "keypoints", "width": 1200, "height": 400}
    meta |= {"frame_rate_hz": RATE_HZ, "main_person": 0, "bouts": [bout]}
    (folder / "meta.json").write_text(json.dumps(meta))
    return PreparedVideo(folder, folder.name)


def save_keypoints(keypoints: Keypoints, folder: Path) -> None:
    for name in ("times_seconds", "image_px", "world_m", "visibility"):
        np.save(folder / f"{name}.npy", getattr(keypoints, name))


def world_of(joints: dict[str, np.ndarray]) -> np.ndarray:
    """Return a drawn walker's joints as keypoints around the hips: right, down and away, metres."""
    world = np.stack([_place(joints, name) for name in KEYPOINT_NAMES], axis=1) - joints["pelvis"][:, None]
    return world[..., [0, 2, 1]] * (1, -1, 1)


def _place(joints: dict[str, np.ndarray], name: str) -> np.ndarray:
    side = "left_" if "left" in name else "right_" if "right" in name else ""
    part = next((joint for key, joint in _JOINTS.items() if key in name), name.removeprefix(side))
    return joints[part] if part in joints else joints[side + part]


def _write_track(folder: Path, times: np.ndarray, image: np.ndarray, speed_heights_per_s: float) -> None:
    numbers = [(name, "i4") for name in ("bout", "person", "picture")]
    boxes = [(name, "f4") for name in _BOX]
    track = np.zeros(len(times), [("time_seconds", "f8"), *boxes, *numbers, ("is_repeat", bool)])
    (left, top), (right, bottom) = image.min(axis=1).T, image.max(axis=1).T
    box = left, top, right - left, bottom - top
    square = (left + right) / 2, (top + bottom) / 2, 1.2 * (bottom - top)
    values = times, *box, *square, speed_heights_per_s
    for name, value in zip(("time_seconds", *_BOX), values, strict=True):
        track[name] = value
    np.save(folder / "track.npy", track)
    np.save(folder / "thumbs.npy", np.full((len(times), 32, 32), 90, np.uint8))
