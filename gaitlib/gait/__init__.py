"""How somebody walks in physical terms: parameters of each walking bout, and what gait classifiers read."""

from gaitlib.gait.features import (
    bout_features,
    box_features,
    feature_families,
    gait_feature_names,
    gait_features,
    speed_feature,
)
from gaitlib.gait.measuring import (
    GAIT_PARAMETERS,
    cadence_steps_per_min,
    gait_parameters,
    measure_gait,
    step_events,
)

__all__ = [
    "GAIT_PARAMETERS",
    "bout_features",
    "box_features",
    "cadence_steps_per_min",
    "feature_families",
    "gait_feature_names",
    "gait_features",
    "gait_parameters",
    "measure_gait",
    "speed_feature",
    "step_events",
]
