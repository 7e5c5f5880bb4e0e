"""Put the scores of a finished run into the README: python docs/update_readme.py reports/example."""

import os
import platform
import re
import sys
from pathlib import Path

from gaitlib.files import read_json
from gaitlib.wording import headline

README = Path(__file__).parent.parent / "README.md"


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
    """Replace what stands between the two marks."""
    paragraph = describe(read_json(Path(sys.argv[1]) / "results.json"))
    text = README.read_text(encoding="utf-8")
    marks = re.compile(r"(<!-- headline:start -->\n).*?(<!-- headline:end -->)", re.DOTALL)
    README.write_text(marks.sub(lambda match: f"{match[1]}{paragraph}\n{match[2]}", text), encoding="utf-8")
    print(paragraph)


if __name__ == "__main__":
    main()
