"""Networks by name, gait classifiers, baselines; `TrainedModel`, the one thing that answers."""

from gaitlib.models.classifiers import ALONE, BASELINES, feature_families, gait_feature_names, gait_features
from gaitlib.models.networks import (
    GAIT_NAMES,
    NETWORK_NAMES,
    PUBLISHED,
    SKELETON,
    build_model,
    copy_weights,
    list_gpus,
    load_keras,
)
from gaitlib.models.storage import INDEX_NAME, load_trained, save_model
from gaitlib.models.trained import ClipAnswers, TrainedModel, apply_temperature, make_clips
