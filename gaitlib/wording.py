"""Results in sentences: every number comes from the results, none is typed."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from gaitlib.baselines import BASELINES
from gaitlib.config import RunConfig

# Fewer test walkers than this give an interval that is itself a rough guess.
FEW_WALKERS = 10


def headline(test: Mapping[str, Any]) -> str:
    """Return the answer in one sentence."""
    low, high = test["accuracy_ci95"]
    right = round(test["accuracy"] * test["num_videos"])
    return (
        f"The model recognised the emotion in {right} of {test['num_videos']} videos of "
        f"{test['num_walkers']} walkers it had never seen: accuracy {test['accuracy']:.1%} "
        f"(95 % interval {low:.1%} to {high:.1%})."
    )


def against_baselines(test: Mapping[str, Any]) -> str:
    """Say which baselines the model beats beyond doubt, and which it does not."""
    low = test["accuracy_ci95"][0]
    below = [name for name, entry in test["baselines"].items() if entry["accuracy"] < low]
    rest = [name for name in test["baselines"] if name not in below]
    sentences = []
    if below:
        sentences.append(f"Its whole interval lies above {_spell(below)}.")
    if rest:
        sentences.append(f"It is not shown to be better than {_spell(rest)}.")
    return " ".join(sentences)


def interval_caution(test: Mapping[str, Any]) -> str:
    """Warn where so few walkers were tested that the interval itself is uncertain; else empty."""
    number = test["num_walkers"]
    if number >= FEW_WALKERS:
        return ""
    return (
        f"Only {number} walkers were tested. The interval is drawn from these few people and is probably "
        "too narrow: another group could differ by more."
    )


def weakest_emotion(test: Mapping[str, Any]) -> str:
    """Say which emotion is recognised best and worst, and what the worst is taken for."""
    recalls = {emotion: scores["recall"] for emotion, scores in test["per_class"].items()}
    best, worst = max(recalls, key=recalls.__getitem__), min(recalls, key=recalls.__getitem__)
    labels = list(test["labels"])
    row = dict(zip(labels, test["confusion_matrix"][labels.index(worst)], strict=True))
    others = {emotion: count for emotion, count in row.items() if emotion != worst}
    taken_for = max(others, key=others.__getitem__)
    text = (
        f"Recognised best: {best} ({recalls[best]:.0%} of its videos). Least: {worst} ({recalls[worst]:.0%})"
    )
    return text + (f", most often taken for {taken_for}." if others[taken_for] else ".")


def kind_of_data(results: Mapping[str, Any]) -> str:
    """Say that the walkers are synthetic, where they are; else empty."""
    if not results["data"]["is_demo"]:
        return ""
    return (
        "All of this is about synthetic walkers, drawn by a program. It shows that the method works on such "
        "videos, not how well it reads real people."
    )


def training_summary(history: pd.DataFrame, config: RunConfig) -> str:
    """Say how the model was trained and which epoch was kept."""
    place = int(history["val_loss"].to_numpy().argmin())
    loss, accuracy = history["val_loss"].iloc[place], history["val_accuracy"].iloc[place]
    return (
        f"The model {config.model} was trained with Adam (learning rate {config.learning_rate}, "
        f"{config.batch_size} clips a step) for {len(history)} epochs. Epoch {place + 1} had the lowest "
        f"validation loss ({loss:.2f}) and was kept; there {accuracy:.0%} of the clips of the validation "
        "walkers were right."
    )


def data_summary(data: Mapping[str, Any]) -> pd.DataFrame:
    """Return videos, walkers and clips of training, validation and test as a table."""
    rows = []
    for split, use in (
        ("train", "fits the weights"),
        ("validation", "chooses the epoch"),
        ("test", "scores"),
    ):
        part = data[split]
        rows.append(
            {
                "part": split,
                "use": use,
                "videos": part["num_videos"],
                "walkers": part["num_walkers"],
                "clips": part["num_clips"],
            }
        )
    return pd.DataFrame(rows)


def ladder_table(test: Mapping[str, Any], model_name: str) -> pd.DataFrame:
    """Return model and baselines with accuracy and interval, best first."""
    entries = {model_name: test, **test["baselines"]}
    rows = [
        {
            "classifier": name.replace("_", " "),
            "what it knows": BASELINES.get(name, "the clips"),
            "accuracy": f"{entry['accuracy']:.1%}",
            "95 % interval": "{:.1%} to {:.1%}".format(*entry["accuracy_ci95"]),
        }
        for name, entry in sorted(entries.items(), key=lambda item: -item[1]["accuracy"])
    ]
    return pd.DataFrame(rows)


def _spell(names: list[str]) -> str:
    words = [name.replace("_", " ") for name in names]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
