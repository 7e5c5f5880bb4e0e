"""Trained models as files that can be opened without trusting whoever made them.

A file holds weights and a card of plain JSON; no code in it is run. Networks are built anew by this project
from what the card says, and pipelines may hold only types that skops trusts or `_TRUSTED_TYPES` names.
"""

import json
import re
import warnings
import zipfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import skops.io

from gaitlib.clips.preparing import FORMAT_VERSION
from gaitlib.errors import InputError
from gaitlib.files import file_digest, read_json, show_name, write_aside
from gaitlib.models.classifiers import gait_feature_names, predict_classes
from gaitlib.models.networks import copy_weights, network_for
from gaitlib.models.trained import TrainedModel

if TYPE_CHECKING:
    import keras

INDEX_NAME = "model.json"  # in a run folder: its model files
# By its name models are refused that have learnt from another version of the cached videos.
_CARD = f"gaitlib_{FORMAT_VERSION}.json"
_TRUSTED_TYPES = {"numpy.dtype", "sklearn.tree._tree.Tree", "sklearn.utils._bunch.Bunch"}


def save_model(model: TrainedModel, folder: Path, stem: str = "model") -> Path:
    """Save a network as ``.keras`` and ``.h5``, a gait classifier as ``.skops``; return the first file.

    Raises an `InputError` where a file, read back, differs; then no file takes its name.
    """
    suffixes = (".skops",) if model.kind == "gait" else (".keras", ".h5")
    paths = [folder / f"{stem}{suffix}" for suffix in suffixes]
    for path in paths:
        with write_aside(path) as aside:
            _write(model, aside)
            if not _is_same(model, _read(aside, file_digest(aside))):
                raise InputError(f"{path} did not keep the model: save it to another disk.")
    return paths[0]


def _write(model: TrainedModel, path: Path) -> None:
    card = model.model_dump_json()
    if path.suffix == ".h5":
        plain = network_for(model.name, model.config, len(model.emotions), is_folded=False)
        copy_weights(model.predictor, plain)
        plain.save(path)
        with h5py.File(path, "a") as file:
            file.attrs[_CARD] = card
        return
    if path.suffix == ".keras":
        model.predictor.save(path)
    else:
        skops.io.dump(model.predictor, path, compression=zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(_CARD, card)


def _is_same(model: TrainedModel, copy: TrainedModel) -> bool:
    both = model.predictor, copy.predictor
    if model.kind == "gait":
        features = np.random.default_rng(0).normal(size=(4, model.predictor.n_features_in_))
        numbers = [[each.predict_proba(features)] for each in both]
    else:
        numbers = [each.get_weights() for each in both]
    return all(map(np.allclose, *numbers)) and copy.model_dump_json() == model.model_dump_json()


def load_trained(path: str | Path) -> TrainedModel:
    """Load a model from its file, or the chosen model of a run folder.

    Raises an `InputError` if there is none, or the file is damaged, does not fit its card, or holds more
    than a model.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    index = read_json(folder / INDEX_NAME) if path.is_dir() or (folder / INDEX_NAME).exists() else {}
    path = path / Path(index.get("chosen", "")).name if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"There is no model at {show_name(path)}: train one first, or name the right file.")
    try:
        model = _read(path, file_digest(path))
    except Exception as error:  # Keras, skops and h5py raise many kinds for a bad file
        cause = show_name((str(error).strip() or type(error).__name__).splitlines()[0][:160].rstrip(".:"))
        raise InputError(
            f"{show_name(path)} cannot be used as a model ({cause}): name a .keras, .h5 or .skops file that "
            "this version of gaitlib has saved, or train again."
        ) from error
    with suppress(InputError, KeyError, TypeError):  # the run has no scores
        if index.get("chosen") == path.name:
            test = read_json(folder / "results.json")["test"]
            low, high = test["accuracy_ci95"]
            return model.with_about(accuracy=test["accuracy"], accuracy_ci95=(low, high))
    return model


@lru_cache(4)
def _read(path: Path, _digest: str) -> TrainedModel:
    card, architecture = _read_texts(path)
    model = TrainedModel.model_validate_json(card)
    if len(set(model.emotions)) < len(model.emotions) or not isinstance(model.about.get("is_demo"), bool):
        raise ValueError("its card does not say what it was trained on")
    if model.kind != "gait":
        return model.model_copy(update={"predictor": _read_network(path, model, architecture)})
    predictor = skops.io.load(path, trusted=sorted(_TRUSTED_TYPES))
    num_features = len(gait_feature_names(model.config.body))
    _check_trees(predictor[-1], num_features)
    # Fails where it reads other features, or knows other emotions.
    predict_classes(predictor, np.zeros((1, num_features)), len(model.emotions))
    return model.model_copy(update={"predictor": predictor})


def _read_texts(path: Path) -> tuple[str | bytes, str | bytes]:
    """Return the card and, of a network, the architecture, both JSON."""
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return file.attrs[_CARD], file.attrs["model_config"]
    with zipfile.ZipFile(path) as archive:
        return archive.read(_CARD), archive.read("config.json") if path.suffix == ".keras" else ""


def _read_network(path: Path, model: TrainedModel, architecture: str | bytes) -> "keras.Model":
    """Build the network that the card names and take the weights alone from the file."""
    num_classes = len(model.emotions)
    saved = network_for(model.name, model.config, num_classes, is_folded=path.suffix == ".keras")
    foreign = _part_names(architecture) - _part_names(saved.to_json())
    if foreign:
        raise ValueError(f"it holds {min(foreign)}, which this project does not build")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # that some layers keep their random weights
        saved.load_weights(path)
    network = network_for(model.name, model.config, num_classes)
    copy_weights(saved, network)
    return network


def _part_names(architecture: str | bytes) -> set[str]:
    """Return the classes and functions that an architecture names, wherever they stand in it."""
    text = json.dumps(json.loads(architecture))
    return set(re.findall(r'"(?:class_name|registered_name)": "([^"]*)"', text))


def _check_trees(classifier: Any, num_features: int) -> None:
    """Raise a `ValueError` for trees whose nodes point back or outside: scikit-learn follows them blindly."""
    for part in getattr(classifier, "estimators_", ()):
        _check_trees(part, num_features)
    if (tree := getattr(classifier, "tree_", None)) is not None:
        places, nodes = np.stack([tree.children_left, tree.children_right]), np.arange(tree.node_count)
        is_inner = ((places > nodes) & (places < tree.node_count)).all(axis=0)
        if not (is_inner | (places == -1).all(axis=0)).all() or tree.feature.max() >= num_features:
            raise ValueError("its trees are damaged")
