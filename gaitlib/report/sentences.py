"""Results in sentences and tables for readers: every number comes from the results, none is typed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gaitlib.config import CEILINGS, RunConfig
from gaitlib.data import RunData
from gaitlib.evaluation import Evaluation
from gaitlib.files import spelled
from gaitlib.models import ALONE, GAIT_NAMES, SKELETON

_WHAT_IT_READS = {
    SKELETON: "keypoints over time",
    **dict.fromkeys(GAIT_NAMES, "gait parameters of the whole walk"),
    ALONE: "gait parameters of the whole walk, compared with no other",
    "chance": "nothing: a random guess",
    "majority": "nothing: always the most frequent emotion",
    "speed_only": "how fast the walker moves",
    "box_forest": "13 features of the box around the walker",
    "background_only": "the scene with the walker painted out",
    "rater_ceiling": "reference: one rater against the others",
    "oracle": "reference: the true parameters of the synthetic walks",
}


def percent(value: float) -> str:
    """Return a share as a percentage with one decimal."""
    return f"{100 * value:.1f} %"


def interval(limits: Sequence[float], factor: str = " %") -> str:
    """Return a 95 % interval in words; `limits` are shares."""
    return f"95 % interval {100 * limits[0]:.1f} to {100 * limits[1]:.1f}{factor}"


def listed(names: Sequence[str]) -> str:
    """Return names in a list as one would say it."""
    return " and ".join([*filter(None, [", ".join(names[:-1])]), names[-1]])


def headline(evaluation: Evaluation, config: RunConfig) -> str:
    """Return the answer in one sentence."""
    test, right = evaluation.test, int(evaluation.predictions.is_right.sum())
    how = f"In a cross-validation of {config.folds} folds the" if config.folds else "The"
    videos = f"{right} of {test.num_videos} videos of {test.num_walkers} held-out walkers"
    accuracy = f"accuracy {percent(test.accuracy)} ({interval(test.accuracy_ci95)})"
    return f"{how} model recognised the emotion in {videos}: {accuracy}."


def against_baselines(evaluation: Evaluation) -> str:
    """Say which baselines the model beats on the same videos, which beat it, and what is left open."""
    groups: dict[str, list[str]] = {"better than": [], "worse than": [], "not shown to be better than": []}
    for name, entry in evaluation.baselines.items():
        if name not in (*CEILINGS, evaluation.chosen) and entry.difference_ci95:
            low, high = entry.difference_ci95
            groups[list(groups)[0 if low > 0 else 1 if high < 0 else 2]].append(spelled(name))
    said = [f"{words} {listed(names)}" for words, names in groups.items() if names]
    return f"On the same videos it is {'; '.join(said)}." if said else ""


def permutation(evaluation: Evaluation) -> str:
    """Return the permutation test in one sentence."""
    return f"Permutation test, labels shuffled within walkers: p = {evaluation.permutation_p:.2g}."


def caution(evaluation: Evaluation, data: RunData) -> str:
    """Say what the reader must keep in mind first."""
    number = evaluation.test.num_walkers
    few = f"Only {number} walkers were tested, so the interval itself is a rough guess. "
    kind = "Acted emotions are stronger than felt ones; nobody's inner state follows from their gait alone."
    if data.is_demo:
        kind = "This shows on synthetic walkers that the method works, not how well it reads real people."
    return few * (number < 10) + kind


def data_sentence(data: RunData, config: RunConfig) -> str:
    """Say in one sentence what the videos are and how they were split."""
    counts = data.summary()["all"]
    split = f"the {config.folds} folds" if config.folds else "training, validation and test"
    videos = f"{counts['num_videos']} videos of {counts['num_walkers']} {'synthetic ' * data.is_demo}walkers"
    return f"{videos} show {listed(data.emotions)}; {split} share no walker."


def what_it_reads(evaluation: Evaluation) -> str:
    """Say which gait parameters differ most between emotions."""
    effects = evaluation.effects
    clear = effects[(effects["low"] > 0) | (effects["high"] < 0)] if len(effects) else effects
    if clear.empty:
        return "No gait parameter was shown to differ between the emotions."
    titles = list(clear.sort_values("effect", key=abs, ascending=False)["title"].str.lower().unique())
    return f"The emotions differ most in {listed(titles[:3])}."


def leak_sentence(evaluation: Evaluation) -> str:
    """Say what a leaking split would have promised."""
    leak = evaluation.leak_lesson
    if leak is None:
        return "This was left out of this run."
    points = f"{100 * leak.difference:+.1f} points ({interval(leak.difference_ci95, '')})"
    return (
        f"On {leak.num_videos} of the test videos {spelled(evaluation.chosen)} reaches "
        f"{percent(leak.held_out.accuracy)} with the walkers held out, and {percent(leak.leaking.accuracy)} "
        f"where other videos of theirs are in training: {points}."
    )


def choice_sentence(evaluation: Evaluation) -> str:
    """Say which model was chosen and why."""
    reasons = dict.fromkeys(spelled(fit.reason) for fit in evaluation.folds or evaluation.fits[:1])
    return " ".join([f"The scores are those of {spelled(evaluation.chosen)}.", *reasons])


def ladder_table(evaluation: Evaluation) -> pd.DataFrame:
    """Return model and baselines with accuracy, interval and the model's lead, best first."""
    table = evaluation.ladder()
    numbers = 100 * table.drop(columns="name").astype(float)
    plain, signed = (numbers.map(form.format) for form in ("{:.1f}", "{:+.1f}"))
    leads = signed["lead"] + " (" + signed["lead_low"] + " to " + signed["lead_high"] + ")"
    columns = {
        "classifier": table["name"].map(spelled) + np.where(numbers["lead"].isna(), " (chosen)", ""),
        "what it reads": table["name"].map(_WHAT_IT_READS).fillna("the frames of each clip"),
        "accuracy, %": plain["accuracy"],
        "95 % interval": plain["low"] + " to " + plain["high"],
        "model's lead, points": leads.where(numbers["lead"].notna(), ""),
    }
    return pd.DataFrame(columns)


def score_table(evaluation: Evaluation) -> pd.DataFrame:
    """Return precision, recall and F-score, a row an emotion."""
    rows = [{"emotion": name, **one.model_dump()} for name, one in evaluation.test.per_class.items()]
    table = pd.DataFrame(rows, columns=["emotion", "precision", "recall", "f1", "num_videos"])
    return table.rename(columns={"f1": "F-score", "num_videos": "videos"})


def run_table(results: Mapping[str, Any]) -> pd.DataFrame:
    """Return settings, versions, data and times of a run, a row an entry."""
    names = ("created", "git_commit", "data", "versions", "duration_seconds", "config")
    table = pd.json_normalize({name: results[name] for name in names}, sep=": ")
    return table.astype(str).T.reset_index().set_axis(["what", "value"], axis=1)


def console_text(evaluation: Evaluation, data: RunData, config: RunConfig) -> str:
    """Return the scores as plain text: warnings, headline, ladder, emotions, confusion matrix."""
    test = evaluation.test
    lines = [f"Warning: {warning}" for warning in (*data.warnings, *evaluation.warnings)]
    lines += [caution(evaluation, data)] if data.is_demo else []
    means = f"Balanced accuracy {percent(test.balanced_accuracy)}, macro F-score {test.macro_f1:.2f}."
    lines += ["", headline(evaluation, config), f"{means} {permutation(evaluation)}", "", "Baselines:"]
    form: dict[str, Any] = {"index": False, "na_rep": ""}
    ladder = ladder_table(evaluation).drop(columns="what it reads")
    lines += [ladder.to_string(float_format="{:.1f}".format, **form), ""]
    lines += [score_table(evaluation).to_string(float_format="{:.2f}".format, **form)]
    matrix = pd.DataFrame(test.confusion_matrix, test.labels, test.labels)
    return "\n".join([*lines, "", "Confusion matrix (rows: true, columns: predicted):", matrix.to_string()])
