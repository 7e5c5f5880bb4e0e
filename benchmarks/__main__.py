"""Speeds, printed as Markdown: ``python -m benchmarks [--only NAME] [--write FILE]``.

Nothing here is a test: seconds depend on the machine and on what else it does. What is compared takes turns
in one run, and medians are given.
"""

import argparse
import inspect
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np

CASES = ((16, 64, 1), (30, 64, 1))
NUM_CLASSES, BATCH_SIZE, PEAK_SIDE = 4, 4, 2048
INTRODUCTION = """# Performance

Written by `make bench ARGS="--write FILE"`, not by hand. Ratios hold from machine to machine,
seconds do not.
"""


def describe_machine() -> str:
    """Return processor, instruction set, cores, memory and versions as one sentence."""
    from gaitlib.evaluation import versions

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(": ")[1] for line in lines if line.startswith("model name")] or [platform.machine()]
    flags = " ".join(line for line in lines if line.startswith("flags"))
    widest = next((one for one in ("avx512f", "avx2", "avx") if one in flags.split()), "unknown")
    packages = ", ".join(f"{name} {number}" for name, number in versions().items())
    machine = f"{names[0]} ({widest}), {os.cpu_count()} cores, {platform.system()}"
    return f"{machine}; {packages}; {date.today():%d %B %Y}."


def medians_in_turns(tasks: dict[str, Callable[[], object]], num_rounds: int) -> dict[str, float]:
    """Return the median seconds of each task; tasks take turns, after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(num_rounds + 1):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values[1:])) for name, values in seconds.items()}


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table whose first column is text and whose others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def start_up() -> str:
    """Import and help, in processes of their own, beside Python alone."""

    def run(*arguments: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

    tasks = {
        "python alone": run("-c", "pass"),
        "import gaitlib": run("-c", "import gaitlib"),
        "gaitlib --help": run("-m", "gaitlib", "--help"),
    }
    seconds = medians_in_turns(tasks, 5)
    return table(["", "seconds"], [[name, f"{value:.2f}"] for name, value in seconds.items()])


def training_speed() -> str:
    """Training steps and predictions of the published network, as saved and as layered in the publication."""
    from gaitlib.models import build_model, load_keras

    load_keras()
    import tensorflow as tf

    matrix = tf.random.normal((PEAK_SIDE, PEAK_SIDE))
    rows = []
    for case in CASES:
        rng = np.random.default_rng(0)
        clips = rng.integers(0, 256, (BATCH_SIZE, *case[:2], case[1], case[2])).astype(np.float32)
        labels = np.arange(BATCH_SIZE) % NUM_CLASSES
        tasks: dict[str, Callable[[], object]] = {"product": lambda: tf.matmul(matrix, matrix).numpy()}
        for name in ("cnn_lstm", "cnn_lstm_timedistributed"):
            model = build_model(name, *case, NUM_CLASSES)
            model.compile("adam", "sparse_categorical_crossentropy")
            tasks[f"train {name}"] = partial(model.train_on_batch, clips, labels)
            tasks[f"predict {name}"] = partial(model.predict_on_batch, clips)
        seconds = medians_in_turns(tasks, 7)
        peak = 2 * PEAK_SIDE**3 / seconds.pop("product") / 1e9
        for name, value in seconds.items():
            what = f"{name}, {case[0]} x {case[1]} x {case[1]} x {case[2]}"
            rows.append([what, f"{BATCH_SIZE / value:.1f}", f"{peak:.0f}"])
    return table(["", "clips/s", "matrix product, GFLOP/s"], rows)


def epoch() -> str:
    """Compare epochs of the published network, with their clips read and varied, with their steps alone."""
    from gaitlib.clips import PreparedVideo, make_clip_set, prepare_videos, training_batches
    from gaitlib.config import make_config, resolve_body
    from gaitlib.data.preparation import make_demo_folders
    from gaitlib.models import build_model, load_keras

    load_keras()
    config = resolve_body(make_config("quick"), "keypoints")
    paths = sorted(make_demo_folders(config)[0].rglob("*.mp4"))
    videos = [video for video in prepare_videos(paths, config) if isinstance(video, PreparedVideo)]
    clips = make_clip_set(videos, np.arange(len(videos)) % NUM_CLASSES, config)
    shape = (config.num_frames, config.frame_size, config.num_channels)
    num_steps = 10 * len(clips) // config.batch_size  # ten epochs: one of so few videos is over in no time
    network = build_model("cnn_lstm", *shape, NUM_CLASSES)
    network.compile("adam", "sparse_categorical_crossentropy")
    batches = training_batches(clips, config)
    fixed = batches.take(1).cache().repeat()
    tasks = {
        name: partial(network.fit, data, epochs=1, steps_per_epoch=num_steps, verbose=0, shuffle=False)
        for name, data in (("steps alone", fixed), ("whole epochs", batches))
    }
    seconds = medians_in_turns(tasks, 5)
    rows = [
        [name, f"{value:.1f}", f"{value / seconds['steps alone']:.2f}"] for name, value in seconds.items()
    ]
    return table([f"{num_steps} steps of {config.batch_size} clips", "seconds", "steps alone = 1"], rows)


def keypoints() -> str:
    """Milliseconds a frame of the keypoint networks, one thread, on a drawn walker."""
    from gaitlib.demo import paint_frames, sample_truth
    from gaitlib.walker.blazepose import PoseEstimator

    row = sample_truth(range(1, 2), 1, seconds=(2.6, 2.6)).to_dict("records")[0]
    frames = list(paint_frames(row))
    estimator = PoseEstimator()
    frame, square = next((frame, found[0]) for frame in frames if (found := estimator.detect(frame)))
    tasks = {
        "detector, whole frame": lambda: estimator.detect(frame),
        "landmarks of one person": lambda: estimator.estimate(frame, square),
    }
    seconds = medians_in_turns(tasks, 15)
    return table(["", "ms a frame"], [[name, f"{1000 * value:.0f}"] for name, value in seconds.items()])


def beside_mediapipe(footage: Sequence[Path] = ()) -> str:
    """Keypoints by us and by MediaPipe 0.10.21, frame by frame in turns on one core; films by --footage.

    MediaPipe is installed into an environment of its own, which takes a while.
    """
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "mediapipe==0.10.21"], check=True)
        rows = []
        for name, frames in _films(footage):
            np.save(Path(folder) / "frames.npy", frames)
            rows.append([name, *_compare_keypoints(frames, python, Path(folder) / "frames.npy")])
    header = ["", "frames in both", "ours, ms", "MediaPipe, ms", "distance, pixels", "distance, body heights"]
    return table(header, rows)


def _films(paths: Sequence[Path]) -> list[tuple[str, np.ndarray]]:
    """Return name and RGB frames of the films to compare: those named, else a drawn walker."""
    from gaitlib.demo import paint_frames, sample_truth
    from gaitlib.video import VideoReader

    if paths:
        return [(path.stem, next(iter(VideoReader(path))).frames[:120]) for path in paths]
    row = sample_truth(range(1, 2), 1, seconds=(3.0, 3.0)).to_dict("records")[0]
    return [("drawn walker", np.stack(list(paint_frames(row))))]


def _compare_keypoints(frames: np.ndarray, python: Path, stored: Path) -> list[str]:
    from gaitlib.walker.blazepose import MIN_SCORE, PoseEstimator

    command = [python, Path(__file__).with_name("mediapipe_worker.py"), stored]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})  # the worker inherits it
    worker = subprocess.Popen(list(map(str, command)), text=True, **pipes)
    assert worker.stdin and worker.stdout
    worker.stdout.readline()
    estimator, square, ours_ms, theirs_ms, distances, heights = PoseEstimator(), None, [], [], [], []
    for number, frame in enumerate(frames):
        print(number, file=worker.stdin, flush=True)
        milliseconds, points = json.loads(worker.stdout.readline())
        start = time.perf_counter()
        square = square or next(iter(estimator.detect(frame)), None)
        pose = estimator.estimate(frame, square) if square else None
        ours_ms.append(1000 * (time.perf_counter() - start))
        theirs_ms.append(milliseconds)
        square = pose.next_square if pose and pose.score >= MIN_SCORE else None
        if pose and square and points:
            distances += np.linalg.norm(pose.image_px - points, axis=1).tolist()
            heights.append(np.ptp(pose.image_px[:, 1]))
    worker.stdin.close()
    worker.wait()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    ours, theirs, apart = (float(np.median(values)) for values in (ours_ms, theirs_ms, distances))
    share = apart / float(np.median(heights))
    return [
        f"{len(heights)} of {len(frames)}",
        f"{ours:.0f}",
        f"{theirs:.0f}",
        f"{apart:.1f}",
        f"{share:.4f}",
    ]


def reading_speed() -> str:
    """Seconds to prepare a drawn video from file to cache, as drawn and enlarged, against its length."""
    import cv2

    from gaitlib.clips import prepare_video
    from gaitlib.config import make_config, resolve_body
    from gaitlib.demo import paint_frames, sample_truth
    from gaitlib.video import write_film

    row = sample_truth(range(1, 2), 1, seconds=(6.0, 6.0)).to_dict("records")[0]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        films = {name: Path(folder) / f"{name}.mp4" for name in ("as drawn", "1080p")}
        write_film(films["as drawn"], row["frame_rate_hz"], paint_frames(row))
        large = (cv2.resize(frame, (1920, 1080)) for frame in paint_frames(row))
        write_film(films["1080p"], row["frame_rate_hz"], large)
        for (size, path), body in itertools.product(films.items(), ("keypoints", "silhouette")):
            os.environ["GAITLIB_CACHE"] = str(Path(folder) / body)
            config = resolve_body(make_config(), body)
            start = time.perf_counter()
            prepare_video(path, config)
            first = time.perf_counter() - start
            again = medians_in_turns({"again": partial(prepare_video, path, config)}, 3)["again"]
            rows.append([f"{body}, {size}", f"{first:.1f}", f"{6 / first:.1f}", f"{again:.3f}"])
    return table(["6 s of video", "seconds", "times real time", "again, seconds"], rows)


def first_report() -> str:
    """Seconds by step of the first and the second report of the synthetic walkers, with standard settings."""
    from gaitlib.files import read_json

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "GAITLIB_CACHE": str(Path(folder) / "cache")}
        (Path(folder) / "videos").mkdir()
        for name in ("first", "second"):
            out = Path(folder) / name
            command = [
                "report",
                "--videos",
                f"{folder}/videos",
                "--videos-test",
                f"{folder}/none",
                "--out",
                out,
            ]
            start = time.perf_counter()
            arguments = [sys.executable, "-m", "gaitlib", *map(str, command)]
            subprocess.run(arguments, check=True, env=environment, stdout=subprocess.DEVNULL)
            whole = time.perf_counter() - start
            steps = read_json(out / "results.json")["duration_seconds"]
            said = ", ".join(f"{step} {seconds:.0f}" for step, seconds in steps.items())
            rows.append([f"{name} report", f"{whole:.0f}", said])
    return table(["", "seconds", "by step"], rows)


PARTS: dict[str, Callable[[], str]] = {
    part.__name__: part
    for part in (start_up, training_speed, epoch, keypoints, beside_mediapipe, reading_speed, first_report)
}


def main() -> None:
    """Run what was asked for, print it as it comes, and write it to a file if one is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(PARTS), help="run this part; repeatable")
    parser.add_argument("--footage", action="append", default=[], type=Path, help="film for beside_mediapipe")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write what is printed to a file")
    given = parser.parse_args()
    texts = [INTRODUCTION, describe_machine()]
    print("\n".join(texts), flush=True)
    parts = PARTS | {"beside_mediapipe": partial(beside_mediapipe, given.footage)}
    for name in given.only or [part for part in PARTS if part != "beside_mediapipe"]:
        title = name.replace("_", " ").capitalize()
        texts.append(f"\n## {title}\n\n{inspect.getdoc(PARTS[name])}\n\n{parts[name]()}")
        print(texts[-1], flush=True)
    if given.write:
        given.write.write_text("\n".join(texts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
