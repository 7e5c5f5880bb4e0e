"""All benchmarks, each in a process of its own.

Run as ``python -m benchmarks [--only NAME] [--full] [--write FILE]``.
Nothing here is a test: figures depend on the machine and on what else it does.
"""

import argparse
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

from benchmarks.machine import describe_machine

# Module: heading, and what its table says.
PARTS = {
    "reading_speed": (
        "From videos to pictures of the walker",
        "Decoding, following the walker, cutting out and storing, beside a plain `cv2.VideoCapture` loop "
        "that resizes every picture and looks for nobody, and beside decoding alone (PyAV).",
    ),
    "many_videos": (
        "Many videos, and again",
        "Preparing synthetic videos and looking for footage that is there twice. What was prepared or "
        "compared before is not done again. Few and many took turns, the many twice; the other rows are "
        "medians of three.",
    ),
    "memory": (
        "Memory of training",
        "One epoch of training the published network, each number of clips in a process of its own, run "
        "once. The same few videos stand for many.",
    ),
    "predict_speed": (
        "`gaitlib predict` on a long video",
        "The whole command, from start to table, run once. The column on all cores says what it would take "
        "if no other program ran and all its threads were busy.",
    ),
    "training_speed": (
        "Training",
        "Steps of the optimiser on a batch that is there already: the published network in its published "
        "layering (TimeDistributed, as Keras runs it) and as trained here; then all models of pictures. "
        "Pictures are square: 120 x 120 has as many pixels as 160 x 90.",
    ),
    "start_up": ("Start", "Python alone is what no program can be faster than."),
    "report_overhead": (
        "A report beside training",
        "The least report: synthetic walkers, one epoch; kernels, figures, evaluation and pages are what is "
        "left. Each row is one run.",
    ),
}
INTRODUCTION = """# Performance

Written by `make bench ARGS="--write docs/performance.md"`, not by hand. Ratios hold from machine to machine,
seconds do not. What is compared took turns in the same run, and medians are given, unless a table says that
it was run once.
"""


def main() -> int:
    """Run what was asked for, print it as it comes, and write it to a file if one is named."""
    options = _parse_options()
    texts = [INTRODUCTION, f"{describe_machine()} {date.today():%d %B %Y}.\n"]
    print("\n".join(texts), flush=True)
    is_complete = True
    for name in options.only or PARTS:
        heading, about = PARTS[name]
        start = time.perf_counter()
        run = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *(["--full"] if options.full else [])],
            stdout=subprocess.PIPE,
            stderr=None if options.verbose else subprocess.PIPE,
            text=True,
        )
        is_complete &= run.returncode == 0
        table = run.stdout.strip() if run.returncode == 0 else f"This part failed:\n\n```\n{run.stderr}\n```"
        texts.append(f"## {heading}\n\n{about}\n\n{table}\n")
        print(texts[-1], flush=True)
        print(f"({name}: {time.perf_counter() - start:.0f} s)\n", file=sys.stderr, flush=True)
    if options.write and is_complete:
        options.write.write_text("\n".join(texts), encoding="utf-8")
    return 0 if is_complete else 1


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(PARTS), help="run this part; repeatable")
    parser.add_argument("--full", action="store_true", help="an hour of film, more rounds")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write what is printed to a file")
    parser.add_argument("--verbose", action="store_true", help="show what the parts say beside their tables")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
