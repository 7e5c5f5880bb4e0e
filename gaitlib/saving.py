"""Trained models and their histories as files that can be read back without trust."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gaitlib.backend import load_keras
from gaitlib.config import InputError, RunConfig
from gaitlib.files import write_aside

if TYPE_CHECKING:
    import keras

# Name of the card inside a model file.
_CARD = "gaitlib.json"


def save_history(history: pd.DataFrame, folder: Path) -> None:
    """Write `history.csv`, one row an epoch."""
    with write_aside(folder / "history.csv") as aside:
        history.to_csv(aside, index=False)


def read_history(folder: Path) -> pd.DataFrame:
    """Read back what `save_history` wrote."""
    return pd.read_csv(folder / "history.csv")


def model_card(config: RunConfig, emotions: Sequence[str], is_demo: bool) -> dict[str, Any]:
    """Return what a model file must tell to be used: class names, settings, kind of training data.

    An entry `novelty` (see `gaitlib.novelty.fit_novelty`) may be added.
    """
    return {"emotions": list(emotions), "config": config.model_dump(), "is_demo": is_demo}


def save_model(model: "keras.Model", folder: Path, card: dict[str, Any]) -> None:
    """Save `model.keras` and `model.h5`, each read back and compared before it takes its name.

    Parameters
    ----------
    model : keras.Model
    folder : Path
    card : dict
        See `model_card`; it travels inside the files, which stay readable by plain Keras.

    Raises
    ------
    InputError
        If a file does not give back the same weights, answers and card.
    """
    import h5py

    for name in ("model.keras", "model.h5"):
        with write_aside(folder / name) as aside:
            model.save(aside)
            if aside.suffix == ".h5":
                with h5py.File(aside, "a") as file:
                    file.attrs[_CARD] = json.dumps(card)
            else:
                with zipfile.ZipFile(aside, "a") as archive:
                    archive.writestr(_CARD, json.dumps(card))
            copy, copied_card = load_model(aside)
            if copied_card != card or not _answers_alike(model, copy):
                raise InputError(f"{folder / name} did not keep the model: save it to another disk.")


def _answers_alike(model: "keras.Model", copy: "keras.Model") -> bool:
    clip = np.random.default_rng(0).integers(0, 256, (1, *model.input_shape[1:])).astype(np.float32)
    answer, copied = (np.asarray(either(clip, training=False)) for either in (model, copy))
    same_weights = all(map(np.array_equal, model.get_weights(), copy.get_weights()))
    return same_weights and np.allclose(answer, copied, atol=1e-5)


def load_model(path: Path) -> tuple["keras.Model", dict[str, Any]]:
    """Load a saved model and its card, without running any code that the file may carry.

    Raises
    ------
    InputError
        If the file is missing, holds no usable model or no card.
    """
    if not path.is_file():
        raise InputError(f"There is no model at {path}: train one first, or name the right file.")
    try:
        card = _read_card(path)
        return load_keras().saving.load_model(path, compile=False, safe_mode=True), card
    except Exception as error:  # Keras raises many kinds for a bad file
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise InputError(
            f"{path} cannot be used as a model ({first_line}): name the model.keras of a run."
        ) from error


def _read_card(path: Path) -> dict[str, Any]:
    import h5py

    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return json.loads(file.attrs[_CARD])
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(_CARD))
