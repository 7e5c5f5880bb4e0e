"""Decoding checked against bar codes, on files made here, whole and broken."""

import hashlib
import itertools
import os
import socket
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from media import bar_code, cut, damage, read_codes, turn, write_sound, write_video

from gaitlib.config import InputError
from gaitlib.video import file_digest, read_ahead, read_chunks, read_video, shrink
from gaitlib.video.timeline import Timeline

EVERY_SECOND = list(range(0, 60, 2))  # the numbers on screen at 15 Hz of 60 pictures at 30 Hz
AT_30_HZ = {"time_base": Fraction(1, 30)}
QUIET = {"x265-params": "log-level=none"}


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "settings"),
    [
        ("a.mp4", "libx264", "yuv420p", {}),
        ("a.mp4", "libx264", "yuv420p", {"with_sound": True}),
        ("a.mov", "libx264", "yuv444p", {}),
        ("a.mkv", "libx264", "yuv420p", {}),
        ("a.ts", "libx264", "yuv420p", {}),
        ("a.flv", "libx264", "yuv420p", {}),
        ("a.avi", "libx264", "yuv420p", AT_30_HZ),  # holds decoding times only
        ("a.mp4", "libx265", "yuv420p10le", {"codec_options": QUIET}),
        ("a.webm", "libvpx-vp9", "yuv420p", {}),
        ("a.avi", "mjpeg", "yuvj420p", AT_30_HZ),
        ("a.avi", "mpeg4", "yuv420p", AT_30_HZ),
        ("a.avi", "mpeg4", "yuv420p", {**AT_30_HZ, "codec_options": {"bf": "2"}}),
        ("a.mpg", "mpeg2video", "yuv420p", AT_30_HZ),
        ("a.mov", "prores_ks", "yuv422p10le", {}),
        ("a.mkv", "ffv1", "bgr0", {}),
        ("a.avi", "rawvideo", "bgr24", AT_30_HZ),
    ],
)
def test_reads_every_codec_and_container(tmp_path, name, codec, pix_fmt, settings):
    path = write_video(tmp_path / name, codec=codec, pix_fmt=pix_fmt, **settings)
    chunk, report = read_video(path)
    assert read_codes(chunk.frames) == EVERY_SECOND
    assert chunk.frames.dtype == np.uint8
    assert (report.frames_read, report.corrupt_frames, report.notes) == (60, 0, [])
    assert report.duration_seconds == pytest.approx(2.0, abs=0.005)
    assert report.frame_rate_hz == pytest.approx(30, rel=0.002)


def test_av1_where_the_encoder_is_there(tmp_path):
    if "libsvtav1" not in av.codecs_available:
        pytest.skip("no AV1 encoder in this build of PyAV")
    chunk, _ = read_video(write_video(tmp_path / "a.mp4", codec="libsvtav1"))
    assert read_codes(chunk.frames) == EVERY_SECOND


def test_gif_times_are_rounded_to_hundredths(tmp_path):
    stamps = [number / 10 for number in range(20)]
    settings = {"codec": "gif", "pix_fmt": "rgb8", "time_base": Fraction(1, 100)}
    chunk, report = read_video(write_video(tmp_path / "a.gif", stamps, **settings), 10)
    assert read_codes(chunk.frames) == list(range(20))
    assert report.notes == []


# Times


def test_times_are_a_grid_and_sources_their_stamps(tmp_path):
    chunk, _ = read_video(write_video(tmp_path / "a.mp4"), 12)
    np.testing.assert_allclose(chunk.times_seconds, np.arange(24) / 12)
    codes = np.array(read_codes(chunk.frames))
    np.testing.assert_allclose(chunk.source_seconds, codes / 30, atol=1e-6)
    assert (chunk.source_seconds <= chunk.times_seconds + 1e-3).all()
    assert codes.tolist() == [int(k / 12 * 30 + 1e-6) for k in range(24)]


def test_variable_rate_takes_the_picture_on_screen(tmp_path):
    steps = np.random.default_rng(1).uniform(0.01, 0.2, 60)
    stamps = np.round(np.concatenate([[0], np.cumsum(steps)[:-1]]), 3)
    chunk, report = read_video(write_video(tmp_path / "a.mkv", stamps), 15)
    expected = np.searchsorted(stamps, chunk.times_seconds + 1e-3, side="right") - 1
    assert read_codes(chunk.frames) == expected.tolist()
    assert report.frames_read == 60
    assert chunk.times_seconds[-1] >= stamps[-1] - 1 / 15


def test_slow_video_repeats_pictures(tmp_path):
    chunk, report = read_video(write_video(tmp_path / "a.mp4", [0.0, 0.2, 0.4, 0.6]), 15)
    assert read_codes(chunk.frames) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert report.frames_read == 4
    assert report.frame_rate_hz == pytest.approx(5)


def test_start_other_than_zero_does_not_matter(tmp_path):
    stamps = [5 + number / 30 for number in range(60)]
    chunk, report = read_video(write_video(tmp_path / "a.ts", stamps))
    assert read_codes(chunk.frames) == EVERY_SECOND
    assert report.notes == []


def test_long_gap_is_left_out_and_noted(tmp_path):
    stamps = [0.0, 0.1, 0.2, 5000.0, 5000.1, 5000.2]
    chunk, report = read_video(write_video(tmp_path / "a.mp4", stamps), 10)
    assert read_codes(chunk.frames) == [0, 1, 2, 3, 4, 5]
    assert report.notes == ["Pictures after a jump of more than 10 s: 1 (the gap is left out)."]


def test_stamps_that_run_back_go_on_after_the_last(tmp_path):
    path = tmp_path / "both.ts"
    halves = [write_video(tmp_path / f"{name}.ts", mux_format="mpegts") for name in "ab"]
    path.write_bytes(b"".join(half.read_bytes() for half in halves))
    chunk, report = read_video(path)
    assert read_codes(chunk.frames) == EVERY_SECOND * 2
    assert "does not run forward" in report.notes[0]
    assert (np.diff(chunk.source_seconds) >= 0).all()


def test_raw_stream_without_stamps_goes_by_its_usual_rate(tmp_path):
    chunk, report = read_video(write_video(tmp_path / "a.h264", mux_format="h264"), 25)
    assert read_codes(chunk.frames) == list(range(60))  # raw H.264 is taken as 25 Hz
    assert report.notes == ["Pictures without a timestamp: 60 (placed by the usual rate)."]


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3]),
        ([7, 8, 9, 10], [0, 1, 2, 3]),
        ([0, 1, 2, 0.5, 4, 5], [0, 1, 2, 3, 4, 5]),
        ([0, 1, 2, 900, 4, 5], [0, 1, 2, 3, 4, 5]),
        ([0, 1, 2, 0, 1, 2], [0, 1, 2, 3, 4, 5]),
        ([0, 1, 2, 2, 4], [0, 1, 2, 3, 4]),
        ([0, 1, None, None, 4], [0, 1, 2, 3, 4]),
        ([None, None], [0, 1]),
    ],
)
def test_timeline_places_faulty_stamps(stamps, expected):
    timeline = Timeline(1.0)
    assert [timeline.place(stamp) for stamp in stamps] == pytest.approx(expected)
    assert timeline.end_seconds() == pytest.approx(expected[-1] + 1)


def test_chunks_join_to_the_whole(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    whole, _ = read_video(path)
    reader = read_chunks(path, chunk_seconds=0.5)
    chunks = list(reader)
    assert [len(chunk.frames) for chunk in chunks] == [8, 8, 8, 6]
    np.testing.assert_array_equal(np.concatenate([chunk.frames for chunk in chunks]), whole.frames)
    times = np.concatenate([chunk.times_seconds for chunk in chunks])
    np.testing.assert_array_equal(times, whole.times_seconds)
    assert reader.report.frames_read == 60


def test_memory_is_flat_in_length(tmp_path):
    stamps = [number / 5 for number in range(250)]
    path = write_video(tmp_path / "a.mp4", stamps)
    tracemalloc.start()
    for _ in read_chunks(path, chunk_seconds=1.0):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 15 * 96 * 160  # of 750 pictures never more than those of a few chunks


# Pictures


@pytest.mark.parametrize(
    ("matrix", "rotation_deg", "upright"),
    [
        ((0, 1, -1, 0), 90, lambda picture: np.rot90(picture, -1)),
        ((-1, 0, 0, -1), 180, lambda picture: np.rot90(picture, 2)),
        ((0, -1, 1, 0), 270, lambda picture: np.rot90(picture)),
        ((-1, 0, 0, 1), 180, np.fliplr),
        ((1, 0, 0, -1), 0, np.flipud),
        ((0, 1, 1, 0), 90, np.transpose),
        ((0, -1, -1, 0), 270, lambda picture: np.rot90(picture, 2).T),
    ],
)
def test_phone_rotation_is_applied_once(tmp_path, matrix, rotation_deg, upright):
    path = write_video(tmp_path / "a.mp4")
    plain, _ = read_video(path)
    turned, report = read_video(turn(path, matrix))
    expected = np.stack([upright(picture) for picture in plain.frames])
    np.testing.assert_array_equal(turned.frames, expected)
    assert report.rotation_deg == rotation_deg
    assert (report.height, report.width) == expected.shape[1:]
    color, _ = read_video(path, color=True)
    assert color.frames.shape == (*expected.shape, 3)


@pytest.mark.parametrize(
    ("codec", "name", "pix_fmt"), [("libx264", "a.mp4", "yuv444p"), ("mjpeg", "a.avi", "yuvj420p")]
)
def test_odd_sizes(tmp_path, codec, name, pix_fmt):
    settings = AT_30_HZ if name.endswith("avi") else {}
    path = write_video(tmp_path / name, codec=codec, pix_fmt=pix_fmt, size=(161, 121), **settings)
    chunk, report = read_video(path)
    assert chunk.frames.shape == (30, 121, 161)
    assert (report.width, report.height) == (161, 121)
    assert read_codes(chunk.frames) == EVERY_SECOND


def test_large_pictures_shrink_and_small_ones_do_not_grow(tmp_path):
    path = write_video(tmp_path / "a.mp4", size=(640, 360))
    chunk, report = read_video(path, max_side=160)
    assert chunk.frames.shape == (30, 90, 160)
    assert (report.width, report.height) == (640, 360)
    assert read_codes(chunk.frames) == EVERY_SECOND
    assert read_video(path, max_side=5000)[0].frames.shape == (30, 360, 640)


def test_pixels_that_are_not_square(tmp_path):
    attributes = {"sample_aspect_ratio": Fraction(2, 1)}
    chunk, report = read_video(write_video(tmp_path / "a.mp4", attributes=attributes))
    assert chunk.frames.shape == (30, 96, 320)
    assert (report.width, report.height) == (320, 96)
    assert read_codes(chunk.frames) == EVERY_SECOND


def grey_steps():
    """Return a picture of 8 grey fields, 0 to 255, and their levels."""
    levels = np.array([0, 30, 64, 100, 128, 180, 230, 255], np.uint8)
    return np.tile(np.repeat(levels, 20), (96, 1)), levels


@pytest.mark.parametrize(
    ("codec", "name", "pix_fmt", "settings"),
    [
        ("libx264", "a.mp4", "yuv420p", {}),
        ("libx264", "a.mp4", "yuvj420p", {}),
        ("libx264", "a.mp4", "yuv420p10le", {}),
        ("libx265", "a.mp4", "yuv420p12le", {"codec_options": QUIET}),
        ("mjpeg", "a.avi", "yuvj420p", AT_30_HZ),
        ("ffv1", "a.mkv", "gray", {}),
        ("ffv1", "a.mkv", "gray16le", {}),
        ("ffv1", "a.mkv", "bgr0", {}),
        ("ffv1", "a.mkv", "yuva420p", {}),
        ("qtrle", "a.mov", "argb", {}),
    ],
)
@pytest.mark.parametrize("color", [False, True])
def test_grey_levels_are_those_of_the_scene(tmp_path, codec, name, pix_fmt, settings, color):
    picture, levels = grey_steps()
    settings = {"pictures": [picture] * 4, **settings}
    path = write_video(tmp_path / name, [0, 0.1, 0.2, 0.3], codec, pix_fmt, **settings)
    chunk, report = read_video(path, 10, color=color)
    middles = chunk.frames[2][48, 10::20].astype(int)
    expected = levels[:, None] if color else levels
    tolerance = 4 if color else 2  # FFmpeg turns 10 bits into RGB with an error of up to 3
    assert np.abs(middles - expected).max() <= tolerance
    assert report.notes == []


def test_color_is_rgb(tmp_path):
    red = np.zeros((96, 160, 3), np.uint8)
    red[..., 0] = 255
    settings = {"pictures": [red] * 3, "picture_format": "rgb24"}
    path = write_video(tmp_path / "a.mp4", [0, 0.1, 0.2], **settings)
    chunk, _ = read_video(path, 10, color=True)
    assert chunk.frames.shape == (3, 96, 160, 3)
    assert np.abs(chunk.frames[1, 48, 80].astype(int) - [255, 0, 0]).max() <= 6
    grey, _ = read_video(path, 10)
    assert abs(int(grey.frames[1, 48, 80]) - 76) <= 3  # 0.299 of 255


@pytest.mark.parametrize(
    ("attributes", "codec_options", "word"),
    [
        ({"color_trc": 16}, {}, "HDR (PQ)"),
        ({"color_trc": 18}, {}, "HDR (HLG)"),
        ({}, {"x264-params": "interlaced=1"}, "Interlaced"),
        ({"sample_aspect_ratio": Fraction(50, 1)}, {}, "taken as square"),
    ],
)
def test_what_is_unusual_is_noted(tmp_path, attributes, codec_options, word):
    settings = {"attributes": attributes, "codec_options": codec_options}
    chunk, report = read_video(write_video(tmp_path / "a.mp4", **settings))
    assert read_codes(chunk.frames) == EVERY_SECOND
    assert len(report.notes) == 1
    assert word in report.notes[0]


@pytest.mark.parametrize("color", [False, True])
def test_hdr_shows_the_same_light_as_the_same_tone(tmp_path, color):
    """ITU-R BT.2408: a grey card is coded as 38 % in PQ and HLG, white paper as 58 % and as 75 %."""
    tones = {}
    for transfer, percents in ((16, (0, 38, 58, 75)), (18, (0, 38, 75, 100))):
        picture = np.repeat([round(2.55 * percent) for percent in percents], 40).astype(np.uint8)
        pictures = [np.repeat(picture[None], 96, axis=0)] * 3
        settings = {"attributes": {"color_trc": transfer}, "pictures": pictures, "pix_fmt": "yuv420p10le"}
        chunk, _ = read_video(write_video(tmp_path / "a.mp4", [0, 0.1, 0.2], **settings), 10, color=color)
        tones[transfer] = chunk.frames[1][48, 20::40].reshape(4, -1).mean(axis=1)
    assert np.abs(tones[16] - tones[18]).max() <= 8
    # Black stays black, a grey card is nearly as grey as in usual video (BT.709: 104), 1000 cd/m2 is white.
    assert np.abs(tones[16] - [0, 104, 194, 255]).max() <= 6


@pytest.mark.parametrize("color", [False, True])
def test_interlaced_pictures_show_one_moment(tmp_path, color):
    """Odd lines show the next picture: read as one, its bar code would be a mixture."""
    pictures = [bar_code(number) for number in range(61)]
    for before, after in itertools.pairwise(pictures):
        before[1::2] = after[1::2]
    settings = {"codec_options": {"x264-params": "interlaced=1"}, "pictures": pictures[:60]}
    chunk, report = read_video(write_video(tmp_path / "a.mp4", **settings), color=color)
    grey = chunk.frames if not color else chunk.frames[..., 1]
    assert read_codes(grey) == EVERY_SECOND
    rows = grey[1, 4:20].astype(int)  # 2 and 3 differ in one bit
    assert np.abs(np.diff(rows, axis=0)).max() < 20
    assert "every second line" in report.notes[0]


def test_transparency_is_noted(tmp_path):
    picture = np.full((96, 160, 4), 200, np.uint8)
    settings = {"codec": "png", "pix_fmt": "rgba", "pictures": [picture], "picture_format": "rgba"}
    chunk, report = read_video(write_video(tmp_path / "a.mov", [0.0], **settings))
    assert chunk.frames[0, 0, 0] == 200
    assert report.notes == ["Has transparency, which is ignored."]


def test_size_change_midway_keeps_the_first_size(tmp_path):
    path = tmp_path / "both.ts"
    first = write_video(tmp_path / "a.ts")
    second = write_video(tmp_path / "b.ts", [2 + k / 30 for k in range(60)], size=(320, 240))
    path.write_bytes(first.read_bytes() + second.read_bytes())
    chunk, report = read_video(path)
    assert chunk.frames.shape == (60, 96, 160)
    assert read_codes(chunk.frames) == EVERY_SECOND * 2
    assert any("changes midway" in note for note in report.notes)


def test_largest_of_two_streams_is_read(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=10) for _ in range(2)]
        for stream, (width, height) in zip(streams, [(64, 48), (160, 96)], strict=True):
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, stream in itertools.product(range(10), streams):
            picture = bar_code(number, stream.width, stream.height)
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(picture, "gray").reformat(format="yuv420p"))
            )
        for stream in streams:
            container.mux(stream.encode())
    chunk, report = read_video(path, 10)
    assert chunk.frames.shape[1:] == (96, 160)
    assert report.notes == ["Holds 2 video streams: the largest is read, 160x96."]


def test_comment_is_kept(tmp_path):
    _, report = read_video(write_video(tmp_path / "a.mp4", metadata={"comment": "synthetic"}))
    assert report.comment == "synthetic"


# Broken files


@pytest.mark.parametrize(
    ("name", "codec", "settings"),
    [
        ("a.mp4", "libx264", {"container_options": {"movflags": "faststart"}}),
        ("a.mp4", "libx264", {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
        ("a.mkv", "libx264", {}),
        ("a.ts", "libx264", {}),
        ("a.flv", "libx264", {}),
        ("a.webm", "libvpx-vp9", {}),
        ("a.avi", "mpeg4", AT_30_HZ),
    ],
)
def test_cut_off_file_is_read_as_far_as_it_goes(tmp_path, name, codec, settings):
    path = cut(write_video(tmp_path / name, codec=codec, **settings), 0.7)
    chunk, report = read_video(path)
    codes = read_codes(chunk.frames)
    assert 5 <= len(codes) < 30
    assert codes[:-1] == EVERY_SECOND[: len(codes) - 1]  # the last picture may be half there
    assert any(note.startswith("Cut off") for note in report.notes)


def test_cut_off_before_the_index_is_refused(tmp_path):
    with pytest.raises(InputError, match="without a usable index.*copy it again"):
        read_video(cut(write_video(tmp_path / "a.mp4"), 0.6))


@pytest.mark.parametrize(
    ("name", "codec", "settings"),
    [
        ("a.mp4", "libx264", {"container_options": {"movflags": "faststart"}}),
        ("a.ts", "libx264", {}),
        ("a.mkv", "libx264", {}),
        ("a.avi", "mpeg4", AT_30_HZ),
    ],
)
def test_flipped_bits_are_counted_and_decoded_on(tmp_path, name, codec, settings):
    path = write_video(tmp_path / name, codec=codec, size=(320, 240), **settings)
    chunk, report = read_video(damage(path, 0.75, 0.95))
    assert read_codes(chunk.frames[:3]) == EVERY_SECOND[:3]
    assert report.frames_read > 30
    assert report.corrupt_frames > 0
    assert any("amaged" in note for note in report.notes)


@pytest.mark.parametrize("seed", range(25))
def test_rubbish_never_raises_anything_but_input_error(tmp_path, seed):
    draw = np.random.default_rng(seed)
    name, codec = [
        ("a.mp4", "libx264"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx"),
        ("a.ts", "libx264"),
    ][seed % 4]
    path = write_video(tmp_path / name, [k / 30 for k in range(12)], codec)
    content = bytearray(path.read_bytes())
    for position in draw.integers(0, len(content), 40):
        content[position] = draw.integers(0, 256)
    path.write_bytes(content)
    try:
        chunk, report = read_video(path)
    except InputError as error:
        assert str(path) in str(error)
    else:
        assert len(chunk.frames) < 2000
        assert report.frames_read > 0


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty"),
        (b"just some words\n" * 50, "is text"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "is a web page"),
        (b"PK\x03\x04" + bytes(100), "is a zip archive"),
        (bytes(50_000), "is not a video that can be read"),
        (bytes(range(256)) * 100, "is not a video that can be read"),
    ],
)
def test_content_that_is_no_video_is_refused(tmp_path, content, fault):
    path = tmp_path / "walk.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"walk.mp4 {fault}"):
        read_video(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tiff"])
def test_still_picture_is_refused(tmp_path, suffix):
    _, encoded = cv2.imencode(suffix, bar_code(5))
    path = tmp_path / "walk.mp4"
    path.write_bytes(encoded.tobytes())
    with pytest.raises(InputError, match=r"walk.mp4 is (a (JPEG|PNG|WebP|BMP) picture|not a video)"):
        read_video(path)


@pytest.mark.parametrize(
    "script",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{0}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{0}'\n",
        "\n\nffconcat version 1.0\nfile '{0}'\n",
        "<?xml version='1.0'?><MPD><BaseURL>{0}</BaseURL></MPD>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    ],
)
@pytest.mark.parametrize("name", ["walk.mp4", "walk.m3u8"])
def test_script_never_opens_another_file(tmp_path, script, name):
    other = write_video(tmp_path / "other.ts")
    path = tmp_path / name
    path.write_text(script.format(other))
    with pytest.raises(InputError, match="give a video"):
        read_video(path)


def test_sound_only_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds sound but no pictures.*: give a video"):
        read_video(write_sound(tmp_path / "a.mp4"))


def test_cover_picture_is_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 160, 96, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(bar_code(3), "gray").reformat(format="yuvj420p")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        silence.sample_rate = 8000
        container.mux(cover.encode(frame) + cover.encode())
        container.mux(sound.encode(silence) + sound.encode())
    with pytest.raises(InputError, match="cover picture only: give a video"):
        read_video(path)


def test_encrypted_video_is_refused(tmp_path):
    options = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
        "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
    }
    with pytest.raises(InputError, match="is encrypted: give a copy"):
        read_video(write_video(tmp_path / "a.mp4", container_options=options))


def test_one_picture_is_read(tmp_path):
    chunk, report = read_video(write_video(tmp_path / "a.mp4", [0.0]))
    assert read_codes(chunk.frames) == [0]
    assert (report.frames_read, report.notes) == (1, [])


@pytest.mark.parametrize("reader", [read_video, file_digest])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, reader):
    (tmp_path / "folder.mp4").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "nothing.mp4")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    faults = {
        "folder.mp4": "is a folder",
        "pipe.mp4": "is not a regular file",
        "dangling.mp4": "is a link to a file that is not there",
        "loop.mp4": "cannot be opened",
        "missing.mp4": "is not there: check its name",
        "nul\0.mp4": "cannot be opened",
    }
    for name, fault in faults.items():
        with pytest.raises(InputError, match=fault):
            reader(tmp_path / name)


def test_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.mp4")
        with pytest.raises(InputError, match="is not a regular file"):
            read_video("socket.mp4")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    path.chmod(0)
    with pytest.raises(InputError, match="check the file and its permissions"):
        read_video(path)


@pytest.mark.parametrize(
    "name",
    [
        "with space.mp4",
        "-lead.mp4",
        "line\nbreak.mp4",
        "🚶.mp4",
        b"\xff\xfe.mp4",
        "%d.mp4",
        "a:b.mp4",
        "x" * 251 + ".mp4",
    ],
)
def test_names_of_all_kinds_are_read(tmp_path, name):
    good = write_video(tmp_path / "good.mp4")
    path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), os.fsencode(name))))
    good.rename(path)
    assert read_codes(read_video(path)[0].frames) == EVERY_SECOND
    path.write_bytes(b"")
    with pytest.raises(InputError) as error:
        read_video(path)
    assert str(error.value).isprintable()


def test_reading_ends_when_time_is_up(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="was given up"):
        list(read_chunks(path, time_limit_seconds=-1.0))


def test_wrong_settings_are_refused(tmp_path):
    with pytest.raises(InputError, match="positive"):
        read_chunks(tmp_path / "a.mp4", frame_rate_hz=0)


def test_digest_is_sha256_of_the_content(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"walk")
    assert file_digest(path) == hashlib.sha256(b"walk").hexdigest()


def test_reading_ahead_keeps_order_and_is_at_most_one_ahead():
    made = []

    def make():
        for number in range(5):
            made.append(number)
            yield number

    for number in read_ahead(make()):
        assert len(made) <= number + 2
    assert made == [0, 1, 2, 3, 4]


def test_faults_met_while_reading_ahead_are_told(tmp_path):
    path = tmp_path / "walk.mp4"
    path.write_bytes(b"no video at all")
    with pytest.raises(InputError, match=r"walk\.mp4"):
        list(read_ahead(read_chunks(path)))


@pytest.mark.parametrize("size", [(480, 270), (240, 135), (500, 300), (1920, 1080)])
def test_shrinking_in_steps_keeps_the_mean_of_what_a_pixel_covers(size):
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (1080, 1920), np.uint8), (0, 0), 8)
    once = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    assert np.abs(shrink(picture, size).astype(int) - once).max() <= 2
