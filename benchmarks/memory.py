"""Peak memory of an epoch of training, at few clips and at many.

Run as ``python -m benchmarks.memory [--full]``: each number of clips in a process of its own.
"""

import os
import resource
import subprocess
import sys

from benchmarks.machine import scratch_folder
from benchmarks.training_speed import markdown_table

NUMBERS = (100, 1_000, 10_000)
CLIPS_A_VIDEO = 10


def train(num_clips: int) -> None:
    """Train for an epoch, clips varied as they are; print the number of clips and the peak memory in MiB."""
    import numpy as np

    from gaitlib.backend import load_keras
    from gaitlib.batches import make_clip_set, training_batches
    from gaitlib.clips import prepare_videos
    from gaitlib.config import make_config
    from gaitlib.demo import make_demo
    from gaitlib.fast_layers import training_twin
    from gaitlib.files import cache_dir
    from gaitlib.prepared import PreparedVideo
    from gaitlib.training import build_for, compile_for

    load_keras()
    config = make_config(clip_stride=1, max_clips_per_video=CLIPS_A_VIDEO)
    videos_dir = cache_dir().parent / "videos"
    if not videos_dir.exists():
        make_demo(videos_dir, cache_dir().parent / "videosTest", num_walkers=2, seed=1)
    prepared = prepare_videos(sorted(videos_dir.rglob("*.mp4")), config)
    entries = [video for video in prepared if isinstance(video, PreparedVideo)]
    # The same files stand for many: what a video costs in memory, its tables, it costs each time.
    many = [
        PreparedVideo(entries[number % len(entries)].folder, str(number))
        for number in range(num_clips // CLIPS_A_VIDEO)
    ]
    clips = make_clip_set(many, np.zeros(len(many), int), config)
    num_batches = -(-len(clips) // config.batch_size)
    model = compile_for(training_twin(build_for(clips, config, 4)), config)
    model.fit(training_batches(clips, config), steps_per_epoch=num_batches, epochs=1, verbose=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(clips)} {peak:.0f}")


def main(is_full: bool) -> None:
    """Measure and print."""
    rows = []
    with scratch_folder():
        for num_clips in (NUMBERS[0], *NUMBERS):  # the first also makes the videos and does not count
            command = [sys.executable, "-m", "benchmarks.memory", "--clips", str(num_clips)]
            run = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
            counted, peak = run.stdout.split()[-2:]
            rows.append([f"{int(counted):,}", peak])
    print(markdown_table(["clips", "peak memory, MiB (TensorFlow included)"], rows[1:]))


if __name__ == "__main__":
    if "--clips" in sys.argv:
        train(int(sys.argv[-1]))
    else:
        main("--full" in sys.argv[1:])
