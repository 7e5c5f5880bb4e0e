"""Follows several people through the frames of a video: one track a person, never jumping between them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

import cv2
import numpy as np

from gaitlib.walker.blazepose import MIN_SCORE, BodySquare, Pose, PoseEstimator

# The detector looks this often, and while somebody is lost; later a person is only known by the clothes.
_LOOK_SECONDS, _LOST_LOOK_SECONDS, _PATIENCE_SECONDS = 0.8, 0.2, 1.5
_MAX_PEOPLE = 4
# In sides of the square: how far a body moves in a frame, how far before it is looked at again from there,
# how near two poses or hips are one person's. Ratio of sizes.
_MAX_STEP, _LARGE_STEP, _SAME_POSE, _SAME_HIPS, _MAX_RATIO = 0.25, 0.06, 0.08, 0.12, 1.5
# Distance of clothes in CIE Lab; lost a moment ago they may differ more (light, turning).
_SAME_CLOTHES, _NEAR_CLOTHES, _MAX_CLOTHES = 6.0, 36.0, 60
# What moves: pixels that are compared, seconds between, change in grey levels, largest share of the frame.
_MOTION_PX, _MOTION_SECONDS, _MIN_CHANGE, _MAX_MOVING = 192, 0.13, 14, 0.4
# A human body: measured on people 1.00, 1.00 and 0.64 to 1.35, on the feet of a table 0.97, 0.8 and 0.2.
_MIN_USUAL_SCORE, _MIN_ON_MASK, _MIN_TRUNK, _MAX_TRUNK = 0.9, 0.85, 0.35, 2.5
_MIN_FRAMES = 4
_JOINTS = np.array([11, 12, 13, 14, 23, 24, 25, 26, 27, 28])


@dataclass
class Person:
    """A person in a chunk: the pose in each frame where they are seen."""

    number: int
    shot: int
    last_row: int
    last_pose: Pose
    poses: dict[int, Pose] = field(default_factory=dict)
    clothes: list[np.ndarray] = field(default_factory=list)


class PeopleTracker:
    """Keeps track of everybody in view, across the chunks of a video.

    Parameters
    ----------
    estimator : PoseEstimator
    frame_rate_hz : float
    """

    def __init__(self, estimator: PoseEstimator, frame_rate_hz: float) -> None:
        self._estimator, self._rate = estimator, frame_rate_hz
        self._known: list[Person] = []
        self._num_people = self._shot = self._first_row = 0
        self._frames = np.zeros((0, 1, 1, 3), np.uint8)

    def follow(self, frames: np.ndarray, shots: np.ndarray) -> list[Person]:
        """Return everybody who is seen in a chunk; a cut ends all tracks.

        Parameters
        ----------
        frames : ndarray of shape (num_frames, height, width, 3), uint8, RGB
        shots : ndarray of shape (num_frames,), int
            Numbers of the shots; nobody is the same person in two of them.
        """
        for person in self._known:
            person.last_row -= len(self._frames)
            person.poses = {}
        self._frames, self._first_row, looked_row = frames, 0, -len(frames)
        for row in range(len(frames)):
            if shots[row] != self._shot:
                self._shot, self._first_row, looked_row = int(shots[row]), row, -len(frames)
                for person in self._known:
                    person.last_row = min(person.last_row, -len(frames))
            self._advance(row)
            gaps = [row - person.last_row for person in self._here() if person.last_row < row]
            is_lost = min(gaps, default=row) < _PATIENCE_SECONDS * self._rate
            wait_seconds = _LOST_LOOK_SECONDS if is_lost else _LOOK_SECONDS
            if row - looked_row >= wait_seconds * self._rate or 1 in gaps:
                self._look(row)
                looked_row = row
        for person in self._known:
            person.poses = {row: person.poses[row] for run in _plausible_runs(person.poses) for row in run}
        return [person for person in self._known if person.poses]

    def _here(self) -> list[Person]:
        return [person for person in self._known if person.shot == self._shot]

    def _seen(self, row: int) -> list[Person]:
        return [person for person in self._known if row in person.poses]

    def _is_free(self, row: int, pose: Pose) -> bool:
        return not any(_is_same(pose, person.poses[row]) for person in self._seen(row))

    def _advance(self, row: int) -> None:
        """Go on from the frame before with everybody who was seen there."""
        for person in self._here():
            if person.last_row == row - 1:
                pose = self._estimator.estimate(self._frames[row], person.last_pose.next_square)
                if _step(pose) > _LARGE_STEP:
                    pose = self._estimator.estimate(self._frames[row], pose.next_square)
                if _goes_on(person.last_pose, pose):
                    self._add(person, row, pose)
        for pair in combinations(self._seen(row), 2):
            if all(row in person.poses for person in pair) and _is_same(*(each.poses[row] for each in pair)):
                jumper = max(pair, key=lambda person: _step(person.poses[row]))
                del jumper.poses[row]
                jumper.last_row = row - 1  # lost: nobody goes on from two frames before
                jumper.last_pose = jumper.poses.get(row - 1, jumper.last_pose)

    def _look(self, row: int) -> None:
        """Ask the detector for people who are not followed yet."""
        for square in self._detections(row):
            near = [_distance(square, person.poses[row].next_square) for person in self._seen(row)]
            if len(near) >= _MAX_PEOPLE or min(near, default=1.0) < _SAME_HIPS:
                continue
            pose = self._estimator.estimate(self._frames[row], square)
            if _is_plausible([pose] * _MIN_FRAMES) and self._is_free(row, pose):
                person = self._recognise(row, pose)
                self._add(person, row, pose)
                self._trace_back(person, row)

    def _detections(self, row: int) -> Iterator[BodySquare]:
        yield from self._estimator.detect(self._frames[row])
        boxes = [person.poses[row].next_square for person in self._seen(row)]
        for left, top, side in _moving_regions(
            self._frames, row, max(1, round(_MOTION_SECONDS * self._rate))
        ):
            x, y = left + side / 2, top + side / 2
            if not any(max(abs(x - box.x), abs(y - box.y)) < box.side / 2 for box in boxes):
                yield from self._estimator.detect(self._frames[row], (left, top, side, side))

    def _recognise(self, row: int, pose: Pose) -> Person:
        """Return the person who was lost here a moment ago or wears the same, else a new one."""
        clothes, likely = _clothes(self._frames[row], pose), {}
        for person in self._here():
            seconds = (row - person.last_row) / self._rate
            reach = _MAX_STEP + min(max(seconds, 0.0), 1.0)
            is_near = 0 < seconds < _PATIENCE_SECONDS and _goes_on(person.last_pose, pose, reach)
            usual = np.median(person.clothes, axis=0)
            distance = float(np.linalg.norm(usual - clothes, axis=1).max())
            if row not in person.poses and distance < (_NEAR_CLOTHES if is_near else _SAME_CLOTHES):
                likely[distance] = person
        if likely:
            return likely[min(likely)]
        self._known.append(Person(self._num_people, self._shot, row, pose))
        self._num_people += 1
        return self._known[-1]

    def _trace_back(self, person: Person, row: int) -> None:
        """Follow somebody who was just found back to where they came into view."""
        pose = person.poses[row]
        while (row := row - 1) >= self._first_row and row not in person.poses:
            before = self._estimator.estimate(self._frames[row], pose.next_square)
            if not _goes_on(pose, before) or not self._is_free(row, before):
                return
            self._add(person, row, pose := before)

    def _add(self, person: Person, row: int, pose: Pose) -> None:
        person.poses[row] = pose
        if row >= person.last_row:
            person.last_row, person.last_pose = row, pose
        if len(person.clothes) < _MAX_CLOTHES:
            person.clothes.append(_clothes(self._frames[row], pose))


def _moving_regions(frames: np.ndarray, row: int, lag: int) -> list[tuple[int, int, int]]:
    """Return left, top and side of up to two small squares in which something moved since `lag` frames."""
    longest = max(frames.shape[1:3])
    size = tuple(max(1, side * _MOTION_PX // longest) for side in frames.shape[2:0:-1])
    other = row - lag if row >= lag else min(row + lag, len(frames) - 1)
    small = [cv2.resize(frames[place], size, interpolation=cv2.INTER_AREA) for place in (row, other)]
    now, then = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.int16) for frame in small)
    # The same change all over the picture is light, not movement.
    is_moving = np.abs(now - then - np.median(now - then)) > _MIN_CHANGE
    regions: list[tuple[int, int, int]] = []
    if is_moving.mean() > _MAX_MOVING:
        return regions
    joined = cv2.dilate(is_moving.astype(np.uint8), np.ones((9, 5), np.uint8))
    boxes = cv2.connectedComponentsWithStats(joined)[2][1:]
    for left, top, width, height, _ in sorted(boxes, key=lambda box: -box[4])[:2]:
        side = int(2 * max(width, height) * longest / _MOTION_PX)
        if max(48, 0.1 * longest) < side < 0.6 * longest:
            middle = np.array([left + width / 2, top + height / 2]) * longest / _MOTION_PX
            corner = np.clip(middle - side / 2, 0, np.maximum(np.array(frames.shape[2:0:-1]) - side, 0))
            regions.append((int(corner[0]), int(corner[1]), side))
    return regions


def _is_plausible(poses: list[Pose]) -> bool:
    """Return whether consecutive poses are a body's: sure, joints on the silhouette, in proportion."""
    if len(poses) < _MIN_FRAMES:
        return False
    points = np.array([pose.image_px for pose in poses])
    trunk = points[:, [11, 12]].mean(axis=1) - points[:, [23, 24]].mean(axis=1)
    legs = np.linalg.norm(np.diff(points[:, [[23, 25, 27], [24, 26, 28]]], axis=2), axis=3).sum(axis=2)
    trunk_share = np.linalg.norm(trunk, axis=1) / np.maximum(legs.mean(axis=1), 1e-6)
    return (
        float(np.median([pose.score for pose in poses])) >= _MIN_USUAL_SCORE
        and float(np.median([_share_on_mask(pose) for pose in poses])) >= _MIN_ON_MASK
        and _MIN_TRUNK <= float(np.median(trunk_share)) <= _MAX_TRUNK
    )


def _plausible_runs(poses: dict[int, Pose]) -> list[np.ndarray]:
    rows = np.array(sorted(poses), int)
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    return [run for run in runs if _is_plausible([poses[row] for row in run])]


def _share_on_mask(pose: Pose) -> float:
    """Return the share of the large joints that are seen which lie on the silhouette."""
    seen = _JOINTS[pose.visibility[_JOINTS] > 0.5]
    matrix = pose.square.to_frame(len(pose.mask))
    cells = np.rint((pose.image_px[seen] - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T).astype(int)
    columns, rows = np.clip(cells, 0, len(pose.mask) - 1).T
    return float((pose.mask[rows, columns] > 127).mean()) if len(seen) else 0.0


def _goes_on(before: Pose, pose: Pose, reach: float = _MAX_STEP) -> bool:
    """Return whether a pose can be the same person a moment later, within `reach` sides of the square."""
    old, new = before.next_square, pose.next_square
    is_alike = 1 / _MAX_RATIO <= new.side / max(old.side, 1e-6) <= _MAX_RATIO
    return pose.score >= MIN_SCORE and is_alike and np.hypot(new.x - old.x, new.y - old.y) <= reach * old.side


def _step(pose: Pose) -> float:
    """Return how far a body is from where it was looked for, in sides of the square."""
    return _distance(pose.square, pose.next_square)


def _distance(square: BodySquare, other: BodySquare) -> float:
    return float(np.hypot(square.x - other.x, square.y - other.y)) / max(square.side, other.side, 1e-6)


def _is_same(pose: Pose, other: Pose) -> bool:
    distance = np.linalg.norm(pose.image_px[11:] - other.image_px[11:], axis=1).mean()
    return distance < _SAME_POSE * max(pose.next_square.side, other.next_square.side)


def _clothes(frame: np.ndarray, pose: Pose) -> np.ndarray:
    """Return the colours in the middle of the trunk and of the thighs, (2, 3), CIE Lab."""
    half = max(1, round(pose.next_square.side / 60))
    colours = []
    for points in ([11, 12, 23, 24], [23, 24, 25, 26]):
        corner = pose.image_px[points].mean(axis=0).astype(int) - half
        column, row = np.clip(corner, 0, np.maximum(np.array(frame.shape[1::-1]) - 2 * half - 1, 0))
        patch = frame[row : row + 2 * half + 1, column : column + 2 * half + 1].reshape(-1, 3)
        colours.append(np.median(patch, axis=0) / 255)
    return cv2.cvtColor(np.array([colours], np.float32), cv2.COLOR_RGB2LAB)[0]
