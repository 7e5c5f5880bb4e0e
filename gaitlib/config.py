"""Every setting of a run, with its default, in one frozen and validated object.

No other module holds the default of a setting: the notebooks' parameter cells repeat these literals and
a test holds the two against each other.
"""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Profile = Literal["quick", "standard"]
PROFILES: tuple[Profile, ...] = ("quick", "standard")

# Baselines that are bounds rather than rivals: nothing that sees the videos can be expected to beat them.
CEILINGS = ("rater_ceiling", "oracle")

# What the quick profile changes: enough to see the whole job work in minutes, too little to learn much.
_QUICK: dict[str, Any] = {
    "demo_walkers": 6,
    "epochs": 3,
    "max_clips_per_video": 4,
    "patience": 3,
    "sweep_walkers": 1,
}


class InputError(Exception):
    """Bad input, told in one sentence: which file, what is wrong, what was expected, how to fix it."""


class RunConfig(BaseModel):
    """All settings of one run.

    Unknown names and wrong types are errors. Objects are immutable; `make_config` builds them.

    Examples
    --------
    >>> make_config("standard", epochs=5).epochs
    5
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    # 01 preprocessing
    frame_rate_hz: Annotated[float, Field(ge=1, le=120)] = Field(
        15.0, description="pictures a second taken from every video"
    )
    num_frames: int = Field(30, ge=2, le=600, description="pictures in a clip")
    frame_size: int = Field(64, ge=16, le=512, description="height and width of a picture, pixels")
    num_channels: int = Field(1, description="1 grey, 3 colour")
    crop: Literal["silhouette", "square", "frame"] = Field(
        "silhouette",
        description="what a picture shows: the walker, the walker in the scene, the whole frame",
    )
    face_right: bool = Field(
        True, description="mirror clips of walkers who go left, except with whole frames"
    )
    clip_stride: int = Field(8, ge=1, description="pictures between the starts of two clips")
    max_clips_per_video: int = Field(12, ge=1, description="clips taken from a video at most")
    validation_fraction: float = Field(
        0.2, gt=0, le=0.5, description="about what share of the training walkers chooses the epoch"
    )
    training_walkers: int = Field(
        0, ge=0, description="walkers to learn from at most, drawn by chance; 0: all"
    )
    test_fraction: float = Field(
        0.25, gt=0, le=0.5, description="about what share of the walkers tests where there is no test folder"
    )
    allow_shared_walkers: bool = Field(
        False, description="go on although a walker is in training and test; marks every page"
    )
    folds: int = Field(
        0, ge=0, le=50, description="parts of a cross-validation over walkers; 0: a single split"
    )
    relative_to: Literal["none", "reference", "walker-mean"] = Field(
        "none", description="what a walk is compared with: nothing, one walk or all walks of the same person"
    )
    reference_emotion: str = Field("neutral", description="emotion of the walk that others are compared with")
    missing_reference: Literal["refuse", "skip", "walker-mean"] = Field(
        "refuse", description="what to do with a walker who has no such walk"
    )
    demo_walkers: int = Field(24, ge=4, le=500, description="synthetic training walkers")
    scheduler: str = Field(
        "",
        pattern=r"^$|^(tcp|tls|ucx|ws|wss|inproc)://",
        description="Dask scheduler whose workers prepare the videos (tcp://HOST:PORT); none: here",
    )
    seed: int = Field(0, ge=0, lt=2**32 - 50, description="start of every random draw")
    # 02 model
    model: str = Field("cnn_lstm", description="name of the model builder")
    l2_strength: float = Field(0.01, ge=0, description="L2 penalty of the Dense 64 layer")
    # 03 training
    pretrained: str = Field(
        "", description="model.keras of a run whose weights to start from; empty: fresh weights"
    )
    learning_rate: float = Field(0.00007, gt=0, description="Adam's step size, as published")
    epochs: int = Field(60, ge=1, description="passes over the training clips at most")
    batch_size: int = Field(4, ge=1, description="clips in one step of the optimiser")
    patience: int = Field(15, ge=1, description="epochs without a better validation loss before the stop")
    augment: bool = Field(
        True, description="vary training clips a little (moment, tempo, place, size, slant, light)"
    )
    class_weights: bool = Field(True, description="weigh emotions by their rarity in training")
    seeds: int = Field(1, ge=1, le=50, description="trainings of each model, from seed on upwards")
    label_form: Literal["hard", "soft"] = Field(
        "hard", description="what to train on: one emotion a video, or the shares of a sheet's raters"
    )
    precision: Literal["float32", "mixed_float16"] = Field(
        "float32", description="numbers to train with; mixed_float16 is faster and needs a GPU"
    )
    tensorboard: bool = Field(False, description="write TensorBoard logs into the run folder")
    # 04 evaluation
    sweep_walkers: int = Field(
        3, ge=0, le=20, description="synthetic walkers whose movements are varied one by one; 0: none"
    )
    leak_lesson: bool = Field(True, description="train once more with a leak, to show what it does")
    num_resamples: int = Field(
        2000, ge=100, le=100_000, description="bootstrap resamples of the test walkers"
    )

    @model_validator(mode="after")
    def _check_folds(self) -> Self:
        if self.folds == 1:
            raise ValueError("Setting 'folds' is 1: expected 0 (a single split) or at least 2")
        return self

    @model_validator(mode="after")
    def _check_channels(self) -> Self:
        if self.num_channels not in (1, 3):
            raise ValueError(
                f"Setting 'num_channels' is {self.num_channels}: expected 1 (grey) or 3 (colour)"
            )
        return self


class ExperimentPlan(BaseModel):
    """What an experiment tries and how it is scored; `gaitlib.search_space.read_plan` builds it.

    Examples
    --------
    >>> ExperimentPlan(name="models", search={"model": ["cnn_lstm"]}).method
    'grid'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=r"^\w[\w .+-]{0,79}$", description="name of the study and of its folder")
    method: Literal["grid", "tpe", "random"] = Field(
        "grid", description="every combination, Optuna's tree-structured Parzen estimator, or by chance"
    )
    trials: int = Field(20, ge=1, le=10000, description="trials of each study; a grid has its own number")
    outer_folds: int = Field(5, ge=2, le=50, description="parts of the walkers; each is tested once")
    inner_folds: int = Field(
        3, ge=0, le=50, description="parts of the remaining walkers that score a trial; 0: nothing is chosen"
    )
    prune: bool = Field(
        True,
        description="give a trial up that is below the median after an inner fold, from the sixth trial on",
    )
    settings: dict[str, Any] = Field({}, description="settings that are the same in all trials")
    search: dict[str, Any] = Field({}, description="settings to try: a list, or low and high")
    candidates: list[dict[str, Any]] = Field([], description="instead of search: the combinations, by name")
    baseline: dict[str, Any] | None = Field(
        None, description="the combination of a grid to compare with; none: the best one"
    )
    storage: str = Field("", description="database URL; empty: a journal in the run folder")


def make_config(profile: str = "standard", **settings: Any) -> RunConfig:
    """Build a validated configuration from a profile and settings that override it.

    Parameters
    ----------
    profile : {"standard", "quick"}
        Set of defaults to start from.
    **settings
        Fields of `RunConfig`.

    Raises
    ------
    InputError
        If the profile or a name is unknown, or a value has the wrong type or range.
    """
    return _validated(RunConfig.model_validate, {**profile_settings(profile), **settings})


def profile_settings(profile: str) -> dict[str, Any]:
    """Return the settings in which a profile differs from the defaults."""
    if profile not in PROFILES:
        raise InputError(f"Unknown profile {profile!r}: expected one of {', '.join(PROFILES)}.")
    return dict(_QUICK) if profile == "quick" else {}


def parse_settings(texts: Mapping[str, str]) -> dict[str, Any]:
    """Turn settings given as text (``epochs=5`` on a command line) into values of their declared types.

    Text settings stay text: an identifier like ``007`` is not turned into a number.

    Raises
    ------
    InputError
        If a name is unknown or a text does not spell a value of the setting's type.
    """
    parsed = _validated(RunConfig.model_validate_strings, dict(texts))
    return {name: getattr(parsed, name) for name in texts}


def _validated(validate: Any, values: dict[str, Any]) -> RunConfig:
    for name in values:
        check_known(name, RunConfig.model_fields)
    try:
        return validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise InputError(f"{first['msg'].removeprefix('Value error, ')}.") from None
        name = ".".join(str(part) for part in first["loc"])
        problem = first["msg"][0].lower() + first["msg"][1:]
        raise InputError(f"Setting {name!r} is {first['input']!r}: {problem}.") from None


def check_known(name: str, known: Any) -> None:
    """Raise an `InputError` with the nearest known name if `name` is not among `known`."""
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else f" Known settings: {', '.join(known)}."
    raise InputError(f"Unknown setting {name!r}.{hint}")
