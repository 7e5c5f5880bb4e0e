"""Gait features: against the truth of synthetic walkers, and what must never be invented."""

from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from gaitlib.clips import prepare_video
from gaitlib.config import InputError, make_config
from gaitlib.demo import sample_truth
from gaitlib.demo.dataset import write_video
from gaitlib.gait import (
    GAIT_FEATURES,
    compare_with_truth,
    gait_features,
    make_gait_forest,
    make_gait_logistic,
    measure_gait,
    measure_track,
    pair_with_truth,
)
from gaitlib.gait_plots import plot_against_truth, plot_gait_by_emotion, plot_steps
from gaitlib.plotting import alt_text
from gaitlib.prepared import PreparedVideo
from gaitlib.walker.shape import SHAPE_NAMES, measure_shape

NUM_WALKERS = 6
RATE_HZ = 15.0
FRAME_HEIGHT, BODY = 240, 100.0
SHAPE_FEATURES = [name for name in GAIT_FEATURES.index if name != "speed_heights_per_s"]


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory) -> Path:
    """Return a folder of synthetic walkers as `make_demo` draws them, cameras up to 20 degrees aside."""
    folder = tmp_path_factory.mktemp("gait")
    truth = sample_truth(range(1, NUM_WALKERS + 1), num_takes=1, seed=11)
    truth.to_csv(folder / "truth.csv", index=False)
    for emotion in truth["emotion"].unique():
        (folder / emotion).mkdir()
    rows = truth.to_dict("records")
    joblib.Parallel(n_jobs=-1)(joblib.delayed(write_video)(row, folder / row["video"]) for row in rows)
    return folder


@pytest.fixture(scope="module")
def pairs(demo_folder) -> pd.DataFrame:
    return pair_with_truth(demo_folder, make_config())


@pytest.fixture(scope="module")
def videos(demo_folder, pairs) -> list[PreparedVideo]:
    """Return the prepared videos of two walkers in four emotions."""
    return [prepare_video(path, make_config()) for path in sorted(demo_folder.glob("*/walker0[12]_1.mp4"))]


class GivenTrack(PreparedVideo):
    """Stands for a video whose track and way of finding the walker are given."""

    def __init__(self, track: pd.DataFrame, method: str = "background") -> None:
        super().__init__(Path(), "")
        object.__setattr__(self, "track", track)
        object.__setattr__(self, "meta", {"methods": [method]})


def made_track(seconds: float = 6.0, cadence: float = 110.0, limp: float = 0.0) -> pd.DataFrame:
    """Return the track of a body of 100 pixels that steps to the right; a limp makes one leg step less."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    turn = 2 * np.pi * cadence / 60 * times
    legs = BODY * (0.25 + 0.10 * np.cos(turn) + limp * np.cos(turn / 2))
    top = 100 - BODY * 0.02 * np.cos(turn) - 100 * limp * 0.1 * np.cos(turn / 2)
    centre = 60 + 0.7 * BODY * times
    shape = dict.fromkeys(SHAPE_NAMES, np.full(len(times), 0.3 * BODY))
    shape |= dict.fromkeys(("centre_x", "head_x", "shoulders_x", "hips_x", "legs_x"), centre)
    shape |= {"top": top, "legs_width": legs, "centre_y": top + 50}
    track = {"time_seconds": times, "left": centre - 20, "top": np.full(len(times), 100.0), "width": legs}
    track |= {"height": np.full(len(times), BODY), "speed_heights_per_s": 0.7, "segment": 0}
    return pd.DataFrame(track | {f"shape_{name}": values for name, values in shape.items()})


def mirrored(track: pd.DataFrame) -> pd.DataFrame:
    """Return the track as if the video had been mirrored."""
    changed = track.copy()
    changed["left"] = 480 - track["left"] - track["width"]
    for name in ("centre_x", "head_x", "shoulders_x", "hips_x", "legs_x"):
        changed[f"shape_{name}"] = 480 - track[f"shape_{name}"]
    return changed


def test_truth_is_met(pairs):
    table = compare_with_truth(pairs)
    assert (table["num_videos"] == 4 * NUM_WALKERS).all()
    assert table.loc["cadence_steps_per_min", "share_within_5_percent"] >= 0.95
    for feature in ("speed_heights_per_s", "bounce_heights", "trunk_lean_deg"):
        assert table.loc[feature, "rank_correlation"] >= 0.8, table
        assert table.loc[feature, "num_valid"] >= 0.95 * len(pairs) / len(table)


def test_unmeasured_videos_count_as_missed(pairs):
    some = pairs[pairs["feature"] == "cadence_steps_per_min"].copy()
    some.loc[some.index[: len(some) // 2], "measured"] = np.nan
    row = compare_with_truth(some).iloc[0]
    assert row["num_valid"] == len(some) - len(some) // 2
    assert row["share_within_5_percent"] <= 0.5


@pytest.mark.parametrize("direction", ["left", "right"])
def test_forward_is_where_the_walker_goes(direction, demo_folder, tmp_path):
    row = pd.read_csv(demo_folder / "truth.csv").iloc[0].to_dict()
    row |= {"direction": direction, "azimuth_deg": 0.0, "num_frames": int(2.6 * row["frame_rate_hz"])}
    leans = []
    for lean in (-6.0, 14.0):
        path = tmp_path / f"{lean}.mp4"
        write_video(row | {"trunk_lean_deg": lean}, path)
        leans.append(measure_gait(prepare_video(path, make_config())).loc["trunk_lean_deg", "value"])
    assert leans[0] < 2 < leans[1]
    assert 14 < leans[1] - leans[0] < 26


def test_mirrored_walk_has_the_same_features(videos):
    for video in videos:
        there, back = measure_track(video.track), measure_track(mirrored(video.track))
        pd.testing.assert_series_equal(there, back, rtol=1e-3, atol=1e-4)


def test_what_a_picture_shows_does_not_matter(demo_folder, videos):
    path = sorted(demo_folder.glob("*/walker01_1.mp4"))[0]
    usual = measure_gait(videos[0])
    assert usual["is_valid"].all()
    for crop in ("square", "frame"):
        other = prepare_video(path, make_config(crop=crop, frame_size=32))
        pd.testing.assert_frame_equal(measure_gait(other), usual)


def test_nothing_is_invented_without_a_silhouette():
    track = made_track()
    track[[f"shape_{name}" for name in SHAPE_NAMES]] = np.nan
    gait = measure_gait(GivenTrack(track, "people_detector"))
    assert gait.loc["speed_heights_per_s", "value"] == 0.7
    assert not gait.loc[SHAPE_FEATURES, "is_valid"].any()
    assert gait.loc[SHAPE_FEATURES, "value"].isna().all()


def test_nothing_is_invented_without_a_walker():
    track = made_track()
    track[track.columns.difference(["time_seconds", "segment"])] = np.nan
    assert not measure_gait(GivenTrack(track))["is_valid"].any()
    assert not measure_gait(GivenTrack(track.iloc[:0])).is_valid.any()
    standing = made_track().assign(speed_heights_per_s=0.02)
    assert np.isnan(measure_track(standing)["speed_heights_per_s"])


def test_a_second_of_walking_has_no_cadence():
    assert measure_track(made_track(6.0)).notna().all()
    assert measure_track(made_track(1.0))[SHAPE_FEATURES].isna().all()


def test_a_shaking_camera_hides_the_bounce():
    still, shaking = (measure_gait(GivenTrack(made_track(), way)) for way in ("background", "steadied"))
    assert still["is_valid"].all()
    hidden = still.index[still["is_valid"] & ~shaking["is_valid"]]
    assert set(hidden) == {"bounce_heights", "jerk_heights_per_s3"}


@pytest.mark.parametrize("cadence", [50.0, 83.0, 110.0, 170.0])
@pytest.mark.parametrize("limp", [0.0, 0.03])
def test_cadence_counts_steps_of_either_foot(cadence, limp):
    gait = measure_track(made_track(cadence=cadence, limp=limp))
    assert gait["cadence_steps_per_min"] == pytest.approx(cadence, rel=0.02)
    assert gait["bounce_heights"] == pytest.approx(0.04, rel=0.15)
    assert gait["step_length_heights"] == pytest.approx(0.7 * 60 / cadence, rel=0.03)


def test_a_head_that_blinks_does_not_bounce():
    track = made_track()
    track.loc[::9, "shape_top"] += 15
    assert measure_track(track)["bounce_heights"] == pytest.approx(0.04, rel=0.2)
    track.loc[::3, "shape_top"] += 15
    assert np.isnan(measure_track(track)["bounce_heights"])


def test_shape_of_a_drawn_body():
    picture = np.zeros((FRAME_HEIGHT, 300), np.uint8)
    picture[50:62, 155:165] = 255  # head, ahead of the body
    picture[62:100, 140:160] = 255
    picture[100:150, 135:165] = 255  # legs apart
    shape = dict(zip(SHAPE_NAMES, measure_shape(picture, np.array([135, 50, 30, 100])), strict=True))
    assert shape["area"] == 120 + 760 + 1500
    assert shape["top"] == pytest.approx(49.4, abs=0.2)
    assert shape["head_x"] - shape["shoulders_x"] == pytest.approx(10, abs=0.5)
    assert shape["legs_width"] == pytest.approx(30 * 0.96, abs=0.5)
    assert shape["shoulders_width"] == pytest.approx(20 * 0.96, abs=0.5)
    assert shape["hull_area"] > shape["area"]


def test_shape_of_nothing_is_unknown():
    assert np.isnan(measure_shape(np.zeros((50, 50), np.uint8), np.array([10, 10, 9, 30]))).all()


@pytest.mark.parametrize("classifier", [make_gait_forest(0), make_gait_logistic()])
def test_classifiers_cope_with_gaps(classifier):
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    known = generator.normal(size=(60, len(GAIT_FEATURES))) + 3 * labels[:, None]
    known[::7, 2] = np.nan
    known[:, 5] = np.nan
    classifier.fit(known, labels)
    assert (classifier.predict(known) == labels).mean() > 0.9
    assert len(classifier.predict(np.full((3, len(GAIT_FEATURES)), np.nan))) == 3


def test_gait_features_keep_their_columns(videos):
    features = gait_features(videos)
    assert features.shape == (len(videos), len(GAIT_FEATURES))
    assert np.array_equal(features[1], measure_gait(videos[1])["value"], equal_nan=True)
    assert gait_features([]).shape == (0, len(GAIT_FEATURES))


def test_figures_say_what_they_show(videos, pairs):
    emotions = np.array(["angry", "happy", "neutral", "sad"]).repeat(2)
    figures = [
        plot_gait_by_emotion(gait_features(videos), emotions),
        plot_against_truth(pairs),
        plot_steps(videos[0]),
    ]
    assert "cadence angry" in alt_text(figures[0])
    assert "trunk lean 0." in alt_text(figures[1])
    assert "steps found" in alt_text(figures[2])
    for figure in figures:
        figure.canvas.draw()
        plt.close(figure)


def test_no_steps_are_drawn_where_there_are_none():
    with pytest.raises(InputError, match="No steps"):
        plot_steps(GivenTrack(made_track(0.5)))
