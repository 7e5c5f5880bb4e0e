"""What a leak looks like: the same model, tested on people of whom it has seen other videos."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
from sklearn.model_selection import train_test_split

from gaitlib.config import RunConfig
from gaitlib.evaluation import (
    Predictions,
    accuracy_with_interval,
    mean_with_interval,
    predict_videos,
)
from gaitlib.rundata import RunData
from gaitlib.training import train_model

# Share of the judged videos that the leaked model is tested on: others of their walkers train it.
_SHARE_SINGLE, _SHARE_FOLDS = 0.5, 0.25


def leaked_split(data: RunData, config: RunConfig) -> RunData:
    """Split by video instead of by walker, as systems that report too much do.

    Parameters
    ----------
    data : RunData
    config : RunConfig

    Returns
    -------
    RunData
        Test: a part of the videos that the honest models judged, drawn evenly over the emotions.
        Training and validation: all other videos, whoever walks in them.
    """
    videos = data.videos[data.videos["split"] != "unused"].copy()
    judged = videos.index if config.folds else videos.index[videos["split"] == "test"]
    share = _SHARE_FOLDS if config.folds else _SHARE_SINGLE
    test = _draw(videos.loc[judged], share, config.seed)
    rest = videos.index.difference(test)
    validation = _draw(videos.loc[rest], config.validation_fraction, config.seed)
    videos["split"] = "train"
    videos.loc[validation, "split"] = "validation"
    videos.loc[test, "split"] = "test"
    return replace(data, videos=videos)


def leak_scores(data: RunData, honest: pd.Series, config: RunConfig) -> dict[str, Any]:
    """Train the same model on a leaked split and score both on the same videos.

    Parameters
    ----------
    data : RunData
    honest : Series of str
        By the digest of each video, what a model said that had never seen the walker.
    config : RunConfig

    Returns
    -------
    dict
        `honest` and `leaked` (each `accuracy`, `accuracy_ci95`), `difference` with
        `difference_ci95`, `num_videos`, `num_shared_walkers`.
    """
    leaked = leaked_split(data, config)
    train, validation, test = (leaked.clip_set(split, config) for split in ("train", "validation", "test"))
    model = train_model(train, validation, config, leaked.emotions).model
    rows = leaked.rows("test")
    places = {emotion: place for place, emotion in enumerate(leaked.emotions)}
    said = honest.reindex(rows["digest"]).map(places).to_numpy()
    leaky = predict_videos(model, test).argmax(axis=1)
    walkers = rows["walker"].to_numpy()
    honest_said, leaked_said = (Predictions(test.labels, answers, walkers) for answers in (said, leaky))
    scores = _compare(honest_said, leaked_said, config)
    return {**scores, "num_shared_walkers": len(set(leaked.rows("train")["walker"]) & set(walkers))}


def _compare(honest: Predictions, leaked: Predictions, config: RunConfig) -> dict[str, Any]:
    gain = leaked.is_right.astype(float) - honest.is_right
    difference, interval = mean_with_interval(gain, honest.walkers, config.num_resamples, config.seed)
    return {
        "honest": accuracy_with_interval(honest, config.num_resamples, config.seed),
        "leaked": accuracy_with_interval(leaked, config.num_resamples, config.seed),
        "difference": difference,
        "difference_ci95": interval,
        "num_videos": len(honest.labels),
    }


def _draw(videos: pd.DataFrame, share: float, seed: int) -> pd.Index:
    """Draw a share of the videos, as evenly over the emotions as their numbers allow."""
    counts = videos["emotion"].value_counts()
    number = max(1, round(share * len(videos)))
    is_possible = counts.min() >= 2 and number >= len(counts) <= len(videos) - number
    strata: pd.Series | None = videos["emotion"] if is_possible else None
    _, drawn = train_test_split(videos.index, test_size=number, stratify=strata, random_state=seed)
    return pd.Index(drawn)


def describe_leak(scores: Mapping[str, Any]) -> str:
    """Say in a sentence how much the leak adds, computed from the scores."""
    low, high = scores["difference_ci95"]
    sure = "The interval excludes zero." if low > 0 or high < 0 else "The interval includes zero."
    return (
        f"On the same {scores['num_videos']} videos the model reached {scores['honest']['accuracy']:.1%} "
        f"when it had never seen the walkers, and {scores['leaked']['accuracy']:.1%} when other videos of "
        f"{scores['num_shared_walkers']} of them were in its training: "
        f"{100 * scores['difference']:+.1f} points (95 % interval {100 * low:+.1f} to {100 * high:+.1f}). "
        f"{sure}"
    )
