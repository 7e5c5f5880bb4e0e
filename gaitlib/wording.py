"""Results in sentences: every number comes from the results, none is typed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gaitlib.config import CEILINGS, RunConfig

# Fewer test walkers than this give an interval that is itself a rough guess.
FEW_WALKERS = 10


def headline(test: Mapping[str, Any], num_folds: int = 0) -> str:
    """Return the answer in one sentence."""
    low, high = test["accuracy_ci95"]
    right = round(test["accuracy"] * test["num_videos"])
    how = f" In a cross-validation of {num_folds} folds each video was judged once." if num_folds else ""
    return (
        f"The model recognised the emotion in {right} of {test['num_videos']} videos of "
        f"{test['num_walkers']} walkers it had never seen: accuracy {test['accuracy']:.1%} "
        f"(95 % interval {low:.1%} to {high:.1%}).{how}"
    )


def against_baselines(test: Mapping[str, Any]) -> str:
    """Say which baselines the model beats on the same videos, which beat it, and what is left open.

    A lead counts where the interval of the difference, video by video, excludes zero.
    """
    groups: dict[str, list[str]] = {"better": [], "worse": [], "open": []}
    for name, entry in test["baselines"].items():
        if name not in CEILINGS:
            low, high = entry["difference_ci95"]
            groups["better" if low > 0 else "worse" if high < 0 else "open"].append(name)
    sentences = []
    if groups["better"]:
        sentences.append(f"On the same videos it is better than {_spell(groups['better'])}.")
    if groups["worse"]:
        sentences.append(f"It is worse than {_spell(groups['worse'])}.")
    if groups["open"]:
        sentences.append(f"It is not shown to be better than {_spell(groups['open'])}.")
    rivals = {name: entry for name, entry in test["baselines"].items() if name not in CEILINGS}
    best = max(rivals, key=lambda name: rivals[name]["accuracy"])
    if rivals[best]["accuracy"] >= test["accuracy"]:
        sentences.append(
            f"The simpler {_spell([best])} reached {rivals[best]['accuracy']:.1%}: on these walkers the "
            "model adds nothing to it."
        )
    return " ".join(sentences)


def chance_test(test: Mapping[str, Any]) -> str:
    """Say how likely such an accuracy is for predictions that know nothing of the emotion."""
    p = test["permutation_p"]
    spelled = "less than 0.001" if p < 0.001 else f"{p:.3f}"
    return (
        f"Labels that change places within each walker reach this accuracy with probability {spelled} "
        "(permutation test)."
    )


def spread_over_fits(seeds: Sequence[Mapping[str, Any]], folds: Sequence[Mapping[str, Any]]) -> str:
    """Say how far the accuracy moves from fold to fold and from seed to seed; empty for a single fit."""
    sentences = []
    if len(folds) > 1:
        values = [fold["accuracy"] for fold in folds]
        sentences.append(
            f"From fold to fold the accuracy goes from {min(values):.1%} to {max(values):.1%} (standard "
            f"deviation {np.std(values, ddof=1):.1%}): whom one tests matters that much."
        )
    if len(seeds) > 1:
        values = [seed["accuracy"] for seed in seeds]
        sentences.append(
            f"Over {len(seeds)} seeds of the training it goes from {min(values):.1%} to {max(values):.1%} "
            f"(mean {np.mean(values):.1%}, standard deviation {np.std(values, ddof=1):.1%}). The scores "
            "above are those of the first seed."
        )
    return " ".join(sentences)


def calibration_summary(test: Mapping[str, Any]) -> str:
    """Say whether the confidence can be believed, before and after the temperature."""
    before, after = test["calibration"]["before"], test["calibration"]["after"]
    temperatures = list(test["temperatures"].values())
    mean = float(np.mean(temperatures))
    leaning = "too sure" if mean > 1.1 else "not sure enough" if mean < 0.9 else "sure to the right degree"
    return (
        "Confidence and share of right answers differ by "
        f"{100 * before['expected_calibration_error']:.1f} points on average. By its validation walkers the "
        f"model is {leaning} (temperature {mean:.2f}); with that temperature the difference is "
        f"{100 * after['expected_calibration_error']:.1f} points, the log loss goes from "
        f"{before['log_loss']:.2f} to {after['log_loss']:.2f} and the Brier score from "
        f"{before['brier_score']:.2f} to {after['brier_score']:.2f} (0 is best)."
    )


def limits_of_splits(config: RunConfig) -> str:
    """Say what the number of folds and seeds leaves open."""
    folds = "One split of walkers" if not config.folds else f"One division into {config.folds} folds"
    seeds = "one seed" if config.seeds == 1 else f"{config.seeds} seeds"
    return f"{folds} and {seeds} were run; the interval covers the choice of the walkers tested only."


def against_raters(test: Mapping[str, Any]) -> str:
    """Say how near the probabilities are to the raters' shares; empty without a rating sheet."""
    if "soft" not in test:
        return ""
    soft = test["soft"]
    return (
        f"Held against the raters' own shares, the cross-entropy is {soft['cross_entropy']:.2f} nats (no "
        f"answer can be below {soft['cross_entropy_floor']:.2f}, where the raters themselves disagree), "
        f"and {soft['total_variation']:.0%} of the probability lies elsewhere than theirs."
    )


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


def _spell(names: list[str]) -> str:
    words = [name.replace("_", " ") for name in names]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
