"""Why a model gives its answer: gait parameters that speak for it, and where a network looks."""

from gaitlib.explain.reasons import (
    explain_network,
    explain_verdict,
    figure_html,
    gait_reasons,
    paragraph,
    plot_reasons,
    plot_saliency,
    reason_sentence,
)
