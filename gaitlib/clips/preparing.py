"""Each video is decoded once; what is needed of it lies in the cache, one folder a video.

The key is made of the file's content and of the settings that shape what is stored: how long clips are and
how far apart costs nothing to change. A refusal is stored too.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2

from gaitlib.clips.following import follow_walker
from gaitlib.clips.prepared import PreparedVideo, checksums
from gaitlib.config import RunConfig
from gaitlib.errors import InputError
from gaitlib.files import cache_dir, file_digest, hold_lock, make_folder, show_name, write_aside
from gaitlib.walker import weights_problem

# Raise when entries would come out differently for the same file and settings.
FORMAT_VERSION = 3


def prepare_video(path: Path, config: RunConfig) -> PreparedVideo:
    """Decode one video, follow its walker and store both, unless the cache holds them.

    Parameters
    ----------
    path : Path
    config : RunConfig
        With `body` and `crop` decided.

    Returns
    -------
    PreparedVideo
        Without bouts where nobody walks; ``meta["why_empty"]`` says why.

    Raises
    ------
    InputError
        If the video cannot be read.
    """
    video, name = _entry(path, config), show_name(path.name)
    if not video.is_whole():
        if config.body == "keypoints" and weights_problem():
            raise InputError(weights_problem())
        make_folder(video.folder.parent)
        with hold_lock(video.folder, f"Another process reads {name}: waiting for it.", wait=True):
            video = PreparedVideo(video.folder, video.digest)
            if not video.is_whole():
                _make_entry(path, config, video.folder)
        video = PreparedVideo(video.folder, video.digest)
    if video.meta["refusal"]:
        raise InputError(f"{name}: {video.meta['refusal']}")
    return video


def prepare_videos(
    paths: Sequence[Path],
    config: RunConfig,
    description: str = "Preparing videos",
    run_many: Callable[..., Iterable[Any]] | None = None,
) -> list[PreparedVideo | str]:
    """Prepare many videos in parallel, one thread each; a single one gets all cores.

    Parameters
    ----------
    paths : sequence of Path
    config : RunConfig
    description : str
        Shown beside the progress bar.
    run_many : callable, optional
        ``run_many(function, items, description=...)`` yields results in order; by default on the cores here.

    Returns
    -------
    list of PreparedVideo or str
        In the order of `paths`; a text says why a video cannot be used, without its name.
    """
    results = [_recall(path, config) for path in paths]
    missing = [number for number, result in enumerate(results) if result is None]
    if missing:
        prepare = partial(_prepare_or_reason, config=config, is_alone=len(missing) == 1)
        items = [paths[number] for number in missing]
        made = iter((run_many or _run_here)(prepare, items, description=description))
        results = [next(made) if result is None else result for result in results]
    return [result for result in results if result is not None]


def recognises_person(path: Path, config: RunConfig) -> bool | None:
    """Tell whether keypoints of a person were found in a prepared video; None: it could not be read."""
    video = _entry(path, config)
    return video.meta.get("is_recognised") if video.is_whole() else None


def _run_here(function: Callable, items: Sequence[Any], description: str) -> Iterator[Any]:
    import joblib
    from tqdm import tqdm

    parallel = joblib.Parallel(min(joblib.cpu_count(), len(items)), return_as="generator")
    results = parallel(joblib.delayed(function)(item) for item in items)
    return iter(tqdm(results, description, len(items), mininterval=1.0, unit="video"))


def _recall(path: Path, config: RunConfig) -> PreparedVideo | str | None:
    """Return what the cache holds of a video, None if nothing."""
    try:
        return _prepare_or_reason(path, config) if _entry(path, config).is_whole() else None
    except InputError as error:
        return _without_name(error, path)


def _prepare_or_reason(path: Path, config: RunConfig, is_alone: bool = True) -> PreparedVideo | str:
    if not is_alone:
        cv2.setNumThreads(1)  # OpenCV's own threads would fight with the other workers
    try:
        video = prepare_video(path, config)
    except InputError as error:
        return _without_name(error, path)
    return video if video.bouts else video.meta["why_empty"]


def _without_name(error: InputError, path: Path) -> str:
    text = str(error)
    for name in (show_name(path), show_name(path.name)):
        text = text.removeprefix(name).lstrip(": ")
    return text


def _entry(path: Path, config: RunConfig) -> PreparedVideo:
    """Return the cache entry of a file, be it there or not."""
    try:
        digest = file_digest(path) if path.is_file() else ""
    except OSError as error:
        raise InputError(f"{show_name(path.name)}: it cannot be read ({error.strerror}).") from None
    if not digest:
        raise InputError(f"{show_name(path.name)}: there is no such file.")
    shape = [] if config.crop == "skeleton" else [config.frame_size, config.num_channels]
    settings = [config.body, config.crop, config.frame_rate_hz, *shape]
    text = json.dumps([digest, settings, FORMAT_VERSION, av.__version__, cv2.__version__])
    return PreparedVideo(cache_dir() / "videos" / hashlib.sha256(text.encode()).hexdigest()[:32], digest)


def _make_entry(path: Path, config: RunConfig, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with write_aside(folder) as aside:
            aside.mkdir()
            try:
                meta = follow_walker(path, config, aside)
            except InputError as error:
                meta = {"refusal": _without_name(error, path), "bouts": []}
            meta["files"] = checksums(aside)
            (aside / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    except (ValueError, TypeError, LookupError, ArithmeticError, cv2.error) as error:
        # A frame of one pixel and the like: whatever it is, one video must not end a run.
        cause = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise InputError(f"{show_name(path.name)}: the walker cannot be followed ({cause}).") from error
