"""A walk against the same person's own: which video of each walker the others are compared with.

People walk differently before they feel anything. A model that sees a walk relative to a neutral walk of
the same person, or to the mean of that person's walks, need not know who walks. A reference walk serves
nothing else: it is never trained on and never scored.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from gaitlib.config import RunConfig
from gaitlib.data.splits import name_some
from gaitlib.errors import InputError
from gaitlib.labels import file_keys, match_files, normal_name


class References(NamedTuple):
    """Videos with the column `reference` (a digest, empty: the walker's mean), and what is not among them."""

    videos: pd.DataFrame
    references: pd.DataFrame
    skipped: pd.DataFrame
    warnings: tuple[str, ...]


def choose_references(videos: pd.DataFrame, config: RunConfig) -> References:
    """Choose for each walker the reference walk.

    A column `reference` of the label file (names of videos) decides; else it is the walker's first video,
    by name, that shows `config.reference_emotion`. Raises an `InputError` where there is none and the run
    is to stop then, or the one named is not there or shows somebody else.
    """
    digests = pd.Series("", videos.index)
    if config.relative_to == "reference":
        digests = _reference_digests(videos, config.reference_emotion)
    is_reference = videos["digest"].isin(set(digests) - {""})
    scored = videos.assign(reference=digests)[~is_reference]
    is_open, warnings = scored["reference"] == "", tuple[str, ...]()
    what = f"{config.reference_emotion} video that could serve as reference walk"
    if config.relative_to == "none":
        is_open[:] = False
    elif "walker-mean" in (config.relative_to, config.missing_reference):
        if config.relative_to == "reference" and is_open.any():
            names = name_some(set(scored.loc[is_open, "walker"]))
            warnings = (f"No reference walk of {names}: compared with the mean of their videos instead.",)
        is_open &= scored.groupby("walker")["video"].transform("size") < 2
        what = "second video to be compared with"
    if is_open.any() and (config.missing_reference == "refuse" or is_open.all()):
        raise InputError(
            f"There is no {what} of {name_some(set(scored.loc[is_open, 'walker']))}: add videos of theirs, "
            "name walkers or, in the column 'reference', walks in labels.csv, or choose "
            "missing_reference=skip or =walker-mean."
        )
    skipped = scored.loc[is_open, ["video"]].assign(reason=f"Its walker has no {what}.")
    return References(scored[~is_open].reset_index(drop=True), videos[is_reference], skipped, warnings)


def _reference_digests(videos: pd.DataFrame, emotion: str) -> pd.Series:
    """Return the digest of each video's reference walk, empty where there is none.

    What the label file names for one video of a walker holds for those for which it names nothing.
    """
    shown = videos[videos["emotion"] == normal_name(emotion)].sort_values("video")
    usual = shown.drop_duplicates("walker").set_index("walker")["digest"].to_dict()
    own, named = {}, dict[str, str]()
    for _, part in videos.groupby("split") if "reference" in videos else ():
        by_name = part.drop_duplicates("video").set_index("video")
        keys = file_keys(list(part["video"]))
        keys.update(zip(part["digest"], [[name] for name in part["video"]], strict=True))
        for place, row in part[part["reference"].fillna("").astype(bool)].iterrows():
            found = match_files(row["reference"], keys)
            if len(found) != 1 or by_name.at[found[0], "walker"] != row["walker"]:
                raise InputError(
                    f"The reference of {row['video']}, {row['reference']!r}, is not one of the usable videos "
                    f"of {row['walker']}: name a walk of the same person, relative to the videos folder."
                )
            own[place] = str(by_name.at[found[0], "digest"])
            named.setdefault(str(row["walker"]), own[place])
    by_walker = (usual | named).get
    digests = [own.get(place, by_walker(walker, "")) for place, walker in videos["walker"].items()]
    return pd.Series(digests, videos.index)


def reference_places(rows: pd.DataFrame, references: pd.DataFrame) -> tuple[np.ndarray, ...]:
    """Return for each of `rows` the places, among rows and then references, of what it is compared with."""
    by_digest = {digest: len(rows) + place for place, digest in enumerate(references.get("digest", ()))}
    by_walker = {walker: np.flatnonzero(rows["walker"] == walker) for walker in rows["walker"].unique()}
    return tuple(
        np.array([by_digest[row.reference]]) if row.reference else by_walker[row.walker]
        for row in rows.itertuples()
    )


def relative_features(
    features: np.ndarray, reference_features: np.ndarray, references: Sequence[np.ndarray]
) -> np.ndarray:
    """Return features, shape (num_videos, num_features), minus the mean of those of the references.

    `references` holds for each video the places of its references in `reference_features`. What is unknown
    (NaN) of the video, or of all of its references, stays so.
    """
    known = np.ma.masked_invalid(reference_features)
    means = [known[places].mean(axis=0).filled(np.nan) for places in references]
    return features - np.reshape(means, features.shape)
