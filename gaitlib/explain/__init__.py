"""Why a model gives its answer: gait parameters that speak for it, and where a network looks."""

from gaitlib.explain.pages import figure_html, paragraph, write_html
from gaitlib.explain.reasons import (
    explain_network,
    explain_verdict,
    gait_reasons,
    plot_reasons,
    plot_saliency,
    reason_sentence,
)
