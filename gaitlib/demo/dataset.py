"""Files: folders of synthetic walking videos, with the truth about each of them.

The videos show nobody: every walker is drawn by this package, and each file's metadata says so.
"""

import dataclasses
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import cv2
import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from gaitlib.demo.folders import DemoError, build_aside, check_free
from gaitlib.demo.parameters import DEFAULT_ALPHA, EMOTIONS, WalkParameters
from gaitlib.demo.rendering import iterate_frames
from gaitlib.demo.scene import HEIGHT_PX, WIDTH_PX, SceneParameters
from gaitlib.demo.truth import CLIP_SECONDS, TRUTH_NAME, sample_truth

# Raise when the same seed draws other videos: drawn ones are kept and used again.
DEMO_VERSION = 1
SYNTHETIC_COMMENT = "Synthetic walker made by gaitlib demo"
ENCODER_OPTIONS = {"preset": "superfast", "crf": "22", "threads": "1", "tune": "fastdecode"}


@dataclasses.dataclass(frozen=True)
class DemoSummary:
    """What `make_demo` wrote.

    Parameters
    ----------
    num_videos, num_test_videos : int
        Videos for training and for the test.
    num_walkers, num_test_walkers : int
        Synthetic people in each; nobody is in both.
    """

    num_videos: int
    num_test_videos: int
    num_walkers: int
    num_test_walkers: int


@dataclasses.dataclass(frozen=True)
class DemoOptions:
    """Options of `make_demo` that seldom change.

    Parameters
    ----------
    alpha : float
        Share of the acted emotion; 1 is acting, about 0.25 a felt emotion.
    clip_seconds : tuple of two floats
        Shortest and longest clip.
    num_jobs : int
        Parallel workers, -1 for one a core.
    show_progress : bool
        Show a progress bar.
    """

    alpha: float = DEFAULT_ALPHA
    clip_seconds: tuple[float, float] = CLIP_SECONDS
    num_jobs: int = -1
    show_progress: bool = True


def write_video(row: Mapping, path: Path) -> None:
    """Render and encode one synthetic video as H.264.

    Parameters
    ----------
    row : mapping of str to value
        A row of the truth table.
    path : Path
        The file to write; its folder exists.
    """
    scene = SceneParameters.from_row(row)
    frames = iterate_frames(WalkParameters.from_row(row), scene)
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = SYNTHETIC_COMMENT
        stream = container.add_stream("libx264", rate=scene.frame_rate_hz, options=ENCODER_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, scene.frame_rate_hz)
        for frame_number, frame in enumerate(frames):
            planes = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)
            picture = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
            picture.pts = frame_number
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _write_alone(row: Mapping, folder: Path) -> None:
    """Write one video on a single core, so that parallel videos don't fight for cores."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        write_video(row, folder / row["video"])
    finally:
        cv2.setNumThreads(threads)


def _write_all(truths: Mapping[Path, pd.DataFrame], options: DemoOptions) -> None:
    """Write the videos and the truth tables of all folders, in parallel over videos."""
    tasks = []
    for folder, truth in truths.items():
        for emotion in EMOTIONS:
            (folder / emotion).mkdir()
        tasks += [(row, folder) for row in truth.to_dict("records")]
        truth.to_csv(folder / TRUTH_NAME, index=False, lineterminator="\n")
    parallel = joblib.Parallel(n_jobs=options.num_jobs, return_as="generator_unordered")
    done = parallel(joblib.delayed(_write_alone)(row, folder) for row, folder in tasks)
    quiet = not options.show_progress
    for _ in tqdm(done, "Synthetic walkers", len(tasks), disable=quiet, unit="video"):
        pass


def _check_numbers(num_walkers: int, seed: int, num_takes: int, options: DemoOptions) -> None:
    """Raise `DemoError` for numbers that make no set of videos."""
    if num_walkers < 1 or num_takes < 1 or seed < 0:
        raise DemoError(
            f"{num_walkers} walkers, {num_takes} takes, seed {seed} make no synthetic walkers; "
            "give at least 1, 1 and 0."
        )
    shortest, longest = options.clip_seconds
    if not 0.2 <= shortest <= longest:
        raise DemoError(
            f"Clips of {shortest} to {longest} s cannot be made; give at least 0.2 s, "
            "and the shorter length first."
        )


def make_demo(
    videos_dir: Path | str,
    videos_test_dir: Path | str,
    num_walkers: int = 24,
    seed: int = 0,
    num_takes: int = 2,
    options: DemoOptions | None = None,
) -> DemoSummary:
    """Write synthetic walkers for training and, other people, for the test.

    Each of `num_walkers` training walkers, and of a third as many test walkers but at least two,
    walks in four emotions. Both folders are built aside and renamed when complete. The same seed
    gives the same bytes, however many workers share the work.

    Parameters
    ----------
    videos_dir, videos_test_dir : path-like
        Folders to write; absent, or without anything but ``README.md`` and ``.gitkeep``.
    num_walkers : int, default 24
        Training walkers.
    seed : int, default 0
        Seed of everything.
    num_takes : int, default 2
        Videos per walker and emotion.
    options : DemoOptions, optional
        What seldom changes.

    Returns
    -------
    DemoSummary

    Raises
    ------
    DemoError
        If a number makes no sense, or a folder is not free or cannot be written.

    Examples
    --------
    >>> make_demo("videos", "videosTest", num_walkers=3)  # doctest: +SKIP
    DemoSummary(num_videos=24, num_test_videos=16, num_walkers=3, num_test_walkers=2)
    """
    options = options or DemoOptions()
    _check_numbers(num_walkers, seed, num_takes, options)
    folders = [Path(videos_dir).resolve(), Path(videos_test_dir).resolve()]
    num_test_walkers = max(2, round(num_walkers / 3))
    last = num_walkers + num_test_walkers
    truths = [
        sample_truth(walkers, num_takes, options.alpha, options.clip_seconds, seed)
        for walkers in (range(1, num_walkers + 1), range(num_walkers + 1, last + 1))
    ]
    try:
        check_free(folders)
        with build_aside(folders) as asides:
            _write_all(dict(zip(asides, truths, strict=True)), options)
    except OSError as error:
        raise DemoError(f"The synthetic walkers could not be written: {error}.") from error
    return DemoSummary(len(truths[0]), len(truths[1]), num_walkers, num_test_walkers)
