"""Verdicts as a table for the console, as JSON for programs, and keypoints as CSV for pose tools."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from gaitlib.errors import StorageError
from gaitlib.files import make_folder, show_name, write_aside, write_json
from gaitlib.models import TrainedModel
from gaitlib.predict.verdict import Verdict

_SCHEMA_VERSION = 2
_FIELDS = (
    "status",
    "emotion",
    "confidence",
    "probabilities",
    "seconds_used",
    "frames_read",
    "corrupt_frames",
)


def describe_verdicts(verdicts: Sequence[Verdict], model: TrainedModel) -> str:
    """Return the verdicts as a text table, with what the model reached on held-out walkers."""
    return "\n".join([verdict_table(verdicts).to_string(index=False), *about_model(model)])


def verdict_table(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """Return the verdicts as a table for people, one row a video."""
    rows = [
        (show_name(each.video), each.word, f"{each.seconds_used:.1f}", show_name(" ".join(each.notes)))
        for each in verdicts
    ]
    return pd.DataFrame(rows, columns=["video", "verdict", "seconds of walking", "notes"])


def about_model(model: TrainedModel) -> list[str]:
    """Return which model speaks and how it scored on held-out walkers, in sentences."""
    sentences = [f"Model: {model.name}, which knows {', '.join(model.emotions)}."]
    if model.about.get("accuracy") is not None:
        low, high = model.about["accuracy_ci95"]
        sentences.append(
            f"On held-out walkers it was right in {model.about['accuracy']:.0%} of videos (95 % interval "
            f"{low:.0%} to {high:.0%})."
        )
    if model.about.get("is_demo"):
        sentences.append("It was trained on synthetic walkers: what it says of real people is a trial.")
    return sentences


def write_verdicts(verdicts: Sequence[Verdict], model: TrainedModel, path: Path) -> None:
    """Write everything that is known about the videos as JSON, in the order of the videos."""
    videos = [
        {
            "video": verdict.video,
            **{name: getattr(verdict, name) for name in _FIELDS},
            "notes": verdict.notes,
            "timeline": [asdict(moment) for moment in verdict.timeline],
            "gait": verdict.gait.to_dict("records"),
        }
        for verdict in verdicts
    ]
    about = {"name": model.name, "emotions": model.emotions, **model.about}
    write_json(path, {"schema_version": _SCHEMA_VERSION, "model": about, "videos": videos})


def write_keypoints(verdicts: Sequence[Verdict], folder: Path) -> None:
    """Write the keypoints of each video as a CSV in the style of DeepLabCut, which pose tools load."""
    make_folder(folder)

    def write(verdict: Verdict, target: Path) -> None:
        keypoints = verdict.prepared.keypoints if verdict.prepared else None
        if keypoints is None:
            verdict.notes.append("There are no keypoints to write: the walker was found by the silhouette.")
            return
        with write_aside(target) as aside:
            keypoints.to_dlc_table().to_csv(aside)

    write_each(verdicts, folder, ".csv", write)


def write_each(
    verdicts: Sequence[Verdict], folder: Path, suffix: str, write: Callable[[Verdict, Path], None]
) -> None:
    """Write a file for each video that was read; a failure becomes a note, a full disk ends it."""
    for verdict, target in _targets(verdicts, folder, suffix):
        try:
            write(verdict, target)
        except StorageError:
            raise
        except (ValueError, OSError) as error:
            verdict.notes.append(f"{target.name} could not be written: {error}")


def _targets(verdicts: Sequence[Verdict], folder: Path, suffix: str) -> Iterator[tuple[Verdict, Path]]:
    for number, verdict in enumerate(verdicts, 1):
        if verdict.prepared is not None:
            stem = show_name(Path(verdict.video).stem)[:100]
            yield verdict, folder / f"{number:03d}_{stem}{suffix}"
