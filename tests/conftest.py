"""What many tests share, made once for all workers: a cache, synthetic walkers, a trained run, a report."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import pytest
from commands import run_gaitlib
from filelock import FileLock

from gaitlib.config import RunConfig, make_config
from gaitlib.demo import DEMO_VERSION, make_demo
from gaitlib.files import read_json, write_json

matplotlib.use("Agg")
# Before TensorFlow is loaded; processes started by tests inherit it.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# An outside setting would reach the notebooks' kernels.
os.environ.pop("MPLBACKEND", None)

TINY = {"num_frames": 8, "frame_size": 32, "epochs": 2, "max_clips_per_video": 2, "num_resamples": 100}
# What Chromium is called on one system or another.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest: no worker waits for it at the end."""
    items.sort(key=lambda item: item.path.stem != "test_training")


@dataclass(frozen=True)
class FinishedRun:
    """A run of a command: its folder and what it printed."""

    folder: Path
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory) -> Path:
    """Return a folder that all workers of this session share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def session_cache(shared_folder) -> Path:
    """Keep the cache of the tests apart from the user's."""
    folder = shared_folder / "cache"
    os.environ["GAITLIB_CACHE"] = str(folder)
    return folder


@pytest.fixture()
def fresh_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GAITLIB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def once(shared_folder) -> Callable[[str, Callable[[Path], object]], tuple[Path, object]]:
    """Return a function that makes a folder once for all workers; what `make` returns is kept as JSON."""

    def make_once(name: str, make: Callable[[Path], object]) -> tuple[Path, object]:
        folder, note = shared_folder / name, shared_folder / f"{name}.json"
        with FileLock(shared_folder / f"{name}.lock"):
            if not note.exists():
                shutil.rmtree(folder, ignore_errors=True)  # what a failed try has left
                folder.mkdir()
                write_json(note, make(folder))
        return folder, read_json(note)

    return make_once


@pytest.fixture(scope="session")
def demo_folders(once) -> tuple[Path, Path]:
    """Return folders of synthetic walkers: 4 for training, 2 for the test, one take each."""

    def make(folder: Path) -> None:
        make_demo(folder / "videos", folder / "videosTest", 4, seed=3, num_takes=1, clip_seconds=(2.6, 2.8))

    folder, _ = once("demo", make)
    return folder / "videos", folder / "videosTest"


@pytest.fixture()
def demo_video(demo_folders, tmp_path) -> Path:
    return Path(shutil.copy(demo_folders[0] / "happy" / "walker01_1.mp4", tmp_path / "walk.mp4"))


@pytest.fixture(scope="session")
def tiny_config() -> RunConfig:
    return make_config(**TINY)


@pytest.fixture(scope="session")
def trained(once, demo_folders) -> FinishedRun:

    def make(folder: Path) -> dict[str, str]:
        return run_ok("train", *videos_of(demo_folders), "--out", folder / "run", *options(**TINY))

    folder, printed = once("trained", make)
    return FinishedRun(folder / "run", **printed)


@pytest.fixture(scope="session")
def demo_report(once, demo_folders, session_cache) -> FinishedRun:
    """Make the report of synthetic walkers, who are drawn already, through the command line."""

    def make(folder: Path) -> dict[str, str]:
        (folder / "videos").mkdir()
        drawn = session_cache / "demo" / f"v{DEMO_VERSION}_walkers4_seed0"
        shutil.copytree(demo_folders[0].parent, drawn)
        return run_ok(
            "report",
            *videos_of((folder / "videos", folder / "videosTest")),
            *("--out", folder / "reports" / "run"),
            *options(**TINY | {"demo_walkers": 4, "num_frames": 12}),
        )

    folder, printed = once("demo_report", make)
    return FinishedRun(folder / "reports" / "run", **printed)


def videos_of(folders: tuple[Path, Path]) -> tuple[object, ...]:
    return "--videos", folders[0], "--videos-test", folders[1]


def options(**settings: object) -> list[str]:
    return [part for name, value in settings.items() for part in ("-p", f"{name}={value}")]


def run_ok(*arguments: object) -> dict[str, str]:
    process = run_gaitlib(*arguments)
    assert process.returncode == 0, process.stderr
    return {"stdout": process.stdout, "stderr": process.stderr}


@pytest.fixture(scope="session")
def browser() -> Iterator:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no Chromium (looked for {', '.join(BROWSERS)}); on Debian: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
