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
# Long videos are compared in pieces of so many rows of the track; at first every third row.
_PIECE_ROWS, _COARSE_STEP, _COARSE_SIMILARITY, _MIN_OVERLAP_ROWS = 450, 3, 0.5, 15
# Movement is what changes within so many rows: a step stands out from the codec's noise.
_LAG_ROWS = 4


def check_footage_disjoint(train: pd.DataFrame, test: pd.DataFrame) -> tuple[str, ...]:
    """Check that no test video shows the footage of a training video; say what is there twice on one side.

    Both have the columns `video`, `walker`, `digest` and `entry`. Where `test` is empty, all are going to be
    cross-validated: then no two walkers may share footage. An `InputError` names a pair that lies across.

    Not found: footage turned by more than about 5 degrees, cropped to much less than the whole, with bars
    that are not black, or with less than 1.3 s or than half of the shorter video in common; outlines at
    another speed in some cases only.
    """
    both = pd.concat([train, test], ignore_index=True)
    names, walkers, pairs = both["video"], both["walker"], []
    sides = walkers if test.empty else pd.Series(both.index < len(train))
    # Many small products: threads of their own would spend their time on waiting for each other.
    with threadpool_limits(1, user_api="blas"):
        alike = _compare(prepared_rows(both))
    for (first, second), (similarity, how) in alike.items():
        # One person filmed twice in the same clothes and place looks more alike than two people.
        is_other = walkers[first] != walkers[second]
        if similarity >= (OTHER_WALKER_SIMILARITY if is_other else SAME_WALKER_SIMILARITY):
            pairs.append((similarity, how, first, second))
    across = [pair for pair in pairs if sides[pair[2]] != sides[pair[3]]]
    if across:
        similarity, how, first, second = max(across)
        other, video = ("", "of another walker") if test.empty else (" in the test", "in training")
        raise InputError(
            f"{names[second]}{other} shows the footage of {names[first]} {video} ({how}, similarity "
            f"{similarity:.2f}; {len(across)} such pair(s)), so the score would not hold for new videos: "
            "remove one of the two, or give both one walker."
        )
    said = "{} shows the footage of {} ({})."
    return tuple(said.format(names[second], names[first], how) for _, how, first, second in pairs)


def _compare(videos: Sequence[PreparedVideo]) -> dict[tuple[int, int], tuple[float, str]]:
    pieces = [(number, piece) for number, video in enumerate(videos) for piece in _pieces(video)]
    plain = [_moves(piece[0]) for _, piece in pieces]
    alike: dict[tuple[int, int], tuple[float, str]] = {}
    speeds = ((1.0, False), (1.0, True), (1.5, False), (2.0, False))
    for (speed, is_backwards), is_mirrored in product(speeds, (False, True)):
        changed = [_moves(piece[is_mirrored], speed, is_backwards) for _, piece in pieces]
        for one, other, lag in _candidates(plain, changed):
            pair = pieces[one][0], pieces[other][0]
            if pair[0] == pair[1] or (speed == 1 and pair[0] > pair[1]):
                continue
            similarity, lag = _similarity(plain[one], changed[other], lag)
            similarity -= _CHANCE * (is_mirrored + is_backwards + (speed != 1))
            pair = min(pair), max(pair)
            is_found = similarity >= max(OTHER_WALKER_SIMILARITY, alike.get(pair, (0.0, ""))[0])
            if is_found and _is_one_scene(pieces[one][1][0], pieces[other][1][is_mirrored]):
                words = ["mirrored"] * is_mirrored + ["backwards"] * is_backwards
                words += ["faster or slower"] * (speed != 1)
                apart = max(abs(lag), abs(len(plain[one]) - len(changed[other]) - lag))
                is_excerpt = apart > 1.5 * _LAG_ROWS and len(plain[one]) < _PIECE_ROWS - _LAG_ROWS - 2
                kind = "excerpt" if is_excerpt else "copy" if words else "re-encoded copy"
                alike[pair] = round(similarity, 3), " ".join([*words, kind])
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
    plain, other = (
        np.hstack([part.reshape(len(scene), -1) for part in parts])
        for parts in ((scene, body), (scene[:, :, ::-1], mirrored))
    )
    for start in range(0, len(scene) - _MIN_OVERLAP_ROWS, _PIECE_ROWS):
        yield plain[start : start + _PIECE_ROWS], other[start : start + _PIECE_ROWS]


def _is_one_scene(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether the frames of two pieces may show one scene, with other light too."""
    edges = []
    for part in (one, other):
        fields = part[::_GRID, : _GRID**2].reshape(-1, _GRID, _GRID)
        if fields.std() < _EMPTY_SD:
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
    """Return joints around the hips in trunk lengths, shape (num_rows, 17, 2), left and right unnamed.

    Middle and distance of each pair: which leg is called left may differ between two copies.
    """
    points = keypoints.image_px
    hips, shoulders = points[:, 23:25].mean(axis=1), points[:, 11:13].mean(axis=1)
    lengths = pd.Series(np.linalg.norm(shoulders - hips, axis=1)).rolling(9, center=True, min_periods=1)
    points = (points - hips[:, None]) / lengths.mean().to_numpy(np.float32)[:, None, None]
    left, right = points[:, _LEFT_JOINTS], points[:, _LEFT_JOINTS + 1]
    return np.concatenate([points[:, :1], (left + right) / 2, np.abs(left - right)], axis=1)


def _moves(values: np.ndarray, speed: float = 1.0, is_backwards: bool = False) -> np.ndarray:
    """Return what moves, at another speed or backwards; scene and body at the strength of their weights."""
    times = np.arange(0, len(values) - 1, speed, dtype=np.float32)
    before, share = times.astype(int), (times % 1)[:, None]
    values = values[before] * (1 - share) + values[before + 1] * share
    values = values[::-1] if is_backwards else values
    values = (values[:-2] + 2 * values[1:-1] + values[2:]) / 4
    change = np.nan_to_num(values[_LAG_ROWS:] - values[:-_LAG_ROWS])
    scene, body = change[:, : _GRID**2], change[:, _GRID**2 :]
    # The light changes everywhere at once, noise is small everywhere.
    scene -= np.median(scene, axis=1, keepdims=True)
    scene[np.abs(scene) < 2 * np.median(np.abs(scene)) if len(scene) else []] = 0
    for part, weight in ((scene, _SCENE_WEIGHT), (body, 1 - _SCENE_WEIGHT)):
        part *= weight**0.5 / max(float(np.sqrt((part**2).sum() / max(len(part), 1))), 1e-3)
    return change


def _candidates(plain: Sequence[np.ndarray], changed: Sequence[np.ndarray]) -> Iterator[tuple[int, int, int]]:
    """Yield places of pairs that move alike at some delay, seen coarsely, and the delay in rows."""
    size = fft.next_fast_len(2 * _PIECE_ROWS // _COARSE_STEP + 2, real=True)
    lengths = np.minimum.outer(*([len(part) for part in parts] for parts in (plain, changed)))
    first, second = _spectra(plain, size), _spectra(changed, size).conj().transpose(0, 2, 1)
    block = max(1, 10_000_000 // (size * max(len(plain), 1)))
    for start in range(0, len(plain), block):
        part = slice(start, start + block)
        alike = fft.irfft(np.matmul(first[:, part], second).transpose(1, 2, 0), size, axis=2, workers=-1)
        least = _COARSE_SIMILARITY * np.maximum(lengths[part], _MIN_OVERLAP_ROWS) / _COARSE_STEP
        for row, column in np.argwhere(alike.max(axis=2) >= least):
            lag = int(alike[row, column].argmax())
            yield start + row, int(column), _COARSE_STEP * (lag - size if lag > size // 2 else lag)


def _spectra(moves: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Return spectra of coarse movement, shape (num_frequencies, num_pieces, num_values), complex64."""
    padded = np.zeros((size, len(moves), moves[0].shape[1] if moves else 1), np.float32)
    for place, part in enumerate(moves):
        padded[: len(part[::_COARSE_STEP]), place] = part[::_COARSE_STEP]
    return fft.rfft(padded, axis=0)


def _similarity(first: np.ndarray, second: np.ndarray, lag: int) -> tuple[float, int]:
    """Return how alike two pieces are near a delay of the second, and the best delay, in rows."""
    best = 0.0, lag
    between = (second[:-1] + second[1:]) / 2  # copies may be sampled up to a frame apart
    for other, near in product((second, between), range(lag - _COARSE_STEP, lag + _COARSE_STEP + 1)):
        start, stop = max(near, 0), min(len(first), len(other) + near)
        if stop - start >= _MIN_OVERLAP_ROWS:
            one, two = first[start:stop].ravel(), other[start - near : stop - near].ravel()
            best = max(best, (float(one @ two) / max(float((one @ one) * (two @ two)) ** 0.5, 1e-6), near))
    return best
