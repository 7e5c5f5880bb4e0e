"""Confidence that means what it says, held against closed forms."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from gaitlib.calibration import (
    apply_temperature,
    calibration_scores,
    compare_calibration,
    coverage_table,
    fit_temperature,
    reliability_table,
)


def draw(seed: int, number: int = 4000, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Draw probabilities, and labels that follow them exactly."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, 0.8), number)
    labels = (rng.random((number, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    return probabilities, np.minimum(labels, classes - 1)


@pytest.mark.parametrize("truth", [0.5, 1.0, 2.0, 4.0])
def test_planted_temperature_is_found(truth):
    probabilities, labels = draw(0)
    assert fit_temperature(apply_temperature(probabilities, 1 / truth), labels) == pytest.approx(
        truth, rel=0.1
    )


def test_few_videos_ask_for_no_extremes():
    sure_and_right = np.array([[0.6, 0.4]] * 4)
    assert 0.3 < fit_temperature(sure_and_right, np.zeros(4, int)) < 1
    assert 1 < fit_temperature(sure_and_right, np.ones(4, int)) < 3


@pytest.mark.parametrize("temperature", [0.3, 1.0, 5.0])
def test_temperature_changes_no_prediction(temperature):
    probabilities, _ = draw(1)
    cooled = apply_temperature(probabilities, temperature)
    assert np.allclose(cooled.sum(axis=1), 1)
    assert (cooled.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    if temperature == 1:
        assert np.allclose(cooled, probabilities, atol=1e-5)


def test_each_video_has_the_temperature_of_its_model():
    probabilities = np.array([[0.8, 0.2], [0.8, 0.2]])
    cooled = apply_temperature(probabilities, np.array([1.0, 2.0]))
    assert cooled[0] == pytest.approx([0.8, 0.2], abs=1e-5)
    assert cooled[1] == pytest.approx([2 / 3, 1 / 3], abs=1e-5)


def test_honest_confidence_scores_near_zero_and_boasting_does_not():
    probabilities, labels = draw(2)
    honest = calibration_scores(probabilities, labels)
    boasting = calibration_scores(apply_temperature(probabilities, 0.25), labels)
    assert honest["expected_calibration_error"] < 0.03
    assert boasting["expected_calibration_error"] > 0.15
    assert boasting["log_loss"] > honest["log_loss"]
    assert boasting["brier_score"] > honest["brier_score"]


def test_brier_score_agrees_with_scikit_learn():
    probabilities, labels = draw(3, 200)
    expected = brier_score_loss(labels, probabilities, labels=[0, 1, 2], scale_by_half=False)
    assert calibration_scores(probabilities, labels)["brier_score"] == pytest.approx(expected)


def test_calibration_error_in_closed_form():
    """Ten videos, always 80 % sure, five right: off by 0.3 in every bin or less even."""
    probabilities = np.tile([0.8, 0.2], (10, 1))
    labels = np.repeat([0, 1], 5)
    table = reliability_table(probabilities, labels, num_bins=1)
    assert table.iloc[0].tolist() == pytest.approx([0.8, 0.5, 10])


def test_bins_hold_equally_many_videos():
    probabilities, labels = draw(4, 103)
    table = reliability_table(probabilities, labels)
    assert table["num_videos"].max() - table["num_videos"].min() <= 1
    assert table["num_videos"].sum() == 103
    assert table["confidence"].is_monotonic_increasing


def test_coverage_begins_with_the_surest_and_ends_with_all():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    table = coverage_table(probabilities, np.array([0, 1, 1]))
    assert table["accuracy"].tolist() == pytest.approx([1, 1, 2 / 3])
    assert table["coverage"].tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert table["threshold"].tolist() == pytest.approx([0.9, 0.8, 0.6])


def test_before_and_after_are_both_told():
    probabilities, labels = draw(5)
    boasting = apply_temperature(probabilities, 0.5)
    both = compare_calibration(boasting, labels, np.full(len(labels), 2.0))
    assert both["after"]["log_loss"] < both["before"]["log_loss"]
