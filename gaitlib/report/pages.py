"""Pages that open offline: those of a run, and the list of all runs."""

import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from gaitlib.config import CEILINGS, make_config
from gaitlib.errors import InputError
from gaitlib.files import hold_lock, read_json, show_name, write_html

Page = tuple[str, str]  # title and HTML body
_FILES = (".csv", ".db", ".h5", ".ipynb", ".json", ".keras")
_SYNTHETIC = "Synthetic walkers, drawn by a program: the scores do not hold for real people."
# By which the list of runs is told from a page of somebody else.
_HEADING = "<h1>EmotionGait runs</h1>"
_SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "num_videos", "num_walkers")


def spelled(name: str) -> str:
    """Return a name with blanks in the place of underscores."""
    return name.replace("_", " ")


def write_pages(exports: Mapping[str, Page], results: Mapping[str, Any], work: Path, name: str) -> None:
    """Write a page for each notebook (title and body by name); the last one is the ``index.html``, too."""
    report = list(exports)[-1]
    lessons = {f"{notebook}.html": spelled(notebook) for notebook in exports if notebook != report}
    names = ", ".join(results["data"]["shared_walkers"])
    shared = f"Walkers are in training and test ({names}): the scores do not hold for unseen people."
    texts: dict[str, Any] = {
        "links": {"index.html": "Results", **lessons, "../index.html": "All runs"},
        "banners": [_SYNTHETIC] * results["data"]["is_demo"] + [shared] * bool(names),
        "footer": f"Run {name}, {results['created']}, data fingerprint {results['data']['fingerprint']}.",
    }
    files = sorted(path.name for path in work.iterdir() if path.suffix in _FILES)
    for notebook, (title, body) in exports.items():
        if notebook == report:
            texts |= {"files": files, "command": shlex.join(["gaitlib", *sys.argv[1:]])}
            write_html(work / "index.html", title=title, body=body, **texts)
        write_html(work / f"{notebook}.html", title=title, body=body, **texts)


def write_index(reports_dir: Path) -> None:
    """Write `index.html`: the table of all finished runs, newest first, two of which can be compared."""
    page, runs = reports_dir / "index.html", []
    with hold_lock(page, "Another run is renewing the list of runs.", wait=True):
        if page.exists() and _HEADING not in page.read_text(encoding="utf-8", errors="replace"):
            print(f"{page} is not a list of runs and stays as it is.")
            return
        for path in reports_dir.glob("*/index.html"):
            # Not of this program, or of another version of it.
            with suppress(InputError, OSError, KeyError, TypeError, AttributeError, ValueError):
                runs.append(_describe(path.parent))
        runs.sort(key=lambda run: run["made"], reverse=True)
        footer = f"{len(runs)} run{'s' * (len(runs) != 1)}."
        write_html(page, "runs.html.j2", title="Runs", runs=runs, footer=footer)


def _describe(folder: Path) -> dict[str, Any]:
    """Return what the list tells of a run or an experiment, and what two of them are compared by."""
    results, rights = read_json(folder / "results.json"), {}
    data, chosen, settings = results["data"], results.get("chosen", ""), results.get("config", {})
    test = results["test"] if chosen else results.get("nested") or results["ranking"][0]
    if chosen:
        table = pd.read_csv(folder / "predictions.csv", keep_default_na=False, dtype=str)
        is_right = (table["emotion"] == table["predicted"]).astype(int)
        rights = dict(zip(table["video"], zip(table["walker"], is_right, strict=True), strict=True))
    baselines = test.get("baselines", {})
    rivals = {name: baselines[name]["accuracy"] for name in baselines if name not in (*CEILINGS, chosen)}
    best = max(rivals, key=rivals.__getitem__, default="")
    changed = settings.items() - make_config().model_dump().items()
    (low, high), seen = test["accuracy_ci95"], data["all"]
    compared = {
        "name": folder.name,
        "scores": {name: test[name] for name in _SCORES if name in test},
        "data": {name: data.get(name, "") for name in ("body", "fingerprint")},
        "settings": settings,
        "rights": rights,
    }
    return {
        "name": show_name(folder.name),
        "link": f"{quote(folder.name)}/index.html",
        "made": str(results["created"])[:16].replace("T", " "),
        "videos": f"{seen['num_videos']} of {seen['num_walkers']} {'synthetic ' * data['is_demo']}walkers",
        "model": spelled(chosen) if chosen else f"best of {results['num_trials']} trials",
        "accuracy": f"{100 * test['accuracy']:.1f}",
        "interval": f"{100 * low:.1f} to {100 * high:.1f}",
        "baseline": f"{spelled(best)} {100 * rivals[best]:.1f}" if best else "",
        "settings": ", ".join(sorted(f"{name} {value}" for name, value in changed)),
        "compared": compared,
    }
