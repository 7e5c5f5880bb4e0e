"""Scores as typed objects with intervals over walkers, baselines, calibration, and what a leak is worth."""

# ruff: noqa: F401
from gaitlib.evaluation.calibration import Calibration, coverage_table, reliability_table
from gaitlib.evaluation.effects import effect_sizes, family_ablation, gait_table
from gaitlib.evaluation.intervals import Difference, compare_rights, holm
from gaitlib.evaluation.judging import judge_model
from gaitlib.evaluation.leak_lesson import leak_lesson
from gaitlib.evaluation.provenance import git_commit, record_step, step_durations, versions
from gaitlib.evaluation.results import Evaluation, evaluate, read_evaluation, read_results, write_results
from gaitlib.evaluation.scores import Predictions, Scores, score
