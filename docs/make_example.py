"""Make the README's picture and scores: python docs/make_example.py reports/example."""

import os
import platform
import re
import shutil
import sys
import textwrap
from pathlib import Path

from gaitlib.evaluation import read_evaluation, read_results
from gaitlib.files import read_json, spelled
from gaitlib.report.sentences import against_baselines, interval, percent

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"


def describe(run_dir: Path) -> str:
    """Return the README's paragraph about one run; no number in it is typed by hand."""
    results, evaluation = read_results(run_dir), read_evaluation(run_dir)
    test, baselines = evaluation.test, evaluation.baselines.items()
    others = ", ".join(f"{spelled(name)} {percent(entry.accuracy)}" for name, entry in baselines)
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    minutes = results["duration_seconds"]["total"] / 60
    sentences = (
        f"**On synthetic walkers**, the chosen model ({spelled(evaluation.chosen)}) recognised the",
        f"emotion in {percent(test.accuracy)} of {test.num_videos} videos of {test.num_walkers} held-out",
        f"walkers ({interval(test.accuracy_ci95)}). On the same walkers: {others}.",
        against_baselines(evaluation),
        f"(`make example`, {results['created'][:10]}, {machine}, {minutes:.0f} min in all.)",
        "Synthetic walkers show that the method works, not how well it reads real people.",
    )
    return "\n".join(textwrap.wrap(" ".join(sentences), 118))


def main() -> None:
    """Copy the picture, and replace what stands between the README's marks."""
    run_dir = Path(sys.argv[1])
    shutil.copy(run_dir / "figures" / "ladder.png", DOCS / "result.png")
    assert read_json(run_dir / "results.json")["data"]["is_demo"], "the example shows synthetic walkers only"
    text = README.read_text(encoding="utf-8")
    marks = re.compile(r"(<!-- headline:start -->\n).*?(<!-- headline:end -->)", re.DOTALL)
    paragraph = describe(run_dir)
    README.write_text(marks.sub(lambda match: f"{match[1]}{paragraph}\n{match[2]}", text), encoding="utf-8")
    print(paragraph)


if __name__ == "__main__":
    main()
