"""A copy of the video with what was seen in it: stick figure or box, word, probabilities over time."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from gaitlib.files import make_folder
from gaitlib.predict.verdict import Moment, Verdict
from gaitlib.predict.writing import write_each
from gaitlib.video import VideoReader, write_film
from gaitlib.walker import SKELETON_EDGES, Keypoints

# Colour-blind-safe (Okabe & Ito 2008), as in the figures: by place in the alphabet of emotions.
COLORS = ("#D55E00", "#E69F00", "#56B4E9", "#0072B2", "#009E73", "#CC79A7", "#F0E442", "#999999")
_STRIP_PX, _FRAME_PX, _CHUNK_SECONDS = 64, 640, 5.0
_INK, _SOFT, _NEAR, _FAR = (20, 20, 20), (150, 150, 150), (230, 159, 0), (0, 114, 178)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def write_annotated(verdicts: Sequence[Verdict], folder: Path) -> None:
    """Write an mp4 of each video that was read into a folder."""
    make_folder(folder)
    write_each(verdicts, folder, ".mp4", _write_copy)


def _write_copy(verdict: Verdict, target: Path) -> None:
    assert verdict.prepared is not None
    rate_hz = float(verdict.prepared.meta["frame_rate_hz"])
    write_film(target, rate_hz, _annotated_frames(verdict, rate_hz))


def _annotated_frames(verdict: Verdict, rate_hz: float) -> Iterator[np.ndarray]:
    video = verdict.prepared
    assert video is not None
    reader = VideoReader(
        Path(verdict.video), rate_hz, max_side_px=_FRAME_PX, color=True, chunk_seconds=_CHUNK_SECONDS
    )
    seconds = float(video.track["time_seconds"].iloc[-1])
    strip = None
    row = 0
    for chunk in reader:
        for frame in chunk.frames:
            frame = frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2].copy()
            if strip is None:
                strip = _draw_strip(verdict, seconds, frame.shape[1])
            if row < len(video.track):
                _draw_walker(frame, verdict, row)
            below = strip.copy()
            place = round(row / rate_hz / max(seconds, 1e-6) * (frame.shape[1] - 1))
            cv2.line(below, (place, 22), (place, _STRIP_PX), _INK, 1)
            yield np.vstack([frame, below])
            row += 1


def _draw_walker(frame: np.ndarray, verdict: Verdict, row: int) -> None:
    """Draw the stick figure, or the box where there are no keypoints."""
    video = verdict.prepared
    assert video is not None
    scale = frame.shape[1] / video.meta["width"]
    if video.keypoints is not None:
        draw_skeleton_over(frame, video.keypoints, row, scale)
        return
    box = video.track.loc[row, ["left", "top", "width", "height"]].to_numpy(float)
    if np.isfinite(box).all():
        # The track counts in the pixels of frames of at most 960.
        box *= scale / min(1.0, 960 / max(video.meta["width"], video.meta["height"]))
        left, top, width, height = box.round().astype(int)
        cv2.rectangle(frame, (left, top), (left + width, top + height), _NEAR, 2, cv2.LINE_AA)


def draw_skeleton_over(frame: np.ndarray, keypoints: Keypoints, row: int, scale: float) -> None:
    """Draw a person's keypoints into an RGB frame, in place: left limbs orange, right limbs blue.

    Parameters
    ----------
    frame : ndarray of shape (height, width, 3), uint8, RGB
    keypoints : Keypoints
    row : int
    scale : float
        Pixels of `frame` per pixel of the full-size video.
    """
    points = keypoints.image_px[row] * scale
    if not np.isfinite(points).all():
        return
    thick = max(1, round(max(frame.shape[:2]) / 320))
    for first, second in SKELETON_EDGES:
        start, end = points[[first, second]].round().astype(int).tolist()
        cv2.line(frame, start, end, _NEAR if first % 2 and second % 2 else _FAR, thick, cv2.LINE_AA)


def _draw_strip(verdict: Verdict, seconds: float, width: int) -> np.ndarray:
    """Draw the word, and below it the probabilities over time as stacked colours."""
    strip = np.full((_STRIP_PX, width, 3), 255, np.uint8)
    word = f"{verdict.emotion} {verdict.confidence:.0%}" if verdict.emotion else verdict.notes[-1]
    ascii_word = textwrap.shorten(
        word.encode("ascii", "replace").decode(), max(12, width // 7), placeholder="..."
    )
    cv2.putText(strip, ascii_word, (4, 15), _FONT, 0.42, _INK, 1, cv2.LINE_AA)
    if verdict.timeline:
        shares = probabilities_over_time(verdict.timeline, seconds, width)
        edges = 24 + np.cumsum(shares, axis=1) * (_STRIP_PX - 24)
        rows = np.arange(_STRIP_PX)[:, None]
        for place in reversed(range(shares.shape[1])):
            color = COLORS[place % len(COLORS)].lstrip("#")
            rgb = [int(color[start : start + 2], 16) for start in (0, 2, 4)]
            strip[(rows >= 24) & (rows < edges[:, place])] = rgb
    return strip


def probabilities_over_time(timeline: Sequence[Moment], seconds: float, num_bins: int) -> np.ndarray:
    """Average the probabilities of overlapping moments at even times; zero where there is none.

    Returns
    -------
    ndarray of shape (num_bins, num_classes), float
    """
    times = (np.arange(num_bins) + 0.5) / num_bins * seconds
    covers = np.array(
        [(times >= each.start_seconds) & (times < each.end_seconds) for each in timeline], float
    )
    shares = np.array([list(each.probabilities.values()) for each in timeline])
    return covers.T @ shares / np.maximum(covers.sum(axis=0), 1)[:, None]
