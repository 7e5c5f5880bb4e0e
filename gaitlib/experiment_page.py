"""The page of an experiment: who is best, which differences are real, what the search promised too much."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from gaitlib.config import ExperimentPlan, InputError
from gaitlib.experiment_results import make_results, prediction_table, trial_table, write_results
from gaitlib.experiment_words import (
    difference_sentences,
    difference_table,
    different_videos,
    experiment_design,
    experiment_headline,
    nested_table,
    optimism_sentence,
    ranking_table,
    unfinished_table,
)
from gaitlib.experiments import run_experiment
from gaitlib.files import project_dir, read_json
from gaitlib.page_parts import figure_html, paragraphs, scrolling, table_html
from gaitlib.pages import write_page
from gaitlib.plotting import BASELINE_COLOR, MODEL_COLOR, WRONG_COLOR, described, make_figure
from gaitlib.run_list import data_banners, write_index
from gaitlib.team import find_team

# Rows of a figure that can still be read.
_MAX_SHOWN = 20


def make_experiment(
    plan: ExperimentPlan, videos_dir: Path, videos_test_dir: Path, labels: Path | None, out: Path | None
) -> str:
    """Do an experiment, or what is left of it, and write its results and its page.

    Returns
    -------
    str
        The answer and where the page is, to print.

    Raises
    ------
    InputError
        If the videos cannot be used, another process works in the folder, no trial succeeds, or `TF_CONFIG`
        names several machines.
    """
    if find_team():
        raise InputError(
            "TF_CONFIG names several machines, but each trial runs on one: unset it, and let the machines "
            "share the trials by --storage."
        )
    out = (out or project_dir() / "reports" / plan.name).absolute()
    _check_own(out, plan)
    outcome, data = run_experiment(plan, videos_dir, videos_test_dir, labels, out)
    results = make_results(plan, outcome, data)
    write_results(out, results, trial_table(outcome, data), prediction_table(plan, outcome, data))
    page = write_experiment_page(out, results)
    sentences = [*data_banners(results), experiment_headline(results), optimism_sentence(results)]
    table = ranking_table(results).to_string(index=False)
    return "\n".join([table, "", *filter(None, sentences), f"Results: {page}"])


def _check_own(out: Path, plan: ExperimentPlan) -> None:
    """Refuse a folder with another run's results; those of the same experiment are renewed."""
    if (out / "results.json").exists():
        known = read_json(out / "results.json")
        if known.get("kind") == "experiment" and known.get("name") == plan.name:
            return
    elif not any((out / name).exists() for name in ("model.keras", "config.json", "index.html")):
        return
    raise InputError(f"{out} holds another run: choose another --out, or give the experiment another name.")


def write_experiment_page(out: Path, results: Mapping[str, Any]) -> Path:
    """Write `index.html` of an experiment, and list it among the other runs.

    Returns
    -------
    Path
        The page.
    """
    body = "\n".join(
        [
            f"<h1>Experiment {escape(results['name'])}</h1>",
            f'<p class="headline">{escape(experiment_headline(results))}</p>',
            paragraphs(optimism_sentence(results), experiment_design(results)),
            _ranking_section(results),
            _difference_section(results),
            _nested_section(results),
            _unfinished_section(results),
            _making_section(results),
        ]
    )
    footer = f"{results['created']}, data fingerprint {results['data']['fingerprint']}."
    title = f"Experiment {results['name']}"
    write_page(out / "index.html", title, body, [], data_banners(results), footer)
    write_index(out.parent)
    return out / "index.html"


def plot_ranking(results: Mapping[str, Any]) -> Figure:
    """Show the accuracy of the best candidates with 95 % intervals, and chance."""
    entries = [entry for entry in results["ranking"] if "accuracy" in entry][:_MAX_SHOWN]
    figure, (ax,) = make_figure(1, height=1.0 + 0.34 * len(entries))
    for place, entry in enumerate(reversed(entries)):
        low, high = entry["accuracy_ci95"]
        color = MODEL_COLOR if entry is entries[0] else BASELINE_COLOR
        ax.plot([low, high], [place, place], color=color, lw=2)
        ax.plot([entry["accuracy"]], [place], "o", color=color)
        ax.text(entry["accuracy"], place + 0.18, f"{entry['accuracy']:.0%}", ha="center", fontsize=8)
    names = [entry["label"] for entry in reversed(entries)]
    ax.set_yticks(range(len(entries)), [name if len(name) < 60 else f"{name[:57]}…" for name in names])
    ax.axvline(results["chance"], color=WRONG_COLOR, ls="--", lw=1, label="chance")
    ax.set(xlim=(0, 1.02), ylim=(-0.6, len(entries) - 0.2))
    by = "by the inner folds" if "nested" in results else "per video on unseen walkers"
    ax.set_xlabel(f"Accuracy {by} (dot), 95 % interval (bar)")
    ax.grid(axis="x", color="#dddddd", lw=0.6)
    ax.legend(frameon=False, fontsize=8, loc="lower right")
    words = "; ".join(f"{entry['label']} {entry['accuracy']:.0%}" for entry in entries[:10])
    return described(figure, f"Accuracy {by} of {len(entries)} candidates with 95 % intervals: {words}.")


def plot_optimism(results: Mapping[str, Any]) -> Figure:
    """Show, of each outer fold, the best trial's score and what it reached on strangers."""
    folds = [fold for fold in results["nested"]["folds"] if fold["accuracy"] is not None]
    figure, (ax,) = make_figure(1, height=1.2 + 0.34 * len(folds))
    for place, fold in enumerate(reversed(folds)):
        ax.plot([fold["best_score"], fold["accuracy"]], [place, place], color="#bbbbbb", lw=1)
        ax.plot([fold["best_score"]], [place], "o", color=WRONG_COLOR, mfc="white")
        ax.plot([fold["accuracy"]], [place], "o", color=MODEL_COLOR)
    ax.plot([], [], "o", color=WRONG_COLOR, mfc="white", label="best trial, by the inner folds")
    ax.plot([], [], "o", color=MODEL_COLOR, label="the same settings on strangers")
    ax.set_yticks(range(len(folds)), [f"outer fold {fold['fold']}" for fold in reversed(folds)])
    ax.set(xlim=(0, 1.02), ylim=(-0.6, len(folds) + 0.4), xlabel="Accuracy per video")
    ax.legend(frameon=False, fontsize=8, loc="upper center", ncols=2)
    ax.grid(axis="x", color="#dddddd", lw=0.6)
    words = "; ".join(
        f"fold {fold['fold']} {fold['best_score']:.0%}, {fold['accuracy']:.0%}" for fold in folds
    )
    return described(figure, f"Best trial's score and accuracy on strangers, by outer fold: {words}.")


def _ranking_section(results: Mapping[str, Any]) -> str:
    how = "Scores by the inner folds chose among these" if "nested" in results else "Each on all walkers"
    caption = (
        f"{how}; intervals by bootstrap over walkers. Seconds of one training (median over the folds) on the "
        "machine of the run; predictions include the measuring of gait features where a model reads them."
    )
    return (
        "<h2>Ranking</h2>"
        + figure_html(plot_ranking(results), "Accuracy of the candidates, with what chance alone gives.")
        + scrolling(table_html(ranking_table(results), caption))
        + paragraphs(different_videos(results))
    )


def _difference_section(results: Mapping[str, Any]) -> str:
    html = "<h2>Which differences are real</h2>" + paragraphs(*difference_sentences(results))
    if results["comparisons"]["rows"]:
        caption = f"Against {results['comparisons']['against']}; positive: better than it"
        html += scrolling(table_html(difference_table(results), caption))
    return html


def _nested_section(results: Mapping[str, Any]) -> str:
    if "nested" not in results:
        return ""
    html = "<h2>What the search promised, and what came of it</h2>"
    if "accuracy" in results["nested"]:
        caption = "The best trial of each outer fold, and the same settings on walkers no trial had seen."
        html += figure_html(plot_optimism(results), caption)
    return html + scrolling(table_html(nested_table(results), "The choice of each outer fold and its test"))


def _unfinished_section(results: Mapping[str, Any]) -> str:
    table = unfinished_table(results)
    if table.empty:
        return ""
    return "<h2>Without a whole score</h2>" + scrolling(
        table_html(table, "Failed or given up, with the reason")
    )


def _making_section(results: Mapping[str, Any]) -> str:
    data = results["data"]
    rows = {
        "made": results["created"],
        "videos": data["all"]["num_videos"],
        "walkers": data["all"]["num_walkers"],
        "hours of training": f"{results['training_seconds'] / 3600:.2f}",
        "machine of the page": results["machine"],
        "git commit": results["git_commit"] or "not a git checkout",
        **{f"version of {name}": number for name, number in results["versions"].items()},
        **{name: value for name, value in results["plan"].items() if value not in ("", [], {}, None)},
    }
    table = pd.DataFrame({"what": rows.keys(), "value": [str(value) for value in rows.values()]})
    limits = (
        "Labels say what was acted or what raters saw, not what somebody felt. One division of the walkers "
        "and one seed a training were used unless the settings say otherwise; the intervals cover the choice "
        "of walkers only. Times are of the machine that did the training or prediction."
    )
    return (
        "<h2>Limits</h2>"
        + paragraphs(limits)
        + "<h2>How it was made</h2>"
        + scrolling(table_html(table, "Plan, versions and data of this experiment"))
    )
