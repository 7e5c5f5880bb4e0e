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
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import cv2
import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from gaitlib.config import InputError, RunConfig
from gaitlib.files import cache_dir, read_json, write_aside
from gaitlib.video import FrameChunk, file_digest, read_chunks
from gaitlib.walker import Background, WalkerTrack, cut_crops, find_walker

# Raise when the pictures would come out differently for the same file and settings.
FORMAT_VERSION = 3
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
        """One row a picture looked at: time, box, square, speed, segment and picture number."""
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
    def walks(self) -> list[tuple[int, int]]:
        """First picture and number of pictures of every unbroken walk."""
        stored = self.track.loc[self.track["segment"] >= 0]
        groups = stored.groupby("segment")["picture"]
        return [(int(first), int(count)) for first, count in zip(groups.min(), groups.size(), strict=True)]


def prepare_video(path: Path, config: RunConfig) -> PreparedVideo:
    """Decode one video and store the pictures of its walker, unless the cache holds them.

    Raises
    ------
    InputError
        If the video cannot be read. Where nobody walks in it, the entry is empty.
    """
    digest = file_digest(path)
    entry = PreparedVideo(cache_dir() / "pictures" / _key(digest, config), digest)
    if not entry.folder.exists():
        try:
            with write_aside(entry.folder) as aside:
                aside.mkdir()
                _store_pictures(path, config, aside)
        except OSError:
            # Another process was first with the same content; what it stored is the same.
            if not entry.folder.exists():
                raise
    return entry


def prepare_videos(
    paths: Sequence[Path], config: RunConfig, description: str = "Preparing videos"
) -> list[PreparedVideo | str]:
    """Prepare many videos in parallel, one worker a core.

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
    jobs = (joblib.delayed(_prepare_or_reason)(path, config) for path in paths)
    parallel = joblib.Parallel(n_jobs=-1, return_as="generator")
    return list(tqdm(parallel(jobs), description, total=len(paths), mininterval=1.0, unit="video"))


def window_starts(video: PreparedVideo, config: RunConfig) -> np.ndarray:
    """Return the first picture of each clip of a video, evenly thinned out to the cap.

    Returns
    -------
    ndarray of shape (num_clips,), int
        Empty where no walk is as long as a clip. No clip crosses from one walk to the next.
    """
    starts = [
        start
        for first, count in video.walks
        for start in range(first, first + count - config.num_frames + 1, config.clip_stride)
    ]
    if len(starts) > config.max_clips_per_video:
        chosen = np.linspace(0, len(starts) - 1, config.max_clips_per_video).round().astype(int)
        starts = [starts[place] for place in chosen]
    return np.array(starts, int)


def walks_left(video: PreparedVideo, starts: np.ndarray, num_frames: int) -> np.ndarray:
    """Say for each clip whether the walker goes left in it, shape (num_clips,), bool.

    Somebody who comes towards the camera goes neither way.
    """
    stored = video.track[video.track["segment"] >= 0]
    right, side = stored["square_x"].to_numpy(), stored["square_side"].to_numpy()
    return (right[starts + num_frames - 1] - right[starts]) / side[starts] < -MIN_SIDE_STEP


def _prepare_or_reason(path: Path, config: RunConfig) -> PreparedVideo | str:
    # One core a video: OpenCV's own threads would fight with the other workers.
    cv2.setNumThreads(1)
    try:
        video = prepare_video(path, config)
    except InputError as error:
        return str(error)
    return why_no_clips(path.name, video, config) or video


def why_no_clips(name: str, video: PreparedVideo, config: RunConfig) -> str:
    """Return the sentence that says why a video gives no clip, empty if it gives some."""
    if len(window_starts(video, config)):
        return ""
    if not video.meta["num_pictures"]:
        return f"{name}: {video.meta['why_empty']}"
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
    content = hashlib.sha256()
    with (folder / "pictures.bin").open("wb") as stream, (folder / "thumbs.bin").open("wb") as thumbs:
        for chunk in reader:
            grey = _as_grey(chunk.frames)
            thumbs.write(_shrink(grey).tobytes())
            track = _follow(grey, config)
            table, crops = _cut_chunk(chunk, track, config, tables)
            stream.write(crops.tobytes())
            content.update(crops.tobytes())
            tables.append(table)
            methods.append(track.method)
            num_people = max(num_people, track.num_people)
    table = pd.concat(tables, ignore_index=True)
    np.save(folder / "track.npy", table.to_records(index=False))
    side = config.frame_size
    meta = {
        "num_pictures": int((table["segment"] >= 0).sum()),
        "pictures_digest": content.hexdigest(),
        "picture_shape": [side, side, config.num_channels],
        "methods": sorted(set(methods)),
        "num_people": num_people,
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


def _follow(frames: np.ndarray, config: RunConfig) -> WalkerTrack:
    track = find_walker(frames, config.frame_rate_hz)
    if config.crop != "frame":
        return track
    # As published: every picture, whole. The track stays for the speed of the walker.
    height, width = frames.shape[1:]
    square = np.array([width / 2, height / 2, max(width, height)], np.float32)
    squares = np.tile(square, (len(frames), 1))
    segments = np.zeros(len(frames), np.int32)
    return replace(track, squares=squares, segments=segments)


def _cut_chunk(
    chunk: FrameChunk, track: WalkerTrack, config: RunConfig, before: list[pd.DataFrame]
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the chunk's rows of the track table and its pictures of the walker."""
    walking = track.segments >= 0
    frames = chunk.frames[walking]
    if config.crop == "silhouette" and track.background is not None:
        pairs = zip(frames, track.boxes[walking], strict=True)
        frames = np.stack([_without_scene(frame, track.background, box) for frame, box in pairs])
    crops = cut_crops(frames, track.squares[walking], config.frame_size)
    stored = sum(int((table["segment"] >= 0).sum()) for table in before)
    last_segment = max((int(table["segment"].max()) for table in before), default=-1)
    picture = np.where(walking, stored + np.cumsum(walking) - 1, -1)
    columns = {"time_seconds": chunk.times_seconds}
    columns |= dict(zip(("left", "top", "width", "height"), track.boxes.T, strict=True))
    columns |= dict(zip(("square_x", "square_y", "square_side"), track.squares.T, strict=True))
    columns |= {"speed_heights_per_s": track.speeds, "picture": picture}
    columns |= {"segment": np.where(walking, track.segments + last_segment + 1, -1)}
    return pd.DataFrame(columns), crops


def _without_scene(frame: np.ndarray, background: Background, box: np.ndarray) -> np.ndarray:
    """Return the silhouette of a grey frame, or a colour frame that is black around the walker."""
    if frame.ndim == 2:
        return background.silhouette(frame, box)
    silhouette = background.silhouette(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), box)
    return (frame * (silhouette[..., None] / 255)).astype(np.uint8)


def _why_empty(methods: list[str], num_people: int) -> str:
    if num_people:
        people = "a person is" if num_people == 1 else f"{num_people} people are"
        return f"{people} in the picture, but nobody walks in full view."
    if not methods:
        return "the video holds no picture."
    return "nobody was found: nothing that looks like a person moves in the picture."
