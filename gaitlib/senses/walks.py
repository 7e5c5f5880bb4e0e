"""Walks with all that was recorded of them: the picture, its sound, and a file of signals beside it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from gaitlib.clips import PreparedVideo, prepare_video
from gaitlib.config import RunConfig, resolve_body
from gaitlib.errors import InputError
from gaitlib.files import file_digest, remember
from gaitlib.gait import gait_parameters, step_events
from gaitlib.labels import find_videos, list_videos
from gaitlib.models import gait_feature_names, gait_features
from gaitlib.senses.measuring import band_pass, measure_body, measure_motion, measure_sound
from gaitlib.senses.recordings import SOUND_RATE_HZ, Recording, read_recording, read_sound
from gaitlib.walker import weights_problem

_MAX_DIFFERENCE = 0.08  # of cadences that belong to one walk
_CLOCK_RATE_HZ, _STEP_SD_SECONDS = 50.0, 0.06


def find_walks(folder: Path | str, labels_path: Path | str | None = None) -> pd.DataFrame:
    """Find the walks of a folder: videos with the ``.csv`` of the same name beside each, or ``.csv`` alone.

    Emotions and walkers come from folders, file names or a label file, as for videos. Returns a row a walk:
    ``video`` (the name), ``emotion``, ``walker``, ``path`` (of the video, empty without), ``recording``
    (path, empty without), further columns of the label file such as ``order``.
    """
    has_videos = bool(list_videos(folder))
    found = with_recordings(find_videos(folder, labels_path, *([] if has_videos else [(".csv",)])).videos)
    return found if has_videos else found.assign(path="")


def with_recordings(videos: pd.DataFrame) -> pd.DataFrame:
    """Return videos (with a column ``path``) with the path of the ``.csv`` beside each, empty without."""
    return videos.assign(recording=[*map(recording_beside, videos["path"])]).reset_index(drop=True)


def recording_beside(video: str) -> str:
    """Return the path of the ``.csv`` that bears the name of a video, empty without."""
    paths = (Path(video).with_suffix(suffix) for suffix in (".csv", ".CSV"))
    return next((str(path) for path in paths if path.is_file()), "")


def measure_walks(walks: pd.DataFrame, config: RunConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure everything that was recorded of the walks.

    Returns the rows of `walks` with a column for each of `SENSE_PARAMETERS`, ``seen_cadence_steps_per_min``,
    ``clock_shift_seconds`` (see `clock_shift`) and the gait features of the picture, ``picture_*``; and a
    table of what was converted or left out, ``video`` and ``note``.
    """
    if config.body == "auto":
        config = resolve_body(config, "silhouette" if weights_problem() else "keypoints")
    how = [weights_problem(), config.body, config.crop, config.frame_rate_hz]
    rows, notes = [], []
    kept = remember(measure_walk, ["path", "recording", "config"])
    for walk in tqdm(walks.to_dict("records"), "Listening and measuring", unit="walk", mininterval=1.0):
        places = [walk["path"], walk["recording"]]
        files = [(Path(place).name, file_digest(Path(place))) for place in filter(None, places)]
        values, told = kept(*places, config, [*files, *how])
        rows.append(walk | values)
        notes += [(walk["video"], note) for note in told]
    return pd.DataFrame(rows), pd.DataFrame(notes, columns=["video", "note"])


def measure_walk(
    path: str, recording: str, config: RunConfig, _key: Sequence[Any] = ()
) -> tuple[dict[str, float], list[str]]:
    """Measure one walk, see `measure_walks`; `config` has `body` decided, and either path may be empty."""
    values, notes = dict[str, float](), list[str]()
    video = _try(notes, prepare_video, Path(path), config) if path else None
    known = _try(notes, read_recording, recording) if recording else None
    sound = _try(notes, read_sound, path) if path else None
    if sound is not None and video and len(sound) > (video.meta["duration_seconds"] + 1) * SOUND_RATE_HZ:
        sound = sound[: round(video.meta["duration_seconds"] * SOUND_RATE_HZ)]
        notes.append("The sound goes on after the picture: that part is left out.")
    if sound is not None and not (values := measure_sound(sound)):
        notes.append("No footsteps could be made out: the sound is noisy, or filled with speech or music.")
    if known:
        values |= measure_motion(known) | measure_body(known)
        notes += known.notes
    if video and video.own_bouts:
        names, features = gait_feature_names(config.body), gait_features(video)
        values |= {f"picture_{name}": value for name, value in zip(names, features, strict=True)}
        values["seen_cadence_steps_per_min"] = gait_parameters(video)["cadence_steps_per_min"]
        if known:
            values["clock_shift_seconds"], values["clock_similarity"] = clock_shift(video, known)
            walk = video.own_bouts[-1].end_seconds - video.own_bouts[0].start_seconds
            recorded = max(float(one.index[-1]) for one in known.signals.values())
            if recorded < walk:
                lengths = f"{recorded:.0f} s, the walk {walk:.0f} s"
                notes.append(f"The recording lasts {lengths}: does it belong to another walk?")
    cadences = [values.get(f"{sense}_cadence_steps_per_min", np.nan) for sense in ("seen", "sound", "motion")]
    if np.nanmax([0, *cadences]) > (1 + _MAX_DIFFERENCE) * np.nanmin([np.inf, *cadences]):
        listed = ", ".join(f"{value:.0f}" for value in cadences if np.isfinite(value))
        notes.append(f"The senses disagree on the steps a minute ({listed}): do all files show one walk?")
    return values, notes


def _try(notes: list[str], function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; what it refuses becomes a note."""
    try:
        return function(*arguments)
    except InputError as error:
        notes.append(str(error))
        return None


def clock_shift(video: PreparedVideo, recording: Recording) -> tuple[float, float]:
    """Find by how many seconds the clock of a recording is ahead of the video's, from the steps in both.

    Steps resemble one another, so that a short video may be placed a step or two wrongly. Returns what to
    take from the recording's times, and how well the steps in both correlate then, -1 to 1; NaN without
    acceleration or steps, or where the recording is shorter than the walk.
    """
    known = recording.vector("acc")
    times = np.concatenate([step_events(video, bout)["time_seconds"] for bout in video.own_bouts])
    if known is None or len(times) < 3:
        return np.nan, np.nan
    size, own = np.linalg.norm(known[0], axis=1), np.arange(len(known[0])) / known[1]
    even = np.arange(0, own[-1], 1 / _CLOCK_RATE_HZ)
    shaken = band_pass(np.interp(even, own, size), (0.7, 8), _CLOCK_RATE_HZ)
    moments = np.arange(times.min() - 0.5, times.max() + 0.5, 1 / _CLOCK_RATE_HZ)
    steps = np.exp(-0.5 * ((moments[:, None] - times) / _STEP_SD_SECONDS) ** 2).sum(axis=1)
    if len(shaken) < len(steps):
        return np.nan, np.nan
    windows = np.lib.stride_tricks.sliding_window_view(np.maximum(shaken, 0), len(steps))
    similar = windows @ (steps - steps.mean()) / (windows.std(axis=1) * steps.std() * len(steps) + 1e-12)
    start, best = float(recording.signals["acc_x_m_s2"].index[0]), int(similar.argmax())
    return start + best / _CLOCK_RATE_HZ - moments[0], float(similar[best])
