"""The run as a whole: commands, notebooks, pages, figures and sentences."""

from gaitlib.report.showing import show_figure, show_table, show_text
from gaitlib.report.step import Step

__all__ = ["Step", "show_figure", "show_table", "show_text"]
