"""What many tests share, made once: a cache, synthetic walkers, a trained run, two reports."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import pandas as pd
import pytest
from commands import run_gaitlib

from gaitlib.config import RunConfig, make_config
from gaitlib.demo import SYNTHETIC_COMMENT, DemoOptions, make_demo

matplotlib.use("Agg")
# Before TensorFlow is loaded; processes started by tests inherit it.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# An outside setting would reach the notebooks' kernels.
os.environ.pop("MPLBACKEND", None)

# Names that would do harm in a page, a formula or a spreadsheet.
EVIL_WALKER = "=<img src=x onerror=alert({number})>$x$"
EVIL_EMOTION = "<b>$y$</b>"
EVIL_FILE = "text <script>alert(2)<script>.mp4"


# What Chromium is called on one system or another.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class FinishedRun:
    """A run of a command: its folder and what it printed."""

    folder: Path
    stdout: str
    stderr: str


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory) -> Path:
    """Keep the cache of the tests apart from the user's."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["GAITLIB_CACHE"] = str(folder)
    return folder


@pytest.fixture()
def fresh_cache(tmp_path, monkeypatch) -> Path:
    """Give one test an empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("GAITLIB_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def demo_folders(tmp_path_factory) -> tuple[Path, Path]:
    """Return folders of synthetic walkers: 4 for training, 2 for the test, one take each."""
    folder = tmp_path_factory.mktemp("demo")
    options = DemoOptions(clip_seconds=(2.6, 3.0), show_progress=False)
    make_demo(folder / "videos", folder / "videosTest", 4, seed=3, num_takes=1, options=options)
    return folder / "videos", folder / "videosTest"


@pytest.fixture(scope="session")
def tiny_config() -> RunConfig:
    """Return settings that make everything small and fast."""
    return make_config(
        num_frames=8, frame_size=32, epochs=3, max_clips_per_video=2, num_resamples=100, batch_size=8
    )


@pytest.fixture(scope="session")
def demo_report(tmp_path_factory) -> FinishedRun:
    """Make the report of synthetic walkers through the command line, as on a fresh checkout."""
    folder = tmp_path_factory.mktemp("demo_report")
    (folder / "videos").mkdir()
    return _report(folder, "demo_walkers=4", "epochs=2", "max_clips_per_video=2")


@pytest.fixture(scope="session")
def user_report(tmp_path_factory, demo_folders) -> FinishedRun:
    """Make the report of a user's videos: a manifest, evil names, broken files, no test folder."""
    folder = tmp_path_factory.mktemp("user_report")
    videos = folder / "videos"
    videos.mkdir()
    rows = []
    for path in sorted(path for part in demo_folders for path in part.glob("*/*.mp4")):
        walker = EVIL_WALKER.format(number=path.stem.split("_")[0])
        name = f"{walker} {path.parent.name}.mp4"
        # Another comment of the same length: these count as filmed videos.
        comment = SYNTHETIC_COMMENT.encode()
        (videos / name).write_bytes(path.read_bytes().replace(comment, b"x" * len(comment)))
        emotion = EVIL_EMOTION if path.parent.name == "neutral" else path.parent.name
        rows.append((name, emotion, walker))
    (videos / "empty.mp4").write_bytes(b"")
    (videos / EVIL_FILE).write_text("this is no video")
    rows += [("empty.mp4", "sad", "walker05"), (EVIL_FILE, "sad", "walker05")]
    table = pd.DataFrame(rows, columns=["video", "emotion", "walker"])
    table.to_csv(videos / "labels.csv", index=False)
    return _report(
        folder,
        *("epochs=1", "num_frames=10", "frame_size=32", "max_clips_per_video=2", "num_resamples=100"),
        "sweep_walkers=0",
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory, demo_folders) -> FinishedRun:
    """Train a tiny model through the command line."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    settings = ["epochs=2", "num_frames=8", "frame_size=32", "max_clips_per_video=2", "num_resamples=100"]
    process = run_gaitlib(
        *("train", "--videos", demo_folders[0], "--videos-test", demo_folders[1], "--out", folder),
        *(part for setting in settings for part in ("-p", setting)),
    )
    assert process.returncode == 0, process.stderr
    return FinishedRun(folder, process.stdout, process.stderr)


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Start the system's Chromium."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(
            f"no Chromium found (looked for {', '.join(BROWSERS)}); on Debian: apt-get install chromium"
        )
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture()
def demo_video(demo_folders, tmp_path) -> Path:
    """Return a copy of one synthetic video, to be changed at will."""
    return Path(shutil.copy(demo_folders[0] / "happy" / "walker01_1.mp4", tmp_path / "walk.mp4"))


def _report(folder: Path, *settings: str) -> FinishedRun:
    out = folder / "reports" / "run"
    process = run_gaitlib(
        *("report", "--videos", folder / "videos", "--videos-test", folder / "videosTest", "--out", out),
        *("--profile", "quick"),
        *(part for setting in settings for part in ("-p", setting)),
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return FinishedRun(out, process.stdout, process.stderr)
