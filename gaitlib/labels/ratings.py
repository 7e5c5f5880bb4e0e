"""Rating sheets: several people rate each video for each emotion; means become labels.

A sheet has the name of the video over each of its columns, the question below it, which ends in
``- Happy``, ``- Angry`` and so on, and below that a row a rater with 1 to 5 or nothing.
"""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from gaitlib.config import InputError

_EMOTION = re.compile(r"[-–—]\s*([^-–—]+)$")
_SUMMARY_ROWS = {"mean", "average", "median", "sd", "std", "stdev", "sum", "total", "count"}
_SCALE = (1.0, 5.0)
# Columns of the tables that an emotion's mean ratings stand beside.
_COLUMNS = {
    *("video", "path", "emotion", "walker", "where", "reference", "num_raters", "margin", "agreement"),
    *("split", "fold", "digest", "entry", "num_clips", "walk_seconds", "method", "note", "comment"),
}


def is_rating_sheet(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether rows are a rating sheet: two header rows, the second of questions."""
    filled = [row for row in rows if any(row)]
    return len(filled) > 1 and sum(bool(_EMOTION.search(cell)) for cell in filled[1][1:]) >= 2


def ratings_from_rows(rows: Sequence[Sequence[str]], name: str) -> pd.DataFrame:
    """Turn a rating sheet into one row a rating.

    Parameters
    ----------
    rows : sequence of sequence of str
        The sheet, as `gaitlib.labels.tables.read_rows` returns it.
    name : str
        Name of the file, for messages.

    Returns
    -------
    DataFrame
        Columns ``video``, ``rater``, ``emotion`` (text) and ``rating`` (float, 1 to 5), in the
        order of the sheet's columns.

    Raises
    ------
    InputError
        If a column lacks its video or emotion or comes twice, or a rating is not 1 to 5.
    """
    numbered = [(number, row) for number, row in enumerate(rows, start=1) if any(row)]
    (_, videos), (_, questions), *raters = numbered
    columns = _columns(videos, questions, name)
    records = [
        (
            video,
            f"{row[0] or 'rater'} (row {number})",
            emotion,
            _rating(row[index], number, video, name),
        )
        for index, video, emotion in columns
        for number, row in raters
        if index < len(row) and row[index] and row[0].casefold() not in _SUMMARY_ROWS
    ]
    if not records:
        raise InputError(f"{name} holds no rating: expected numbers from 1 to 5 below the questions.")
    if taken := {emotion for _, _, emotion, _ in records} & _COLUMNS:
        raise InputError(
            f"{name} asks for {min(taken)!r}, which is the name of a column: rename the emotion."
        )
    return pd.DataFrame(records, columns=["video", "rater", "emotion", "rating"])


def mean_ratings(ratings: pd.DataFrame) -> pd.DataFrame:
    """Label each video with the emotion of the highest mean rating.

    A tie goes to the emotion that stands first in the sheet, with a warning: the means and a
    ``margin`` of 0 say as much, so that such a video can be left out or used with soft labels.

    Parameters
    ----------
    ratings : DataFrame
        From `ratings_from_rows`.

    Returns
    -------
    DataFrame
        One row a video: ``video``, ``emotion``, one column of mean ratings per emotion,
        ``num_raters``, ``margin`` (highest mean minus second), one column ``share_<emotion>`` (share
        of the raters whose top emotion it is) and ``agreement`` (see `rater_agreement`; NaN with
        one rater); ``attrs["warnings"]`` names ties.
    """
    emotions = list(ratings["emotion"].unique())
    means = ratings.pivot_table("rating", "video", "emotion", aggfunc="mean", sort=False)[emotions]
    ordered = np.sort(np.nan_to_num(means.to_numpy(), nan=0.0), axis=1)
    table = means.reset_index().rename_axis(columns=None)
    table.insert(1, "emotion", means.idxmax(axis=1).to_numpy())
    table["num_raters"] = ratings.groupby("video", sort=False)["rater"].nunique().to_numpy()
    table["margin"] = ordered[:, -1] - ordered[:, -2]
    by_video = dict(list(ratings.groupby("video")))
    shares = [_shares(by_video[video]) for video in table["video"]]
    for emotion in emotions:
        table[f"share_{emotion}"] = [float(share.get(emotion, 0.0)) for share in shares]
    table["agreement"] = [
        float(np.mean(_agreements(by_video[video]) or [np.nan])) for video in table["video"]
    ]
    ties = table[table["margin"] < 1e-9]
    table.attrs["warnings"] = [
        f"{video}: a tie of mean ratings, taken as {emotion}, the first of them in the sheet."
        for video, emotion in zip(ties["video"], ties["emotion"], strict=True)
    ]
    return table


def rater_agreement(ratings: pd.DataFrame) -> float:
    """Return how often one rater agrees with the others, the ceiling for a model of these labels.

    For each rater of each video, the rater's top emotion is compared with the top mean of the
    video's other raters. Ties count as if broken by chance: a rater who gives two emotions a 5, one
    of them the others' choice, agrees by a half.

    Parameters
    ----------
    ratings : DataFrame
        From `gaitlib.labels.read_raters`.

    Returns
    -------
    float
        Mean agreement over all pairs of rater and video, 0 to 1; NaN if no video has two raters.
    """
    agreements = [value for _, one_video in ratings.groupby("video") for value in _agreements(one_video)]
    return float(np.mean(agreements)) if agreements else float("nan")


def _agreements(one_video: pd.DataFrame) -> list[float]:
    """Return for each rater of a video the agreement with the others; empty for a single rater."""
    table = one_video.pivot_table("rating", "rater", "emotion")
    if len(table) < 2:
        return []
    return [
        float((_top_share(table.loc[rater]) * _top_share(table.drop(index=rater).mean())).sum())
        for rater in table.index
    ]


def _shares(one_video: pd.DataFrame) -> pd.Series:
    """Return the share of a video's raters by their top emotion; a rater's ties are split."""
    table = one_video.pivot_table("rating", "rater", "emotion")
    return table.apply(_top_share, axis=1).mean()


def _top_share(values: pd.Series) -> pd.Series:
    is_top = np.isclose(values, values.max())
    return pd.Series(is_top / is_top.sum(), index=values.index)


def _columns(videos: Sequence[str], questions: Sequence[str], name: str) -> list[tuple[int, str, str]]:
    """Return (column index, video, emotion) of every rating column."""
    columns: dict[tuple[str, str], int] = {}
    video = ""
    for index, question in enumerate(questions[1:], start=1):
        video = (videos[index] if index < len(videos) else "") or video  # one merged cell over a block
        found = _EMOTION.search(question)
        if not found and not question:
            continue
        if not found or not video:
            missing = "the emotion after a '-'" if not found else "the video's name above it"
            raise InputError(f"{name}: column {index + 1} ({question!r}) lacks {missing}.")
        key = (video, found[1].strip().casefold())
        if key in columns:
            raise InputError(
                f"{name}: {video} is rated for {key[1]} in two columns, {columns[key] + 1} and "
                f"{index + 1}: remove or rename one."
            )
        columns[key] = index
    return [(index, video, emotion) for (video, emotion), index in columns.items()]


def _rating(cell: str, row_number: int, video: str, name: str) -> float:
    try:
        rating = float(cell.replace(",", "."))
    except ValueError:
        rating = float("nan")
    if not _SCALE[0] <= rating <= _SCALE[1]:
        raise InputError(
            f"{name}: row {row_number} rates {video} {cell!r}: expected a number from 1 to 5 or nothing."
        )
    return rating
