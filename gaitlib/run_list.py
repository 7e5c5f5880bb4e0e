"""The list of all finished runs, and what every page of a run must say about its data."""

import html
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jinja2.filters import do_urlencode as quoted

from gaitlib.config import CEILINGS, InputError
from gaitlib.files import hold_lock, read_json
from gaitlib.pages import write_page

# By which the list of runs is told from a page of somebody else.
_INDEX_HEADING = "<h1>EmotionGait runs</h1>"


def data_banners(results: Mapping[str, Any]) -> list[str]:
    """Return the sentences that every page of a run must carry."""
    data, banners = results["data"], []
    if data["is_demo"]:
        banners.append(
            "Synthetic walkers: the people in these videos were drawn by a program. The scores show that "
            "the method works on such videos, not how well it reads real people."
        )
    if data["shared_walkers"]:
        banners.append(
            "Walkers are shared between training and test "
            f"({', '.join(data['shared_walkers'])}): the scores do not hold for unseen people."
        )
    return banners


def write_index(reports_dir: Path) -> None:
    """Write `index.html`, the list of all finished runs, newest first, with their scores."""
    with hold_lock(reports_dir / "index.html", "Another run is renewing the list of runs.", wait=True):
        _write_index(reports_dir)


def _write_index(reports_dir: Path) -> None:
    page = reports_dir / "index.html"
    if page.exists() and _INDEX_HEADING not in page.read_text(encoding="utf-8", errors="replace"):
        print(f"{page} is not a list of runs and stays as it is.")
        return
    runs = []
    for path in reports_dir.glob("*/results.json"):
        if (path.parent / "index.html").exists():
            with suppress(InputError, KeyError, TypeError, AttributeError, ValueError):  # not of this program
                results = read_json(path)
                runs.append((str(results["created"]), _index_row(results, path.parent.name)))
    runs.sort(reverse=True)
    rows = "".join(row for _, row in runs)
    head = "".join(
        f'<th scope="col">{text}</th>'
        for text in ("Run", "Made", "Data", "Model", "Accuracy", "95 % interval", "Best baseline")
    )
    body = (
        f'{_INDEX_HEADING}<div class="output_subarea"><table><caption>All finished runs, newest '
        f"first; accuracy per video on unseen walkers.</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )
    write_page(
        reports_dir / "index.html", "Runs", body, [], [], f"{len(runs)} run{'s' if len(runs) != 1 else ''}."
    )


def _index_row(results: Mapping[str, Any], name: str) -> str:
    if results.get("kind") == "experiment":
        return _experiment_row(results, name)
    test = results["test"]
    low, high = test["accuracy_ci95"]
    rivals = [item for item in test["baselines"].items() if item[0] not in CEILINGS]
    best, entry = max(rivals, key=lambda item: item[1]["accuracy"])
    data = "synthetic walkers" if results["data"]["is_demo"] else "videos"
    number = test["num_videos"]
    data = f"{number} test videos" if data == "videos" else f"{data}, {number} test videos"
    score = f"{test['accuracy']:.1%}", f"{low:.1%} to {high:.1%}", f"{best} {entry['accuracy']:.1%}"
    return _row(results, name, data, results["config"]["model"], *score)


def _experiment_row(results: Mapping[str, Any], name: str) -> str:
    """Return the row of an experiment: the score on strangers, or else that of the best candidate."""
    best = results["ranking"][0]
    test, model = results.get("nested", {}), "chosen by a search"
    if "accuracy" not in test:
        test, model = best, f"best of {results['num_trials']}: {best['label']}"
    low, high = test["accuracy_ci95"]
    number = results["data"]["all"]["num_videos"]
    data = f"{'synthetic walkers, ' if results['data']['is_demo'] else ''}{number} videos"
    return _row(results, name, data, model, f"{test['accuracy']:.1%}", f"{low:.1%} to {high:.1%}", "")


def _row(results: Mapping[str, Any], name: str, *texts: str) -> str:
    cells = [f'<a href="{quoted(name)}/index.html">{html.escape(name)}</a>']
    cells += [html.escape(text) for text in (results["created"].replace("T", " ")[:16], *texts)]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
