"""The square around the walker, against scenes whose truth is known."""

import cv2
import numpy as np
import pandas as pd
import pytest
from commands import run_python

from gaitlib.demo import SceneParameters, WalkParameters, render_video, sample_truth
from gaitlib.demo.dataset import write_video
from gaitlib.demo.rendering import WalkPainter
from gaitlib.video import read_video
from gaitlib.walker import cut_crops, find_walker
from gaitlib.walker.foreground import _median
from gaitlib.walker.lifeless import why_lifeless
from gaitlib.walker.shape import measure_shape, measure_shapes

RATE_HZ = 15.0


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Draw an empty scene with structure at all sizes, shape (height, width), uint8."""
    rng = np.random.default_rng(seed)
    tiles = rng.uniform(-30, 30, (height // 20 + 1, width // 20 + 1))
    tiles = np.kron(tiles, np.ones((20, 20)))[:height, :width]
    layers = [
        cv2.resize(rng.normal(0, 10, (height // size, width // size)).astype(np.float32), (width, height))
        for size in (8, 24, 60)
    ]
    return np.clip(130 + tiles + np.sum(layers, axis=0), 60, 230).astype(np.uint8)


def with_noise(frames: np.ndarray, seed: int = 0) -> np.ndarray:
    """Add sensor noise."""
    noise = np.random.default_rng(seed).normal(0, 2, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def draw_person(picture: np.ndarray, centre: float, foot: float, height: float, phase: float) -> None:
    """Draw a dark figure with swinging legs and arms (in place); `phase` in steps."""
    unit = height / 8
    hip, shoulder = (int(centre), int(foot - 4 * unit)), (int(centre), int(foot - 6.6 * unit))
    swing = 1.4 * unit * np.sin(np.pi * phase)
    width = max(2, int(0.9 * unit))
    for side in (-1, 1):
        cv2.line(picture, hip, (int(centre + side * swing), int(foot)), 20, width)
        cv2.line(picture, shoulder, (int(centre - side * swing), int(foot - 3.6 * unit)), 30, width // 2 + 1)
    cv2.line(picture, hip, shoulder, 15, int(1.6 * unit))
    cv2.circle(picture, (int(centre), int(foot - 7.4 * unit)), int(0.6 * unit), 25, -1)


def scene(num_frames: int, *people, size=(240, 480)) -> np.ndarray:
    """Return frames in which people walk; each is (first place, pixels a frame, height)."""
    frames = np.repeat(textured(*size)[None], num_frames, axis=0)
    for number, frame in enumerate(frames):
        for start, step, height in people:
            draw_person(frame, start + step * number, size[0] - 25, height, number / 8 if step else 0.25)
    return with_noise(frames)


@pytest.fixture(scope="module")
def followed(tmp_path_factory) -> pd.DataFrame:
    """Follow 24 synthetic walkers through their files; one row a picture in which somebody walks."""
    folder = tmp_path_factory.mktemp("walks")
    truth = sample_truth(range(31, 37), num_takes=1, seconds=(2.5, 3.5), seed=11)
    tables = []
    for row in truth.to_dict("records"):
        path = folder / row["video"].replace("/", "_")
        write_video(row, path)
        chunk, _ = read_video(path)
        track = find_walker(chunk.frames, RATE_HZ)
        painter = WalkPainter(WalkParameters.from_row(row), SceneParameters.from_row(row))
        on_screen = np.round(chunk.source_seconds * row["frame_rate_hz"]).astype(int)
        scale = chunk.frames.shape[1] / painter.paint(0).shape[0]
        left, top, width, height = (painter.boxes[on_screen] * scale).T
        right, down, side = track.squares.T
        table = pd.DataFrame({"video": row["video"], "is_walking": track.segments >= 0})
        # Half a pixel belongs to the edge that anti-aliasing draws.
        table["is_inside"] = (
            (right - side / 2 <= left + 0.5)
            & (right + side / 2 >= left + width - 0.5)
            & (down - side / 2 <= top + 0.5)
            & (down + side / 2 >= top + height - 0.5)
        )
        table["miss_heights"] = np.hypot(right - left - width / 2, down - top - height / 2) / height
        table["filled"] = height / side
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def test_square_contains_the_person(followed):
    assert followed.loc[followed["is_walking"], "is_inside"].mean() >= 0.98


def test_square_is_centred_on_the_person(followed):
    share = (followed.loc[followed["is_walking"], "miss_heights"] <= 0.1).mean()
    assert share >= 0.97, f"within 10 % of the height in {share:.1%} of the pictures"


def test_person_fills_the_same_share_of_every_square(followed):
    filled = followed.loc[followed["is_walking"], "filled"]
    assert 0.6 < filled.median() < 0.95
    assert filled.std() < 0.08


def test_nearly_every_picture_of_a_walk_is_used(followed):
    assert followed.groupby("video")["is_walking"].mean().min() > 0.6
    assert followed["is_walking"].mean() > 0.9


def test_empty_scene_has_nobody():
    track = find_walker(scene(45), RATE_HZ)
    assert (track.method, track.num_people) == ("nobody", 0)
    assert (track.segments == -1).all()
    assert np.isnan(track.boxes).all()


def test_black_video_has_nobody():
    assert find_walker(np.zeros((30, 120, 160), np.uint8), RATE_HZ).method == "nobody"


def test_standing_person_does_not_walk():
    track = find_walker(scene(60, (240, 0, 150)), RATE_HZ)
    assert track.method == "nobody"
    assert (track.segments == -1).all()


def test_standing_first_then_walking_keeps_the_walk_only():
    standing = np.zeros(45)
    places = np.concatenate([standing, np.arange(60) * 4.5]) + 90
    frames = np.repeat(textured(240, 480)[None], len(places), axis=0)
    for number, (frame, place) in enumerate(zip(frames, places, strict=True)):
        draw_person(frame, place, 215, 140, max(number - 45, 0) / 8)
    track = find_walker(with_noise(frames), RATE_HZ)
    walking = track.segments >= 0
    assert walking[:35].mean() < 0.1
    assert walking[52:98].mean() > 0.9


def test_main_walker_is_taken_and_the_other_counted():
    track = find_walker(scene(60, (60, 5, 160), (440, -3, 80)), RATE_HZ)
    assert (track.method, track.num_people) == ("background", 2)
    walking = track.segments >= 0
    expected = 60 + 5 * np.arange(60)
    assert walking.mean() > 0.8
    assert np.median(np.abs(track.squares[walking, 0] - expected[walking])) < 16
    assert np.nanmedian(track.boxes[:, 3]) == pytest.approx(160, rel=0.15)


def test_legs_cut_off_by_the_lower_edge_are_not_read():
    frames = scene(60, (60, 5, 130))
    assert (find_walker(frames, RATE_HZ).segments >= 0).mean() > 0.8
    cut = find_walker(frames[:, :-50], RATE_HZ)
    assert cut.method == "nobody"
    assert cut.num_people == 1


def test_walker_is_read_from_where_the_whole_body_is_in_view():
    frames = np.repeat(textured(240, 480)[None], 90, axis=0)
    feet = np.linspace(290, 200, 90)  # goes away from the camera
    for number, frame in enumerate(frames):
        draw_person(frame, 100 + 3 * number, feet[number], 130, number / 8)
    is_read = find_walker(with_noise(frames), RATE_HZ).segments >= 0
    assert not is_read[feet > 243].any()
    assert is_read[feet < 230].mean() > 0.9


def test_reflection_that_reaches_the_lower_edge_cuts_nobody_off():
    frames = np.repeat(textured(240, 480)[None], 60, axis=0)
    for number, frame in enumerate(frames):
        person = frame.copy()
        draw_person(person, 60 + 5 * number, 215, 130, number / 8)
        mirrored = np.clip(frame[190:].astype(int) - 17 * (person[140:190][::-1] < 50), 0, 255)
        frame[:] = person
        frame[217:] = mirrored[27:]
    track = find_walker(with_noise(frames), RATE_HZ)
    assert (track.segments >= 0).mean() > 0.8
    reached = track.boxes[:, 1] + track.boxes[:, 3] >= 238
    assert reached.mean() > 0.3


def test_darker_pictures_do_not_cut_anybody_off():
    """A camera that adapts its exposure changes the whole picture, its lower edge too."""
    frames = scene(60, (60, 5, 130)).astype(float)
    frames[20:] = frames[20:] * 0.8
    assert (find_walker(frames.astype(np.uint8), RATE_HZ).segments >= 0).mean() > 0.8


def test_somebody_close_does_not_cut_off_somebody_far():
    frames = scene(60, (60, 5, 110), size=(240, 480))
    for number, frame in enumerate(frames):
        cv2.rectangle(frame, (330 - 4 * number, 215), (370 - 4 * number, 240), 10, -1)
    track = find_walker(frames, RATE_HZ)
    is_alone = np.abs(350 - 4 * np.arange(60) - (60 + 5 * np.arange(60))) > 80
    assert (track.segments >= 0)[is_alone].mean() > 0.7


def test_two_walkers_before_a_plain_wall_do_not_make_the_camera_move():
    """The only corners are theirs."""
    frames = np.full((60, 240, 480), 150, np.uint8)
    for number, frame in enumerate(frames):
        draw_person(frame, 60 + 5 * number, 215, 170, number / 8)
        draw_person(frame, 420 - 4 * number, 215, 130, number / 8)
    track = find_walker(with_noise(frames), RATE_HZ)
    assert (track.method, track.num_people) == ("background", 2)


def test_crossing_walkers_keep_their_ways():
    """The large walker goes right, the small one left: the square must not turn round where they meet."""
    frames = scene(75, (70, 4.5, 170), (420, -4.5, 120), size=(240, 560))
    track = find_walker(frames, RATE_HZ)
    walking = track.segments >= 0
    expected = (70 + 4.5 * np.arange(75))[walking]
    assert walking.mean() > 0.6
    assert np.mean(np.abs(track.squares[walking, 0] - expected) < 40) > 0.9


def test_slow_walker_in_a_short_clip_leaves_no_ghost():
    """The walker covers each pixel of their way for most of the time."""
    truth = sample_truth(range(3, 4), num_takes=1, seconds=(2.2, 2.2), seed=11)
    row = {**truth[truth["emotion"] == "sad"].iloc[0], "cadence_steps_per_min": 62.0}
    frames, boxes = render_video(row)
    step = max(1, round(row["frame_rate_hz"] / RATE_HZ))
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames[::step]])
    track = find_walker(grey, row["frame_rate_hz"] / step)
    left, top, width, height = boxes[::step].T
    walking = track.segments >= 0
    assert walking.mean() > 0.6
    assert track.num_people == 1
    right, down = track.squares[:, 0], track.squares[:, 1]
    miss = np.hypot(right - left - width / 2, down - top - height / 2) / height
    assert (miss[walking] < 0.15).mean() > 0.9


@pytest.mark.parametrize("shake", [0.0, 3.0])
def test_moving_camera_does_not_use_the_background(shake):
    num_frames, (height, width) = 45, (200, 320)
    wide = textured(height + 40, width + 320)
    shifts = (
        np.random.default_rng(0).normal(0, shake, (num_frames, 2)) if shake else np.zeros((num_frames, 2))
    )
    frames = []
    for number, (right, down) in enumerate(shifts):
        left, top = int(10 + 6 * number + right), int(20 + np.clip(down, -15, 15))
        frame = wide[top : top + height, max(left, 0) : max(left, 0) + width].copy()
        draw_person(frame, 150 + 2 * np.sin(number), height - 15, 140, number / 8)
        frames.append(frame)
    track = find_walker(with_noise(np.stack(frames)), RATE_HZ)
    assert track.method in ("people_detector", "whole_frame", "nobody")
    if track.method == "whole_frame":
        assert (track.segments == 0).all()
        assert np.all(track.squares == (width / 2, height / 2, width))


@pytest.mark.parametrize("num_frames", [1, 2, 3, 8])
def test_very_short_videos_do_not_crash(num_frames):
    track = find_walker(scene(num_frames, (60, 5, 150)), RATE_HZ)
    assert track.squares.shape == (num_frames, 3)
    assert track.segments.shape == (num_frames,)


def test_odd_picture_sizes_do_not_crash():
    """In a process of its own, as native code may take the whole process down."""
    code = """
import numpy as np
from gaitlib.walker import find_walker
for size in ((17, 400), (400, 17), (33, 65), (96, 160), (128, 64)):
    print(size, flush=True)
    noise = np.random.default_rng(0).integers(0, 255, (20, *size), np.uint8)
    assert find_walker(noise, 15.0).boxes.shape == (20, 4)
"""
    process = run_python("-c", code)
    assert process.returncode == 0, process.stdout + process.stderr


@pytest.mark.parametrize("centre", [(100, 60), (40.5, 90.25), (170, 30)])
def test_crop_brings_a_disc_to_the_middle_at_its_known_size(centre):
    picture = np.zeros((120, 200), np.uint8)
    bits = 6
    place = tuple(round(value * 2**bits) for value in centre)
    cv2.circle(picture, place, 10 << bits, 255, -1, cv2.LINE_AA, bits)
    (crop,) = cut_crops(picture[None], np.array([[*centre, 40.0]]), 64)[..., 0] / 255
    rows, columns = np.mgrid[:64, :64]
    assert (crop * columns).sum() / crop.sum() == pytest.approx(31.5, abs=1.0)
    assert (crop * rows).sum() / crop.sum() == pytest.approx(31.5, abs=1.0)
    drawn = (picture / 255).sum()
    assert drawn == pytest.approx(np.pi * 10**2, rel=0.15)
    assert crop.sum() == pytest.approx(drawn * (64 / 40) ** 2, rel=0.02)


def test_crop_beyond_the_picture_repeats_its_edge():
    picture = np.full((60, 60), 90, np.uint8)
    (crop,) = cut_crops(picture[None], np.array([[0.0, 0.0, 100.0]]), 32)
    assert (crop == 90).all()


def test_crop_keeps_colour():
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[..., 0] = 200
    crops = cut_crops(picture[None], np.array([[20.0, 20.0, 20.0]]), 16)
    assert crops.shape == (1, 16, 16, 3)
    assert crops[0, 8, 8].tolist() == [200, 0, 0]


def test_crops_do_not_shake_when_the_square_moves_by_parts_of_a_pixel():
    """A picture that moves with its square looks the same in every crop."""
    xs = np.arange(200)
    frames = np.stack(
        [np.tile(128 + 80 * np.sin((xs - 0.37 * k) / 6), (100, 1)).astype(np.uint8) for k in range(8)]
    )
    squares = np.array([[80 + 0.37 * k, 50, 48.0] for k in range(8)])
    crops = cut_crops(frames, squares, 32).astype(int)
    assert np.abs(crops - crops[0]).max() <= 6


def test_who_stood_most_of_the_time_and_left_leaves_no_walking_ghost():
    """The learnt scene may keep them; what is missing from it then flickers, but nothing in it moves."""
    num_frames = 120
    frames = np.repeat(textured(240, 480)[None], num_frames, axis=0)
    for number, frame in enumerate(frames):
        place = 240 if number < 80 else 240 + 8 * (number - 80)
        draw_person(frame, place, 215, 150, max(number - 80, 0) / 5)
    track = find_walker(with_noise(frames), RATE_HZ)
    walking = track.segments >= 0
    assert not walking[:70].any()
    assert not walking[112:].any()
    assert track.num_people <= 1


def test_a_trace_in_the_scene_whose_outline_wavers_is_nobody():
    """As what is left of somebody: upright and fading upwards; light drifts, and so does its upper end."""
    frames = np.repeat(textured(240, 480)[None], 120, axis=0)
    fade = np.linspace(4, 30, 140)[:, None] * np.ones((1, 40))
    for number, frame in enumerate(frames[70:]):
        trace = fade * min(1.0, number / 48) + 4 * np.sin(2 * np.pi * number / 45)
        frame[60:200, 200:240] = np.clip(frame[60:200, 200:240] + np.maximum(trace, 0), 0, 255)
    track = find_walker(with_noise(frames), RATE_HZ)
    assert not (track.segments >= 0).any()
    assert track.num_people == 0


def test_walking_on_the_spot_is_walking():
    """On a treadmill; whoever stands there is not (see the standing person above)."""
    frames = np.repeat(textured(240, 320)[None], 75, axis=0)
    for number, frame in enumerate(frames):
        draw_person(frame, 160 + 3 * np.sin(number / 5), 215, 160, number / 8)
    track = find_walker(with_noise(frames), RATE_HZ)
    walking = track.segments >= 0
    assert track.method == "background"
    assert walking.mean() > 0.9
    assert np.abs(track.squares[walking, 0] - 160).max() < 25


def test_person_who_comes_nearer_in_portrait_format_walks():
    frames = np.repeat(textured(400, 224)[None], 75, axis=0)
    heights = np.linspace(110, 240, 75)
    for number, (frame, height) in enumerate(zip(frames, heights, strict=True)):
        draw_person(frame, 112, 150 + 0.9 * height, height, number / 8)
    track = find_walker(with_noise(frames), RATE_HZ)
    walking = track.segments >= 0
    assert track.method == "background"
    assert walking.mean() > 0.8
    sides = track.squares[walking, 2]
    assert sides[-5:].mean() > 1.6 * sides[:5].mean()


def shaken_walk(num_frames=75, size=(240, 420)) -> tuple[np.ndarray, np.ndarray]:
    """Return frames of a hand-held camera and where the walker is in each, right and down."""
    height, width = size
    margin = 20
    draw = np.random.default_rng(5)
    shifts = cv2.GaussianBlur(draw.normal(0, 12, (num_frames, 2)), (1, 5), 1.0).clip(-margin, margin)
    turns = cv2.GaussianBlur(draw.normal(0, 1.0, (num_frames, 1)), (1, 5), 1.0)[:, 0]
    wide = textured(height + 2 * margin, width + 2 * margin)
    middle = (width / 2 + margin, height / 2 + margin)
    frames, places = [], []
    for number, (shift, turn) in enumerate(zip(shifts, turns, strict=True)):
        picture = wide.copy()
        place = np.array([90 + 4.0 * number, height + margin - 25 - 75])
        draw_person(picture, place[0], place[1] + 75, 150, number / 8)
        matrix = cv2.getRotationMatrix2D(middle, turn, 1.0)
        matrix[:, 2] += shift - margin
        frames.append(cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT))
        places.append(matrix @ [*place, 1])
    return with_noise(np.stack(frames)), np.array(places)


def test_walker_before_a_hand_held_camera_is_followed_and_cut_out():
    frames, places = shaken_walk()
    track = find_walker(frames, RATE_HZ)
    walking = track.segments >= 0
    assert track.method == "steadied"
    assert track.num_people == 1
    assert walking.mean() > 0.8
    miss = np.linalg.norm(track.squares[walking, :2] - places[walking], axis=1)
    assert np.median(miss) < 12
    assert track.background is not None
    inside, outside = [], []
    for frame, box in zip(frames[walking][::10], track.boxes[walking][::10], strict=True):
        silhouette = track.background.silhouette(frame, box)
        left, top, width, height = np.maximum(box, 0).round().astype(int)
        body = np.zeros(frame.shape, bool)
        body[top : top + height, left : left + width] = True
        inside.append(silhouette[body].mean())
        outside.append(silhouette[~body].mean())
    assert np.mean(inside) > 60
    assert np.mean(outside) < 6


@pytest.mark.parametrize("is_shaken", [False, True])
def test_what_is_cut_out_of_a_silhouette_is_as_if_all_of_it_was_made(is_shaken):
    """Only the walker's surroundings are worked out, which nothing that is used may show."""
    frames = shaken_walk()[0] if is_shaken else scene(45, (60, 6, 130), (400, -5, 110))
    track = find_walker(frames, RATE_HZ)
    shapes, silhouettes = measure_shapes(frames, track)
    places = np.flatnonzero(track.segments >= 0)
    assert len(places) > 20
    whole = [track.background.silhouette(frames[place], track.boxes[place]) for place in places]
    squares = track.squares[places]
    np.testing.assert_array_equal(cut_crops(silhouettes, squares, 64), cut_crops(whole, squares, 64))
    again = [measure_shape(*pair) for pair in zip(whole, track.boxes[places], strict=True)]
    np.testing.assert_array_equal(shapes[places], again)


@pytest.mark.parametrize("num_frames", [1, 2, 39, 40])
def test_middle_value_of_each_pixel(num_frames):
    frames = np.random.default_rng(num_frames).integers(0, 256, (num_frames, 9, 7), np.uint8)
    frames[:, 0], frames[:, 1] = 0, 255
    np.testing.assert_array_equal(_median(frames), np.sort(frames, axis=0)[num_frames // 2])


def test_far_walker_is_told_to_be_too_small():
    frames = np.repeat(textured(240, 480)[None], 75, axis=0)
    for number, frame in enumerate(frames):
        draw_person(frame, 100 + 1.2 * number, 150, 17, number / 8)
    track = find_walker(with_noise(frames), RATE_HZ)
    assert track.method in ("nobody", "whole_frame")
    assert track.small_height_pixels == pytest.approx(17, abs=5)
    assert find_walker(scene(45), RATE_HZ).small_height_pixels == 0


def test_lifeless_videos_are_told_apart():
    draw = np.random.default_rng(0)
    black = draw.integers(0, 4, (40, 32, 32), np.uint8)
    frozen = np.repeat(draw.integers(0, 255, (1, 32, 32), np.uint8), 40, axis=0)
    noise = draw.normal(128, 6, (40, 32, 32)).astype(np.uint8)
    grey = np.full((40, 32, 32), 128, np.uint8)
    coded = frozen // 2 + np.repeat(draw.integers(0, 3, (10, 32, 32), np.uint8), 4, axis=0)
    assert "frozen" in why_lifeless(coded)
    for thumbs, word in ((black, "black"), (frozen, "frozen"), (noise, "noise"), (grey, "blank")):
        assert word in why_lifeless(thumbs)
    walk = np.stack(
        [cv2.resize(frame, (32, 32), interpolation=cv2.INTER_AREA) for frame in scene(40, (60, 5, 150))]
    )
    shaken = np.stack(
        [cv2.resize(frame, (32, 32), interpolation=cv2.INTER_AREA) for frame in shaken_walk(40)[0]]
    )
    assert why_lifeless(walk) == why_lifeless(shaken) == ""
    assert why_lifeless(np.zeros((0, 32, 32), np.uint8)) == ""
