"""The cache of pictures, and clips read from it."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import kill_hard, run_python, start_python, wait_until
from media import NUM_BITS, bar_code, write_video

from gaitlib.batches import evaluation_batches, make_clip_set, training_batches, vary_pictures
from gaitlib.clips import prepare_video, prepare_videos, window_starts
from gaitlib.config import InputError, make_config
from gaitlib.prepared import PreparedVideo

PREPARE = """
import sys
from pathlib import Path
from gaitlib.clips import prepare_videos
from gaitlib.config import make_config
paths = sorted(Path(sys.argv[1]).glob("*/*.mp4"))
for video in prepare_videos(paths, make_config(num_frames=8, frame_size=32)):
    print(video if isinstance(video, str) else video.folder.name)
"""

MEMORY = """
import json, resource, sys
import numpy as np
import pandas as pd
from pathlib import Path
from gaitlib.batches import make_clip_set, training_batches
from gaitlib.prepared import PreparedVideo
from gaitlib.config import make_config
config = make_config(num_frames=30, frame_size=64, clip_stride=1, max_clips_per_video=100)
videos = [PreparedVideo(folder, folder.name) for folder in sorted(Path(sys.argv[1]).iterdir())]
videos = videos[:int(sys.argv[2])]
clips = make_clip_set(videos, np.zeros(len(videos), int), config)
num_batches = -(-len(clips) // config.batch_size)
for batch, _ in training_batches(clips, config).take(num_batches):
    batch.numpy()
print(json.dumps([len(clips), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


class GivenWalks(PreparedVideo):
    """Stands for a video with known walks; only the walks are asked for."""

    def __init__(self, *walks: tuple[int, int]) -> None:
        super().__init__(Path(), "")
        object.__setattr__(self, "walks", list(walks))
        num_pictures = max(first + count for first, count in walks)
        object.__setattr__(self, "rows", np.zeros(num_pictures, [("segment", int)]))
        object.__setattr__(self, "repeats", np.zeros(num_pictures, bool))


@pytest.fixture(scope="module")
def prepared(demo_folders, tiny_config) -> list[PreparedVideo]:
    """Return the pictures of a few synthetic walkers."""
    return [prepare_video(path, tiny_config) for path in sorted(demo_folders[0].glob("*/walker01_1.mp4"))]


@pytest.fixture(scope="module")
def clip_set(prepared, tiny_config):
    """Return their clips, labelled 0, 1, 2, 3."""
    return make_clip_set(prepared, np.arange(len(prepared)), tiny_config)


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the content of the files in a cache entry."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_cached_pictures_are_not_made_again(demo_video, tiny_config, fresh_cache):
    first = prepare_video(demo_video, tiny_config)
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in first.folder.iterdir()}
    second = prepare_video(demo_video, tiny_config)
    assert second.folder == first.folder
    assert before == {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in second.folder.iterdir()}


SPOIL = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}


@pytest.mark.parametrize("how", SPOIL)
def test_spoilt_entry_is_made_anew(demo_video, tiny_config, fresh_cache, how):
    """As after a power cut: whatever file it is, the pictures are those of the first time."""
    good = {path.name: path.read_bytes() for path in prepare_video(demo_video, tiny_config).folder.iterdir()}
    assert len(good) >= 6
    for name in good:
        SPOIL[how](prepare_video(demo_video, tiny_config).folder / name)
        (video,) = prepare_videos([demo_video], tiny_config)
        assert {path.name: path.read_bytes() for path in video.folder.iterdir()} == good


def test_one_video_more_is_one_video_prepared(demo_folders, tiny_config, fresh_cache):
    def entries():
        folders = (fresh_cache / "pictures").iterdir()
        return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folders}

    paths = sorted(demo_folders[0].rglob("*.mp4"))[:4]
    prepare_videos(paths[:3], tiny_config)
    before = entries()
    prepare_videos(paths, tiny_config)
    assert before.items() < entries().items()
    assert len(entries()) == 4


def test_the_name_of_a_file_does_not_matter(demo_video, tiny_config, fresh_cache):
    first = prepare_video(demo_video, tiny_config)
    assert prepare_video(demo_video.rename(demo_video.with_name("other.mp4")), tiny_config) == first


@pytest.mark.parametrize("change", [{"num_frames": 9}, {"clip_stride": 3}, {"max_clips_per_video": 1}])
def test_how_clips_are_cut_needs_no_new_pictures(demo_video, tiny_config, change):
    changed = tiny_config.model_copy(update=change)
    assert prepare_video(demo_video, changed).folder == prepare_video(demo_video, tiny_config).folder


@pytest.mark.parametrize(
    "change", [{"frame_size": 24}, {"frame_rate_hz": 10.0}, {"num_channels": 3}, {"crop": "frame"}]
)
def test_what_shapes_pictures_makes_new_ones(demo_video, tiny_config, change):
    first = prepare_video(demo_video, tiny_config)
    before = files_in(first.folder)
    second = prepare_video(demo_video, tiny_config.model_copy(update=change))
    assert second.folder != first.folder
    assert files_in(first.folder) == before


def test_other_bytes_make_new_pictures(demo_video, tiny_config):
    first = prepare_video(demo_video, tiny_config)
    with demo_video.open("ab") as stream:
        stream.write(b"\0\0\0\x08free")
    second = prepare_video(demo_video, tiny_config)
    assert second.digest != first.digest
    assert second.folder != first.folder


def test_lost_entry_is_built_again_alike(demo_video, tiny_config, fresh_cache):
    first = prepare_video(demo_video, tiny_config)
    before = files_in(first.folder)
    shutil.rmtree(first.folder)
    assert files_in(prepare_video(demo_video, tiny_config).folder) == before


def test_unreadable_video_leaves_nothing(tmp_path, tiny_config, fresh_cache):
    (tmp_path / "bad.mp4").write_text("no video")
    with pytest.raises(InputError, match=r"bad\.mp4"):
        prepare_video(tmp_path / "bad.mp4", tiny_config)
    assert not any((fresh_cache / "pictures").iterdir())


def test_many_videos_keep_their_order_and_the_unusable_say_why(demo_folders, tmp_path, tiny_config):
    (tmp_path / "bad.mp4").write_bytes(b"")
    good = sorted(demo_folders[0].glob("*/walker02_1.mp4"))
    found = prepare_videos([good[0], tmp_path / "bad.mp4", good[1]], tiny_config)
    assert [type(video) for video in found] == [PreparedVideo, str, PreparedVideo]
    assert "bad.mp4" in found[1]
    assert found[0] == prepare_video(good[0], tiny_config)


def test_copies_of_a_file_prepared_at_once_share_one_entry(demo_video, tiny_config, tmp_path):
    with demo_video.open("ab") as stream:
        stream.write(b"\0\0\0\x10freecopies!!")
    copies = [Path(shutil.copy(demo_video, tmp_path / f"copy{number}.mp4")) for number in range(4)]
    entries = prepare_videos(copies, tiny_config)
    assert len({entry.folder for entry in entries}) == 1


def test_video_without_a_walker_says_so(tmp_path, tiny_config):
    still = [bar_code(5, 320, 240)] * 60
    path = write_video(tmp_path / "still.mp4", size=(320, 240), pictures=still)
    (reason,) = prepare_videos([path], tiny_config)
    assert "still.mp4: the picture is frozen" in reason


def test_too_short_video_says_how_long_a_clip_is(demo_video, tiny_config):
    (reason,) = prepare_videos([demo_video], tiny_config.model_copy(update={"num_frames": 90}))
    assert "walk.mp4" in reason
    assert "a clip needs 6.0 s" in reason


def test_kill_leaves_no_half_entry_and_the_next_run_ends_alike(demo_folders, tmp_path, tiny_config):
    pictures = tmp_path / "cache" / "pictures"
    process = start_python(PREPARE, demo_folders[1], GAITLIB_CACHE=str(tmp_path / "cache"))
    wait_until(lambda: any(pictures.glob(".*.tmp/*/pictures.bin")), process)
    kill_hard(process)
    entries = [path for path in pictures.iterdir() if not path.name.startswith(".")]
    assert len(entries) < len(list(demo_folders[1].glob("*/*.mp4")))
    whole = {path: files_in(path) for path in entries}
    second = run_python("-c", PREPARE, demo_folders[1], GAITLIB_CACHE=str(tmp_path / "cache"))
    assert second.returncode == 0, second.stderr
    undisturbed = [prepare_video(path, tiny_config) for path in sorted(demo_folders[1].glob("*/*.mp4"))]
    assert second.stdout.split() == [video.folder.name for video in undisturbed]
    for video in undisturbed:
        assert files_in(pictures / video.folder.name) == files_in(video.folder)
    for path, content in whole.items():
        assert files_in(path) == content


def test_windows_stay_within_their_walks():
    video = GivenWalks((0, 25), (25, 9), (34, 31))
    config = make_config(num_frames=10, clip_stride=5, max_clips_per_video=99)
    assert window_starts(video, config).tolist() == [0, 5, 10, 15, 34, 39, 44, 49, 54]


def test_windows_are_thinned_evenly_to_the_cap():
    config = make_config(num_frames=10, clip_stride=1, max_clips_per_video=5)
    starts = window_starts(GivenWalks((0, 110)), config)
    assert starts.tolist() == [0, 25, 50, 75, 100]


def test_walk_shorter_than_a_clip_gives_none():
    config = make_config(num_frames=10)
    assert window_starts(GivenWalks((0, 9)), config).tolist() == []
    assert window_starts(GivenWalks((0, 10)), config).tolist() == [0]


def test_whole_frame_as_published_keeps_every_picture_in_order(tmp_path):
    path = write_video(
        tmp_path / "code.mp4", size=(320, 240), pictures=[bar_code(k, 320, 240) for k in range(60)]
    )
    video = prepare_video(path, make_config(crop="frame", num_frames=10))
    assert video.walks == [(0, 30)]
    assert video.thumbs.shape == (len(video.track), 32, 32)
    pictures = video.read(0, 30)
    assert pictures.shape == (30, 64, 64, 1)
    centers = ((np.arange(NUM_BITS) + 0.5) * 64 / NUM_BITS).astype(int)
    bits = pictures[:, 18:24, centers, 0].mean(axis=1) > 128
    assert (bits @ (1 << np.arange(NUM_BITS))).tolist() == list(range(0, 60, 2))


@pytest.mark.parametrize("crop", ["silhouette", "square", "frame"])
def test_colour_is_kept_on_request(demo_video, tiny_config, crop):
    video = prepare_video(demo_video, tiny_config.model_copy(update={"num_channels": 3, "crop": crop}))
    clip = video.read(0, 8)
    assert clip.shape == (8, 32, 32, 3)
    assert np.ptp(clip.astype(int), axis=-1).max() > 10


def test_clips_are_read_one_by_one(clip_set, prepared, tiny_config):
    assert len(clip_set) == sum(len(window_starts(video, tiny_config)) for video in prepared)
    for clip in range(len(clip_set)):
        assert clip_set.read(clip).shape == (8, 32, 32, 1)
        assert clip_set.read(clip).dtype == np.uint8
    assert np.array_equal(clip_set.clip_labels, clip_set.video_numbers)


def test_evaluation_gives_every_clip_once_in_order(clip_set):
    batches = [(clips.numpy(), labels.numpy()) for clips, labels in evaluation_batches(clip_set, 3)]
    clips, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert np.array_equal(clips, np.stack([clip_set.read(clip) for clip in range(len(clip_set))]))
    assert labels.tolist() == clip_set.clip_labels.tolist()


def epochs(clip_set, config, num_epochs: int, first_epoch: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the clips and labels of whole epochs of training."""
    num_batches = -(-len(clip_set) // config.batch_size)
    stream = training_batches(clip_set, config, first_epoch).take(num_epochs * num_batches)
    batches = [(clips.numpy(), labels.numpy()) for clips, labels in stream]
    chunks = [batches[k * num_batches : (k + 1) * num_batches] for k in range(num_epochs)]
    return [tuple(np.concatenate(parts) for parts in zip(*chunk, strict=True)) for chunk in chunks]


def test_training_shows_every_clip_once_an_epoch(clip_set, tiny_config):
    config = tiny_config.model_copy(update={"augment": False})
    expected = sorted(clip_set.read(clip).tobytes() for clip in range(len(clip_set)))
    first, second = epochs(clip_set, config, 2)
    for clips, _ in (first, second):
        assert sorted(clip.tobytes() for clip in clips) == expected
    assert not np.array_equal(first[0], second[0])


def test_training_that_goes_on_sees_what_it_would_have_seen(clip_set, tiny_config):
    straight = epochs(clip_set, tiny_config, 3)
    resumed = epochs(clip_set, tiny_config, 1, first_epoch=2)
    for one, other in zip(straight[2], resumed[0], strict=True):
        assert np.array_equal(one, other)


def test_variation_depends_on_seed_epoch_and_clip(clip_set, tiny_config):
    other_seed = tiny_config.model_copy(update={"seed": 1})
    first, second = epochs(clip_set, tiny_config, 2)
    assert np.array_equal(first[0], epochs(clip_set, tiny_config, 1)[0][0])
    assert not np.array_equal(first[0], epochs(clip_set, other_seed, 1)[0][0])
    assert not set(map(bytes, first[0])) & set(map(bytes, second[0]))


def test_varied_clips_keep_shape_and_kind(clip_set):
    for seed in range(10):
        varied = clip_set.read_varied(0, np.random.default_rng(seed))
        assert (varied.shape, varied.dtype) == ((8, 32, 32, 1), np.uint8)
        assert varied.std() > 3


@pytest.mark.parametrize("num_channels", [1, 3])
def test_all_pictures_of_a_clip_vary_alike(num_channels):
    """The same picture eight times stays the same picture eight times."""
    picture = np.random.default_rng(0).integers(0, 255, (1, 32, 32, num_channels), np.uint8)
    varied = vary_pictures(np.repeat(picture, 8, axis=0), np.random.default_rng(1))
    assert varied.shape == (8, 32, 32, num_channels)
    assert (varied == varied[0]).all()
    assert not np.array_equal(varied[0], picture[0])


def test_memory_stays_flat_with_ten_times_the_clips(demo_folders, tmp_path):
    """Ten times the clips would be 100 MB and more, if they were kept."""
    config = make_config(num_frames=30, frame_size=64)
    entries = [prepare_video(path, config).folder for path in sorted(demo_folders[0].glob("*/*.mp4"))]
    for copy in range(10):
        for number, entry in enumerate(entries):
            target = tmp_path / f"{copy:02d}_{number:02d}"
            shutil.copytree(entry, target, copy_function=os.link)
    sizes = {}
    for num_videos in (len(entries), 10 * len(entries)):
        process = run_python("-c", MEMORY, tmp_path, num_videos)
        assert process.returncode == 0, process.stderr
        num_clips, peak_kib = json.loads(process.stdout.splitlines()[-1])
        sizes[num_clips] = peak_kib
    (few, small), (many, large) = sorted(sizes.items())
    assert many == 10 * few
    assert many * 30 * 64 * 64 > 0.15 * small * 1024
    assert large < 1.1 * small, f"{small / 1024:.0f} MiB for {few} clips, {large / 1024:.0f} for {many}"
