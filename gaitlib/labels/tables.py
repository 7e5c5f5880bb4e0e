"""Label files, CSV of any separator or Excel: manifests, and rating sheets whose means become labels."""

import csv
import io
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from gaitlib.errors import InputError
from gaitlib.files import decode_text, show_name

_UNKNOWN = {"walker": ["?", "-", "n/a", "unknown"], "emotion": ["?", "-", "n/a", "nan"]}
_INVISIBLE = str.maketrans("", "", "\ufeff\u200b\u2060\u200e\u200f")
# What names a row that is no rater's, as "Average rating:" or "Mean (n=6)", unlike Mean-Ling.
_SUMMARIES = (
    r"(mean|average|avg|mittelwerte?|durchschnitt|moyenne|median|sd|std|standard|sum|total|count)s?\W*"
    r"(rating|score|dev(iation)?|sd|n\W*\d+)?s?\W*"
)
_WALKER_COLUMN = re.compile(r"^(person|participant|proband|subject|actor|walker)[ _-]?(id|name|code)?$")


def normal_name(text: str) -> str:
    """Return a name in the form in which names compare: one case, one spelling of accents."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def read_labels(path: str | Path) -> pd.DataFrame:
    """Read a label file: a CSV manifest or a rating sheet (``.xlsx`` or ``.csv``).

    Returns ``video``, ``emotion`` (lower-case), ``walker`` (None where not given); of a rating sheet also a
    column of mean ratings per emotion, ``num_raters``, ``margin`` (highest mean minus second) and
    ``agreement`` (how often one rater's top emotion is that of the others' mean). Raises an `InputError` if
    the file cannot be read as either, or contradicts itself.
    """
    table, name = read_table(Path(path).expanduser()), show_name(path)
    is_manifest = "video" in map(normal_name, table.iloc[0])
    if not is_manifest and min(table.shape) > 1 and len(columns := _rating_columns(table)) > 1:
        return _mean_ratings(_parse_ratings(table, columns, name))
    return parse_manifest(table, name, ("video", "emotion"))


def read_table(path: Path) -> pd.DataFrame:
    """Read the filled rows as stripped text, ``007`` and ``NA`` as they stand; the index counts from 1."""
    name = show_name(path)
    if not path.is_file():
        raise InputError(f"Label file {name} is not there, or is no regular file: check its name.")
    try:
        content = path.read_bytes()
        if content.startswith((b"PK", b"\xd0\xcf")):  # of Excel; a stray cell would make a million rows
            table = pd.read_excel(path, header=None, dtype=str, keep_default_na=False, nrows=20_000)
        else:
            table = _read_csv(content)
    except Exception as error:  # openpyxl has no common class of errors for damaged files
        raise InputError(
            f"{name} cannot be read as a table ({show_name(error)}): save it as CSV (UTF-8) or a new .xlsx."
        ) from error
    table = table.fillna("").map(lambda cell: cell.translate(_INVISIBLE).strip())
    table = table.set_axis(range(1, len(table) + 1))[(table != "").any(axis=1).to_numpy()]
    if table.empty:
        raise InputError(f"{name} is empty: expected a header row and one row a video.")
    return table


def _read_csv(content: bytes) -> pd.DataFrame:
    text = decode_text(content)
    separator = max(",;\t", key=re.sub(r'"[^"]*"', "", text.lstrip().partition("\n")[0]).count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    return pd.DataFrame(zip_longest(*rows, fillvalue="")).T  # pandas itself takes no rows of unequal length


def read_header(table: pd.DataFrame) -> list[str]:
    """Return the names of the columns in small letters; a single one of people is ``walker``."""
    header = [normal_name(cell) for cell in table.iloc[0]]
    is_single = "walker" not in header and sum(map(bool, map(_WALKER_COLUMN.match, header))) == 1
    return [_WALKER_COLUMN.sub("walker", cell) for cell in header] if is_single else header


def parse_manifest(table: pd.DataFrame, name: str, needed: Sequence[str]) -> pd.DataFrame:
    """Return the `needed` columns, ``walker`` (None where not given), ``order`` and ``hour`` if there."""
    table = table.set_axis(header := read_header(table), axis=1)[1:]
    table = table.mask(table.map(str.casefold).isin(_UNKNOWN), "")
    for column in (*needed, *{"walker"}.intersection(header)):
        if header.count(column) != 1:
            found = show_name(", ".join(table.columns))[:200]
            wanted = f"expected a header with {', '.join(needed)} and optionally walker, or a rating sheet."
            raise InputError(f"{name} must have one column {column!r}, found {found}: {wanted}")
        for number in table.index[(table[column] == "") & (column in needed)]:
            raise InputError(f"{name}: row {number} has no {column} (merged cells, or ?): fill it in.")
    columns = [*needed, "walker", *(name for name in ("order", "hour") if name in table)]
    table = table.loc[:, ~table.columns.duplicated()].reindex(columns=columns, fill_value="").astype(object)
    if "emotion" in table:
        table["emotion"] = table["emotion"].map(normal_name)
    return _drop_repeats(table.where(table != "", None), name)


def _drop_repeats(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Drop rows that say the same again; raise an `InputError` if two say different things of one video."""
    table = table.drop_duplicates(table.columns.difference(["listed"]), ignore_index=True)
    for video in table["video"][table["video"].duplicated()]:
        raise InputError(f"{name}: rows on {show_name(video)} contradict each other: keep one row.")
    return table


def match_videos(table: pd.DataFrame, files: Mapping[str, Path], name: str, skipped: dict) -> pd.DataFrame:
    """Put the files' names into a table of labels; what is missing, double or not listed is skipped."""
    called = defaultdict(list)  # the files by the last parts of their paths, with and without suffix
    for file, path in files.items():
        for part in (path, *map(path.relative_to, path.parents)):
            for key in {part, part.with_suffix("")}:
                called[normal_name(key.as_posix())].append(file)
    matches = {}
    for video in table["video"]:
        plain = PurePosixPath(video.replace("\\", "/")).as_posix()
        found = matches[video] = [plain] if plain in files else called[normal_name(plain)]
        if len(found) != 1:
            fault = f"it is the name of several: {', '.join(found)}." if found else "not there."
            skipped[show_name(video)] = f"Listed in {name}, but {fault}"
    single = {video: found[0] for video, found in matches.items() if len(found) == 1}
    if not single:
        raise InputError(f"{name} lists no video that is there, or names of several: check them.")
    table = table.assign(listed=table["video"], video=table["video"].map(single))
    table = _drop_repeats(table.dropna(subset="video"), name)
    for video in set(files) - set(table["video"]):
        skipped.setdefault(show_name(video), f"Not listed in {name}.")
    return table


def _rating_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return ``video`` (row 1) and ``emotion`` (row 2, ``... - Happy``) of the columns of rated videos."""
    columns = table.iloc[:2].T.set_axis(["video", "emotion"], axis=1)
    if not columns["video"][1:].duplicated().any():  # Qualtrics numbers the questions on a video
        columns["video"] = columns["video"].str.replace(r"_\d+$", "", regex=True)
    # The first column may name the raters.
    columns = columns[(columns.index > 0) | columns["video"].isin(columns["video"][1:])].copy()
    columns["emotion"] = columns["emotion"].str.extract(r"[-–—]([^-–—]+)$")[0].str.strip().str.casefold()
    return columns[columns["video"].isin(columns.dropna()["video"])]


def _parse_ratings(table: pd.DataFrame, columns: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return one row a rating: ``rater``, ``video``, ``emotion``, ``rating`` (1 to 5)."""
    is_faulty = columns.isna().any(axis=1) | (columns == "").any(axis=1) | columns.duplicated()
    for column in columns.index[is_faulty]:
        raise InputError(
            f"{name}: column {column + 1} ({table.iloc[1, column]!r}) must have a video's name above it and "
            "end in '- ' and an emotion, which no other column of this video has: mend the sheet."
        )
    is_rater = ~table[0].str.fullmatch(_SUMMARIES, case=False)
    is_rater &= ~table.apply(lambda cells: cells.str.contains("ImportId", regex=False)).any(axis=1)
    ratings = table.iloc[2:].loc[is_rater, columns.index].rename_axis("rater")
    ratings = ratings.melt(ignore_index=False).reset_index().join(columns, on="variable")
    ratings = ratings[ratings["value"] != ""]
    ratings["rating"] = pd.to_numeric(ratings["value"], errors="coerce")
    for one in ratings[~ratings["rating"].between(1, 5)].itertuples():
        what = f"row {one.rater} rates {one.video} {one.value!r}"
        raise InputError(f"{name}: {what}: expected a number from 1 to 5 or nothing.")
    if ratings.empty:
        raise InputError(f"{name} holds no rating: expected 1 to 5 below questions that end in '- Happy'.")
    return ratings


def _mean_ratings(ratings: pd.DataFrame) -> pd.DataFrame:
    """Label each video with the emotion of the highest mean rating, of a tie the first in the sheet."""
    means = ratings.pivot_table("rating", "video", "emotion", sort=False)[ratings["emotion"].unique()]
    ordered, by_video = np.sort(means.fillna(0), axis=1), ratings.groupby("video", sort=False)
    labels = means.assign(num_raters=by_video["rater"].nunique(), margin=ordered[:, -1] - ordered[:, -2])
    labels["agreement"] = by_video[["rater", "emotion", "rating"]].apply(_agreement)
    labels.insert(0, "emotion", means.idxmax(axis=1))
    labels.insert(1, "walker", None)
    return labels.reset_index().rename_axis(columns=None)


def _agreement(ratings: pd.DataFrame) -> float:
    """Return how often one rater's top emotion is that of the others' mean; NaN for a single rater."""
    table = ratings.pivot_table("rating", "rater", "emotion")
    others = pd.DataFrame([table.drop(index=rater).mean() for rater in table.index], table.index)
    own, their = (part.sub(part.max(axis=1), axis=0) > -1e-9 for part in (table, others))
    # Ties count as if broken by chance.
    return float(((own & their).sum(axis=1) / own.sum(axis=1) / their.sum(axis=1)).mean())
