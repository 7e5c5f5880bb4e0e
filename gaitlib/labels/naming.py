"""Emotions and walkers read from names, EMOTION/WALKER_TAKE.mp4 and other patterns, and checks of both."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import PurePosixPath

import pandas as pd

from gaitlib.errors import InputError
from gaitlib.files import show_name
from gaitlib.labels.tables import normal_name

# Each group is one emotion under several names.
_FAMILIES = """happy happiness joy joyful; sad sadness; angry anger mad; neutral normal; calm; fear afraid
scared; disgust disgusted; surprise surprised; proud pride; anxious anxiety; tired; excited; bored; relaxed"""
_FAMILY = {word: group.split()[0] for group in _FAMILIES.split(";") for word in group.split()}
_SPLITS = set("train training trainset test testing testset".split())
_BESIDE_SPLITS = set("val valid validation dev eval set data video videos".split())
# Words of cameras, phones, editors, takes and sessions: what holds no other word names nobody.
_CAMERAS = """img vid video mov movie mvi dsc dscn pxl dji gopr cimg win whatsapp signal telegram screen
recording clip inshot lv capcut camera cam final file at am pm take trial walk walking gait run front side
back left right day session date""".split()
_ONE_PERSON = """Walkers {!r} and {!r} may be one person (pairs of this kind: {}): if so, give both one \
name in a column 'walker', else one person may be in training and test."""
_NUMBERED = re.compile(
    rf"(actor|p|person|participant|proband|subject|subj?|walker|{'|'.join(_CAMERAS)})[\W_]*\d+"
    r"|\d{4}([\W_]?\d\d){2}"
)
_BESIDE_NAMES = re.compile(
    rf"(?<![^\W\d_])({'|'.join([*_CAMERAS, *_FAMILY, 's', 'ses', 'v'])})(?![^\W\d_])[\W_]*\d*"
    r"|\d{4}([\W_]?\d\d){2}"
)
_LAST_NUMBER, _LAST_WORD = r"[\W_]\d+$", r"[\W_][^\W_]+$"
_COPY = re.compile(
    r"^(copy|kopie|copie|copia) (of|von|de|di) |[\s_]*(\(\d+\)|-?\s*(copy|kopie|copie|copia)\s*\d*)$", re.I
)


def _words_of(name: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]+", normal_name(name)))


def _names_of(emotion: str) -> set[str]:
    return {word for word in _FAMILY if _FAMILY[word] == _FAMILY.get(emotion)} | {emotion}


def _is_person(name: str, emotion: str = "") -> bool:
    """Tell whether a name holds a word that is neither a camera's nor the emotion's, or is a number."""
    return bool(_words_of(name) - set(_CAMERAS) - _names_of(emotion) or re.fullmatch(r"\d{1,5}", name))


def _walker_in(stem: str, emotion: str = "") -> str:
    """Return the part of a file's name before its last ``_``, nothing where that is nobody's name."""
    before = stem.rpartition("_")[0].strip()
    return before if _is_person(before, emotion) else ""


def folder_emotions(names: Sequence[str], root: str, skipped: dict[str, str]) -> pd.DataFrame:
    """Return ``video``, ``emotion`` and ``walker`` (None) of videos in folders, None where all lie in none.

    The emotion is the folder, of several the nearest that is an emotion elsewhere. Raises an `InputError`
    where folders look like train and test, people, or levels of which any may be the emotion.
    """
    folders = {name: [*map(normal_name, PurePosixPath(name).parts[-2::-1])] for name in names}
    parts, inside = set().union(*folders.values()), [name for name in names if folders[name]]
    known = {folders[name][0] for name in inside if len(folders[name]) == 1} | set(_FAMILY)
    emotions = [next(filter(known.__contains__, folders[name]), None) for name in names]
    words = {part: set(re.split(r"[\W_]+", part)) - _BESIDE_SPLITS for part in parts}
    if splits := sorted(part for part in parts if set() < words[part] <= _SPLITS):
        raise InputError(
            f"{root} holds folders called {' and '.join(splits)}, which are not emotions: give one as "
            "--videos and the other as --videos-test, or add a labels.csv with video,emotion,walker."
        )
    num_named = sum(bool(_words_of(PurePosixPath(name).stem) & set(_FAMILY)) for name in inside)
    are_people = all(not emotion or _NUMBERED.fullmatch(emotion) for emotion in emotions)
    if inside and not parts & set(_FAMILY) and (num_named > 0.8 * len(inside) or are_people):
        raise InputError(
            f"{root} holds folders that look like people or days ({show_name(inside[0])}): make one folder "
            "per emotion, or add a labels.csv with video,emotion,walker."
        )
    videos = pd.DataFrame({"video": names, "emotion": emotions, "walker": None}, dtype=object)
    is_lost = videos["emotion"].isna() & any(emotions)
    reason = "None of its folders is named like an emotion of the other videos."
    skipped |= dict.fromkeys(map(show_name, videos["video"][is_lost]), reason)
    return videos[~is_lost].reset_index(drop=True)


def read_walkers(videos: pd.DataFrame, warnings: list[str]) -> list[str]:
    """Return the walkers of videos by their names; what was recognised or stays open is told."""
    paths, emotions = [PurePosixPath(name) for name in videos["video"]], list(videos["emotion"].fillna(""))
    named, folders = list[str](), list[str]()
    for path, emotion in zip(paths, emotions, strict=True):
        bare = _COPY.sub("", path.stem)  # "maria (2)" is a take of maria, "Happy (2)" is nobody's
        named.append(bare if _is_person(bare, emotion) else path.stem)
        others = [one for one in path.parts[-2::-1] if normal_name(one) != emotion]
        folders += [*filter(_is_person, others)][:1]
    stems = _cut_emotions(named, emotions, warnings)
    walkers = list(map(_walker_in, stems, emotions))
    if stems != named:  # what is left beside the emotion may be the walker alone
        both = zip(walkers, stems, strict=True)
        walkers = [walker or (stem if _is_person(stem) else "") for walker, stem in both]
    if walkers.count("") > len(paths) / 2 and len(folders) == len(paths) and len(set(folders)) > 1:
        warnings.append(
            f"File names such as {show_name(paths[0].name)} do not tell the walker, so the folder is taken "
            f"for it: {len(set(folders))} walkers, such as {show_name(folders[0])!r}."
        )
        return folders
    if own := sorted({stem for stem, walker in zip(stems, walkers, strict=True) if not walker}):
        warnings.append(
            f"{walkers.count('')} videos do not name their walker, so each name counts as a walker of its "
            f"own ({len(own)} in all, such as {show_name(own[0])!r}): name files WALKER_TAKE.mp4 or add a "
            "column 'walker', else the same person may end up in training and test."
        )
    takes = {stem.rpartition("_")[2] for stem in stems}
    are_people = len(takes) > len(set(walkers)) and all(_words_of(take) - set(_CAMERAS) for take in takes)
    if are_people and all(map(str.isdigit, walkers)):
        warnings.append(
            f"{show_name(stems[0])} was read as a video of walker {walkers[0]}: if that number is the "
            "take, name files WALKER_TAKE.mp4 or add a column 'walker'."
        )
    warnings += _doubt_people(sorted(set(walkers) - {""}), is_given=False)
    return [walker or stem for walker, stem in zip(walkers, stems, strict=True)]


def _doubt_people(walkers: Sequence[str], is_given: bool = True) -> list[str]:
    """Return a sentence on names that are the same but for zeros, accents, emotions and sessions.

    Of names that are not given but read from files: but for a take or a condition as the last word, too.
    """
    lasts = {re.split(r"[\W_]", normal_name(walker))[-1] for walker in walkers}
    for end in ("$",) if is_given else (_LAST_NUMBER, _LAST_WORD):
        alike = defaultdict(list)
        for walker in walkers:
            plain = unicodedata.normalize("NFKD", re.sub(end, "", normal_name(walker)))
            plain = _BESIDE_NAMES.sub(" ", re.sub(r"[\u0300-\u036f]", "", plain))
            alike[tuple(re.findall(r"[^\W\d_]+|(?!0\d)\d+", plain)) or walker].append(walker)
        pairs = [names[:2] for names in alike.values() if len(names) > 1]
        # A number may tell people of one group apart, but hardly most people from another of the same name;
        # other words are conditions where nearly all people have each.
        is_crossed = len(walkers) > max(4, 0.8 * len(alike) * len(lasts))
        is_likely = is_given or 2 * len(pairs) > len(alike)
        if pairs and len(alike) > 1 and is_likely and (is_crossed or end != _LAST_WORD):
            return [_ONE_PERSON.format(*pairs[0], len(pairs))]
    return []


def _cut_emotions(stems: list[str], emotions: Sequence[str], warnings: list[str]) -> list[str]:
    """Cut the emotion, a word or part of one, out of names if walkers then show several: ann_happy_2."""
    for is_word in (True, False):
        names, shown = list[str](), defaultdict(set)
        for stem, emotion in zip(stems, emotions, strict=True):
            words = "|".join(map(re.escape, sorted(_names_of(emotion), key=len, reverse=True)))
            pattern = rf"(?<![^\W\d_])(?:{words})(?![^\W\d_])" if is_word else re.escape(emotion)
            if found := re.fullmatch(f"(.*){pattern}(.*)", stem, re.IGNORECASE | re.DOTALL):
                names.append("_".join(part.strip(" _-.()") for part in found.groups()).strip("_"))
                shown[_walker_in(names[-1]) or names[-1]].add(emotion)
        if len(names) == len(stems) and sum(len(one) > 1 for one in shown.values()) > 1:
            warnings.append(
                f"File names hold the emotion beside the walker: {show_name(stems[0])} was read as walker "
                f"{show_name(next(iter(shown)))!r} ({len(shown)} in all). If that is wrong, add a column "
                "'walker'."
            )
            return names
    return stems


def inspect_labels(videos: pd.DataFrame) -> list[str]:
    """Return a sentence on each doubtful thing in the columns ``emotion`` and ``walker`` of a whole run."""
    walkers = videos.groupby("emotion")["walker"].nunique()
    shown = videos.groupby("walker")["emotion"].nunique()
    doubts = [
        f"Emotions {one!r} and {other!r} may be the same under two names: give them one name if so."
        for one, other in combinations(walkers.index, 2)
        if _are_near(one, other)
    ]
    for emotion in walkers.index[walkers == 1]:
        doubts.append(f"Only 1 walker shows {emotion!r}, too few to learn and to test it: add walkers.")
    if len(walkers) > 1 and 1 < len(shown) < len(videos) and (shown == 1).all():
        doubts.append(
            f"Each walker shows one emotion only, such as {shown.index[0]!r}: if these are not the people, "
            "add a column 'walker', else one person may be in training and test."
        )
    return doubts + _doubt_people(list(shown.index))


def _are_near(one: str, other: str) -> bool:
    """Tell whether two emotions are synonyms or a spelling apart; numbers and ``un-`` are no slips."""
    short, long = sorted((one, other), key=len)
    is_slip = not long.endswith(short) and not re.search(r"\d", one + other)
    is_near = is_slip and SequenceMatcher(None, one, other).ratio() > 0.8
    is_near |= bool(re.match(rf"{re.escape(short)}[\W\d_]", long)) and not re.search(r"\d", short)
    return is_near or _FAMILY.get(one, one) == _FAMILY.get(other, other)


def check_enough_walkers(videos: pd.DataFrame, has_test: bool = False) -> None:
    """Raise an `InputError` unless there are walkers for training, validation and (unless apart) the test."""
    walkers, parts = sorted(set(videos["walker"])), ["training", "validation", "test"][: 2 if has_test else 3]
    if len(walkers) < len(parts):
        raise InputError(
            f"{len(walkers)} walker{'s' * (len(walkers) != 1)}; at least {len(parts)} are needed "
            f"({', '.join(parts)}); found {', '.join(map(repr, walkers))}: if these are not the people, add "
            "a column 'walker'."
        )


def check_emotions(train: pd.DataFrame, videos: pd.DataFrame) -> None:
    """Raise an `InputError` if training lacks a second emotion, or one that any of `videos` shows."""
    known = sorted(train["emotion"].unique())
    if len(known) < 2:
        have = "only " + repr(*known) if known else "no emotion"
        raise InputError(f"The training videos show {have}: at least two emotions are needed to learn.")
    for row in videos.query("emotion not in @known").itertuples():
        raise InputError(
            f"Test video {row.video} shows {row.emotion!r}, which no training video shows "
            f"({', '.join(known)}): add training videos of it or leave its test videos out."
        )
