"""Folders of synthetic walking videos, with the truth about each of them; each file's metadata says so."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from gaitlib.demo.parameters import EMOTIONS, WalkParameters
from gaitlib.demo.rendering import WalkPainter
from gaitlib.demo.scene import HEIGHT_PX, WIDTH_PX, SceneParameters
from gaitlib.demo.truth import CLIP_SECONDS, TRUTH_NAME, sample_truth
from gaitlib.errors import InputError
from gaitlib.files import make_folder, temporary_folder

# Raise when the same seed draws other videos: drawn ones are kept and used again.
DEMO_VERSION = 2
SYNTHETIC_COMMENT = "Synthetic walker made by gaitlib demo"
_ENCODER_OPTIONS = {"preset": "superfast", "crf": "22", "threads": "1", "tune": "fastdecode"}
_KEPT_NAMES = ("README.md", ".gitkeep")


@dataclass(frozen=True)
class DemoSummary:
    """How many videos and walkers `make_demo` wrote for training and for the test."""

    num_videos: int
    num_test_videos: int
    num_walkers: int
    num_test_walkers: int


def make_demo(
    videos_dir: Path | str,
    videos_test_dir: Path | str,
    num_walkers: int = 10,
    seed: int = 0,
    num_takes: int = 2,
    clip_seconds: tuple[float, float] = CLIP_SECONDS,
) -> DemoSummary:
    """Write synthetic walkers for training and, other people, for the test; a seed gives the same files.

    The folders are absent, or hold nothing but ``README.md`` and ``.gitkeep``. Each of `num_walkers` training
    walkers, and of half as many test walkers but at least two, walks `num_takes` times in each of four
    emotions; the shortest and the longest video last `clip_seconds`.
    Raises `InputError` if a number makes no sense or a folder is not free, `StorageError` if it cannot be
    written.
    """
    if num_walkers < 1 or num_takes < 1 or seed < 0 or not 0.2 <= clip_seconds[0] <= clip_seconds[1]:
        raise InputError(
            f"{num_walkers} walkers, {num_takes} takes, seed {seed} and videos of {clip_seconds} s make no "
            "synthetic walkers: give at least 1, 1, 0 and 0.2 s, the shorter length first."
        )
    folders = [Path(videos_dir).resolve(), Path(videos_test_dir).resolve()]
    _check_free(folders)
    first_test, num_test = num_walkers + 1, max(2, round(num_walkers / 2))
    groups = range(1, first_test), range(first_test, first_test + num_test)
    truths = [sample_truth(walkers, num_takes, seconds=clip_seconds, seed=seed) for walkers in groups]
    for folder, truth in zip(folders, truths, strict=True):
        _write_folder(folder, truth)
    return DemoSummary(len(truths[0]), len(truths[1]), num_walkers, num_test)


def write_video(row: Mapping, path: Path) -> None:
    """Render and encode one synthetic video as H.264 from a row of the truth table."""
    cv2.setNumThreads(1)  # videos are written in parallel, one a core
    scene = SceneParameters.from_row(row)
    painter = WalkPainter(WalkParameters.from_row(row), scene)
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = SYNTHETIC_COMMENT
        stream = container.add_stream("libx264", rate=scene.frame_rate_hz, options=_ENCODER_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, scene.frame_rate_hz)
        for number in range(scene.num_frames):
            planes = cv2.cvtColor(painter.paint(number), cv2.COLOR_RGB2YUV_I420)
            frame = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _write_folder(folder: Path, truth: pd.DataFrame) -> None:
    """Write the videos aside, in parallel, then move them into place with the truth table last."""
    make_folder(folder)
    with temporary_folder(folder, "demo") as aside:
        for emotion in EMOTIONS:
            (aside / emotion).mkdir()
        rows = truth.to_dict("records")
        tasks = (joblib.delayed(write_video)(row, aside / row["video"]) for row in rows)
        done = joblib.Parallel(n_jobs=-1, return_as="generator_unordered")(tasks)
        for _ in tqdm(done, "Drawing synthetic walkers", len(rows), unit="video", mininterval=1.0):
            pass
        truth.to_csv(aside / TRUTH_NAME, index=False, lineterminator="\n")
        for name in (*EMOTIONS, TRUTH_NAME):
            os.replace(aside / name, folder / name)


def _check_free(folders: Sequence[Path]) -> None:
    for folder in folders:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file: give a folder for the synthetic walkers.")
        names = sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []
        held = next((name for name in names if name not in _KEPT_NAMES), None)
        if held:
            raise InputError(
                f"{folder} already holds {held}: empty it or give another for the synthetic walkers."
            )
        if sum(other == folder or folder in other.parents for other in folders) > 1:
            raise InputError(
                f"{folder} cannot hold both sets of walkers: give two folders that lie beside each other."
            )
