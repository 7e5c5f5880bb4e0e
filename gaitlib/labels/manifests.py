"""Manifests: what a table with the columns video and emotion says, and which files it means."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

import pandas as pd

from gaitlib.config import InputError
from gaitlib.names import is_inside, show_name, walker_from_name

_OPTIONAL = ("walker", "reference")
_ERROR_VALUES = {"#n/a", "#ref!", "#name?", "#value!", "#div/0!", "#null!", "#num!"}


def manifest_from_rows(rows: list[list[str]], name: str) -> pd.DataFrame:
    """Turn a manifest into a table of labels.

    Parameters
    ----------
    rows : list of list of str
        The file, as `gaitlib.labels.tables.read_rows` returns it.
    name : str
        Name of the file, for messages.

    Returns
    -------
    DataFrame
        Columns ``video``, ``emotion``, ``walker`` and ``reference`` if there is one, all text or
        None; ``attrs["where"]`` tells for each the row of the file.

    Raises
    ------
    InputError
        If a column or a cell is missing, or two rows contradict each other.
    """
    numbered = [(number, row) for number, row in enumerate(rows, start=1) if any(row)]
    header = [cell.casefold() for cell in numbered[0][1]]
    for column in ("video", "emotion", *_OPTIONAL):
        if header.count(column) > 1 or (column not in header and column not in _OPTIONAL):
            fault = "no column" if column not in header else "more than one column"
            raise InputError(
                f"{name} has {fault} {column!r}, found {', '.join(numbered[0][1])}: expected a "
                "header row with 'video', 'emotion' and optionally 'walker'."
            )
    columns = ["video", "emotion", *(column for column in _OPTIONAL if column in header)]
    records = []
    for number, row in numbered[1:]:
        if len(row) > len(header) and row[len(header)]:
            raise InputError(
                f"{name}: row {number} has more cells than the header has columns, {row[len(header)]!r} is "
                "one too many: put names that hold the separator into quotes, or name the column."
            )
        cells = dict(zip(header, row, strict=False))
        for column in ("video", "emotion"):
            if not cells.get(column):
                raise InputError(f"{name}: row {number} has no {column} (merged cells?): fill it in.")
        faulty = [cells[column] for column in columns if cells.get(column, "").casefold() in _ERROR_VALUES]
        if faulty:
            raise InputError(f"{name}: row {number} holds the error value {faulty[0]}: mend the formula.")
        if cells["emotion"].startswith("="):
            raise InputError(
                f"{name}: row {number} has the formula {show_name(cells['emotion'])} for an emotion: put its "
                "value there."
            )
        records.append([cells.get(column) or None for column in columns] + [f"{name}: row {number}"])
    _check_walkers([dict(zip((*columns, "where"), record, strict=True)) for record in records])
    if not records:
        raise InputError(f"{name} has a header but no rows: expected one row a video.")
    table = pd.DataFrame(records, columns=[*columns, "where"], dtype=object)
    table["emotion"] = [normal_name(emotion) for emotion in table["emotion"]]
    if "walker" not in table:
        table.insert(2, "walker", None)
    warnings: list[str] = []
    table = drop_repeats(table, warnings)
    where = table.pop("where")
    table.attrs = {"source": "manifest", "warnings": warnings, "where": list(where)}
    return table


def _check_walkers(records: list[dict[str, str | None]]) -> None:
    """Refuse a row without a walker, where others have one and the video's name does not tell it."""
    if not any(record.get("walker") for record in records):
        return
    for record in records:
        if not record["walker"] and not walker_from_name(str(record["video"])):
            raise InputError(
                f"{record['where']} has no walker (merged cells?), and the name "
                f"{show_name(record['video'])} does not tell: fill it in."
            )


def drop_repeats(table: pd.DataFrame, warnings: list[str]) -> pd.DataFrame:
    """Drop rows that say the same again; raise if two rows say different things of one video."""
    for column in [name for name in ("emotion", "walker", "reference") if name in table]:
        for video, values in table.groupby("video")[column]:
            if values.nunique(dropna=False) > 1:
                places = " and ".join(table.loc[values.index, "where"].str.rpartition(": ")[2])
                file = table.loc[values.index[0], "where"].rpartition(": ")[0]
                shown = ", ".join(str(value) for value in values)
                raise InputError(
                    f"{file}: {show_name(video)} has two different {column}s ({show_name(shown)} in "
                    f"{places}): keep one row."
                )
    repeated = table.duplicated("video")
    if repeated.any():
        file = table["where"].iloc[0].rpartition(": ")[0]
        first = table.loc[repeated, "video"].iloc[0]
        warnings.append(
            f"{file}: {repeated.sum()} repeated row(s) left out, the first for {show_name(first)}."
        )
    return table[~repeated].reset_index(drop=True)


def normal_name(text: str) -> str:
    """Return a name in the form in which names compare: one case, one spelling of accents."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def file_keys(files: Iterable[str]) -> dict[str, list[str]]:
    """Return what each file may be called in a table: with or without its folder and suffix."""
    keys: dict[str, list[str]] = defaultdict(list)
    for name in files:
        path = PurePosixPath(name)
        for key in {name, str(path.with_suffix("")), path.name, path.stem}:
            keys[normal_name(key)].append(name)
    return keys


def match_files(name: str, keys: dict[str, list[str]], where: str) -> list[str]:
    """Return the files that a name in a label file stands for: one, none, or several by mistake."""
    if not is_inside(name):
        raise InputError(
            f"{where}: {name!r} leads out of the videos folder: give names relative to the folder."
        )
    relative = PurePosixPath(name.replace("\\", "/")).as_posix()
    files = keys.get(normal_name(relative), [])
    return [relative] if relative in files else files
