"""Why a model gives its answer: gait parameters that speak for it, saliency, sweeps of drawn walkers."""

from gaitlib.explain.pages import (
    explain_verdict,
    figure_html,
    paragraph,
    plot_reasons,
    plot_saliency,
    plot_sweeps,
    write_html,
)
from gaitlib.explain.reasons import (
    describe_sweeps,
    explain_network,
    gait_reasons,
    reason_sentence,
    sweep_movements,
)
