"""From videos to cached pictures of the walker, and from those to clips.

Each video is decoded once. What is kept of it (the square around the walker in every picture in which
somebody walks, and the track) lies in the cache under a key made of the file's content, the settings
that shape the pictures, and the versions of what decodes and cuts them. Clips are windows into these
pictures: how long they are and how far apart costs nothing to change.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import av
import cv2
import joblib
import numpy as np
from tqdm import tqdm

from gaitlib.cluster import run_on_workers
from gaitlib.config import InputError, RunConfig
from gaitlib.cutting import store_pictures
from gaitlib.digests import note_path, recall_digest, remembered_digest, write_note
from gaitlib.entries import is_whole, remove_spoilt, seal
from gaitlib.files import cache_dir, write_aside
from gaitlib.loops import distinct_starts, repeated_rows, why_looped
from gaitlib.motion import motion_grid
from gaitlib.names import show_name
from gaitlib.prepared import PreparedVideo
from gaitlib.walker.lifeless import why_lifeless

# Raise when the pictures would come out differently for the same file and settings.
FORMAT_VERSION = 10
# Settings that shape the stored pictures; the others only choose among them.
PICTURE_SETTINGS = ("frame_rate_hz", "frame_size", "num_channels", "crop")
# Share of the square's side by which a walker must move within a clip to go left or right.
MIN_SIDE_STEP = 0.1


def prepare_video(
    path: Path, config: RunConfig, cache: Path | None = None, num_threads: int = 0
) -> PreparedVideo:
    """Decode one video and store the pictures of its walker, unless the cache holds them.

    Parameters
    ----------
    path : Path
    config : RunConfig
    cache : Path, optional
        The cache to use, where it is not this machine's own.
    num_threads : int
        Threads that decode; 0: as many as there are cores.

    Raises
    ------
    InputError
        If the video cannot be read. Where nobody walks in it, the entry is empty.
    """
    cache = cache or cache_dir()
    digest = remembered_digest(path, cache)
    entry = _entry(digest, config, cache)
    if not is_whole(entry.folder):
        remove_spoilt(entry.folder)
        try:
            with write_aside(entry.folder) as aside:
                aside.mkdir()
                store_pictures(path, config, aside, num_threads)
                stored = PreparedVideo(aside, digest)
                np.save(aside / "repeats.npy", repeated_rows(stored))
                np.save(aside / "motion.npy", motion_grid(stored))
                seal(aside)
        except (ValueError, TypeError, LookupError, ArithmeticError, cv2.error) as error:
            # A picture of one pixel and the like: whatever it is, one video must not end a run.
            cause = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise InputError(f"{show_name(path.name)} cannot be followed ({cause}).") from error
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
    cache = cache_dir()
    videos = [_recall(path, config, cache) for path in paths]
    missing = [number for number, video in enumerate(videos) if video is None]
    num_cores = joblib.cpu_count()
    # One core a video; a single one gets them all.
    num_threads = 1 if config.scheduler else max(1, num_cores // max(1, len(missing)))
    prepare = partial(_prepare_or_reason, config=config, cache=cache, num_threads=num_threads)
    notes = {number: note_path(paths[number], cache) for number in missing}
    if config.scheduler and missing:
        results = run_on_workers(prepare, [paths[number] for number in missing], config.scheduler, cache)
    else:
        # Workers take seconds to start: none do if there is nothing to do, or one video only.
        parallel = joblib.Parallel(n_jobs=max(1, min(num_cores, len(missing))), return_as="generator")
        results = parallel(joblib.delayed(prepare)(paths[number]) for number in missing)
    bar = tqdm(results, description, total=len(missing), mininterval=1.0, unit="video", disable=not missing)
    for number, (digest, video) in zip(missing, bar, strict=True):
        videos[number] = video
        # A worker elsewhere knows the file by other numbers of its file system than this machine.
        write_note(notes[number], digest, paths[number], cache)
    return [video for video in videos if video is not None]


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
    stored = video.rows[video.rows["segment"] >= 0]
    right, side = stored["square_x"], stored["square_side"]
    return (right[starts + num_frames - 1] - right[starts]) / side[starts] < -MIN_SIDE_STEP


def _prepare_or_reason(
    path: Path, config: RunConfig, cache: Path, num_threads: int
) -> tuple[str, PreparedVideo | str]:
    """Return the file's digest, empty if there is none, and its pictures or why they are of no use."""
    # OpenCV's own threads would fight with the other workers.
    cv2.setNumThreads(1)
    try:
        video = prepare_video(path, config, cache, num_threads)
    except InputError as error:
        return "", str(error)
    return video.digest, why_no_clips(path.name, video, config) or video


def _recall(path: Path, config: RunConfig, cache: Path) -> PreparedVideo | str | None:
    """Return what `prepare_video` would, or why there are no clips; None if the cache does not hold it."""
    digest = recall_digest(path, cache)
    entry = None if digest is None else _entry(digest, config, cache)
    if entry is None or not is_whole(entry.folder):
        return None
    return why_no_clips(path.name, entry, config) or entry


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


def _entry(digest: str, config: RunConfig, cache: Path) -> PreparedVideo:
    """Return the cache entry of a file, be it there or not."""
    settings = {name: getattr(config, name) for name in PICTURE_SETTINGS}
    versions = [FORMAT_VERSION, av.__version__, cv2.__version__]
    text = json.dumps([digest, settings, versions], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    return PreparedVideo(cache / "pictures" / key, digest)
