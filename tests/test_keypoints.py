import subprocess
import sys
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from gaitlib.demo import paint_frames, sample_truth
from gaitlib.errors import InputError
from gaitlib.walker import WalkerFinder
from gaitlib.walker.blazepose import PoseEstimator, ensure_weights, weights_dir, weights_problem
from gaitlib.walker.finding import find_cuts, find_still, find_view, make_thumbs
from gaitlib.walker.keypoints import KEYPOINT_NAMES, MIRRORED, Keypoints, smooth, unbroken_runs
from gaitlib.walker.walking import State, find_bouts, judge_frames, level

RATE = 15.0
BARS = [(0, 0), (30, 60), (0, 0), (0, 0)]
LEG, ARM = ("knee", "ankle", "heel", "foot_index"), ("elbow", "wrist", "pinky", "index", "thumb")
needs_weights = pytest.mark.skipif(bool(weights_problem()), reason=weights_problem() or "weights are there")
FILES = ("pose_detection.tflite", "pose_landmark_full.tflite")
PLACE = weights_dir()  # before a test names another


# A walk by numbers: keypoints of a person who strides along x (or, turned, towards the camera).
STANDING_M = np.zeros((33, 3))
POINTS = (
    *(("shoulder", 0.18, -0.5), ("elbow", 0.2, -0.22), ("wrist", 0.2, 0.02), ("hip", 0.1, 0)),
    *(("knee", 0.1, 0.42), ("ankle", 0.1, 0.82), ("heel", 0.1, 0.87), ("foot_index", 0.1, 0.88)),
)
for joint, away, down in POINTS:
    STANDING_M[KEYPOINT_NAMES.index(f"left_{joint}")] = (0, down, away)
    STANDING_M[KEYPOINT_NAMES.index(f"right_{joint}")] = (0, down, -away)
STANDING_M[:11] = (0.1, -0.7, 0)
STANDING_M[17:23] = STANDING_M[[15, 16] * 3]  # fingers


def walk_by_numbers(seconds=4.0, heading_deg=0.0, swing_deg=25.0, growth=0.0, rate_hz=RATE) -> Keypoints:
    """Return somebody who walks on the spot of a 640 x 480 picture: 0 degrees to the right, 90 away."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    world_m = np.repeat(STANDING_M[None], len(times), axis=0)
    for side, sign in (("left", 1), ("right", -1)):
        for root, joints, share in (("hip", LEG, 1.0), ("shoulder", ARM, -0.5)):
            swing_rad = share * sign * np.radians(swing_deg) * np.sin(2 * np.pi * 0.95 * times)
            root_m = STANDING_M[KEYPOINT_NAMES.index(f"{side}_{root}")]
            for joint in joints:
                place = KEYPOINT_NAMES.index(f"{side}_{joint}")
                length_m = STANDING_M[place, 1] - root_m[1]
                world_m[:, place, 0] = length_m * np.sin(swing_rad)
                world_m[:, place, 1] = root_m[1] + length_m * np.cos(swing_rad)
    cos, sin = np.cos(np.radians(heading_deg)), np.sin(np.radians(heading_deg))
    world_m = world_m @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    scale = 200 * np.exp(growth * times)[:, None, None]
    image_px = world_m[..., :2] * scale + (320, 220)
    arrays = (image_px.astype(np.float32), world_m.astype(np.float32), np.ones((len(times), 33), np.float32))
    return Keypoints(times, *arrays, (640, 480))


def changed(keypoints: Keypoints, rows, change) -> Keypoints:
    image_px, world_m = keypoints.image_px.copy(), keypoints.world_m.copy()
    for array in (image_px, world_m):
        array[rows] = change(array[rows])
    return Keypoints(keypoints.times_seconds, image_px, world_m, keypoints.visibility, (640, 480))


def swap_legs(points: np.ndarray) -> np.ndarray:
    points = points.copy()
    points[:, 25:] = points[:, MIRRORED[25:]]
    return points


class TestKeypoints:
    def test_mirrored_twice_is_the_same(self):
        walk = walk_by_numbers()
        again = walk.mirrored().mirrored()
        assert again.frame_size_px == (640, 480) and again.frame_rate_hz == pytest.approx(RATE)
        np.testing.assert_allclose(again.image_px, walk.image_px, atol=1e-4)
        np.testing.assert_array_equal(again.world_m, walk.world_m)

    def test_a_mirror_turns_a_walk_round(self):
        mirrored = walk_by_numbers().mirrored()
        assert np.all(mirrored.world_m[:, 0, 0] < 0)  # the nose looks left
        left, right = KEYPOINT_NAMES.index("left_ankle"), KEYPOINT_NAMES.index("right_ankle")
        np.testing.assert_allclose(mirrored.world_m[:, left, 0], -walk_by_numbers().world_m[:, right, 0])

    def test_table_has_the_header_of_deeplabcut(self):
        table = walk_by_numbers().to_dlc_table()
        assert table.columns.names == ["scorer", "bodyparts", "coords"] and table.shape == (60, 99)
        assert table["BlazePose"]["nose"]["likelihood"].eq(1).all()


class TestWeights:
    @pytest.fixture()
    def empty_place(self, tmp_path, monkeypatch):
        monkeypatch.delenv("GAITLIB_WEIGHTS", raising=False)
        monkeypatch.setattr(sys, "prefix", str(tmp_path))
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
        (tmp_path / "index").mkdir()
        return tmp_path

    def make_wheel(self, place, contents: dict) -> None:
        name = "mediapipe-0.10.21"
        wheel = place / "index" / f"{name}-cp312-cp312-manylinux_2_28_x86_64.whl"
        info = {
            "METADATA": "Metadata-Version: 2.1\nName: mediapipe\nVersion: 0.10.21\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n",
            "RECORD": "",
        }
        with zipfile.ZipFile(wheel, "w") as archive:
            for file, content in info.items():
                archive.writestr(f"{name}.dist-info/{file}", content)
            for file, content in contents.items():
                archive.writestr(f"mediapipe/modules/{file}", content)

    @needs_weights
    def test_fetched_once_from_the_wheel(self, empty_place, monkeypatch):
        real, said = {name: (PLACE / name).read_bytes() for name in FILES}, []
        self.make_wheel(empty_place, real)
        assert ensure_weights(said.append) and len(said) == 1 and "Fetching" in said[0]
        monkeypatch.setattr(subprocess, "run", None)
        assert ensure_weights(said.append) and len(said) == 1

    def test_an_environment_of_others_stays_as_it_is(self, empty_place, monkeypatch):
        monkeypatch.setattr("os.access", lambda *_: False)
        monkeypatch.setenv("GAITLIB_CACHE", str(empty_place / "cache"))
        assert weights_dir() == empty_place / "cache" / "weights"

    @pytest.mark.parametrize(
        "contents, problem",
        [(None, "could not be"), ({}, "could not be"), (dict.fromkeys(FILES, b"other"), "wrong sha256")],
    )
    def test_one_sentence_and_nothing_half_written(self, empty_place, contents, problem):
        if contents is not None:
            self.make_wheel(empty_place, contents)
        said = []
        assert not ensure_weights(said.append)
        assert len(said) == 2 and problem in said[1] and "until" in said[1]
        assert not list(weights_dir().glob("*.tflite")) and weights_problem()

    def test_a_damaged_file_is_fetched_again(self, empty_place):
        weights_dir().mkdir(parents=True)
        (weights_dir() / FILES[0]).write_bytes(b"damaged")
        assert "is damaged" in weights_problem()
        assert not ensure_weights(lambda sentence: None)
        with pytest.raises(InputError, match="is damaged"):
            PoseEstimator()

    def test_a_named_folder_is_never_written_to(self, empty_place, monkeypatch):
        monkeypatch.setenv("GAITLIB_WEIGHTS", str(empty_place / "named"))
        said = []
        assert not ensure_weights(said.append) and len(said) == 1 and "GAITLIB_WEIGHTS" in said[0]
        assert not (empty_place / "named").exists()

    def test_without_litert(self, monkeypatch):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        said = []
        assert not ensure_weights(said.append)
        assert "ai-edge-litert is missing" in said[0] and len(said) == 1


class TestSmoothing:
    def test_a_clean_walk_stays_and_its_steps_keep_their_time(self):
        walk = walk_by_numbers()
        smoothed = smooth(walk)
        assert np.abs(smoothed.world_m - walk.world_m)[5:-5].max() < 0.03
        ankle = KEYPOINT_NAMES.index("left_ankle")
        peaks = [np.argmax(each.world_m[10:24, ankle, 0]) for each in (walk, smoothed)]
        assert peaks[0] == peaks[1]

    def test_noise_shrinks(self):
        walk = walk_by_numbers()
        noise = np.random.default_rng(0).normal(0, 0.02, walk.world_m.shape).astype(np.float32)
        noisy = replace(walk, world_m=walk.world_m + noise)
        error = np.abs(smooth(noisy).world_m - walk.world_m)[5:-5]
        assert error.mean() < 0.95 * np.abs(noise).mean()
        assert error[..., 2].mean() < 0.85 * np.abs(noise).mean()  # depth

    @pytest.mark.parametrize("rows", [[9], [9, 10], [24, 40, 41]])
    def test_swapped_legs_are_swapped_back(self, rows):
        walk = walk_by_numbers()
        mended = smooth(changed(walk, rows, swap_legs))
        assert np.abs(mended.world_m[..., 0] - walk.world_m[..., 0])[rows].max() < 0.15

    @pytest.mark.parametrize("growth, share", [(0.0, 0.3), (0.3, 0.9)])
    def test_a_front_taken_for_a_back_is_turned_round(self, growth, share):
        walk = walk_by_numbers(heading_deg=-90, growth=growth, seconds=2)
        rows = np.arange(round(share * len(walk)))

        def turn(points):
            points = points[:, MIRRORED].copy()
            # The face looks the other way; depth of the limbs follows where they stand in the picture.
            points[:, :11, 2:] = 2 * points[:, [7, 8], 2:].mean(axis=1, keepdims=True) - points[:, :11, 2:]
            return points

        mended = smooth(changed(walk, rows, turn))
        assert np.abs(mended.world_m - walk.world_m).max() < 0.1

    def test_short_gaps_are_closed_long_ones_stay(self):
        walk = changed(walk_by_numbers(), [10, 11, *range(30, 40)], lambda points: points * np.nan)
        found = smooth(walk).is_found
        assert found[[10, 11]].all() and not found[30:40].any()

    def test_a_loop_is_cut_where_it_begins_again(self):
        once = walk_by_numbers(seconds=1, heading_deg=-90, growth=0.4)
        arrays = (np.tile(each, (3, *[1] * (each.ndim - 1))) for each in (once.image_px, once.world_m))
        loop = Keypoints(np.arange(45) / RATE, *arrays, np.ones((45, 33), np.float32), (640, 480))
        assert [len(run) for run in unbroken_runs(loop)] == [15, 15, 15]


VIEW = (0.0, 0.0, 640.0, 480.0)


class TestWalking:
    @pytest.mark.parametrize("heading_deg", [0, 45, -90, 180])
    def test_walks_whatever_the_heading(self, heading_deg):
        walk = smooth(walk_by_numbers(heading_deg=heading_deg))
        states = judge_frames(walk, VIEW)
        assert (states == State.WALKING).all()
        assert [len(rows) for rows in find_bouts(states, unbroken_runs(walk), RATE)] == [len(walk)]

    def test_jumping_jacks_and_standing_are_no_walk(self):
        still = walk_by_numbers(swing_deg=0.0)
        assert (judge_frames(smooth(still), VIEW) == State.STANDING).all()
        jack = changed(still, slice(None), lambda points: points)
        spread = 0.3 * np.abs(np.sin(2 * np.pi * jack.times_seconds))
        jack.world_m[:, 27, 2] -= spread
        jack.world_m[:, 28, 2] += spread
        assert (judge_frames(smooth(jack), VIEW) == State.STANDING).all()

    @pytest.mark.parametrize("view", [(0, 0, 640, 380), (0, 100, 640, 480), (330, 0, 640, 480)])
    def test_cut_by_the_edge_of_the_picture(self, view):
        assert (judge_frames(walk_by_numbers(), view) == State.CUT).mean() > 0.6

    def test_hidden_legs_and_a_turn_on_the_spot(self):
        walk = walk_by_numbers()
        walk.visibility[:, 25:] = 0.1
        assert (judge_frames(walk, VIEW) == State.HIDDEN).all()
        angles = np.clip(np.arange(60) * 12 - 300, 0, 180)
        parts = [walk_by_numbers(heading_deg=angle).part([row]) for row, angle in enumerate(angles)]
        arrays = [np.concatenate([getattr(part, name) for part in parts]) for name in ("image_px", "world_m")]
        turning = Keypoints(walk.times_seconds, *arrays, np.ones((60, 33), np.float32), (640, 480))
        assert (judge_frames(turning, VIEW)[27:38] == State.TURNING).mean() > 0.7

    def test_a_tilted_camera_is_levelled(self):
        walk = walk_by_numbers()
        cos, sin = np.cos(np.radians(15)), np.sin(np.radians(15))
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        tilted = replace(walk, world_m=walk.world_m @ turn)
        levelled = level(tilted, [np.arange(len(walk))])
        trunk = levelled.world_m[:, [11, 12]].mean(axis=(0, 1))
        assert abs(np.degrees(np.arctan2(trunk[0], -trunk[1]))) < 1


@pytest.fixture(scope="module")
def people() -> list[np.ndarray]:
    """Return frames of two drawn people who walk, 15 a second: 1.8 s each."""
    truth = sample_truth(range(1, 40), num_takes=1)
    chosen = truth.query("emotion == 'neutral' and frame_rate_hz == 30 and direction == 'right'")[:2]
    return [np.stack(list(paint_frames(row))[:54:2]) for _, row in chosen.iterrows()]


def find(frames: np.ndarray, with_masks: bool = False):
    finder = WalkerFinder("keypoints", RATE, (2 * frames.shape[2], 2 * frames.shape[1]), with_masks)
    return finder.find(SimpleNamespace(frames=frames, times_seconds=np.arange(len(frames)) / RATE))


@needs_weights
class TestFinding:
    def test_a_drawn_walker_in_every_frame(self, people):
        track = find(people[0], with_masks=True)
        assert track.method == "keypoints" and track.num_people == 1 and set(track.person) == {0}
        assert track.keypoints.is_found.all() and (track.bouts == 0).mean() > 0.85
        assert np.isfinite(track.boxes).all() and np.abs(np.diff(track.squares[:, 2])).max() < 3
        # Keypoints count in pixels of the full size, boxes in those of the frames.
        assert abs(np.median(track.keypoints.image_px[:, 24, 0] / track.squares[:, 0]) - 2) < 0.2
        inside = [track.masks[row, int(y), int(x)] for row, (x, y, _) in enumerate(track.squares)]
        assert np.mean(np.array(inside) > 127) > 0.7
        angle = np.degrees(np.arctan2(*np.mean(track.keypoints.world_m[:, 27:29], axis=(0, 1))[:2]))
        assert abs(angle) < 2

    @pytest.mark.parametrize(
        "change, reason",
        [
            (lambda frames, feet: frames[:, : int(feet - 25)], "cuts the person off"),
            (lambda frames, feet: np.pad(frames[:, : int(feet - 25)], BARS), "cuts"),
            (lambda frames, feet: frames[:, ::-1, ::-1], "not upright"),
            (lambda frames, feet: np.repeat(frames[:1], 27, axis=0), "without stepping"),
            (lambda frames, feet: np.zeros_like(frames), "no person could be made out"),
        ],
    )
    def test_nobody_walks_in_full_view_and_why(self, people, change, reason):
        boxes = find(people[0]).boxes
        track = find(np.ascontiguousarray(change(people[0], np.median(boxes[:, 1] + boxes[:, 3]))))
        assert (track.bouts < 0).all() and reason in track.reason

    def test_two_people_in_turn_have_two_numbers(self, people):
        track = find(np.concatenate(people))
        assert len({*track.person} - {-1}) == 2
        assert all(len(set(track.person[track.bouts == bout])) == 1 for bout in range(track.bouts.max() + 1))

    def test_a_jump_within_a_shot_begins_another_bout(self, people):
        frames = np.concatenate([people[0], people[0]])
        assert not find_cuts(make_thumbs(frames)).any()
        track, middle = find(frames), len(people[0])
        assert track.bouts[middle - 1] >= 0 and track.bouts[middle] not in (-1, track.bouts[middle - 1])

    def test_a_bout_of_the_same_walker_ends_where_the_film_cuts(self, people):
        masks = find(people[0], with_masks=True).masks[14:, ..., None]
        other = 255 - np.median(people[0], axis=0)
        frames = np.concatenate([people[0][:14], np.where(masks > 9, people[0][14:], other).astype(np.uint8)])
        track = find(frames)
        assert set(track.person[12:18]) == {0} and not {*track.bouts[:14]} & {*track.bouts[14:]} - {-1}
        finder = WalkerFinder("keypoints", RATE, (640, 240))
        for part, is_cut in ((frames[:14], False), (frames[14:], True)):  # where a chunk ends, too
            track = finder.find(SimpleNamespace(frames=part, times_seconds=np.arange(len(part))))
            assert track.is_cut[0] == is_cut

    def test_two_people_together_are_counted_and_not_mixed(self, people):
        num_frames = min(map(len, people))
        both = np.concatenate([frames[:num_frames] for frames in people], axis=1)
        track = find(both)
        assert track.num_people == 2 and len(set(track.person)) == 1

    def test_a_film_that_stops_is_no_walk_meanwhile(self, people):
        parts = people[0][:14], np.repeat(people[0][13:14], 12, axis=0), people[0][14:]
        track = find(np.concatenate(parts))
        assert any("freezes for a while" in note for note in track.notes)
        assert (track.bouts[14:26] == -1).all() and set(track.bouts) == {-1, 0, 1}
        assert find_still(people[0][:4], 1.0).tolist() == [False] * 4
        slow = find(np.repeat(people[0][::3], 3, axis=0))  # five frames a second
        assert (slow.bouts == 0).mean() > 0.85 and not slow.notes

    def test_numbers_go_on_from_chunk_to_chunk(self, people):
        finder = WalkerFinder("keypoints", RATE, (640, 240))
        for part in (people[0][:13], people[0][13:]):
            track = finder.find(SimpleNamespace(frames=part, times_seconds=np.arange(len(part))))
            assert set(track.person) == {0}


class TestScene:
    @pytest.fixture()
    def scene(self) -> np.ndarray:
        rng = np.random.default_rng(1)
        coarse = cv2.resize(rng.integers(60, 255, (12, 16, 3), np.uint8), (160, 120))
        return np.clip(coarse + rng.normal(0, 4, (30, 120, 160, 3)), 0, 255).astype(np.uint8)

    def test_cuts_but_not_light_begin_a_shot(self, scene):
        other, darker = scene[:, ::-1, ::-1], (scene * 0.8).astype(np.uint8)
        is_cut = find_cuts(make_thumbs(np.concatenate([scene, darker, other, scene])))
        assert np.flatnonzero(is_cut).tolist() == [60, 90]

    def test_bars_and_pillars(self, scene):
        assert find_view(scene) == (0, 0, 160, 120)
        bars = np.pad(scene, ((0, 0), (20, 10), (0, 0), (0, 0)))
        bars[:, 5:12, 70:100:2] = 255  # a caption
        assert find_view(bars) == (0, 20, 160, 140)
        for sides, view in (((30, 30), (30, 0, 190, 120)), ((0, 30), (0, 0, 160, 120))):
            assert find_view(np.pad(scene, ((0, 0), (0, 0), sides, (0, 0)), constant_values=250)) == view

    def test_blurred_fill_is_no_picture(self, scene):
        for number, frame in enumerate(scene):
            frame[:, 4 * number : 4 * number + 30] = 30
        blurred = [cv2.GaussianBlur(cv2.resize(frame, (160, 180)), (0, 0), 12) for frame in scene]
        filled = np.stack(blurred)
        filled[:, 30:150] = scene
        assert find_view(filled) == (0, 30, 160, 150)

    def test_ceiling_and_mat_are_no_bars(self, scene):
        scene[:, :15], scene[:, 105:] = 225, 110
        assert find_view(scene) == (0, 15, 160, 105)  # plain to the last bit: an editor's frame
        scene[:, :15, ::7] += 6
        scene[:, 105:, ::7] += 6
        assert find_view(scene) == (0, 0, 160, 120)

    def test_a_dark_floor_that_somebody_crosses_is_no_bar(self, scene):
        scene[:, 80:] = 12
        assert find_view(scene) == (0, 0, 160, 80)
        for number, frame in enumerate(scene):
            frame[70:105, 4 * number : 4 * number + 8] = 60
        assert find_view(scene) == (0, 0, 160, 120)
