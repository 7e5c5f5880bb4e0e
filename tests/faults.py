"""``make faults``: films of all kinds, damaged in many ways; how many are read wrongly without a word?

Each frame bears its number as a bar code. A damaged film should be refused, read with a note, or read right.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import test_video

from gaitlib.errors import InputError

OUTCOMES = ("refused", "warned", "right", "wrong without a word")


def damaged(content: bytes, seed: int) -> bytes:
    """Cut a film off in one of four cases; else flip, overwrite, take out or repeat a part of it."""
    if seed % 4:
        return test_video.mutate(content, seed // 4 + seed)
    return content[: int(np.random.default_rng(seed).uniform(0.1, 0.99) * len(content))]


def outcome(path: Path) -> str:
    try:
        chunk, report = test_video.read_grey(path)
    except InputError:
        return "refused"
    if report.notes:
        return "warned"
    codes = test_video.read_codes(chunk.frames)
    return "right" if codes == test_video.EVERY_SECOND else "wrong without a word"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--files", type=int, default=70, help="damaged files of each kind")
    number, total = parser.parse_args().files, Counter[str]()
    print(f"| kind | {' | '.join(OUTCOMES)} |\n| --- | {'---: | ' * len(OUTCOMES)}")
    with tempfile.TemporaryDirectory() as folder:
        for kind in test_video.KINDS:
            content, path = test_video.kind_content(kind, 60), Path(folder) / test_video.KINDS[kind][0]
            counts = Counter[str]()
            for seed in range(number):
                path.write_bytes(damaged(content, seed))
                counts[outcome(path)] += 1
            total += counts
            print(f"| {kind} | {' | '.join(str(counts[name]) for name in OUTCOMES)} |", flush=True)
    share = total[OUTCOMES[-1]] / total.total()
    print(f"\nWrong without a word: {share:.1%} of {total.total()} damaged files.")


if __name__ == "__main__":
    main()
