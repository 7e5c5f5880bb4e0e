"""The run as a whole: commands, notebooks, pages, figures and sentences.

What notebooks show lies in `step`, `figures` and `sentences`, what needs no notebook in `direct`.
"""

from gaitlib.report.run import RunRequest, make_experiment, make_report
