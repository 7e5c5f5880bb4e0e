"""An experiment in sentences and tables: every number comes from its results, none is typed."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from gaitlib.comparison import ALPHA
from gaitlib.config import ExperimentPlan

# More names than these are given as a number.
_MAX_NAMED = 8


def experiment_headline(results: Mapping[str, Any]) -> str:
    """Return the answer in one sentence: the nested score, or the best of a plain comparison."""
    if "nested" in results:
        nested = results["nested"]
        if "accuracy" not in nested:
            return "No best trial could be tested on the walkers that were kept for it."
        failed = sum("reason" in fold for fold in nested["folds"])
        return (
            "The settings that the search chose recognised the emotion in "
            f"{nested['accuracy']:.1%} of {nested['num_videos']} videos of {nested['num_walkers']} walkers "
            f"whom no trial had seen (95 % interval {_interval(nested['accuracy_ci95'])})"
            + (f"; {failed} of {len(nested['folds'])} outer folds could not be tested." if failed else ".")
        )
    best = results["ranking"][0]
    number = sum("accuracy" in entry for entry in results["ranking"])
    return (
        f"Best of {number}: {best['label']}, which recognised the emotion in {best['accuracy']:.1%} of "
        f"{best['num_videos']} videos of {best['num_walkers']} walkers (95 % interval "
        f"{_interval(best['accuracy_ci95'])}), each judged by a model that had never seen the walker."
    )


def experiment_design(results: Mapping[str, Any]) -> str:
    """Say what was done with which walkers."""
    plan, number = results["plan"], results["num_trials"]
    trials = "1 trial" if number == 1 else f"{number} trials"
    if "nested" not in results:
        return (
            f"{trials}, each cross-validated over {plan['outer_folds']} folds of walkers. The same walkers "
            "tested all of them; this experiment tuned nothing on their scores, but to name the best is a "
            "choice too, so that its score is a little flattered."
        )
    return (
        f"{trials} ({plan['method']}). The walkers were divided into {plan['outer_folds']} outer folds; for "
        f"each of them a study of its own was run on the other walkers, whose {plan['inner_folds']} inner "
        "folds scored the trials. The best trial was then trained on all of those walkers and tested on the "
        "outer fold. Within every training other walkers chose the epoch."
    )


def optimism_sentence(results: Mapping[str, Any]) -> str:
    """Say by how much the best trials' own scores flatter; empty for a plain comparison."""
    nested = results.get("nested", {})
    if "optimism" not in nested:
        return ""
    low, high = (100 * value for value in nested["optimism_ci95"])
    sure = "" if low > 0 or high < 0 else ", which includes zero"
    meaning = "so much too much would a report of the best trial have promised."
    if nested["optimism"] <= 0:
        meaning = "here a report of the best trial would have promised nothing too much."
    return (
        f"The best trials had scored {nested['best_score']:.1%} (95 % interval "
        f"{_interval(nested['best_score_ci95'])}) by the inner folds that chose them; on strangers the same "
        f"settings reached {nested['accuracy']:.1%}. The difference is {100 * nested['optimism']:+.1f} "
        f"points (95 % interval {low:+.1f} to {high:+.1f}{sure}): {meaning} "
        "It would be larger if the final models did not learn from more walkers than those of the trials."
    )


def difference_sentences(results: Mapping[str, Any]) -> list[str]:
    """Say which differences are real, how many were looked at, and what so few walkers could show."""
    comparisons = results["comparisons"]
    rows = comparisons["rows"]
    if not rows:
        return ["There is nothing to compare: one combination of settings gave scores."]
    lost = comparisons.get("baseline_lost")
    number = "1 comparison" if len(rows) == 1 else f"{len(rows)} comparisons"
    worse = [row["label"] for row in rows if row["is_real"] and row["difference"] < 0]
    better = [row["label"] for row in rows if row["is_real"] and row["difference"] > 0]
    open_ones = [row["label"] for row in rows if not row["is_real"]]
    sentences = [
        *([f"The baseline, {lost}, gave no score: the best takes its place."] if lost else []),
        f"{number} with {comparisons['against']}, video by video on the same walkers. A "
        f"difference is called real where its probability under chance is below {ALPHA} after all "
        "comparisons are counted (sign-flip test over walkers, Holm); the intervals count each one alone.",
    ]
    for names, verdict in ((better, "Really better"), (worse, "Really worse"), (open_ones, "Not told apart")):
        if names:
            listed = "; ".join(names) if len(names) <= _MAX_NAMED else f"{len(names)} of {len(rows)}"
            sentences.append(f"{verdict}: {listed}.")
    if comparisons["is_best"]:
        sentences.append(
            f"{comparisons['against']} was picked for its score, so its leads are a little flattered."
        )
    if comparisons["least_p_holm"] >= ALPHA:
        sentences.append(
            "With so few walkers no difference, however large, could have been shown for so many comparisons."
        )
    return sentences


def ranking_table(results: Mapping[str, Any]) -> pd.DataFrame:
    """Return the candidates that gave scores, best first, with what they cost."""
    rows = [
        {
            "rank": entry["rank"],
            "settings": entry["label"],
            "accuracy": f"{entry['accuracy']:.1%}",
            "95 % interval": _interval(entry["accuracy_ci95"]),
            "balanced": f"{entry['balanced_accuracy']:.1%}",
            "videos": entry["num_videos"],
            "weights": _number(entry["num_weights"], "{:,.0f}"),
            "training, s": _number(entry["training_seconds"], "{:.0f}"),
            "prediction, ms a clip": _number(entry["ms_per_clip"], "{:.1f}"),
        }
        for entry in results["ranking"]
        if "accuracy" in entry
    ]
    return pd.DataFrame(rows)


def difference_table(results: Mapping[str, Any]) -> pd.DataFrame:
    """Return the comparisons with the best candidate or the baseline, a row each."""
    rows = []
    for row in results["comparisons"]["rows"]:
        if row["difference"] is None:
            rows.append({"settings": row["label"], "difference, points": "no common video"})
            continue
        low, high = (100 * value for value in row["difference_ci95"])
        rows.append(
            {
                "settings": row["label"],
                "difference, points": f"{100 * row['difference']:+.1f}",
                "95 % interval": f"{low:+.1f} to {high:+.1f}",
                "p": _probability(row["p"]),
                "p, all counted": _probability(row["p_holm"]),
                "real": "yes" if row["is_real"] else "not shown",
                "videos": row["num_videos"],
            }
        )
    return pd.DataFrame(rows)


def nested_table(results: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row an outer fold: what was chosen, what it promised and what it reached."""
    rows = [
        {
            "outer fold": fold["fold"],
            "walkers tested": len(fold["test_walkers"]),
            "chosen": fold["label"],
            "best trial": _number(fold["best_score"], "{:.1%}"),
            "on strangers": _number(fold["accuracy"], "{:.1%}"),
            "videos": fold["num_videos"],
        }
        for fold in results["nested"]["folds"]
    ]
    return pd.DataFrame(rows)


def unfinished_table(results: Mapping[str, Any]) -> pd.DataFrame:
    """Return the candidates without a score, or with that of a part of the folds, and the reasons."""
    rows = [
        {
            "settings": entry["label"],
            "what became of it": "given up: below the median after some folds"
            if entry["state"] == "pruned"
            else "failed",
            "reason": entry.get("reason", ""),
        }
        for entry in results["ranking"]
        if "accuracy" not in entry
    ]
    rows += [
        {
            "settings": entry["label"],
            "what became of it": f"given up in {entry['num_trials'] - entry['num_complete']} of "
            f"{entry['num_trials']} outer folds, and ranked after those that were not",
            "reason": entry.get("reason", ""),
        }
        for entry in results["ranking"]
        if "accuracy" in entry and entry["num_complete"] < entry["num_trials"]
    ]
    rows += [
        {"settings": fold["label"], "what became of it": "failed in its test", "reason": fold["reason"]}
        for fold in results.get("nested", {}).get("folds", [])
        if "reason" in fold
    ]
    return pd.DataFrame(rows)


def different_videos(results: Mapping[str, Any]) -> str:
    """Warn where settings could not use all videos; empty where all were judged on the same."""
    scored = [entry for entry in results["ranking"] if "accuracy" in entry]
    numbers = {entry["num_videos"] for entry in scored}
    if "nested" in results and results["plan"]["method"] != "grid":
        return (
            "Each outer fold had a study of its own, which drew its own settings: scores from different "
            "outer folds are of different walkers, and their order says little. What was chosen and what "
            "came of it stands below."
        )
    if any(entry["num_complete"] < entry["num_trials"] for entry in scored):
        return (
            "Some settings were given up in some outer folds: they are ranked after those that were not, by "
            "the walkers of the folds that they finished."
        )
    if len(numbers) < 2:
        return ""
    return (
        f"Not all settings could use the same videos ({min(numbers)} to {max(numbers)}): compare the ranks "
        "with care; the differences below are of the videos that both have judged."
    )


def plan_table(plan: ExperimentPlan) -> pd.DataFrame:
    """Return what an experiment is to do, a row a key of its file; defaults are told too."""
    values = plan.model_dump(exclude={"storage"})
    rows = [
        {"key": key, "value": str(value), "what it means": ExperimentPlan.model_fields[key].description}
        for key, value in values.items()
        if value not in (None, [], {})
    ]
    return pd.DataFrame(rows)


def _interval(ends: Sequence[float]) -> str:
    return f"{ends[0]:.1%} to {ends[1]:.1%}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _probability(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
