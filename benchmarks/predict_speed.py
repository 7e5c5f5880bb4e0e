"""How fast `gaitlib predict` reads 1080p30, and in how much memory.

Run as ``python -m benchmarks.predict_speed [--full]``: 2 minutes of video, or 60. The video repeats the
packets of a synthetic walker, which costs nothing to make. The model has fresh weights, as speed does
not depend on them.
"""

import os
import resource
import subprocess
import sys
import time

from benchmarks.machine import CLIP_SECONDS, make_clip, num_cores, repeat_clip, scratch_folder
from benchmarks.training_speed import markdown_table


def measure(minutes: float) -> list[str]:
    """Return a row of the table: the whole command, loading of TensorFlow included."""
    from gaitlib.config import make_config
    from gaitlib.models import build_model
    from gaitlib.saving import model_card, save_model

    with scratch_folder() as folder:
        make_clip(folder / "clip.mp4")
        repeat_clip(folder / "clip.mp4", folder / "long.mp4", round(minutes * 60 / CLIP_SECONDS))
        model = build_model("cnn_lstm", 30, 64, 1, 4)
        card = model_card(make_config(), ("angry", "happy", "neutral", "sad"), True)
        save_model(model, folder, card)
        command = ["predict", folder / "long.mp4", "--model", folder / "model.keras", "--trust-model"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "gaitlib", *map(str, command)], check=True, stdout=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    core_seconds = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return [
        f"{minutes:g} min",
        f"{seconds:.0f}",
        f"{minutes * 60 / seconds:.1f}",
        f"{core_seconds:.0f}",
        f"{minutes * 60 / core_seconds * num_cores():.1f}",
        f"{used.ru_maxrss / 1024:.0f}",
    ]


def main(is_full: bool) -> None:
    """Measure and print."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    header = ["1080p30", "seconds", "times real time", "core-seconds"]
    header += ["times real time if all cores were ours", "peak memory, MiB"]
    print(markdown_table(header, [measure(60 if is_full else 2)]))


if __name__ == "__main__":
    main("--full" in sys.argv[1:])
