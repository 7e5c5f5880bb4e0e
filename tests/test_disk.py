"""Full or read-only disks, limits, too little memory: one sentence, nothing half-written."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import av
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import psutil
import pytest
from commands import PROJECT, run_gaitlib, run_python

from gaitlib.backend import load_keras
from gaitlib.config import InputError
from gaitlib.errors import StorageError, known_sentence
from gaitlib.files import write_aside, write_json
from gaitlib.memory import check_batch, clip_bytes, free_bytes, training_bytes
from gaitlib.models import build_model
from gaitlib.siamese import make_relative

NOISE = np.random.default_rng(0).integers(0, 256, (500, 600), np.uint8)
TINY = [
    part
    for setting in ("epochs=1", "num_frames=8", "frame_size=32", "max_clips_per_video=1", "num_resamples=100")
    for part in ("-p", setting)
]


class Disk:
    """A small file system in memory."""

    def __init__(self, folder: Path):
        self.folder = folder

    def mount(self, options: str) -> None:
        """Mount it, or mount it again with other options; skip the test where that is not allowed."""
        again = "remount," if os.path.ismount(self.folder) else ""
        command = ["mount", "-t", "tmpfs", "-o", again + options, "tmpfs", str(self.folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a small disk can only be mounted as root on Linux")


@pytest.fixture()
def disk(tmp_path):
    """Return a disk of 64 KiB."""
    disk = Disk(tmp_path / "disk")
    disk.folder.mkdir()
    disk.mount("size=64k")
    yield disk
    subprocess.run(["umount", "-l", str(disk.folder)], check=True)


def write_video(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=15)
        stream.pix_fmt, stream.width, stream.height = "yuv420p", 320, 240
        for number in range(40):
            noise = np.random.default_rng(number).integers(0, 256, (240, 320, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode())


def write_figure(path: Path) -> None:
    plt.imsave(path, NOISE)


def write_bytes(path: Path) -> None:
    with path.open("wb") as stream:
        stream.write(NOISE.tobytes())


def save_large_model(path: Path) -> None:
    keras = load_keras()
    keras.Sequential([keras.Input((100,)), keras.layers.Dense(1000)]).save(path)


WRITERS = {
    "pictures.bin": write_bytes,
    "track.npy": lambda path: np.save(path, NOISE),
    "best.npz": lambda path: np.savez(path, NOISE),
    "results.json": lambda path: path.write_text("x" * 300_000),
    "predictions.csv": lambda path: pd.DataFrame(NOISE).to_csv(path),
    "figure.png": write_figure,
    "video.mp4": write_video,
    "model.keras": save_large_model,
    "model.h5": save_large_model,
}


@pytest.mark.parametrize("name", WRITERS)
def test_full_disk_is_named_and_keeps_the_old_file(disk, name):
    (disk.folder / name).write_text("old")
    with (
        pytest.raises(StorageError, match=rf"Cannot write .*{name}: No .*Free some space"),
        write_aside(disk.folder / name) as aside,
    ):
        WRITERS[name](aside)
    assert os.listdir(disk.folder) == [name]
    assert (disk.folder / name).read_text() == "old"
    disk.mount("size=20m")
    with write_aside(disk.folder / name) as aside:
        WRITERS[name](aside)
    assert os.listdir(disk.folder) == [name]
    assert (disk.folder / name).stat().st_size > 50_000


@pytest.mark.parametrize("name", WRITERS)
def test_limit_on_file_size_is_named_and_leaves_nothing(tmp_path, name):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    load_keras()
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
        with (
            pytest.raises(StorageError, match=rf"Cannot write .*{name}: .*limit on the size of a file"),
            write_aside(tmp_path / name) as aside,
        ):
            WRITERS[name](aside)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == []


def test_read_only_folder_is_named(disk):
    disk.mount("ro")
    with pytest.raises(
        StorageError, match=r"Cannot write .*/a.json: Read-only file system. Choose another folder"
    ):
        write_json(disk.folder / "a.json", {})


def ends_in_one_sentence(process: subprocess.CompletedProcess, *words: str) -> None:
    """Check exit code and last line; before it there may be lines of progress."""
    assert process.returncode == 1, process.stderr
    assert "Traceback" not in process.stderr
    last = process.stderr.splitlines()[-1]
    assert last.startswith("gaitlib: ")
    assert all(word in last for word in words), last


def test_full_cache_stops_the_run_instead_of_skipping_videos(disk, demo_folders, tmp_path):
    """The pictures are written by workers, in processes of their own."""
    cache = disk.folder / "cache"
    arguments = ["train", "--videos", demo_folders[0], "--videos-test", demo_folders[1], *TINY]
    process = run_gaitlib(*arguments, "--out", tmp_path / "runs" / "run", GAITLIB_CACHE=str(cache))
    ends_in_one_sentence(process, "Cannot write", "No space left on device", "Free some space")
    assert list((tmp_path / "runs").iterdir()) == []
    left = [path for path in cache.rglob("*") if path.is_file() and ".gaitlib." not in str(path)]
    # What a file's content is called may have been noted before the disk was full: whole or not at all.
    assert all(path.parent.name == "digests" and len(path.read_text()) == 64 for path in left)
    disk.mount("size=100m")
    process = run_gaitlib(*arguments, "--out", tmp_path / "runs" / "run", GAITLIB_CACHE=str(cache))
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "runs" / "run" / "results.json").exists()
    assert not list(cache.rglob(".*"))


def test_report_onto_a_full_disk_ends_in_one_sentence(disk, demo_folders):
    """Here the kernel of the first notebook meets the full disk."""
    disk.mount("size=150k")
    videos = ["--videos", demo_folders[0], "--videos-test", demo_folders[1]]
    process = run_gaitlib("report", *videos, *TINY, "--out", disk.folder / "run")
    ends_in_one_sentence(process, "No space left on device", "Free some space")
    assert not list(disk.folder.rglob("*.html"))
    assert {path.name for path in disk.folder.iterdir()} <= {"run"}


def test_read_only_cache_says_how_to_move_it(disk, demo_folders, trained):
    disk.mount("ro")
    process = run_gaitlib(
        *("predict", demo_folders[1] / "sad", "--model", trained.folder / "model.keras"),
        GAITLIB_CACHE=str(disk.folder),
    )
    ends_in_one_sentence(process, "Cannot write", "Read-only file system", "GAITLIB_CACHE")


@pytest.mark.parametrize("output", ["json", "html", "annotated"])
def test_verdicts_onto_a_bad_place_end_in_one_sentence(disk, demo_folders, trained, output):
    """On a disk that is read-only; what was meant for it is named."""
    disk.mount("ro")
    video = sorted((demo_folders[1] / "sad").glob("*.mp4"))[0]
    target = disk.folder / ("copies" if output == "annotated" else f"said.{output}")
    process = run_gaitlib("predict", video, "--model", trained.folder / "model.keras", f"--{output}", target)
    ends_in_one_sentence(process, "Cannot write", str(target), "Read-only file system")


def test_annotated_copies_on_a_full_disk_leave_nothing_half(disk, demo_folders, trained):
    video = sorted((demo_folders[1] / "sad").glob("*.mp4"))[0]
    disk.mount("size=12k")
    target = disk.folder / "copies"
    process = run_gaitlib("predict", video, "--model", trained.folder / "model.keras", "--annotated", target)
    ends_in_one_sentence(process, "Cannot write", "No space left on device")
    assert not list(target.glob("*.mp4"))


def test_batch_that_cannot_fit_is_refused_with_one_that_can():
    model = build_model("cnn_lstm", 30, 64, 1, 4)
    check_batch(model, 1)
    with pytest.raises(
        InputError, match=r"train on 1000000 clips at once.*GB are free: take a batch_size of \d"
    ):
        check_batch(model, 1_000_000)


def test_limit_on_memory_counts():
    size = psutil.Process().memory_info().vms
    limits = resource.getrlimit(resource.RLIMIT_AS)
    model = build_model("cnn_lstm", 30, 64, 1, 4)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (size + 10 * clip_bytes(model), limits[1]))
        assert free_bytes() <= 10 * clip_bytes(model)
        with pytest.raises(InputError, match="take a batch_size of"):
            check_batch(model, 8)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    check_batch(model, 8)


def test_estimate_covers_what_training_takes():
    script = """
import resource, sys
import numpy as np
from gaitlib.memory import training_bytes
from gaitlib.models import build_model
from gaitlib.siamese import make_relative
model = build_model(sys.argv[1], 30, 64, 1, 4)
model.compile("adam", "sparse_categorical_crossentropy")
peaks = []
for size in (2, 10):
    model.train_on_batch(np.zeros((size, 30, 64, 64, 1), np.uint8), np.zeros(size, int))
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
print((peaks[1] - peaks[0]) / training_bytes(model, 8))
"""
    for name in ("cnn_lstm", "cnn_lstm_timedistributed"):
        # How much of what was taken before can be taken again varies a lot, so that little is no fault.
        assert float(run_python("-c", script, name).stdout) < 1.6
    assert training_bytes(build_model("cnn_lstm", 30, 64, 1, 4), 1) < 50e6


def test_clip_and_its_reference_both_count():
    single = build_model("cnn_tcn", 30, 32, 1, 4)
    assert clip_bytes(make_relative(single)) > 1.8 * clip_bytes(single)


def test_what_tensorflow_and_numpy_say_without_memory_becomes_a_sentence():
    import tensorflow as tf

    for ask in (lambda: tf.zeros((10**7, 10**7)), lambda: np.ones((10**7, 10**7))):
        with pytest.raises(Exception, match=r"OOM|Unable to allocate") as caught:
            ask()
        sentence = known_sentence(type(caught.value).__name__, str(caught.value))
        assert sentence == "not enough memory: take a smaller batch_size or frame_size."


def test_other_errors_are_not_explained_away():
    assert known_sentence("ValueError", "wrong shape") is None
    assert known_sentence("FileNotFoundError", "[Errno 2] No such file or directory: 'a'") is None


def test_command_without_memory_ends_in_one_sentence(demo_folders, tmp_path):
    """The limit leaves room for TensorFlow itself, but not for clips of this size."""
    code = (
        "import resource, sys; from gaitlib.backend import load_keras; load_keras(); import psutil\n"
        "size = psutil.Process().memory_info().vms + 3_000_000_000\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size, size))\n"
        "from gaitlib.cli import main; main()\n"
    )
    settings = ("epochs=1", "num_frames=30", "frame_size=256", "batch_size=16", "max_clips_per_video=2")
    process = subprocess.run(
        [
            *(sys.executable, "-c", code, "train", "--videos", demo_folders[0], "--videos-test"),
            *(demo_folders[1], "--out", tmp_path / "run"),
            *(part for setting in settings for part in ("-p", setting)),
        ],
        capture_output=True,
        text=True,
        cwd=PROJECT,
    )
    ends_in_one_sentence(process, "ot enough memory", "frame_size")
    assert list(tmp_path.iterdir()) == []
