"""For a model that compares walks: which other videos of the same person a new video is compared with."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from gaitlib.batches import ClipSet, make_clip_set
from gaitlib.clips import prepare_video, why_no_clips
from gaitlib.config import InputError, RunConfig
from gaitlib.digests import remembered_digest
from gaitlib.files import cache_dir
from gaitlib.names import show_name
from gaitlib.prepared import PreparedVideo
from gaitlib.walker.lifeless import why_lifeless


def find_companions(
    paths: Sequence[Path], config: RunConfig, reference: Path | None, same_walker: bool
) -> list[PreparedVideo]:
    """Return the videos that those to predict are compared with.

    Parameters
    ----------
    paths : sequence of Path
        The videos to predict.
    config : RunConfig
        As the model was trained with; `relative_to` tells what it needs.
    reference : Path, optional
        A walk of the same person, of the kind that served as reference in training.
    same_walker : bool
        Whether all of `paths` show one person.

    Returns
    -------
    list of PreparedVideo
        Empty for a model that compares nothing.

    Raises
    ------
    InputError
        If what was given is not what the model needs, or cannot be used.
    """
    needs = config.relative_to
    if needs == "none":
        if reference is not None or same_walker:
            raise InputError(
                "This model compares walks with nothing: leave out --reference and --same-walker."
            )
        return []
    if needs == "reference":
        if reference is None or same_walker:
            raise InputError(
                f"This model compares a walk with one {config.reference_emotion} walk of the same person: "
                "name a video of that with --reference FILE (notebook 06: in the parameter 'reference'), and "
                "no others."
            )
        companion = _usable(reference, config)
        if companion.digest in _digests(paths):
            raise InputError(
                f"{show_name(reference.name)} is the reference and among the videos to read: a walk compared "
                "with itself tells nothing, so leave it out of the videos."
            )
        return [companion]
    if reference is not None or not same_walker:
        raise InputError(
            "This model compares a walk with the mean of the same person's walks: give several videos of one "
            "person and --same-walker (notebook 06: a folder in the parameter 'others'), without a reference."
        )
    companions = [video for path in paths for video in _readable(path, config)]
    distinct = {companion.digest: companion for companion in companions}
    if len(distinct) < 2:
        raise InputError(
            f"{len(distinct)} of the {len(paths)} videos could be read, copies counted once: the mean of a "
            "person's walks needs at least two, better several in different moods."
        )
    return list(distinct.values())


def _digests(paths: Sequence[Path]) -> set[str]:
    found = set()
    for path in paths:
        with suppress(InputError):  # what cannot be read says so in its own verdict
            found.add(remembered_digest(path, cache_dir()))
    return found


def beside_companions(clips: ClipSet, companions: Sequence[PreparedVideo], config: RunConfig) -> ClipSet:
    """Return clips with the clips of their companions as references; the same clips without companions.

    Raises
    ------
    InputError
        If the model compares walks and there is nothing to compare with.
    """
    if not companions and config.relative_to != "none":
        raise InputError("This model compares walks of one person, and there is none to compare with.")
    if not companions:
        return clips
    references = make_clip_set(companions, np.zeros(len(companions), int), config)
    everyone = np.arange(len(companions))
    return replace(clips, references=references, reference_videos=(everyone,) * len(clips.videos))


def walking_clips(video: PreparedVideo, config: RunConfig) -> ClipSet:
    """Return the clips that can be judged: without those in which no person could be made out."""
    clips = make_clip_set([video], np.zeros(1, int), config)
    return clips if config.crop == "frame" else _with_walker(clips, video)


def why_not_judged(name: str, video: PreparedVideo, clips: ClipSet, config: RunConfig) -> str:
    """Return why a video can be neither judged nor a reference, empty if it can."""
    lifeless = why_lifeless(video.thumbs)
    if lifeless:
        return f"{name}: nobody was found: {lifeless}"
    if len(clips):
        return ""
    needed, lasts = config.num_frames / config.frame_rate_hz, video.meta["duration_seconds"]
    if lasts < needed:
        return f"{name}: too short: it lasts {lasts:.1f} s, {needed:.1f} s of walking are needed."
    height = video.meta["small_height_pixels"]
    if height:
        share = height / video.meta["frame_shape"][0]
        return f"{name}: the walker is too small ({share:.0%} of the picture's height): film from closer."
    reason = why_no_clips(name, video, config)
    return reason or f"{name}: something moves, but no person could be made out."


def _usable(path: Path, config: RunConfig) -> PreparedVideo:
    try:
        video = prepare_video(path, config)
    except InputError as error:
        raise InputError(f"The reference cannot be used: {error}") from error
    reason = why_not_judged(path.name, video, walking_clips(video, config), config)
    if reason:
        raise InputError(f"The reference cannot be used: {reason}")
    return video


def _readable(path: Path, config: RunConfig) -> list[PreparedVideo]:
    """Return the video in a list, an empty one if it gives no clip: its own verdict tells why."""
    try:
        return [_usable(path, config)]
    except InputError:
        return []


def _with_walker(clips: ClipSet, video: PreparedVideo) -> ClipSet:
    """Leave out clips in which the whole picture was kept instead of a walker."""
    stored = video.track[video.track["segment"] >= 0]
    is_guess = stored["left"].isna().to_numpy()
    wanted = [not is_guess[start : start + clips.num_frames].any() for start in clips.starts]
    keep = np.array(wanted, bool)
    return clips.chosen(np.flatnonzero(keep))
