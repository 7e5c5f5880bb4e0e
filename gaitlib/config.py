"""Every setting of a run, with its default, in one frozen and validated object."""

from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from gaitlib.errors import InputError, UsageError

Body = Literal["keypoints", "silhouette"]
# Networks of frames, classifiers of gait parameters.
NetworkName = Literal["cnn_lstm", "cnn_lstm_timedistributed"]
GaitName = Literal["gait_logistic", "gait_forest", "gait_ensemble", "gait_alone"]

# References rather than rivals: they know what no video shows, and only chance lets a model beat them.
CEILINGS = ("rater_ceiling", "oracle")

# The settings in which a profile differs from the defaults.
PROFILES: dict[str, dict[str, Any]] = {
    "standard": {},
    # Enough to see the whole job work, too little to learn much.
    "quick": {"demo_walkers": 6, "epochs": 3, "max_clips_per_video": 3},
    # The publication to the letter.
    "published": {
        **{"model": "cnn_lstm", "learning_rate": 7e-5, "epochs": 60, "patience": 60},
        **{"augment": False, "class_weights": False, "crop": "frame"},
    },
}


class RunConfig(BaseModel, frozen=True, extra="forbid", strict=True, allow_inf_nan=False):
    """All settings of one run; immutable, and built by `make_config`."""

    # 01 preprocessing
    body: Literal["auto", Body] = Field("auto", description="how walkers are found; auto: by what is seen")
    crop: Literal["auto", "skeleton", "silhouette", "square", "frame"] = Field(
        "auto", description="what a frame of a clip shows; auto: skeleton with keypoints, else silhouette"
    )
    frame_rate_hz: float = Field(15.0, ge=4, le=120, description="frames per second taken from every video")
    num_frames: int = Field(30, ge=2, le=600, description="frames per clip")
    frame_size: int = Field(48, ge=16, le=512, description="height and width of a frame, pixels")
    num_channels: int = Field(1, description="1 grey, 3 colour")
    face_right: bool = Field(True, description="mirror clips of walkers who go left, except whole frames")
    clip_stride: int = Field(8, ge=1, description="frames between the starts of two clips")
    max_clips_per_video: int = Field(6, ge=1, description="clips taken from a video at most")
    validation_fraction: float = Field(0.2, gt=0, le=0.5, description="share that chooses the epoch")
    test_fraction: float = Field(0.25, gt=0, le=0.5, description="share held out if there is no test folder")
    folds: int = Field(0, ge=0, le=50, description="folds of a cross-validation over walkers; 0: one split")
    relative_to: Literal["none", "reference", "walker-mean"] = Field(
        "none", description="what a walk is compared with: nothing, one walk or all walks of the same person"
    )
    reference_emotion: str = Field("neutral", description="emotion of the reference walk")
    demo_walkers: int = Field(10, ge=4, le=500, description="synthetic training walkers")
    scheduler: str = Field("", pattern="^$|^[a-z]+://", description="Dask scheduler that trains; empty: here")
    seed: int = Field(0, ge=0, lt=2**32 - 50, description="seed of every random draw")
    # 02 model
    model: Literal["auto", NetworkName, "skeleton_gru", GaitName] = Field(
        "auto", description="name of the model; auto: chosen by inner folds of walkers"
    )
    l2_strength: float = Field(0.01, ge=0, description="L2 penalty of the Dense 64 layer")
    # 03 training
    learning_rate: float = Field(0.001, gt=0, description="Adam's learning rate; published: 0.00007")
    epochs: int = Field(10, ge=1, description="passes over the training clips at most")
    batch_size: int = Field(8, ge=1, description="clips per step of the optimiser")
    patience: int = Field(4, ge=1, description="epochs without a better validation loss before the stop")
    augment: bool = Field(True, description="vary training clips a little")
    class_weights: bool = Field(True, description="weight emotions by their rarity in training")
    seeds: int = Field(1, ge=1, le=50, description="trainings of each model, with seeds from seed upwards")
    label_form: Literal["hard", "soft"] = Field("hard", description="one emotion, or the shares of raters")
    # 04 evaluation
    leak_lesson: bool = Field(True, description="train once more on a leaking split, to show what it does")
    num_resamples: int = Field(2000, ge=100, le=100_000, description="bootstrap resamples of walkers")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.folds == 1:
            raise ValueError("Setting 'folds' is 1: expected 0 (one split) or at least 2")
        if self.num_channels not in (1, 3):
            raise ValueError(f"Setting 'num_channels' is {self.num_channels}: expected 1 or 3 colours")
        if "skeleton" in self.crop + self.model and self.body == "silhouette":
            raise ValueError("A skeleton as 'crop' or 'model' needs body 'keypoints' or 'auto'")
        return self


def resolve_body(config: RunConfig, body: Body) -> RunConfig:
    """Return the settings with `body` decided, and with the crop that goes with it."""
    if "skeleton" in config.crop + config.model and body == "silhouette":
        raise InputError("In most videos nobody could be recognised: set crop and model without skeleton.")
    default = "skeleton" if body == "keypoints" else "silhouette"
    crop = default if config.crop == "auto" else config.crop
    return config.model_copy(update={"body": body, "crop": crop})


def make_config(profile: str = "standard", /, **settings: Any) -> RunConfig:
    """Return one of the `PROFILES` with `settings` in place of its own; ``"5"`` is read as 5.

    Raises a `UsageError` that names the setting which does not exist or cannot have its value.
    """
    if profile not in PROFILES:
        raise UsageError(f"Unknown profile {profile!r}: expected one of {', '.join(PROFILES)}.")
    if unknown := settings.keys() - RunConfig.model_fields:
        known = ", ".join(RunConfig.model_fields)
        raise UsageError(f"Unknown setting {min(unknown)!r}: expected one of {known}.")
    values = {**PROFILES[profile], **settings}
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    try:
        parsed = RunConfig.model_validate_strings(texts).model_dump(exclude_unset=True)
        return RunConfig(**{**values, **parsed})
    except ValidationError as error:
        first = error.errors()[0]
    problem = first["msg"].removeprefix("Value error, ")
    if first["loc"]:  # the fault of one setting
        problem = f"Setting {first['loc'][0]!r} is {first['input']!r}: {problem[0].lower()}{problem[1:]}"
    raise UsageError(f"{problem}.")
