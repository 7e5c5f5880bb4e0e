"""Gait parameters against constructed walks whose truth is known: views, scale, mirror, gaps, loops."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_walks import save_keypoints

from gaitlib.clips import PreparedVideo
from gaitlib.gait import GAIT_PARAMETERS, gait_parameters, measure_gait, step_events
from gaitlib.gait.measuring import (
    foot_contacts,
    measure_keypoints,
    measure_silhouettes,
    outline_features,
    outline_motion,
    walking_rhythm,
)
from gaitlib.gait.motion import body_motion
from gaitlib.models import feature_families, gait_feature_names, gait_features
from gaitlib.models.classifiers import bout_features, box_features
from gaitlib.walker import KEYPOINT_NAMES, MIRRORED, SHAPE_NAMES, Keypoints

RATE_HZ, FRAME_PX = 15.0, (1080, 1920)
THIGH_M, SHANK_M, TRUNK_M = 0.42, 0.40, 0.50
LEG_M = THIGH_M + SHANK_M


@dataclass(frozen=True)
class Walk:
    """What a constructed walker does; angles in degrees, heading 0 to the right and 90 to the camera."""

    cadence: float = 108.0
    speed_m_per_s: float = 1.2
    thigh_deg: float = 20.0
    arm_deg: float = 25.0
    elbow_deg: float = 30.0
    abduction_deg: float = 8.0
    lean_deg: float = 6.0
    pitch_deg: float = 10.0
    bounce_m: float = 0.04
    heading_deg: float = 0.0
    seconds: float = 4.0
    size: float = 1.0


def _turned(length: float, degrees: np.ndarray | float, up: float = -1.0) -> np.ndarray:
    """Return a limb that hangs down (or stands up), turned forwards: forward, left, up."""
    angle = np.radians(degrees)
    return length * np.stack([np.sin(angle), 0 * angle, up * np.cos(angle)], axis=-1)


def make_keypoints(walk: Walk) -> Keypoints:
    """Return what a perfect estimator sees of a walker who passes a camera 6 m away."""
    times = np.arange(round(walk.seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * walk.cadence / 120 * times
    points = {"nose": np.zeros((len(times), 3))}
    shoulders = _turned(TRUNK_M, np.full(len(times), walk.lean_deg), up=1.0)
    ears = shoulders + np.array([0.0, 0.0, 0.22])
    gaze = np.radians(walk.pitch_deg)
    points["nose"] = ears + 0.1 * np.array([np.cos(gaze), 0, -np.sin(gaze)])
    for side, sign in (("left", 1.0), ("right", -1.0)):
        across, swing = np.array([0.0, sign, 0.0]), sign * np.sin(phase)
        bend = 10 + 40 * np.maximum(0, sign * np.cos(phase))
        hip = np.zeros((len(times), 3)) + 0.1 * across
        knee = hip + _turned(THIGH_M, walk.thigh_deg * swing)
        ankle = knee + _turned(SHANK_M, walk.thigh_deg * swing - bend)
        shoulder = shoulders + 0.18 * across
        arm = _turned(0.28, -walk.arm_deg * swing)
        side_out = np.tan(np.radians(walk.abduction_deg))
        elbow = shoulder + arm - across * arm[:, 2:] * side_out
        wrist = elbow + _turned(0.25, -walk.arm_deg * swing + walk.elbow_deg)
        points |= {f"{side}_hip": hip, f"{side}_knee": knee, f"{side}_ankle": ankle}
        points |= {f"{side}_heel": ankle + [-0.05, 0, -0.05], f"{side}_foot_index": ankle + [0.15, 0, -0.06]}
        points |= {f"{side}_shoulder": shoulder, f"{side}_elbow": elbow, f"{side}_wrist": wrist}
        points |= {f"{side}_{name}": wrist + [0, 0, -0.06] for name in ("pinky", "index", "thumb")}
        points |= {f"{side}_ear": ears + 0.07 * across, f"mouth_{side}": points["nose"] + [0, 0, -0.06]}
        points |= {f"{side}_eye{name}": points["nose"] + [0, 0, 0.04] for name in ("", "_inner", "_outer")}
    body = walk.size * np.stack([points[name] for name in KEYPOINT_NAMES], axis=1)
    heading = np.radians(walk.heading_deg)
    axes = np.array(
        [[np.cos(heading), 0, -np.sin(heading)], [np.sin(heading), 0, np.cos(heading)], [0, -1, 0]]
    )
    world = body @ axes
    way = walk.speed_m_per_s * (times - times.mean())
    place = np.outer(way, axes[0]) + [0, 0, 6]
    place[:, 1] = -walk.size * walk.bounce_m / 2 * np.cos(2 * phase)
    camera = world + place[:, None]
    image = 0.8 * FRAME_PX[1] * camera[..., :2] / camera[..., 2:] + np.array(FRAME_PX) / 2
    found = np.ones(world.shape[:2], np.float32)
    return Keypoints(times, image.astype(np.float32), world.astype(np.float32), found, FRAME_PX)


VIEWS = [0, 45, 90, 135, 180, 225, 270]


def test_proportions_tell_a_squeezed_picture():
    for heading_deg, name, true, power in ((90, "shoulders", 0.36 / LEG_M, 1), (0, "legs", LEG_M / 0.20, -3)):
        walk = make_keypoints(Walk(heading_deg=heading_deg))
        plain = measure_keypoints(walk)
        walk.image_px[..., 0] *= 0.75
        assert plain[name] == pytest.approx(true, rel=0.08)
        assert measure_keypoints(walk)[name] / plain[name] == pytest.approx(0.75**power, rel=0.15)
        assert len({"legs", "shoulders"} & set(plain)) == 1


@pytest.mark.parametrize("heading_deg", VIEWS)
def test_every_view_shows_the_true_parameters(heading_deg):
    found = measure_keypoints(make_keypoints(Walk(heading_deg=heading_deg)))
    assert found["cadence_steps_per_min"] == pytest.approx(108, rel=0.02)
    assert found["stride_time_s"] == pytest.approx(120 / 108, rel=0.02)
    assert found["speed_legs_per_s"] == pytest.approx(1.2 / LEG_M, rel=0.08)
    assert found["step_length_legs"] == pytest.approx(60 / 108 * 1.2 / LEG_M, rel=0.08)
    assert found["trunk_lean_deg"] == pytest.approx(6, abs=1.5)
    assert found["head_pitch_deg"] == pytest.approx(10, abs=1.5)
    assert found["elbow_flexion_deg"] == pytest.approx(30, abs=3)
    assert found["arm_swing_deg"] == pytest.approx(50, rel=0.1)
    assert found["arm_abduction_deg"] == pytest.approx(8, abs=2)
    assert found["hip_range_deg"] == pytest.approx(40, rel=0.1)
    assert found["knee_range_deg"] == pytest.approx(40, rel=0.1)
    assert found["bounce_legs"] == pytest.approx(0.04 / LEG_M, rel=0.15)
    assert found["arm_swing_asymmetry"] < 0.05 and found["step_symmetry"] > 0.9
    assert found["step_regularity"] > 0.9 and found["stride_regularity"] > 0.9


@pytest.mark.parametrize("size", [0.8, 1.2])
def test_size_of_the_person_does_not_count(size):
    one = measure_keypoints(make_keypoints(Walk(speed_m_per_s=1.2)))
    other = measure_keypoints(make_keypoints(Walk(speed_m_per_s=1.2 * size, size=size)))
    for name, value in one.items():
        assert other[name] == pytest.approx(value, rel=0.1, abs=0.5, nan_ok=True), name


def test_a_mirrored_walk_measures_the_same():
    walk = make_keypoints(Walk(heading_deg=30))
    one, other = measure_keypoints(walk), measure_keypoints(walk.mirrored())
    for name, value in one.items():
        assert other[name] == pytest.approx(value, rel=0.02, abs=0.02, nan_ok=True), name


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("trunk_lean_deg", {"lean_deg": 15.0}),
        ("head_pitch_deg", {"pitch_deg": 30.0}),
        ("arm_swing_deg", {"arm_deg": 40.0}),
        ("elbow_flexion_deg", {"elbow_deg": 80.0}),
        ("hand_height_legs", {"elbow_deg": 80.0}),
        ("arm_abduction_deg", {"abduction_deg": 20.0}),
        ("openness_legs", {"abduction_deg": 25.0}),
        ("bounce_legs", {"bounce_m": 0.08}),
        ("cadence_steps_per_min", {"cadence": 130.0}),
        ("speed_legs_per_s", {"speed_m_per_s": 1.8}),
        ("hip_range_deg", {"thigh_deg": 28.0}),
    ],
)
@pytest.mark.parametrize("heading_deg", [0, 90])
def test_a_parameter_follows_its_cause(name, change, heading_deg):
    usual = Walk(heading_deg=heading_deg)
    less, more = (measure_keypoints(make_keypoints(walk))[name] for walk in (usual, replace(usual, **change)))
    assert more > less + 0.05 * abs(less)


@pytest.mark.parametrize("cadence", [28, 34, 60, 100, 150])
@pytest.mark.parametrize("heading_deg", [0, 90])
def test_slow_and_fast_steps_are_no_harmonics(cadence, heading_deg):
    walk = make_keypoints(Walk(cadence=cadence, heading_deg=heading_deg, seconds=8.0, speed_m_per_s=0.5))
    assert measure_keypoints(walk)["cadence_steps_per_min"] == pytest.approx(cadence, rel=0.04)


def test_one_stride_is_enough_for_the_cadence():
    walk = make_keypoints(Walk(heading_deg=90, seconds=1.2))
    assert measure_keypoints(walk)["cadence_steps_per_min"] == pytest.approx(108, rel=0.06)


def test_somebody_who_stands_has_no_cadence():
    still = Walk(speed_m_per_s=0, thigh_deg=0, arm_deg=0, bounce_m=0)
    walk = make_keypoints(still)
    walk.image_px[:], walk.world_m[:] = walk.image_px[:1], walk.world_m[:1]
    rng = np.random.default_rng(0)
    walk.world_m[:] += rng.normal(0, 0.01, walk.world_m.shape)
    walk.image_px[:] += rng.normal(0, 1.5, walk.image_px.shape)
    assert "cadence_steps_per_min" not in measure_keypoints(walk)


def test_a_treadmill_walk_gets_its_speed_from_the_steps():
    found = measure_keypoints(make_keypoints(Walk(speed_m_per_s=0)))
    assert 0.8 < found["step_length_legs"] * found["cadence_steps_per_min"] / 60 < 1.8


def test_gaps_and_noise_are_borne():
    walk, rng = make_keypoints(Walk(heading_deg=60)), np.random.default_rng(1)
    walk.world_m[:] += rng.normal(0, 0.01, walk.world_m.shape)
    walk.image_px[:] += rng.normal(0, 2, walk.image_px.shape)
    for lost in (3, 4, 17, 30, 31, 32):
        walk.image_px[lost], walk.world_m[lost] = np.nan, np.nan
    found = measure_keypoints(walk)
    assert found["cadence_steps_per_min"] == pytest.approx(108, rel=0.03)
    assert np.isfinite([found["speed_legs_per_s"], found["bounce_legs"], found["sparc"]]).all()


@pytest.mark.parametrize("num_known", [0, 5])
def test_too_few_frames_measure_nothing(num_known):
    walk = make_keypoints(Walk())
    walk.world_m[num_known:] = np.nan
    assert measure_keypoints(walk) == {}


def test_a_front_taken_for_a_back_is_turned():
    walk = make_keypoints(Walk(heading_deg=90))
    true = measure_keypoints(walk)
    for wrong in (slice(10, 25), slice(None)):
        image, world = walk.image_px.copy(), walk.world_m.copy()
        image[wrong], world[wrong] = image[wrong][:, MIRRORED], world[wrong][:, MIRRORED]
        found = measure_keypoints(replace(walk, image_px=image, world_m=world))
        for name in ("cadence_steps_per_min", "arm_swing_deg", "arm_abduction_deg", "trunk_lean_deg"):
            assert found[name] == pytest.approx(true[name], rel=0.05), name


def test_near_and_far_leg_that_change_names_leave_the_cadence():
    walk = make_keypoints(Walk())
    legs = [
        place for place, name in enumerate(KEYPOINT_NAMES) if name.split("_")[-1] in ("knee", "ankle", "heel")
    ]
    legs += [KEYPOINT_NAMES.index(f"{side}_foot_index") for side in ("left", "right")]
    is_behind = walk.world_m[:, 27, 0] < walk.world_m[:, 28, 0]
    image, world = walk.image_px.copy(), walk.world_m.copy()
    for points in (image, world):
        points[np.ix_(is_behind, legs)] = points[np.ix_(is_behind, MIRRORED[legs])]
    found = measure_keypoints(replace(walk, image_px=image, world_m=world))
    assert found["cadence_steps_per_min"] == pytest.approx(108, rel=0.03)


def _looped(walk: Keypoints, frames: int, rounds: int) -> Keypoints:
    rows = np.tile(np.arange(frames), rounds)
    return replace(walk.part(rows), times_seconds=np.arange(len(rows)) / RATE_HZ)


def test_a_loop_starts_a_new_pass_and_keeps_the_rhythm():
    walk = _looped(make_keypoints(Walk(heading_deg=90, cadence=100, speed_m_per_s=1.4)), 18, 6)
    motion = body_motion(walk)
    assert np.bincount(motion.passes).tolist() == [18] * 6
    found = measure_keypoints(walk, is_repeat=np.arange(len(walk)) >= 18)
    assert found["cadence_steps_per_min"] == pytest.approx(100, rel=0.02)
    assert found["speed_legs_per_s"] == pytest.approx(1.4 / LEG_M, rel=0.1)
    assert np.isnan(found["stride_regularity"])


def test_steps_come_in_turn_and_in_time():
    motion = body_motion(make_keypoints(Walk(cadence=100)))
    events = foot_contacts(motion, walking_rhythm(motion))
    assert (events["side"].to_numpy()[1:] != events["side"].to_numpy()[:-1]).all()
    assert np.diff(events["time_seconds"]) == pytest.approx(0.6, abs=0.05)
    ankles = motion.both("ankle")[:, :, 0]
    farthest = motion.times_seconds[:18][(ankles[:, 0] - ankles[:, 1])[:18].argmax()]
    assert events["time_seconds"][events["side"] == "left"].iloc[0] == pytest.approx(farthest, abs=0.05)


# Silhouettes


def make_track(step_seconds: float = 0.55, seconds: float = 8.0, speed: float = 0.8, lean: float = 0.02):
    """Return the track of a walker to the right: speed in body heights a second, silhouette with steps."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    body = 200.0
    wave, half = (np.cos(2 * np.pi * times / (step_seconds * count)) for count in (1, 2))
    x = 100 + speed * body * times
    track = pd.DataFrame({"time_seconds": times, "bout": 0, "person": 0, "picture": np.arange(len(times))})
    shape = {
        "area": 0.1 * body**2 + 0 * times,
        "hull_area": (0.2 + 0.03 * wave) * body**2,
        "top": 300 - body * (0.5 + 0.01 * wave),
        "centre_x": x,
        "centre_y": 300 - 0.05 * body + 0.005 * body * wave,
        "head_x": x + (lean + 0.03) * body,
        "shoulders_x": x + lean * body,
        "hips_x": x,
        "legs_x": x,
        "shoulders_width": (0.15 + 0.02 * half) * body,
        "hips_width": (0.15 + 0.02 * half) * body,
        "legs_width": (0.3 + 0.08 * wave + 0.02 * half) * body,
    }
    assert tuple(shape) == SHAPE_NAMES
    width = (0.35 + 0.08 * wave) * body
    track = track.assign(left=x - width / 2, top=300 - body / 2, width=width, height=body)
    track = track.assign(square_x=x, square_y=300.0, square_side=body / 0.8, speed_heights_per_s=speed)
    return track.assign(**{f"shape_{name}": values for name, values in shape.items()})


@pytest.mark.parametrize("step_seconds", [0.4, 0.55, 0.8, 60 / 34, 60 / 28])
def test_silhouettes_show_cadence_without_harmonics(step_seconds):
    outline = outline_motion(make_track(step_seconds, seconds=12.0), (960, 540))
    assert measure_silhouettes(outline)["cadence_steps_per_min"] == pytest.approx(60 / step_seconds, rel=0.03)


def test_silhouettes_speak_of_the_same_parameters():
    found = measure_silhouettes(outline_motion(make_track(), (960, 540)))
    assert set(found) <= set(GAIT_PARAMETERS["name"])
    assert found["speed_legs_per_s"] == pytest.approx(0.8 / 0.49, rel=0.02)
    assert found["bounce_legs"] == pytest.approx(0.02 / 0.49, rel=0.05)
    leaning = measure_silhouettes(outline_motion(make_track(lean=0.06), (960, 540)))
    assert leaning["trunk_lean_deg"] > found["trunk_lean_deg"] + 5


def test_a_standing_silhouette_has_no_cadence():
    track = make_track()
    for name in SHAPE_NAMES:
        track[f"shape_{name}"] = track[f"shape_{name}"].iloc[0]
    found = measure_silhouettes(outline_motion(track, (960, 540)))
    assert "cadence_steps_per_min" not in found


def test_outlines_with_gaps_and_few_frames():
    track = make_track()
    track.loc[20:26, [f"shape_{name}" for name in SHAPE_NAMES]] = np.nan
    outline = outline_motion(track, (960, 540))
    assert outline["pass"].max() == 1 and np.isfinite(list(outline_features(outline).values())).all()
    assert outline_motion(track.head(5), (960, 540)) is None


# Prepared videos


def make_video(folder: Path, track: pd.DataFrame, keypoints: Keypoints | None = None) -> PreparedVideo:
    folder.mkdir()
    np.save(folder / "track.npy", track.assign(is_repeat=False).to_records(index=False))
    if keypoints is not None:
        save_keypoints(keypoints, folder)
    last = len(track) - 1
    bout = {"number": 0, "first_row": 0, "last_row": last, "start_seconds": 0.0, "period_frames": 0}
    bout |= {"end_seconds": len(track) / RATE_HZ, "distinct_seconds": len(track) / RATE_HZ}
    meta = {"bouts": [bout | {"person": 0, "way_right": 1.0, "way_away": 0.0}], "width": 1080, "height": 1920}
    meta |= {"main_person": 0, "frame_rate_hz": RATE_HZ, "body": "keypoints" if keypoints else "silhouette"}
    (folder / "meta.json").write_text(json.dumps(meta))
    return PreparedVideo(folder, folder.name)


@pytest.fixture(params=["keypoints", "silhouette"])
def video(request, tmp_path) -> tuple[str, PreparedVideo]:
    walk = make_keypoints(Walk(cadence=60 / 0.55)) if request.param == "keypoints" else None
    return request.param, make_video(tmp_path / "video", make_track(seconds=4.0), walk)


def test_a_prepared_video_is_measured_by_bout(video):
    body, prepared = video
    table = measure_gait(prepared)
    assert table.columns.tolist()[4:] == GAIT_PARAMETERS["name"].tolist()
    assert len(table) == 1 and bool(table["is_valid"].iloc[0])
    assert gait_parameters(prepared)["cadence_steps_per_min"] == pytest.approx(60 / 0.55, rel=0.03)
    events = step_events(prepared, prepared.bouts[0])
    assert len(events) == (7 if body == "keypoints" else 0)
    assert np.diff(events["time_seconds"]) == pytest.approx(0.55, abs=0.08)
    assert set(events["side"]) == ({"left", "right"} if body == "keypoints" else set())


def test_features_have_names_families_and_values(video):
    body, prepared = video
    names = gait_feature_names(body)
    features = gait_features(prepared)
    assert features.shape == (len(names),) and np.isfinite(features).all()
    assert bout_features(prepared) == pytest.approx(features[None])
    places = sorted(place for part in feature_families(body).values() for place in part)
    assert places == list(range(len(names)))
    assert features[names.index("speed_legs_per_s")] == pytest.approx(
        np.log(gait_parameters(prepared)["speed_legs_per_s"])
    )


def test_a_video_without_bouts_has_unknown_features(tmp_path):
    empty = make_video(tmp_path / "empty", make_track().assign(bout=-1))
    empty.meta["bouts"] = []
    assert measure_gait(empty).empty and np.isnan(gait_features(empty)).all()
    assert bout_features(empty).shape == (0, len(gait_feature_names("silhouette")))
    assert not box_features(empty).any() and np.isnan(gait_parameters(empty)["cadence_steps_per_min"])


def test_box_features_know_speed_and_cadence(video):
    features = box_features(video[1])
    assert features.shape == (13,) and features[0] == pytest.approx(0.8)
    assert features[8] == pytest.approx(1 / 0.55, rel=0.1)


def test_every_parameter_is_described():
    assert GAIT_PARAMETERS["name"].is_unique and GAIT_PARAMETERS.notna().all(axis=None)
    assert list(GAIT_PARAMETERS.index) == GAIT_PARAMETERS["name"].tolist()
    for body in ("keypoints", "silhouette"):
        assert set(feature_families(body)) >= {"speed", "rhythm", "arms", "posture", "bounce"}
