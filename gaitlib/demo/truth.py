"""The truth table: every number behind every synthetic video, drawn from one seed."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from gaitlib.demo.parameters import ACTED_STYLES, EMOTIONS, fastest_speed_m_per_s, sample_walk, sample_walker
from gaitlib.demo.scene import sample_look, sample_scene

TRUTH_NAME = "truth.csv"
CLIP_SECONDS = (2.4, 3.6)
# Random streams that must not mix, or a scene could tell of the walk in it.
_WALKER, _WALK, _SCENE, _LOOK = 0, 1, 2, 3


def sample_truth(
    walkers: range,
    num_takes: int = 2,
    alpha: float = 0.6,
    seconds: tuple[float, float] = CLIP_SECONDS,
    seed: int = 0,
) -> pd.DataFrame:
    """Draw the parameters of a set of videos without rendering any: one row a video.

    A walker's number and a seed always give the same person, who walks `num_takes` times in each emotion.
    `alpha` is the share of the acted emotion: 1 is acting, about 0.25 a felt emotion. `seconds` holds the
    lengths of the shortest and longest video. The columns are ``video``, ``emotion``, ``form``, ``walker``,
    ``take``, ``speed_m_per_s`` and the fields of `WalkParameters` and `SceneParameters`.
    """
    keys = itertools.product(range(len(EMOTIONS)), walkers, range(1, num_takes + 1))
    rows = [_truth_row((walker, place, take), alpha, seconds, seed) for place, walker, take in keys]
    return pd.DataFrame(rows)


def _truth_row(key: tuple[int, int, int], alpha: float, seconds: tuple[float, float], seed: int) -> dict:
    walker, place, take = key
    emotion, name = EMOTIONS[place], f"walker{walker:02d}"

    def stream(*parts: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=parts))

    rng = stream(_WALK, *key)
    form = str(rng.choice(list(ACTED_STYLES[emotion])))
    walk = sample_walk(sample_walker(stream(_WALKER, walker)), ACTED_STYLES[emotion][form], alpha, rng)
    look = sample_look(stream(_LOOK, walker))
    scene = sample_scene(stream(_SCENE, *key), look, fastest_speed_m_per_s(alpha), seconds)
    return {
        "video": f"{emotion}/{name}_{take}.mp4",
        "emotion": emotion,
        "form": form,
        "walker": name,
        "take": take,
        "speed_m_per_s": walk.speed_m_per_s,
        **dataclasses.asdict(walk),
        **dataclasses.asdict(scene),
    }


def read_truth(path: Path | str) -> pd.DataFrame:
    """Read a ``truth.csv``, or the one in a folder of synthetic videos, exactly as it was written."""
    path = Path(path)
    return pd.read_csv(path / TRUTH_NAME if path.is_dir() else path)
