"""Why a model gives its answer: gait parameters that speak for it, and where a network looks."""

from gaitlib.explain.pages import (
    explain_verdict,
    figure_html,
    paragraph,
    plot_reasons,
    plot_saliency,
    write_html,
)
from gaitlib.explain.reasons import explain_network, gait_reasons, reason_sentence
