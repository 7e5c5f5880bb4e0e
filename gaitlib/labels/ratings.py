"""Rating sheets: several people rate each video for each emotion; means become labels.

Row 1 has the video's name over each of its columns, row 2 the question, which ends in ``- Happy`` and so
on, and then comes a row a rater with 1 to 5 or nothing.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from gaitlib.errors import InputError
from gaitlib.files import show_name
from gaitlib.labels.tables import normal_name, read_table

# First cells of rows that are no rater's.
_SUMMARIES = {"mean", "average", "median", "sd", "std", "sum", "total", "count"}


def _rating_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return ``video`` and ``emotion`` of the columns of each rated video; other questions are left out."""
    columns = table.iloc[:2, 1:].T.reindex(columns=table.index[:2]).set_axis(["video", "emotion"], axis=1)
    if not columns["video"].duplicated().any():  # Qualtrics numbers the questions on a video
        columns["video"] = columns["video"].str.replace(r"_\d+$", "", regex=True)
    columns["emotion"] = columns["emotion"].str.extract(r"[-–—]([^-–—]+)$")[0].str.strip().str.casefold()
    return columns[columns["video"].isin(columns.dropna()["video"])]


def is_rating_sheet(table: pd.DataFrame) -> bool:
    """Tell whether a table is a rating sheet: no header of a manifest, and a second row of questions."""
    is_manifest = "video" in map(normal_name, table.iloc[0])
    return not is_manifest and len(table) > 1 and len(_rating_columns(table)) > 1


def parse_ratings(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Turn a rating sheet into one row a rating: ``rater``, ``video``, ``emotion``, ``rating`` (1 to 5)."""
    columns = _rating_columns(table) if len(table) > 1 else table[:0]
    is_faulty = columns.isna().any(axis=1) | (columns == "").any(axis=1) | columns.duplicated()
    for column in columns.index[is_faulty]:
        raise InputError(
            f"{name}: column {column + 1} ({table.iloc[1, column]!r}) must have a video's name above it and "
            "end in '- ' and an emotion, which no other column of this video has: mend the sheet."
        )
    is_rater = ~table[0].str.casefold().isin(_SUMMARIES)
    is_rater &= ~table.apply(lambda cells: cells.str.contains("ImportId", regex=False)).any(axis=1)
    ratings = (
        table[is_rater].iloc[2:][columns.index].rename_axis("rater").melt(ignore_index=False).reset_index()
    )
    ratings = ratings[ratings["value"] != ""].join(columns, on="variable").reset_index(drop=True)
    ratings["rating"] = pd.to_numeric(ratings["value"], errors="coerce")
    for one in ratings[~ratings["rating"].between(1, 5)].itertuples():
        what = f"{name}: row {one.rater} rates {one.video} {one.value!r}"
        raise InputError(f"{what}: expected a number from 1 to 5 or nothing.")
    if ratings.empty:
        raise InputError(f"{name} holds no rating: expected 1 to 5 below questions that end in '- Happy'.")
    return ratings[["rater", "video", "emotion", "rating"]]


def mean_ratings(ratings: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Label each video with the emotion of the highest mean rating, of a tie the first in the sheet.

    Returns the table of `read_labels`, and a warning for each tie.
    """
    means = ratings.pivot_table("rating", "video", "emotion", sort=False)[ratings["emotion"].unique()]
    ordered, by_video = np.sort(means.fillna(0), axis=1), ratings.groupby("video", sort=False)
    table = means.reset_index().rename_axis(columns=None)
    table.insert(1, "emotion", means.idxmax(axis=1).to_numpy())
    table.insert(2, "walker", None)
    table["num_raters"] = by_video["rater"].nunique().to_numpy()
    table["margin"] = ordered[:, -1] - ordered[:, -2]
    table["agreement"] = [_agreement(one) for _, one in by_video]
    ties = table.loc[table["margin"] < 1e-9, ["video", "emotion"]].to_numpy()
    return table, [f"{show_name(video)}: a tie of mean ratings, taken as {one}." for video, one in ties]


def rater_agreement(path: str | Path) -> float:
    """Return how often one rater's top emotion is that of the others' mean: the most a model can reach.

    Ties count as if broken by chance. Mean over all pairs of rater and video; NaN if no video has two.
    """
    table, _ = mean_ratings(parse_ratings(read_table(Path(path)), show_name(path)))
    return float(np.repeat(table["agreement"], table["num_raters"]).mean())


def _agreement(one_video: pd.DataFrame) -> float:
    """Return the mean agreement of a video's raters with the others; NaN for a single rater."""
    table = one_video.pivot_table("rating", "rater", "emotion")
    others = pd.DataFrame([table.drop(index=rater).mean() for rater in table.index], table.index)
    tops = [part.sub(part.max(axis=1), axis=0) > -1e-9 for part in (table, others)]
    agreements = (tops[0] & tops[1]).sum(axis=1) / tops[0].sum(axis=1) / tops[1].sum(axis=1)
    return float(agreements.mean())
