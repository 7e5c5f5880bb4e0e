"""How somebody walks in physical terms: parameters of each walking bout."""

from gaitlib.gait.measuring import GAIT_PARAMETERS, gait_parameters, measure_gait, proportions, step_events
