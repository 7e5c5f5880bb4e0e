"""Why a model gives its answer: gait parameters that speak for it, saliency, sweeps of drawn walkers."""

from gaitlib.explain.figures import plot_reasons, plot_saliency, plot_sweeps
from gaitlib.explain.page import agreement_sentence, explain_network, explain_video
from gaitlib.explain.reasons import gait_reasons, reason_sentence
from gaitlib.explain.saliency import ExplainedClip, explain_clip
from gaitlib.explain.sweeps import describe_sweeps, sweep_movements

__all__ = [
    "ExplainedClip",
    "agreement_sentence",
    "describe_sweeps",
    "explain_clip",
    "explain_network",
    "explain_video",
    "gait_reasons",
    "plot_reasons",
    "plot_saliency",
    "plot_sweeps",
    "reason_sentence",
    "sweep_movements",
]
