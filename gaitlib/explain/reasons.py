"""Why a model gives its answer: gait parameters that speak for it, saliency, sweeps of drawn walkers."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd

from gaitlib.clips import PreparedVideo, prepare_videos
from gaitlib.data import VideoSet
from gaitlib.demo import DEMO_VERSION, WalkParameters, sample_truth, write_video
from gaitlib.files import cache_dir, write_aside
from gaitlib.gait import GAIT_PARAMETERS, gait_parameters
from gaitlib.models import TrainedModel, make_clips

if TYPE_CHECKING:
    import keras

# Standard deviations from neutral below which a parameter is as usual, and beyond which it counts no more.
_MIN_DISTANCE, _MAX_DISTANCE, _NUM_TOLD = 0.7, 4.0, 3
# Noisy copies for SmoothGrad, and their noise as a share of the clip's range.
_NUM_COPIES, _NOISE_SHARE = 12, 0.03
# Far below any probability that matters; keeps logarithms finite.
_TINY = 1e-12
# These people are in no training: the demo's default seed is 0.
_SEED = 1_000_003
# Over the middle of what drawn walks of all emotions show, in so many steps.
_RANGE, _RANGE_WALKERS, _NUM_VALUES, _SECONDS = (0.025, 0.975), 40, 5, 2.6
# A smaller change of a probability counts as none.
_SMALLEST_CHANGE = 0.05


def gait_reasons(video: PreparedVideo, model: TrainedModel, emotion: str) -> pd.DataFrame:
    """Compare a walk with the neutral walks of the training walkers, for the emotion that was answered.

    A parameter speaks for an emotion where the walk differs from neutral in the direction in which that
    emotion's training walks differ.

    Returns
    -------
    DataFrame
        One row a parameter, what speaks most for the answer first: `parameter`, `title`, `unit`, `value`,
        `neutral` (mean), `distance` (standard deviations from neutral) and `speaks` (distance times the
        usual distance of the emotion's walks). Empty where the training had no neutral walks.
    """
    rows = []
    for name, value in gait_parameters(video).items():
        known = model.about.get("gait_reference", {}).get(name)
        if known is None or not known["sd"] or not np.isfinite(value):
            continue
        distance = float(np.clip((value - known["mean"]) / known["sd"], -_MAX_DISTANCE, _MAX_DISTANCE))
        usual = (known.get("emotions", {}).get(emotion, known["mean"]) - known["mean"]) / known["sd"]
        rows.append((name, value, known["mean"], distance, distance * usual))
    table = pd.DataFrame(rows, columns=["parameter", "value", "neutral", "distance", "speaks"])
    about = GAIT_PARAMETERS[["title", "unit"]]
    return table.join(about, on="parameter").sort_values("speaks", ascending=False, ignore_index=True)


def reason_sentence(reasons: pd.DataFrame, emotion: str) -> str:
    """Say in one sentence which parameters speak for the answer, or that none stands out."""
    told = reasons[(reasons["speaks"] > 0) & (reasons["distance"].abs() >= _MIN_DISTANCE)].head(_NUM_TOLD)
    if told.empty:
        return f"No single gait parameter stands out from neutral walks in the way of {emotion} ones."
    parts = [
        f"{row['title']} {'above' if row['distance'] > 0 else 'below'} neutral ({row['value']:.3g} against "
        f"{row['neutral']:.3g}{'' if row['unit'] == '1' else ' ' + row['unit']})"
        for row in told.to_dict("records")
    ]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"Evidence for {emotion}: {listed}."


def explain_network(
    model: TrainedModel, videos: VideoSet, place: int, label: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the clip of a video to which a network gives an answer with most confidence, and its saliency.

    The clip has the shape (num_frames, height, width, num_channels), uint8, or (num_frames, 33, 3), float32;
    the saliency that without the last axis, float32: log-odds a place, above 0 for the answer.
    """
    clips, network = make_clips(videos.chosen([place]), model), model.predictor
    read = [clips.read(number) for number in range(len(clips))]
    says = network.predict(np.stack(read).astype(np.float32), verbose=0)[:, label]
    clip = read[int(says.argmax())]
    return clip, clip_saliency(network, clip, label)


def clip_saliency(network: "keras.Model", clip: np.ndarray, label: int) -> np.ndarray:
    """Estimate for every place of a clip by how much the log-odds of an answer would fall if it were plain.

    The gradient over noisy copies of the clip (SmoothGrad) times what sets the place apart from the plain
    clip: the median grey of frames, the mean posture of keypoints.

    References
    ----------
    Smilkov et al. (2017), SmoothGrad: removing noise by adding noise, arXiv:1706.03825. Shrikumar et al.
    (2016), Not just a black box, arXiv:1605.01713 (gradient x input).
    """
    import tensorflow as tf

    values = clip.astype(np.float32)
    plain = values.mean(axis=0) if clip.ndim == 3 else np.floor(np.median(values, axis=(0, 1, 2)))
    noise = np.random.default_rng(0).normal(0, _NOISE_SHARE * np.ptp(values), (_NUM_COPIES, *clip.shape))
    noisy = tf.constant(values + noise, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(noisy)
        shares = network(noisy, training=False)
        # The sum of the others keeps its digits where 1 - answer has none left.
        rest = tf.gather(shares, np.delete(np.arange(shares.shape[1]), label), axis=1)
        log_odds = tf.math.log(shares[:, label] + _TINY) - tf.math.log(tf.reduce_sum(rest, 1) + _TINY)
    gradient = tape.gradient(log_odds, noisy).numpy().mean(axis=0)
    return (gradient * (values - plain)).sum(axis=-1)


# Movements of a drawn walk: unit, and column in the truth.
MOVEMENTS = {
    "arm swing": ("deg", "shoulder_swing_deg"),
    "speed": ("m/s", "speed_m_per_s"),
    "forward lean": ("deg", "trunk_lean_deg"),
    "bounce": ("cm", "hip_bounce_cm"),
}


def sweep_movements(model: TrainedModel, num_walkers: int = 2) -> pd.DataFrame:
    """Vary every movement of `MOVEMENTS` in a few drawn neutral walks and ask the model each time.

    Person, clothes, scene, camera and noise stay the same, so that a change of the answer comes from the
    movement alone. The model must be one that compares walks with nothing.

    Returns
    -------
    DataFrame
        One row a video: `parameter`, `value` (in the unit of the movement), `walker` and ``p_<emotion>``,
        which is NaN where no walker was found.
    """
    usual = sample_truth(range(1, _RANGE_WALKERS + 1), 1, seed=_SEED)
    low, high = (usual.quantile(share, numeric_only=True) for share in _RANGE)
    neutral = sample_truth(range(1, num_walkers + 1), 1, seconds=(_SECONDS, _SECONDS), seed=_SEED)
    rows = neutral[neutral["emotion"] == "neutral"].to_dict("records")
    jobs = [
        (name, float(value), row)
        for name, (_, column) in MOVEMENTS.items()
        for value in np.linspace(low[column], high[column], _NUM_VALUES)
        for row in rows
    ]
    films = _draw_films([_changed(row, name, value) for name, value, row in jobs])
    videos = prepare_videos(films, model.config, "Reading drawn walkers")
    found = {place: video for place, video in enumerate(videos) if isinstance(video, PreparedVideo)}
    table = pd.DataFrame(jobs, columns=["parameter", "value", "walker"])
    table["walker"] = [row["walker"] for *_, row in jobs]
    table[[f"p_{emotion}" for emotion in model.emotions]] = np.nan
    if found:
        nobody = np.zeros(len(found), int)
        table.iloc[list(found), 3:] = model.predict(VideoSet((*found.values(),), nobody, nobody.astype(str)))
    return table


def _changed(row: Mapping[Any, Any], name: str, value: float) -> dict[Any, Any]:
    """Return a row of the truth with one movement changed; speed shares its change with cadence and step."""
    if name == "speed":
        return {**row, **dataclasses.asdict(WalkParameters.from_row(row).with_speed(value))}
    return {**row, MOVEMENTS[name][1]: value}


def _draw_films(walks: Sequence[Mapping[Any, Any]]) -> list[Path]:
    """Return a film of each row of the truth; films stay in the cache, so that a second run draws none."""
    digests = [hashlib.sha256(json.dumps([DEMO_VERSION, walk]).encode()).hexdigest() for walk in walks]
    paths = [cache_dir() / "films" / f"{digest[:32]}.mp4" for digest in digests]
    missing = [pair for pair in zip(walks, paths, strict=True) if not pair[1].exists()]
    joblib.Parallel(n_jobs=-1)(joblib.delayed(_draw_film)(*pair) for pair in missing)
    return paths


def _draw_film(walk: Mapping[Any, Any], path: Path) -> None:
    with write_aside(path) as aside:
        write_video(walk, aside)


def describe_sweeps(table: pd.DataFrame) -> list[str]:
    """Say which movements the model reads and in which direction, the strongest first.

    A change counts from the lowest to the highest value as the mean over walkers.
    """
    number = table["walker"].nunique()
    about = (
        f"{number} synthetic walker{'s' * (number > 1)} in a neutral walk; one parameter of it varied at a "
        "time, all else the same. This says what the model reads in drawn people, not in filmed ones."
    )
    ends = {}
    for name, part in table.groupby("parameter"):
        means = part.groupby("value").mean(numeric_only=True).rename(columns=lambda column: column[2:])
        changes = (means.iloc[-1] - means.iloc[0]).sort_values(key=abs, ascending=False)
        ends[str(name)] = means.iloc[[0, -1]][changes.index]
    ordered = sorted(ends, key=lambda name: -np.abs(np.diff(ends[name].to_numpy(), axis=0)).max())
    return [about, *(_sentence(name, ends[name]) for name in ordered)]


def _sentence(name: str, ends: pd.DataFrame) -> str:
    """Say how the mean probabilities change from the first to the second row."""
    parts = [
        f"{'raises' if last > first else 'lowers'} {emotion} from {first:.0%} to {last:.0%}"
        for emotion, (first, last) in ends.items()
        if abs(last - first) >= _SMALLEST_CHANGE
    ]
    low, high = ends.index
    nothing = f"changes nothing beyond {100 * _SMALLEST_CHANGE:.0f} points"
    reach = f"{name} from {low:.2g} to {high:.2g} {MOVEMENTS[name][0]}"
    return f"Raising {reach} {', '.join(parts) or nothing}."
