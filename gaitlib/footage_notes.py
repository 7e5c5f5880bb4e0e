"""Which videos have been compared before, and what was found: nothing is compared twice."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from gaitlib.config import InputError
from gaitlib.files import cache_dir, read_json, write_json

# Raise when the same videos would be found more or less alike.
COMPARISON_VERSION = 2
MAX_NOTES = 20

Pair = tuple[str, str]
Finding = tuple[str, float]  # how the two are related, and how alike they are


def recall(names: Sequence[str]) -> tuple[set[str], dict[Pair, Finding]]:
    """Return which of the videos were compared with each other before, and the pairs found alike.

    Parameters
    ----------
    names : sequence of str
        Names of cache entries: they stand for content, settings and versions.

    Returns
    -------
    compared : set of str
        The largest part of `names` of which all pairs are known.
    pairs : dict of (str, str) to (str, float)
        How the two of a pair are related and how alike they are.
    """
    wanted, best = set(names), _note([], {})
    for path in _paths():
        try:
            note = read_json(path)
        except InputError:
            continue
        if note.get("version") == COMPARISON_VERSION and len(wanted.intersection(note["videos"])) > len(
            wanted.intersection(best["videos"])
        ):
            best = note
    compared = wanted.intersection(best["videos"])
    pairs = {(one, other): (how, similarity) for one, other, how, similarity in best["pairs"]}
    return compared, {pair: found for pair, found in pairs.items() if compared.issuperset(pair)}


def remember(names: Sequence[str], pairs: Mapping[Pair, Finding]) -> None:
    """Note that all these videos were compared with each other, and what was found."""
    wanted = sorted(set(names))
    name = hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:32]
    write_json(cache_dir() / "footage" / f"{name}.json", _note(wanted, pairs))
    for path in _paths()[MAX_NOTES:]:
        path.unlink(missing_ok=True)


def _note(videos: Sequence[str], pairs: Mapping[Pair, Finding]) -> dict[str, Any]:
    rows = [[*pair, *found] for pair, found in pairs.items()]
    return {"version": COMPARISON_VERSION, "videos": videos, "pairs": rows}


def _paths() -> list[Any]:
    """Return the notes, newest first."""
    times = []
    for path in (cache_dir() / "footage").glob("*.json"):
        try:
            times.append((path.stat().st_mtime_ns, path))
        except FileNotFoundError:  # another run has just tidied up
            continue
    return [path for _, path in sorted(times, reverse=True)]
