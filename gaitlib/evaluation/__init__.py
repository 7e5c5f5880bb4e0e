"""Scores as typed objects with intervals over walkers, baselines, calibration, and what a leak is worth."""

from gaitlib.evaluation.judging import Evaluation, evaluate, judge_model, leak_lesson
from gaitlib.evaluation.results import (
    effect_sizes,
    family_ablation,
    git_commit,
    read_evaluation,
    read_results,
    record_step,
    versions,
    write_results,
)
from gaitlib.evaluation.scores import Difference, Predictions, compare_rights, holm, permutation_p, score
