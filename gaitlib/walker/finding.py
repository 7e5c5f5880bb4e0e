"""Find the walking person without any downloaded weights.

In this order: what differs from the learnt background and moves like a person, a shaking camera's
pictures being held still first; OpenCV's people detector; the whole frame, flagged.
"""

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from gaitlib.walker.crops import cut_crops
from gaitlib.walker.detector import detect_people
from gaitlib.walker.foreground import Background, anything_moves, learn_background
from gaitlib.walker.small import small_walker_height
from gaitlib.walker.steadying import hold_still, is_shaking
from gaitlib.walker.stirring import LEG_LAG_SECONDS, steps_on_the_spot, stirs
from gaitlib.walker.tracking import Track, link_boxes, path_speed, smooth_path
from gaitlib.walker.view import is_beside_edges, is_cut_below

Method = Literal["background", "steadied", "people_detector", "whole_frame", "nobody"]

# Share of the square's side that the body fills: room for a wide stride and swinging arms.
HEIGHT_FRACTION = 0.8
# Slower than this on average over a step is standing; the slowest sad walks measured reach 0.25.
MIN_SPEED_HEIGHTS_PER_S = 0.12
MIN_HEIGHT_PIXELS = 24
MIN_TRACK_SECONDS = 0.8
# Upright people are taller than wide, also with arms swinging; cars and doors are not.
PERSON_ASPECT = (1.15, 7.0)
# Mean change of the lower half of the crop, grey levels, by which steps on the spot show.
MIN_LIMB_MOTION = 4.0
# Others count as people from this share of the tallest one's height, and from as many pictures together.
MIN_OTHER_HEIGHT = 0.35
MIN_TOGETHER_FRAMES = 12


@dataclass(frozen=True)
class WalkerTrack:
    """Where the walker is in each picture of a stretch of video.

    Attributes
    ----------
    boxes : ndarray of shape (num_frames, 4), float32
        Left, top, width, height of the body in pixels; NaN where nobody was found.
    squares : ndarray of shape (num_frames, 3), float32
        Centre right, centre down and side of the steady square around the body, in pixels.
    speeds : ndarray of shape (num_frames,), float32
        Body heights a second along the path in the picture.
    segments : ndarray of shape (num_frames,), int32
        Number of the unbroken walk that a picture belongs to, -1 where nobody walks in full view.
    method : str
        How the walker was found.
    num_people : int
        People seen at the same time, at most.
    small_height_pixels : float
        Height of somebody who moves but is too small to be read; 0 if there is none.
    background : Background or None
        The learnt scene where the camera stands still or could be held still.
    """

    boxes: np.ndarray
    squares: np.ndarray
    speeds: np.ndarray
    segments: np.ndarray
    method: Method
    num_people: int
    background: Background | None = None
    small_height_pixels: float = 0.0


@dataclass(frozen=True)
class _Person:
    indices: np.ndarray
    boxes: np.ndarray
    path: np.ndarray
    speeds: np.ndarray
    is_in_view: np.ndarray
    is_walking: np.ndarray

    @property
    def score(self) -> float:
        """How much walking in how large a picture: the main walker has most."""
        return float(self.path[self.is_walking, 2].sum())


def find_walker(frames: np.ndarray, frame_rate_hz: float) -> WalkerTrack:
    """Follow the main walking person through a stretch of video.

    Parameters
    ----------
    frames : ndarray of shape (num_frames, height, width), uint8, grey
    frame_rate_hz : float
        Pictures a second in `frames`.

    Returns
    -------
    WalkerTrack
        `method` is ``"nobody"`` where nothing moves, and ``"whole_frame"`` where something moves but
        no person could be made out.
    """
    background = learn_background(frames, frame_rate_hz)
    if background.is_camera_moving or is_shaking(frames):
        track = _track_held_still(frames, frame_rate_hz)
        if track is not None:
            return track
        background = replace(background, is_camera_moving=True)
    people: list[_Person] = []
    method: Method = "background"
    if not background.is_camera_moving:
        people = _people_before(background, frames, frame_rate_hz)
        people = [_down_to_the_feet(person, background, frames, frame_rate_hz) for person in people]
    if not any(person.is_walking.any() for person in people):
        detected = _detected_people(frames, frame_rate_hz)
        if detected or background.is_camera_moving:
            people, method = detected, "people_detector"
    if any(person.is_walking.any() for person in people):
        track = _main_walk(people, len(frames), method, frame_rate_hz)
        return replace(track, background=background if method == "background" else None)
    if people:
        return _nobody(len(frames), people)
    is_moving = anything_moves(frames, background, frame_rate_hz)
    track = _whole_frame(frames) if is_moving else _nobody(len(frames), people)
    height = small_walker_height(frames, background, frame_rate_hz, MIN_HEIGHT_PIXELS)
    return replace(track, small_height_pixels=height)


def _track_held_still(frames: np.ndarray, frame_rate_hz: float) -> WalkerTrack | None:
    """Hold the pictures of a moving camera still and look for people then, None where that fails."""
    view = hold_still(frames)
    if view is None:
        return None
    background = learn_background(view.frames, frame_rate_hz)
    people = _people_before(background, view.frames, frame_rate_hz)
    if background.is_camera_moving or not any(person.is_walking.any() for person in people):
        return None
    track = _main_walk(people, len(frames), "steadied", frame_rate_hz)
    boxes, squares = view.as_taken(track.boxes, track.squares)
    return replace(track, boxes=boxes, squares=squares, background=view.background(background))


def _people_before(background: Background, frames: np.ndarray, frame_rate_hz: float) -> list[_Person]:
    blobs = [background.blobs(frame) for frame in frames]
    people = []
    for track in link_boxes(blobs, frame_rate_hz):
        person = _judge(track, frames.shape, frame_rate_hz)
        if person is None:
            continue
        where = frames, person.indices, person.boxes, background.threshold, frame_rate_hz
        is_stirring = stirs(*where)
        if is_stirring.any():  # else a trace that somebody left in the learnt scene
            walks_along = person.is_walking & _lasting(is_stirring, frame_rate_hz)
            walks_on_spot = person.is_in_view & _lasting(steps_on_the_spot(*where), frame_rate_hz)
            people.append(replace(person, is_walking=walks_along | walks_on_spot))
    return people


def _down_to_the_feet(
    person: _Person, background: Background, frames: np.ndarray, frame_rate_hz: float
) -> _Person:
    is_cut = is_cut_below(background, frames, person.indices, person.boxes)
    return replace(person, is_walking=person.is_walking & _lasting(~is_cut, frame_rate_hz))


def _judge(track: Track, shape: tuple[int, ...], frame_rate_hz: float) -> _Person | None:
    """Return the track as a person with a verdict for each picture, None if it is no person."""
    indices, boxes = track.filled()
    aspect = np.median(boxes[:, 3] / np.maximum(boxes[:, 2], 1))
    if (
        len(indices) < MIN_TRACK_SECONDS * frame_rate_hz
        or np.median(boxes[:, 3]) < MIN_HEIGHT_PIXELS
        or not PERSON_ASPECT[0] <= aspect <= PERSON_ASPECT[1]
    ):
        return None
    path = smooth_path(boxes, frame_rate_hz)
    speeds = path_speed(path, frame_rate_hz)
    in_view = is_beside_edges(boxes, shape[2])
    is_walking = in_view & _lasting(speeds >= MIN_SPEED_HEIGHTS_PER_S, frame_rate_hz)
    return _Person(indices, boxes, path, speeds, in_view, is_walking)


def _lasting(flags: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Close gaps and drop stretches shorter than a step or so (0.7 s)."""
    size = max(3, round(0.7 * frame_rate_hz)) | 1
    row = flags.astype(np.uint8)[None]
    kernel = np.ones((1, size), np.uint8)
    closed = cv2.morphologyEx(row, cv2.MORPH_CLOSE, kernel, borderType=cv2.BORDER_REPLICATE)
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, kernel, borderType=cv2.BORDER_REPLICATE)
    return opened[0].astype(bool)


def _detected_people(frames: np.ndarray, frame_rate_hz: float) -> list[_Person]:
    """Find people by their shape alone; they walk where their legs move."""
    people = []
    for track in detect_people(frames, frame_rate_hz):
        person = _judge(track, frames.shape, frame_rate_hz) if len(track.boxes) >= 3 else None
        if person is not None:
            motion = _limb_motion(frames, person, frame_rate_hz)
            is_walking = _lasting(motion > MIN_LIMB_MOTION, frame_rate_hz)
            people.append(replace(person, is_walking=is_walking))
    return people


def _limb_motion(frames: np.ndarray, person: _Person, frame_rate_hz: float) -> np.ndarray:
    """Return how much the lower half of the body changes within a quarter of a second, grey levels.

    The body is held still by its own smooth path, so that neither the walker's way nor a moving
    camera counts; legs that step do, standing ones do not.
    """
    squares = person.path * (1, 1, 1 / HEIGHT_FRACTION)
    crops = cut_crops(frames[person.indices], squares, 48)[..., 0].astype(np.int16)
    lag = max(1, round(LEG_LAG_SECONDS * frame_rate_hz))
    legs = crops[:, 24:44, 14:34]
    change = np.abs(legs - np.roll(legs, lag, axis=0)).mean(axis=(1, 2))
    change[:lag] = change[min(lag, len(change) - 1)]
    return np.convolve(np.pad(change, 7, mode="edge"), np.ones(15) / 15, mode="valid")


def _main_walk(people: list[_Person], num_frames: int, method: Method, frame_rate_hz: float) -> WalkerTrack:
    """Keep, at each moment, the person with most walking to show; others are counted."""
    empty = _nobody(num_frames, people)
    boxes, squares, speeds, segments = empty.boxes, empty.squares, empty.speeds, empty.segments
    number = 0
    for person in sorted(people, key=lambda person: person.score, reverse=True):
        if not person.is_walking.any():
            continue
        free = np.isnan(boxes[person.indices, 0])
        if free.mean() < 0.8:
            continue
        places = person.indices[free]
        boxes[places] = person.boxes[free]
        squares[places] = (person.path * (1, 1, 1 / HEIGHT_FRACTION))[free]
        speeds[places] = person.speeds[free]
        walking = person.is_walking & free
        walking &= _lasting(walking, frame_rate_hz)
        starts = np.diff(np.concatenate([[0], walking.astype(int)])) == 1
        segments[person.indices[walking]] = (number - 1 + np.cumsum(starts))[walking]
        number += int(starts.sum())
    return WalkerTrack(boxes, squares, speeds, segments, method, empty.num_people)


def _nobody(num_frames: int, people: list[_Person]) -> WalkerTrack:
    """Return an empty track that still counts the people who stand around."""
    return WalkerTrack(
        boxes=np.full((num_frames, 4), np.nan, np.float32),
        squares=np.full((num_frames, 3), np.nan, np.float32),
        speeds=np.full(num_frames, np.nan, np.float32),
        segments=np.full(num_frames, -1, np.int32),
        method="nobody",
        num_people=_count_people(num_frames, people),
    )


def _count_people(num_frames: int, people: list[_Person]) -> int:
    """Count who is seen at the same time, leaving out what comes and goes or is far smaller than the rest.

    Coarse coding leaves blocks around a walker, and leaves and reflections move too.
    """
    tallest = max((np.median(person.path[:, 2]) for person in people), default=0.0)
    present = np.zeros(num_frames, int)
    for person in people:
        if np.median(person.path[:, 2]) >= MIN_OTHER_HEIGHT * tallest:
            present[person.indices] += 1
    counts = np.sort(present)[::-1]
    return int(counts[min(MIN_TOGETHER_FRAMES, num_frames - 1)]) or int(counts.max(initial=0) > 0)


def _whole_frame(frames: np.ndarray) -> WalkerTrack:
    num_frames, height, width = frames.shape[:3]
    empty = _nobody(num_frames, [])
    square = np.array([width / 2, height / 2, max(width, height)], np.float32)
    squares = np.tile(square, (num_frames, 1))
    segments = np.zeros(num_frames, np.int32)
    return WalkerTrack(empty.boxes, squares, empty.speeds, segments, "whole_frame", 0)
