"""Explanations: saliency finds a planted cue, sweeps find what a model reads, the page says so."""

import re
import shutil

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from gaitlib.backend import load_keras, seed_everything
from gaitlib.config import InputError, make_config
from gaitlib.demo import sample_truth
from gaitlib.explain import (
    ExplainedClip,
    explain_surest_errors,
    gradient_saliency,
    occlusion_saliency,
    saliency_agreement,
)
from gaitlib.explain_plots import plot_against_neutral, plot_saliency, plot_sweeps, plot_timeline
from gaitlib.files import write_json
from gaitlib.models import build_model
from gaitlib.plotting import alt_text
from gaitlib.preparation import prepare_data
from gaitlib.saving import model_card, save_model
from gaitlib.sweeps import MOVEMENTS, changed_row, describe_sweeps, sweep_parameter
from gaitlib.video_page import REFERENCE_NAME, explain_video

NUM_FRAMES, SIDE, SPOT = 8, 24, 5
CORNERS = ((1, 1), (1, 18), (18, 1), (18, 18))
# The cue: a spot in the upper right corner in frames 2 and 3.
CUE_CORNER, CUE_FRAMES = 1, slice(2, 4)
CORNER_SHARE, FRAMES_SHARE = 1 / 9, 1 / 4
BLOCK = {"patch_pixels": 6, "patch_frames": 2}
EMOTIONS = ("angry", "happy", "neutral", "sad")


def planted_clip(rng: np.random.Generator, has_cue: bool) -> np.ndarray:
    """Draw noise with the same bright spots everywhere but at the place and time of the cue.

    Spots come and go by chance in each corner and every pair of frames, so that brightness alone
    tells nothing: only the cue does.
    """
    clip = rng.normal(90, 15, (NUM_FRAMES, SIDE, SIDE, 1))
    for corner, (top, left) in enumerate(CORNERS):
        for first in range(0, NUM_FRAMES, 2):
            is_cue = corner == CUE_CORNER and first == CUE_FRAMES.start
            if has_cue if is_cue else rng.random() < 0.5:
                clip[first : first + 2, top : top + SPOT, left : left + SPOT] += 90
    return clip.clip(0, 255).round().astype(np.uint8)


@pytest.fixture(scope="module")
def cue_models():
    """Return a model that has learnt the planted cue, and one that has learnt nothing."""
    seed_everything(0)
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    clips = np.stack([planted_clip(rng, bool(label)) for label in labels])
    untrained = build_model("cnn_lstm", NUM_FRAMES, SIDE, 1, 2)
    model = build_model("cnn_lstm", NUM_FRAMES, SIDE, 1, 2)
    optimizer = load_keras().optimizers.Adam(2e-3)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(clips[:320], labels[:320], batch_size=16, epochs=12, verbose=0)
    _, accuracy = model.evaluate(clips[320:], labels[320:], verbose=0)
    assert accuracy > 0.9, "the model has not learnt the cue, so there is nothing to point at"
    return model, untrained


def cue_clips() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [planted_clip(rng, has_cue=True) for _ in range(3)]


def cue_shares(saliencies: list[np.ndarray]) -> tuple[float, float]:
    """Return which share of what speaks for the cue lies in its corner, and in its frames."""
    evidence = np.maximum(saliencies, 0)
    corner = evidence[:, :, : SIDE // 3, -SIDE // 3 :]
    return corner.sum() / evidence.sum(), evidence[:, CUE_FRAMES].sum() / evidence.sum()


@pytest.mark.parametrize(
    ("explain", "options"),
    [(gradient_saliency, {}), (occlusion_saliency, BLOCK)],
    ids=["gradient", "occlusion"],
)
def test_saliency_points_at_the_planted_cue(cue_models, explain, options):
    trained, untrained = cue_models
    corner, frames = cue_shares([explain(trained, clip, 1, **options) for clip in cue_clips()])
    assert corner > 4 * CORNER_SHARE
    assert frames > 1.8 * FRAMES_SHARE
    # The same bright spots are there, but this model has no reason to look at one of them.
    corner, frames = cue_shares([explain(untrained, clip, 1, **options) for clip in cue_clips()])
    assert corner < 2.5 * CORNER_SHARE
    assert frames < 1.5 * FRAMES_SHARE


def test_gradient_and_occlusion_agree_about_the_same_model_only(cue_models):
    trained, untrained = cue_models
    clip = cue_clips()[0]
    gradient, occlusion = gradient_saliency(trained, clip, 1), occlusion_saliency(trained, clip, 1, **BLOCK)
    assert saliency_agreement(gradient, occlusion, **BLOCK) > 0.6
    other = gradient_saliency(untrained, clip, 1)
    assert abs(saliency_agreement(other, occlusion, **BLOCK)) < 0.4


def test_occlusion_is_the_fall_of_the_log_odds_when_a_block_is_hidden(cue_models):
    model, clip = cue_models[0], cue_clips()[0]
    saliency = occlusion_saliency(model, clip, 1, **BLOCK)
    assert saliency.shape == clip.shape[:3]
    hidden = clip.copy()
    hidden[2:4, 0:6, 18:24] = int(np.median(clip))
    before, after = model.predict(np.stack([clip, hidden]), verbose=0)
    fall = np.log(before[1] / before[0]) - np.log(after[1] / after[0])
    assert saliency[2:4, 0:6, 18:24].sum() == pytest.approx(fall, rel=1e-3)


def test_nothing_speaks_for_anything_in_an_even_clip(cue_models):
    clip = np.full((NUM_FRAMES, SIDE, SIDE, 1), 100, np.uint8)
    gradient = gradient_saliency(cue_models[0], clip, 1)
    occlusion = occlusion_saliency(cue_models[0], clip, 1, **BLOCK)
    assert not gradient.any() and not occlusion.any()
    assert np.isnan(saliency_agreement(gradient, occlusion, **BLOCK))


def test_saliency_figure_names_the_time_of_the_cue(cue_models):
    clip = cue_clips()[0]
    saliency = occlusion_saliency(cue_models[0], clip, 1, **BLOCK)
    figure = plot_saliency({"cue": ExplainedClip(clip, saliency, 1, 0.9, cue_models[0])}, frame_rate_hz=10.0)
    (seconds,) = re.findall(r"most at ([\d.]+) s", alt_text(figure))
    assert 0.1 < float(seconds) < 0.4
    plt.close(figure)


def test_surest_errors_are_the_wrong_ones_in_order_of_confidence(demo_folders, tiny_config):
    data = prepare_data(*demo_folders, tiny_config)
    table = data.rows("test")[["video", "emotion"]].assign(confidence=0.5)
    table["predicted"] = table["emotion"]
    model = build_model("cnn_lstm", tiny_config.num_frames, tiny_config.frame_size, 1, 4)
    assert explain_surest_errors(model, data, table, tiny_config) == {}
    table.loc[table["emotion"] == "sad", ["predicted", "confidence"]] = "happy", 0.9
    table.loc[table["emotion"] == "angry", ["predicted", "confidence"]] = "neutral", 0.7
    explained = explain_surest_errors(model, data, table, tiny_config, num_videos=3)
    words = [" ".join(text.split()[1:]) for text in explained]
    assert words == ["sad, read as happy, 90% sure"] * 2 + ["angry, read as neutral, 70% sure"]
    assert [data.emotions[clip.label] for clip in explained.values()] == ["happy", "happy", "neutral"]


@pytest.mark.parametrize("parameter", MOVEMENTS)
def test_only_the_swept_number_of_a_walk_changes(parameter):
    row = sample_truth(range(1, 2), 1).iloc[0].to_dict()
    column = MOVEMENTS[parameter].column
    changed = changed_row(row, column, 1.1 * row[column])
    differing = {name for name in row if row[name] != changed[name]}
    expected = {column, *(["cadence_steps_per_min", "step_length_m"] if parameter == "speed" else [])}
    assert differing == expected
    assert changed[column] == pytest.approx(1.1 * row[column])


def test_sweep_finds_what_a_model_reads():
    """A model whose answer is sad the less, the more its pictures change from one to the next."""
    config = make_config(frame_size=32, num_frames=15)
    sweep = sweep_parameter(motion_model(config), config, ("happy", "sad"), "speed", 2, 3)
    assert list(sweep.columns) == ["parameter", "value", "walker", "p_happy", "p_sad"]
    assert len(sweep) == 6
    assert np.allclose(sweep[["p_happy", "p_sad"]].sum(axis=1), 1, atol=1e-5)
    text = describe_sweeps(sweep)[-1]
    assert text.startswith("Higher speed") and "lowers sad" in text and "raises happy" in text


def motion_model(config):
    """Build a model that reads the mean size of the change between two pictures and nothing else."""
    keras = load_keras()
    clip = keras.Input((config.num_frames, config.frame_size, config.frame_size, 1))
    scaled = keras.layers.Rescaling(1 / 255)(clip)
    change = keras.layers.Conv3D(2, (2, 1, 1), activation="relu", use_bias=False, name="change")(scaled)
    mean = keras.layers.GlobalAveragePooling3D()(change)
    answer = keras.layers.Dense(2, activation="softmax", name="dense")(mean)
    model = keras.Model(clip, answer)
    kernel = np.array([[1, -1], [-1, 1]], np.float32).reshape(2, 1, 1, 1, 2)
    model.get_layer("change").set_weights([kernel])
    slope = 100.0
    model.get_layer("dense").set_weights([np.array([[slope, 0], [slope, 0]]), np.array([-0.02 * slope, 0])])
    return model


def made_sweep(parameter: str, *curves: list[float]) -> pd.DataFrame:
    """Return a sweep with a curve of happy for each walker; sad has the rest."""
    rows = [
        {"parameter": parameter, "value": float(place), "walker": f"w{walker}", "p_happy": p, "p_sad": 1 - p}
        for walker, curve in enumerate(curves)
        for place, p in enumerate(curve)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("curves", "expected", "unexpected"),
    [
        ([[0.1, 0.3, 0.5], [0.2, 0.3, 0.4]], "raises happy from 15% to 45% (+20 to +40 points", "middle"),
        (
            [[0.5, 0.3, 0.1], [0.4, 0.3, 0.2]],
            "lowers happy from 45% to 15% (-40 to -20 points",
            "raises happy",
        ),
        ([[0.3, 0.3, 0.32], [0.3, 0.31, 0.3]], "changes nothing beyond 5 points", "happy"),
        ([[0.1, 0.4, 0.1], [0.2, 0.5, 0.2]], "raises happy in the middle of this range only", "from"),
        ([[0.1, 0.3, 0.5], [0.5, 0.4, 0.3]], "not in the same direction for most walkers", "raises"),
        ([[0.1, np.nan, 0.5], [0.1, 0.2, 0.5]], "raises happy from 10% to 50%", "nothing"),
    ],
    ids=["up", "down", "flat", "bend", "split", "lost"],
)
def test_sweeps_are_described_from_their_numbers(curves, expected, unexpected):
    sentences = describe_sweeps(made_sweep("arm_swing", *curves))
    assert "synthetic" in sentences[0]
    assert expected in sentences[-1] and unexpected not in sentences[-1].replace(expected, "")
    assert any("no walker was found" in text for text in sentences) == np.isnan(curves).any()


def test_movement_that_matters_most_comes_first():
    table = pd.concat([made_sweep("bounce", [0.3, 0.4]), made_sweep("speed", [0.1, 0.9])])
    assert [text.split(" (")[0] for text in describe_sweeps(table)[1:]] == ["Higher speed", "More bounce"]
    figure = plot_sweeps(table)
    assert "speed: happy 10% to 90%" in alt_text(figure)
    assert {ax.get_xlabel() for ax in figure.axes} == {"Bounce, cm", "Speed, m/s"}
    plt.close(figure)


def test_timeline_joins_no_two_walks():
    starts = [0.0, 0.5, 9.0]
    clips = [
        {"start_seconds": s, "end_seconds": s + 2, "probabilities": {"sad": 0.6, "happy": 0.4}}
        for s in starts
    ]
    figure = plot_timeline(clips)
    seconds = figure.axes[0].lines[0].get_xdata()
    assert np.array_equal(seconds, [1.0, 1.5, np.nan, 10.0], equal_nan=True)
    assert "sad in 3" in alt_text(figure)
    plt.close(figure)


def test_features_are_drawn_at_their_distance_from_neutral():
    features = {"Cadence": 130.0, "Speed": np.nan, "Lean": 99.0, "Extra": 1.0}
    figure = plot_against_neutral(
        features, {"Cadence": (110.0, 10.0), "Speed": (1.0, 0.1), "Lean": (0.0, 5.0)}
    )
    markers = {
        line.get_marker(): line.get_xdata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 1
    }
    assert markers == {"D": 2.0, ">": 6.0}
    assert "Speed not measured" in alt_text(figure) and "Extra" not in alt_text(figure)
    plt.close(figure)


@pytest.fixture(scope="module")
def untrained_run(tmp_path_factory, tiny_config):
    """Return the model file of a run that has learnt nothing, quickly."""
    folder = tmp_path_factory.mktemp("run")
    seed_everything(1)
    model = build_model("cnn_lstm", tiny_config.num_frames, tiny_config.frame_size, 1, 4)
    save_model(model, folder, model_card(tiny_config, EMOTIONS, is_demo=True))
    return folder / "model.keras"


def test_page_of_a_video_is_whole_and_safe(untrained_run, demo_video, tmp_path):
    evil = shutil.copy(demo_video, tmp_path / "<b>$x$&.mp4")
    page = tmp_path / "why.html"
    sentence = explain_video(evil, untrained_run, page)
    html = page.read_text()
    assert "<b>$x$&.mp4" in sentence and "<b>" not in html
    assert html.count("<h1") == 1 and html.count("<h2") == 3
    assert (
        html.count("<img ")
        == 2
        == len(re.findall(r'<img src="data:image/png;base64,[^"]+" alt="[^"]{40,}"', html))
    )
    assert html.count('class="banner"') == 2, "model and walker are synthetic"
    assert REFERENCE_NAME in html, "what is missing is said"


def test_page_compares_with_neutral_walks_where_they_are_known(untrained_run, demo_video, tmp_path):
    model = tmp_path / "model.keras"
    shutil.copy(untrained_run, model)
    entry = {"mean": 0.5, "sd": 0.1, "num_walkers": 4}
    none = {"mean": None, "sd": None, "num_walkers": 0}
    write_json(
        tmp_path / REFERENCE_NAME, {"speed_heights_per_s": entry, "trunk_lean_deg": none, "old": entry}
    )
    explain_video(demo_video, model, tmp_path / "why.html", trust_model=True)
    html = (tmp_path / "why.html").read_text()
    assert html.count("<img ") == 3
    assert re.search(r"against neutral walks: Speed, heights/s [\d.]+ \(neutral 0.5\)", html)


def test_video_without_verdict_gives_no_page(untrained_run, tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("this is no video")
    with pytest.raises(InputError, match="no verdict to explain.*text.mp4"):
        explain_video(text, untrained_run, tmp_path / "why.html")
    assert not (tmp_path / "why.html").exists()
