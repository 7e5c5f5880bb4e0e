"""The videos of a run, divided by walker, as one object that is handed from step to step."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from gaitlib.clips import PreparedVideo
from gaitlib.config import RunConfig, make_config
from gaitlib.data.splits import hold_out_walkers
from gaitlib.errors import InputError
from gaitlib.files import read_csv, read_json, write_csv, write_json


@dataclass(frozen=True)
class VideoSet:
    """Videos with labels, and with the walks that each is compared with."""

    videos: tuple[PreparedVideo, ...]
    labels: np.ndarray  # (num_videos,) int, places in the run's emotions
    walkers: np.ndarray  # (num_videos,) str
    references: tuple[tuple[PreparedVideo, ...], ...] = ()  # for each video; empty without comparison
    targets: np.ndarray | None = None  # (num_videos, num_classes) float32, shares of the raters to train on

    def __len__(self) -> int:
        return len(self.videos)

    def chosen(self, places: Sequence[int] | np.ndarray) -> Self:
        """Return the videos at `places` (numbers or a mask); they keep their references."""
        places = np.arange(len(self))[np.asarray(places)]
        return replace(
            self,
            videos=tuple(self.videos[place] for place in places),
            labels=self.labels[places],
            walkers=self.walkers[places],
            references=tuple(self.references[place] for place in places if self.references),
            targets=None if self.targets is None else self.targets[places],
        )

    def joined(self, other: Self) -> Self:
        """Return the videos of both sets, each with its references."""
        return replace(
            self,
            videos=self.videos + other.videos,
            labels=np.concatenate([self.labels, other.labels]),
            walkers=np.concatenate([self.walkers, other.walkers]),
            references=self.references + other.references,
            targets=None if self.targets is None else np.concatenate([self.targets, other.targets]),
        )


@dataclass(frozen=True)
class RunData:
    """The videos of a run and what became of each.

    The columns of `videos`: `video`, `path`, `emotion`, `walker`, `split` (in a cross-validation, of the
    first fold), `fold` (in which it is a test video; 0 for a single split), `digest`, `entry` (cache
    folder), `num_clips`, `walk_seconds` (a loop counts once), `reference` (digest of its reference walk, or
    empty); ratings where a sheet gave them.
    """

    videos: pd.DataFrame
    skipped: pd.DataFrame  # video, reason
    config: RunConfig  # with body and crop decided
    warnings: Sequence[str] = ()
    is_demo: bool = False  # any of the walkers is synthetic
    references: pd.DataFrame = field(default_factory=pd.DataFrame)  # walks that serve for nothing else

    @cached_property
    def emotions(self) -> tuple[str, ...]:
        """Class names in alphabetical order; a label is a place in it."""
        is_learnt = (self.videos["split"] != "test") | (self.videos["fold"] > 0)
        return tuple(sorted(self.videos.loc[is_learnt, "emotion"].unique()))

    @property
    def fingerprint(self) -> str:
        """Digest of all videos, labels and splits: equal for equal data."""
        columns = ["digest", "emotion", "walker", "split", "reference"]
        everything = pd.concat([self.videos, self.references.assign(split="reference", reference="")])
        rows = everything[columns].sort_values(columns).to_csv(index=False)
        return hashlib.sha256(rows.encode()).hexdigest()[:16]

    def rows(self, split: str) -> pd.DataFrame:
        """Return the videos of one split, renumbered; ``"judged"``: in the order of the predictions."""
        if split == "judged" and self.videos["fold"].any():
            return self.videos.sort_values("fold", kind="stable", ignore_index=True)
        is_part = self.videos["split"] == ("test" if split == "judged" else split)
        return self.videos[is_part].reset_index(drop=True)

    def with_references(self, is_part: pd.Series) -> pd.DataFrame:
        """Return some of the videos and their reference walks, which must not be on another side."""
        own = self.references[self.references["digest"].isin(self.videos["reference"][is_part])]
        return pd.concat([self.videos[is_part], own], ignore_index=True)

    def without(self, is_left_out: pd.Series, reasons: Any) -> Self:
        """Return the data without some videos, which are skipped for a reason (one text, or one each)."""
        left_out = self.videos[["video"]].assign(reason=reasons)[is_left_out]
        videos = self.videos[~is_left_out].reset_index(drop=True)
        return replace(self, videos=videos, skipped=pd.concat([self.skipped, left_out], ignore_index=True))

    def video_set(self, split: str, config: RunConfig) -> VideoSet:
        """Return the videos of one split with labels and references, with soft labels to train on."""
        rows = self.rows(split)
        labels = np.array([self.emotions.index(emotion) for emotion in rows["emotion"]], int)
        is_soft = config.label_form == "soft" and split not in ("test", "judged")
        targets = soft_targets(rows, self.emotions) if is_soft else None
        videos = VideoSet(prepared_rows(rows), labels, rows["walker"].to_numpy(str), targets=targets)
        if config.relative_to == "none":
            return videos
        neutral = {walk.digest: (walk,) for walk in prepared_rows(self.references)}
        walks = {walker: prepared_rows(group) for walker, group in rows.groupby("walker")}
        pairs = zip(rows["reference"], rows["walker"], strict=True)
        return replace(videos, references=tuple(neutral[one] if one else walks[who] for one, who in pairs))

    def summary(self) -> dict[str, Any]:
        """Return counts and fingerprint as they stand in ``results.json``."""
        splits = () if self.config.folds else ("train", "validation", "test")
        parts = {"all": self.videos, **{split: self.rows(split) for split in splits}}
        return {
            **{name: _count(rows) for name, rows in parts.items()},
            "num_skipped": len(self.skipped),
            "references": list(self.references.get("video", ())),
            "body": self.config.body,
            **{name: getattr(self, name) for name in ("fingerprint", "is_demo", "warnings")},
        }

    def save(self, run_dir: Path) -> None:
        """Write ``data.json`` (for the next step), ``config.json`` and ``skipped.csv`` into a run folder."""
        (run_dir / "results.json").unlink(missing_ok=True)  # of other videos
        write_csv(run_dir / "skipped.csv", self.skipped)
        write_json(run_dir / "config.json", self.config.model_dump())
        tables = {name: getattr(self, name).to_dict("records") for name in ("videos", "references")}
        others = {name: getattr(self, name) for name in ("warnings", "is_demo")}
        write_json(run_dir / "data.json", {"config": self.config.model_dump(), **tables, **others})


def load_data(run_dir: Path) -> RunData:
    """Read back what `RunData.save` wrote."""
    content = read_json(run_dir / "data.json")
    videos = pd.DataFrame(content.pop("videos"))
    references = pd.DataFrame(content.pop("references"), columns=videos.columns)
    skipped = read_csv(run_dir / "skipped.csv")
    config = make_config(**content.pop("config"))
    return RunData(videos, skipped, config, references=references, **content)


def prepared_rows(rows: pd.DataFrame) -> tuple[PreparedVideo, ...]:
    """Return the cached videos of rows with columns `entry` and `digest`, in their order."""
    return tuple(PreparedVideo(Path(row["entry"]), row["digest"]) for row in rows.to_dict("records"))


def _count(rows: pd.DataFrame) -> dict[str, Any]:
    emotions = rows["emotion"].value_counts().to_dict()
    counts = {"num_walkers": rows["walker"].nunique(), "num_clips": int(rows["num_clips"].sum())}
    return {"num_videos": len(rows), **counts, "emotions": emotions}


def soft_targets(rows: pd.DataFrame, emotions: Sequence[str]) -> np.ndarray:
    """Return mean ratings as shares of the emotions, shape (num_videos, num_classes), float32.

    The lowest rating of a sheet, 1, says that the emotion is not there at all.
    """
    if not {*emotions, "num_raters"} <= set(rows) or rows[list(emotions)].isna().any(axis=None):
        raise InputError(
            "Setting label_form='soft' needs the ratings of several people: pass --labels with a rating "
            "sheet, or take label_form='hard'."
        )
    shares = np.maximum(rows[list(emotions)].to_numpy(np.float32) - 1, 1e-3)
    return shares / shares.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Fit:
    """One model to train: its fold (from 1), its seed (that of `config` too), the videos as it sees them."""

    fold: int
    seed: int
    data: RunData
    config: RunConfig


def list_fits(data: RunData, config: RunConfig) -> Iterator[Fit]:
    """Yield every model that a run must train: each fold with each seed."""
    for fold in range(1, max(1, config.folds) + 1):
        for seed in range(config.seed, config.seed + config.seeds):
            yield make_fit(data, fold, seed, config)


def make_fit(data: RunData, fold: int, seed: int, config: RunConfig) -> Fit:
    """Return one of the models that `list_fits` lists."""
    own = config.model_copy(update={"seed": seed})
    is_test = data.videos["fold"] == fold if config.folds else data.videos["split"] == "test"
    return Fit(fold, seed, replace(data, videos=divide_training(data.videos, is_test, own)), own)


def divide_training(videos: pd.DataFrame, is_test: pd.Series, config: RunConfig) -> pd.DataFrame:
    """Return the videos with `split` set: the test as given, validation walkers held out of the rest.

    Validation walkers choose the epoch and the temperature, so that no test walker chooses anything.
    """
    videos = videos.assign(split=np.where(is_test, "test", "train"))
    training = videos.index[~is_test]
    is_held = hold_out_walkers(videos.loc[training], config.validation_fraction, config.seed)
    videos.loc[training[is_held], "split"] = "validation"
    return videos
