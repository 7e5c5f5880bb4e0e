"""Run ``python -m gaitlib``."""

from gaitlib.cli import main

main()
