"""Cache entries, walking bouts, loops, clips and batches, from real files and from made keypoints."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_walks import make_walk, make_walks, walk_config, world_of
from test_silhouettes import SIZE, draw_person, textured

from gaitlib.clips import evaluation_batches, preparing, training_batches
from gaitlib.clips.bouts import Bout, find_bouts, find_repeats
from gaitlib.clips.preparing import PreparedVideo, prepare_video, prepare_videos, recognises_person
from gaitlib.clips.sets import ClipSet, find_clips, make_clip_set, vary_frames, walk_on
from gaitlib.clips.skeleton import draw_sequence, face_ahead, keypoint_sequence, vary_sequence
from gaitlib.config import RunConfig, make_config
from gaitlib.demo import WalkParameters, pose_walker, sample_truth
from gaitlib.errors import InputError
from gaitlib.video import write_film
from gaitlib.walker import MIRRORED, Keypoints, weights_problem

SCENE = textured(*SIZE)


def config_of(**settings) -> RunConfig:
    return make_config(**{"body": "silhouette", "crop": "silhouette", "frame_size": 32, **settings})


def film(path: Path, places: list[float], rate_hz: float = 30.0, steps_hz: float = 1.9) -> Path:
    """Write a film of somebody who is at each of these places in turn; NaN: nobody."""
    frames = []
    for number, place in enumerate(places):
        frame = SCENE.copy()
        if np.isfinite(place):
            draw_person(frame, place, 215, 150, number * steps_hz / rate_hz)
        frames.append(frame[..., None].repeat(3, axis=2))
    write_film(path, rate_hz, frames)
    return path


def across(seconds: float, start: float = 60.0, end: float = 400.0) -> list[float]:
    return list(np.linspace(start, end, round(30 * seconds)))


@pytest.fixture(scope="module")
def walk_film(tmp_path_factory) -> Path:
    return film(tmp_path_factory.mktemp("walk") / "walk.mp4", across(4.0))


@pytest.fixture(scope="module")
def two_walks(tmp_path_factory) -> PreparedVideo:
    """Return a short walk to the left, then a longer one to the right."""
    places = [*across(2.4, 400, 200), *[np.nan] * 45, *across(4.4)]
    path = film(tmp_path_factory.mktemp("two") / "two.mp4", places)
    return prepare_video(path, config_of())


@pytest.fixture(scope="module")
def loop_film(tmp_path_factory) -> Path:
    """Return 29 frames of walking at 30 Hz, 8 times: at 15 Hz a round is 14.5 frames."""
    path, round_trip = tmp_path_factory.mktemp("loop") / "loop.mp4", across(29 / 30, 150, 260)
    frames = []
    for number, place in enumerate(round_trip):
        frame = SCENE.copy()
        draw_person(frame, place, 215, 150, number / 15)
        frames.append(frame[..., None].repeat(3, axis=2))
    write_film(path, 30.0, frames * 8)
    return path


def test_entry_holds_track_frames_and_bouts(walk_film):
    video = prepare_video(walk_film, config_of())
    track = video.track
    assert len(track) == len(video.thumbs) == 60
    assert not track["is_repeat"].any()
    assert video.meta["frames_read"] == 120
    (bout,) = video.bouts
    assert bout.way_right > 1 and (bout.person, bout.period_frames) == (0, 0)
    assert bout.distinct_seconds == pytest.approx(4.0, abs=0.4)
    rows = np.array([30, 10, 30])
    frames = video.read(rows)
    assert frames.shape == (3, 32, 32, 1)
    assert (frames[0] == frames[2]).all()
    assert (frames[0] != frames[1]).any()
    body = track.loc[bout.first_row : bout.last_row]
    assert body["height"].median() == pytest.approx(150, rel=0.08)
    assert body["speed_heights_per_s"].median() == pytest.approx(340 / 4 / 150, rel=0.1)
    assert body["shape_area"].notna().all()
    assert video.keypoints is None


@pytest.mark.parametrize(
    ("crop", "channels"), [("square", 1), ("square", 3), ("silhouette", 3), ("frame", 1)]
)
def test_crops(walk_film, crop, channels):
    video = prepare_video(walk_film, config_of(crop=crop, num_channels=channels))
    frames = video.read(np.arange(10, 20))
    assert frames.shape == (10, 32, 32, channels)
    background = np.median(frames[:, 2, 2])
    assert (background < 10) == (crop == "silhouette")


def test_a_walk_goes_on_from_chunk_to_chunk(tmp_path, fresh_cache, monkeypatch):
    path = film(tmp_path / "late.mp4", [*[np.nan] * 75, *across(4.5)])
    whole = prepare_video(path, config_of(num_channels=3))
    monkeypatch.setitem(preparing._CHUNK_SECONDS, "silhouette", 2.0)  # nobody is in the first
    parts = prepare_video(path, config_of(num_channels=3, frame_size=33))
    assert [len(bout) for bout in parts.bouts] == [pytest.approx(len(bout), abs=4) for bout in whole.bouts]
    assert (np.diff(parts.track["picture"][parts.track["picture"] >= 0]) == 1).all()
    assert parts.read(parts.bouts[0].rows).shape == (len(parts.bouts[0]), 33, 33, 3)


@pytest.mark.skipif(bool(weights_problem()), reason="the body model is not installed")
def test_demo_walker_by_keypoints(demo_folders):
    paths = sorted(demo_folders[1].glob("*/*.mp4"))[:2]
    settings = config_of(body="keypoints", crop="skeleton", frame_size=48)
    for path, video in zip(paths, prepare_videos(paths, settings), strict=True):
        assert isinstance(video, PreparedVideo)
        assert recognises_person(path, settings)
        assert len(video.keypoints) == len(video.track) == len(video.sequence)
        clips = make_clip_set([video], np.zeros(1), settings)
        assert not clips.is_mirrored.any()
        toes_ahead = (clips.read_keypoints(0)[:, 31:33, 0] - clips.read_keypoints(0)[:, 29:31, 0]).mean()
        assert toes_ahead > 0
        assert clips.read(0).mean() > 5


def test_cache_is_kept_by_content_and_by_the_settings_that_shape_it(walk_film, tmp_path, monkeypatch):
    first = prepare_video(walk_film, config_of())
    decoded = []
    monkeypatch.setattr(
        preparing, "VideoReader", lambda *args: decoded.append(args) or pytest.fail("decoded again")
    )
    (copy := tmp_path / "other name.mp4").write_bytes(walk_film.read_bytes())
    assert prepare_video(copy, config_of(num_frames=12, clip_stride=2, epochs=1)).folder == first.folder
    with pytest.raises(BaseException, match="decoded again"):
        prepare_video(copy, config_of(frame_size=40))
    monkeypatch.undo()
    other = prepare_video(copy, config_of(frame_size=40))
    (other.folder / "thumbs.npy").unlink()  # as tools do that tidy up
    with pytest.raises(InputError, match="lacked a file: run again"):
        _ = other.thumbs
    assert len(prepare_video(copy, config_of(frame_size=40)).thumbs)


def test_refusal_is_cached_and_told_without_the_name(tmp_path, fresh_cache, monkeypatch):
    (path := tmp_path / "odd\nname.mp4").write_text("this is no video")
    (reason,) = prepare_videos([path], config_of())
    assert reason.startswith("Cannot be read as a video (")
    monkeypatch.setattr(preparing, "VideoReader", lambda *args: pytest.fail("decoded again"))
    other = tmp_path / "other.mp4"
    other.write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"^other\.mp4 cannot be read as a video"):
        prepare_video(other, config_of())
    assert prepare_videos([path, other], config_of()) == [reason, reason]
    assert recognises_person(path, config_of()) is None
    (tmp_path / "film.mp4").mkdir()
    missing = prepare_videos([tmp_path / "none.mp4", tmp_path / "film.mp4"], config_of())
    assert missing == ["Is not there, or not a file that can be read."] * 2


def test_nobody_walks_is_no_refusal_but_a_reason(tmp_path):
    path = film(tmp_path / "standing.mp4", [200.0] * 60, steps_hz=0)
    video = prepare_video(path, config_of())
    assert video.bouts == ()
    assert find_clips(video, config_of()).shape == (0, 30)
    assert prepare_videos([path], config_of()) == [video.meta["why_empty"]]
    assert "Nobody walks" in video.meta["why_empty"]
    assert prepare_video(path, config_of(crop="frame")).bouts == ()


def test_many_videos_in_parallel_in_order(tmp_path, capsys, monkeypatch):
    paths = [film(tmp_path / f"{number}.mp4", across(1.7, 60, 310 + 20 * number)) for number in range(3)]
    paths.insert(1, tmp_path / "broken.mp4")
    paths[1].write_bytes(paths[0].read_bytes()[:200])
    videos = prepare_videos(paths, config_of(), "Preparing")
    assert [isinstance(video, PreparedVideo) for video in videos] == [True, False, True, True]
    assert "Preparing" in capsys.readouterr().err
    monkeypatch.setattr(preparing, "run_many", lambda *_: pytest.fail("processes for what is stored"))
    assert prepare_videos(paths, config_of()) == videos


def test_processes_that_prepare_the_same_video_do_not_disturb_each_other(tmp_path, fresh_cache):
    path = film(tmp_path / "one.mp4", across(1.6))
    with ThreadPoolExecutor(3) as pool:
        videos = list(pool.map(lambda _: prepare_video(path, config_of()), range(3)))
    assert len({video.folder for video in videos}) == 1
    assert [name for name in os.listdir(fresh_cache / "videos") if not name.startswith(".")] == [
        videos[0].folder.name
    ]


def test_bouts_and_clips_come_in_order_of_time_and_from_their_own_walk(two_walks):
    """Training once read clips of the longer walk from the shorter: bouts were in order of score."""
    assert [bout.way_right > 0 for bout in two_walks.bouts] == [False, True]
    assert [bout.number for bout in two_walks.bouts] == [0, 1]
    first, second = two_walks.bouts
    assert first.last_row < second.first_row
    clips = make_clip_set([two_walks], np.array([0]), config_of(num_frames=16, max_clips_per_video=20))
    assert (np.diff(clips.rows[:, 0]) > 0).all()
    in_first = clips.rows[:, 0] <= first.last_row
    assert 0 < in_first.sum() < len(clips)
    np.testing.assert_array_equal(clips.is_mirrored, in_first)
    x = two_walks.track["square_x"].to_numpy()
    for clip in range(len(clips)):
        bout = first if in_first[clip] else second
        for seed in range(20):
            walk, places = clips._moments(clip, np.random.default_rng(seed))
            seen = walk[places.round().astype(int)]
            assert bout.first_row <= seen.min() <= seen.max() <= bout.last_row
            assert (x[seen[-1]] < x[seen[0]]) == in_first[clip]


def test_loop_counts_once_at_its_true_length(loop_film):
    settings = config_of(num_frames=30)
    video = prepare_video(loop_film, settings)
    assert len(video.track) == 116
    (bout,) = video.bouts
    assert bout.distinct_seconds == pytest.approx(29 / 30, abs=0.07)
    assert bout.period_frames in (14, 15)
    assert video.track["is_repeat"][15:].all()
    assert not video.track["is_repeat"][:14].any()
    assert any("repeated 8 times" in note for note in video.meta["notes"])
    clips = find_clips(video, settings)
    assert clips.shape == (1, 30)
    assert set(clips[0]) == set(range(bout.first_row, bout.last_row + 1))
    assert len(find_clips(video, config_of(num_frames=8, clip_stride=2))) > 1


@pytest.mark.parametrize("period", [14, 17.5, 20.5])
def test_repeats_are_told_from_a_steady_walk(period):
    rng = np.random.default_rng(0)

    def thumbs(phases: np.ndarray) -> np.ndarray:
        frames = np.full((len(phases), 240, 240), 120, np.uint8)
        for frame, phase in zip(frames, phases, strict=True):
            draw_person(frame, 60 + 5 * phase, 200, 150, phase / 7.5)
        small = [cv2.resize(frame, (32, 32), interpolation=cv2.INTER_AREA) for frame in frames]
        return np.clip(small + rng.normal(0, 0.6, (len(phases), 32, 32)), 0, 255).astype(np.uint8)

    repeats, found = find_repeats(thumbs(np.arange(110) % period), 15.0)
    assert found == period
    np.testing.assert_array_equal(repeats, np.arange(110) >= period)
    steady = thumbs(10 + 3 * np.sin(np.arange(110) / 14 * np.pi * rng.uniform(0.97, 1.03, 110)))
    for walk in (steady, thumbs(np.arange(26.0)), np.repeat(steady[:1], 60, axis=0), steady[:0]):
        repeats, found = find_repeats(walk, 15.0)
        assert not repeats.any()
        assert found == 0


def test_rows_of_bouts():
    runs = np.repeat([-1, 0, -1, 1, 2, -1], [3, 20, 2, 14, 5, 1])
    repeats = np.zeros(len(runs), bool)
    spans = [(rows[0], rows[-1]) for rows in find_bouts(runs, repeats, 0.0, 15.0)]
    assert spans == [(3, 22), (25, 38)]
    repeats[30:] = True
    assert [rows[0] for rows in find_bouts(runs, repeats, 0.0, 15.0)] == [3]
    # Of a loop, the round with most walking counts, wherever it is.
    runs = np.repeat([-1, 0], [18, 42])
    (rows,) = find_bouts(runs, np.arange(60) >= 15, 15.0, 15.0)
    assert (rows[0], rows[-1]) == (30, 44)


def test_clips_come_from_the_person_who_walks_most(tmp_path):
    video = one_walk(tmp_path / "sad_1", "sad", seconds=6.0)
    ranges = [(0, 29, 0), (30, 74, 1), (75, 89, 0)]
    video.__dict__["bouts"] = tuple(
        Bout(number, first, last, first / 15, (last + 1) / 15, (last + 1 - first) / 15, 0, person, 1.0, 0.0)
        for number, (first, last, person) in enumerate(ranges)
    )
    settings = walk_config(num_frames=30, max_clips_per_video=99, clip_stride=5)
    assert [clip[0] for clip in find_clips(video, settings)] == [0]
    video.meta["main_person"] = 1
    assert [clip[0] for clip in find_clips(video, settings)] == [30, 35, 40, 45]
    assert len(find_clips(video, settings.model_copy(update={"max_clips_per_video": 2}))) == 2


@pytest.mark.parametrize("seconds", [0.8, 1.2, 1.8])
def test_short_walk_goes_on_from_the_matching_phase(tmp_path, seconds):
    video = one_walk(tmp_path / "neutral_1", "neutral", seconds=seconds)
    settings = walk_config(num_frames=30)
    (clip,) = find_clips(video, settings)
    (bout,) = video.bouts
    np.testing.assert_array_equal(clip[: len(bout)], np.arange(len(bout)))
    jumps = np.flatnonzero(np.diff(clip) != 1)
    assert len(jumps) >= 1
    if seconds >= 1.8:  # more than a stride: there is a phase that matches
        sequence = video.sequence
        seam = np.abs(sequence[clip[jumps + 1]] - sequence[clip[jumps]]).mean()
        assert seam < 1.8 * np.abs(np.diff(sequence, axis=0)).mean()
    assert len(walk_on(video, bout, 5)) == len(bout)


def one_walk(folder: Path, emotion: str, seconds: float) -> PreparedVideo:
    truth = sample_truth(range(1, 2), 1, seconds=(seconds, seconds), seed=1)
    (row,) = truth[truth["emotion"] == emotion].to_dict("records")
    return make_walk(folder, row)


def posed(seed: int = 0, num_frames: int = 30) -> Keypoints:
    """Return keypoints of a made walk seen from the side, going right."""
    times = np.arange(num_frames) / 15
    world = world_of(pose_walker(WalkParameters(start_cycle=0.1 * seed), times))
    image = 100 * world[..., :2] + 300
    arrays = (image.astype(np.float32), world.astype(np.float32), np.ones((num_frames, 33), np.float32))
    return Keypoints(times, *arrays, frame_size_px=(800, 600))


def turned(keypoints: Keypoints, degrees: float, size: float = 1.0) -> Keypoints:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    world = size * keypoints.world_m @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]], np.float32)
    return replace(keypoints, world_m=world.astype(np.float32))


@pytest.mark.parametrize(("degrees", "size"), [(0, 1.3), (45, 1), (90, 0.7), (180, 1), (-100, 1)])
def test_sequence_is_the_same_from_every_side_and_distance(degrees, size):
    keypoints = posed()
    expected = keypoint_sequence(keypoints)
    np.testing.assert_allclose(keypoint_sequence(turned(keypoints, degrees, size)), expected, atol=1e-4)
    toes_ahead = expected[:, [31, 32], 0] - expected[:, [29, 30], 0]
    assert (toes_ahead > 0).all()
    assert 0.85 < np.ptp(expected[..., 1], axis=1).max() < 1.05


def test_mirrored_walk_swaps_sides_only():
    keypoints = posed()
    mirrored = keypoint_sequence(keypoints.mirrored())
    np.testing.assert_allclose(mirrored[:, MIRRORED] * (1, 1, -1), keypoint_sequence(keypoints), atol=1e-4)


def test_gaps_are_closed():
    keypoints = posed()
    whole = keypoint_sequence(keypoints)
    keypoints.world_m[10:12] = np.nan
    closed = keypoint_sequence(keypoints)
    assert np.isfinite(closed).all()
    assert np.abs(closed - whole).max() < 0.08
    keypoints.world_m[:] = np.nan
    assert (keypoint_sequence(keypoints) == 0).all()


def test_who_seems_to_walk_backwards_is_turned_ahead():
    keypoints = posed()
    truth = keypoints.world_m.copy()
    keypoints.world_m[8:14] = keypoints.world_m[8:14][:, MIRRORED]
    face_ahead(keypoints, np.arange(30), np.array([1.0, 0.1]))
    np.testing.assert_array_equal(keypoints.world_m, truth)


def test_skeleton_drawn_from_any_view_is_the_same_fast_and_inside_the_frame():
    sequence = keypoint_sequence(posed())
    frames = draw_sequence(sequence, 48)[..., 0]
    assert frames.shape == (30, 48, 48)
    other = draw_sequence(keypoint_sequence(turned(posed(), 70, 1.2)), 48)[..., 0]
    assert np.abs(frames.astype(int) - other).mean() < 0.5
    filled = frames.max(axis=0) > 60
    assert np.ptp(np.flatnonzero(filled.any(axis=1))) / 48 == pytest.approx(0.8, abs=0.08)
    assert not filled[[0, -1]].any()
    assert len(np.unique(frames)) > 20  # soft limbs
    start = time.perf_counter()
    for _ in range(5):
        draw_sequence(sequence, 48)
    assert (time.perf_counter() - start) / 5 < 0.02


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> ClipSet:
    videos = make_walks(tmp_path_factory.mktemp("made"), 2)
    return make_clip_set(videos.videos, videos.labels, walk_config(num_frames=12))


def test_varied_clips_differ_a_little_and_depend_on_the_draw_alone(clips):
    plain, sequence = clips.read(0), clips.read_keypoints(0)
    assert plain.shape == (12, 24, 24, 1)
    one, same, other = (clips.read(0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert 0 < np.abs(one.astype(int) - other).mean() < 40
    varied = clips.read_keypoints(0, np.random.default_rng(3))
    assert varied.shape == sequence.shape == (12, 33, 3)
    assert np.isfinite(varied).all()
    assert np.abs(vary_sequence(sequence, np.random.default_rng(0)) - sequence).mean() < 0.1


def test_varied_frames_are_moved_alike():
    frames = np.repeat(np.random.default_rng(0).integers(0, 255, (1, 24, 24, 3), np.uint8), 5, axis=0)
    varied = vary_frames(frames, np.random.default_rng(0))
    assert varied.shape == frames.shape
    assert (varied == varied[:1]).all()
    assert (varied != frames).any()


def test_training_batches_go_on_as_if_nothing_had_stopped(clips):
    settings = walk_config(num_frames=12, batch_size=4)
    per_epoch = -(-len(clips) // 4)
    whole = list(training_batches(clips, settings).take(2 * per_epoch).as_numpy_iterator())
    resumed = list(training_batches(clips, settings, first_epoch=1).take(per_epoch).as_numpy_iterator())
    for (one, labels), (other, others) in zip(whole[per_epoch:], resumed, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(labels, others)
    assert sum(len(labels) for _, labels in resumed) == len(clips)


def test_evaluation_batches_are_all_clips_in_order(clips):
    some = {name: getattr(clips, name)[[3, 1]] for name in ("rows", "video_numbers", "is_mirrored")}
    for part in (clips, replace(clips, **some)):
        batches = evaluation_batches(part)
        frames = np.concatenate([block for block, _ in batches.as_numpy_iterator()])
        labels = np.concatenate([block for _, block in batches.as_numpy_iterator()])
        np.testing.assert_array_equal(frames, np.stack([part.read(clip) for clip in range(len(part))]))
        np.testing.assert_array_equal(labels, part.labels[part.video_numbers])
        assert int(batches.cardinality()) == len(list(batches))


def test_references_and_soft_targets_come_along(clips):
    places = tuple(np.array([(video + 1) % 6]) for video in range(6))
    paired = replace(clips, references=clips, reference_videos=places, targets=np.eye(6, 3, dtype=np.float32))
    (own, beside), targets = next(evaluation_batches(paired).as_numpy_iterator())
    assert own.shape == beside.shape
    assert targets.shape == (len(own), 3)
    first = np.flatnonzero(clips.video_numbers == 1)
    assert any((beside[0] == clips.read(clip)).all() for clip in first)
    settings = walk_config(num_frames=12, augment=False, batch_size=3)
    (own, beside), targets = next(training_batches(paired, settings).as_numpy_iterator())
    assert own.shape == beside.shape == (3, 12, 24, 24, 1)
