"""How fast videos become pictures of the walker, beside a plain OpenCV loop and beside decoding alone.

Run as ``python -m benchmarks.reading_speed [--full]``. The plain loop reads every picture with
`cv2.VideoCapture` and resizes it to 64 x 64, without looking for anybody.
"""

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import cv2
import joblib

from benchmarks.machine import CLIP_SECONDS, make_clip, num_cores, repeat_clip, scratch_folder
from benchmarks.training_speed import markdown_table


def decode(path: Path) -> None:
    """Decode all pictures on one thread and drop them."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for _ in container.decode(stream):
            pass


def run_plain_loop(path: Path) -> None:
    """Read and resize as most scripts do, on one thread."""
    cv2.setNumThreads(1)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    while (read := capture.read())[0]:
        cv2.resize(read[1], (64, 64))
    capture.release()


def prepare(path: Path) -> None:
    """Find the walker and store their pictures, on one thread, as a worker does; nothing is cached."""
    from gaitlib.clips import prepare_video
    from gaitlib.config import make_config

    cv2.setNumThreads(1)
    shutil.rmtree(prepare_video(path, make_config(), num_threads=1).folder)


TASKS: dict[str, Callable[[Path], None]] = {
    "decode": decode,
    "plain loop": run_plain_loop,
    "prepare": prepare,
}


def measure(
    kind: str, paths: Sequence[Path], seconds_each: float, num_jobs: int, num_rounds: int
) -> list[str]:
    """Return a row of the table: all three ways in turns, on so many cores."""
    from gaitlib.speed import seconds_in_turns

    def in_parallel(task: Callable[[Path], None]) -> Callable[[], object]:
        return lambda: joblib.Parallel(n_jobs=num_jobs)(joblib.delayed(task)(path) for path in paths)

    took = seconds_in_turns({name: in_parallel(task) for name, task in TASKS.items()}, num_rounds)
    footage = len(paths) * seconds_each
    return [
        kind,
        str(num_jobs),
        *(f"{footage / took[name]:.0f}" for name in TASKS),
        f"{took['plain loop'] / took['prepare']:.1f}",
        f"{took['decode'] / took['prepare']:.0%}",
    ]


def main(is_full: bool) -> None:
    """Measure and print."""
    from gaitlib.demo import make_demo

    rows = []
    with scratch_folder() as folder:
        make_clip(folder / "clip.mp4")
        large = [folder / f"{number}.mp4" for number in range(2 * num_cores())]
        for number, path in enumerate(large):
            repeat_clip(folder / "clip.mp4", path, 3, title=str(number))
        make_demo(folder / "videos", folder / "videosTest", num_walkers=2, seed=1)
        small = sorted((folder / "videos").rglob("*.mp4"))
        small_seconds = sum(map(duration_seconds, small)) / len(small)
        for num_jobs in dict.fromkeys((1, num_cores())):
            chosen = large[:1] if num_jobs == 1 else large
            num_rounds = 5 if is_full else 3
            rows.append(measure("1080p30, H.264", chosen, 3 * CLIP_SECONDS, num_jobs, num_rounds))
            rows.append(measure("synthetic walkers, 5 s", small, small_seconds, num_jobs, num_rounds))
    header = ["video", "cores", "decoding alone", "plain loop", "prepared"]
    print("Seconds of video a second; the last two columns are ratios.\n")
    print(markdown_table([*header, "times the plain loop", "share of decoding alone"], rows))


def duration_seconds(path: Path) -> float:
    """Return how long a video lasts by its header."""
    with av.open(str(path)) as container:
        return container.duration / av.time_base


if __name__ == "__main__":
    main("--full" in sys.argv[1:])
