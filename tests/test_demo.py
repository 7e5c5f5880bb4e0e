"""The synthetic walkers: geometry, pixels and files."""

import dataclasses
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gaitlib.demo import (
    EMOTIONS,
    SYNTHETIC_COMMENT,
    DemoError,
    DemoOptions,
    WalkParameters,
    contact_sheet,
    make_demo,
    read_truth,
    render_video,
    sample_truth,
)
from gaitlib.demo.background import paint_background
from gaitlib.demo.feet import FLAT_CYCLES, stance_fraction
from gaitlib.demo.kinematics import pose_walker
from gaitlib.demo.parameters import sample_walker
from gaitlib.demo.rendering import WalkPainter
from gaitlib.demo.scene import HEIGHT_PX, WIDTH_PX, SceneParameters, make_camera
from gaitlib.demo.shapes import BodyOutlines

QUICK = DemoOptions(clip_seconds=(0.3, 0.5), num_jobs=1, show_progress=False)
WALK_NAMES = [field.name for field in dataclasses.fields(WalkParameters)]
SCENE_NAMES = [field.name for field in dataclasses.fields(SceneParameters)]


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    """Many drawn videos, none rendered."""
    return sample_truth(range(1, 251), seed=1)


@pytest.fixture(scope="module")
def walks(truth) -> list[WalkParameters]:
    """A few walks of every emotion."""
    rows = truth.groupby("emotion").head(12).to_dict("records")
    return [WalkParameters.from_row(row) for row in rows]


@pytest.fixture(scope="module")
def tiny_demo(tmp_path_factory) -> tuple[Path, Path]:
    """A tiny set of videos on disk: 2 + 2 walkers, one take."""
    folder = tmp_path_factory.mktemp("demo")
    videos, videos_test = folder / "videos", folder / "videosTest"
    summary = make_demo(videos, videos_test, 2, seed=3, num_takes=1, options=QUICK)
    assert (summary.num_videos, summary.num_test_videos) == (8, 8)
    return videos, videos_test


def foot_cycles(walk: WalkParameters, seconds: np.ndarray, side: str) -> np.ndarray:
    """Return the gait cycles of one foot."""
    return seconds / walk.stride_seconds + walk.start_cycle + (0.5 if side == "left" else 0.0)


def decode(path: Path) -> np.ndarray:
    """Decode all frames of a video as RGB."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    ("joint", "first", "last"),
    [("heel", 0.0, FLAT_CYCLES[1]), ("ball", FLAT_CYCLES[0], None)],
)
def test_stance_foot_stays_where_it_is(walks, side, joint, first, last):
    """Heel until the heel lifts, ball until toe-off: fixed in the world, on the ground."""
    seconds = np.linspace(-2, 2, 1201)
    for walk in walks:
        cycles = foot_cycles(walk, seconds, side)
        place = pose_walker(walk, seconds)[f"{side}_{joint}"]
        cycle, strike = cycles % 1, np.floor(cycles)
        stands = (cycle > first + 1e-9) & (cycle < (last or stance_fraction(walk)) - 1e-9)
        for number in np.unique(strike[stands]):
            stance = place[stands & (strike == number)]
            assert np.ptp(stance, axis=0).max() < 1e-6
            assert np.abs(stance[:, 2]).max() < 1e-6


def test_feet_never_go_below_the_ground(walks):
    for walk in walks:
        joints = pose_walker(walk, np.linspace(0, walk.stride_seconds, 300))
        for name in ("heel", "ball", "toe"):
            assert joints[f"left_{name}"][:, 2].min() > -0.002


def test_speed_is_cadence_times_step_length(walks):
    """The pelvis, the footprints and the parameters agree on speed and step length."""
    for walk in walks:
        seconds = np.array([-0.5, 0.5]) * walk.stride_seconds
        pelvis = pose_walker(walk, seconds)["pelvis"][:, 0]
        speed = walk.cadence_steps_per_min / 60 * walk.step_length_m
        assert np.ptp(pelvis) / walk.stride_seconds == pytest.approx(speed, rel=1e-9)
        assert pelvis.mean() == pytest.approx(0, abs=1e-9)
        # Right foot flat at 0.2 of its cycle, left foot flat half a cycle later.
        starts = (0.2 - walk.start_cycle) * walk.stride_seconds
        flat = pose_walker(walk, np.array([starts, starts + walk.stride_seconds / 2]))
        step = flat["left_heel"][1, 0] - flat["right_heel"][0, 0]
        assert step == pytest.approx(walk.step_length_m, rel=1e-9)


def test_bones_keep_their_length_and_knees_bend_forward(walks):
    bones = [("hip", "knee"), ("knee", "ankle"), ("heel", "ball"), ("elbow", "wrist")]
    for walk in walks:
        joints = pose_walker(walk, np.linspace(-1, 1, 241))
        for side in ("left", "right"):
            for start, end in bones:
                bone = joints[f"{side}_{start}"] - joints[f"{side}_{end}"]
                assert np.ptp(np.linalg.norm(bone, axis=1)) < 1e-6
            thigh = joints[f"{side}_knee"] - joints[f"{side}_hip"]
            shank = joints[f"{side}_ankle"] - joints[f"{side}_knee"]
            assert np.linalg.norm(thigh, axis=1) == pytest.approx(walk.leg_length_m / 2)
            assert (thigh[:, 0] * shank[:, 2] - thigh[:, 2] * shank[:, 0]).max() < 0


def test_parameters_act_on_the_pose(walks):
    """Bounce, lean and arm swing of the joints are those of the parameters."""
    for walk in walks:
        joints = pose_walker(walk, np.linspace(0, walk.stride_seconds, 400))
        assert 100 * np.ptp(joints["pelvis"][:, 2]) == pytest.approx(walk.hip_bounce_cm, abs=0.05)
        assert 100 * np.ptp(joints["pelvis"][:, 1]) == pytest.approx(walk.lateral_sway_cm, abs=0.05)
        arm = joints["left_elbow"] - joints["left_shoulder"]
        swing = np.degrees(np.ptp(np.arctan2(arm[:, 0], np.hypot(arm[:, 1], arm[:, 2]))))
        assert swing == pytest.approx(walk.shoulder_swing_deg, abs=0.3)
        spine = (joints["chest"] - joints["pelvis"])[0]
        lean = np.degrees(np.arctan2(spine[0], spine[2]))
        assert lean == pytest.approx(walk.trunk_lean_deg, abs=2.0)


def test_arms_swing_against_the_legs(walks):
    for walk in walks:
        joints = pose_walker(walk, np.linspace(0, walk.stride_seconds, 200))
        hand = joints["left_hand"][:, 0] - joints["left_shoulder"][:, 0]
        foot = joints["left_ankle"][:, 0] - joints["pelvis"][:, 0]
        assert np.corrcoef(hand, foot)[0, 1] < -0.7


def test_with_speed_changes_speed_alone():
    walk = WalkParameters().with_speed(1.0)
    assert walk.speed_m_per_s == pytest.approx(1.0)
    changed = {"cadence_steps_per_min", "step_length_m"}
    assert {n for n in WALK_NAMES if getattr(walk, n) != getattr(WalkParameters(), n)} == changed


def test_scene_says_nothing_of_the_emotion(truth):
    """2000 drawn videos: no column of the scene differs between emotions, the walk's do."""
    drawn = [name for name in SCENE_NAMES if truth[name].nunique() > 1]
    assert len(drawn) == len(SCENE_NAMES) - 1  # framing_speed_m_per_s is the same for all
    # The frame rate would hide a difference in the length of the clips.
    truth = truth.assign(clip_seconds=truth["num_frames"] / truth["frame_rate_hz"])
    for name in [*drawn, "clip_seconds", "start_cycle", "height_m"]:
        if truth[name].dtype.kind in "if" and truth[name].nunique() > 10:
            groups = [group[name] for _, group in truth.groupby("emotion")]
            p_value = stats.kruskal(*groups).pvalue
        elif truth[name].nunique() < 100:
            p_value = stats.chi2_contingency(pd.crosstab(truth[name], truth["emotion"])).pvalue
        else:
            brightness = truth[name].map(lambda tone: sum(bytes.fromhex(tone[1:])))
            groups = [brightness[truth["emotion"] == emotion] for emotion in EMOTIONS]
            p_value = stats.kruskal(*groups).pvalue
        assert p_value > 0.001, name
    speeds = [group["speed_m_per_s"] for _, group in truth.groupby("emotion")]
    assert stats.kruskal(*speeds).pvalue < 1e-20


def test_emotions_differ_as_published(truth):
    """Joy and anger fastest, sadness slowest; sadness swings and bounces least, and slumps."""
    mean = truth.groupby("emotion")[["speed_m_per_s", *WALK_NAMES]].mean()
    assert list(mean["speed_m_per_s"].sort_values().index)[:2] == ["sad", "neutral"]
    assert mean["shoulder_swing_deg"].idxmin() == mean["hip_bounce_cm"].idxmin() == "sad"
    assert mean["shoulder_slump_deg"].idxmax() == mean["lateral_sway_cm"].idxmax() == "sad"
    assert set(truth["form"]) == {"hot", "cold", "low_elbow", "high_elbow", "plain"}


def test_alpha_zero_takes_the_emotion_away():
    truth = sample_truth(range(1, 101), alpha=0.0, seed=2)
    groups = [group["trunk_lean_deg"] for _, group in truth.groupby("emotion")]
    assert stats.kruskal(*groups).pvalue > 0.001


def test_a_walker_is_the_same_person_in_every_video(truth):
    same = ["height_m", "leg_length_m", "girth_ratio", "skin_color", "hair_color", "hair_style"]
    assert (truth.groupby("walker")[same].nunique() == 1).all().all()
    assert truth["height_m"].nunique() == truth["walker"].nunique()
    heights = [sample_walker(np.random.default_rng(number)).height_m for number in range(50)]
    assert 1.5 < min(heights) < max(heights) < 1.95


def test_the_person_stays_inside_at_every_speed(truth):
    """A twentieth of the videos, and a walker at the greatest speed that a set allows."""
    for number, row in enumerate(truth.iloc[::20].to_dict("records")):
        walk, scene = WalkParameters.from_row(row), SceneParameters.from_row(row)
        if number % 2:
            walk = walk.with_speed(scene.framing_speed_m_per_s)
        boxes = outlines_of(walk, scene).boxes
        assert boxes[:, :2].min() > 3
        assert (boxes[:, 0] + boxes[:, 2]).max() < WIDTH_PX - 3
        assert (boxes[:, 1] + boxes[:, 3]).max() < HEIGHT_PX - 3
        assert 0.25 < np.median(boxes[:, 3]) / HEIGHT_PX < 0.7
    assert truth["speed_m_per_s"].max() < truth["framing_speed_m_per_s"].min()


def outlines_of(walk: WalkParameters, scene: SceneParameters) -> BodyOutlines:
    """Return the outlines of a video without painting it."""
    camera = make_camera(scene)
    return BodyOutlines(pose_walker(walk, scene.frame_seconds), walk, scene, camera)


@pytest.mark.parametrize("number", [7, 700, 1500])
def test_box_wraps_the_person(truth, number):
    """Painted light on black, without noise and shadow, the person fills the box."""
    pale = {name: "#c8c8c8" for name in SCENE_NAMES if name.endswith("_color")}
    row = {**truth.iloc[number].to_dict(), **pale, "noise_sd": 0.0, "num_frames": 8}
    painter = WalkPainter(WalkParameters.from_row(row), SceneParameters.from_row(row))
    painter._background[:] = painter._shade[:] = 0
    for frame, (left, top, width, height) in enumerate(painter.boxes):
        rows, columns, _ = np.nonzero(painter.paint(frame) > 35)
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert found == pytest.approx([left, top, left + width, top + height], abs=1.6)


def test_only_the_shadow_leaves_the_box(truth):
    """Above the ground nothing changes outside the box, and inside the person is seen."""
    row = {**truth.iloc[7].to_dict(), "noise_sd": 0.0}
    scene = SceneParameters.from_row(row)
    frames, boxes = render_video(row)
    empty = cv2.GaussianBlur(paint_background(scene, make_camera(scene)), (3, 3), scene.blur_sigma_px)
    for picture, (left, top, width, height) in zip(frames[::9], boxes[::9], strict=True):
        changed = np.abs(picture.astype(int) - empty).max(axis=-1)[: int(top + 0.6 * height)] > 3
        columns = np.flatnonzero(changed.any(axis=0))
        assert changed.mean() > 0.005
        assert columns.min() > left - 3
        assert columns.max() < left + width + 3


def test_rendering_again_gives_the_same_pixels(tiny_demo):
    """The row in truth.csv and the row in memory render alike, and as the file shows."""
    written = read_truth(tiny_demo[0])
    drawn = sample_truth(range(1, 3), 1, seconds=QUICK.clip_seconds, seed=3)
    pd.testing.assert_frame_equal(written, drawn, check_exact=True)
    frames, boxes = render_video(written.iloc[0])
    frames_again, boxes_again = render_video(drawn.iloc[0].to_dict())
    np.testing.assert_array_equal(frames, frames_again)
    np.testing.assert_array_equal(boxes, boxes_again)
    decoded = decode(tiny_demo[0] / written["video"].iloc[0])
    assert np.abs(decoded.astype(int) - frames).mean() < 4


def test_one_parameter_changes_the_picture_and_not_the_place(truth):
    row = {**truth.iloc[0].to_dict(), "num_frames": 5}
    frames, boxes = render_video(row)
    swung, swung_boxes = render_video({**row, "trunk_lean_deg": row["trunk_lean_deg"] + 20})
    assert not np.array_equal(boxes, swung_boxes)
    corner = np.s_[:, :20, :60]
    np.testing.assert_array_equal(frames[corner], swung[corner])


def test_truth_matches_the_files(tiny_demo):
    """Every row has its file, every file its row, with the frames and the rate it tells."""
    walkers = []
    for folder in tiny_demo:
        table = read_truth(folder)
        files = {path.relative_to(folder).as_posix() for path in folder.glob("*/*.mp4")}
        assert set(table["video"]) == files
        assert set(table["emotion"]) == set(EMOTIONS)
        walkers.append(set(table["walker"]))
        for row in table.to_dict("records"):
            assert row["video"] == f"{row['emotion']}/{row['walker']}_{row['take']}.mp4"
            with av.open(str(folder / row["video"])) as container:
                assert container.metadata["comment"] == SYNTHETIC_COMMENT
                stream = container.streams.video[0]
                assert stream.codec_context.name == "h264"
                assert stream.average_rate == row["frame_rate_hz"]
                assert sum(1 for _ in container.decode(stream)) == row["num_frames"]
            with_speed = row["cadence_steps_per_min"] / 60 * row["step_length_m"]
            assert row["speed_m_per_s"] == pytest.approx(with_speed, rel=1e-12)
    assert not walkers[0] & walkers[1]


def test_same_seed_gives_the_same_bytes(tiny_demo, tmp_path):
    """Two workers write what one wrote; another seed writes something else."""
    again, other = tmp_path / "again", tmp_path / "other"
    options = dataclasses.replace(QUICK, num_jobs=2)
    make_demo(again / "videos", again / "videosTest", 2, 3, num_takes=1, options=options)
    make_demo(other / "videos", other / "videosTest", 1, 4, num_takes=1, options=QUICK)
    for folder in tiny_demo:
        for path in folder.rglob("*.*"):
            twin = again / path.relative_to(folder.parent)
            assert twin.read_bytes() == path.read_bytes()
    name = "videos/happy/walker01_1.mp4"
    assert (other / name).read_bytes() != (again / name).read_bytes()


def test_a_folder_in_use_is_refused(tmp_path):
    videos, videos_test = tmp_path / "videos", tmp_path / "videosTest"
    (videos_test / "happy").mkdir(parents=True)
    with pytest.raises(DemoError, match=r"videosTest already holds happy; empty the folder"):
        make_demo(videos, videos_test, 1, num_takes=1, options=QUICK)
    assert not videos.exists()
    with pytest.raises(DemoError, match="two folders"):
        make_demo(videos, videos / "test", 1, options=QUICK)
    with pytest.raises(DemoError, match="0 walkers"):
        make_demo(videos, tmp_path / "other", 0, options=QUICK)


def test_readme_stays_and_a_failed_run_leaves_nothing(tmp_path, monkeypatch):
    videos, videos_test = tmp_path / "videos", tmp_path / "videosTest"
    videos.mkdir()
    (videos / "README.md").write_text("Put videos here.")

    def fail(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("gaitlib.demo.dataset._write_alone", fail)
        with pytest.raises(DemoError, match="disk full"):
            make_demo(videos, videos_test, 1, num_takes=1, options=QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["videos"]
    assert [path.name for path in videos.iterdir()] == ["README.md"]
    make_demo(videos, videos_test, 1, num_takes=1, options=QUICK)
    assert (videos / "README.md").read_text() == "Put videos here."
    assert sorted(path.name for path in tmp_path.iterdir()) == ["videos", "videosTest"]
    assert len(list(videos.glob("*/*.mp4"))) == 4


def test_contact_sheet_has_a_row_for_each_emotion(truth):
    sheet = contact_sheet(truth, num_columns=3, cell_px=48)
    assert sheet.shape == (4 * 48, 3 * 48, 3)
    assert sheet.dtype == np.uint8
    assert all(sheet[start : start + 48].std() > 5 for start in range(0, 192, 48))
    with pytest.raises(ValueError, match="no angry video of nobody"):
        contact_sheet(truth, "nobody")
