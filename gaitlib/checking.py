"""Look at the set-up before the work: what is installed, what the folders hold, what to mend."""

import os
import platform
import shutil
import sys
from pathlib import Path

from gaitlib.config import InputError
from gaitlib.files import cache_dir
from gaitlib.labels import find_videos, list_videos
from gaitlib.provenance import versions

# What a standard run writes: cached pictures, two model files and the pages, with room to spare.
_NEEDED_GIB = 2


def check_setup(videos_dir: Path, videos_test_dir: Path) -> tuple[list[str], bool]:
    """Describe versions, device, folders and the videos in them.

    Parameters
    ----------
    videos_dir, videos_test_dir : Path

    Returns
    -------
    tuple of list of str and bool
        Lines to print, and whether a report can be made.
    """
    lines = [f"{name} {number}" for name, number in versions().items()]
    lines.append(f"Machine: {platform.system()} {platform.machine()}, {os.cpu_count()} cores, {_device()}")
    problems = _python_problems() + _space_problems()
    lines.append(f"Cache: {cache_dir()} (GAITLIB_CACHE moves it, deleting it is safe)")
    for folder, is_training in ((videos_dir, True), (videos_test_dir, False)):
        text, problem = _describe_folder(folder, is_training)
        lines.append(text)
        problems += problem
    lines += [f"To mend: {problem}" for problem in problems]
    lines.append("Ready: `gaitlib report` can run." if not problems else "Not ready.")
    return lines, not problems


def _device() -> str:
    from gaitlib.backend import list_gpus

    gpus = list_gpus()
    return f"{len(gpus)} GPU" if gpus else "no GPU (none is needed)"


def _python_problems() -> list[str]:
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return []
    return [f"Python {platform.python_version()} is not supported: use 3.11, 3.12 or 3.13."]


def _space_problems() -> list[str]:
    folder = cache_dir()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return [f"{folder} cannot be written to: set GAITLIB_CACHE to a folder of yours."]
    free_gib = shutil.disk_usage(folder).free / 2**30
    if free_gib < _NEEDED_GIB:
        return [f"only {free_gib:.1f} GiB are free at {folder}: free {_NEEDED_GIB} GiB or set GAITLIB_CACHE."]
    return []


def _describe_folder(folder: Path, is_training: bool) -> tuple[str, list[str]]:
    """Return what a videos folder holds in one line, and what to mend."""
    if not folder.is_dir():
        problem = [f"{folder} is missing: create it, or name another with --videos."] if is_training else []
        return f"{folder}: not there", problem
    if not list_videos(folder):
        use = (
            "synthetic walkers will be drawn"
            if is_training
            else "walkers of the training videos will be held out"
        )
        return f"{folder}: no video, {use}", []
    try:
        found = find_videos(folder)
    except InputError as error:
        return f"{folder}: not usable", [str(error)]
    if found.source == "none":
        problem = [f"{folder} has videos without labels: one folder an emotion, or a labels.csv."]
        return (
            f"{folder}: {len(found.videos)} videos without labels",
            problem if is_training else [],
        )
    counts = ", ".join(f"{name} {count}" for name, count in found.videos["emotion"].value_counts().items())
    return (
        f"{folder}: {len(found.videos)} videos of {found.videos['walker'].nunique()} walkers ({counts}), "
        f"{len(found.skipped)} other files not used",
        [],
    )
