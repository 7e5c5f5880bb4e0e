"""Write a video back with what was seen in it: box, word, and the probabilities over time below."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import pandas as pd

from gaitlib.config import RunConfig
from gaitlib.cutting import WORKING_SIDE_PIXELS
from gaitlib.files import make_folder, write_aside
from gaitlib.plotting import emotion_colors
from gaitlib.prepared import PreparedVideo
from gaitlib.video import read_chunks

STRIP_PIXELS = 56
# Pictures in colour are large, and nothing has to be learnt from them here.
CHUNK_SECONDS = 5.0
_INK, _SOFT = (20, 20, 20), (150, 150, 150)


def annotate_video(
    path: Path, target: Path, video: PreparedVideo, verdict: Mapping[str, Any], config: RunConfig
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
    verdict : mapping
        `timeline` (`start_seconds`, `end_seconds` and `probabilities` of each clip; may be empty) and
        `notes`, of which the last says why there is no verdict.
    config : RunConfig
    """
    make_folder(target.parent)
    with write_aside(target) as aside, av.open(str(aside), "w") as container:
        stream = container.add_stream("h264", rate=Fraction(config.frame_rate_hz).limit_denominator(1000))
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(_annotated_frames(path, video, verdict, config)):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def probabilities_over_time(
    timeline: Sequence[Mapping[str, Any]], seconds: float, num_bins: int
) -> tuple[list[str], np.ndarray]:
    """Average the probabilities of overlapping clips at even times.

    Parameters
    ----------
    timeline : sequence of mapping
        `start_seconds`, `end_seconds` and `probabilities` of each clip.
    seconds : float
        Length of the video.
    num_bins : int
        How many times, from 0 to `seconds`.

    Returns
    -------
    tuple of list of str and ndarray of shape (num_bins, num_emotions), float
        The emotions, and their probabilities; NaN where no clip reaches.
    """
    emotions = list(timeline[0]["probabilities"]) if timeline else []
    sums, counts = np.zeros((num_bins, len(emotions))), np.zeros((num_bins, 1))
    for clip in timeline:
        first, last = (int(num_bins * clip[end] / seconds) for end in ("start_seconds", "end_seconds"))
        here = slice(min(first, num_bins - 1), max(last, first + 1))
        sums[here] += list(clip["probabilities"].values())
        counts[here] += 1
    return emotions, np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def _annotated_frames(
    path: Path, video: PreparedVideo, verdict: Mapping[str, Any], config: RunConfig
) -> Iterator[np.ndarray]:
    reader = read_chunks(
        path, config.frame_rate_hz, WORKING_SIDE_PIXELS, color=True, chunk_seconds=CHUNK_SECONDS
    )
    rows = video.track.itertuples()
    seconds = max(float(video.track["time_seconds"].max()), 0.1)
    timeline = verdict["timeline"]
    strip: np.ndarray | None = None
    for chunk in reader:
        for frame, row in zip(chunk.frames, rows, strict=False):
            picture = np.ascontiguousarray(frame[: len(frame) // 2 * 2, : frame.shape[1] // 2 * 2])
            if strip is None:
                strip = _draw_strip(verdict, picture.shape[1], seconds)
            word = _word_at(float(cast(float, row.time_seconds)), timeline)
            yield np.vstack([_draw_walker(picture, row, word), _with_cursor(strip, row, seconds)])


def _draw_walker(picture: np.ndarray, row: Any, word: str) -> np.ndarray:
    is_walking = row.segment >= 0
    if not pd.isna(row.left):
        corner = int(row.left), int(row.top)
        opposite = int(row.left + row.width), int(row.top + row.height)
        cv2.rectangle(
            picture, corner, opposite, (0, 158, 115) if is_walking else _SOFT, 2 if is_walking else 1
        )
    text = "nobody walks in full view" if not is_walking else word or "no verdict"
    if text:
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.55, 1)
        cv2.rectangle(picture, (4, 4), (12 + width, 14 + height), (255, 255, 255), cv2.FILLED)
        cv2.putText(picture, text, (8, 9 + height), cv2.FONT_HERSHEY_SIMPLEX, 0.55, _INK, 1, cv2.LINE_AA)
    return picture


def _draw_strip(verdict: Mapping[str, Any], width: int, seconds: float) -> np.ndarray:
    """Stack the probabilities over time, one colour an emotion; without any, say why."""
    strip = np.full((STRIP_PIXELS, width, 3), 255, np.uint8)
    height = STRIP_PIXELS - 18
    emotions, shares = probabilities_over_time(verdict["timeline"], seconds, width)
    if not emotions:
        reason = verdict["notes"][-1] if verdict["notes"] else ""
        for number, line in enumerate(textwrap.wrap(reason, max(12, width // 7))[:3]):
            _write(strip, line, (4, 14 + 16 * number), _INK)
        return strip
    colors = {name: tuple(bytes.fromhex(code[1:])) for name, code in emotion_colors(emotions).items()}
    edges = np.rint(height * np.cumsum(np.nan_to_num(shares), axis=1)).astype(int)
    row = np.arange(height)[:, None]
    for number, name in enumerate(emotions):
        above = edges[:, number - 1] if number else np.zeros(width, int)
        strip[:height][(row >= above) & (row < edges[:, number])] = colors[name]
        _write(strip, name[:12], (4 + number * width // len(emotions), STRIP_PIXELS - 5), colors[name])
    return strip


def _write(picture: np.ndarray, text: str, place: tuple[int, int], color: Sequence[int]) -> None:
    plain = text.encode("ascii", "replace").decode()  # OpenCV's letters know no others
    cv2.putText(picture, plain, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, color, 1, cv2.LINE_AA)


def _with_cursor(strip: np.ndarray, row: Any, seconds: float) -> np.ndarray:
    marked = strip.copy()
    place = int((marked.shape[1] - 1) * row.time_seconds / seconds)
    cv2.line(marked, (place, 0), (place, STRIP_PIXELS - 18), _INK, 1)
    return marked


def _word_at(seconds: float, timeline: Sequence[Mapping[str, Any]]) -> str:
    """Return the likeliest emotion at a time, of the clips that reach it that whose middle is nearest."""
    here = [clip for clip in timeline if clip["start_seconds"] <= seconds <= clip["end_seconds"]]
    if not here:
        return ""
    nearest = min(here, key=lambda clip: abs(clip["start_seconds"] + clip["end_seconds"] - 2 * seconds))
    emotion = max(nearest["probabilities"], key=nearest["probabilities"].__getitem__)
    return f"{emotion} {nearest['probabilities'][emotion]:.0%}"
