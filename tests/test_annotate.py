"""The annotated copy shows what was read: as long as the video, box on the walker, colours below."""

import numpy as np

from gaitlib.annotate import STRIP_PIXELS, annotate_video, probabilities_over_time
from gaitlib.clips import prepare_video
from gaitlib.video import read_video


def annotated(path, config, folder, timeline):
    video = prepare_video(path, config)
    target = folder / "new folder" / "seen.mp4"
    annotate_video(path, target, video, {"timeline": timeline, "notes": ["unlike"]}, config)
    chunk, report = read_video(target, config.frame_rate_hz, max_side=2000, color=True)
    return video, chunk.frames, report, target


def test_copy_is_as_long_and_has_the_strip_below(demo_video, tiny_config, tmp_path):
    half = {"angry": 0.5, "sad": 0.5}
    timeline = [{"start_seconds": 0.0, "end_seconds": 60.0, "probabilities": half}]
    video, frames, report, target = annotated(demo_video, tiny_config, tmp_path, timeline)
    assert abs(len(frames) - len(video.track)) <= 1
    assert report.notes == []
    strip = frames[len(frames) // 2, -STRIP_PIXELS + 4 : -24, 40:-40].astype(float)
    # The upper half is angry's orange, the lower half sad's blue.
    top, bottom = strip[:10].mean(axis=(0, 1)), strip[-6:].mean(axis=(0, 1))
    assert top[0] > top[2] + 60
    assert bottom[2] > bottom[0] + 60
    assert [path.name for path in target.parent.iterdir()] == ["seen.mp4"]


def test_box_surrounds_the_walker(demo_video, tiny_config, tmp_path):
    video, frames, _, _ = annotated(demo_video, tiny_config, tmp_path, [])
    place = int(np.flatnonzero(video.track["segment"] >= 0)[5])
    row = video.track.iloc[place]
    left, middle = int(row["left"]), int(row["top"] + row["height"] / 2)
    line = frames[place, middle - 5 : middle + 5, left - 1 : left + 2].astype(float).mean(axis=(0, 1))
    assert line[1] > line[0] + 30  # green


def test_reason_stands_where_probabilities_would(demo_video, tiny_config, tmp_path):
    _, frames, _, _ = annotated(demo_video, tiny_config, tmp_path, [])
    strip = frames[len(frames) // 2, -STRIP_PIXELS:]
    assert strip[:20, 4:60].min() < 120  # letters
    assert strip[22:, 100:].mean() > 250


def test_overlapping_clips_are_averaged_and_gaps_stay_empty():
    timeline = [
        {"start_seconds": 0.0, "end_seconds": 2.0, "probabilities": {"angry": 1.0, "sad": 0.0}},
        {"start_seconds": 1.0, "end_seconds": 3.0, "probabilities": {"angry": 0.0, "sad": 1.0}},
    ]
    emotions, shares = probabilities_over_time(timeline, 10.0, 10)
    assert emotions == ["angry", "sad"]
    assert shares[:3].tolist() == [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    assert np.isnan(shares[3:]).all()
