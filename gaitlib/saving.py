"""Trained models and their histories as files that can be read back without trust."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gaitlib.answering import num_features
from gaitlib.backend import load_keras
from gaitlib.config import InputError, RunConfig, make_config
from gaitlib.files import write_aside
from gaitlib.gait import MOTION_FEATURES
from gaitlib.gait_models import GAIT_MODEL_NAMES
from gaitlib.trust import check_origin, check_parts, record_digest
from gaitlib.video import file_digest

if TYPE_CHECKING:
    import keras

# Name of the card inside a model file.
_CARD = "gaitlib.json"
# Texts in a model file, its card and its architecture, take thousands of bytes.
_MAX_TEXT_BYTES = 1 << 24


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

    Their digests are noted in the folder, so that `load_model` knows them again.

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
            copy, copied_card = _open_model(aside)
            if copied_card != card or not _answers_alike(model, copy):
                raise InputError(f"{folder / name} did not keep the model: save it to another disk.")
            record_digest(folder / name, file_digest(aside))


def _answers_alike(model: "keras.Model", copy: "keras.Model") -> bool:
    rng = np.random.default_rng(0)
    given = [rng.integers(0, 256, (1, *part.shape[1:])).astype(np.float32) for part in model.inputs]
    inputs = given if len(given) > 1 else given[0]
    answer, copied = (np.asarray(either(inputs, training=False)) for either in (model, copy))
    same_weights = all(map(np.array_equal, model.get_weights(), copy.get_weights()))
    return same_weights and np.allclose(answer, copied, atol=1e-5)


def load_model(path: Path, trust_model: bool = False) -> tuple["keras.Model", dict[str, Any]]:
    """Load a saved model and its card, without running any code that the file may carry.

    Parameters
    ----------
    path : Path
    trust_model : bool
        Whether to open a file that no run beside it vouches for (see `gaitlib.trust.check_origin`).

    Raises
    ------
    InputError
        If the file is missing, comes from elsewhere, has changed, holds no usable model or no card, or
        if its network does not fit its card.
    """
    if not path.is_file():
        raise InputError(f"There is no model at {path}: train one first, or name the right file.")
    check_origin(path, trust_model)
    return _open_model(path)


def _open_model(path: Path) -> tuple["keras.Model", dict[str, Any]]:
    try:
        card, architecture = (json.loads(text) for text in _read_texts(path))
        # How it was trained is not read back.
        check_parts({**architecture, "compile_config": None})
        model = load_keras().saving.load_model(path, compile=False, safe_mode=True)
        _check_fit(model, card)
    except Exception as error:  # Keras raises many kinds for a bad file
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise InputError(
            f"{path} cannot be used as a model ({first_line.rstrip('.')}): name the model.keras of a run."
        ) from error
    return model, card


def _read_texts(path: Path) -> tuple[str | bytes, str | bytes]:
    """Return the card and the architecture as JSON texts."""
    import h5py

    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return file.attrs[_CARD], file.attrs["model_config"]
    with zipfile.ZipFile(path) as archive:
        names = _CARD, "config.json"
        if max(archive.getinfo(name).file_size for name in names) > _MAX_TEXT_BYTES:
            raise ValueError("its card is too large")
        return archive.read(_CARD), archive.read("config.json")


def _check_fit(model: "keras.Model", card: dict[str, Any]) -> None:
    """Check that a network takes the clips and gives the classes that its card promises.

    Raises
    ------
    ValueError
    """
    config, emotions = make_config(**card["config"]), card["emotions"]
    side, channels = config.frame_size, config.num_channels
    clip: tuple[int | None, ...] = (None, config.num_frames, side, side, channels)
    if config.model in GAIT_MODEL_NAMES:
        clip = (None, len(MOTION_FEATURES))
    num_inputs = 2 if config.relative_to != "none" and config.model not in GAIT_MODEL_NAMES else 1
    wanted = {
        "takes clips": ([tuple(part.shape) for part in model.inputs], [clip] * num_inputs),
        "gives answers": (model.output_shape, (None, len(emotions))),
    }
    for what, (shape, promised) in wanted.items():
        if shape != promised:
            raise ValueError(f"its network {what} of shape {shape}, its card says {promised}")
    if len(set(emotions)) < len(emotions) or not all(isinstance(name, str) for name in emotions):
        raise ValueError(f"its card names the emotions {emotions}")
    if not isinstance(card["is_demo"], bool):
        raise ValueError("its card does not say what it was trained on")
    novelty = card.get("novelty")
    if novelty and len(novelty["mean"]) != num_features(model):
        raise ValueError("its measure of novelty belongs to another network")
