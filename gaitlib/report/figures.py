"""Scores and walkers become figures, each with its description as label."""

import io
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from html import escape
from itertools import islice
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageOps

from gaitlib.clips import PreparedVideo
from gaitlib.config import CEILINGS, RunConfig
from gaitlib.data import RunData, make_fit, prepared_rows
from gaitlib.errors import InputError
from gaitlib.evaluation import Evaluation
from gaitlib.explain import captioned, data_uri
from gaitlib.files import file_digest, show_name, spelled
from gaitlib.models import ClipAnswers
from gaitlib.predict.writing import draw_walker
from gaitlib.training import load_fit
from gaitlib.video import VideoReader

_MODEL_COLOR, _BASELINE_COLOR = "#0072B2", "#767676"
_WIDTH_INCHES = 8.4
_CLIP_PX, _BARS_PX = 200, 90  # six moving clips of three seconds stay below 3 MB
# Names come from users: a dollar sign in one is no formula.
plt.rcParams.update({"text.parse_math": False, "axes.spines.top": False, "axes.spines.right": False})
plt.rcParams.update({"legend.frameon": False, "figure.figsize": (_WIDTH_INCHES, 2.8)})


def plot_intervals(
    table: pd.DataFrame, caption: str, axis: str, marked: Collection[str] = (), width: float = _WIDTH_INCHES
) -> Figure:
    """Show `accuracy`, `low` and `high` by `name`: shares where `axis` ends with %, else differences.

    Names in `marked` are in colour; ceilings are hollow.
    """
    figure, ax = plt.subplots(figsize=(width, 0.75 + 0.34 * len(table)), layout="constrained")
    is_share = axis.endswith("%")
    rows = table[["name", "accuracy", "low", "high"]].itertuples(index=False)
    for place, (name, value, *limits) in enumerate(rows):
        color = _MODEL_COLOR if name in marked else _BASELINE_COLOR
        ax.hlines(place, *limits, color=color, lw=2)
        ax.plot(value, place, "o", color=color, mfc="white" if name in CEILINGS else color, zorder=3)
        text = f"{value:.0%}" if is_share else f"{100 * value:+.1f}"
        ax.text(value, place - 0.18, text, ha="center", va="bottom", fontsize=8)
    names = table["name"].map(spelled)
    ax.set_yticks(range(len(table)), names)
    ax.set(ylim=(len(table) - 0.5, -0.75), xlabel=axis)
    ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")
    ax.grid(axis="x", color="#dddddd", lw=0.6)
    ax.axvline(0, color="black", lw=0.8)
    if is_share:
        ax.set_xlim(0, 1.02)
    words = "; ".join(names + (100 * table["accuracy"]).map(" {:.3g}".format))
    figure.set_label(f"{caption}: {axis.lower()}: {words}.")
    return figure


def plot_confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> Figure:
    """Show counts and shares of what each emotion was taken for (rows: true)."""
    counts = pd.DataFrame(np.asarray(matrix), list(labels), list(labels))
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    texts = counts.astype(str) + shares.map("\n{:.0%}".format)
    figure, ax = plt.subplots(figsize=(5.2, 4.0), layout="constrained")
    bar = {"label": "Share of the row"}
    sns.heatmap(shares, annot=texts, fmt="", cmap="Blues", vmin=0, vmax=1, cbar_kws=bar, square=True, ax=ax)
    ax.set(xlabel="Predicted emotion", ylabel="True emotion")
    ax.tick_params(axis="y", rotation=0)
    figure.set_label(f"Confusion matrix, videos by true emotion: {_in_words(counts.astype(str))}.")
    return figure


def plot_effects(effects: pd.DataFrame) -> Figure:
    """Show the 20 strongest effects of emotions on gait parameters (see `effect_sizes`) as a heat map."""
    strongest = effects["effect"].abs().groupby(effects["title"]).max().nlargest(20).index
    is_clear = (effects["low"] > 0) | (effects["high"] < 0)
    words = effects["effect"].map("{:+.1f}".format) + is_clear.map({True: " *", False: ""})
    table = effects.assign(text=words).pivot(index="title", columns="emotion")
    sizes, texts = table.loc[strongest, "effect"].astype(float), table.loc[strongest, "text"]
    figure, ax = plt.subplots(figsize=(_WIDTH_INCHES, 1.2 + 0.28 * len(sizes)), layout="constrained")
    limit, bar = max(2.0, sizes.abs().max(axis=None)), {"label": "Effect size, Hedges' g"}
    sns.heatmap(sizes, annot=texts, fmt="", cmap="PuOr_r", vmin=-limit, vmax=limit, cbar_kws=bar, ax=ax)
    ax.set(xlabel="", ylabel="")
    figure.set_label(
        f"Effect sizes of gait parameters by emotion, * interval without zero: {_in_words(texts.head(6))}."
    )
    return figure


def _in_words(texts: pd.DataFrame) -> str:
    return "; ".join(f"{name}: {', '.join(row.index + ' ' + row)}" for name, row in texts.T.items())


def walker_strip(data: RunData) -> dict[str, np.ndarray]:
    """Return a frame of up to eight walkers, of shape (180, 180, 3), uint8, by emotion and walker."""
    turns = data.videos.assign(turn=data.videos.groupby("emotion").cumcount())
    rows = turns.sort_values(["turn", "emotion"]).drop_duplicates(["walker", "emotion"]).head(8)
    strip = {}
    for row, video in zip(rows.itertuples(), prepared_rows(rows), strict=True):
        moments = max(video.bouts, key=len).rows
        ((_, frame),) = _walker_frames(str(row.path), video, moments[[(len(moments) - 1) // 2]], 180)
        strip[f"{row.emotion}\n{show_name(row.walker)[:16]}"] = np.asarray(frame)
    return strip


def moving_clips(
    data: RunData, evaluation: Evaluation, config: RunConfig, run_dir: Path, is_right: bool
) -> str:
    """Return clips of the walkers of the most confident right, or wrong, answers as HTML.

    Beside the walker run the probabilities that the model of the fold gives at each moment.
    """
    predictions, rows, clips = evaluation.predictions, data.rows("judged"), ""
    model_of = cache(lambda fold: load_fit(run_dir, make_fit(data, fold, config.seed, config)))
    order = np.argsort(-predictions.calibrated.max(axis=1), kind="stable")
    for place in order[predictions.is_right[order] == is_right][:3]:
        row, said = rows.iloc[place], predictions.emotions[predictions.predicted[place]]
        name, share = show_name(row["video"])[-40:], predictions.calibrated[place].max()
        caption = f"{name} shows {row['emotion']} and was read as {said} (calibrated: {share:.0%})."
        one, model = data.video_set("judged", config).chosen([place]), model_of(int(row["fold"]) or 1)
        assert model is not None
        answers, video = model.predict_clips(one), one.videos[0]
        rate_hz = video.meta["frame_rate_hz"]
        every = max(1, round(rate_hz / 10))
        moments = max(video.bouts, key=len).rows[: round(3 * rate_hz) : every]
        frames = _walker_frames(row["path"], video, moments, _CLIP_PX)
        beside = [_with_bars(frame, at / rate_hz, answers, predictions.emotions) for at, frame in frames]
        clips += _clip_html(beside, round(1000 * every / rate_hz), caption)
    return f'<div class="clips">{clips}</div>' if clips else ""


def _with_bars(image: Image.Image, seconds: float, answers: ClipAnswers, emotions: Sequence) -> Image.Image:
    """Put the probabilities of the moment nearest in time beside a frame."""
    away = np.maximum(answers.start_seconds - seconds, seconds - answers.end_seconds)
    shares = answers.probabilities[away <= max(away.min(), 0)].mean(axis=0)
    wide = ImageOps.pad(image, (_CLIP_PX + _BARS_PX, _CLIP_PX), color="white", centering=(0, 0))
    pen, step = ImageDraw.Draw(wide), _CLIP_PX / len(emotions)
    for number, (emotion, share) in enumerate(zip(emotions, shares, strict=True)):
        left, top = _CLIP_PX + 6, number * step + step / 2
        pen.text((left, top - 14), emotion[:14], fill="black")
        pen.rectangle((left, top, left + 1 + (_BARS_PX - 12) * share, top + 8), fill=_MODEL_COLOR)
    return wide


def _clip_html(frames: Sequence[Image.Image], pause_ms: int, caption: str) -> str:
    """Return an animated WebP with a still one in its place where motion is not wanted."""
    moving, still = io.BytesIO(), io.BytesIO()
    rest = frames[1:]
    frames[0].save(moving, "WEBP", save_all=True, append_images=rest, duration=pause_ms, loop=0, quality=40)
    frames[len(frames) // 2].save(still, "WEBP")
    alt = escape(f"Moving clip of a walker. {caption}")
    image = f'<img src="{data_uri(moving, "webp")}" width="{_CLIP_PX + _BARS_PX}" alt="{alt}">'
    calm = f'media="print, (prefers-reduced-motion: reduce)" srcset="{data_uri(still, "webp")}"'
    return captioned(f"<picture><source {calm}>{image}</picture>", caption)


def _walker_frames(
    path: str, video: PreparedVideo, rows: np.ndarray, side_px: int
) -> Iterator[tuple[int, Image.Image]]:
    """Yield rows of the track and a square around the walker, with stick figure or box, in their frames."""
    if Path(path).is_file() and file_digest(Path(path)) != video.digest:
        raise InputError(f"{path} has changed since 01_preprocessing: run that again.")
    scale = min(1.0, 960 / max(video.meta["width"], video.meta["height"]))  # as the reader shrinks frames
    squares = video.track.loc[rows, ["square_x", "square_y", "square_side"]] * scale
    side = round(squares["square_side"].max())
    chunks = VideoReader(Path(path), video.meta["frame_rate_hz"], chunk_seconds=4.0)
    frames = enumerate(frame for chunk in chunks for frame in chunk.frames)
    for row, frame in islice(frames, rows[0], rows[-1] + 1):
        if row in rows:
            draw_walker(frame, video, row)
            left, top = (round(squares.at[row, name] - side / 2) for name in ("square_x", "square_y"))
            square = Image.fromarray(frame).crop((left, top, left + side, top + side))
            yield row, square.resize((side_px, side_px))
