"""Make the example page, its picture and the README's scores: python docs/make_example.py reports/example."""

import os
import platform
import re
import shutil
import sys
from pathlib import Path

import pandas as pd

from gaitlib.export import export_notebook
from gaitlib.files import read_json
from gaitlib.pages import write_page
from gaitlib.report import REPORT_NOTEBOOK
from gaitlib.run_list import data_banners
from gaitlib.wording import headline

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"


def training_minutes(run_dir: Path) -> float:
    """Return how long the epochs of all models took, also where an earlier run had done them."""
    histories = [run_dir / "history.csv", *run_dir.glob("fits/*/history.csv")]
    return sum(pd.read_csv(path)["seconds"].sum() for path in histories) / 60


def describe(results: dict, minutes: float) -> str:
    """Return the README's paragraph about one run; no number in it is typed by hand."""
    test = results["test"]
    others = ", ".join(
        f"{name.replace('_', ' ')} {entry['accuracy']:.1%} ({entry['accuracy_ci95'][0]:.1%} to "
        f"{entry['accuracy_ci95'][1]:.1%})"
        for name, entry in test["baselines"].items()
    )
    headline_text = headline(test, results["data"]["num_folds"])
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return (
        f"**On synthetic walkers:** {headline_text} Baselines on the same walkers: {others}. "
        f"(`make example`, {results['created'][:10]}, {machine}, "
        f"{minutes:.0f} minutes of training.) "
        "Synthetic walkers show that the method works, not how well it reads real people."
    )


def main() -> None:
    """Write the page without links to the run's other pages, and replace what stands between the marks."""
    run_dir = Path(sys.argv[1])
    results = read_json(run_dir / "results.json")
    title, body = export_notebook(run_dir / f"{REPORT_NOTEBOOK}.ipynb", hide_code=True)
    footer = f"Example made by make example, {results['created']}."
    write_page(DOCS / "example_report.html", title, body, [], data_banners(results), footer)
    shutil.copy(run_dir / "figures" / "ladder.png", DOCS / "result.png")
    paragraph = describe(results, training_minutes(run_dir))
    text = README.read_text(encoding="utf-8")
    marks = re.compile(r"(<!-- headline:start -->\n).*?(<!-- headline:end -->)", re.DOTALL)
    README.write_text(marks.sub(lambda match: f"{match[1]}{paragraph}\n{match[2]}", text), encoding="utf-8")
    print(paragraph)


if __name__ == "__main__":
    main()
