"""From videos to cached pictures of the walker, and from those to clips.

Each video is decoded once. What is kept of it (the square around the walker in every picture in which
somebody walks, and the track) lies in the cache under a key made of the file's content, the settings
that shape the pictures, and the versions of what decodes and cuts them. Clips are windows into these
pictures: how long they are and how far apart costs nothing to change.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import av
import cv2
import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from gaitlib.cluster import run_on_workers
from gaitlib.config import InputError, RunConfig
from gaitlib.files import cache_dir, read_json, write_aside
from gaitlib.loops import distinct_starts, repeated_rows, why_looped
from gaitlib.video import file_digest, read_chunks
from gaitlib.walker import WalkerTrack, cut_crops, find_walker
from gaitlib.walker.lifeless import why_lifeless
from gaitlib.walker.shape import SHAPE_NAMES, measure_shapes

# Raise when the pictures would come out differently for the same file and settings.
FORMAT_VERSION = 7
# Settings that shape the stored pictures; the others only choose among them.
PICTURE_SETTINGS = ("frame_rate_hz", "frame_size", "num_channels", "crop")
WORKING_SIDE_PIXELS = 480
CHUNK_SECONDS = 60.0
# Side of the small whole pictures that tell footage and scene apart from the walker.
THUMB_PIXELS = 32
# Share of the square's side by which a walker must move within a clip to go left or right.
MIN_SIDE_STEP = 0.1


@dataclass(frozen=True)
class PreparedVideo:
    """The cached pictures and track of one video.

    Attributes
    ----------
    folder : Path
        Cache entry.
    digest : str
        SHA-256 of the video file.
    """

    folder: Path
    digest: str

    @cached_property
    def meta(self) -> dict[str, Any]:
        """How the video was read and the walker found."""
        return read_json(self.folder / "meta.json")

    @cached_property
    def track(self) -> pd.DataFrame:
        """One row a picture looked at: time, box, square, speed, segment, picture number and shape.

        The shape (`gaitlib.walker.shape`) is NaN where nobody walks or no scene could be learnt.
        """
        return pd.DataFrame(np.load(self.folder / "track.npy"))

    def read(self, first: int, num_frames: int) -> np.ndarray:
        """Return stored pictures, shape (num_frames, frame_size, frame_size, num_channels), uint8.

        The file is mapped, not read: only the pictures asked for come from the disk.
        """
        shape = tuple(self.meta["picture_shape"])
        size = int(np.prod(shape))
        pictures = np.memmap(
            self.folder / "pictures.bin",
            np.uint8,
            mode="r",
            offset=first * size,
            shape=(num_frames, *shape),
        )
        return np.array(pictures)

    @property
    def thumbs(self) -> np.ndarray:
        """The whole picture in small, for each row of the track: shape (num_rows, 32, 32), uint8, grey."""
        thumbs = np.fromfile(self.folder / "thumbs.bin", np.uint8)
        return thumbs.reshape(-1, THUMB_PIXELS, THUMB_PIXELS)

    @cached_property
    def repeats(self) -> np.ndarray:
        """Whether the picture of each row of the track repeats an earlier one, shape (num_rows,), bool."""
        return np.load(self.folder / "repeats.npy")

    @cached_property
    def walks(self) -> list[tuple[int, int]]:
        """First picture and number of pictures of every unbroken walk."""
        stored = self.track.loc[self.track["segment"] >= 0]
        groups = stored.groupby("segment")["picture"]
        return [(int(first), int(count)) for first, count in zip(groups.min(), groups.size(), strict=True)]


def prepare_video(path: Path, config: RunConfig, cache: Path | None = None) -> PreparedVideo:
    """Decode one video and store the pictures of its walker, unless the cache holds them.

    Parameters
    ----------
    path : Path
    config : RunConfig
    cache : Path, optional
        The cache to use, where it is not this machine's own.

    Raises
    ------
    InputError
        If the video cannot be read. Where nobody walks in it, the entry is empty.
    """
    digest = file_digest(path)
    entry = PreparedVideo((cache or cache_dir()) / "pictures" / _key(digest, config), digest)
    if not entry.folder.exists():
        try:
            with write_aside(entry.folder) as aside:
                aside.mkdir()
                _store_pictures(path, config, aside)
                np.save(aside / "repeats.npy", repeated_rows(PreparedVideo(aside, digest)))
        except OSError:
            # Another process was first with the same content; what it stored is the same.
            if not entry.folder.exists():
                raise
    return entry


def prepare_videos(
    paths: Sequence[Path], config: RunConfig, description: str = "Preparing videos"
) -> list[PreparedVideo | str]:
    """Prepare many videos in parallel, one worker a core, here or with `config.scheduler` elsewhere.

    Parameters
    ----------
    paths : sequence of Path
    config : RunConfig
    description : str
        Shown beside the progress bar.

    Returns
    -------
    list of PreparedVideo or str
        In the order of `paths`; a text says why a video could not be used.
    """
    prepare = partial(_prepare_or_reason, config=config, cache=cache_dir())
    if config.scheduler:
        results = run_on_workers(prepare, paths, config.scheduler, cache_dir())
    else:
        parallel = joblib.Parallel(n_jobs=-1, return_as="generator")
        results = parallel(joblib.delayed(prepare)(path) for path in paths)
    return list(tqdm(results, description, total=len(paths), mininterval=1.0, unit="video"))


def window_starts(video: PreparedVideo, config: RunConfig) -> np.ndarray:
    """Return the first picture of each clip of a video, evenly thinned out to the cap.

    Returns
    -------
    ndarray of shape (num_clips,), int
        Empty where no walk is as long as a clip. No clip crosses from one walk to the next, and none
        holds a picture that repeats an earlier one.
    """
    starts = [
        start
        for first, count in video.walks
        for start in range(first, first + count - config.num_frames + 1, config.clip_stride)
    ]
    distinct = distinct_starts(video, np.array(starts, int), config)
    if len(distinct) > config.max_clips_per_video:
        chosen = np.linspace(0, len(distinct) - 1, config.max_clips_per_video).round().astype(int)
        distinct = distinct[chosen]
    return distinct


def walks_left(video: PreparedVideo, starts: np.ndarray, num_frames: int) -> np.ndarray:
    """Say for each clip whether the walker goes left in it, shape (num_clips,), bool.

    Somebody who comes towards the camera goes neither way.
    """
    stored = video.track[video.track["segment"] >= 0]
    right, side = stored["square_x"].to_numpy(), stored["square_side"].to_numpy()
    return (right[starts + num_frames - 1] - right[starts]) / side[starts] < -MIN_SIDE_STEP


def _prepare_or_reason(path: Path, config: RunConfig, cache: Path) -> PreparedVideo | str:
    # One core a video: OpenCV's own threads would fight with the other workers.
    cv2.setNumThreads(1)
    try:
        video = prepare_video(path, config, cache)
    except InputError as error:
        return str(error)
    return why_no_clips(path.name, video, config) or video


def why_no_clips(name: str, video: PreparedVideo, config: RunConfig) -> str:
    """Return the sentence that says why a video gives no clip, empty if it gives some."""
    if len(window_starts(video, config)):
        return ""
    if not video.meta["num_pictures"]:
        return f"{name}: {why_lifeless(video.thumbs) or video.meta['why_empty']}"
    looped = why_looped(video, config)
    if looped:
        return f"{name}: {looped}"
    longest = max(count for _, count in video.walks) / config.frame_rate_hz
    needed = config.num_frames / config.frame_rate_hz
    return f"{name}: the longest unbroken walk lasts {longest:.1f} s, a clip needs {needed:.1f} s."


def _key(digest: str, config: RunConfig) -> str:
    settings = {name: getattr(config, name) for name in PICTURE_SETTINGS}
    versions = [FORMAT_VERSION, av.__version__, cv2.__version__]
    text = json.dumps([digest, settings, versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _store_pictures(path: Path, config: RunConfig, folder: Path) -> None:
    is_color = config.num_channels == 3
    reader = read_chunks(
        path, config.frame_rate_hz, WORKING_SIDE_PIXELS, color=is_color, chunk_seconds=CHUNK_SECONDS
    )
    tables: list[pd.DataFrame] = []
    methods: list[str] = []
    num_people = 0
    small_height_pixels = 0.0
    frame_shape = [0, 0]
    content = hashlib.sha256()
    with (folder / "pictures.bin").open("wb") as stream, (folder / "thumbs.bin").open("wb") as thumbs:
        for chunk in reader:
            grey = _as_grey(chunk.frames)
            frame_shape = list(grey.shape[1:])
            thumbs.write(_shrink(grey).tobytes())
            track = find_walker(grey, config.frame_rate_hz)
            shapes, silhouettes = measure_shapes(grey, track)
            track = _framed(track, grey.shape[1:]) if config.crop == "frame" else track
            pictures = chunk.frames[track.segments >= 0]
            if config.crop == "silhouette" and silhouettes is not None:
                pictures = _without_scene(pictures, silhouettes)
            crops = cut_crops(pictures, track.squares[track.segments >= 0], config.frame_size)
            table = _table(chunk.times_seconds, track, shapes, tables)
            stream.write(crops.tobytes())
            content.update(crops.tobytes())
            tables.append(table)
            methods.append(track.method)
            num_people = max(num_people, track.num_people)
            small_height_pixels = max(small_height_pixels, track.small_height_pixels)
    table = pd.concat(tables, ignore_index=True)
    np.save(folder / "track.npy", table.to_records(index=False))
    side = config.frame_size
    meta = {
        "num_pictures": int((table["segment"] >= 0).sum()),
        "pictures_digest": content.hexdigest(),
        "frame_shape": frame_shape,
        "picture_shape": [side, side, config.num_channels],
        "methods": sorted(set(methods)),
        "num_people": num_people,
        "small_height_pixels": small_height_pixels,
        "why_empty": _why_empty(methods, num_people),
        "frames_read": reader.report.frames_read,
        "corrupt_frames": reader.report.corrupt_frames,
        "duration_seconds": reader.report.duration_seconds,
        "comment": reader.report.comment,
        "notes": list(reader.report.notes),
    }
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _as_grey(frames: np.ndarray) -> np.ndarray:
    if frames.ndim == 3:
        return frames
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])


def _shrink(frames: np.ndarray) -> np.ndarray:
    size = (THUMB_PIXELS, THUMB_PIXELS)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def _framed(track: WalkerTrack, shape: tuple[int, ...]) -> WalkerTrack:
    """As published: every picture, whole. The track stays for the speed of the walker."""
    height, width = shape
    square = np.array([width / 2, height / 2, max(width, height)], np.float32)
    squares = np.tile(square, (len(track.squares), 1))
    return replace(track, squares=squares, segments=np.zeros(len(squares), np.int32))


def _table(
    times_seconds: np.ndarray, track: WalkerTrack, shapes: np.ndarray, before: list[pd.DataFrame]
) -> pd.DataFrame:
    """Return a chunk's rows of the track table."""
    walking = track.segments >= 0
    stored = sum(int((table["segment"] >= 0).sum()) for table in before)
    last_segment = max((int(table["segment"].max()) for table in before), default=-1)
    picture = np.where(walking, stored + np.cumsum(walking) - 1, -1)
    columns = {"time_seconds": times_seconds}
    columns |= dict(zip(("left", "top", "width", "height"), track.boxes.T, strict=True))
    columns |= dict(zip(("square_x", "square_y", "square_side"), track.squares.T, strict=True))
    columns |= {"speed_heights_per_s": track.speeds, "picture": picture}
    columns |= {"segment": np.where(walking, track.segments + last_segment + 1, -1)}
    columns |= {f"shape_{name}": values for name, values in zip(SHAPE_NAMES, shapes.T, strict=True)}
    return pd.DataFrame(columns)


def _without_scene(frames: np.ndarray, silhouettes: np.ndarray) -> np.ndarray:
    """Return the silhouettes of grey frames, or colour frames that are black around the walker."""
    if frames.ndim == 3:
        return silhouettes
    pairs = zip(frames, silhouettes, strict=True)
    return np.stack([(frame * (outline[..., None] / 255)).astype(np.uint8) for frame, outline in pairs])


def _why_empty(methods: list[str], num_people: int) -> str:
    if num_people:
        people = "a person is" if num_people == 1 else f"{num_people} people are"
        return f"{people} in the picture, but nobody walks in full view."
    if not methods:
        return "the video holds no picture."
    return "nobody was found: nothing that looks like a person moves in the picture."
