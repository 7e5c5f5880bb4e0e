"""Manifests: a table with the columns video and emotion, and which files its names mean."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

import pandas as pd

from gaitlib.errors import InputError
from gaitlib.files import show_name
from gaitlib.labels.tables import normal_name

# "https://...", "concat:a|b", "C:\walks": names that mean something else than a file in the folder.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


def parse_manifest(table: pd.DataFrame, name: str, needed: Sequence[str]) -> pd.DataFrame:
    """Return the `needed` columns and ``walker`` (None where not given).

    Raises an `InputError` if a column or a needed cell is missing, or rows contradict each other.
    """
    table = table.set_axis([normal_name(cell) for cell in table.iloc[0]], axis=1)[1:]
    for column in needed:
        if list(table.columns).count(column) != 1:
            found = show_name(", ".join(table.columns))[:200]
            raise InputError(
                f"{name} must have one column {column!r}, found {found}: expected a header row with "
                f"{', '.join(needed)} and optionally walker, or a rating sheet."
            )
        for number in table.index[table[column] == ""]:
            raise InputError(f"{name}: row {number} has no {column} (merged cells?): fill it in.")
    for number in table.index[(table.loc[:, table.columns == ""] != "").any(axis=1)]:
        raise InputError(f"{name}: row {number} has more cells than the header: put names in quotes.")
    if table.empty:
        raise InputError(f"{name} has a header but no rows: expected one row a video.")
    columns = [*needed, "walker"]
    table = table.loc[:, ~table.columns.duplicated()].reindex(columns=columns, fill_value="").astype(object)
    if "emotion" in table:
        table["emotion"] = table["emotion"].map(normal_name)
    return drop_repeats(table.where(table != "", None), name)


def drop_repeats(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Drop rows that say the same again; raise an `InputError` if two say different things of one video."""
    for column in table.columns.intersection(["emotion", "walker"]):
        for video, values in table.groupby("video")[column]:
            if values.nunique(dropna=False) > 1:
                found = show_name(", ".join(map(str, values)))
                raise InputError(
                    f"{name}: {show_name(video)} has two different {column}s ({found}): keep one row."
                )
    return table.drop_duplicates("video").reset_index(drop=True)


def file_keys(files: Iterable[str]) -> dict[str, list[str]]:
    """Return what each file may be called in a table: with or without its folder and suffix."""
    keys: dict[str, list[str]] = defaultdict(list)
    for name in files:
        path = PurePosixPath(name)
        for key in {name, str(path.with_suffix("")), path.name, path.stem}:
            keys[normal_name(key)].append(name)
    return keys


def match_files(name: str, keys: Mapping[str, list[str]], where: str) -> list[str]:
    """Return the files that a name in a label file stands for: one, none, or several by mistake."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or _SCHEME.match(name):
        raise InputError(f"{where}: {name!r} leads out of the videos folder: name videos relative to it.")
    files = keys.get(normal_name(path.as_posix()), [])
    return [path.as_posix()] if path.as_posix() in files else files


def match_videos(
    table: pd.DataFrame, files: Iterable[str], name: str, skipped: dict[str, str], warnings: list[str]
) -> pd.DataFrame:
    """Put the files' names into a table of labels; what is missing, double or not listed is skipped."""
    keys = file_keys(files)
    matches = [match_files(video, keys, name) for video in table["video"]]
    if not any(matches):
        raise InputError(f"{name} lists no video that is there: check the names in the file, or the folder.")
    for video, found in zip(table["video"], matches, strict=True):
        if len(found) != 1:
            fault = f"it is the name of several: {', '.join(found)}." if found else "not there."
            skipped[show_name(video)] = f"Listed in {name}, but {fault}"
    if num_missing := matches.count([]):
        warnings.append(f"{name} lists {len(table)} videos, of which {num_missing} are not there.")
    table["video"] = [found[0] if len(found) == 1 else None for found in matches]
    table = drop_repeats(table.dropna(subset="video"), name)
    for video in set(files) - set(table["video"]):
        skipped.setdefault(show_name(video), f"Not listed in {name}.")
    return table
