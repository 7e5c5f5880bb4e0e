"""The walker found before a learnt background, in drawn scenes whose truth is known."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from gaitlib.walker import SHAPE_NAMES, WalkerFinder, WalkerTrack, cut_frames, measure_shapes, path_speed
from gaitlib.walker.silhouettes import _link, level_light

RATE_HZ = 15.0
SIZE = (240, 480)


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Draw an empty scene with structure at all sizes, shape (height, width), uint8."""
    rng = np.random.default_rng(seed)
    tiles = np.kron(rng.uniform(-30, 30, (height // 20 + 1, width // 20 + 1)), np.ones((20, 20)))
    scene = 130 + tiles[:height, :width]
    for size in (8, 24, 60):
        noise = rng.normal(0, 10, (height // size, width // size)).astype(np.float32)
        scene += cv2.resize(noise, (width, height))
    return np.clip(scene, 60, 230).astype(np.uint8)


def with_noise(frames: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 2, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def draw_person(frame: np.ndarray, x: float, foot: float, height: float, phase: float) -> None:
    """Draw a figure with swinging legs and arms (in place); `phase` in steps."""
    unit = height / 8
    hip, shoulder = (int(x), int(foot - 4 * unit)), (int(x), int(foot - 6.6 * unit))
    swing, width = 1.4 * unit * np.sin(np.pi * phase), max(2, int(0.9 * unit))
    for side in (-1, 1):
        cv2.line(frame, hip, (int(x + side * swing), int(foot)), 20, width)
        cv2.line(frame, shoulder, (int(x - side * swing), int(foot - 3.6 * unit)), 30, width // 2 + 1)
    cv2.line(frame, hip, shoulder, 15, int(1.6 * unit))
    cv2.circle(frame, (int(x), int(foot - 7.4 * unit)), int(0.6 * unit), 25, -1)


def scene(num_frames: int, *people: tuple[float, float, float], size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return frames in which people walk; each is (first place, pixels a frame, height)."""
    frames = np.repeat(textured(*size)[None], num_frames, axis=0)
    for number, frame in enumerate(frames):
        for start, step, height in people:
            draw_person(frame, start + step * number, size[0] - 25, height, number / 8 if step else 0.25)
    return with_noise(frames)


def find_track(frames: np.ndarray) -> WalkerTrack:
    finder = WalkerFinder("silhouette", RATE_HZ, (2 * frames.shape[2], 2 * frames.shape[1]))
    return finder.find(SimpleNamespace(frames=frames, times_seconds=np.arange(len(frames)) / RATE_HZ))


def find(frames: np.ndarray) -> tuple[WalkerTrack, np.ndarray]:
    track = find_track(frames)
    return track, track.bouts >= 0


@pytest.fixture(scope="module")
def walked() -> tuple[np.ndarray, WalkerTrack]:
    """Return frames of somebody who walks right, and the track."""
    frames = scene(60, (60, 5, 150))
    return frames, find_track(frames)


def test_square_is_centred_on_the_walker_and_filled_evenly(walked):
    _, track = walked
    walking = track.bouts >= 0
    assert walking.mean() > 0.9
    assert set(track.bouts[walking]) == {0}
    assert (track.method, track.num_people, track.person[30]) == ("background", 1, 0)
    places = np.column_stack([60 + 5 * np.arange(60), np.full(60, 215 - 75)])
    assert np.abs(track.squares[walking, :2] - places[walking]).max() < 12
    assert np.ptp(track.squares[walking, 2]) < 10
    assert np.median(track.squares[walking, 2]) == pytest.approx(150 / 0.8, rel=0.08)
    speed = path_speed(track.squares[walking], RATE_HZ)
    assert np.median(speed) == pytest.approx(5 * RATE_HZ / 150, rel=0.08)


def test_boxes_of_a_film_and_its_mirror_image_agree(walked):
    frames, track = walked
    mirrored = find_track(np.ascontiguousarray(frames[:, :, ::-1]))
    boxes = mirrored.boxes.copy()
    boxes[:, 0] = SIZE[1] - boxes[:, 0] - boxes[:, 2]
    np.testing.assert_allclose(boxes, track.boxes, atol=0.01)
    np.testing.assert_array_equal(mirrored.bouts, track.bouts)
    shapes, others = (measure_shapes(each.masks, each.boxes) for each in (track, mirrored))
    for name, one, other in zip(SHAPE_NAMES, shapes.T, others.T, strict=True):
        other = SIZE[1] - 1 - other if name.endswith("_x") else other
        np.testing.assert_allclose(one, other, atol=0.6, err_msg=name)


def test_silhouette_shows_the_walker_and_nothing_else(walked):
    _, track = walked
    for row in (15, 30, 45):
        truth = np.full(SIZE, 255, np.uint8)
        draw_person(truth, 60 + 5 * row, 215, 150, row / 8)
        body, mask = truth < 255, track.masks[row] / 255
        assert mask[body].mean() > 0.85
        assert mask[cv2.dilate(body.astype(np.uint8), np.ones((9, 9))) == 0].mean() < 0.005


def test_shape_of_a_known_outline():
    masks = np.zeros((2, 120, 100), np.uint8)
    cv2.rectangle(masks[0], (40, 10), (59, 109), 255, -1)
    box = [40.0, 10.0, 20.0, 100.0]
    shape, nothing = (
        dict(zip(SHAPE_NAMES, row, strict=True)) for row in measure_shapes(masks, np.array([box, box]))
    )
    assert shape["area"] == pytest.approx(2000)
    assert shape["hull_area"] == pytest.approx(19 * 99)
    assert shape["top"] == pytest.approx(10, abs=0.1)
    for name in ("centre_x", "head_x", "shoulders_x", "hips_x", "legs_x"):
        assert shape[name] == pytest.approx(49.5, abs=0.1)
    assert shape["legs_width"] == pytest.approx(19, abs=0.1)
    assert all(np.isnan(value) for value in nothing.values())


@pytest.mark.parametrize(
    ("frames", "word"),
    [
        (scene(45), "no person"),
        (np.zeros((30, 120, 160), np.uint8), "no person"),
        (scene(60, (240, 0, 150)), ""),
        (scene(60, (60, 5, 130))[:, :-50], "cuts the person off"),
        (scene(60, (60, 5, 150))[:, 75:], "cuts the person off"),
        (scene(60, (60, 5, 14)), "too small"),
    ],
)
def test_who_does_not_walk_in_full_view_is_not_read(frames, word):
    track, walking = find(frames)
    assert track.method == "nobody"
    assert not walking.any()
    assert word in track.reason


def test_bars_do_not_hide_that_the_body_is_cut_off():
    frames = scene(60, (60, 5, 130))[:, :-50]
    barred = np.pad(frames, ((0, 0), (40, 40), (0, 0)))
    assert find(barred)[0].method == "nobody"
    whole = np.pad(scene(60, (60, 5, 130)), ((0, 0), (40, 40), (0, 0)))
    assert find(whole)[1].mean() > 0.8


def test_standing_first_then_walking_keeps_the_walk_only():
    """As the point-light videos do, which begin with a T-pose."""
    frames = np.zeros((120, *SIZE), np.uint8)
    for number, frame in enumerate(frames):
        steps = max(number - 60, 0)
        x, swing = 100 + 4 * steps, 20 * np.sin(np.pi * steps / 8)
        spread = 50 if number < 30 else 14
        for place in (
            (0, 60),
            (-10, 80),
            (10, 80),
            (0, 130),
            (-swing, 170),
            (swing, 170),
            (-swing, 205),
            (swing, 205),
        ):
            cv2.circle(frame, (int(x + place[0]), place[1]), 4, 255, -1)
        for side in (-1, 1):
            cv2.circle(frame, (int(x + side * spread), 80 if spread > 20 else 115), 4, 255, -1)
    _, walking = find(frames)
    assert walking[:45].mean() < 0.1
    assert walking[66:116].mean() > 0.9


@pytest.mark.parametrize("kind", ["step", "flicker", "drift"])
def test_light_that_changes_all_over_is_no_movement(kind):
    numbers = np.arange(60)
    gain = {
        "step": 1 - 0.17 * np.clip((numbers - 25) / 7, 0, 1),
        "flicker": 1 + 0.08 * np.sin(2.3 * numbers),
        "drift": 1 + 0.1 * np.sin(numbers / 20),
    }[kind]
    frames = scene(60, (60, 5, 150))
    changed = np.clip(frames * gain[:, None, None] + 6 * (1 - gain[:, None, None]), 0, 255).astype(np.uint8)
    steady, lit = find(frames)[0], find(changed)[0]
    assert (lit.bouts >= 0).mean() > 0.9
    np.testing.assert_allclose(lit.boxes[5:55], steady.boxes[5:55], atol=4)
    empty = scene(40)
    np.testing.assert_array_equal(level_light(empty), empty)


def test_main_walker_is_followed_and_the_other_counted():
    track, walking = find(scene(60, (60, 5, 160), (440, -3, 90)))
    assert (track.method, track.num_people) == ("background", 2)
    assert walking.mean() > 0.8
    expected = 60 + 5 * np.arange(60)
    assert np.median(np.abs(track.squares[walking, 0] - expected[walking])) < 16


def test_who_is_twice_as_tall_as_before_is_somebody_else():
    boxes = [np.array([[100.0, 100.0, 40.0, height, 0.5]]) for height in (100, 100, 230, 230)]
    assert [len(track) for track in _link(boxes, 3)] == [2, 2]


def test_who_comes_back_alone_is_the_same():
    frames = np.repeat(textured(*SIZE)[None], 190, axis=0)
    for number, frame in enumerate(frames):
        draw_person(frame, -60 + 9.5 * (number % 65), 215, 150, number / 8)
    track, walking = find(with_noise(frames))
    assert set(track.person[walking]) == {0}
    assert list(np.unique(track.bouts[walking])) == [0, 1, 2]
    assert (np.diff(track.bouts[walking]) >= 0).all()


def test_moving_camera_is_told():
    wide = textured(240, 800)
    frames = np.stack([wide[:, 6 * number : 6 * number + 400] for number in range(45)])
    assert "camera moves" in find(frames)[0].reason


@pytest.mark.parametrize("num_frames", [1, 2, 3, 8])
def test_very_short_videos_do_not_crash(num_frames):
    track, _ = find(scene(num_frames, (60, 5, 150)))
    assert track.squares.shape == (num_frames, 3)


@pytest.mark.parametrize("size", [(17, 400), (400, 17), (33, 65), (2, 2)])
def test_odd_frame_sizes_and_noise_do_not_crash(size):
    noise = np.random.default_rng(0).integers(0, 255, (20, *size), np.uint8)
    assert find(noise)[0].boxes.shape == (20, 4)


@pytest.mark.parametrize("centre", [(100, 60), (40.5, 90.25), (170, 30)])
def test_crop_brings_a_disc_to_the_middle_at_its_known_size(centre):
    frame = np.zeros((120, 200), np.uint8)
    place = tuple(round((value - 0.5) * 64) for value in centre)
    cv2.circle(frame, place, 10 << 6, 255, -1, cv2.LINE_AA, 6)
    (crop,) = cut_frames(frame[None], np.array([[*centre, 40.0]]), 64) / 255
    rows, columns = np.mgrid[:64, :64]
    assert (crop * columns).sum() / crop.sum() == pytest.approx(31.5, abs=0.3)
    assert (crop * rows).sum() / crop.sum() == pytest.approx(31.5, abs=0.3)
    assert crop.sum() == pytest.approx((frame / 255).sum() * (64 / 40) ** 2, rel=0.02)


def test_crop_beyond_the_frame_repeats_its_edge_and_keeps_colour():
    frame = np.full((60, 60, 3), (200, 0, 90), np.uint8)
    crops = cut_frames([frame], np.array([[0.0, 0.0, 100.0]]), 32)
    assert crops.shape == (1, 32, 32, 3)
    assert (crops == (200, 0, 90)).all()
    assert cut_frames([], np.zeros((0, 3)), 32).shape == (0, 32, 32)


def test_slow_walker_in_a_short_video_leaves_no_ghost():
    """Who covers each pixel of the way for most of the time."""
    track, walking = find(scene(40, (200, 1.8, 160)))
    assert walking.mean() > 0.6
    assert track.num_people == 1
    expected = 200 + 1.8 * np.arange(40)
    assert np.abs(track.squares[walking, 0] - expected[walking]).max() < 20
