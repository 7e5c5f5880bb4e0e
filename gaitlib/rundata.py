"""What is known about the videos of a run, and how it travels from one notebook to the next."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gaitlib.batches import ClipSet, make_clip_set
from gaitlib.config import InputError, RunConfig
from gaitlib.files import cache_dir, read_json, write_aside, write_json
from gaitlib.labels import escape_cell
from gaitlib.prepared import PreparedVideo, prepared_rows
from gaitlib.relative import Beside, reference_rows
from gaitlib.soft_labels import soft_targets

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class RunData:
    """The videos of a run and what became of each.

    Attributes
    ----------
    videos : DataFrame
        One row a used video: `video`, `path`, `emotion`, `walker`, `split`, `fold` (in which it is a
        test video; 0 for a single split), `digest`, `entry` (cache folder), `num_clips`,
        `walk_seconds`, `method` (how the walker was found), `note`; ratings where a sheet gave them.
        In a cross-validation `split` is that of the first fold.
    skipped : DataFrame
        `video`, `reason`.
    warnings : tuple of str
    shared_walkers : tuple of str
        Walkers on both sides, if the user allowed it.
    num_synthetic : int
        Videos that were drawn by `gaitlib.demo`.
    references : DataFrame
        Videos that others are compared with and that serve for nothing else; empty without.
    """

    videos: pd.DataFrame
    skipped: pd.DataFrame
    warnings: tuple[str, ...] = ()
    shared_walkers: tuple[str, ...] = ()
    num_synthetic: int = 0
    references: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def emotions(self) -> tuple[str, ...]:
        """Class names in alphabetical order; a label is a place in it."""
        return tuple(sorted(self.videos.loc[self.videos["split"] != "test", "emotion"].unique()))

    @property
    def is_demo(self) -> bool:
        """Whether any of the walkers is synthetic."""
        return self.num_synthetic > 0

    @property
    def fingerprint(self) -> str:
        """Digest of all videos, labels and splits: equal for equal data."""
        columns = ["digest", "emotion", "walker", "split", "reference"]
        columns = [name for name in columns if name in self.videos]
        everything = pd.concat([self.videos, self.references.assign(split="reference")])
        rows = everything[columns].sort_values(columns).to_csv(index=False)
        return hashlib.sha256(rows.encode()).hexdigest()[:16]

    def rows(self, split: str) -> pd.DataFrame:
        """Return the videos of one split, renumbered; ``"judged"``: in the order of the predictions."""
        if split == "judged" and self.videos["fold"].any():
            return self.videos.sort_values("fold", kind="stable", ignore_index=True)
        is_part = self.videos["split"] == ("test" if split == "judged" else split)
        return self.videos[is_part].reset_index(drop=True)

    def prepared(self, split: str) -> list[PreparedVideo]:
        """Return the cached pictures of the videos of one split, in the order of `rows`."""
        return prepared_rows(self.rows(split))

    def clip_set(self, split: str, config: RunConfig) -> ClipSet:
        """Return the clips of one split with their labels."""
        rows = self.rows(split)
        labels = np.array([self.emotions.index(emotion) for emotion in rows["emotion"]], int)
        is_soft = config.label_form == "soft" and split != "test"
        targets = soft_targets(rows, self.emotions) if is_soft else None
        clips = make_clip_set(prepared_rows(rows), labels, config, targets)
        if config.relative_to == "none":
            return clips
        beside = self.beside(rows)
        references = make_clip_set(beside.videos, np.zeros(len(beside.videos), int), config)
        return replace(clips, references=references, reference_videos=tuple(beside.places))

    def beside(self, rows: pd.DataFrame) -> Beside:
        """Return what each of some videos is compared with."""
        videos = prepared_rows(rows) + prepared_rows(self.references)
        return Beside(videos, reference_rows(rows, self.references))

    def summary(self) -> dict[str, Any]:
        """Return counts and fingerprint as they stand in ``results.json``."""
        num_folds = int(self.videos["fold"].max())
        splits = {} if num_folds else {split: _count(self.rows(split)) for split in SPLITS}
        return {
            "all": _count(self.videos),
            **splits,
            "num_folds": num_folds,
            "num_skipped": len(self.skipped),
            "fingerprint": self.fingerprint,
            "is_demo": self.is_demo,
            "num_synthetic": self.num_synthetic,
            "shared_walkers": list(self.shared_walkers),
            "references": [
                {"walker": row.walker, "video": row.video} for row in self.references.itertuples()
            ],
            "warnings": list(self.warnings),
        }

    def save(self, run_dir: Path) -> None:
        """Write `data.json` (for the next step) and `skipped.csv` (for people) into a run folder."""
        content = {
            "videos": self.videos.to_dict("records"),
            "references": self.references.to_dict("records"),
            "warnings": list(self.warnings),
            "shared_walkers": list(self.shared_walkers),
            "num_synthetic": self.num_synthetic,
        }
        with write_aside(run_dir / "skipped.csv") as aside:
            self.skipped.map(escape_cell).to_csv(aside, index=False)
        write_json(run_dir / "data.json", content)


def _count(videos: pd.DataFrame) -> dict[str, Any]:
    return {
        "num_videos": len(videos),
        "num_walkers": int(videos["walker"].nunique()),
        "num_clips": int(videos["num_clips"].sum()),
        "emotions": {name: int(count) for name, count in videos["emotion"].value_counts().items()},
    }


def load_data(run_dir: Path) -> RunData:
    """Read back what `RunData.save` wrote.

    Raises
    ------
    InputError
        If there is nothing, or the cache has been emptied since.
    """
    content = read_json(run_dir / "data.json")
    videos = pd.DataFrame(content["videos"])
    if not all(Path(entry).is_dir() for entry in videos["entry"]):
        raise InputError(
            f"The prepared pictures of {run_dir.name} are no longer in {cache_dir()}: run 01_preprocessing "
            "again."
        )
    skipped = pd.read_csv(run_dir / "skipped.csv", dtype=str, keep_default_na=False)
    return RunData(
        videos,
        skipped,
        tuple(content["warnings"]),
        tuple(content["shared_walkers"]),
        content["num_synthetic"],
        pd.DataFrame(content["references"]),
    )


def config_from(run_dir: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a run so far with a step's own settings on top."""
    path = run_dir / "config.json"
    before = read_json(path) if path.exists() else {}
    return {**before, **settings}
