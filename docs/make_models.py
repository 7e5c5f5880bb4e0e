"""Write docs/models.md from finished experiments: python docs/make_models.py "FOLDER=whose walks" ...

Every number comes from the experiments' results.json; none is typed by hand.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gaitlib.experiment_words import (
    difference_sentences,
    different_videos,
    experiment_design,
    experiment_headline,
    optimism_sentence,
    ranking_table,
)
from gaitlib.files import read_json

PAGE = Path(__file__).parent / "models.md"
INTRODUCTION = """# Models compared

Written by `docs/make_models.py` from the results of `gaitlib experiment`, not by hand. Every walker is a
stranger to the model that judges it; intervals cover the choice of walkers. With one neutral walk as a
reference that walk is not scored, so that fewer videos count.

The gait features, their classifiers and the settings of the trainings were chosen with the point-light
actors in view: their scores are somewhat too good, by an amount that nobody can know without other actors.
Synthetic walkers were drawn by a program and say nothing about real people. The point-light walks are those
of Ma, Paterson and Pollick (Behavior Research Methods 2006); they are no part of this project.
"""


def markdown(table: pd.DataFrame) -> str:
    """Return a table as Markdown, numbers to the right."""
    texts = ("settings", "model")
    rows = [list(table.columns), ["---" if name in texts else "---:" for name in table.columns]]
    rows += table.astype(str).to_numpy().tolist()
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def section(results: Mapping[str, Any], whose: str) -> str:
    """Return the part of the page about one experiment."""
    data, plan = results["data"]["all"], results["plan"]
    counts = f"{data['num_videos']} videos of {data['num_walkers']} walkers"
    settings = ", ".join(f"{name} {value}" for name, value in plan["settings"].items()) or "as by default"
    commit = (results["git_commit"] or "unknown")[:7]
    texts = [
        f"## {results['name'].replace('_', ' ').capitalize()}: {whose}",
        f"{experiment_headline(results)} {optimism_sentence(results)}".strip(),
        markdown(ranking_table(results)),
        f"{different_videos(results)} {' '.join(difference_sentences(results))}".strip(),
        f"{counts[0].upper()}{counts[1:]}. {experiment_design(results)} Settings of all trials: {settings}. "
        f"{results['machine']}, {results['created'][:10]}, commit {commit}.",
    ]
    return "\n\n".join(texts)


def overview(experiments: Sequence[tuple[Mapping[str, Any], str]]) -> str:
    """Return a row a model: its scores on each kind of walks, alone and relative to the walker."""
    cells: dict[str, dict[str, str]] = {}
    for results, whose in experiments:
        for entry in results["ranking"]:
            if "accuracy" not in entry or set(entry["settings"]) != {"model", "relative_to"}:
                continue
            low, high = entry["accuracy_ci95"]
            ways = {"none": "alone", "reference": "a neutral walk", "walker-mean": "the walker's mean"}
            column = f"{whose}, {ways[entry['settings']['relative_to']]}"
            score = f"{100 * entry['accuracy']:.0f} ({100 * low:.0f} to {100 * high:.0f})"
            cells.setdefault(entry["settings"]["model"], {})[column] = score
    columns = sorted({column for row in cells.values() for column in row})
    rows = [
        {"model": name} | {column: row.get(column, "") for column in columns} for name, row in cells.items()
    ]
    text = (
        "## All models\n\nAccuracy in percent and its 95 % interval: alone, relative to one neutral walk of "
        "the same person, relative to the mean of that person's walks. What was done with which settings "
        "stands below; models of gait features and networks had other settings."
    )
    return f"{text}\n\n{markdown(pd.DataFrame(rows))}"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiments", nargs="+", metavar="FOLDER=whose walks")
    parser.add_argument("--write", type=Path, default=PAGE)
    options = parser.parse_args()
    experiments = []
    for argument in options.experiments:
        folder, _, whose = argument.partition("=")
        results = read_json(Path(folder) / "results.json")
        experiments.append((results, "synthetic walkers" if results["data"]["is_demo"] else whose))
    parts = [INTRODUCTION.rstrip(), overview(experiments)]
    parts += [section(*experiment) for experiment in experiments]
    options.write.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"Wrote {options.write.name}: {len(experiments)} experiments.")


if __name__ == "__main__":
    main()
