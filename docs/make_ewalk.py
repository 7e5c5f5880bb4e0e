"""Write docs/ewalk.md: scores on the EWalk videos, walkers held out.

Run as ``python docs/make_ewalk.py --videos FOLDER --ratings SHEET [--acted CSV] [--networks]``. The folder
holds the videos and a ``labels.csv`` that names their walkers; the sheet holds the crowd's ratings; the CSV
(video,emotion,walker) what each person acted.
"""

import argparse
from datetime import date
from pathlib import Path

import numpy as np

from gaitlib.config import RunConfig, make_config
from gaitlib.data import prepare_data
from gaitlib.evaluation import evaluate
from gaitlib.files import temporary_folder
from gaitlib.labels import read_labels
from gaitlib.training import train_fits

PAGE = Path(__file__).parent / "ewalk.md"
GAIT = ("gait_logistic", "gait_forest", "gait_ensemble")
NETWORKS = {
    "chosen by inner folds": {"model": "auto"},
    "published network, whole frames": {"model": "cnn_lstm", "crop": "frame"},
    "published network, square": {"model": "cnn_lstm", "crop": "square"},
    "published network, skeleton": {"model": "cnn_lstm", "crop": "skeleton"},
    "skeleton_gru": {"model": "skeleton_gru"},
}
INTRODUCTION = """# EWalk: real people, walkers held out

Written by `make ewalk ARGS="--videos FOLDER --ratings SHEET --acted CSV"`, not by hand. The data cannot be
passed on: EWalk (Randhavane et al. 2019, "Identifying Emotions from Walking using Affective and Deep
Features") offers videos of people who walk towards a phone. Put the videos into one folder with a
`labels.csv` of the columns `video,walker` (four videos in a row show one person), and the crowd's ratings
beside it as the published sheet.

Walkers are held out: no person is in training and test. Intervals (95 %) come from drawing whole walkers.
Two label sets: what the crowd saw, and the order of the four clips of a person, which very probably is what
was acted.
"""


def score_row(name: str, config: RunConfig, videos: Path, labels: Path) -> dict[str, str]:
    """Cross-validate one model over walkers and return its row of the table."""
    data = prepare_data(videos, videos / "none", config, labels)
    with temporary_folder(PAGE.parent, "ewalk") as run_dir:
        train_fits(data, data.config, run_dir)
        test = evaluate(data, data.config, run_dir).test

    def shown(value: float, limits: tuple[float, float]) -> str:
        return f"{100 * value:.1f} ({100 * limits[0]:.0f} to {100 * limits[1]:.0f})"

    return {
        "model": name,
        "accuracy, %": shown(test.accuracy, test.accuracy_ci95),
        "balanced, %": shown(test.balanced_accuracy, test.balanced_accuracy_ci95),
        "videos": str(test.num_videos),
        "walkers": str(test.num_walkers),
    }


def score_table(videos: Path, labels: Path, folds: int, with_networks: bool) -> str:
    """Return the table of all models on one label set as Markdown."""
    rows = []
    for relative_to in ("none", "walker-mean"):
        kind = "alone" if relative_to == "none" else "relative to the walker's mean"
        for model in GAIT:
            config = make_config(model=model, folds=folds, relative_to=relative_to)
            rows.append(score_row(f"{model}, {kind}", config, videos, labels))
            print(rows[-1], flush=True)
    for name, settings in NETWORKS.items() if with_networks else ():
        rows.append(score_row(f"{name}, alone", make_config(folds=folds, **settings), videos, labels))
        print(rows[-1], flush=True)
    lines = [list(rows[0]), ["---", *["---:"] * (len(rows[0]) - 1)], *(row.values() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--ratings", type=Path, required=True)
    parser.add_argument("--acted", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--networks", action="store_true", help="train the networks too, which takes an hour")
    given = parser.parse_args()
    parts = [INTRODUCTION, f"Measured on {date.today():%d %B %Y}, {given.folds} folds of walkers.\n"]
    for heading, labels in (("What the crowd saw", given.ratings), ("What was acted", given.acted)):
        if labels is not None:
            parts.append(
                f"## {heading}\n\n{score_table(given.videos, labels, given.folds, given.networks)}\n"
            )
    rated = read_labels(given.ratings)
    agreement = np.average(rated["agreement"], weights=rated["num_raters"])
    parts.append(
        f"One rater against the mean of the others names the same emotion in {100 * agreement:.1f} % of the "
        "sheet's videos: what a model that agrees with the crowd as one person does would reach.\n"
    )
    PAGE.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
