"""Synthetic walkers: videos of people who do not exist, with every parameter behind each video."""

import dataclasses
import itertools
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from gaitlib.demo.kinematics import EMOTIONS, WalkParameters, fastest_speed_m_per_s, pose_walker, sample_walk
from gaitlib.demo.recording import SenseParameters, sample_scene, sample_senses, step_sound, watch_signals
from gaitlib.demo.rendering import SYNTHETIC_COMMENT, paint_frames, write_video
from gaitlib.errors import InputError
from gaitlib.files import temporary_folder

# Raise when the same seed draws other videos: drawn ones are kept and used again.
DEMO_VERSION = 5
TRUTH_NAME = "truth.csv"
CLIP_SECONDS = (2.4, 3.6)


def sample_truth(
    walkers: range,
    num_takes: int = 2,
    alpha: float = 0.6,
    seconds: tuple[float, float] = CLIP_SECONDS,
    seed: int = 0,
) -> pd.DataFrame:
    """Draw the parameters of a set of videos without rendering any: one row a video.

    `alpha` is the share of the acted emotion: 1 is acting, about 0.25 a felt emotion. `seconds` holds the
    lengths of the shortest and longest video. The columns are ``video``, ``emotion``, ``form``, ``walker``,
    ``take``, ``speed_m_per_s`` and the fields of `WalkParameters`, `SceneParameters` and `SenseParameters`.
    """
    rows = []
    for emotion, walker, take in itertools.product(EMOTIONS, walkers, range(1, num_takes + 1)):
        # Streams must not mix, or a scene could tell of the walk in it.
        own = (walker, EMOTIONS.index(emotion), take)
        keys = (0, walker), (1, *own), (3, walker), (2, *own), (4, *own)
        rngs = [np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key)) for key in keys]
        form, walk = sample_walk(emotion, alpha, rngs[0], rngs[1])
        scene = sample_scene(rngs[2], rngs[3], fastest_speed_m_per_s(alpha), seconds)
        senses = sample_senses(rngs[4], emotion, walk, alpha)
        name = f"walker{walker:02d}"
        row: dict[str, object] = {"video": f"{emotion}/{name}_{take}.mp4", "emotion": emotion, "form": form}
        row |= {"walker": name, "take": take, "speed_m_per_s": walk.speed_m_per_s}
        rows.append(row | dataclasses.asdict(walk) | dataclasses.asdict(scene) | dataclasses.asdict(senses))
    return pd.DataFrame(rows)


def make_demo(
    videos_dir: Path | str,
    videos_test_dir: Path | str,
    num_walkers: int = 10,
    seed: int = 0,
    num_takes: int = 2,
    clip_seconds: tuple[float, float] = CLIP_SECONDS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write synthetic walkers for training and, other people, for the test; return the truth about both.

    There are half as many test walkers, but at least two. Beside each video lies a ``.csv`` with what a watch
    records. A seed gives the same files. Raises `InputError` if a folder is not free.
    """
    folders = [Path(videos_dir).resolve(), Path(videos_test_dir).resolve()]
    for folder in folders:
        if held := {path.name for path in folder.glob("*")} - {"README.md", ".gitkeep"}:
            raise InputError(f"{folder} already holds {min(held)}: give an empty folder for the walkers.")
    if folders[0] == folders[1]:
        raise InputError(f"{folders[0]} cannot hold both sets of walkers: give two folders.")
    first_test = num_walkers + 1
    groups = range(1, first_test), range(first_test, first_test + max(2, round(num_walkers / 2)))
    training, test = (sample_truth(walkers, num_takes, seconds=clip_seconds, seed=seed) for walkers in groups)
    _write_folder(folders[0], training)
    _write_folder(folders[1], test)
    return training, test


def _write_walk(row: dict, path: Path) -> None:
    """Write the video with the sound of its steps, and beside it what a watch records."""
    walk, senses = WalkParameters.from_row(row), SenseParameters.from_row(row)
    write_video(row, path, step_sound(walk, senses, row["num_frames"] / row["frame_rate_hz"]))
    watch_signals(walk, senses).to_csv(path.with_suffix(".csv"), index=False)


def _write_folder(folder: Path, truth: pd.DataFrame) -> None:
    """Write the videos aside, in parallel, then move them into place with the truth table last."""
    folder.mkdir(parents=True, exist_ok=True)
    with temporary_folder(folder) as aside:
        for emotion in EMOTIONS:
            (aside / emotion).mkdir()
        rows = truth.to_dict("records")
        tasks = (joblib.delayed(_write_walk)(row, aside / row["video"]) for row in rows)
        done = joblib.Parallel(n_jobs=-1, return_as="generator_unordered")(tasks)
        list(tqdm(done, "Drawing synthetic walkers", len(rows), unit="video", mininterval=1.0))
        truth.to_csv(aside / TRUTH_NAME, index=False, lineterminator="\n")
        for name in (*EMOTIONS, TRUTH_NAME):
            (aside / name).replace(folder / name)
