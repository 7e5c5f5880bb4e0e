"""Weights that a training starts from: a model of other walkers, such as synthetic ones.

The first layers see edges and limbs on any walker; what they have learnt from many cheap walks need not
be learnt anew from few costly ones.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from gaitlib.backend import plain_layers
from gaitlib.config import InputError, RunConfig
from gaitlib.files import project_path, read_json
from gaitlib.saving import load_model
from gaitlib.siamese import ANSWER_LAYER, FEATURE_LAYER, is_relative
from gaitlib.splits import check_walkers_disjoint
from gaitlib.trust import DIGESTS_NAME, is_vouched

if TYPE_CHECKING:
    import keras


def pretrained_path(config: RunConfig) -> Path | None:
    """Return the model file that the setting `pretrained` names, None if it is empty.

    Raises
    ------
    InputError
        If there is no such file, or no run beside it vouches for it.
    """
    if not config.pretrained:
        return None
    path = project_path(config.pretrained)
    if not path.is_file():
        raise InputError(f"Setting 'pretrained' is {config.pretrained!r}: there is no such file.")
    if not is_vouched(path):
        raise InputError(
            f"Setting 'pretrained' is {config.pretrained!r}, which no run beside it vouches for (no "
            f"{DIGESTS_NAME} that names it): name model.keras in the folder of the run that trained it."
        )
    return path


def take_weights(model: "keras.Model", source_path: Path, emotions: Sequence[str]) -> tuple[str, ...]:
    """Give a model the weights of a trained one, layer by layer where their shapes agree.

    A model that compares walks takes the weights of one that does not for its encoder. The last layer is
    taken only if both know the same emotions and both or neither compare walks; layers that depend on the
    size of a clip keep their fresh weights if the sizes differ.

    Parameters
    ----------
    model : keras.Model
        Its weights change.
    source_path : Path
        `model.keras` of a run.
    emotions : sequence of str
        Class names of `model`.

    Returns
    -------
    tuple of str
        Names of the layers that took weights.

    Raises
    ------
    InputError
        If the file cannot be used or none of its layers fits.
    """
    source, card = load_model(source_path)
    known = {layer.name: layer.get_weights() for layer in plain_layers(source)}
    if card["emotions"] != list(emotions) or is_relative(source) != is_relative(model):
        known.pop(ANSWER_LAYER, None)
    taken = []
    for layer in plain_layers(model):
        weights = known.get(layer.name, [])
        if weights and [weight.shape for weight in weights] == [weight.shape for weight in layer.weights]:
            layer.set_weights(weights)
            taken.append(layer.name)
    if not set(taken) - {FEATURE_LAYER, ANSWER_LAYER}:
        raise InputError(
            f"{source_path} is a {source.name!r} whose layers do not fit a {model.name!r} of this size: set "
            "'pretrained' to a run with the same 'model', 'num_frames', 'frame_size' and 'num_channels'."
        )
    return tuple(taken)


def check_unseen(config: RunConfig, test: pd.DataFrame) -> None:
    """Refuse a test on people or files that the model to start from has learnt from.

    Parameters
    ----------
    config : RunConfig
        Without `pretrained` all is well.
    test : DataFrame
        `video`, `walker` and `digest` of the test videos.

    Raises
    ------
    InputError
        If a walker or a file is on both sides, or it is not known what the model has learnt from.
    """
    path = pretrained_path(config)
    if path is None:
        return
    try:
        check_walkers_disjoint(_learnt_from(path), test, config.allow_shared_walkers)
    except InputError as error:
        raise InputError(f"Setting 'pretrained' is a model that knows the test: {error}") from None


def _learnt_from(model_path: Path) -> pd.DataFrame:
    """Return the videos that shaped a model, those of the models that it started from included."""
    folder = model_path.parent
    if not (folder / "data.json").exists():
        raise InputError(
            f"{folder} holds no data.json, which says who the model was trained on: name a model in its run "
            "folder."
        )
    data = read_json(folder / "data.json")
    videos = pd.DataFrame(data["videos"])
    earlier = read_json(folder / "config.json").get("pretrained")
    learnt = videos[videos["split"].isin(("train", "validation"))]
    references = pd.DataFrame(data.get("references", []), columns=videos.columns)
    used = references[references["digest"].isin(set(learnt.get("reference", ())))]
    parts = [learnt, used, *([_learnt_from(project_path(earlier))] if earlier else [])]
    return pd.concat(parts, ignore_index=True)
