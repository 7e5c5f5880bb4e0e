"""How somebody walks in physical terms: parameters of each walking bout, and what gait classifiers read."""

from gaitlib.gait.features import box_features, feature_families, gait_feature_names, gait_features
from gaitlib.gait.measuring import (
    GAIT_PARAMETERS,
    gait_parameters,
    measure_gait,
    seen_proportions,
    step_events,
)
