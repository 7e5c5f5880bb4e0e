"""Follows several people through the frames of a video: one track a person, never jumping between them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter

import cv2
import numpy as np

from gaitlib.walker.blazepose import MIN_SCORE, BodySquare, Pose, PoseEstimator

# The detector looks this often, and when somebody is lost; later a person is only known by the clothes.
_LOOK_SECONDS, _PATIENCE_SECONDS, _MAX_PEOPLE, _LONG_AGO = 0.8, 1.5, 4, 10**6
# Distance of clothes in CIE Lab; lost a moment ago they may differ more (light, turning).
_SAME_CLOTHES, _NEAR_CLOTHES, _MAX_CLOTHES = 6.0, 36.0, 60
# In sides of the square: how far a body moves in a frame, how far before it is looked at again from there,
# how near two poses or hips are one person's. Ratio of sizes.
_MAX_STEP, _LARGE_STEP, _SAME_POSE, _SAME_HIPS, _MAX_RATIO = 0.25, 0.06, 0.08, 0.12, 1.5
# A human body: measured on people 1.00, 1.00 and 0.64 to 1.35, on the feet of a table 0.97, 0.8 and 0.2.
_MIN_USUAL_SCORE, _MIN_ON_MASK, _MIN_TRUNK, _MAX_TRUNK = 0.9, 0.85, 0.35, 2.5
_MIN_FRAMES = 4
_JOINTS = np.array([11, 12, 13, 14, 23, 24, 25, 26, 27, 28])


@dataclass
class Person:
    """A person in a chunk: the pose in each frame where they are seen."""

    number: int
    last_row: int
    last_pose: Pose
    poses: dict[int, Pose] = field(default_factory=dict)
    clothes: list[np.ndarray] = field(default_factory=list)


class PeopleTracker:
    """Keeps track of everybody in view, across the chunks of a video."""

    def __init__(self, estimator: PoseEstimator, frame_rate_hz: float) -> None:
        self._estimator, self._rate = estimator, frame_rate_hz
        self._known, self._frames, self._first_row = list[Person](), np.zeros((0, 1, 1, 3), np.uint8), 0

    def follow(self, frames: np.ndarray, is_cut: np.ndarray) -> list[Person]:
        """Return everybody who is seen in a chunk of RGB frames; where `is_cut`, all tracks end."""
        for person in self._known:
            person.last_row -= len(self._frames)
            person.poses = {}
        self._frames, self._first_row, looked_row = frames, 0, -len(frames)
        for row in range(len(frames)):
            if is_cut[row]:
                self._first_row, looked_row = row, -len(frames)
                for person in self._known:
                    person.last_row = -_LONG_AGO
            self._advance(row)
            is_lost = any(person.last_row == row - 1 for person in self._known)
            if row - looked_row >= _LOOK_SECONDS * self._rate or is_lost:
                self._look(row)
                looked_row = row
        for person in self._known:
            person.poses = _plausible(person.poses)
        return [person for person in self._known if person.poses]

    def _seen(self, row: int) -> list[Person]:
        return [person for person in self._known if row in person.poses]

    def _is_free(self, row: int, pose: Pose) -> bool:
        return not any(_is_same(pose, person.poses[row]) for person in self._seen(row))

    def _advance(self, row: int) -> None:
        """Go on from the frame before with everybody who was seen there."""
        moved = []
        for person in self._known:
            if person.last_row == row - 1:
                pose = self._estimator.estimate(self._frames[row], person.last_pose.next_square)
                if (step := _distance(pose.square, pose.next_square)) > _LARGE_STEP:
                    pose = self._estimator.estimate(self._frames[row], pose.next_square)
                moved.append((step, person, pose))
        # Of two who come to lie on one body, who has moved most has jumped to the other, and is lost.
        for _, person, pose in sorted(moved, key=itemgetter(0)):
            if _goes_on(person.last_pose, pose) and self._is_free(row, pose):
                self._add(person, row, pose)

    def _look(self, row: int) -> None:
        """Ask the detector for people who are not followed yet."""
        for square in self._detections(row):
            near = [_distance(square, person.poses[row].next_square) for person in self._seen(row)]
            if len(near) >= _MAX_PEOPLE or min(near, default=1.0) < _SAME_HIPS:
                continue
            pose = self._estimator.estimate(self._frames[row], square)
            if _is_body([pose] * _MIN_FRAMES) and self._is_free(row, pose):
                person = self._recognise(row, pose)
                self._add(person, row, pose)
                self._trace_back(person, row)

    def _detections(self, row: int) -> Iterator[BodySquare]:
        """Yield who is seen in the frame and in three squares of it, in which people far away are larger."""
        frame, side = self._frames[row], min(self._frames.shape[1:3])
        yield from self._estimator.detect(frame)
        for x, y in np.linspace((0, 0), np.array(frame.shape[1::-1]) - side, 3).astype(int):
            for square in self._estimator.detect(frame[y : y + side, x : x + side]):
                yield square._replace(x=square.x + x, y=square.y + y)

    def _recognise(self, row: int, pose: Pose) -> Person:
        """Return the person who was lost near here a moment ago or wears the same, else a new one."""
        clothes, likely = _clothes(self._frames[row], pose), {}
        for person in self._known:
            seconds = (row - person.last_row) / self._rate
            is_lost = 0 < seconds < _PATIENCE_SECONDS
            is_near = is_lost and _goes_on(person.last_pose, pose, _MAX_STEP + min(seconds, 1.0))
            distance = np.linalg.norm(np.median(person.clothes, axis=0) - clothes, axis=1).max()
            if row not in person.poses and distance < (_NEAR_CLOTHES if is_near else _SAME_CLOTHES):
                likely[float(distance)] = person
        if likely:
            return likely[min(likely)]
        self._known.append(Person(len(self._known), row, pose))
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
        if len(person.clothes) < _MAX_CLOTHES:
            person.clothes.append(_clothes(self._frames[row], pose))
        if row >= person.last_row:
            person.last_row, person.last_pose = row, pose


def _is_body(poses: list[Pose]) -> bool:
    """Return whether consecutive poses are a body's: sure, joints on the silhouette, in proportion."""
    points = np.array([pose.image_px for pose in poses])
    trunk = points[:, [11, 12]].mean(axis=1) - points[:, [23, 24]].mean(axis=1)
    legs = np.linalg.norm(np.diff(points[:, [[23, 25, 27], [24, 26, 28]]], axis=2), axis=3).sum(axis=2)
    trunk_share = np.linalg.norm(trunk, axis=1) / np.maximum(legs.mean(axis=1), 1e-6)
    parts = [pose.score for pose in poses], [_share_on_mask(pose) for pose in poses], trunk_share
    score, on_mask, usual_share = np.median(parts, axis=1)
    is_sure = score >= _MIN_USUAL_SCORE and on_mask >= _MIN_ON_MASK
    return is_sure and len(poses) >= _MIN_FRAMES and _MIN_TRUNK <= usual_share <= _MAX_TRUNK


def _plausible(poses: dict[int, Pose]) -> dict[int, Pose]:
    """Return the unbroken runs of poses that are a body's."""
    rows = np.array(sorted(poses), int)
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if poses else []
    return {row: poses[row] for run in runs if _is_body([poses[row] for row in run]) for row in run.tolist()}


def _share_on_mask(pose: Pose) -> float:
    """Return the share of the large joints that are seen which lie on the silhouette."""
    seen = _JOINTS[pose.visibility[_JOINTS] > 0.5]
    matrix = pose.square.to_frame(len(pose.mask))
    cells = np.rint((pose.image_px[seen] - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T).astype(int)
    columns, rows = np.clip(cells, 0, len(pose.mask) - 1).T
    return float((pose.mask[rows, columns] > 127).mean()) if len(seen) else 0.0


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


def _goes_on(before: Pose, pose: Pose, reach: float = _MAX_STEP) -> bool:
    """Return whether a pose can be the same person a moment later, so far away in sides of the square."""
    old, new = before.next_square, pose.next_square
    is_alike = 1 / _MAX_RATIO <= new.side / max(old.side, 1e-6) <= _MAX_RATIO
    is_near = np.hypot(new.x - old.x, new.y - old.y) <= reach * old.side
    return pose.score >= MIN_SCORE and is_alike and bool(is_near)


def _distance(square: BodySquare, other: BodySquare) -> float:
    """Return the distance of two bodies, in sides of the square."""
    return float(np.hypot(square.x - other.x, square.y - other.y)) / max(square.side, other.side, 1e-6)


def _is_same(pose: Pose, other: Pose) -> bool:
    distance = np.linalg.norm(pose.image_px[11:] - other.image_px[11:], axis=1).mean()
    return distance < _SAME_POSE * max(pose.next_square.side, other.next_square.side)
