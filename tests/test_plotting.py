"""Every figure has a description and labelled axes, whatever the names in it."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from gaitlib import plotting, score_plots
from gaitlib.calibration import coverage_table, reliability_table
from gaitlib.drawings import plot_lstm_unit

PLAIN = ("angry", "happy", "sad")
# A formula that matplotlib cannot set, markup, another script, and something long.
ODD = (r"$\frac{", "<b>joy</b>", "grief and anger " * 4, "Привет_{")


def class_scores(names) -> dict:
    """Return scores such as `gaitlib.evaluation.score` gives."""
    entry = {"num_videos": 4}
    for name in ("precision", "recall", "f1"):
        entry |= {name: 0.5, f"{name}_ci95": [0.2, 0.8]}
    return dict.fromkeys(names, entry)


def ladder(names) -> dict:
    """Return a model and baselines."""
    entries = {name: {"accuracy": 0.3, "accuracy_ci95": [0.1, 0.5]} for name in names}
    return {**entries, "cnn_lstm": {"accuracy": 0.6, "accuracy_ci95": [0.4, 0.8]}}


def videos(names) -> pd.DataFrame:
    """Return a table of videos, all three splits."""
    splits = ("train", "validation", "test")
    rows = [(f"v{s}{n}", n, f"w{s}", s, 0) for s in splits for n in names]
    return pd.DataFrame(rows, columns=["video", "emotion", "walker", "split", "fold"])


def reliability(names) -> pd.DataFrame:
    """Return the bins of three videos."""
    return reliability_table(np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]), np.array([0, 1, 1]))


def leak() -> dict:
    """Return an honest and a leaked score."""
    honest, leaked = ({"accuracy": value, "accuracy_ci95": [0.1, 0.9]} for value in (0.4, 0.8))
    return {"honest": honest, "leaked": leaked, "num_videos": 8}


FOLDS = [{"fold": number, "test_walkers": ["a", "b"], "accuracy": 0.5} for number in (1, 2)]
SEEDS = [{"seed": number, "accuracy": 0.5, "accuracy_by_fold": [0.4, 0.6]} for number in (0, 1)]


def history() -> pd.DataFrame:
    """Return three epochs."""
    values = [0.9, 0.6, 0.7]
    columns = {"loss": values, "accuracy": values, "val_loss": values, "val_accuracy": values}
    return pd.DataFrame({"epoch": [1, 2, 3], **columns})


def strips(names) -> dict:
    """Return grey pictures by label."""
    return {name: np.zeros((4, 16, 16, 1), np.uint8) for name in names}


PLOTS = {
    "plot_counts": lambda names: plotting.plot_counts(videos(names)),
    "plot_strips": lambda names: plotting.plot_strips(strips(names), [0, 1, 2, 3], names[0]),
    "plot_sheet": lambda names: plotting.plot_sheet(np.zeros((20 * len(names), 80, 3), np.uint8), names, 0.1),
    "plot_speeds": lambda names: plotting.plot_speeds(
        pd.DataFrame({"emotion": names, "speed_heights_per_s": np.linspace(0.4, 1, len(names))})
    ),
    "plot_learning_curves": lambda names: plotting.plot_learning_curves(history(), 2),
    "plot_confusion": lambda names: score_plots.plot_confusion(np.eye(len(names), dtype=int), names),
    "plot_class_scores": lambda names: score_plots.plot_class_scores(class_scores(names)),
    "plot_ladder": lambda names: score_plots.plot_ladder(ladder(names), "cnn_lstm"),
    "plot_confidence": lambda names: score_plots.plot_confidence(
        np.array([0.9, 0.4, 0.5]), np.array([True, False, True])
    ),
    "plot_counts of folds": lambda names: plotting.plot_counts(videos(names).assign(fold=2)),
    "plot_reliability": lambda names: score_plots.plot_reliability(reliability(names), reliability(names)),
    "plot_coverage": lambda names: score_plots.plot_coverage(
        coverage_table(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]))
    ),
    "plot_leak": lambda names: score_plots.plot_leak(leak()),
    "plot_spread": lambda names: score_plots.plot_spread(FOLDS, SEEDS),
    "plot_lstm_unit": lambda names: plot_lstm_unit(),
}
# Pictures and drawings say in their rows and description what they show.
WITHOUT_AXIS_NAMES = {"plot_strips", "plot_sheet", "plot_lstm_unit"}


@pytest.fixture(autouse=True)
def no_open_figures():
    """Close what a test opened."""
    yield
    plt.close("all")


def test_every_plot_is_tested():
    known = {name for module in (plotting, score_plots) for name in vars(module) if name.startswith("plot_")}
    assert known <= set(PLOTS)


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("names", [PLAIN, ODD], ids=["plain names", "odd names"])
@pytest.mark.parametrize("plot", PLOTS)
def test_figure_can_be_drawn_and_is_described(plot, names):
    figure = PLOTS[plot](names)
    assert isinstance(figure, Figure)
    assert len(plotting.alt_text(figure)) > 40
    figure.canvas.draw()
    assert np.asarray(figure.canvas.buffer_rgba())[..., :3].std() > 1


@pytest.mark.parametrize("plot", sorted(set(PLOTS) - WITHOUT_AXIS_NAMES))
def test_axes_say_what_they_show(plot):
    figure = PLOTS[plot](PLAIN)
    for ax in figure.axes:
        words = [ax.get_xlabel(), ax.get_ylabel(), ax.get_title()]
        if ax.get_label() == "<colorbar>":
            assert any(words)
            continue
        names = [tick.get_text() for tick in (*ax.get_xticklabels(), *ax.get_yticklabels())]
        assert any(words)
        assert all(words[:2]) or any(name.isalpha() or " " in name for name in names)


@pytest.mark.filterwarnings("ignore:Glyph")
def test_names_are_drawn_letter_by_letter():
    figure = score_plots.plot_confusion(np.eye(4, dtype=int), ODD)
    shown = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert shown == list(ODD)
    assert not any(tick.get_parse_math() for tick in figure.axes[0].get_yticklabels())


def test_nothing_is_shown(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("shown"))
    for plot in PLOTS.values():
        plot(PLAIN)
    assert matplotlib.get_backend().casefold() == "agg"


def test_descriptions_carry_the_numbers():
    text = plotting.alt_text(score_plots.plot_confusion([[3, 1], [0, 4]], ("happy", "sad")))
    assert "3 as happy, 1 as sad" in text
    assert "cnn_lstm 60%" in plotting.alt_text(PLOTS["plot_ladder"](PLAIN))


def test_emotions_keep_their_colour_and_differ():
    colors = plotting.emotion_colors(["sad", "angry", "proud", "afraid", "bored"])
    assert len(set(colors.values())) == 5
    assert colors["sad"] == plotting.emotion_colors(["sad"])["sad"]


def test_confidence_of_a_perfect_model_can_be_drawn():
    figure = score_plots.plot_confidence(np.array([0.9, 0.8]), np.array([True, True]))
    assert "when wrong none" in plotting.alt_text(figure)
