"""What 1,000, 100,000 and 10 million videos would cost, from rates measured in the same run.

Run as ``python -m benchmarks.scaling [--write docs/scaling.md]``, which renews the tables there. Rates are
seconds of one core, so that what else the machine does hardly counts; they grow with the number of videos or
of pairs, which is multiplied, not measured.
"""

import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine

SIZES = (1_000, 100_000, 10_000_000)
START, END = "<!-- measured:start -->", "<!-- measured:end -->"


def core_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of one core that some work takes, and its result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def measure() -> dict[str, float]:
    """Measure all rates on a few synthetic videos."""
    from gaitlib.clips import prepare_video
    from gaitlib.config import make_config
    from gaitlib.demo import DemoOptions, make_demo

    config = make_config()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["GAITLIB_CACHE"] = str(folder / "cache")
        options = DemoOptions(show_progress=False)
        make_demo(folder / "videos", folder / "videosTest", 2, seed=0, num_takes=1, options=options)
        paths = sorted(folder.glob("videos*/*/*.mp4"))
        seconds, videos = core_seconds(lambda: [prepare_video(path, config) for path in paths])
        stored = sum(path.stat().st_size for path in (folder / "cache").rglob("*") if path.is_file())
        rates = {
            "video_bytes": sum(path.stat().st_size for path in paths) / len(paths),
            "prepare_seconds": seconds / len(paths),
            "cache_bytes": stored / len(paths),
            "footage_seconds": _pair_seconds(len(videos[0].track)),
            "one_more_seconds": _one_more_seconds(len(videos[0].track)),
            "motion_bytes": float(np.mean([video.motion.nbytes for video in videos])),
        }
        return rates | _table_bytes(videos, config) | _training_seconds(videos, config)


def _pair_seconds(length: int, num_videos: int = 300) -> float:
    """Return the core seconds of comparing the movement of two videos that have nothing in common."""
    from gaitlib.footage import _candidates

    grids = list(np.random.default_rng(0).normal(size=(num_videos, length, 8, 8)).astype(np.float32))
    seconds, _ = core_seconds(lambda: list(_candidates(grids, length // 4, 0)))
    return seconds / (num_videos * (num_videos - 1) / 2)


def _one_more_seconds(length: int, num_videos: int = 600) -> float:
    """Return the core seconds of comparing one more video with one of those that are known."""
    from gaitlib.footage import _candidates

    grids = list(np.random.default_rng(0).normal(size=(num_videos + 1, length, 8, 8)).astype(np.float32))
    seconds, _ = core_seconds(lambda: list(_candidates(grids, length // 4, num_videos)))
    return seconds / num_videos


def _table_bytes(videos: list[Any], config: Any) -> dict[str, float]:
    """Return the memory that a run holds for each video: a row of tables, and its track among the clips."""
    from gaitlib.batches import make_clip_set
    from gaitlib.prepared import PreparedVideo

    fresh = [PreparedVideo(video.folder, video.digest) for video in videos]
    make_clip_set(fresh[:1], np.zeros(1, int), config)  # loads what is loaded once
    tracemalloc.start()
    clips = make_clip_set(fresh[1:], np.zeros(len(fresh) - 1, int), config)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"memory_bytes": held / (len(fresh) - 1), "clips": len(clips) / (len(fresh) - 1)}


def _training_seconds(videos: list[Any], config: Any) -> dict[str, float]:
    """Return the core seconds of one clip in one epoch, reading and varying it included."""
    from gaitlib.batches import make_clip_set, training_batches
    from gaitlib.fast_layers import training_twin
    from gaitlib.training import build_for, compile_for

    clips = make_clip_set(videos, np.arange(len(videos)) % 4, config)
    model = compile_for(training_twin(build_for(clips, config, 4)), config)
    batches = iter(training_batches(clips, config))
    for _ in range(3):
        model.train_on_batch(*next(batches))  # compiles
    num_batches = 20
    seconds, _ = core_seconds(lambda: [model.train_on_batch(*next(batches)) for _ in range(num_batches)])
    return {"train_seconds": seconds / num_batches / config.batch_size}


def as_tables(rates: dict[str, float]) -> str:
    """Return the measured rates and what follows from them, in Markdown."""
    from gaitlib.config import make_config

    epochs = make_config().epochs
    rows = {
        "preparing, core hours": lambda num: num * rates["prepare_seconds"] / 3600,
        "looking for the same footage, core hours": lambda num: num**2 / 2 * rates["footage_seconds"] / 3600,
        "looking for that of one more video, core seconds": lambda num: num * rates["one_more_seconds"],
        f"training {epochs} epochs, core hours": lambda num: (
            num * rates["clips"] * epochs * rates["train_seconds"] / 3600
        ),
        "videos on disk, GB": lambda num: num * rates["video_bytes"] / 1e9,
        "cache on disk, GB": lambda num: num * rates["cache_bytes"] / 1e9,
        "movement in memory while looking for the same footage, GB": lambda num: (
            num * rates["motion_bytes"] / 1e9
        ),
        "lists of clips in memory while training, GB": lambda num: num * rates["memory_bytes"] / 1e9,
    }
    measured = [
        f"{rates['prepare_seconds']:.2f} core seconds to prepare a video",
        f"{rates['cache_bytes'] / 1e3:.0f} kB of cache for one of {rates['video_bytes'] / 1e3:.0f} kB",
        f"{rates['clips']:.1f} clips from it",
        f"{1 / rates['train_seconds']:.0f} clips trained in a core second",
        f"{rates['memory_bytes'] / 1e3:.1f} kB of memory held for a video in training",
        f"{rates['footage_seconds'] * 1e6:.1f} core microseconds to compare the footage of two, and "
        f"{rates['one_more_seconds'] * 1e6:.0f} where a single video is new",
    ]
    lines = [
        f"Measured {time.strftime('%Y-%m-%d')} with `python -m benchmarks.scaling` on synthetic videos:",
        f"{'; '.join(measured)}. ({describe_machine()})",
        "",
        "| | " + " | ".join(f"{num:,} videos" for num in SIZES) + " |",
        "| --- |" + " ---: |" * len(SIZES),
    ]
    for name, cost in rows.items():
        lines.append(f"| {name} | " + " | ".join(_rounded(cost(num)) for num in SIZES) + " |")
    return "\n".join(lines)


def _rounded(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{float(f'{value:.2g}'):,.0f}"


def main(arguments: list[str]) -> None:
    """Measure, print, and renew the tables in a file if asked to."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    text = as_tables(measure())
    print(text)
    if arguments[:1] == ["--write"]:
        path = Path(arguments[1])
        before, _, rest = path.read_text(encoding="utf-8").partition(START)
        after = rest.partition(END)[2]
        path.write_text(f"{before}{START}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
