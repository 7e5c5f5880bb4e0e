"""Pictures of a hand-held camera held still, so that the empty scene can be learnt all the same.

Corners of the middle picture are followed into every other one (Lucas & Kanade, IJCAI 1981); the turn,
shift and zoom that most of them share is the camera's (RANSAC), what differs from it are people.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from gaitlib.walker.foreground import EVERYWHERE, Background, Region

CORNERS_PER_CELL = 20
# The camera's movement must show in corners all over the picture: a 4 x 4 grid, its cells counted.
MIN_CELLS = 6
MIN_CORNERS = 12
MIN_INLIER_SHARE = 0.4
# Typical shift, pixels, from which a camera counts as shaking; a tripod stays below a tenth.
SHAKE_PIXELS = 0.8
# Share of the picture's width and height that must stay in view all the time.
MIN_COMMON_SHARE = 0.6
NUM_SAMPLES = 12


@dataclass(frozen=True)
class SteadyView:
    """What is in view all the time, as if the camera had stood still.

    Attributes
    ----------
    frames : ndarray of shape (num_frames, height, width), uint8, grey
        The common part of the pictures, held still.
    reference : ndarray of shape (full_height, full_width), uint8, grey
        The picture that the others were brought to.
    matrices : ndarray of shape (num_frames, 2, 3)
        From a place in `frames` to the same place in each picture as it was taken.
    corner : ndarray of shape (2,)
        Right and down of the upper left corner of `frames` in `reference`.
    """

    frames: np.ndarray
    reference: np.ndarray
    matrices: np.ndarray
    corner: np.ndarray

    def background(self, learnt: Background) -> "ShakenBackground":
        """Return the scene learnt from `frames` for use with the pictures as they were taken."""
        return ShakenBackground(
            learnt.picture,
            learnt.threshold,
            False,
            learnt.reach,
            reference=self.reference,
            corner=self.corner,
        )

    def as_taken(self, boxes: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bring boxes (left, top, width, height) and squares (centre, side) back to the shaken pictures.

        Parameters
        ----------
        boxes : ndarray of shape (num_frames, 4)
        squares : ndarray of shape (num_frames, 3)

        Returns
        -------
        tuple of two ndarray of the same shapes
        """
        zoom = np.sqrt(np.abs(np.linalg.det(self.matrices[:, :, :2])))[:, None]
        sizes = boxes[:, 2:] * zoom
        corners = _moved(self.matrices, boxes[:, :2] + boxes[:, 2:] / 2) - sizes / 2
        centres = _moved(self.matrices, squares[:, :2])
        boxes = np.concatenate([corners, sizes], axis=1).astype(np.float32)
        return boxes, np.concatenate([centres, squares[:, 2:] * zoom], axis=1).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class ShakenBackground(Background):
    """An empty scene that is brought to each picture before the two are compared.

    Attributes
    ----------
    reference : ndarray of shape (full_height, full_width), uint8, grey
        Where the corners are looked for.
    corner : ndarray of shape (2,)
        Right and down of the upper left corner of `picture` in `reference`.
    """

    reference: np.ndarray
    corner: np.ndarray

    def difference(self, frame: np.ndarray) -> np.ndarray:
        """Return by how many grey levels a frame differs; outside the known scene it does not."""
        return self._seen_from(frame).difference(frame)

    def silhouette(self, frame: np.ndarray, box: np.ndarray, where: Region = EVERYWHERE) -> np.ndarray:
        """Return how surely each pixel of a grey frame belongs to somebody, uint8, 0 to 255."""
        return self._seen_from(frame).silhouette(frame, box, where)

    def _seen_from(self, frame: np.ndarray) -> Background:
        smooth = cv2.GaussianBlur(frame, (3, 3), 0)
        matrix = _camera_matrix(self.reference, _corners(self.reference), frame, None)
        if matrix is None:
            return Background(smooth, self.threshold, False, self.reach)
        matrix = _shifted(matrix, self.corner)
        size = frame.shape[::-1]
        known = cv2.warpAffine(np.full_like(self.picture, 255), matrix, size)
        # An edge that is off by less than a pixel is no difference.
        low, high = (
            cv2.warpAffine(change(self.picture, np.ones((3, 3), np.uint8)), matrix, size)
            for change in (cv2.erode, cv2.dilate)
        )
        scene = np.where(known == 255, np.clip(smooth, low, high), smooth)
        return Background(scene, self.threshold, False, self.reach)


def is_shaking(frames: np.ndarray) -> bool:
    """Say whether the camera moves, if only a little, by a few pictures compared with the middle one.

    Parameters
    ----------
    frames : ndarray of shape (num_frames, height, width), uint8, grey
    """
    reference = frames[len(frames) // 2]
    corners = _corners(reference)
    shifts: list[float] = []
    chosen = np.unique(np.linspace(0, len(frames) - 1, NUM_SAMPLES).astype(int))
    for index in chosen:
        if 2 * sum(shift <= SHAKE_PIXELS for shift in shifts) > len(chosen):
            return False  # whatever the others say, the median is among these
        matrix = _camera_matrix(reference, corners, frames[index], None)
        if matrix is not None and index != len(frames) // 2:
            moved = _edges(matrix, reference.shape) - _edges(_STILL, reference.shape)
            shifts.append(float(np.abs(moved).mean()))
    return len(shifts) > NUM_SAMPLES // 3 and float(np.median(shifts)) > SHAKE_PIXELS


def hold_still(frames: np.ndarray) -> SteadyView | None:
    """Hold shaken pictures still.

    Parameters
    ----------
    frames : ndarray of shape (num_frames, height, width), uint8, grey

    Returns
    -------
    SteadyView or None
        None where the camera's movement cannot be told, or too little stays in view.
    """
    middle = len(frames) // 2
    reference = frames[middle]
    corners = _corners(reference)
    matrices = np.repeat(_STILL[None], len(frames), axis=0)
    num_lost = 0
    for order in (range(middle - 1, -1, -1), range(middle + 1, len(frames))):
        last = _STILL
        for index in order:
            found = _camera_matrix(reference, corners, frames[index], last)
            num_lost += found is None
            matrices[index] = last = last if found is None else found
    if num_lost > 0.1 * len(frames):
        return None
    height, width = reference.shape
    inverse = np.stack([cv2.invertAffineTransform(matrix) for matrix in matrices])
    edges = np.stack([_edges(matrix, reference.shape) for matrix in inverse])  # of each picture
    left, top = np.ceil(np.maximum(edges[:, :2].max(axis=(0, 1)), 0)).astype(int)
    right, bottom = np.floor(np.minimum(edges[:, 2:].min(axis=(0, 1)), (width, height))).astype(int)
    if right - left < MIN_COMMON_SHARE * width or bottom - top < MIN_COMMON_SHARE * height:
        return None
    corner = np.array([left, top])
    matrices = np.stack([_shifted(matrix, corner) for matrix in matrices])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = int(right - left), int(bottom - top)
    still = np.stack(
        [cv2.warpAffine(frame, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
         for frame, matrix in zip(frames, matrices, strict=True)]
    )  # fmt: skip
    return SteadyView(still, reference, matrices, corner)


_STILL = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def _corners(picture: np.ndarray) -> np.ndarray:
    """Find corners in each cell of a 4 x 4 grid, so that one with strong edges is not all that counts."""
    height, width = (size // 4 for size in picture.shape)
    found = [np.zeros((0, 1, 2), np.float32)]
    for row in range(4):
        for column in range(4):
            corner = np.array([column * width, row * height])
            cell = picture[corner[1] : corner[1] + height, corner[0] : corner[0] + width]
            inside = cv2.goodFeaturesToTrack(cell, CORNERS_PER_CELL, 0.05, 5)
            if inside is not None:
                found.append((inside + corner).astype(np.float32))
    return np.concatenate(found)


def _camera_matrix(
    reference: np.ndarray, corners: np.ndarray, frame: np.ndarray, guess: np.ndarray | None
) -> np.ndarray | None:
    """Return the matrix from places in the reference to those in a frame, None if corners disagree."""
    if len(corners) < MIN_CORNERS:
        return None
    start = corners.reshape(-1, 2)
    expected = start if guess is None else _moved(guess[None], start)
    there = np.array(expected, np.float32).reshape(-1, 1, 2)  # a copy: OpenCV writes into it
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        reference, frame, corners, there, flags=cv2.OPTFLOW_USE_INITIAL_FLOW, winSize=(15, 15)
    )
    good = found.ravel() == 1
    if good.sum() < MIN_CORNERS:
        return None
    matrix, inliers = cv2.estimateAffinePartial2D(
        start[good], moved.reshape(-1, 2)[good], ransacReprojThreshold=1.0
    )
    if matrix is None or inliers.mean() < MIN_INLIER_SHARE:
        return None
    agreeing = start[good][inliers.ravel() == 1]
    cells = (4 * agreeing / np.array(reference.shape[::-1])).astype(int) @ (1, 4)
    return matrix if len(np.unique(cells)) >= MIN_CELLS else None


def _moved(matrices: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Apply one matrix a place, or one to all: shapes (n or 1, 2, 3) and (n, 2)."""
    return (matrices[:, :, :2] @ places[..., None])[..., 0] + matrices[:, :, 2]


def _shifted(matrix: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Return the matrix for places counted from `corner`."""
    return np.column_stack([matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ corner])


def _edges(matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return where the two left or upper, then the two right or lower ends of a picture come to lie.

    Shape (4, 2): for columns the left ends come first, for rows the upper ones.
    """
    height, width = shape
    ends = _moved(matrix[None], np.array([[0, 0], [0, height], [width, 0], [width, height]], float))
    return np.column_stack([ends[:, 0], ends[[0, 2, 1, 3], 1]])
