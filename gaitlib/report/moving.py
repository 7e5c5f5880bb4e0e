"""Walkers for readers: a strip of them, and clips that move, with stick figure and probabilities."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from gaitlib.clips import PreparedVideo
from gaitlib.config import RunConfig
from gaitlib.data import RunData, list_fits, prepared_rows
from gaitlib.evaluation import Evaluation
from gaitlib.files import show_name
from gaitlib.models import ClipAnswers
from gaitlib.predict import draw_skeleton_over
from gaitlib.report.figures import MODEL_COLOR, RIGHT_COLOR, WRONG_COLOR
from gaitlib.report.showing import Picture
from gaitlib.video import VideoReader

# Six clips on a page stay below 3 MB, with the third that base64 adds.
_MAX_BYTES = 340_000
_SECONDS, _HEIGHT_PX, _PANEL_PX = 3.0, 220, 150


def walker_strip(data: RunData, num_columns: int = 8) -> dict[str, np.ndarray]:
    """Return one frame of several walkers, the emotions in turn, to show who the videos are of.

    Returns
    -------
    dict of str to ndarray of shape (180, 180, 3), uint8
        By emotion and walker.
    """
    turns = data.videos.assign(turn=data.videos.groupby("emotion").cumcount())
    rows = turns.sort_values(["turn", "emotion"]).drop_duplicates(["walker", "emotion"]).head(num_columns)
    strip = {}
    for row, video in zip(rows.itertuples(), prepared_rows(rows), strict=True):
        for _, frame in _walking_frames(str(row.path), video, 1):
            label = f"{row.emotion}\n{show_name(row.walker)[:16]}"
            strip[label] = np.asarray(ImageOps.pad(frame, (180, 180), color="white"))
    return strip


def moving_clips(
    data: RunData, evaluation: Evaluation, config: RunConfig, run_dir: Path, is_right: bool, number: int = 3
) -> list[Picture]:
    """Return clips of the most confident right, or wrong, answers.

    Each shows the walker with box and stick figure, and the probability of every emotion as it runs.
    """
    predictions, rows = evaluation.predictions, data.rows("judged")
    confidence = predictions.calibrated.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    pictures = []
    for place in order[predictions.is_right[order] == is_right][:number]:
        row, said = rows.iloc[place], predictions.emotions[predictions.predicted[place]]
        verdict = f"{row['emotion']}, recognised" if is_right else f"{row['emotion']}, taken for {said}"
        name = show_name(Path(row["video"]).stem)[:40]
        caption = f"{name}: shows {verdict} with a confidence of {confidence[place]:.0%}."
        colors = dict.fromkeys(predictions.emotions, MODEL_COLOR)
        colors |= {said: WRONG_COLOR} | {row["emotion"]: RIGHT_COLOR}
        video, answers = _clip_answers(data, int(place), evaluation, config, run_dir)
        frames = list(_draw(row["path"], video, answers, colors))
        if frames:
            moving, still = _webp(frames, config.frame_rate_hz), io.BytesIO()
            frames[len(frames) // 2].save(still, "WEBP", quality=70)
            alt = f"Moving clip of a walker with box, stick figure and probabilities. {caption}"
            pictures.append(Picture(moving, alt, caption, frames[0].width, still.getvalue()))
    return pictures


def _clip_answers(
    data: RunData, place: int, evaluation: Evaluation, config: RunConfig, run_dir: Path
) -> tuple[PreparedVideo, ClipAnswers]:
    """Return a judged video and what the model of its fold said about each of its clips."""
    from gaitlib.training import load_fit

    fold = int(evaluation.predictions.videos["fold"].iloc[place]) or 1
    fit = next(fit for fit in list_fits(data, config) if fit.fold == fold)
    model = load_fit(run_dir, fit, "chosen")
    assert model is not None
    videos = data.video_set("judged", config).chosen([place])
    return videos.videos[0], model.predict_clips(videos)


def _walking_frames(path: str, video: PreparedVideo, num_frames: int) -> Iterator[tuple[int, Image.Image]]:
    """Yield rows of the track, and squares around the walker with box and stick figure, of one bout."""
    bout = max(video.bouts, key=len)
    first = (bout.first_row + bout.last_row) // 2 if num_frames == 1 else bout.first_row
    rows = video.track.loc[first : min(first + num_frames - 1, bout.last_row)]
    side, row = round(rows["square_side"].max()), -1
    for chunk in VideoReader(Path(path), video.meta["frame_rate_hz"], chunk_seconds=4.0):
        for frame in chunk.frames:
            row += 1
            if row in rows.index:
                left, top = (round(rows.at[row, name] - side / 2) for name in ("square_x", "square_y"))
                square = left, top, left + side, top + side
                yield row, _draw_walker(frame.copy(), video, row).crop(square)
        if row >= rows.index[-1]:
            return


def _draw_walker(frame: np.ndarray, video: PreparedVideo, row: int) -> Image.Image:
    if video.keypoints is not None:
        draw_skeleton_over(frame, video.keypoints, row, frame.shape[1] / video.keypoints.frame_size_px[0])
    image, box = Image.fromarray(frame), video.track.loc[row, ["left", "top", "width", "height"]].to_numpy()
    if np.isfinite(box).all():
        corners = (*box[:2], *(box[:2] + box[2:]))
        ImageDraw.Draw(image).rectangle(corners, outline="white", width=max(2, image.height // 250))
    return image


def _draw(
    path: str, video: PreparedVideo, answers: ClipAnswers, colors: dict[str, str]
) -> Iterator[Image.Image]:
    """Yield frames of the walker with the probabilities at that moment beside them."""
    from matplotlib import font_manager

    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 13)
    for row, frame in _walking_frames(path, video, round(_SECONDS * video.meta["frame_rate_hz"])):
        seconds = video.track["time_seconds"].iloc[row]
        gaps = np.maximum(answers.start_seconds - seconds, seconds - answers.end_seconds)
        values = answers.probabilities[gaps <= max(gaps.min(), 0)].mean(axis=0)
        width = max(1, round(frame.width * _HEIGHT_PX / frame.height))
        canvas = Image.new("RGB", (width + _PANEL_PX, _HEIGHT_PX), "white")
        canvas.paste(frame.resize((width, _HEIGHT_PX)))
        pen, step = ImageDraw.Draw(canvas), _HEIGHT_PX / len(colors)
        for number, ((emotion, color), value) in enumerate(zip(colors.items(), values, strict=True)):
            x, y = width + 8, (number + 0.5) * step
            pen.text((x, y - 18), emotion[:16], fill="black", font=font)
            pen.rectangle((x, y, x + max(1, (_PANEL_PX - 16) * value), y + 10), fill=color)
        yield canvas


def _webp(frames: list[Image.Image], rate_hz: float) -> bytes:
    """Return an animated WebP, small enough for a page."""
    for quality, every in ((60, 1), (40, 1), (30, 2), (15, 3)):
        stream = io.BytesIO()
        options = {"quality": quality, "duration": round(1000 * every / rate_hz), "loop": 0}
        frames[0].save(stream, "WEBP", save_all=True, append_images=frames[every::every], **options)
        if stream.tell() <= _MAX_BYTES:
            break
    return stream.getvalue()
