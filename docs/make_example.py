"""Make the example page, its picture and the README's scores: python docs/make_example.py reports/example."""

import os
import platform
import re
import shutil
import sys
from pathlib import Path

from gaitlib.export import export_notebook, write_page
from gaitlib.files import read_json
from gaitlib.report import REPORT_NOTEBOOK, data_banners
from gaitlib.wording import headline

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"


def describe(results: dict) -> str:
    """Return the README's paragraph about one run; no number in it is typed by hand."""
    test = results["test"]
    others = ", ".join(
        f"{name.replace('_', ' ')} {entry['accuracy']:.1%} ({entry['accuracy_ci95'][0]:.1%} to "
        f"{entry['accuracy_ci95'][1]:.1%})"
        for name, entry in test["baselines"].items()
    )
    minutes = results["duration_seconds"]["total"] / 60
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return (
        f"**On synthetic walkers:** {headline(test)} Baselines on the same walkers: {others}. "
        f"(`make example`, {results['created'][:10]}, {machine}, {minutes:.0f} minutes.) "
        "Synthetic walkers show that the method works, not how well it reads real people."
    )


def main() -> None:
    """Write the page without links to the run's other pages, and replace what stands between the marks."""
    run_dir = Path(sys.argv[1])
    results = read_json(run_dir / "results.json")
    title, body = export_notebook(run_dir / f"{REPORT_NOTEBOOK}.ipynb", hide_code=True)
    footer = f"Example made by the README's first command, {results['created']}."
    write_page(DOCS / "example_report.html", title, body, [], data_banners(results), footer)
    shutil.copy(run_dir / "figures" / "ladder.png", DOCS / "result.png")
    paragraph = describe(results)
    text = README.read_text(encoding="utf-8")
    marks = re.compile(r"(<!-- headline:start -->\n).*?(<!-- headline:end -->)", re.DOTALL)
    README.write_text(marks.sub(lambda match: f"{match[1]}{paragraph}\n{match[2]}", text), encoding="utf-8")
    print(paragraph)


if __name__ == "__main__":
    main()
