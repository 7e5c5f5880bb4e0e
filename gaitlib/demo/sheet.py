"""A contact sheet of synthetic walks, to see at a glance what the emotions do."""

from collections.abc import Mapping

import cv2
import numpy as np
import pandas as pd

from gaitlib.demo.parameters import EMOTIONS, WalkParameters
from gaitlib.demo.rendering import WalkPainter
from gaitlib.demo.scene import SceneParameters

PERSON_SHARE = 0.72


def _crop(picture: np.ndarray, box: np.ndarray, side_px: float, cell_px: int) -> np.ndarray:
    """Cut a square around a box and scale it; beyond the edge the picture's edge is repeated."""
    centre = box[:2] + box[2:] / 2
    scale = cell_px / side_px
    shift = cell_px / 2 - scale * centre
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    return cv2.warpAffine(
        picture, matrix, (cell_px, cell_px), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )


def _strip(row: Mapping, num_columns: int, seconds_between: float, cell_px: int) -> np.ndarray:
    """Crop the walker at even times around the middle of one video; cells side by side."""
    scene = SceneParameters.from_row(row)
    painter = WalkPainter(WalkParameters.from_row(row), scene)
    times = (np.arange(num_columns) - (num_columns - 1) / 2) * seconds_between
    frames = np.round((scene.num_frames - 1) / 2 + times * scene.frame_rate_hz).astype(int)
    frames = np.clip(frames, 0, scene.num_frames - 1)
    side_px = painter.boxes[frames, 3].max() / PERSON_SHARE
    # One height for all cells, so that the bounce shows.
    middles = painter.boxes[frames, 1] + painter.boxes[frames, 3] / 2
    cells = []
    for frame in frames:
        box = painter.boxes[frame].copy()
        box[1] = middles.mean() - box[3] / 2
        cells.append(_crop(painter.paint(frame), box, side_px, cell_px))
    return np.hstack(cells)


def contact_sheet(
    truth: pd.DataFrame,
    walker: str | None = None,
    num_columns: int = 10,
    seconds_between: float = 0.1,
    cell_px: int = 112,
) -> np.ndarray:
    """Show one synthetic walker in every emotion: rows are emotions, columns are times.

    Parameters
    ----------
    truth : DataFrame
        Truth table, from `gaitlib.demo.read_truth` or `gaitlib.demo.sample_truth`.
    walker : str, optional
        Which walker; the table's first by default. The first take of each emotion is shown.
    num_columns : int, default 10
        Pictures in a row.
    seconds_between : float, default 0.1
        Time from one column to the next.
    cell_px : int, default 112
        Side of a picture.

    Returns
    -------
    ndarray of shape (4 * cell_px, num_columns * cell_px, 3), uint8, RGB
        Angry, happy, neutral and sad from top to bottom.

    Raises
    ------
    ValueError
        If the table has no such walker, or not in every emotion.
    """
    walker = truth["walker"].iloc[0] if walker is None else walker
    rows = []
    for emotion in EMOTIONS:
        found = truth[(truth["walker"] == walker) & (truth["emotion"] == emotion)]
        if found.empty:
            raise ValueError(f"The truth table has no {emotion} video of {walker}.")
        rows.append(_strip(found.to_dict("records")[0], num_columns, seconds_between, cell_px))
    return np.vstack(rows)
