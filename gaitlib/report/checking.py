"""Look at the set-up before the work: what is installed, what the folders hold, what to mend."""

import os
import platform
import shutil
import sys
from pathlib import Path

from gaitlib.config import make_config
from gaitlib.data import describe_skipped, find_data
from gaitlib.errors import InputError
from gaitlib.evaluation import versions
from gaitlib.files import cache_dir
from gaitlib.labels import list_videos
from gaitlib.models import list_gpus
from gaitlib.report.sentences import listed
from gaitlib.walker.weights import weights_dir, weights_problem

# What a standard run writes: prepared videos, models and pages, with room to spare.
_NEEDED_GIB = 2


def check_setup(videos: Path, videos_test: Path, labels: Path | None) -> tuple[list[str], bool]:
    """Describe versions, device, weights, folders and the videos in them.

    Returns
    -------
    tuple of list of str and bool
        Lines to print, and whether a report can be made.
    """
    lines = [f"{name} {number}" for name, number in versions().items()]
    gpus = len(list_gpus())
    device = f"{gpus} GPU" if gpus else "no GPU (none is needed)"
    lines.append(f"Machine: {platform.system()} {platform.machine()}, {os.cpu_count()} cores, {device}")
    lines.append(f"Cache: {cache_dir()} (GAITLIB_CACHE moves it, deleting it is safe)")
    problem = weights_problem()
    lines.append(f"Warning: {problem}" if problem else f"Body model: {weights_dir()}")
    found, problems = _describe_videos(videos, videos_test, labels)
    problems = _machine_problems() + problems
    lines += found + [f"To mend: {problem}" for problem in problems]
    lines.append("Not ready." if problems else "Ready: gaitlib report can run.")
    return lines, not problems


def _machine_problems() -> list[str]:
    problems, folder = [], cache_dir()
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        problems.append(f"Python {platform.python_version()} is not supported: use 3.11, 3.12 or 3.13.")
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return [*problems, f"{folder} cannot be written to: set GAITLIB_CACHE to a folder of yours."]
    free = shutil.disk_usage(folder).free / 2**30
    if free < _NEEDED_GIB:
        problems.append(f"only {free:.1f} GiB are free at {folder}: free {_NEEDED_GIB} or set GAITLIB_CACHE.")
    return problems


def _describe_videos(videos: Path, videos_test: Path, labels: Path | None) -> tuple[list[str], list[str]]:
    """Return what the folders hold, with the warnings that a training would print, and what to mend."""
    if not videos.is_dir():
        return [], [f"{videos} is missing: create it, or name another with --videos."]
    if not list_videos(videos) and labels is None:
        return [f"{videos}: no video, so that synthetic walkers will be drawn"], []
    try:
        found = find_data(videos, videos_test, make_config(), labels)
    except InputError as error:
        return [], [str(error)]
    lines = []
    for split, rows in found.videos.groupby("split", sort=False):
        counts = listed([f"{count} {name}" for name, count in rows["emotion"].value_counts().items()])
        lines.append(f"{split}: {len(rows)} videos of {rows['walker'].nunique()} walkers ({counts})")
    lines += describe_skipped(found.skipped)
    return lines + [f"Warning: {warning}" for warning in found.warnings], []
