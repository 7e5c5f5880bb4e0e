"""Follow the walker through a video, chunk by chunk, and write the files of its cache entry."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from gaitlib.clips.bouts import MIN_BOUT_SECONDS, find_bouts
from gaitlib.clips.loops import find_repeats
from gaitlib.clips.prepared import THUMB_PX, Bout
from gaitlib.clips.skeleton import face_ahead, keypoint_sequence
from gaitlib.config import RunConfig
from gaitlib.video import FrameChunk, VideoReader
from gaitlib.walker import (
    SHAPE_NAMES,
    Keypoints,
    WalkerFinder,
    WalkerTrack,
    cut_frames,
    measure_shapes,
    path_speed,
)

# Longest side of the frames in which walkers are looked for, and seconds that are looked at together.
_FRAME_PX = {"keypoints": 960, "silhouette": 480}
_CHUNK_SECONDS = {"keypoints": 15.0, "silhouette": 60.0}
# Who moves less than this between the ends of a bout, in sides of the square, gets nowhere.
_MIN_WAY = 0.2
_PIXELS = ("left", "top", "width", "height", "square_x", "square_y", "square_side")
_REPORT = (
    "frames_read",
    "corrupt_frames",
    "comment",
    "width",
    "height",
    "capture_rate_hz",
    "duration_seconds",
)


def follow_walker(path: Path, config: RunConfig, folder: Path) -> dict[str, Any]:
    """Write the files of a video's cache entry and return its description.

    The video is decoded once, and memory hardly grows with its length.

    Raises
    ------
    InputError
        If the video cannot be read.
    """
    assert config.body != "auto"
    color = config.body == "keypoints" or config.num_channels == 3
    settings = _FRAME_PX[config.body], color, _CHUNK_SECONDS[config.body]
    reader = VideoReader(path, config.frame_rate_hz, *settings)
    tracks, shapes, finder = [], [], None
    with (folder / "pictures.bin").open("wb") as pictures, (folder / "thumbs.bin").open("wb") as thumbs:
        for chunk in _read_ahead(reader):
            if finder is None:
                size_px = reader.report.width, reader.report.height
                finder = WalkerFinder(config.body, config.frame_rate_hz, size_px, config.crop == "silhouette")
            track = finder.find(chunk)
            pictures.write(_pictures(chunk.frames, track, config))
            thumbs.write(b"".join(map(_thumb, chunk.frames)))
            shapes.append(_shapes(track))
            tracks.append(replace(track, masks=None))
    # Pixels count as in the frames that `VideoReader` gives by default.
    scale = min(1.0, _FRAME_PX["keypoints"] / max(size_px)) / min(1.0, _FRAME_PX[config.body] / max(size_px))
    meta = _finish(tracks, np.concatenate(shapes), config, scale, folder)
    found = dict.fromkeys(note for track in tracks for note in track.notes)
    notes = {"read_notes": list(reader.report.notes), "notes": [*reader.report.notes, *found, *meta["notes"]]}
    return meta | notes | {name: getattr(reader.report, name) for name in _REPORT}


def _read_ahead(reader: VideoReader) -> Iterator[FrameChunk]:
    """Decode the next chunk while the walker is looked for in this one."""
    with ThreadPoolExecutor(1) as pool:
        chunks = iter(reader)
        ahead = pool.submit(next, chunks, None)
        while (chunk := ahead.result()) is not None:
            ahead = pool.submit(next, chunks, None)
            yield chunk


def _thumb(frame: np.ndarray) -> bytes:
    small = cv2.resize(frame, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
    return (small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)).tobytes()


def _pictures(frames: np.ndarray, track: WalkerTrack, config: RunConfig) -> bytes:
    """Return what is stored of a chunk: the walker cut out of the frames of walks, or all frames whole."""
    if config.crop == "skeleton":
        return b""
    rows, squares = np.flatnonzero(track.bouts >= 0), track.squares
    if config.crop == "frame":
        height, width = frames.shape[1:3]
        rows, whole = np.arange(len(track)), [width / 2, height / 2, max(width, height)]
        squares = np.tile(whole, (len(rows), 1))
    masks = track.masks if config.crop == "silhouette" else None
    chosen = (
        _picture(frames[row], None if masks is None else masks[row], config.num_channels) for row in rows
    )
    return cut_frames(chosen, squares[rows], config.frame_size).tobytes()


def _picture(frame: np.ndarray, mask: np.ndarray | None, num_channels: int) -> np.ndarray:
    if mask is not None:
        return mask if num_channels == 1 else (frame * (mask[..., None] / 255)).astype(np.uint8)
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if frame.ndim > 2 and num_channels == 1 else frame


def _shapes(track: WalkerTrack) -> np.ndarray:
    if track.masks is None:
        return np.full((len(track), len(SHAPE_NAMES)), np.nan, np.float32)
    return measure_shapes(track.masks, np.where((track.bouts >= 0)[:, None], track.boxes, np.nan))


def _finish(
    tracks: Sequence[WalkerTrack], shapes: np.ndarray, config: RunConfig, scale: float, folder: Path
) -> dict[str, Any]:
    """Write track, repeats and keypoints of the whole video and return what is known about it."""
    rate = config.frame_rate_hz
    thumbs = np.fromfile(folder / "thumbs.bin", np.uint8).reshape(-1, THUMB_PX, THUMB_PX)
    repeats, period = find_repeats(thumbs, rate)
    boxes, squares, person = (
        np.concatenate([getattr(t, n) for t in tracks]) for n in ("boxes", "squares", "person")
    )
    runs = _join_runs(tracks, person)
    is_stored = (runs >= 0) | (config.crop == "frame")
    if config.crop == "frame" and not (runs >= 0).any():
        runs, person = np.zeros_like(runs), np.zeros_like(person)
    bout, speed = np.full(len(runs), -1, np.int32), np.full(len(runs), np.nan, np.float32)
    found, bouts, ways = find_bouts(runs, person, repeats, period, rate), [], []
    for number, rows in enumerate(found):
        bout[rows], speed[rows] = number, path_speed(squares[rows], rate)
        ways.append(_way(squares[rows]))
        first, last = int(rows[0]), int(rows[-1])
        seconds = first / rate, (last + 1) / rate, min(len(rows), period or len(rows)) / rate
        bouts.append(
            Bout(number, first, last, *seconds, round(period), _heading(*ways[-1]), int(person[first]))
        )
    columns = {"time_seconds": np.arange(len(runs)) / rate, "bout": bout, "person": person}
    columns |= dict(zip(_PIXELS, np.column_stack([boxes, squares]).T * scale, strict=True))
    columns |= {"speed_heights_per_s": speed, "picture": np.where(is_stored, np.cumsum(is_stored) - 1, -1)}
    powers = np.array([2 if name.endswith("area") else 1 for name in SHAPE_NAMES])
    columns |= {
        f"shape_{name}": part for name, part in zip(SHAPE_NAMES, (shapes * scale**powers).T, strict=True)
    }
    np.save(folder / "track.npy", pd.DataFrame(columns).to_records(index=False))
    np.save(folder / "repeats.npy", repeats)
    if config.body == "keypoints":
        _write_keypoints(tracks, found, ways, folder)
    return _summary(tracks, bouts, runs, period, config)


def _join_runs(tracks: Sequence[WalkerTrack], person: np.ndarray) -> np.ndarray:
    """Return the number of the run of walking of each row; who walks on in the next chunk is in one run."""
    walks = np.concatenate([track.bouts for track in tracks]) >= 0
    begins = np.concatenate([np.diff(track.bouts, prepend=-2) != 0 for track in tracks])
    joints = np.cumsum([len(track) for track in tracks[:-1]], dtype=int)
    begins[joints] = ~walks[joints - 1] | (person[joints] != person[joints - 1])
    return np.where(walks, np.cumsum(begins) - 1, -1)


def _way(squares: np.ndarray) -> np.ndarray:
    """Return how far somebody goes right and away, in sides of the square; growth as seen from 4 sides."""
    first, last = squares[0], squares[-1]
    return np.array([2 * (last[0] - first[0]) / (first[2] + last[2]), 4 * np.log(first[2] / last[2])])


def _heading(right: float, away: float) -> str:
    if abs(right) > abs(away):
        return "right" if right > 0 else "left"
    return "away" if away > 0 else "towards"


def _write_keypoints(
    tracks: Sequence[WalkerTrack], bouts: Sequence[np.ndarray], ways: Sequence[np.ndarray], folder: Path
) -> None:
    """Write the walker's keypoints, and those of walks as networks see them."""
    known = [track.keypoints for track in tracks if track.keypoints is not None]
    names = ("times_seconds", "image_px", "world_m", "visibility")
    arrays = {name: np.concatenate([getattr(part, name) for part in known]) for name in names}
    keypoints = Keypoints(**arrays, frame_size_px=known[0].frame_size_px)
    sequence = np.zeros((len(keypoints), 33, 3), np.float32)
    for rows, way in zip(bouts, ways, strict=True):
        if np.linalg.norm(way) > _MIN_WAY:
            face_ahead(keypoints, rows, way)
        sequence[rows] = keypoint_sequence(keypoints, rows)
    keypoints.save(folder / "keypoints.npz")
    np.save(folder / "sequence.npy", sequence)


def _summary(
    tracks: Sequence[WalkerTrack], bouts: Sequence[Bout], runs: np.ndarray, period: float, config: RunConfig
) -> dict[str, Any]:
    rate, seconds = config.frame_rate_hz, dict[int, float]()
    for bout in bouts:
        seconds[bout.person] = seconds.get(bout.person, 0.0) + bout.distinct_seconds
    main, total = max(seconds, key=seconds.__getitem__, default=-1), sum(seconds.values())
    notes = []
    if period:
        notes.append(
            f"{period / rate:.1f} s of footage repeated {len(runs) / period:.0f} times: it counts once."
        )
    if len(seconds) > 1:
        notes.append(
            f"{len(seconds)} people walk at different times: the one who walks most is read, "
            f"{seconds[main]:.1f} s of {total:.1f} s."
        )
    why = max(tracks, key=lambda track: (track.num_people, bool(track.reason))).reason
    if (runs >= 0).any():
        why = f"nobody walks for {MIN_BOUT_SECONDS} s without a break or a repeat."
    return {
        **{name: getattr(config, name) for name in ("body", "crop", "frame_rate_hz")},
        "picture_shape": [config.frame_size, config.frame_size, config.num_channels],
        "bouts": [asdict(bout) for bout in bouts],
        "main_person": main,
        "num_people": max(track.num_people for track in tracks),
        "methods": sorted({track.method for track in tracks}),
        "is_recognised": any(track.method == "keypoints" for track in tracks),
        "walk_seconds": float((runs >= 0).sum() / rate),
        "distinct_seconds": float(total),
        "notes": notes,
        "refusal": "",
        "why_empty": "" if bouts else why,
    }
