"""What a report takes beside training, at the least.

Run as ``python -m benchmarks.report_overhead [--full]``: one epoch on the smallest data; the second and
third time with everything prepared that another report on the same videos finds prepared; with `--full`
the quick profile as it is.
"""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import scratch_folder
from benchmarks.training_speed import markdown_table

SMALLEST = ("demo_walkers=4", "epochs=1", "leak_lesson=false", "sweep_walkers=0", "num_resamples=200")


def report(out: Path, settings: tuple[str, ...]) -> tuple[float, float, dict[str, float]]:
    """Make a report; return all seconds, those of training, and those of each notebook."""
    command = [sys.executable, "-m", "gaitlib", "report", "--profile", "quick", "--out", str(out)]
    for setting in settings:
        command += ["-p", setting]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    took = time.perf_counter() - start
    with (out / "history.csv").open() as stream:
        training = sum(float(row["seconds"]) for row in csv.DictReader(stream))
    steps = json.loads((out / "results.json").read_text())["duration_seconds"]
    return took, training, steps


def main(is_full: bool) -> None:
    """Measure and print."""
    rows = []
    with scratch_folder() as folder:
        # Another learning rate is another training: it comes from no cache.
        for number, name in enumerate(("first report", "second report", "third report")):
            settings = (() if is_full else SMALLEST) + (f"learning_rate={(number + 1) * 1e-4}",)
            took, training, steps = report(folder / "reports" / str(number), settings)
            notebooks = [f"{steps[key]:.0f}" for key in sorted(steps) if key != "total"]
            around = took - sum(value for key, value in steps.items() if key != "total")
            rows.append(
                [
                    name,
                    f"{took:.0f}",
                    f"{training:.0f}",
                    f"{took - training:.0f}",
                    *notebooks,
                    f"{around:.0f}",
                ]
            )
    header = ["seconds", "all", "training", "beside training", "01", "02", "03", "04", "05"]
    print(markdown_table([*header, "kernels and pages"], rows))


if __name__ == "__main__":
    main("--full" in sys.argv[1:])
