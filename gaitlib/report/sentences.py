"""Results in sentences and tables for readers: every number comes from the results, none is typed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gaitlib.config import CEILINGS, RunConfig
from gaitlib.data import RunData
from gaitlib.evaluation import Evaluation
from gaitlib.models import GAIT_NAMES, SKELETON_NAMES
from gaitlib.report.figures import spelled

# Fewer test walkers than this give an interval that is itself a rough guess.
_FEW_WALKERS = 10
_WHAT_IT_READS = {
    **dict.fromkeys(SKELETON_NAMES, "keypoints over time"),
    **dict.fromkeys(GAIT_NAMES, "gait parameters of the whole walk"),
    "chance": "nothing: one emotion as likely as the other",
    "majority": "nothing: always the most frequent emotion",
    "speed_only": "how fast the walker moves",
    "box_forest": "13 features of the box around the walker",
    "background_only": "the scene with the walker painted out",
    "rater_ceiling": "ceiling: one rater against the others",
    "oracle": "ceiling: the parameters that the walkers were drawn with",
}


def percent(value: float) -> str:
    """Return a share as a percentage with one decimal."""
    return f"{100 * value:.1f} %"


def interval(limits: Sequence[float], factor: str = " %") -> str:
    """Return a 95 % interval in words; `limits` are shares."""
    return f"95 % interval {100 * limits[0]:.1f} to {100 * limits[1]:.1f}{factor}"


def listed(names: Sequence[object]) -> str:
    """Return names in a list as one would say it."""
    words = list(map(str, names))
    return ", ".join(words[:-1]) + " and " + words[-1] if words[1:] else "".join(words)


def headline(evaluation: Evaluation, config: RunConfig) -> str:
    """Return the answer in one sentence."""
    test, right = evaluation.test, int(evaluation.predictions.is_right.sum())
    how = f"In a cross-validation of {config.folds} folds the" if config.folds else "The"
    return (
        f"{how} model recognised the emotion in {right} of {test.num_videos} videos of {test.num_walkers} "
        f"held-out walkers: accuracy {percent(test.accuracy)} ({interval(test.accuracy_ci95)})."
    )


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
    p = evaluation.permutation_p
    return f"Permutation test, labels shuffled within walkers: p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}."


def caution(evaluation: Evaluation, data: RunData) -> str:
    """Say what the reader must keep in mind first."""
    if data.shared_walkers:
        return f"{listed(data.shared_walkers)} are in training and test: the score does not hold for others."
    number = evaluation.test.num_walkers
    few = f"Only {number} walkers were tested, so that the interval itself is a rough guess. "
    kind = (
        "The walkers are synthetic: this shows that the method works, not how well it reads real people."
        if data.is_demo
        else "Acted emotions are stronger than felt ones; nobody's inner state follows from their gait alone."
    )
    return few * (number < _FEW_WALKERS) + kind


def data_sentence(data: RunData, config: RunConfig) -> str:
    """Say in one sentence what the videos are and how they were split."""
    counts = data.summary()["all"]
    split = f"the {config.folds} folds" if config.folds else "training, validation and test"
    return (
        f"{counts['num_videos']} videos of {counts['num_walkers']} {'synthetic ' if data.is_demo else ''}"
        f"walkers show {listed(data.emotions)}; {split} share no walker."
    )


def what_it_reads(evaluation: Evaluation) -> str:
    """Say which gait parameters differ most between emotions, and which family the score rests on."""
    effects, sentences = evaluation.effects, []
    if len(effects):
        clear = effects[(effects["low"] > 0) | (effects["high"] < 0)]
        top = clear.loc[clear["effect"].abs().sort_values(ascending=False).index, "title"]
        names = [title[0].lower() + title[1:] for title in top.drop_duplicates()[:3]]
        sentences += [f"The emotions differ most in {listed(names)}."] if names else []
    if evaluation.ablation:
        changes = {family: one.difference for family, one in evaluation.ablation.items()}
        most = min(changes, key=changes.__getitem__)
        lost = f"Without {most} parameters a gait classifier loses {-100 * changes[most]:.0f} points."
        few = "No single family of gait parameters carries the score alone."
        sentences.append(lost if changes[most] < -0.005 else few)
    return " ".join(sentences) or "No gait parameters could be measured in these videos."


def calibration_sentence(evaluation: Evaluation) -> str:
    """Say whether the confidence can be believed, before and after temperature scaling."""
    before, after = (evaluation.calibration[name] for name in ("before", "after"))
    return (
        f"With temperature scaling the log loss goes from {before.log_loss:.2f} to {after.log_loss:.2f}, "
        f"the Brier score from {before.brier_score:.2f} to {after.brier_score:.2f} (0 is best)."
    )


def weakest_emotion(evaluation: Evaluation) -> str:
    """Say which emotion is recognised best and least, and what the least is taken for."""
    test = evaluation.test
    recalls = {name: one.recall for name, one in test.per_class.items() if one.recall is not None}
    best, worst = max(recalls, key=recalls.__getitem__), min(recalls, key=recalls.__getitem__)
    row = np.array(test.confusion_matrix[test.labels.index(worst)])
    row[test.labels.index(worst)] = 0
    taken = f", most often taken for {test.labels[int(row.argmax())]}" if row.any() else ""
    return f"Recognised best: {best} ({recalls[best]:.0%}). Least: {worst} ({recalls[worst]:.0%}){taken}."


def leak_sentence(evaluation: Evaluation) -> str:
    """Say what a leaking split would have promised."""
    leak = evaluation.leak_lesson
    if leak is None:
        return "This was left out of this run."
    held_out, leaking = (percent(one.accuracy) for one in (leak.held_out, leak.leaking))
    return (
        f"On the same {leak.num_videos} videos {spelled(leak.model)} reaches {held_out} on held-out walkers, "
        f"and {leaking} where other videos of the test walkers are in training: {100 * leak.difference:+.1f} "
        f"points ({interval(leak.difference_ci95, '')})."
    )


def choice_sentence(evaluation: Evaluation) -> str:
    """Say which model was chosen and why."""
    reasons = dict.fromkeys(fit.reason for fit in evaluation.folds or evaluation.fits[:1])
    return " ".join([f"The scores are those of {spelled(evaluation.chosen)}.", *reasons])


def ladder_table(evaluation: Evaluation) -> pd.DataFrame:
    """Return model and baselines with accuracy, interval and the model's lead, best first."""
    table = evaluation.ladder()
    numbers = 100 * table.drop(columns="name").astype(float)
    plain, signed = (numbers.map(form.format) for form in ("{:.1f}", "{:+.1f}"))
    leads = signed["lead"] + " (" + signed["lead_low"] + " to " + signed["lead_high"] + ")"
    return pd.DataFrame(
        {
            "classifier": table["name"].map(spelled) + np.where(numbers["lead"].isna(), " (chosen)", ""),
            "what it reads": table["name"].map(_WHAT_IT_READS).fillna("the frames of each clip"),
            "accuracy, %": plain["accuracy"],
            "95 % interval": plain["low"] + " to " + plain["high"],
            "model's lead, points": leads.where(numbers["lead"].notna(), ""),
        }
    )


def score_table(evaluation: Evaluation) -> pd.DataFrame:
    """Return precision, recall and F-score, a row an emotion."""
    names, rows = ("precision", "recall", "f1", "num_videos"), evaluation.test.per_class.items()
    return pd.DataFrame(
        {"emotion": emotion, **{name: getattr(one, name) for name in names}} for emotion, one in rows
    )


def run_table(results: Mapping[str, Any]) -> pd.DataFrame:
    """Return settings, versions, data and times of a run, a row an entry."""
    rows = {
        "made": results["created"],
        "data fingerprint": results["data"]["fingerprint"],
        "git commit": results["git_commit"] or "not a git checkout",
        **{f"version of {name}": number for name, number in results["versions"].items()},
        **{f"seconds for {step}": seconds for step, seconds in results["duration_seconds"].items()},
        **results["config"],
    }
    return pd.DataFrame({"what": rows.keys(), "value": [str(value) for value in rows.values()]})


def console_text(evaluation: Evaluation, data: RunData, config: RunConfig) -> str:
    """Return the scores as plain text: warnings, headline, ladder, emotions, confusion matrix."""
    test = evaluation.test
    lines = [f"Warning: {warning}" for warning in (*data.warnings, *evaluation.warnings)]
    lines += [caution(evaluation, data)] if data.is_demo or data.shared_walkers else []
    means = f"Balanced accuracy {percent(test.balanced_accuracy)}, macro F-score {test.macro_f1:.2f}."
    lines += ["", headline(evaluation, config), f"{means} {permutation(evaluation)}", "", "Baselines:"]
    scores = score_table(evaluation).to_string(index=False, float_format="{:.2f}".format, na_rep="")
    lines += [ladder_table(evaluation).drop(columns="what it reads").to_string(index=False), "", scores]
    matrix = pd.DataFrame(test.confusion_matrix, test.labels, test.labels)
    return "\n".join([*lines, "", "Confusion matrix (rows: true, columns: predicted):", matrix.to_string()])
