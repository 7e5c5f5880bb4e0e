"""``make torture``: a run that is killed again and again ends like one that is left alone."""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from commands import kill_hard, start_python

from gaitlib.demo import make_demo
from gaitlib.files import read_json
from gaitlib.models import load_trained

SETTINGS = {"num_frames": 12, "frame_size": 32, "epochs": 6, "leak_lesson": "false", "model": "cnn_lstm"}
COMMAND = "from gaitlib.cli import main; main()"


def train(folder: Path, name: str, rng: np.random.Generator | None) -> int:
    """Train with a cache of its own, with kills at moments that `rng` draws; return how many there were."""
    out, num_kills = folder / name, 0
    options = [part for key, value in SETTINGS.items() for part in ("-p", f"{key}={value}")]
    places = "--videos", folder / "videos", "--videos-test", folder / "videosTest", "--out", out
    while not (out / "results.json").exists():
        process = start_python(
            COMMAND, "train", *places, *options, GAITLIB_CACHE=str(folder / f"{name} cache")
        )
        try:
            said = process.communicate(timeout=rng.uniform(4, 25) if rng else None)[0]
        except subprocess.TimeoutExpired:
            kill_hard(process)
            num_kills += 1
        else:
            assert process.returncode == 0, said
    return num_kills


def main() -> None:
    """Train undisturbed and disturbed, and compare scores and weights."""
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        make_demo(folder / "videos", folder / "videosTest", 5, num_takes=1)
        train(folder, "alone", None)
        num_kills = train(folder, "killed", np.random.default_rng(parser.parse_args().seed))
        one, other = (load_trained(folder / name).predictor.get_weights() for name in ("alone", "killed"))
        apart = max(float(np.abs(first - second).max()) for first, second in zip(one, other, strict=True))
        scores = [read_json(folder / name / "results.json")["test"] for name in ("alone", "killed")]
        is_same = scores[0] == scores[1] and apart < 1e-6
        end = "the same scores" if is_same else "other scores"
        print(f"{num_kills} kills: weights differ by {apart:g}, {end}.")
        raise SystemExit(0 if is_same else 1)


if __name__ == "__main__":
    main()
