"""The run as a whole: commands, notebooks, pages, figures and sentences."""

from gaitlib.report.run import RunRequest, make_experiment, make_report
