"""Pages that open offline: those of a run, and the list of all runs."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import pandas as pd
from markupsafe import Markup
from pygments.formatters import HtmlFormatter

from gaitlib.config import CEILINGS, make_config
from gaitlib.errors import InputError
from gaitlib.files import hold_lock, read_json, show_name, write_aside

Page = tuple[str, str]  # title and HTML body
_TEMPLATES = Path(__file__).parent / "templates"
_FILES = (".csv", ".db", ".h5", ".ipynb", ".json", ".keras")
_SYNTHETIC = "Synthetic walkers, drawn by a program: the scores do not hold for real people."
# By which the list of runs is told from a page of somebody else.
_HEADING = "<h1>EmotionGait runs</h1>"
# Of older runs the single answers are left out, which a paired comparison needs.
_NUM_COMPARED = 50
_SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "num_videos", "num_walkers")
_COMPARISON = """<h2>Compare two runs</h2>
<p><label>First <select id="one"></select></label> <label>Second <select id="other"></select></label></p>
<div id="comparison" class="output_subarea" aria-live="polite"></div>"""
_CAPTION = "All finished runs: accuracy per video on held-out walkers, and settings other than the defaults"


def spelled(name: str) -> str:
    """Return a name with blanks in the place of underscores."""
    return name.replace("_", " ")


def write_page(
    path: Path,
    title: str,
    body: str,
    links: Mapping[str, str],
    banners: Sequence[str] = (),
    footer: str = "",
    runs: str = "",
) -> None:
    """Write a page around a body that is HTML already; all else is escaped, such as `links` by file name.

    `runs` is JSON for the script that compares runs.
    """
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True)
    css = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    names = ["page.js"] + ["compare.js"] * bool(runs)
    script = "\n".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in names)
    css += HtmlFormatter(style="xcode").get_style_defs(".highlight")
    html = {"body": Markup(body), "css": Markup(css), "script": Markup(script), "runs": Markup(runs)}
    texts = {"title": title, "links": links, "here": path.name, "banners": banners, "footer": footer}
    with write_aside(path) as aside:
        page = environment.get_template("page.html.j2").render(**html, **texts)
        aside.write_text(page, encoding="utf-8")


def write_pages(exports: Mapping[str, Page], results: Mapping[str, Any], work: Path, name: str) -> None:
    """Write a page for each notebook (title and body by name); the last one is the ``index.html``, too."""
    report = list(exports)[-1]
    lessons = {f"{notebook}.html": spelled(notebook) for notebook in exports if notebook != report}
    links = {"index.html": "Results", **lessons, "../index.html": "All runs"}
    footer = f"Run {name}, {results['created']}, data fingerprint {results['data']['fingerprint']}."
    names = ", ".join(results["data"]["shared_walkers"])
    shared = f"Walkers are in training and test ({names}): the scores do not hold for unseen people."
    banners = [_SYNTHETIC] * results["data"]["is_demo"] + [shared] * bool(names)
    files = sorted(path.name for path in work.iterdir() if path.suffix in _FILES)
    items = "".join(f'<li><a href="{quote(file)}">{escape(file)}</a></li>' for file in files)
    command = f'<pre class="command">{escape(shlex.join(["gaitlib", *sys.argv[1:]]))}</pre>'
    end = f"<h2>Files and command</h2><ul>{items}</ul><p>The command that made this report:</p>{command}"
    for target, notebook in [*((f"{one}.html", one) for one in exports), ("index.html", report)]:
        title, body = exports[notebook]
        page = body + end * (notebook == report)
        write_page(work / target, title, page, links, banners, footer)


def write_index(reports_dir: Path) -> None:
    """Write `index.html`: the table of all finished runs, newest first, two of which can be compared."""
    page = reports_dir / "index.html"
    with hold_lock(page, "Another run is renewing the list of runs.", wait=True):
        if page.exists() and _HEADING not in page.read_text(encoding="utf-8", errors="replace"):
            print(f"{page} is not a list of runs and stays as it is.")
            return
        found = []
        for path in reports_dir.glob("*/index.html"):
            # Not of this program, or of another version of it.
            with suppress(InputError, OSError, KeyError, TypeError, AttributeError, ValueError):
                found.append((_describe(path.parent), _compared(path.parent)))
        found.sort(key=lambda pair: pair[0]["Made"], reverse=True)
        table = pd.DataFrame([row for row, _ in found]).to_html(index=False, escape=False, border=0)
        table = table.replace(">", f' id="list"><caption>{_CAPTION}</caption>', 1)
        data = json.dumps([run for _, run in found[:_NUM_COMPARED]]).replace("<", "\\u003c")
        body = f'{_HEADING}<div class="output_subarea">{table}</div>{_COMPARISON}'
        write_page(page, "Runs", body, {}, footer=f"{len(found)} run{'s' * (len(found) != 1)}.", runs=data)


def _compared(folder: Path) -> dict[str, Any]:
    """Return what two runs are compared by; of each video walker and whether it was recognised."""
    results, rights = read_json(folder / "results.json"), {}
    if "chosen" in results:
        table = pd.read_csv(folder / "predictions.csv", keep_default_na=False, dtype=str)
        is_right = (table["emotion"] == table["predicted"]).astype(int)
        rights = dict(zip(table["video"], zip(table["walker"], is_right, strict=True), strict=True))
    test = results.get("test", {})
    return {
        "name": folder.name,
        "scores": {name: test[name] for name in _SCORES if name in test},
        "data": {name: results["data"].get(name, "") for name in ("body", "fingerprint")},
        "settings": results.get("config", {}),
        "rights": rights,
    }


def _describe(folder: Path) -> dict[str, str]:
    """Return what the list tells of a run or an experiment, as HTML by column."""
    results = read_json(folder / "results.json")
    data, chosen = results["data"], results.get("chosen", "")
    test = results["test"] if chosen else results.get("nested") or {}
    test = test if "accuracy" in test else results["ranking"][0]
    scores = {name: one["accuracy"] for name, one in test.get("baselines", {}).items()}
    rivals = {spelled(name): scores[name] for name in scores.keys() - {*CEILINGS, chosen}}
    best = max(rivals, key=rivals.__getitem__, default="")
    changed = results.get("config", {}).items() - make_config().model_dump().items()
    (low, high), seen = test["accuracy_ci95"], data["all"]
    row = {
        "Made": str(results["created"])[:16].replace("T", " "),
        "Videos": f"{seen['num_videos']} of {seen['num_walkers']} {'synthetic ' * data['is_demo']}walkers",
        "Model": spelled(chosen) if chosen else f"best of {results['num_trials']} trials",
        "Accuracy, %": f"{100 * test['accuracy']:.1f}",
        "95 % interval": f"{100 * low:.1f} to {100 * high:.1f}",
        "Best baseline": f"{best} {100 * rivals[best]:.1f}" if best else "",
        "Settings": ", ".join(sorted(f"{name} {value}" for name, value in changed)),
    }
    link = f'<a href="{quote(folder.name)}/index.html">{escape(show_name(folder.name))}</a>'
    return {"Run": link, **{name: escape(text) for name, text in row.items()}}
