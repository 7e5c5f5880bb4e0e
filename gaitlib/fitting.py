"""All trainings of a run, one after another: what each learnt lies in the run folder."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from gaitlib.clips import PICTURE_SETTINGS
from gaitlib.config import InputError, RunConfig
from gaitlib.folds import Fit, list_fits
from gaitlib.judging import Judgement, judge_fit
from gaitlib.leaks import check_windows_disjoint, list_windows
from gaitlib.novelty import fit_novelty
from gaitlib.pretraining import check_unseen, pretrained_path
from gaitlib.rundata import SPLITS, RunData
from gaitlib.saving import load_model, model_card, read_history, save_history, save_model
from gaitlib.training import TRAINING_SETTINGS, TrainingResult, train_model
from gaitlib.video import file_digest

if TYPE_CHECKING:
    import keras

# What a model has learnt depends on these too, though not by the names of the training's own settings.
_OTHER_SETTINGS = ("relative_to", "reference_emotion", "missing_reference", "label_form")


def fit_dir(run_dir: Path, fit: Fit, config: RunConfig) -> Path:
    """Return where a model of a run lies: the first one, which is there to be used, at the top."""
    is_first = fit.fold == 1 and fit.seed == config.seed
    return run_dir if is_first else run_dir / "fits" / fit.name


def train_fits(data: RunData, config: RunConfig, run_dir: Path) -> list[TrainingResult]:
    """Train every model of a run and save it.

    Finished trainings come from the cache: a run that was stopped goes on with the fold, and there
    with the epoch, that it had reached.

    Parameters
    ----------
    data : RunData
    config : RunConfig
    run_dir : Path
        The first model is saved as ``model.keras`` and ``model.h5`` there, others in
        ``fits/foldF_seedS/``.

    Returns
    -------
    list of TrainingResult
        In the order of `list_fits`.
    """
    results = []
    for fit in list_fits(data, config):
        folder = fit_dir(run_dir, fit, config)
        train, validation = (fit.data.clip_set(split, fit.config) for split in ("train", "validation"))
        check_windows(fit)
        check_unseen(fit.config, fit.data.rows("test"))
        result = train_model(train, validation, fit.config, data.emotions, folder / "logs")
        save_history(result.history, folder)
        card = model_card(fit.config, data.emotions, data.is_demo) | {"fit": _fit_digest(fit)}
        if folder == run_dir:
            # The model that is there to be used can say when a video is unlike all it has learnt from.
            card["novelty"] = fit_novelty(result.model, train, validation)
        save_model(result.model, folder, card)
        results.append(result)
    return results


def check_windows(fit: Fit) -> None:
    """Refuse to train where a picture would be in a training clip and in a test clip.

    Raises
    ------
    InputError
        Naming the videos.
    """
    windows = {
        split: list_windows(fit.data.clip_set(split, fit.config), list(fit.data.rows(split)["video"]))
        for split in SPLITS
    }
    learnt = pd.concat([windows["train"], windows["validation"]], ignore_index=True)
    check_windows_disjoint(learnt, windows["test"])


def _fit_digest(fit: Fit) -> str:
    """Name what a model was trained on and how; a training that was stopped leaves an older model behind."""
    names = (*PICTURE_SETTINGS, *TRAINING_SETTINGS, *_OTHER_SETTINGS)
    settings = {name: getattr(fit.config, name) for name in names}
    source = pretrained_path(fit.config)
    parts = [fit.data.fingerprint, settings, file_digest(source) if source else ""]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def judge_fits(data: RunData, config: RunConfig, run_dir: Path) -> Iterator[Judgement]:
    """Let every saved model of a run judge the test walkers of its fold."""
    for fit in list_fits(data, config):
        folder = fit_dir(run_dir, fit, config)
        model, card = load_model(folder / "model.keras")
        if card.get("fit") != _fit_digest(fit):
            raise InputError(
                f"{folder / 'model.keras'} was trained on other videos or with other settings than this run "
                "has now: run 03_training again."
            )
        best_epoch = best_epoch_of(read_history(folder))
        yield judge_fit(model, fit, with_baselines=fit.seed == config.seed, best_epoch=best_epoch)


def judge_model(model: "keras.Model", data: RunData, config: RunConfig) -> Judgement:
    """Let one model judge the test walkers of a single split."""
    fit = Fit(1, config.seed, data, config)
    return judge_fit(model, fit, with_baselines=True, best_epoch=None)


def best_epoch_of(history: pd.DataFrame) -> int:
    """Return the epoch with the lowest validation loss, from 1."""
    return int(history["epoch"].iloc[int(history["val_loss"].to_numpy().argmin())])


def fit_table(data: RunData, config: RunConfig, run_dir: Path) -> pd.DataFrame:
    """Return a row a model: fold, seed, its walkers, the epoch that was kept and its validation loss."""
    rows = []
    for fit in list_fits(data, config):
        history = read_history(fit_dir(run_dir, fit, config))
        walkers = {split: fit.data.rows(split)["walker"].nunique() for split in SPLITS}
        rows.append(
            {
                "fold": fit.fold,
                "seed": fit.seed,
                **{f"{split} walkers": number for split, number in walkers.items()},
                "epochs": len(history),
                "kept epoch": best_epoch_of(history),
                "validation loss": history["val_loss"].min(),
                "minutes": history["seconds"].sum() / 60,
            }
        )
    return pd.DataFrame(rows)
