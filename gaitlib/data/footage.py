"""The same footage under another name: re-encoded, mirrored, cut, played backwards or at another speed.

In a copy the whole frame in small (the scene) and the body in itself move alike at the same moments, before
the same scene. Either alone is alike in other videos too: people walk one path before one camera, or walk
alike.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import cv2
import numpy as np
import pandas as pd
from scipy import fft
from threadpoolctl import threadpool_limits

from gaitlib.clips import PreparedVideo
from gaitlib.data.rundata import prepared_rows
from gaitlib.errors import InputError
from gaitlib.files import remember
from gaitlib.walker import Keypoints

# Of two drawn walkers the most alike reach 0.85; a false alarm stops a run, a copy of poor quality may pass.
OTHER_WALKER_SIMILARITY, SAME_WALKER_SIMILARITY = 0.875, 0.97
# Every further way in which two videos may be alike makes it likelier by chance.
_SCENE_WEIGHT, _CHANCE, _GRID, _BLACK = 0.8, 0.04, 8, 20
# Edges between fields go together where two films show one scene (copies: 0.7 and more); lights in the dark
# have nearly none.
_MIN_SCENE_CORRELATION, _EMPTY_SD = 0.6, 4.0
# Shoulder to wrist and hip to toe; the right ones follow the left.
_LEFT_JOINTS = np.r_[11:17:2, 23:33:2]
# How a copy may be changed, beside mirrored: how much faster one of the two is, whether one runs backwards.
_CHANGES = ((1.0, False), (1.0, True), (1.25, False), (1.5, False), (2.0, False))
# Long videos are compared in pieces of so many rows of the track.
_PIECE_ROWS, _MIN_OVERLAP_ROWS, _CANDIDATE_SIMILARITY = 450, 15, 0.5
# Movement is what changes within so many rows: a step stands out from the codec's noise.
_LAG_ROWS = 4


def check_footage_disjoint(train: pd.DataFrame, test: pd.DataFrame) -> tuple[str, ...]:
    """Check that no test video shows the footage of a training video; say what is there twice on one side.

    Both have the columns `video`, `walker`, `digest` and `entry`. Where `test` is empty, all are going to be
    cross-validated: then no two walkers may share footage. An `InputError` names a pair that lies across.

    Not found: footage turned by about 8 degrees or more, cropped to much less than the whole, with a title,
    with bars that are not black, or with less than 1.3 s or than half of the shorter video in common;
    outlines at another speed in some cases only.
    """
    both = pd.concat([train, test], ignore_index=True)
    names, walkers, pairs = both["video"], both["walker"], []
    sides = walkers if test.empty else pd.Series(both.index < len(train))
    # Many small products: threads of their own would spend their time on waiting for each other.
    with threadpool_limits(1, user_api="blas"):
        videos = prepared_rows(both)
        alike = remember(_compare, ["videos"])(videos, [str(video.folder) for video in videos])
    for (first, second), (similarity, how) in alike.items():
        # One person filmed twice in the same clothes and place looks more alike than two people.
        if similarity >= SAME_WALKER_SIMILARITY or walkers[first] != walkers[second]:
            pairs.append((similarity, how, first, second))
    across = [pair for pair in pairs if sides[pair[2]] != sides[pair[3]]]
    if across:
        similarity, how, first, second = max(across)
        raise InputError(
            f"{names[second]} shows the footage of {names[first]} ({how}, similarity {similarity:.2f}; "
            f"{len(across)} such pair(s)), and one would test what the other teaches: remove one of the two."
        )
    return tuple(f"{names[two]} shows the footage of {names[one]} ({how})." for _, how, one, two in pairs)


def _compare(videos: Sequence[PreparedVideo], _key: list[str]) -> dict[tuple[int, int], tuple[float, str]]:
    """Return for pairs of videos, by place, how alike they are and in which way, where that is no chance."""
    pieces = [(number, *piece) for number, video in enumerate(videos) for piece in _pieces(video)]
    plain = [_moves(piece) for _, piece, _ in pieces]
    alike: dict[tuple[int, int], tuple[float, str]] = {}
    for (speed, is_backwards), is_mirrored in product(_CHANGES, (False, True)):
        words = ["mirrored"] * is_mirrored + ["backwards"] * is_backwards + ["faster or slower"] * (speed > 1)
        seen = [mirrored if is_mirrored else piece for _, piece, mirrored in pieces]
        changed = [_moves(piece, speed, is_backwards) for piece in seen]
        for one, other, similarity in _matches(plain, changed):
            first, second = sorted((pieces[one][0], pieces[other][0]))
            similarity -= _CHANCE * len(words)
            if first == second or similarity < alike.get((first, second), (OTHER_WALKER_SIMILARITY, ""))[0]:
                continue
            if _is_one_scene(pieces[one][1], seen[other]):
                alike[first, second] = similarity, " and ".join(words or ["re-encoded"])
    return alike


def _pieces(video: PreparedVideo) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield what is seen over time, (num_rows, 64 + num_values), and the same in a mirror."""
    thumbs = np.asarray(video.thumbs)
    left, top, width, height = cv2.boundingRect((thumbs.max(axis=0, initial=0) > _BLACK).astype(np.uint8))
    inside = thumbs[:, top : top + height, left : left + width]
    if inside.size and np.median(inside) > _BLACK:  # black bars around a picture, not lights in the dark
        thumbs = inside
    scene = _grid(thumbs)
    if video.keypoints is not None:
        body, mirrored = _posture(video.keypoints), _posture(video.keypoints.mirrored())
    else:
        rows = np.flatnonzero(video.track["picture"] >= 0)
        body = np.full_like(scene, np.nan)
        body[rows] = _grid(video.read(rows).mean(axis=-1))
        mirrored = body[:, :, ::-1]
    views = (scene, body), (scene[:, :, ::-1], mirrored)
    plain, other = (np.hstack([part.reshape(len(scene), -1) for part in view]) for view in views)
    for start in range(0, len(scene) - _MIN_OVERLAP_ROWS, _PIECE_ROWS):
        yield plain[start : start + _PIECE_ROWS], other[start : start + _PIECE_ROWS]


def _is_one_scene(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether the frames of two pieces may show one scene, with other light too."""
    edges = []
    for part in (one, other):
        fields = part[::_GRID, : _GRID**2].reshape(-1, _GRID, _GRID)
        fields = fields[fields.std(axis=(1, 2)) > 1]  # without plain frames
        if len(fields) < 2 or fields.std() < _EMPTY_SD:
            return True  # lights in the dark
        edges.append([np.r_[np.diff(each, axis=0).ravel(), np.diff(each).ravel()] for each in fields])
    alike = np.corrcoef(np.array(edges[0]), np.array(edges[1]))[: len(edges[0]), len(edges[0]) :]
    return bool(alike.max(axis=int(np.argmax(alike.shape))).mean() > _MIN_SCENE_CORRELATION)


def _grid(pictures: np.ndarray) -> np.ndarray:
    """Return pictures as means of 8 x 8 fields, shape (num_rows, 8, 8), float32."""
    size = (_GRID, _GRID)
    small = [cv2.resize(one.astype(np.float32), size, interpolation=cv2.INTER_AREA) for one in pictures]
    return np.array(small, np.float32).reshape(-1, *size)


def _posture(keypoints: Keypoints) -> np.ndarray:
    """Return joints around the hips in trunk lengths, (num_rows, 17, 2); which leg is left may differ."""
    points = keypoints.image_px
    hips, shoulders = points[:, 23:25].mean(axis=1), points[:, 11:13].mean(axis=1)
    lengths = pd.Series(np.linalg.norm(shoulders - hips, axis=1)).rolling(9, center=True, min_periods=1)
    points = (points - hips[:, None]) / lengths.mean().to_numpy(np.float32)[:, None, None]
    left, right = points[:, _LEFT_JOINTS], points[:, _LEFT_JOINTS + 1]
    return np.concatenate([points[:, :1], (left + right) / 2, np.abs(left - right)], axis=1)


def _moves(values: np.ndarray, speed: float = 1.0, is_backwards: bool = False) -> np.ndarray:
    """Return what moves, faster or backwards; scene and body at the strength of their weights."""
    times = np.arange(0, len(values) - 1, speed, dtype=np.float32)
    before, share = times.astype(int), (times % 1)[:, None]
    values = values[before] * (1 - share) + values[before + 1] * share
    values = values[::-1] if is_backwards else values
    values = (values[:-2] + 2 * values[1:-1] + values[2:]) / 4
    change = np.nan_to_num(values[_LAG_ROWS:] - values[:-_LAG_ROWS])
    scene, body = change[:, : _GRID**2], change[:, _GRID**2 :]
    # The light changes everywhere at once, noise is small everywhere.
    scene -= np.median(scene, axis=1, keepdims=True)
    scene[np.abs(scene) < 2 * np.median(np.abs(scene))] = 0
    for part, weight in ((scene, _SCENE_WEIGHT), (body, 1 - _SCENE_WEIGHT)):
        part *= weight**0.5 / max(float(np.sqrt((part**2).sum() / len(part))), 1e-3)
    return change


def _matches(plain: list[np.ndarray], changed: list[np.ndarray]) -> Iterator[tuple[int, int, float]]:
    """Yield places of pairs that may be alike, and how alike they are at the best delay of the second."""
    if not plain:
        return
    size = fft.next_fast_len(2 * max(map(len, plain)), real=True)
    first = np.stack([fft.rfft(part, size, axis=0) for part in plain], axis=1)
    second = np.stack([fft.rfft(part, size, axis=0) for part in changed], axis=2).conj()
    lengths = np.minimum.outer([len(part) for part in plain], [len(part) for part in changed])
    least = np.where(lengths < _MIN_OVERLAP_ROWS, np.inf, _CANDIDATE_SIMILARITY * lengths)
    block = max(1, 10_000_000 // (size * len(plain)))
    for start in range(0, len(plain), block):
        part = slice(start, start + block)
        products = np.matmul(first[:, part], second).transpose(1, 2, 0)
        sums = fft.irfft(products, size, axis=2, workers=-1)
        for row, other in np.argwhere(sums.max(axis=2) >= least[part]):
            # Copies may be sampled up to a frame apart: twice the length gives delays of half a row too.
            fine = 2 * fft.irfft(products[row, other], 2 * size)
            yield start + row, other, _similarity(plain[start + row], changed[other], fine)


def _similarity(first: np.ndarray, second: np.ndarray, sums: np.ndarray) -> float:
    """Return how alike two pieces are at the best delay, by `sums` of products for delays of half rows."""
    lags = np.arange(_MIN_OVERLAP_ROWS - len(second), len(first) - _MIN_OVERLAP_ROWS + 1)
    start, stop = np.maximum(lags, 0), np.minimum(len(first), len(second) + lags)
    own, other = (np.append(0, (part**2).sum(axis=1).cumsum()) for part in (first, second))
    energy = (own[stop] - own[start]) * (other[stop - lags] - other[start - lags])
    common = np.maximum(sums[2 * lags], sums[2 * lags + 1])
    common[common < _CANDIDATE_SIMILARITY * min(len(first), len(second))] = 0
    return float((common / np.sqrt(np.maximum(energy, 1e-6))).max())
