"""Leaks planted one by one, and clean data that must raise no alarm. About a minute on two cores."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gaitlib.baselines import predict_baselines
from gaitlib.batches import make_clip_set
from gaitlib.clips import prepare_video, prepare_videos, window_starts
from gaitlib.config import InputError, make_config
from gaitlib.demo import sample_truth
from gaitlib.demo.dataset import write_video
from gaitlib.footage import find_same_footage
from gaitlib.gait import box_features
from gaitlib.leaks import (
    check_fit_is_blind,
    check_footage_disjoint,
    check_labels_in_place,
    check_rows_disjoint,
    check_windows_disjoint,
    list_windows,
)
from gaitlib.loops import distinct_seconds, distinct_starts, why_looped
from gaitlib.prepared import PreparedVideo
from gaitlib.splits import check_walkers_disjoint

CONFIG = make_config()
NUM_CLEAN = 50
SCENE_OF_WALKER = ["frame_rate_hz", "num_frames", "direction", "azimuth_deg", "camera_distance_m"]
SCENE_OF_WALKER += ["camera_height_m", "zoom_ratio", "light_azimuth_deg", "light_elevation_deg", "background"]
SCENE_OF_WALKER += [
    "brightness_ratio",
    "shadow_ratio",
    "sleeves",
    "shirt_color",
    "trouser_color",
    "shoe_color",
]
SCENE_OF_WALKER += ["scene_seed"]


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> pd.DataFrame:
    """Prepare 50 takes of five walkers, each always in the same place, light and clothes."""
    folder = tmp_path_factory.mktemp("clean")
    truth = sample_truth(range(1, 6), num_takes=3, seconds=(2.4, 2.8), seed=21)
    truth[SCENE_OF_WALKER] = truth.groupby("walker")[SCENE_OF_WALKER].transform("first")
    truth["num_frames"] = (truth["num_frames"] / truth["frame_rate_hz"] * 25).round().astype(int)
    truth = truth.assign(frame_rate_hz=25).sort_values(["walker", "take", "emotion"])[:NUM_CLEAN]
    paths = [folder / name.replace("/", "_") for name in truth["video"]]
    rows = truth.to_dict("records")
    joblib.Parallel(-1)(joblib.delayed(write_video)(row, path) for row, path in zip(rows, paths, strict=True))
    videos = prepare_videos(paths, CONFIG)
    assert all(isinstance(video, PreparedVideo) for video in videos), videos
    return table_of(paths, videos, list(truth["walker"])).assign(emotion=truth["emotion"].tolist())


def table_of(paths: list[Path], videos: list[PreparedVideo], walkers: list[str]) -> pd.DataFrame:
    """Return what the checks read of a table of videos."""
    return pd.DataFrame(
        {
            "video": [path.name for path in paths],
            "path": paths,
            "walker": walkers,
            "digest": [video.digest for video in videos],
            "entry": [str(video.folder) for video in videos],
        }
    )


def entries(table: pd.DataFrame) -> list[PreparedVideo]:
    return [PreparedVideo(Path(row.entry), row.digest) for row in table.itertuples()]


def decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def encode(
    path: Path, frames: list[np.ndarray], rate_hz: int = 25, codec: str = "libx264", **options
) -> Path:
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, rate_hz)
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def other_codec(frames: list[np.ndarray], path: Path) -> Path:
    return encode(path.with_suffix(".avi"), frames, codec="mpeg4", b="300000")


def low_bitrate(frames: list[np.ndarray], path: Path) -> Path:
    return encode(path, frames, crf="36")


def other_size(frames: list[np.ndarray], path: Path) -> Path:
    return encode(path, [cv2.resize(frame, (320, 180), interpolation=cv2.INTER_AREA) for frame in frames])


def other_rate(frames: list[np.ndarray], path: Path) -> Path:
    chosen = np.arange(0, len(frames) - 0.5, 25 / 20).round().astype(int)
    return encode(path, [frames[number] for number in chosen], rate_hz=20)


def mirrored(frames: list[np.ndarray], path: Path) -> Path:
    return encode(path, [frame[:, ::-1] for frame in frames])


def cut_short(frames: list[np.ndarray], path: Path) -> Path:
    return encode(path, frames[13:-5])


def mirrored_and_cut(frames: list[np.ndarray], path: Path) -> Path:
    return encode(path, [frame[:, ::-1] for frame in frames[12:]])


def cropped(frames: list[np.ndarray], path: Path) -> Path:
    height, width = frames[0].shape[:2]
    return encode(path, [frame[height // 25 :, width // 25 : -width // 25] for frame in frames])


COPIES = [
    (other_codec, "re-encoded copy"),
    (low_bitrate, "re-encoded copy"),
    (other_size, "re-encoded copy"),
    (other_rate, "re-encoded copy"),
    (cropped, "re-encoded copy"),
    (mirrored, "mirrored copy"),
    (cut_short, "excerpt"),
    (mirrored_and_cut, "mirrored excerpt"),
]


@pytest.mark.parametrize(("change", "how"), COPIES, ids=[change.__name__ for change, _ in COPIES])
def test_the_same_footage_under_another_walkers_name_is_refused(clean, tmp_path, change, how):
    first = clean.iloc[0]
    path = change(decode(first["path"]), tmp_path / "somebody_1.mp4")
    test = table_of([path], [prepare_video(path, CONFIG)], ["somebody"])
    with pytest.raises(
        InputError, match=f"{path.name} .*{first['video']}.*\\({how}, similarity [01].*remove"
    ):
        check_footage_disjoint(clean[:8], test)


def test_the_same_footage_on_one_side_is_reported(clean, tmp_path):
    path = other_codec(decode(clean["path"][0]), tmp_path / "again_1.mp4")
    again = table_of([path], [prepare_video(path, CONFIG)], [clean["walker"][0]])
    found = check_footage_disjoint(pd.concat([clean[:8], again]), clean[40:])
    assert found[["video", "other", "how"]].to_numpy().tolist() == [
        [clean["video"][0], "again_1.avi", "re-encoded copy"]
    ]


def test_what_was_compared_once_is_not_compared_again(clean, tmp_path):
    copy = mirrored(decode(clean["path"][0]), tmp_path / "copy_1.mp4")
    videos = [*entries(clean[:5]), prepare_video(copy, CONFIG)]
    first = find_same_footage(videos, range(6))
    assert first[["video", "other", "how"]].to_numpy().tolist() == [[0, 5, "mirrored copy"]]
    gone = [PreparedVideo(Path("no longer there") / video.folder.name, video.digest) for video in videos]
    pd.testing.assert_frame_equal(find_same_footage(gone, range(6)), first)


def test_one_video_more_is_compared_with_all_others(clean, tmp_path):
    videos = entries(clean[5:10])
    assert find_same_footage(videos, range(5)).empty
    copy = prepare_video(other_codec(decode(clean["path"][7]), tmp_path / "copy_1.mp4"), CONFIG)
    found = find_same_footage([copy, *videos], range(6))
    assert found[["video", "other", "how"]].to_numpy().tolist() == [[0, 3, "re-encoded copy"]]


def test_fifty_clean_videos_raise_no_alarm(clean):
    assert find_same_footage(entries(clean), list(clean["video"]), list(clean["walker"])).empty
    is_test = clean["walker"] == clean["walker"].iloc[-1]
    assert check_footage_disjoint(clean[~is_test], clean[is_test]).empty
    assert check_walkers_disjoint(clean[~is_test], clean[is_test], False) == []
    features = np.stack([box_features(video) for video in entries(clean)])
    check_labels_in_place(features, clean["emotion"].to_numpy())
    for video in entries(clean):
        starts = window_starts(video, CONFIG)
        assert distinct_starts(video, starts, CONFIG).tolist() == starts.tolist()
        assert why_looped(video, CONFIG) == ""


def test_walkers_and_files_on_both_sides_are_refused(clean):
    with pytest.raises(InputError, match="same walker is in training and test"):
        check_walkers_disjoint(clean[:3], clean[3:6], False)
    renamed = clean[:1].assign(video="renamed.mp4", walker="somebody")
    with pytest.raises(InputError, match="renamed.mp4 of "):
        check_walkers_disjoint(clean[:3], renamed, False)


def test_one_second_played_eight_times_is_one_second(clean, tmp_path):
    frames = decode(clean["path"][0])[20:45]
    video = prepare_video(encode(tmp_path / "loop.mp4", frames * 8), CONFIG)
    assert distinct_seconds(video) == pytest.approx(1.0, abs=0.1)
    assert not len(distinct_starts(video, window_starts(video, CONFIG), CONFIG))
    assert why_looped(video, CONFIG).startswith("1.0 s of footage repeated 8 times: a clip needs 2.0 s")


def test_clips_of_a_video_played_twice_count_once(clean, tmp_path):
    frames = decode(clean["path"][0])[:50]
    video = prepare_video(encode(tmp_path / "twice.mp4", frames * 2), CONFIG)
    short = CONFIG.model_copy(update={"num_frames": 15, "clip_stride": 5})
    assert distinct_seconds(video) == pytest.approx(2.0, abs=0.2)
    kept = window_starts(video, short)
    num_possible = sum((count - 15) // 5 + 1 for _, count in video.walks)
    assert 0 < len(kept) <= num_possible / 2 + 1
    stored = video.track[video.track["segment"] >= 0].reset_index(drop=True)
    assert stored["time_seconds"][kept].max() < 2.0


def test_a_walk_on_the_spot_is_no_loop(tmp_path):
    """Steps that vary by 3 % in time, 7 % in reach and 5 cm in place, as on a treadmill."""
    rng = np.random.default_rng(3)
    times = np.arange(200) / 25
    steps = np.interp(times, np.arange(10), rng.normal(1, 0.03, 10))
    sway, reach = (np.interp(times, np.arange(0, 10, 0.5), rng.normal(0, 1, 20)) for _ in range(2))
    phases = np.cumsum(steps) / 25
    frames = [
        walker_on_the_spot(240 + 5 * side, phase, 45 + 3 * more)
        for phase, side, more in zip(phases, sway, reach, strict=True)
    ]
    video = prepare_video(encode(tmp_path / "treadmill.mp4", frames, crf="23"), CONFIG)
    assert distinct_seconds(video) == pytest.approx(len(video.track) / 15)


def walker_on_the_spot(centre: float, phase: float, reach: float) -> np.ndarray:
    """Draw a figure whose legs and arms swing; `phase` in strides."""
    picture = np.full((240, 480, 3), 170, np.uint8)
    swing = reach * np.sin(2 * np.pi * phase)
    hip, shoulder = (round(centre), 120), (round(centre), 60)
    for side in (-1, 1):
        cv2.line(picture, hip, (round(centre + side * swing), 215), (40, 40, 40), 16)
        cv2.line(picture, shoulder, (round(centre - side * swing), 135), (70, 60, 60), 10)
    cv2.line(picture, hip, shoulder, (30, 30, 60), 28)
    cv2.circle(picture, (round(centre), 35), 16, (60, 60, 60), -1)
    return picture


def test_overlapping_clips_across_a_split_are_refused(clean):
    videos = entries(clean[:2])
    config = CONFIG.model_copy(update={"num_frames": 10, "clip_stride": 5})
    windows = list_windows(make_clip_set(videos, np.array([0, 1]), config), list(clean["video"][:2]))
    is_first = windows["digest"] == videos[0].digest
    check_windows_disjoint(windows[is_first], windows[~is_first])
    check_windows_disjoint(windows[:1], windows[is_first & (windows["start"] >= 10)])
    with pytest.raises(InputError, match=rf"5 to 9 of {clean['video'][0]}.*split by walker"):
        check_windows_disjoint(windows[:1], windows[1:2])


def labelled_walks(num_walkers: int, seed: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw 13 features of four emotions in random file order; `strength` in standard deviations."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(["angry", "happy", "neutral", "sad"], num_walkers))
    means = {"angry": 1.0, "happy": 0.4, "neutral": -0.2, "sad": -1.2}
    features = rng.normal(size=(len(labels), 13))
    features[:, :3] += strength * np.array([means[label] for label in labels])[:, None]
    return features, labels


@pytest.mark.parametrize("offset", [1, -1, 3])
def test_labels_moved_by_some_rows_are_refused(offset):
    features, labels = labelled_walks(20, 0, 1.0)
    check_labels_in_place(features, labels)
    way = "up" if offset > 0 else "down"
    with pytest.raises(InputError, match=rf"moved {way} by {abs(offset)} row"):
        check_labels_in_place(features, np.roll(labels, offset))


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_labels_in_place_raise_no_alarm(strength):
    for seed in range(15):
        check_labels_in_place(*labelled_walks(12, seed, strength))


def test_rows_drawn_again_before_the_split_are_refused():
    X = np.random.default_rng(0).normal(size=(60, 13))
    check_rows_disjoint(X[:40], X[40:])
    drawn = X[np.random.default_rng(1).integers(0, 60, 90)]
    with pytest.raises(InputError, match="copies of training rows.*oversampling"):
        check_rows_disjoint(drawn[:60], drawn[60:])


def fit_on_training(X, y, is_test):
    model = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky"))
    return model.fit(X[~is_test], y[~is_test]).predict_proba(X[is_test])


def scale_on_all(X, y, is_test):
    scaled = StandardScaler().fit_transform(X)
    return (
        LogisticRegression(solver="newton-cholesky")
        .fit(scaled[~is_test], y[~is_test])
        .predict_proba(scaled[is_test])
    )


def oversample_before_the_split(X, y, is_test):
    drawn = np.random.default_rng(0).integers(0, len(X), 2 * len(X))
    kept = np.concatenate([np.flatnonzero(~is_test), drawn])
    return RandomForestClassifier(20, random_state=0).fit(X[kept], y[kept]).predict_proba(X[is_test])


def unseeded(X, y, is_test):
    return np.random.default_rng().normal(size=is_test.sum())


def test_procedures_that_see_the_test_are_refused():
    X, y = labelled_walks(15, 1, 0.7)
    is_test = np.arange(len(y)) % 4 == 0
    check_fit_is_blind(fit_on_training, X, y, is_test)
    for leaky in (scale_on_all, oversample_before_the_split):
        with pytest.raises(InputError, match="fitted on all data"):
            check_fit_is_blind(leaky, X, y, is_test)
    with pytest.raises(InputError, match="fix the procedure's seed"):
        check_fit_is_blind(unseeded, X, y, is_test)


def test_the_baselines_are_blind(clean):
    videos = np.array(entries(clean), object)
    labels = clean["emotion"].astype("category").cat.codes.to_numpy()

    def predict(numbers, labels, is_test):
        train, test = (videos[numbers[part, 0]] for part in (~is_test, is_test))
        return np.stack(list(predict_baselines(train, labels[~is_test], test, seed=0).values()), axis=1)

    is_test = (clean["walker"] == clean["walker"].iloc[-1]).to_numpy()
    check_fit_is_blind(predict, np.arange(len(clean))[:, None], labels, is_test)
