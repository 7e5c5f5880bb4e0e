"""Results as tables for readers: every number comes from the results, none is typed."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from gaitlib.baselines import BASELINES


def data_summary(data: Mapping[str, Any]) -> pd.DataFrame:
    """Return videos, walkers and clips by use as a table."""
    if data["num_folds"]:
        use = f"each video is tested once, in the one of {data['num_folds']} folds that leaves its walker out"
        parts = {"part": "all", "use": use}
        return pd.DataFrame([{**parts, **_counts(data["all"])}])
    rows = []
    for split, use in (
        ("train", "fits the weights"),
        ("validation", "chooses the epoch"),
        ("test", "scores"),
    ):
        rows.append({"part": split, "use": use, **_counts(data[split])})
    return pd.DataFrame(rows)


def _counts(part: Mapping[str, Any]) -> dict[str, int]:
    return {"videos": part["num_videos"], "walkers": part["num_walkers"], "clips": part["num_clips"]}


def ladder_table(test: Mapping[str, Any], model_name: str) -> pd.DataFrame:
    """Return model and baselines with accuracy and interval, best first."""
    entries = {model_name: test, **test["baselines"]}
    rows = [
        {
            "classifier": name.replace("_", " "),
            "what it knows": BASELINES.get(name, "the clips"),
            "accuracy": f"{entry['accuracy']:.1%}",
            "95 % interval": "{:.1%} to {:.1%}".format(*entry["accuracy_ci95"]),
            "model's lead, points": _lead(entry),
        }
        for name, entry in sorted(entries.items(), key=lambda item: -item[1]["accuracy"])
    ]
    return pd.DataFrame(rows)


def _lead(entry: Mapping[str, Any]) -> str:
    if "difference" not in entry:
        return ""
    low, high = (100 * value for value in entry["difference_ci95"])
    return f"{100 * entry['difference']:+.1f} ({low:+.1f} to {high:+.1f})"


def calibration_table(test: Mapping[str, Any]) -> pd.DataFrame:
    """Return the calibration scores before and after temperature scaling, a row a score."""
    before, after = test["calibration"]["before"], test["calibration"]["after"]
    names = [name.replace("_", " ") for name in before]
    return pd.DataFrame({"score": names, "before": before.values(), "after": after.values()})


def leak_table(scores: Mapping[str, Any]) -> pd.DataFrame:
    """Return the honest and the leaked score of the same model on the same videos."""
    rows = [
        {
            "split": split,
            "the walkers in these videos": walkers,
            "accuracy": f"{scores[name]['accuracy']:.1%}",
            "95 % interval": "{:.1%} to {:.1%}".format(*scores[name]["accuracy_ci95"]),
        }
        for name, split, walkers in (
            ("honest", "by walker", "were never seen before"),
            ("leaked", "by video", "are known from other videos"),
        )
    ]
    return pd.DataFrame(rows)


def describe_scores(test: dict[str, Any]) -> str:
    """Return the scores as text for the console: headline, baselines, emotions, confusion matrix."""
    low, high = test["accuracy_ci95"]
    lines = [
        f"Accuracy on {test['num_videos']} videos of {test['num_walkers']} unseen walkers: "
        f"{test['accuracy']:.1%} (95 % interval {low:.1%} to {high:.1%})",
        f"Balanced accuracy {test['balanced_accuracy']:.1%}, macro F-score {test['macro_f1']:.2f}",
        "",
        "Baselines:",
    ]
    for name, entry in test["baselines"].items():
        low, high = entry["accuracy_ci95"]
        lines.append(f"  {name:<12} {entry['accuracy']:6.1%}  ({low:.1%} to {high:.1%})")
    lines += [
        "",
        score_table(test).to_string(index=False, float_format="{:.2f}".format),
    ]
    matrix = pd.DataFrame(test["confusion_matrix"], test["labels"], test["labels"])
    lines += ["", "Confusion matrix (rows: true, columns: predicted):", matrix.to_string()]
    return "\n".join(lines)


def score_table(test: dict[str, Any]) -> pd.DataFrame:
    """Return precision, recall and F-score, a row an emotion."""
    rows = [
        {
            "emotion": emotion,
            **{name: scores[name] for name in ("precision", "recall", "f1", "num_videos")},
        }
        for emotion, scores in test["per_class"].items()
    ]
    return pd.DataFrame(rows)


def run_table(results: dict[str, Any]) -> pd.DataFrame:
    """Return settings, versions, data and times of a run as a table for readers."""
    rows = {
        "made": results["created"],
        "data fingerprint": results["data"]["fingerprint"],
        "git commit": results["git_commit"] or "not a git checkout",
        **{f"version of {name}": number for name, number in results["versions"].items()},
        **{f"seconds for {step}": seconds for step, seconds in results["duration_seconds"].items()},
        **results["config"],
    }
    return pd.DataFrame({"what": rows.keys(), "value": [str(value) for value in rows.values()]})
