"""Any video in, an emotion or an honest abstention out."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from gaitlib.annotate import annotate_video
from gaitlib.clips import prepare_video, prepare_videos
from gaitlib.companions import find_companions
from gaitlib.config import InputError
from gaitlib.errors import StorageError
from gaitlib.files import check_output, write_json
from gaitlib.labels import list_videos
from gaitlib.names import show_name
from gaitlib.predict_page import PageEntry, page_entry, write_predictions
from gaitlib.saving import load_model
from gaitlib.verdict import Verdict, predict_config, predict_video

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class PredictOutputs:
    """What to write beside the table; None for what is not wanted.

    Attributes
    ----------
    json : Path or None
        File for all of it.
    annotated : Path or None
        Folder for copies of the videos with box, word and probabilities.
    html : Path or None
        Page with pictures and timelines of all videos.
    """

    json: Path | None = None
    annotated: Path | None = None
    html: Path | None = None


def predict_files(
    files: Sequence[Path],
    model_path: Path,
    outputs: PredictOutputs = PredictOutputs(),
    trust_model: bool = False,
    reference: Path | None = None,
    same_walker: bool = False,
) -> str:
    """Predict videos and folders of videos.

    Parameters
    ----------
    files : sequence of Path
        A folder stands for the videos in it.
    model_path : Path
        ``model.keras`` or ``model.h5`` of a run.
    outputs : PredictOutputs
    trust_model : bool
        Whether to open a model that no run beside it vouches for.
    reference : Path, optional
        A walk of the same person, for a model that compares with one.
    same_walker : bool
        Whether all files show one person, for a model that compares with the mean of a person's walks.

    Returns
    -------
    str
        A table to print.

    Raises
    ------
    InputError
        If the model cannot be used or there is no file to read.
    """
    check_output(outputs.json, (".json",))
    check_output(outputs.html, (".html", ".htm"))
    found = [list_videos(file) if os.path.isdir(file) else [file] for file in files]
    if not any(found):
        raise InputError(f"No video in {', '.join(map(str, files))}: name videos or folders that hold some.")
    # A folder without videos is refused in its place, rather than left out without a word.
    paths = [path for file, videos in zip(files, found, strict=True) for path in videos or [file]]
    model, card = load_model(model_path, trust_model)
    config = predict_config(card)
    if len(paths) > 1:  # on all cores; what cannot be read says so below, where it has its place
        prepare_videos(paths, config, "Reading")
    companions = find_companions(paths, config, reference, same_walker)
    bar = tqdm(paths, "Predicting", unit="video", mininterval=1.0, disable=len(paths) == 1)
    verdicts: list[Verdict] = []
    entries: list[PageEntry] = []
    for number, path in enumerate(bar):
        verdict = predict_video(path, model, config, card["emotions"], card.get("novelty"), companions)
        verdicts.append(verdict)
        video = None if verdict.status == "refused" else prepare_video(path, config)
        if outputs.annotated is not None and video is not None:
            name = os.fsdecode(os.fsencode(path.stem)[:120])
            try:
                annotate_video(
                    path, outputs.annotated / f"{number + 1:03d}_{name}.mp4", video, asdict(verdict), config
                )
            except StorageError:
                raise
            except (InputError, OSError) as error:
                verdict.notes.append(f"The annotated copy could not be written: {error}")
        if outputs.html is not None:
            entries.append(page_entry(asdict(verdict), video, card["emotions"]))
    if outputs.json is not None:
        videos = [asdict(verdict) for verdict in verdicts]
        write_json(
            outputs.json,
            {"schema_version": SCHEMA_VERSION, "model": str(model_path), "videos": videos},
        )
    if outputs.html is not None:
        write_predictions(outputs.html, entries, str(model_path), card["is_demo"], card.get("novelty"))
    return _as_table(verdicts, card["is_demo"])


def _as_table(verdicts: Sequence[Verdict], is_demo: bool) -> str:
    rows = [
        {
            "video": show_name(verdict.video),
            "emotion": verdict.emotion or f"({verdict.status})",
            "confidence": "" if verdict.confidence is None else f"{verdict.confidence:.0%}",
            "seconds": f"{verdict.seconds_used:.1f}",
            "note": show_name(" ".join(verdict.notes)),
        }
        for verdict in verdicts
    ]
    lines = [pd.DataFrame(rows).to_string(index=False)]
    if is_demo:
        lines.append("The model was trained on synthetic walkers: its words on real people are a trial.")
    return "\n".join(lines)
