"""The first screen of a report: the question's answer, three things to know, the walkers, the ladder."""

from html import escape
from pathlib import Path

from IPython.display import HTML

from gaitlib.config import RunConfig
from gaitlib.data import RunData
from gaitlib.evaluation import Evaluation
from gaitlib.report.sentences import (
    caution,
    data_sentence,
    headline,
    ladder_table,
    percent,
    what_it_reads,
)
from gaitlib.report.showing import load_pictures, pictures_html, table_html


def first_screen(evaluation: Evaluation, data: RunData, config: RunConfig, run_dir: Path) -> HTML:
    """Return what a reader sees first; the pictures are those that earlier notebooks have shown."""
    answer, walkers = (
        pictures_html(load_pictures(run_dir / "figures", name)[0]) for name in ("answer", "walkers")
    )
    things = {
        "Data": data_sentence(data, config),
        "Caution": caution(evaluation, data),
        "What it reads": what_it_reads(evaluation),
    }
    items = "".join(f"<li><strong>{name}.</strong> {escape(text)}</li>" for name, text in things.items())
    ladder = ladder_table(evaluation).drop(columns="what it reads")
    ladder["model's lead, points"] = ladder["model's lead, points"].str.partition(" ")[0]
    table = table_html(ladder, "Model and baselines on the same held-out walkers")
    return HTML(
        f'<section class="first-screen"><div><p class="headline"><b>{percent(evaluation.test.accuracy)}</b>'
        f"{escape(headline(evaluation, config))}</p>{answer}<ul>{items}</ul></div>"
        f'<div class="output_subarea">{table}</div><div class="strip">{walkers}</div></section>'
    )
