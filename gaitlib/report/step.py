"""What every notebook does around its lessons: check its parameters, show, keep what it has shown."""

import time
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gaitlib.config import RunConfig, make_config
from gaitlib.data import RunData, load_data, prepare_data
from gaitlib.errors import InputError
from gaitlib.evaluation import Evaluation, record_step, versions
from gaitlib.explain import figure_html, paragraphs
from gaitlib.files import project_path, read_json, write_aside, write_json
from gaitlib.models import list_gpus
from gaitlib.report.sentences import caution, data_sentence, headline, ladder_table, percent, what_it_reads

_NEEDED = ("run_dir", "videos", "videos_test")


class Step:
    """One notebook's place in a run: what its parameters cell annotates, the run folder, and a clock.

    Settings of earlier notebooks come from the run folder.
    """

    def __init__(self, name: str, parameters: Mapping[str, Any]):
        values = {key: parameters[key] for key in parameters.get("__annotations__", {})}
        settings = {key: value for key, value in values.items() if key in RunConfig.model_fields}
        self._paths = {key: value for key, value in values.items() if key not in settings}
        for key, value in self._paths.items():
            if not isinstance(value, str) or (key in _NEEDED and not value.strip()):
                raise InputError(f"Parameter {key!r} is {value!r}: name a file or folder (papermill -r).")
        self.name, self._start = name, time.perf_counter()
        self.run_dir = project_path(self._paths["run_dir"])
        stored = self.run_dir / "config.json"
        self.config = make_config(**{**(read_json(stored) if stored.exists() else {}), **settings})
        (self.run_dir / "figures").mkdir(parents=True, exist_ok=True)
        write_json(stored, self.config.model_dump())

    def check(self, with_device: bool = True) -> pd.DataFrame:
        """Return versions, and the device unless nothing here needs it: to ask TensorFlow takes seconds."""
        rows = versions() | ({"device": next(iter(list_gpus()), "CPU")} if with_device else {})
        return pd.DataFrame({"what": rows.keys(), "value": rows.values()})

    def data(self) -> RunData:
        """Return the videos that notebook 01 prepared in this run folder; prepare them if it did not run."""
        if self.name != "01_preprocessing" and (self.run_dir / "data.json").exists():
            return load_data(self.run_dir)
        if "videos" not in self._paths:
            raise InputError(f"{self.run_dir} holds no prepared videos: run 01_preprocessing first.")
        videos, videos_test = (project_path(self._paths[name]) for name in ("videos", "videos_test"))
        labels = project_path(self._paths["labels"]) if self._paths["labels"] else None
        data = prepare_data(videos, videos_test, self.config, labels)
        data.save(self.run_dir)
        self.config = data.config
        return data

    def show(self, figure: Figure | Axes, name: str, reading: str = "", alt: str = "") -> None:
        """Display a figure, described by `alt`, and what it says (`reading`); keep both for `show_again`."""
        whole: Any = figure.figure if isinstance(figure, Axes) else figure
        html, png = figure_html(whole, alt)
        with write_aside(self.run_dir / "figures" / f"{name}.png") as aside:
            aside.write_bytes(png)
        self.show_html(html + paragraphs(reading), name)

    def show_html(self, html: str, name: str) -> None:
        """Display what is HTML already, such as moving clips, and keep it as `name` for `show_again`."""
        if html:
            write_json(self.run_dir / "figures" / "shown.json", {**_shown(self.run_dir), name: html})
            display(HTML(html))

    def show_again(self, name: str, otherwise: str = "") -> None:
        """Display what an earlier notebook of the run has shown; a sentence where it showed nothing."""
        display(HTML(_shown(self.run_dir).get(name) or paragraphs(otherwise)))

    def finish(self) -> str:
        """Note that the notebook has reached its end; return what to say about it."""
        record_step(self.run_dir, self.name, time.perf_counter() - self._start)
        return f"{self.name} done."


def _shown(run_dir: Path) -> dict[str, str]:
    path = run_dir / "figures" / "shown.json"
    return read_json(path) if path.exists() else {}


def _table_html(table: pd.DataFrame, caption: str, decimals: int = 2) -> str:
    table = table.rename(columns=lambda name: str(name).replace("_", " "))
    html = table.to_html(index=False, border=0, na_rep="", float_format=f"{{:.{decimals}f}}".format)
    return html.replace(">", f"><caption>{escape(caption)}</caption>", 1)


def show_figure(figure: Figure) -> None:
    """Display a figure with its description and caption, without keeping it."""
    display(HTML(figure_html(figure)[0]))


def show_table(table: pd.DataFrame, caption: str, decimals: int = 2) -> None:
    """Display a table with its caption; texts from users are escaped."""
    display(HTML(_table_html(table, caption, decimals)))


def show_text(*sentences: str) -> None:
    """Display sentences as paragraphs; empty ones are left out, texts from users are escaped."""
    if any(sentences):
        display(HTML(paragraphs(*sentences)))


def first_screen(evaluation: Evaluation, data: RunData, config: RunConfig, run_dir: Path) -> HTML:
    """Return what a reader sees first: the answer, three things to know, the ladder, the walkers."""
    answer, strip = (_shown(run_dir).get(name, "") for name in ("answer", "walkers"))
    things = data_sentence(data, config), caution(evaluation, data), what_it_reads(evaluation)
    items = "".join(f"<li>{escape(text)}</li>" for text in things)
    ladder = ladder_table(evaluation).drop(columns="what it reads")
    ladder["model's lead, points"] = ladder["model's lead, points"].str.partition(" ")[0]
    table = _table_html(ladder, "Model and baselines on the same held-out walkers", decimals=1)
    return HTML(
        f'<section class="first-screen"><div><p class="headline"><b>{percent(evaluation.test.accuracy)}</b>'
        f"{escape(headline(evaluation, config))}</p>{answer}<ul>{items}</ul></div>"
        f'<div class="output_subarea">{table}</div><div class="strip">{strip}</div></section>'
    )
