"""Who walks: as a label file says, else as the file's name does, else everybody is another."""

from pathlib import Path, PurePosixPath

import pandas as pd

from gaitlib.config import InputError
from gaitlib.labels.folders import Search
from gaitlib.labels.manifests import drop_repeats, file_keys, match_files, normal_name
from gaitlib.labels.tables import read_rows
from gaitlib.names import show_name, walker_from_name


def take_walkers(videos: pd.DataFrame, search: Search, beside: Path | None) -> None:
    """Take the walkers, which a rating sheet cannot name, from the folder's own labels.csv, in place."""
    try:
        rows = read_rows(beside) if beside else []
    except InputError as error:  # whatever it is, the sheet has the labels
        search.warnings.append(str(error))
        return
    header = [normal_name(cell) for cell in rows[0]] if rows else []
    if not {"video", "walker"} <= set(header):
        return
    file, keys = show_name(str(beside)), file_keys(search.files)
    known = []
    for number, row in enumerate(rows[1:], start=2):
        video, walker = (dict(zip(header, row, strict=False)).get(name) for name in ("video", "walker"))
        where = f"{file}: row {number}"
        files = match_files(video, keys, where) if video and walker else []
        known += [(files[0], walker, where)] if len(files) == 1 else []
    table = pd.DataFrame(known, columns=["video", "walker", "where"], dtype=object)
    table = drop_repeats(table, search.warnings).set_index("video")
    videos["walker"] = videos["video"].map(table["walker"])


def fill_walkers(videos: pd.DataFrame, warnings: list[str]) -> None:
    """Name the walkers that the label file leaves open, in place."""
    is_open = videos["walker"].isna()
    named = [walker_from_name(name) for name in videos["video"]]
    whole = [show_name(PurePosixPath(name).stem) for name in videos["video"]]
    num_whole = sum(open_ and not walker for open_, walker in zip(is_open, named, strict=True))
    videos["walker"] = [
        show_name(known) if not open_ else show_name(walker or own)
        for known, open_, walker, own in zip(videos["walker"], is_open, named, whole, strict=True)
    ]
    join_spellings(videos, warnings)
    if num_whole:
        warnings.append(
            f"{num_whole} videos do not name their walker, so each counts as a walker of its own: "
            "name files WALKER_TAKE.mp4 or add a column 'walker', else scores come out too good."
        )
    if len(videos) > 1 and is_open.all() and videos["walker"].nunique() == 1:
        warnings.append(
            f"By their names all videos show one walker, {videos['walker'].iloc[0]!r}: add a "
            "column 'walker' if that is wrong."
        )


def join_spellings(videos: pd.DataFrame, warnings: list[str]) -> None:
    """Count walkers whose names differ in case, spaces or accents as one: two might train and test."""
    first: dict[str, str] = {}
    for walker in videos["walker"]:
        first.setdefault(normal_name(walker), walker)
    joined = [first[normal_name(walker)] for walker in videos["walker"]]
    others = sorted(set(videos["walker"]) - set(joined))
    if others:
        warnings.append(
            f"{len(others)} walker name(s) differ from another only in case or spaces and count as the same "
            f"walker, such as {others[0]!r} and {first[normal_name(others[0])]!r}."
        )
    videos["walker"] = joined
