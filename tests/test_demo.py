"""The drawn walkers: reproducible, honest about themselves, and telling of emotion only by the walk."""

import av
import numpy as np
import pandas as pd
import pytest

from gaitlib.demo import SYNTHETIC_COMMENT, TRUTH_NAME, make_demo, paint_frames, sample_truth
from gaitlib.demo.kinematics import WalkParameters, pose_walker
from gaitlib.errors import InputError


@pytest.fixture(scope="module")
def truth():
    return sample_truth(range(1, 41), seed=0)


def test_videos_say_that_they_are_synthetic(demo_folders):
    path = demo_folders[0] / "sad" / "walker01_1.mp4"
    with av.open(str(path)) as container:
        assert container.metadata["comment"] == SYNTHETIC_COMMENT


def test_truth_draws_the_video_again(demo_folders):
    row = pd.read_csv(demo_folders[0] / TRUTH_NAME).to_dict("records")[0]
    frames = list(paint_frames(row))
    with av.open(str(demo_folders[0] / row["video"])) as container:
        first = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert len(frames) == row["num_frames"]
    assert np.abs(frames[0].astype(float) - first).mean() < 6


def test_same_seed_same_bytes(tmp_path):
    for name in ("one", "two"):
        make_demo(tmp_path / name, tmp_path / f"{name}_test", 1, num_takes=1, clip_seconds=(0.3, 0.3))
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 9  # a video and a recording of each emotion, and the truth
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


def test_nobody_is_in_both_folders(demo_folders):
    walkers = [set(pd.read_csv(folder / TRUTH_NAME)["walker"]) for folder in demo_folders]
    assert len(walkers[0]) == 4
    assert not walkers[0] & walkers[1]


def test_emotions_move_as_the_literature_says(truth):
    means = truth.groupby("emotion")[["speed_m_per_s", "hip_bounce_cm", "shoulder_swing_deg"]].mean()
    assert means["speed_m_per_s"].idxmin() == "sad"
    assert means["hip_bounce_cm"].idxmax() == "happy"
    assert means["shoulder_swing_deg"].idxmin() == "sad"


def test_scene_tells_nothing_of_the_emotion(truth):
    scene = truth[["azimuth_deg", "camera_distance_m", "brightness_ratio", "noise_sd", "light_azimuth_deg"]]
    spread = scene.groupby(truth["emotion"]).mean().std() / scene.std()
    # Means of 80 draws differ by about 0.11 standard deviations by chance.
    assert (spread < 0.3).all()


def test_feet_do_not_slide():
    walk = WalkParameters()
    joints = pose_walker(walk, np.linspace(0, 2, 400))
    ball = joints["left_ball"]
    on_ground = ball[:, 2] < 0.002
    speed = np.abs(np.diff(ball[:, 0])) * 200
    assert np.median(speed[on_ground[1:] & on_ground[:-1]]) < 0.05 * walk.speed_m_per_s
    assert min(place[:, 2].min() for name, place in joints.items() if "ball" in name) > -0.01


def test_bones_keep_their_length():
    joints = pose_walker(WalkParameters(thigh_range_deg=55), np.linspace(0, 1, 50))
    thigh = np.linalg.norm(joints["left_knee"] - joints["left_hip"], axis=1)
    assert np.ptp(thigh) < 1e-6


def test_speed_is_cadence_times_step():
    assert WalkParameters(cadence_steps_per_min=60, step_length_m=0.5).speed_m_per_s == 0.5


def test_folders_in_the_way_are_refused(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.mp4").touch()
    with pytest.raises(InputError, match=r"already holds x\.mp4"):
        make_demo(tmp_path / "a", tmp_path / "b", 1)
