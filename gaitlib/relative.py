"""A walk against the same person's own: which video of each walker the others are compared with.

People walk differently before they feel anything. A model that sees a walk relative to one neutral walk
of the same person (``relative_to="reference"``), or to the mean of all of that person's walks
(``"walker-mean"``), need not know who walks. A reference serves nothing else: it is never trained on,
never scored, and its walker's other videos stay on one side of every split.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gaitlib.config import InputError, RunConfig
from gaitlib.labels.manifests import file_keys, match_files, normal_name
from gaitlib.prepared import PreparedVideo


@dataclass(frozen=True)
class ChosenReferences:
    """Videos and what each is compared with.

    Attributes
    ----------
    videos : DataFrame
        The videos to train on or score, with a column `reference`: the digest of the video that each is
        compared with, empty for the mean of its walker's videos.
    references : DataFrame
        The videos that serve as references and nothing else.
    skipped : DataFrame
        `video`, `reason`: videos of walkers without a reference, where the user chose to leave them out.
    warnings : tuple of str
    """

    videos: pd.DataFrame
    references: pd.DataFrame
    skipped: pd.DataFrame
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Beside:
    """What the videos of a set are compared with.

    Attributes
    ----------
    videos : sequence of PreparedVideo
    places : sequence of ndarray of int
        For each video of the set, the places in `videos` of those that it is compared with.
    """

    videos: Sequence[PreparedVideo]
    places: Sequence[np.ndarray]


def choose_references(videos: pd.DataFrame, config: RunConfig) -> ChosenReferences:
    """Choose for each walker the video that the others are compared with.

    A column `reference` of the label file decides; else it is the walker's first video, by name, that
    shows `config.reference_emotion`.

    Parameters
    ----------
    videos : DataFrame
        Columns `video`, `walker`, `emotion`, `digest` and perhaps `reference` (names of videos).
    config : RunConfig
        `relative_to`, `reference_emotion` and `missing_reference`.

    Returns
    -------
    ChosenReferences

    Raises
    ------
    InputError
        If a walker has no reference and the run is to stop then, or a named reference is not there or
        shows somebody else.
    """
    nothing = videos.iloc[:0], pd.DataFrame({"video": [], "reason": []})
    if config.relative_to == "none":
        return ChosenReferences(videos.assign(reference=""), *nothing)
    if config.relative_to == "walker-mean":
        return _compare_with_means(videos, config)
    chosen = _references_of(videos, config.reference_emotion)
    is_reference = videos["digest"].isin(set(chosen) - {""}).to_numpy()
    marked = videos.assign(reference=chosen)
    scored = marked[~is_reference]
    without = scored[scored["reference"] == ""]
    if without.empty:
        return ChosenReferences(_renumbered(scored), videos[is_reference], nothing[1])
    walkers = ", ".join(sorted(without["walker"].unique())[:5])
    if config.missing_reference == "walker-mean":
        warning = f"No reference walk of {walkers}: compared with the mean of their own videos instead."
        kept, skipped = _without_single_videos(scored)
        return ChosenReferences(kept, videos[is_reference], skipped, (warning,))
    if config.missing_reference == "skip":
        reason = f"its walker has no {config.reference_emotion} video that could serve as reference"
        skipped = without[["video"]].assign(reason=reason)
        return ChosenReferences(_renumbered(scored.drop(without.index)), videos[is_reference], skipped)
    raise InputError(
        f"No reference walk of {walkers}: add a video of theirs that shows {config.reference_emotion}, name "
        "one in the column 'reference' of labels.csv, or choose missing_reference=skip or =walker-mean."
    )


def _compare_with_means(videos: pd.DataFrame, config: RunConfig) -> ChosenReferences:
    """Leave out walkers with a single video, which is its own mean, unless the run is to stop then."""
    kept, skipped = _without_single_videos(videos.assign(reference=""))
    if len(skipped) and (kept.empty or config.missing_reference == "refuse"):
        names = ", ".join(sorted(set(videos["walker"]) - set(kept["walker"]))[:5])
        raise InputError(
            f"There is a single video of {names}, so nothing to compare it with: add videos of theirs, name "
            "the walkers in the files' names or in labels.csv, or leave them out by missing_reference=skip."
        )
    return ChosenReferences(kept, videos.iloc[:0], skipped)


def _without_single_videos(videos: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the videos but those without a reference whose walker shows nothing else, and these."""
    counts = videos.groupby("walker")["video"].transform("size")
    is_single = (videos["reference"] == "") & (counts < 2)
    reason = "the only video of its walker, so its own mean is nothing to compare it with"
    return _renumbered(videos[~is_single]), videos.loc[is_single, ["video"]].assign(reason=reason)


def _references_of(videos: pd.DataFrame, emotion: str) -> pd.Series:
    """Return the digest of what each video is compared with, empty where there is none.

    What the label file names for one video of a walker holds for those for which it names nothing.
    """
    named = _named_references(videos)
    by_walker = named[named != ""].groupby(videos["walker"]).first().to_dict()
    wanted: dict[Any, str] = _first_references(videos, emotion) | by_walker
    usual = [wanted.get(walker, "") for walker in videos["walker"]]
    return named.where(named != "", usual)


def reference_rows(rows: pd.DataFrame, references: pd.DataFrame) -> list[np.ndarray]:
    """Return for each video the places of those that it is compared with.

    Parameters
    ----------
    rows : DataFrame
        Videos of one split, with columns `walker`, `digest` and `reference`.
    references : DataFrame
        Reference videos, counted on after `rows`.

    Returns
    -------
    list of ndarray of int
        Places in the concatenation of `rows` and `references`: one reference, or all videos of the
        walker in `rows`, the video itself among them.
    """
    digests = references["digest"] if len(references) else ()
    by_digest = {digest: len(rows) + place for place, digest in enumerate(digests)}
    by_walker = {walker: np.flatnonzero(rows["walker"] == walker) for walker in rows["walker"].unique()}
    return [
        np.array([by_digest[row.reference]]) if row.reference else by_walker[row.walker]
        for row in rows.itertuples()
    ]


def relative_features(
    features: np.ndarray, reference_features: np.ndarray, places: Sequence[np.ndarray]
) -> np.ndarray:
    """Return features relative to the mean of those of the references.

    Parameters
    ----------
    features : ndarray of shape (num_videos, num_features), float
        NaN where unknown.
    reference_features : ndarray of shape (num_references, num_features), float
    places : sequence of ndarray of int
        For each video, the places of its references in `reference_features`.

    Returns
    -------
    ndarray of shape (num_videos, num_features), float
        NaN where a feature of the video, or of all of its references, is unknown.
    """
    return features - np.stack([_known_mean(reference_features[chosen]) for chosen in places])


def _known_mean(values: np.ndarray) -> np.ndarray:
    is_known = ~np.isnan(values)
    counts = is_known.sum(axis=0)
    totals = np.where(is_known, values, 0.0).sum(axis=0)
    return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)


def _named_references(videos: pd.DataFrame) -> pd.Series:
    """Return the digests of the references that the label file names, empty where it names none."""
    if "reference" not in videos:
        return pd.Series("", videos.index)
    if "split" in videos and videos["split"].nunique() > 1:
        # The same name may be there in both folders: each names its own.
        return pd.concat([_named_references(part) for _, part in videos.groupby("split")]).loc[videos.index]
    keys = file_keys(videos["video"])
    by_name = videos.drop_duplicates("video").set_index("video")
    digests = dict.fromkeys(videos.index, "")
    for row in videos[videos["reference"].notna() & (videos["reference"] != "")].itertuples():
        found = match_files(str(row.reference), keys, f"The reference of {row.video}")
        if len(found) != 1 or found[0] not in by_name.index:
            raise InputError(
                f"The reference of {row.video}, {row.reference!r}, is not one of the videos that could be "
                "used: name one that is, relative to the videos folder."
            )
        reference = by_name.loc[found[0]]
        if normal_name(str(reference["walker"])) != normal_name(str(row.walker)):
            raise InputError(
                f"The reference of {row.video} is {found[0]}, which shows {reference['walker']} instead of "
                f"{row.walker}: name a walk of the same person."
            )
        digests[row.Index] = str(reference["digest"])
    return pd.Series(digests)


def _first_references(videos: pd.DataFrame, emotion: str) -> dict[str, str]:
    shown = videos[videos["emotion"] == normal_name(emotion)].sort_values("video")
    first = shown.drop_duplicates("walker")
    return dict(zip(first["walker"], first["digest"], strict=True))


def _renumbered(videos: pd.DataFrame) -> pd.DataFrame:
    return videos.reset_index(drop=True)
