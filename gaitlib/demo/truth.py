"""The truth table: every number behind every synthetic video, drawn from one seed."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from gaitlib.demo.parameters import (
    DEFAULT_ALPHA,
    EMOTIONS,
    FORMS,
    fastest_speed_m_per_s,
    sample_walk,
    sample_walker,
)
from gaitlib.demo.scene import sample_look, sample_scene

TRUTH_NAME = "truth.csv"
CLIP_SECONDS = (3.0, 5.0)
# Streams of chance that must not mix, or a scene could tell of the walk in it.
WALKER_STREAM, WALK_STREAM, SCENE_STREAM, LOOK_STREAM = 0, 1, 2, 3


def _generator(seed: int, *place: int) -> np.random.Generator:
    """Return the generator of one stream, such as the walk of one take of one walker."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=place))


def _truth_row(
    walker: int, emotion: str, take: int, alpha: float, seconds: tuple[float, float], seed: int
) -> dict:
    """Draw one video's walk and scene, and return them as a row of the truth table."""
    person = sample_walker(_generator(seed, WALKER_STREAM, walker))
    place = (walker, EMOTIONS.index(emotion), take)
    chance = _generator(seed, WALK_STREAM, *place)
    form = str(chance.choice(FORMS[emotion]))
    walk = sample_walk(person, emotion, form, alpha, chance)
    scene_chance = _generator(seed, SCENE_STREAM, *place)
    look = sample_look(_generator(seed, LOOK_STREAM, walker))
    scene = sample_scene(scene_chance, look, fastest_speed_m_per_s(alpha), seconds)
    name = f"walker{walker:02d}"
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


def sample_truth(
    walkers: range,
    num_takes: int = 2,
    alpha: float = DEFAULT_ALPHA,
    seconds: tuple[float, float] = CLIP_SECONDS,
    seed: int = 0,
) -> pd.DataFrame:
    """Draw the parameters of a set of videos without rendering any.

    Parameters
    ----------
    walkers : range
        Numbers of the walkers; a number and a seed always give the same person.
    num_takes : int, default 2
        Videos per walker and emotion.
    alpha : float, default 0.6
        Share of the acted emotion.
    seconds : tuple of two floats, default (3, 5)
        Shortest and longest clip.
    seed : int, default 0
        Seed of everything.

    Returns
    -------
    DataFrame
        One row a video: ``video``, ``emotion``, ``form``, ``walker``, ``take``, ``speed_m_per_s``
        and the fields of `WalkParameters` and `SceneParameters`.
    """
    rows = [
        _truth_row(walker, emotion, take, alpha, seconds, seed)
        for emotion in EMOTIONS
        for walker in walkers
        for take in range(1, num_takes + 1)
    ]
    return pd.DataFrame(rows)


def read_truth(path: Path | str) -> pd.DataFrame:
    """Read a ``truth.csv`` exactly as it was written.

    Parameters
    ----------
    path : path-like
        The file, or the videos folder that holds it.

    Returns
    -------
    DataFrame
        As `sample_truth` returns it.
    """
    path = Path(path)
    path = path / TRUTH_NAME if path.is_dir() else path
    return pd.read_csv(path)
