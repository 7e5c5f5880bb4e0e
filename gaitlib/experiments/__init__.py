"""Experiments: many trainings on walker-disjoint folds, ranked, and the choice tested on held-out walkers."""

from gaitlib.experiments.plan import ExperimentPlan, describe_settings, list_candidates, make_plan, read_plan
from gaitlib.experiments.study import run_experiment
