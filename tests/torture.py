"""Kill the program at random moments and see that nothing is lost (``make torture``).

Each chain begins with an empty cache. Its command is killed a few times, at moments drawn from the length
of an undisturbed run, and started anew each time; the last start is left alone and must end as the
undisturbed run did. A kill takes all processes, or the parent alone: then notebook kernels and workers
live on for a moment, while the next start already runs.
"""

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import psutil

PROJECT = Path(__file__).parents[1]
SETTINGS = (
    *("epochs=2", "num_frames=8", "frame_size=32", "max_clips_per_video=2", "num_resamples=100"),
    *("batch_size=8", "learning_rate=0.003", "leak_lesson=false", "sweep_walkers=0"),
)
# Of each ten chains.
SCENARIOS = (
    *("report", "train", "experiment", "predict", "report"),
    *("train", "evaluate", "train", "report", "train"),
)
PLAN = {
    **{"name": "killed", "outer_folds": 3, "inner_folds": 2, "search": {"model": ["gait_rf", "cnn_tcn"]}},
    "settings": {"epochs": 2, "num_frames": 8, "frame_size": 32, "batch_size": 8, "num_resamples": 100},
}
KILLS_A_CHAIN = 5
# What differs between two equal runs: when and how fast they ran, and from which commit.
VOLATILE = {"created", "duration_seconds", "git_commit", "training_seconds", "ms_per_clip"}


@dataclass
class Place:
    """Where the killing happens: synthetic videos, and an earlier run that nothing may touch."""

    folder: Path
    digests: dict[str, str] = field(default_factory=dict)

    def command(self, scenario: str, target: Path) -> list[str]:
        """Return a command whose outcome lies in `target`."""
        videos = ("--videos", self.folder / "videos", "--videos-test", self.folder / "videosTest")
        model = ("--model", self.earlier / "model.keras")
        settings = [part for setting in SETTINGS for part in ("-p", setting)]
        arguments = {
            "report": ("report", *videos, "--profile", "quick", *settings, "--out", target / "run"),
            "train": ("train", *videos, *settings, "--out", target / "run"),
            "evaluate": ("evaluate", *model, *videos[2:], "--out", target / "run"),
            "experiment": ("experiment", self.plan, *videos, "--out", target / "run"),
            "predict": (
                *("predict", self.folder / "videosTest" / "sad", *model),
                *("--json", target / "verdicts.json", "--html", target / "page.html"),
                *("--annotated", target / "annotated"),
            ),
        }
        return [sys.executable, "-m", "gaitlib", *map(str, arguments[scenario])]

    @property
    def earlier(self) -> Path:
        """The run that was finished before all else."""
        return self.folder / "reports" / "earlier"

    @property
    def plan(self) -> Path:
        """The file of the experiment."""
        return self.folder / "plan.yaml"

    def make(self) -> None:
        """Draw the walkers, write the experiment's file, and train the earlier run."""
        from gaitlib.demo import DemoOptions, make_demo

        self.plan.write_text(json.dumps(PLAN), encoding="utf-8")  # which is YAML too

        options = DemoOptions(clip_seconds=(2.6, 3.0), show_progress=False)
        folders = self.folder / "videos", self.folder / "videosTest"
        make_demo(*folders, 4, seed=3, num_takes=1, options=options)
        new = self.earlier.with_name("new")
        run_undisturbed(self.command("train", new) + ["-p", "seed=1"], self.folder / "cache_earlier")
        (new / "run").rename(self.earlier)
        new.rmdir()
        self.digests = digests_of(self.earlier)


def start(command: list[str], cache: Path, output: Path | None = None) -> subprocess.Popen:
    """Start a command in a session of its own, its output in a file, by default one beside its cache."""
    environment = {**os.environ, "GAITLIB_CACHE": str(cache), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with (output or output_of(cache)).open("w") as stream:
        return subprocess.Popen(
            command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=PROJECT,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )


def output_of(cache: Path) -> Path:
    """Return the file for what a command prints."""
    return cache.with_name(f"{cache.name}.txt")


def run_undisturbed(command: list[str], cache: Path) -> float:
    """Run a command to its end and return the seconds that it took; a failure ends all."""
    begin = time.monotonic()
    if start(command, cache).wait(timeout=1800):
        raise SystemExit(f"{command} failed: {output_of(cache).read_text(errors='replace')[-500:]}")
    return time.monotonic() - begin


def kill(process: subprocess.Popen, parent_only: bool) -> list[psutil.Process]:
    """Kill a command with SIGKILL; return its children, which live on if only the parent is meant."""
    parent = psutil.Process(process.pid)
    parent.suspend()  # so that no child is born meanwhile
    children = parent.children(recursive=True)
    for victim in [] if parent_only else children:
        try_to_kill(victim)
    parent.kill()
    process.wait()
    return children


def try_to_kill(victim: psutil.Process) -> None:
    """Kill a process unless it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        victim.kill()


def digests_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def broken_files(folder: Path) -> list[str]:
    """Return what a reader would find half-written: hidden names are nobody's business."""
    faults = []
    for path in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if is_hidden or not path.is_file():
            continue
        try:
            read_whole(path)
        except FileNotFoundError:
            pass  # an older epoch, removed in this moment
        except Exception as error:
            faults.append(f"{path} is half-written: {type(error).__name__} {error}")
    return faults


def read_whole(path: Path) -> None:
    """Read a file of any kind that the program writes; raise if it is not whole."""
    if path.suffix in (".json", ".ipynb"):
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".keras":
        assert zipfile.ZipFile(path).testzip() is None
    elif path.suffix == ".h5":
        h5py.File(path).close()
    elif path.suffix == ".html":
        assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    elif path.name == "pictures.bin":
        meta = json.loads((path.parent / "meta.json").read_text())
        assert hashlib.sha256(path.read_bytes()).hexdigest() == meta["pictures_digest"]
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            assert [arrays[name] for name in arrays.files]
    elif path.suffix in (".npy", ".bin"):
        assert (path.parent / "meta.json").exists()
    elif path.suffix == ".mp4":
        import av

        with av.open(str(path)) as container:
            assert sum(1 for _ in container.decode(video=0)) > 0
    else:
        assert path.stat().st_size > 0, "it is empty"


def outcome(target: Path) -> dict[str, object]:
    """Return everything by which two runs must be equal, volatile entries left out."""
    found: dict[str, object] = {}
    for path in sorted(path for path in target.rglob("*") if path.is_file()):
        name = str(path.relative_to(target))
        if path.name == "results.json":
            found[name] = lasting(json.loads(path.read_text(encoding="utf-8")))
        elif path.name == "verdicts.json":
            found[name] = json.loads(path.read_text(encoding="utf-8"))["videos"]
        elif path.name == "history.csv":
            found[name] = pd.read_csv(path).drop(columns="seconds").to_csv()
        elif path.name == "trials.csv":
            found[name] = pd.read_csv(path).drop(columns=["training_seconds", "ms_per_clip"]).to_csv()
        elif path.name == "model.keras":
            found[name] = weights_in(path)
        elif path.name in ("predictions.csv", "skipped.csv", "config.json"):
            found[name] = path.read_text(encoding="utf-8")
        else:
            found[name] = "is there"
    return found


def lasting(value: object) -> object:
    """Return what a JSON file says, without entries that differ between equal runs."""
    if isinstance(value, dict):
        return {key: lasting(part) for key, part in value.items() if key not in VOLATILE}
    return [lasting(part) for part in value] if isinstance(value, list) else value


def weights_in(path: Path) -> str:
    """Return the digest of all weights in a model file, to the bit."""
    content = io.BytesIO(zipfile.ZipFile(path).read("model.weights.h5"))
    digest = hashlib.sha256()

    def add(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            digest.update(name.encode() + np.asarray(item).tobytes())

    with h5py.File(content) as file:
        file["layers"].visititems(add)
    return digest.hexdigest()


def left_behind(*folders: Path) -> list[str]:
    """Return the hidden files that a finished run has not tidied away."""
    return [f"{path} was left behind" for folder in folders for path in folder.rglob(".*")]


@dataclass
class Torture:
    """Kills commands in chains and counts what survived."""

    place: Place
    draw: random.Random
    faults: list[str] = field(default_factory=list)
    moments: Counter = field(default_factory=Counter)
    kinds: Counter = field(default_factory=Counter)
    num_chains: int = 0
    undisturbed: dict[str, tuple[dict[str, object], float]] = field(default_factory=dict)

    def run_chain(self, scenario: str, num_kills: int) -> None:
        """Kill one command a few times, let it end, and compare."""
        if scenario not in self.undisturbed:
            self.undisturbed[scenario] = self._run_undisturbed(scenario)
        expected, seconds = self.undisturbed[scenario]
        chain = self.place.folder / "reports" / f"chain{self.num_chains}"
        self.num_chains += 1
        cache, target = self.place.folder / f"cache{self.num_chains}", chain
        target.mkdir(parents=True)
        command = self.place.command(scenario, target)
        orphans: list[psutil.Process] = []
        begin, kills_before = time.monotonic(), self.kinds.total()
        process = start(command, cache)
        for _ in range(num_kills):
            time.sleep(self.draw.uniform(0, 0.95 * seconds))
            if process.poll() is not None:
                break  # it was faster than the moment drawn
            parent_only = self.draw.random() < 0.4
            orphans += kill(process, parent_only)
            self._note_kill(scenario, parent_only, cache)
            process = start(command, cache)
        code = process.wait(timeout=1800)
        if self.kinds.total() == kills_before:
            # The machine has become faster than it was: draw from what it takes now.
            self.undisturbed[scenario] = expected, time.monotonic() - begin
        words = output_of(cache).read_text(errors="replace").strip().splitlines()[-1:]
        # Killed after the run had its name, but before it said so: there is nothing left to do.
        if code and "already" not in "".join(words):
            self.faults.append(f"{scenario}: the start after the last kill failed: {words}")
        self._check_end(scenario, expected, target, cache)
        for orphan in orphans:
            try_to_kill(orphan)
        shutil.rmtree(cache, ignore_errors=True)

    def _run_undisturbed(self, scenario: str) -> tuple[dict[str, object], float]:
        target = self.place.folder / "reports" / f"undisturbed_{scenario}"
        target.mkdir(parents=True)
        cache = self.place.folder / f"cache_{scenario}"
        seconds = run_undisturbed(self.place.command(scenario, target), cache)
        print(f"{scenario} undisturbed: {seconds:.0f} s", flush=True)
        return outcome(target), seconds

    def _note_kill(self, scenario: str, parent_only: bool, cache: Path) -> None:
        words = output_of(cache).read_text(errors="replace").replace("\r", "\n").split("\n")
        steps = [
            line for line in words if line.startswith(("0", "Preparing", "Training", "Predicting", "outer"))
        ]
        moment = re.split("[…:]", steps[-1])[0].strip() if steps else "start"
        self.moments[f"{scenario}, {moment}"] += 1
        self.kinds["the parent alone" if parent_only else "all processes"] += 1
        print(f"kill {self.kinds.total()}: {scenario}, {moment}, parent only: {parent_only}", flush=True)
        self.faults += broken_files(self.place.folder / "reports") + broken_files(cache)
        self._check_earlier()

    def _check_end(self, scenario: str, expected: dict[str, object], target: Path, cache: Path) -> None:
        found = outcome(target)
        listed = {name for name in (*expected, *found) if "/" not in name or not name.startswith(".")}
        wrong = sorted(name for name in listed if expected.get(name) != found.get(name))
        self.faults += [
            f"{scenario} {target.name}: {name} is not as in the undisturbed run" for name in wrong
        ]
        self.faults += broken_files(target) + broken_files(cache)
        if scenario != "predict":
            self.faults += left_behind(target)
        self._check_earlier()
        print(f"{scenario} ended as undisturbed: {not wrong}", flush=True)

    def _check_earlier(self) -> None:
        if digests_of(self.place.earlier) != self.place.digests:
            self.faults.append("the earlier run has changed")

    def summary(self) -> str:
        """Return counts and faults."""
        lines = [f"{self.kinds.total()} kills in {self.num_chains} chains."]
        lines += [f"  {number:3d} took {kind}" for kind, number in self.kinds.most_common()]
        lines += [f"  {number:3d} during {moment}" for moment, number in sorted(self.moments.items())]
        lines += [f"FAULT {fault}" for fault in self.faults]
        survived = self.kinds.total() if not self.faults else "not all"
        lines.append(f"Survived: {survived}. Faults: {len(self.faults)}.")
        return "\n".join(lines)


def torture(num_kills: int, seed: int, scenarios: tuple[str, ...], folder: Path) -> Torture:
    """Kill commands until the number of kills is reached."""
    place = Place(folder)
    place.make()
    run = Torture(place, random.Random(seed))
    while run.kinds.total() < num_kills:
        scenario = scenarios[run.num_chains % len(scenarios)]
        run.run_chain(scenario, min(KILLS_A_CHAIN, num_kills - run.kinds.total()))
    return run


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", nargs="*", default=SCENARIOS, choices=sorted(set(SCENARIOS)))
    options = parser.parse_args()
    print(f"{options.kills} kills, --seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="gaitlib_torture_", ignore_cleanup_errors=True) as folder:
        run = torture(options.kills, options.seed, tuple(options.only), Path(folder))
    print(run.summary())
    sys.exit(bool(run.faults))


if __name__ == "__main__":
    main()
