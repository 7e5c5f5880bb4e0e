"""Each video is decoded once; what is needed of it lies in the cache, one folder a video.

The key is made of the file's content and of the settings that shape what is stored, which those of clips do
not. A refusal is stored too.
"""

import hashlib
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pandas as pd

from gaitlib.clips.bouts import MIN_BOUT_SECONDS, Bout, find_bouts, find_repeats
from gaitlib.clips.cluster import run_many
from gaitlib.clips.skeleton import draw_sequence, face_ahead, keypoint_sequence
from gaitlib.config import RunConfig
from gaitlib.errors import InputError
from gaitlib.files import cache_dir, file_digest, hold_lock, show_name, write_aside
from gaitlib.video import ReadReport, VideoReader
from gaitlib.walker import POSE_ARRAYS, SHAPE_NAMES, Keypoints, measure_shapes, path_speed, weights_problem
from gaitlib.walker.finding import WalkerFinder, WalkerTrack, cut_frames

# Raise when entries would come out differently for the same file and settings.
FORMAT_VERSION = 16
# Longest side of the frames in which walkers are looked for, and seconds that are looked at together.
_FRAME_PX, _CHUNK_SECONDS = {"keypoints": 960, "silhouette": 480}, {"keypoints": 15.0, "silhouette": 60.0}
_BOX, _SQUARE = ["left", "top", "width", "height"], ["square_x", "square_y", "square_side"]


@dataclass(frozen=True)
class PreparedVideo:
    """The cached track, keypoints and frames of one video, a row a frame; `digest` is its file's SHA-256."""

    folder: Path
    digest: str

    @cached_property
    def meta(self) -> dict[str, Any]:
        """How the video was read and the walker found; `why_empty` says why there is no bout."""
        return self._open("meta.json")

    @cached_property
    def track(self) -> pd.DataFrame:
        """The walker in each row.

        Columns: `time_seconds`; box `left`, `top`, `width`, `height` and square `square_x`, `square_y`,
        `square_side` in pixels of the upright video; `bout`, `person` and `picture` (among the stored
        frames; -1: none); `is_repeat`; `speed_heights_per_s`; `shape_*` (`SHAPE_NAMES`, of silhouettes).
        """
        return pd.DataFrame(self._open("track.npy"))

    @cached_property
    def keypoints(self) -> Keypoints | None:
        """The walker's keypoints in each row, None where silhouettes were read."""
        if self.meta["body"] != "keypoints":
            return None
        arrays = {name: np.array(self._open(f"{name}.npy")) for name in POSE_ARRAYS}
        return Keypoints(**arrays, frame_size_px=(self.meta["width"], self.meta["height"]))

    @property
    def sequence(self) -> np.ndarray:
        """The keypoints of walks as `keypoint_sequence` gives them, (num_rows, 33, 3), float32."""
        return self._open("sequence.npy")

    @property
    def thumbs(self) -> np.ndarray:
        """The whole frame in small, of shape (num_rows, 32, 32), uint8, grey."""
        return self._open("thumbs.npy")

    @cached_property
    def bouts(self) -> tuple[Bout, ...]:
        """The walking bouts in order of time."""
        return tuple(Bout(**entry) for entry in self.meta["bouts"])

    @property
    def own_bouts(self) -> tuple[Bout, ...]:
        """The walking bouts of the person who walks most: whom a verdict is about."""
        return tuple(bout for bout in self.bouts if bout.person == self.meta["main_person"])

    def read(self, rows: np.ndarray, frame_size: int = 48, num_channels: int = 1) -> np.ndarray:
        """Return frames of walking bouts, shape (num_frames, frame_size, frame_size, num_channels), uint8.

        Skeletons are drawn as asked for; other frames come as they were stored.
        """
        if self.meta["crop"] == "skeleton":
            return draw_sequence(self.sequence[rows], frame_size, num_channels)
        return self._open("pictures.npy")[self.track["picture"].to_numpy()[rows]]

    def _open(self, name: str) -> Any:
        path = self.folder / name
        try:  # only what is asked for is read
            return json.loads(path.read_bytes()) if name == "meta.json" else np.load(path, mmap_mode="r")
        except FileNotFoundError:  # some tool has tidied up
            shutil.rmtree(self.folder, ignore_errors=True)
            raise InputError(f"{self.folder} lacked a file: run again, from 01_preprocessing on.") from None


def prepare_video(path: Path, config: RunConfig) -> PreparedVideo:
    """Decode one video, follow its walker and store both, unless the cache holds them.

    `body` and `crop` of the settings must be decided. Without bouts where nobody walks:
    ``meta["why_empty"]`` says why. Raises an `InputError` if the video cannot be read.
    """
    name = show_name(path.name)
    if not _is_readable(path):
        raise InputError(f"{name} is not there, or not a file that can be read.")
    video = _find_entry(path, config)
    if not video.folder.exists():
        if config.body == "keypoints" and weights_problem():
            raise InputError(weights_problem())
        with hold_lock(video.folder, f"Another process reads {name}: waiting for it.", wait=True):
            if not video.folder.exists():
                _make_entry(path, config, video.folder)
    if video.meta["refusal"]:
        raise InputError(f"{name} {video.meta['refusal']}")
    return video


def prepare_videos(
    paths: Sequence[Path], config: RunConfig, description: str = "Preparing videos"
) -> list[PreparedVideo | str]:
    """Prepare many videos in parallel, one core each, or on the workers of the scheduler in the settings.

    Returns a video for each path; a text says why one cannot be used, without its name.
    """
    found = filter(_is_readable, dict.fromkeys(paths))
    new = [path for path in found if not _find_entry(path, config).folder.exists()]
    if len(new) > 1:  # for what is stored no other process is started, which takes seconds
        list(run_many(partial(_prepare_beside_others, config=config), new, config.scheduler, description))
    return [_prepare_or_reason(path, config) for path in paths]


def _prepare_beside_others(path: Path, config: RunConfig) -> None:
    cv2.setNumThreads(1)  # OpenCV's own threads would fight with the other workers
    _prepare_or_reason(path, config)


def _prepare_or_reason(path: Path, config: RunConfig) -> PreparedVideo | str:
    try:
        video = prepare_video(path, config)
    except InputError as error:
        reason = str(error).removeprefix(f"{show_name(path.name)} ")
        return reason[:1].upper() + reason[1:]
    return video if video.bouts else video.meta["why_empty"]


def recognises_person(path: Path, config: RunConfig) -> bool | None:
    """Tell whether keypoints of a person were found in a prepared video; None: it could not be read."""
    meta = _find_entry(path, config).meta
    return None if meta["refusal"] else "keypoints" in meta["methods"]


def _is_readable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.R_OK)


def _find_entry(path: Path, config: RunConfig) -> PreparedVideo:
    """Return the cache entry of a file, be it there or not."""
    shape = [] if config.crop == "skeleton" else [config.frame_size, config.num_channels]
    settings = [config.body, config.crop, config.frame_rate_hz, *shape]
    digest = file_digest(path)
    text = json.dumps([digest, settings, FORMAT_VERSION, av.__version__, cv2.__version__])
    return PreparedVideo(cache_dir() / "videos" / hashlib.sha256(text.encode()).hexdigest()[:32], digest)


def _make_entry(path: Path, config: RunConfig, folder: Path) -> None:
    with write_aside(folder) as aside:
        aside.mkdir()
        try:
            meta = _follow_walker(path, config, aside)
        except InputError as error:
            meta = {"refusal": str(error).removeprefix(f"{show_name(path)} ")}
        except (ValueError, TypeError, LookupError, ArithmeticError, cv2.error) as error:
            # A frame of one pixel and the like: whatever it is, one video must not end a run.
            meta = {"refusal": f"could not be searched for a walker ({error!r:.200})."}
        (aside / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _follow_walker(path: Path, config: RunConfig, folder: Path) -> dict[str, Any]:
    """Write the files of a video's cache entry and return its description."""
    assert config.body != "auto"
    rate, size_px, seconds = config.frame_rate_hz, _FRAME_PX[config.body], _CHUNK_SECONDS[config.body]
    color = config.body == "keypoints" or config.num_channels == 3
    reader = VideoReader(path, rate, size_px, color, seconds)
    tracks, tables, pictures, finder = [], [], [], None
    for chunk in reader:
        full_px = reader.report.width, reader.report.height
        finder = finder or WalkerFinder(config.body, rate, full_px, config.crop == "silhouette")
        track = finder.find(chunk)
        tables.append(_tabulate(track))
        pictures.append(_pictures(chunk.frames, track, config))
        tracks.append(replace(track, masks=None))
    arrays = {"pictures": np.concatenate(pictures), "thumbs": np.concatenate([one.thumbs for one in tracks])}
    repeats, period = find_repeats(arrays["thumbs"], rate)
    table = pd.concat(tables, ignore_index=True).assign(is_repeat=repeats)
    bouts = _find_walks(table, period, config)
    scale = max(1.0, max(full_px) / size_px)
    for name in [*_BOX, *_SQUARE, *table.filter(like="shape_")]:
        table[name] *= scale ** (2 if name.endswith("area") else 1)
    if config.body == "keypoints":
        arrays |= _join_keypoints(tracks, bouts)
    for name, values in {**arrays, "track": table.to_records(index=False)}.items():
        np.save(folder / f"{name}.npy", values)
    return _describe(tracks, bouts, period, config, reader.report)


def _tabulate(track: WalkerTrack) -> pd.DataFrame:
    """Return a chunk of the track, with `begins` where another walk does within the chunk."""
    is_walking = track.bouts >= 0
    begins = track.is_cut | (np.diff(track.bouts, prepend=track.bouts[:1]) != 0)
    table = pd.DataFrame(np.column_stack([track.boxes, track.squares]), columns=[*_BOX, *_SQUARE])
    table = table.assign(person=track.person, is_walking=is_walking, begins=begins)
    if track.masks is not None:
        shapes = measure_shapes(track.masks, np.where(is_walking[:, None], track.boxes, np.nan))
        table[[f"shape_{name}" for name in SHAPE_NAMES]] = shapes.astype(float)
    return table


def _pictures(frames: np.ndarray, track: WalkerTrack, config: RunConfig) -> np.ndarray:
    """Return what is stored of a chunk: the walker cut out of the frames of walks, or these frames whole."""
    rows, squares, is_grey = np.flatnonzero(track.bouts >= 0), track.squares, config.num_channels == 1
    if config.crop == "skeleton":
        rows = rows[:0]
    if config.crop == "frame":
        height, width = frames.shape[1:3]
        squares = np.tile([width / 2, height / 2, max(width, height)], (len(track), 1))

    def picture(row: int) -> np.ndarray:
        frame = frames[row]
        if config.crop == "silhouette" and track.masks is not None:
            mask = track.masks[row]
            return mask if is_grey else (frame * (mask[..., None] / 255)).astype(np.uint8)
        return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if is_grey and frame.ndim > 2 else frame

    cut = cut_frames(map(picture, rows.tolist()), squares[rows], config.frame_size)
    return cut.reshape(-1, config.frame_size, config.frame_size, config.num_channels)


def _find_walks(table: pd.DataFrame, period: float, config: RunConfig) -> list[Bout]:
    """Return the bouts of a whole video, and complete its track by what depends on them, in place."""
    rate, walks, person = config.frame_rate_hz, table.pop("is_walking"), table["person"].to_numpy()
    # Who walks on in the next chunk goes on with the same run.
    begins = table.pop("begins") | (np.diff(person, prepend=-1) != 0) | walks.ne(walks.shift())
    runs = np.where(walks, begins.cumsum(), -1)
    squares, bouts = table[_SQUARE].to_numpy(), list[Bout]()
    table["time_seconds"] = np.arange(len(table)) / rate
    table["picture"] = np.where(walks, walks.cumsum() - 1, -1)
    table["bout"], table["speed_heights_per_s"] = -1, np.nan
    for number, rows in enumerate(find_bouts(runs, table["is_repeat"].to_numpy(), period, rate)):
        table.loc[rows, "bout"] = number
        table.loc[rows, "speed_heights_per_s"] = path_speed(squares[rows], rate)
        first, last = int(rows[0]), int(rows[-1])
        seconds = first / rate, (last + 1) / rate, min(len(rows), period or len(rows)) / rate
        x, side = squares[[first, last]][:, [0, 2]].T
        # Somebody is about 4 sides of the square away.
        way = float((x[1] - x[0]) / side.mean()), float(4 * np.log(side[0] / side[1]))
        bouts.append(Bout(number, first, last, *seconds, round(period), int(person[first]), *way))
    return bouts


def _join_keypoints(tracks: Sequence[WalkerTrack], bouts: Sequence[Bout]) -> dict[str, np.ndarray]:
    """Return the walker's keypoints in all chunks, and those of walks as networks see them."""
    parts = [track.keypoints for track in tracks if track.keypoints]
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in POSE_ARRAYS}
    keypoints = Keypoints(**arrays, frame_size_px=parts[0].frame_size_px)
    arrays["sequence"] = np.zeros_like(keypoints.world_m)
    for bout in bouts:
        face_ahead(keypoints, bout.rows, (bout.way_right, bout.way_away))
        arrays["sequence"][bout.rows] = keypoint_sequence(keypoints.part(bout.rows))
    return arrays


def _describe(
    tracks: Sequence[WalkerTrack], bouts: Sequence[Bout], period: float, config: RunConfig, report: ReadReport
) -> dict[str, Any]:
    rate, seconds = config.frame_rate_hz, defaultdict[int, float](float)
    for bout in bouts:
        seconds[bout.person] += bout.distinct_seconds
    notes = [*report.notes, *dict.fromkeys(note for track in tracks for note in track.notes)]
    if period:
        times = sum(map(len, tracks)) / period
        notes.append(f"{period / rate:.1f} s of footage repeated {times:.0f} times: it counts once.")
    most = max(tracks, key=lambda track: track.num_people)
    num_people = max(len(seconds), most.num_people)
    if num_people > 1 and bouts:
        notes.append(f"{num_people} people are seen: only the one who walks most is read.")
    why = most.reason or f"Nobody walks for {MIN_BOUT_SECONDS} s without a pause or repeated footage."
    return {
        **asdict(report),
        **config.model_dump(include={"body", "crop", "frame_rate_hz"}),
        "bouts": [asdict(bout) for bout in bouts],
        "main_person": max(seconds, key=seconds.__getitem__, default=-1),
        "methods": sorted({track.method for track in tracks}),
        "notes": notes,
        "read_notes": report.notes,
        "refusal": "",
        "why_empty": "" if bouts else why,
    }
