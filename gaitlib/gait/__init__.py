"""How somebody walks in physical terms: parameters of each walking bout, and what gait classifiers read."""

from gaitlib.gait.features import (
    bout_features,
    box_features,
    feature_families,
    gait_feature_names,
    gait_features,
)
from gaitlib.gait.measuring import GAIT_PARAMETERS, gait_parameters, measure_gait, seen_foot_legs, step_events
