"""Leaks planted one by one, and clean data that must raise no alarm."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import joblib
import numpy as np
import pandas as pd
import pytest

from gaitlib.clips import PreparedVideo, prepare_video, prepare_videos
from gaitlib.config import make_config, resolve_body
from gaitlib.data.footage import check_footage_disjoint
from gaitlib.demo import sample_truth, write_video
from gaitlib.errors import InputError
from gaitlib.walker import weights_problem

CONFIGS = {body: resolve_body(make_config(), body) for body in ("silhouette", "keypoints")}
NUM_WALKERS, NUM_CLEAN = 5, 20
# What a walker's videos have in common, as in a set that is filmed in one go.
SCENE = (
    "frame_rate_hz num_frames direction azimuth_deg camera_distance_m camera_height_m zoom_ratio "
    "light_azimuth_deg light_elevation_deg background brightness_ratio shadow_ratio sleeves shirt_color "
    "trouser_color shoe_color skin_color hair_color hair_style scene_seed"
).split()


@pytest.fixture(scope="module")
def drawn(once) -> pd.DataFrame:
    """Draw takes of five walkers, each always in the same place, light and clothes."""
    truth = sample_truth(range(1, NUM_WALKERS + 1), num_takes=1, seconds=(2.4, 2.8), seed=21)
    truth[SCENE] = truth.groupby("walker")[SCENE].transform("first")
    truth["num_frames"] = (truth["num_frames"] / truth["frame_rate_hz"] * 25).round().astype(int)
    truth = truth.assign(frame_rate_hz=25).sort_values(["walker", "emotion"])[:NUM_CLEAN]
    truth["name"] = truth["video"].str.replace("/", "_")

    def draw(folder: Path) -> None:
        rows = truth.to_dict("records")
        joblib.Parallel(-1)(joblib.delayed(write_video)(row, folder / row["name"]) for row in rows)

    folder, _ = once("clean", draw)
    return truth.assign(path=[folder / name for name in truth["name"]])


@pytest.fixture(scope="module", params=CONFIGS)
def body(request) -> str:
    if request.param == "keypoints" and weights_problem():
        pytest.skip("the weights of the body model are not there")
    return request.param


@pytest.fixture(scope="module")
def clean(drawn, body) -> pd.DataFrame:
    """Prepare all by silhouettes, or two walkers by keypoints, which take longer."""
    drawn = drawn if body == "silhouette" else drawn[:8]
    videos = prepare_videos(list(drawn["path"]), CONFIGS[body])
    assert all(isinstance(video, PreparedVideo) for video in videos), videos
    return table_of(list(drawn["path"]), videos, list(drawn["walker"]))


def table_of(paths: list[Path], videos: list[PreparedVideo], walkers: list[str]) -> pd.DataFrame:
    keys = [
        (path.name, path, video.digest, str(video.folder)) for path, video in zip(paths, videos, strict=True)
    ]
    return pd.DataFrame(keys, columns=["video", "path", "digest", "entry"]).assign(walker=walkers)


def copy_of(source: Path, change: Callable, path: Path, body: str, walker: str = "somebody") -> pd.DataFrame:
    frames, rate_hz, options = change(decode(source))
    encode(path, list(frames), rate_hz, **options)
    return table_of([path], [prepare_video(path, CONFIGS[body])], [walker])


def decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def encode(path: Path, frames: list[np.ndarray], rate_hz: int, codec: str = "libx264", **options) -> None:
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


def every(step: float, frames: list[np.ndarray]) -> list[np.ndarray]:
    return [frames[int(number)] for number in np.arange(0, len(frames) - 1, step)]


def shrunk(frame: np.ndarray) -> np.ndarray:
    return cv2.resize(frame, (320, 180), interpolation=cv2.INTER_AREA)


def cropped(frame: np.ndarray) -> np.ndarray:
    return frame[frame.shape[0] // 25 :, frame.shape[1] // 25 : -frame.shape[1] // 25]


def with_bars(frame: np.ndarray) -> np.ndarray:
    return cv2.copyMakeBorder(frame, 0, 0, 80, 80, cv2.BORDER_CONSTANT)


# Each returns the frames, their rate and the options of the encoder, and is followed by what it is called.
COPIES = {
    "codec": (lambda frames: (frames, 25, {"codec": "mpeg4", "b": "300000"}), "re-encoded"),
    "bitrate": (lambda frames: (frames, 25, {"crf": "34"}), "re-encoded"),
    "size": (lambda frames: (map(shrunk, frames), 25, {}), "re-encoded"),
    "rate": (lambda frames: (every(1.25, frames), 20, {}), "re-encoded"),
    "cropped": (lambda frames: (map(cropped, frames), 25, {}), "re-encoded"),
    "bars": (lambda frames: (map(with_bars, frames), 25, {}), "re-encoded"),
    "mirrored": (lambda frames: ([frame[:, ::-1] for frame in frames], 25, {}), "mirrored"),
    "cut": (lambda frames: (frames[13:-5], 25, {}), "re-encoded"),
    "mirrored_cut": (lambda frames: ([frame[:, ::-1] for frame in frames[12:]], 25, {}), "mirrored"),
    "backwards": (lambda frames: (frames[::-1], 25, {}), "backwards"),
    "sped_up": (lambda frames: (every(1.5, frames), 25, {}), "faster or slower"),
    "quicker": (lambda frames: (every(1.25, frames), 25, {}), "faster or slower"),
    "slowed_down": (lambda frames: (every(0.5, frames), 25, {}), "faster or slower"),
}


# Outlines at another speed are found in some cases only; keypoints take long.
FAST = ("sped_up", "quicker", "slowed_down")
CASES = [("silhouette", name) for name in COPIES if name not in FAST]
CASES += [("keypoints", name) for name in ("bitrate", "cropped", "mirrored", "backwards", *FAST)]


@pytest.mark.parametrize(("body", "name"), CASES, indirect=["body"])
def test_the_same_footage_under_another_walkers_name_is_refused(clean, body, tmp_path, name):
    first, (change, how) = clean.iloc[3], COPIES[name]
    test = copy_of(
        first["path"], change, tmp_path / f"somebody_1{'.avi' if name == 'codec' else '.mp4'}", body
    )
    with pytest.raises(
        InputError,
        # Another take of the same walker in the same place may be more alike than the right one.
        match=f"{test['video'][0]} shows the footage of [a-z]+_{first['walker']}_1.mp4 "
        f"\\({how}, similarity [01].*remove",
    ):
        check_footage_disjoint(clean[:8], test)


def test_clean_videos_raise_no_alarm(clean):
    assert check_footage_disjoint(clean, clean[:0]) == ()
    is_test = clean["walker"] == clean["walker"].iloc[-1]
    assert check_footage_disjoint(clean[~is_test], clean[is_test]) == ()


@pytest.mark.parametrize("body", ["silhouette"], indirect=True)
def test_the_same_footage_on_one_side_is_reported(clean, body, tmp_path):
    again = copy_of(clean["path"][0], COPIES["codec"][0], tmp_path / "again_1.avi", body, clean["walker"][0])
    said = check_footage_disjoint(pd.concat([clean[:8], again]), clean[16:])
    assert said == (f"again_1.avi shows the footage of {clean['video'][0]} (re-encoded).",)
    # Before a cross-validation two walkers are two sides to be.
    assert check_footage_disjoint(pd.concat([clean[:8], again]), clean[:0]) == said
    with pytest.raises(InputError, match=r"again_1.avi shows the footage of .* \(re-enc"):
        check_footage_disjoint(pd.concat([clean[:8], again.assign(walker="somebody")]), clean[:0])


@pytest.mark.parametrize("body", ["silhouette"], indirect=True)
def test_footage_that_a_long_video_holds_is_found(drawn, body, tmp_path):
    """The copy lies beyond the first piece of a video of more than 30 s."""
    frames = [shrunk(frame) for path in drawn["path"][1:15] for frame in decode(path)]
    encode(tmp_path / "long.mp4", frames, 25)
    paths = [tmp_path / "long.mp4", drawn["path"].iloc[13]]
    videos = [prepare_video(path, CONFIGS[body]) for path in paths]
    assert len(videos[0].track) > 480
    with pytest.raises(InputError, match=r"shows the footage of long.mp4 \(re-encoded"):
        check_footage_disjoint(table_of(paths, videos, ["a", "b"]), pd.DataFrame())
