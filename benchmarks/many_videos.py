"""What more videos cost: growth of time, a second run, one video more.

Run as ``python -m benchmarks.many_videos``. A run is the preparing of all videos and
the search for footage that is there twice.
"""

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.machine import num_cores, scratch_folder
from benchmarks.training_speed import markdown_table

VIDEOS_A_WALKER = 8
NUM_ADDED = 3
FEW, MANY, SOME = 100, 1000, 500  # one is added to the last


def prepare(paths: Sequence[Path]) -> float:
    """Prepare videos and compare their footage; return the seconds taken."""
    from gaitlib.clips import prepare_videos
    from gaitlib.config import make_config
    from gaitlib.footage import find_same_footage
    from gaitlib.prepared import PreparedVideo

    start = time.perf_counter()
    prepared = prepare_videos(paths, make_config(), "Preparing")
    videos = [video for video in prepared if isinstance(video, PreparedVideo)]
    find_same_footage(videos, range(len(videos)), [video.digest for video in videos])
    return time.perf_counter() - start


def prepare_anew(paths: Sequence[Path]) -> float:
    """Prepare as if nothing had been prepared before."""
    shutil.rmtree(Path(os.environ["GAITLIB_CACHE"]), ignore_errors=True)
    return prepare(paths)


def main() -> None:
    """Measure and print."""
    from gaitlib.demo import make_demo

    with scratch_folder() as folder:
        num_walkers = -(-(MANY + NUM_ADDED) // VIDEOS_A_WALKER)
        make_demo(folder / "videos", folder / "videosTest", num_walkers=num_walkers, seed=1)
        paths = np.array(sorted((folder / "videos").rglob("*.mp4")))
        paths = list(np.random.default_rng(0).permutation(paths))
        time.sleep(4)  # files that were written a moment ago are not trusted to stay as they are
        added, paths = paths[:NUM_ADDED], paths[NUM_ADDED : NUM_ADDED + MANY]
        prepare(paths[: num_cores()])  # starts the workers
        alone = float(np.median([prepare_anew([path]) for path in added]))
        few, many = [], []
        for _ in range(2):
            few.append(prepare_anew(paths[:FEW]))
            many.append(prepare_anew(paths))
        few.append(prepare_anew(paths[-FEW:]))
        prepare_anew(paths)
        again = float(np.median([prepare(paths) for _ in range(3)]))
        some = float(np.median([prepare(paths[:SOME]) for _ in range(3)]))
        more = [prepare([*paths[:SOME], *added[: number + 1]]) for number in range(NUM_ADDED)]
    first, growth = float(np.median(many)), MANY // FEW
    one_more = float(np.median(more)) - some  # what was added before is known by then
    rows = [
        [f"{FEW} videos, first run", f"{np.median(few):.2f}", ""],
        [
            f"{MANY:,} videos, first run",
            f"{first:.2f}",
            f"{first / float(np.median(few)) / growth:.2f} of {growth} times the above",
        ],
        [f"{MANY:,} videos, second run", f"{again:.2f}", f"{again / first:.1%} of the first run"],
        ["one video by itself", f"{alone:.2f}", ""],
        [f"one video added to {SOME}", f"{one_more:.2f}", f"{one_more / alone:.1f} of one by itself"],
    ]
    print(markdown_table(["what", "seconds", "ratio"], rows))


if __name__ == "__main__":
    main()
