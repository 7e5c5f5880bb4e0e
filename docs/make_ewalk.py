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
from gaitlib.evaluation import evaluate, leak_lesson
from gaitlib.files import temporary_folder
from gaitlib.labels import read_labels
from gaitlib.training import train_fits

PAGE = Path(__file__).parent / "ewalk.md"
GAIT = ("gait_logistic", "gait_forest", "gait_ensemble")
NETWORKS = {
    "published network, whole frames": {"model": "cnn_lstm", "crop": "frame"},
    "published network, square": {"model": "cnn_lstm", "crop": "square"},
    "published network, silhouette": {"model": "cnn_lstm", "crop": "silhouette"},
    "published network, skeleton": {"model": "cnn_lstm", "crop": "skeleton"},
    "skeleton_gru": {"model": "skeleton_gru"},
}
BASELINE_NAMES = ("majority", "speed_only", "box_forest", "background_only")
INTRODUCTION = """# EWalk: real people, walkers held out

Written by `make ewalk ARGS="--videos FOLDER --ratings SHEET --acted CSV --networks"`, not by hand. The data
cannot be passed on: EWalk (Randhavane et al. 2019, "Identifying Emotions from Walking using Affective and
Deep Features") offers videos of people who walk towards a phone. Put the videos into one folder with a
`labels.csv` of the columns `video,walker` (four videos in a row show one person), and the crowd's ratings
beside it, as published.

Walkers are held out: training and test share no person. Intervals (95 %) come from a bootstrap over walkers;
where all walkers score alike, from a binomial over walkers. Two label sets: what the crowd saw, and the order
of the four clips of a person, which very probably is what was acted. With four emotions, chance is 25 %.
*Alone*: each video by itself. *Relative to the walker's mean*: against the mean of the person's four walks,
whose labels are not used; what is chosen there may still read each walk alone. The networks read whole
frames, a square around the walker, the silhouette, or a stick figure. The two rows below the first network
score the same quarter of the videos: with their walkers held out, and with other videos of these walkers in
training, a leak; so few cannot show a small one.
"""


def shown(value: float, limits: tuple[float, float]) -> str:
    """Return a share and its interval in per cent."""
    return f"{100 * value:.1f} ({100 * limits[0]:.0f} to {100 * limits[1]:.0f})"


def score_rows(name: str, config: RunConfig, videos: Path, labels: Path, extras: bool) -> list[list[str]]:
    """Cross-validate one model over walkers: its row of the table, and those of baselines and the leak."""
    data = prepare_data(videos, videos / "none", config, labels)
    with temporary_folder(PAGE.parent) as run_dir:
        train_fits(data, data.config, run_dir)
        evaluation = evaluate(data, data.config, run_dir)
        leak = leak_lesson(data, evaluation, data.config) if extras and config.model != "auto" else None
    test = evaluation.test
    balanced = shown(test.balanced_accuracy, test.balanced_accuracy_ci95)
    rows = [[name, shown(test.accuracy, test.accuracy_ci95), balanced, str(test.num_videos)]]
    for baseline in BASELINE_NAMES if extras and config.model == "auto" else ():
        score = evaluation.baselines[baseline]
        rows.append([baseline, shown(score.accuracy, score.accuracy_ci95), "", str(test.num_videos)])
    for kind, one in (
        ("the same videos, walkers held out", "held_out"),
        ("split by video: a leak", "leaking"),
    ):
        if leak is not None:
            score = getattr(leak, one)
            rows.append(
                [f"{name}, {kind}", shown(score.accuracy, score.accuracy_ci95), "", str(leak.num_videos)]
            )
    for row in rows:
        print(row, flush=True)
    return rows


def score_table(videos: Path, labels: Path, folds: int, with_networks: bool) -> str:
    """Return the table of all models on one label set as Markdown."""
    rows = list[list[str]]()
    for relative_to in ("none", "walker-mean"):
        kind = "alone" if relative_to == "none" else "relative to the walker's mean"
        for model in ("auto", *GAIT):
            config = make_config(model=model, folds=folds, relative_to=relative_to)
            name = f"{'chosen by inner folds' if model == 'auto' else model}, {kind}"
            rows += score_rows(name, config, videos, labels, model == "auto" and relative_to == "none")
    for name, settings in NETWORKS.items() if with_networks else ():
        config = make_config(folds=folds, **settings)
        rows += score_rows(f"{name}, alone", config, videos, labels, config.crop == "frame")
    lines = [["model", "accuracy, %", "balanced, %", "videos"], ["---", "---:", "---:", "---:"], *rows]
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
        f"One rater agrees with the mean of the others in {100 * agreement:.1f} % of the sheet's videos: the "
        "human level for this task.\n"
    )
    PAGE.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
