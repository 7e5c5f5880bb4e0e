"""Write a video back with what was seen in it: box, word, and the probabilities over time below."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import pandas as pd

from gaitlib.clips import CHUNK_SECONDS, WORKING_SIDE_PIXELS, PreparedVideo
from gaitlib.config import RunConfig
from gaitlib.files import write_aside
from gaitlib.plotting import emotion_colors
from gaitlib.video import read_chunks

STRIP_PIXELS = 56
_INK, _SOFT = (20, 20, 20), (150, 150, 150)


def annotate_video(
    path: Path, target: Path, video: PreparedVideo, timeline: Sequence[Mapping[str, Any]], config: RunConfig
) -> None:
    """Write an mp4 that shows what was read.

    Parameters
    ----------
    path : Path
        The video.
    target : Path
        The mp4 to write.
    video : PreparedVideo
        Its track.
    timeline : sequence of mapping
        `start_seconds`, `end_seconds` and `probabilities` of each clip; may be empty.
    config : RunConfig
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with write_aside(target) as aside, av.open(str(aside), "w") as container:
        stream = container.add_stream("h264", rate=Fraction(config.frame_rate_hz).limit_denominator(1000))
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(_annotated_frames(path, video, timeline, config)):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _annotated_frames(
    path: Path, video: PreparedVideo, timeline: Sequence[Mapping[str, Any]], config: RunConfig
) -> Iterator[np.ndarray]:
    reader = read_chunks(
        path, config.frame_rate_hz, WORKING_SIDE_PIXELS, color=True, chunk_seconds=CHUNK_SECONDS
    )
    rows = video.track.itertuples()
    strip: np.ndarray | None = None
    for chunk in reader:
        for frame, row in zip(chunk.frames, rows, strict=False):
            picture = np.ascontiguousarray(frame[: len(frame) // 2 * 2, : frame.shape[1] // 2 * 2])
            if strip is None:
                strip = _draw_strip(timeline, picture.shape[1], float(video.track["time_seconds"].max()))
            word = _word_at(float(cast(float, row.time_seconds)), timeline)
            yield np.vstack([_draw_walker(picture, row, word), _with_cursor(strip, row, video)])


def _draw_walker(picture: np.ndarray, row: Any, word: str) -> np.ndarray:
    is_walking = row.segment >= 0
    if not pd.isna(row.left):
        corner = int(row.left), int(row.top)
        opposite = int(row.left + row.width), int(row.top + row.height)
        cv2.rectangle(
            picture, corner, opposite, (0, 158, 115) if is_walking else _SOFT, 2 if is_walking else 1
        )
    text = word if is_walking and word else "nobody walks in full view" if not is_walking else ""
    if text:
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.55, 1)
        cv2.rectangle(picture, (4, 4), (12 + width, 14 + height), (255, 255, 255), cv2.FILLED)
        cv2.putText(picture, text, (8, 9 + height), cv2.FONT_HERSHEY_SIMPLEX, 0.55, _INK, 1, cv2.LINE_AA)
    return picture


def _draw_strip(timeline: Sequence[Mapping[str, Any]], width: int, seconds: float) -> np.ndarray:
    """Stack the probabilities of each clip over the time in which it begins, one colour an emotion."""
    strip = np.full((STRIP_PIXELS, width, 3), 255, np.uint8)
    if not timeline:
        return strip
    emotions = list(timeline[0]["probabilities"])
    colors = {name: tuple(bytes.fromhex(code[1:])) for name, code in emotion_colors(emotions).items()}
    height = STRIP_PIXELS - 18
    for clip in timeline:
        left, right = (
            int(width * clip[name] / max(seconds, 0.1)) for name in ("start_seconds", "end_seconds")
        )
        top = 0.0
        for name, share in clip["probabilities"].items():
            strip[round(top * height) : round((top + share) * height), left : right + 1] = colors[name]
            top += share
    for number, name in enumerate(emotions):
        place = (4 + number * width // len(emotions), STRIP_PIXELS - 5)
        cv2.putText(strip, name[:12], place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colors[name], 1, cv2.LINE_AA)
    return strip


def _with_cursor(strip: np.ndarray, row: Any, video: PreparedVideo) -> np.ndarray:
    marked = strip.copy()
    place = int((marked.shape[1] - 1) * row.time_seconds / max(video.track["time_seconds"].max(), 0.1))
    cv2.line(marked, (place, 0), (place, STRIP_PIXELS - 18), _INK, 1)
    return marked


def _word_at(seconds: float, timeline: Sequence[Mapping[str, Any]]) -> str:
    """Return the likeliest emotion at a time, from the clip whose middle is nearest."""
    if not timeline:
        return ""
    nearest = min(timeline, key=lambda clip: abs(clip["start_seconds"] + clip["end_seconds"] - 2 * seconds))
    emotion = max(nearest["probabilities"], key=nearest["probabilities"].__getitem__)
    return f"{emotion} {nearest['probabilities'][emotion]:.0%}"
