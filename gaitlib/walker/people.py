"""Follows several people through the frames of a video: one track a person, never jumping between them."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from gaitlib.walker.blazepose import MIN_SCORE, BodySquare, Pose, PoseEstimator

# The detector looks this often, and when somebody is lost; later a person is only known by the clothes.
_LOOK_SECONDS, _PATIENCE_SECONDS, _MAX_PEOPLE = 0.8, 1.5, 4
# Distance of clothes in CIE Lab; lost a moment ago they may differ more (light, turning).
_SAME_CLOTHES, _NEAR_CLOTHES, _MAX_CLOTHES = 6.0, 36.0, 60
# In sides of the square: how far a body moves in a frame, how far before it is looked at again from there,
# how near two poses or hips are one person's. Ratio of sizes.
_MAX_STEP, _LARGE_STEP, _SAME_POSE, _SAME_HIPS, _MAX_RATIO = 0.25, 0.06, 0.08, 0.12, 1.5
# A human body: measured on people 1.00, 1.00 and 0.64 to 1.35, on the feet of a table 0.97, 0.8 and 0.2.
_MIN_USUAL_SCORE, _MIN_ON_MASK, _MIN_TRUNK, _MAX_TRUNK = 0.9, 0.85, 0.35, 2.5
_MIN_FRAMES = 4
_JOINTS = np.array([11, 12, 13, 14, 23, 24, 25, 26, 27, 28])
_TRUNK, _THIGHS = [11, 12, 23, 24], [23, 24, 25, 26]


@dataclass
class _Person:
    """Poses by row of the chunk, below 0 for the last one before it, and colours of the clothes."""

    poses: dict[int, Pose] = field(default_factory=dict)
    clothes: list[np.ndarray] = field(default_factory=list)

    @property
    def last_row(self) -> int:
        return max(self.poses)


class PeopleTracker:
    """Keeps track of everybody in view, across the chunks of a video."""

    def __init__(self, estimator: PoseEstimator, frame_rate_hz: float) -> None:
        self._estimator, self._rate = estimator, frame_rate_hz
        self._known, self._frames, self._shot_row = list[_Person](), np.zeros((0, 1, 1, 3), np.uint8), 0

    def follow(self, frames: np.ndarray, is_cut: np.ndarray) -> dict[int, dict[int, Pose]]:
        """Return the poses of all who are seen in RGB frames, by number and frame; a cut ends all tracks."""
        for person in self._known:
            last = person.last_row
            person.poses = {last - len(self._frames): person.poses[last]}
        self._shot_row, self._frames, next_look = self._shot_row - len(self._frames), frames, 0.0
        for row in range(len(frames)):
            if is_cut[row]:
                self._shot_row, next_look = row, row
            self._advance(row)
            if row >= next_look or any(person.last_row == row - 1 for person in self._known):
                self._look(row)
                next_look = row + _LOOK_SECONDS * self._rate
        people = {number: _plausible(person.poses) for number, person in enumerate(self._known)}
        return {number: poses for number, poses in people.items() if poses}

    def _advance(self, row: int) -> None:
        """Go on from the frame before with everybody who was seen there."""
        moved = []
        for person in self._known:
            if person.last_row == row - 1 >= self._shot_row:
                pose = self._estimator.estimate(self._frames[row], person.poses[row - 1].next_square)
                if (step := _distance(pose.square, pose.next_square)) > _LARGE_STEP:
                    pose = self._estimator.estimate(self._frames[row], pose.next_square)
                moved.append((step, person, pose))
        # Of two who come to lie on one body, who has moved most has jumped to the other, and is lost.
        for _, person, pose in sorted(moved, key=lambda entry: entry[0]):
            if _goes_on(person.poses[row - 1], pose) and self._is_free(row, pose):
                self._add(person, row, pose)

    def _look(self, row: int) -> None:
        """Ask the detector for people who are not followed yet."""
        # In the frame, and in three squares of it, in which people far away are larger.
        frame, half = self._frames[row], min(self._frames.shape[1:3]) / 2
        places = np.linspace((half, half), np.array(frame.shape[1::-1]) - half, 3)
        parts = [None, *(BodySquare(x, y, 2 * half, 0.0) for x, y in places)]
        for square in (square for part in parts for square in self._estimator.detect(frame, part)):
            near = [_distance(square, pose.next_square) for pose in self._seen(row)]
            if len(near) >= _MAX_PEOPLE or min(near, default=1.0) < _SAME_HIPS:
                continue
            pose = self._estimator.estimate(frame, square)
            if _is_body([pose]) and self._is_free(row, pose):
                self._trace_back(self._recognise(row, pose), row, pose)

    def _recognise(self, row: int, pose: Pose) -> _Person:
        """Return the person who was lost near here a moment ago or wears the same, else a new one."""
        clothes, likely = _clothes(self._frames[row], pose), {}
        for person in self._known:
            last, seconds = person.last_row, (row - person.last_row) / self._rate
            is_lost = last >= self._shot_row and seconds < _PATIENCE_SECONDS
            is_near = is_lost and _goes_on(person.poses[last], pose, _MAX_STEP + min(seconds, 1.0))
            distance = np.linalg.norm(np.median(person.clothes, axis=0) - clothes, axis=1).max()
            if last < row and distance < (_NEAR_CLOTHES if is_near else _SAME_CLOTHES):
                likely[float(distance)] = person
        if likely:
            return likely[min(likely)]
        self._known.append(_Person())
        return self._known[-1]

    def _trace_back(self, person: _Person, row: int, pose: Pose) -> None:
        """Follow somebody who was just found back to where they came into view."""
        self._add(person, row, pose)
        while (row := row - 1) >= max(0, self._shot_row) and row not in person.poses:
            before = self._estimator.estimate(self._frames[row], pose.next_square)
            if not _goes_on(pose, before) or not self._is_free(row, before):
                return
            self._add(person, row, pose := before)

    def _add(self, person: _Person, row: int, pose: Pose) -> None:
        person.poses[row] = pose
        if len(person.clothes) < _MAX_CLOTHES:
            person.clothes.append(_clothes(self._frames[row], pose))

    def _seen(self, row: int) -> list[Pose]:
        return [person.poses[row] for person in self._known if row in person.poses]

    def _is_free(self, row: int, pose: Pose) -> bool:
        """Return whether a pose is of nobody else who is seen in the frame."""
        for other in self._seen(row):
            apart = np.linalg.norm(pose.image_px[11:] - other.image_px[11:], axis=1).mean()
            if apart < _SAME_POSE * max(pose.next_square.side, other.next_square.side):
                return False
        return True


def _plausible(poses: dict[int, Pose]) -> dict[int, Pose]:
    """Return the unbroken runs of poses that are a body's."""
    rows = np.array(sorted(row for row in poses if row >= 0), int)
    runs = [run for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(run) >= _MIN_FRAMES]
    return {row: poses[row] for run in runs if _is_body([poses[row] for row in run]) for row in run.tolist()}


def _is_body(poses: list[Pose]) -> bool:
    """Return whether consecutive poses are a body's: sure, joints on the silhouette, in proportion."""
    points = np.array([pose.image_px for pose in poses])
    trunk = points[:, [11, 12]].mean(axis=1) - points[:, [23, 24]].mean(axis=1)
    legs = np.linalg.norm(np.diff(points[:, [[23, 25, 27], [24, 26, 28]]], axis=2), axis=3).sum(axis=2)
    trunk_share = np.linalg.norm(trunk, axis=1) / np.maximum(legs.mean(axis=1), 1e-6)
    parts = [pose.score for pose in poses], [_share_on_mask(pose) for pose in poses], trunk_share
    score, on_mask, usual_share = np.median(parts, axis=1)
    is_sure = score >= _MIN_USUAL_SCORE and on_mask >= _MIN_ON_MASK
    return is_sure and _MIN_TRUNK <= usual_share <= _MAX_TRUNK


def _share_on_mask(pose: Pose) -> float:
    """Return the share of the large joints that are seen which lie on the silhouette."""
    seen = _JOINTS[pose.visibility[_JOINTS] > 0.5]
    matrix = pose.square.to_frame(len(pose.mask))
    cells = np.rint((pose.image_px[seen] - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T).astype(int)
    columns, rows = np.clip(cells, 0, len(pose.mask) - 1).T
    return float((pose.mask[rows, columns] > 127).mean()) if len(seen) else 0.0


def _clothes(frame: np.ndarray, pose: Pose) -> np.ndarray:
    """Return the colours in the middle of the trunk and of the thighs, (2, 3), CIE Lab."""
    size = 2 * max(1, round(pose.next_square.side / 60)) + 1
    middles = [np.floor(pose.image_px[points].mean(axis=0)) for points in (_TRUNK, _THIGHS)]
    patches = [cv2.getRectSubPix(frame, (size, size), middle).reshape(-1, 3) for middle in middles]
    colours = np.median(patches, axis=1) / 255
    return cv2.cvtColor(colours[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]


def _goes_on(before: Pose, pose: Pose, reach: float = _MAX_STEP) -> bool:
    """Return whether a pose can be the same person a moment later, so far away in sides of the square."""
    old, new = before.next_square, pose.next_square
    is_alike = 1 / _MAX_RATIO <= new.side / max(old.side, 1e-6) <= _MAX_RATIO
    is_near = np.hypot(new.x - old.x, new.y - old.y) <= reach * old.side
    return pose.score >= MIN_SCORE and is_alike and bool(is_near)


def _distance(square: BodySquare, other: BodySquare) -> float:
    """Return the distance of two bodies, in sides of the square."""
    return float(np.hypot(square.x - other.x, square.y - other.y)) / max(square.side, other.side, 1e-6)
