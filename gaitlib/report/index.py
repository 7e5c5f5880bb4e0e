"""The list of all finished runs, in which two can be compared."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from gaitlib.config import CEILINGS
from gaitlib.errors import InputError
from gaitlib.files import hold_lock, read_json
from gaitlib.report.export import write_page
from gaitlib.report.figures import spelled

# By which the list of runs is told from a page of somebody else.
_HEADING = "<h1>EmotionGait runs</h1>"
# Of older runs the single answers are left out, which a paired comparison needs.
_NUM_COMPARED = 50
_SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "num_videos", "num_walkers")
_BODY = f"""{_HEADING}
<div class="output_subarea"><table id="list"><caption>All finished runs, newest first; accuracy per video on
held-out walkers</caption></table></div>
<h2>Compare two runs</h2>
<p><label>First <select id="one"></select></label> <label>Second <select id="other"></select></label></p>
<div id="comparison" class="output_subarea" aria-live="polite"></div>"""


def run_banners(results: Mapping[str, Any]) -> list[str]:
    """Return the sentences that every page of a run must carry."""
    data, banners = results["data"], []
    if data["is_demo"]:
        banners.append(
            "Synthetic walkers: the people in these videos were drawn by a program. The scores show that the "
            "method works on such videos, not how well it reads real people."
        )
    if data["shared_walkers"]:
        names = ", ".join(data["shared_walkers"])
        banners.append(
            f"Walkers are in training and test ({names}): the scores do not hold for unseen people."
        )
    return banners


def write_index(reports_dir: Path) -> None:
    """Write `index.html`, the list of all finished runs, newest first; two can be compared."""
    page = reports_dir / "index.html"
    with hold_lock(page, "Another run is renewing the list of runs.", wait=True):
        if page.exists() and _HEADING not in page.read_text(encoding="utf-8", errors="replace"):
            print(f"{page} is not a list of runs and stays as it is.")
            return
        runs = []
        for path in reports_dir.glob("*/results.json"):
            if (path.parent / "index.html").exists():
                # Not of this program, or of another version of it.
                with suppress(InputError, OSError, KeyError, TypeError, AttributeError, ValueError):
                    runs.append(_describe(read_json(path), path.parent))
        runs.sort(key=lambda run: run["created"], reverse=True)
        for run in runs[_NUM_COMPARED:]:
            run["rights"] = {}
        data = json.dumps(runs).replace("<", "\\u003c")
        write_page(page, "Runs", _BODY, {}, footer=f"{len(runs)} run{'s' * (len(runs) != 1)}.", data=data)


def _describe(results: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return what the list tells of a run, and what two runs are compared by."""
    data, chosen = results["data"], results.get("chosen", "")
    model = spelled(chosen) if chosen else f"best of {results['num_trials']} trials"
    test: Mapping[str, Any] = results["test"] if chosen else results.get("nested") or {}
    test = test if "accuracy" in test else results["ranking"][0]
    baselines = [(one["accuracy"], name) for name, one in test.get("baselines", {}).items()]
    no_rivals = (*CEILINGS, chosen)
    best = max((one for one in baselines if one[1] not in no_rivals), default=(0.0, ""))
    low, high = test["accuracy_ci95"]
    kind = "synthetic walkers" if data["is_demo"] else "walkers"
    return {
        "name": folder.name,
        "created": str(results["created"]),
        "model": model,
        "accuracy": float(test["accuracy"]),
        "interval": f"{100 * low:.1f} to {100 * high:.1f}",
        "best": f"{spelled(best[1])} {100 * best[0]:.1f}" if best[1] else "",
        "scores": {name: round(test[name], 4) for name in _SCORES if name in test},
        "data": {
            "videos": f"{data['all']['num_videos']} of {data['all']['num_walkers']} {kind}",
            **{name: data.get(name, "") for name in ("body", "fingerprint")},
        },
        "settings": dict(results.get("config", {})),
        "rights": _rights(folder) if chosen else {},
    }


def _rights(folder: Path) -> dict[str, tuple[str, int]]:
    """Return walker and whether it was recognised, by video."""
    table = pd.read_csv(folder / "predictions.csv", keep_default_na=False, dtype=str)
    is_right = (table["emotion"] == table["predicted"]).astype(int)
    return dict(zip(table["video"], zip(table["walker"], is_right, strict=True), strict=True))
