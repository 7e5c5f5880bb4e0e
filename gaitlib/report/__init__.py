"""The run as a whole: commands, notebooks, pages, figures and sentences."""

from gaitlib.report.run import (
    RunRequest,
    check_setup,
    evaluate_run,
    make_experiment,
    make_report,
    ready_model,
    train_run,
)
from gaitlib.report.step import Step, first_screen, show_figure, show_table, show_text
