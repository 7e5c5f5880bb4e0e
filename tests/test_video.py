"""Decoding checked against bar codes, on files made here: of all kinds, whole, damaged, hostile."""

import functools
import http.server
import itertools
import os
import struct
import tempfile
import threading
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from gaitlib.errors import InputError
from gaitlib.video import VideoReader, write_film
from gaitlib.video.decoding import Timeline

NUM_BITS = 8
EVERY_SECOND = list(range(0, 60, 2))  # the numbers on screen at 15 Hz of 60 frames at 30 Hz
AT_30_HZ = {"time_base": Fraction(1, 30)}
QUIET = {"codec_options": {"x265-params": "log-level=none", "preset": "ultrafast"}}
INDEX_FIRST = {"container_options": {"movflags": "faststart"}}
# FFmpeg's own encoders write wrong times into MPEG-2 files with fewer than three threads.
NUM_THREADS = {"mpeg1video": 3, "mpeg2video": 3, "mpeg4": 3, "mjpeg": 3, "wmv2": 3, "libvpx": 1}

# Containers and codecs: name, encoder, further settings.
KINDS = {
    "mp4 index last": ("a.mp4", "libx264", {}),
    "mp4 index first": ("a.mp4", "libx264", INDEX_FIRST),
    "mp4 hevc 10 bit": ("a.mp4", "libx265", {**INDEX_FIRST, **QUIET, "pix_fmt": "yuv420p10le"}),
    "mp4 av1": ("a.mp4", "libsvtav1", INDEX_FIRST),
    "mkv": ("a.mkv", "libx264", {}),
    "webm": ("a.webm", "libvpx-vp9", {"codec_options": {"deadline": "realtime", "cpu-used": "8"}}),
    "avi": ("a.avi", "mpeg4", {**AT_30_HZ, "codec_options": {"bf": "2"}}),
    "avi h264": ("a.avi", "libx264", AT_30_HZ),  # holds decoding times only
    "ts": ("a.ts", "libx264", {}),
    "flv": ("a.flv", "libx264", {}),
    "wmv": ("a.wmv", "wmv2", {"time_base": Fraction(1, 1000), "mux_format": "asf"}),
    "gif": ("a.gif", "gif", {"pix_fmt": "rgb8", "time_base": Fraction(1, 100)}),
}


def bar_code(number, width=160, height=96):
    """Draw the bits of `number` above (white is 1, bit 0 left); below dark on the left, grey on the right."""
    image = np.empty((height, width), np.uint8)
    edges = np.linspace(0, width, NUM_BITS + 1).round().astype(int)
    for bit in range(NUM_BITS):
        image[: height // 2, edges[bit] : edges[bit + 1]] = 235 if number >> bit & 1 else 20
    image[height // 2 :, : width // 2], image[height // 2 :, width // 2 :] = 40, 120
    return image


def read_codes(frames):
    """Read the numbers of upright frames of any size, grey or RGB."""
    grey = frames.mean(axis=3) if frames.ndim == 4 else frames
    height, width = grey.shape[1:]
    centers = ((np.arange(NUM_BITS) + 0.5) * width / NUM_BITS).astype(int)
    bits = grey[:, height // 8 : 3 * height // 8].mean(axis=1)[:, centers] > 128
    return (bits @ (1 << np.arange(NUM_BITS))).tolist()


def write_video(path, stamps=None, codec="libx264", size=(160, 96), **settings):
    """Write bar codes 0, 1, 2, ... (or `images`) with the given time stamps, by default 2 s at 30 Hz."""
    stamps = [number / 30 for number in range(60)] if stamps is None else stamps
    images = settings.get("images") or [bar_code(number, *size) for number in range(len(stamps))]
    time_base, pix_fmt = settings.get("time_base", Fraction(1, 90_000)), settings.get("pix_fmt", "yuv420p")
    options = settings.get("container_options", {})
    with av.open(str(path), "w", format=settings.get("mux_format"), options=options) as container:
        container.metadata.update(settings.get("metadata", {}))
        stream = container.add_stream(codec, rate=30, options=settings.get("codec_options", {}))
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.codec_context.time_base = stream.time_base = time_base
        stream.codec_context.gop_size = 10
        stream.codec_context.thread_count = NUM_THREADS.get(codec, 0)
        for name, value in settings.get("attributes", {}).items():
            setattr(stream.codec_context, name, value)
        sound = container.add_stream("aac", rate=8000, layout="mono") if settings.get("sound") else None
        for stamp, image in zip(stamps, images, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format=settings.get("image_format", "gray"))
            frame = frame.reformat(format=pix_fmt)
            frame.pts, frame.time_base = round(stamp / time_base), time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            container.mux(silence(sound))
    return path


def silence(stream):
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
    frame.sample_rate = 8000
    return stream.encode(frame) + stream.encode()


def make_kind(folder, kind, num_frames=60):
    """Make a video of a kind, of frames that take many bytes; skip where no encoder is there."""
    if KINDS[kind][1] not in av.codecs_available:
        pytest.skip(f"no {KINDS[kind][1]} in this build of PyAV")
    path = folder / KINDS[kind][0]
    path.write_bytes(kind_content(kind, num_frames))
    return path


@functools.cache
def kind_content(kind, num_frames):
    name, codec, settings = KINDS[kind]
    draw = np.random.default_rng(0)
    images = [bar_code(number) for number in range(num_frames)]
    for image in images:
        image[48:] += draw.integers(0, 100, (48, 160), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        stamps = [number / 30 for number in range(num_frames)]
        return write_video(Path(folder) / name, stamps, codec, images=images, **settings).read_bytes()


def mutate(content, seed):
    """Flip bits, overwrite, take out or repeat a part."""
    draw = np.random.default_rng(seed)
    array = np.frombuffer(content, np.uint8).copy()
    first, second = sorted(draw.integers(0, len(array), 2))
    second = min(second, first + len(array) // 6)
    if seed % 4 == 0:
        array[draw.integers(0, len(array), 30)] ^= (1 << draw.integers(0, 8, 30)).astype(np.uint8)
    elif seed % 4 == 1:
        array[first:second] = 0 if seed % 8 == 1 else draw.integers(0, 256, second - first)
    elif seed % 4 == 2:
        array = np.delete(array, np.s_[first:second])
    else:
        array = np.insert(array, first, array[first:second])
    return array.tobytes()


def patch(path, tag, offset, new):
    """Overwrite bytes of a file at an offset from the end of a tag."""
    content = bytearray(path.read_bytes())
    start = content.index(tag) + len(tag) + offset
    content[start : start + len(new)] = new
    path.write_bytes(content)
    return path


def turn(path, matrix):
    """Write a display matrix (a, b, c, d of -1, 0, 1) into the track header of an MP4 file."""
    a, b, c, d = (value * 0x10000 for value in matrix)
    return patch(path, b"tkhd", 40, struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000))


def read_video(path, frame_rate_hz=15.0, **settings):
    reader = VideoReader(path, frame_rate_hz, chunk_seconds=1e4, **settings)
    (chunk,) = reader
    return chunk, reader.report


def read_grey(path, frame_rate_hz=15.0, **settings):
    return read_video(path, frame_rate_hz, color=False, **settings)


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_container_and_codec_is_read_without_a_note(tmp_path, kind, color):
    chunk, report = read_video(make_kind(tmp_path, kind), color=color)
    tolerance = 1 if kind == "gif" else 0  # a GIF's times are whole hundredths
    assert np.abs(np.array(read_codes(chunk.frames)) - EVERY_SECOND).max() <= tolerance
    assert chunk.frames.dtype == np.uint8 and chunk.frames.ndim == 3 + color
    assert (report.frames_read, report.corrupt_frames, report.notes) == (60, 0, [])
    assert report.duration_seconds == pytest.approx(2.0, abs=0.01)
    assert report.frame_rate_hz == pytest.approx(30, rel=0.12 if kind == "gif" else 0.01)


@pytest.mark.parametrize(
    ("captured", "stretch", "word"),
    [("120.000000", 4, "Slow motion"), ("15", 0.5, "Slow motion or time lapse: 15 frames"), ("30.0", 1, "")]
    + [("60", 2, "Slow motion"), ("24", 1, ""), ("fast", 1, ""), ("0", 1, "")],
)
def test_slow_motion_is_read_at_its_true_pace(tmp_path, captured, stretch, word):
    settings = {"container_options": {"movflags": "use_metadata_tags"}}
    path = write_video(tmp_path / "a.mp4", metadata={"com.android.capture.fps": captured}, **settings)
    chunk, report = read_grey(path)
    assert read_codes(chunk.frames) == [min(int(k * 2 * stretch), 59) for k in range(len(chunk.frames))]
    assert report.duration_seconds == pytest.approx(2 / stretch)
    assert report.frame_rate_hz == pytest.approx(30)
    assert [note for note in report.notes if note.startswith(word)] == report.notes
    assert bool(report.notes) == bool(word)


def test_variable_rate_takes_the_frame_on_screen(tmp_path):
    steps = np.random.default_rng(1).uniform(0.01, 0.2, 60)
    stamps = np.round(np.concatenate([[0], np.cumsum(steps)[:-1]]), 3)
    chunk, report = read_grey(
        write_video(tmp_path / "a.mp4", stamps, sound=True, metadata={"comment": "made"})
    )
    expected = np.searchsorted(stamps, chunk.times_seconds + 1e-3, side="right") - 1
    assert read_codes(chunk.frames) == expected.tolist()
    np.testing.assert_allclose(chunk.times_seconds, np.arange(len(expected)) / 15)
    assert (report.comment, report.notes) == ("made", [])


@pytest.mark.parametrize(
    ("stamps", "rate_hz", "codes", "word"),
    [
        ([0.0, 0.2, 0.4, 0.6], 15, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3], ""),
        ([0.0, 0.1, 0.2, 5000.0, 5000.1], 10, [0, 1, 2, 3, 4], "jump"),
        ([0.0], 15, [0], ""),
    ],
)
def test_slow_jumping_and_single_frames(tmp_path, stamps, rate_hz, codes, word):
    chunk, report = read_grey(write_video(tmp_path / "a.mp4", stamps), rate_hz)
    assert read_codes(chunk.frames) == codes
    assert (word in " ".join(report.notes)) if word else report.notes == []


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
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


def test_chunks_join_to_the_whole_in_flat_memory(tmp_path):
    path = write_video(tmp_path / "a.mp4", [number / 5 for number in range(250)])
    whole, _ = read_grey(path)
    tracemalloc.start()
    num_frames = 0
    for chunk in VideoReader(path, color=False, chunk_seconds=1.0):
        np.testing.assert_array_equal(chunk.frames, whole.frames[num_frames : num_frames + len(chunk.frames)])
        num_frames += len(chunk.frames)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert num_frames == len(whole.frames) == 750
    assert peak < 150 * 96 * 160


@pytest.mark.parametrize("codec", ["libx265", "libsvtav1", "libvpx-vp9"])
def test_films_of_other_codecs_are_turned_too(tmp_path, codec):
    if codec not in av.codecs_available:
        pytest.skip(f"no {codec} in this build of PyAV")
    path = write_video(tmp_path / "a.mp4", codec=codec)
    plain = read_grey(path)[0].frames[5]
    turned = read_grey(turn(path, (0, 1, -1, 0)))[0].frames[5]
    np.testing.assert_array_equal(turned, np.rot90(plain, -1))


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("quarter_turns", range(4))
def test_every_turn_with_and_without_mirror(tmp_path, quarter_turns, is_mirrored):
    path = write_video(tmp_path / "a.mp4")
    plain = read_grey(path)[0].frames[5]
    matrix = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), quarter_turns)
    matrix = np.array([[-1, 0], [0, 1]]) @ matrix if is_mirrored else matrix
    chunk, report = read_grey(turn(path, matrix.ravel().tolist()))
    expected = np.rot90(np.fliplr(plain) if is_mirrored else plain, -quarter_turns)
    np.testing.assert_array_equal(chunk.frames[5], expected)
    assert read_video(path)[0].frames.shape[1:] == (report.height, report.width, 3) == (*expected.shape, 3)


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize(
    ("size", "max_side_px", "ratio", "expected"),
    [
        ((640, 360), 160, 1, (90, 160)),
        ((640, 360), 5000, 1, (360, 640)),
        ((160, 96), 960, 2, (96, 320)),
        ((162, 122), 960, 1, (122, 162)),
        ((160, 96), 960, 50, (96, 160)),
    ],
)
def test_sizes_and_pixels_that_are_not_square(tmp_path, size, max_side_px, ratio, expected, color):
    attributes = {"sample_aspect_ratio": Fraction(ratio, 1)}
    path = write_video(tmp_path / "a.mp4", size=size, attributes=attributes)
    chunk, report = read_video(path, max_side_px=max_side_px, color=color)
    assert chunk.frames.shape[1:3] == expected
    assert read_codes(chunk.frames) == EVERY_SECOND
    assert (report.width, report.height) == (size[0] * (ratio if ratio < 9 else 1), size[1])
    assert bool(report.notes) == (ratio > 9)


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize(
    ("codec", "name", "pix_fmt"),
    [
        *(("libx264", "a.mp4", pix_fmt) for pix_fmt in ("yuv420p", "yuvj420p", "yuv420p10le", "yuv444p")),
        *(("ffv1", "a.mkv", pix_fmt) for pix_fmt in ("gray", "gray16le", "bgr0", "yuva420p", "gbrp10le")),
        ("mjpeg", "a.mkv", "yuvj420p"),
        ("qtrle", "a.mov", "argb"),
    ],
)
def test_grey_levels_are_those_of_the_scene(tmp_path, codec, name, pix_fmt, color):
    levels = np.array([0, 30, 64, 100, 128, 180, 230, 255], np.uint8)
    images = [np.tile(np.repeat(levels, 20), (96, 1))] * 4
    path = write_video(tmp_path / name, [0, 0.1, 0.2, 0.3], codec, images=images, pix_fmt=pix_fmt)
    chunk, report = read_video(path, 10, color=color)
    middles = chunk.frames[2][48, 10::20].astype(int)
    assert np.abs(middles - (levels[:, None] if color else levels)).max() <= (4 if color else 2)
    assert report.notes == []


def test_color_is_rgb(tmp_path):
    red = np.zeros((96, 160, 3), np.uint8)
    red[..., 0] = 255
    path = write_video(tmp_path / "a.mp4", [0, 0.1, 0.2], images=[red] * 3, image_format="rgb24")
    assert np.abs(read_video(path, 10)[0].frames[1, 48, 80].astype(int) - [255, 0, 0]).max() <= 6
    assert abs(int(read_grey(path, 10)[0].frames[1, 48, 80]) - 76) <= 3  # 0.299 of 255


@pytest.mark.parametrize("color", [False, True])
def test_interlaced_frames_show_one_moment(tmp_path, color):
    images = [bar_code(number) for number in range(61)]
    for before, after in itertools.pairwise(images):
        before[1::2] = after[1::2]
    settings = {"codec_options": {"x264-params": "interlaced=1"}, "images": images[:60]}
    chunk, report = read_video(write_video(tmp_path / "a.mp4", **settings), color=color)
    assert read_codes(chunk.frames) == EVERY_SECOND
    assert "every second line" in report.notes[0]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", KINDS)
def test_cut_off_file_is_read_as_far_as_it_goes_and_the_loss_said(tmp_path, kind, share):
    path = make_kind(tmp_path, kind)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    if kind == "mp4 index last":
        with pytest.raises(InputError, match="lacks its index, as when a recording was cut off"):
            read_grey(path)
        return
    chunk, report = read_grey(path)
    assert report.notes
    codes = read_codes(chunk.frames)
    assert 1 <= len(codes) < 30
    assert all(abs(one - two) <= (kind == "gif") for one, two in zip(codes[:-3], EVERY_SECOND, strict=False))


@pytest.mark.parametrize("kind", ["mp4 index last", "mp4 index first", "mkv"])
def test_a_second_film_in_the_file_is_told(tmp_path, kind):
    path = make_kind(tmp_path, kind)
    path.write_bytes(2 * path.read_bytes())
    chunk, report = read_grey(path)
    assert read_codes(chunk.frames)[:30] == EVERY_SECOND
    assert report.notes, len(chunk.frames)


def test_a_gif_that_breaks_off_at_a_fault_is_told(tmp_path):
    path, content = make_kind(tmp_path, "gif"), kind_content("gif", 60)
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(4000) + content[middle + 4000 :])
    report = read_grey(path)[1]
    assert report.frames_read < 40 and report.notes[0].startswith("Damaged frames: 1")


def test_frames_missing_midway_are_told(tmp_path):
    numbers = [number for number in range(60) if not 20 <= number < 30]
    path = write_video(tmp_path / "a.mp4", [number / 30 for number in numbers])
    assert "Frames are missing midway: 0.3 s" in read_grey(path)[1].notes[0]
    now_and_then = [number / 30 for number in range(60) if number % 7]
    assert not read_grey(write_video(tmp_path / "b.mp4", now_and_then))[1].notes


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "wmv"])  # has no trace of flips
def test_damage_is_said_and_the_rest_read(tmp_path, kind, capfd):
    path, content, num_silent = make_kind(tmp_path, kind), kind_content(kind, 60), 0
    for seed in range(4, 16):
        path.write_bytes(content[:4000] + mutate(content[4000:-3000], seed) + content[-3000:])
        reader = VideoReader(path, color=False)
        try:
            assert 0 < sum(len(chunk.frames) for chunk in reader) < 2000
        except InputError as error:
            assert str(error).startswith(str(path)) and str(error).isprintable()
        else:
            num_silent += not reader.report.notes
    assert num_silent <= (0 if kind in ("webm", "mp4 av1") else 3)  # a second decoder tells of flips in these
    assert capfd.readouterr() == ("", "")


def test_readers_of_damaged_films_side_by_side_and_left_early_never_lock(tmp_path):
    path = make_kind(tmp_path, "mp4 hevc 10 bit")
    path.write_bytes(path.read_bytes()[:9000] + mutate(path.read_bytes()[9000:], 5))
    whole = VideoReader(path, color=False)
    list(whole)

    def leave_early():
        for reading in range(10):
            next(iter(VideoReader(path, 30, color=False, chunk_seconds=0.2 * (1 + reading % 3))))
            list(VideoReader(path, color=False))

    threads = [threading.Thread(target=leave_early, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    clean = read_grey(write_video(tmp_path / "b.mp4"))[1]
    assert (clean.notes, bool(whole.report.notes)) == ([], True)


@pytest.mark.parametrize(
    ("scale", "rate", "note"),
    [(1, 1_000_000, "run back"), (1, 400, "Claims 400 frames"), (2**32 - 1, 1, "jump")],
)
def test_wrong_rate_in_the_header(tmp_path, scale, rate, note):
    path = write_video(tmp_path / "a.avi", codec="mpeg4", **AT_30_HZ)
    chunk, report = read_grey(patch(path, b"strh", 24, struct.pack("<II", scale, rate)))
    assert (report.frames_read, read_codes(chunk.frames[:1])) == (60, [0])
    assert note in " ".join(report.notes)


@pytest.mark.parametrize("content", [b"", b"some words\n" * 50, bytes(50_000), b"\x1aE\xdf\xa3" + bytes(200)])
def test_content_that_is_no_video_is_refused(tmp_path, content):
    picture = cv2.imencode(".jpg", bar_code(5))[1].tobytes()
    for wrong in (content, picture + content):
        (tmp_path / "walk.mp4").write_bytes(wrong)
        with pytest.raises(
            InputError, match="walk.mp4 (cannot be read as a video .*: it is none|holds no video)"
        ):
            read_video(tmp_path / "walk.mp4")


def test_sound_and_encrypted_films_are_refused(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        container.mux(silence(container.add_stream("aac", rate=8000, layout="mono")))
    key = {
        "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
        "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
    }
    write_video(tmp_path / "secret.mp4", container_options={"encryption_scheme": "cenc-aes-ctr", **key})
    for name, fault in {"sound": "holds no video", "secret": "is encrypted"}.items():
        with pytest.raises(InputError, match=f"{name}.mp4 {fault}"):
            read_video(tmp_path / f"{name}.mp4")


@pytest.mark.parametrize(
    "name", ["folder", "pipe", "loop", "nul\0", "missing", "concat:a.ts|a.ts", "file:a.ts", "fd:0"]
)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    write_video(tmp_path / "a.ts")
    with pytest.raises(InputError, match="is not there, or is a folder, pipe or device"):
        read_video(name)


SCRIPTS = (
    "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{0}\n#EXT-X-ENDLIST\n",
    "ffconcat version 1.0\nfile '{0}'\n",
    "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>{0}</BaseURL></MPD>",
    "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=control:{0}\n",
)


@pytest.mark.parametrize("name", ["walk.mp4", "walk.m3u8", "walk.ts"])
def test_scripts_reach_no_other_file_and_no_host(tmp_path, name):
    other, asked = write_video(tmp_path / "other.ts"), []
    trap = {"do_GET": lambda self: asked.append(self.path)}
    handler = type("Trap", (http.server.BaseHTTPRequestHandler,), trap)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        for script, target in itertools.product(
            SCRIPTS, (f"http://127.0.0.1:{server.server_port}/a.ts", other)
        ):
            (tmp_path / name).write_text(script.format(target))
            with pytest.raises(InputError, match="cannot be read as a video"):
                read_video(tmp_path / name)
        server.shutdown()
    assert asked == []


@pytest.mark.parametrize("size", [(160, 96), (161, 97)])
def test_written_film_is_read_back(tmp_path, size):
    images = [np.dstack([bar_code(number, *size)] * 3) for number in range(30)]
    write_film(tmp_path / "new" / "a.mp4", 15, images)
    chunk, report = read_video(tmp_path / "new" / "a.mp4")
    assert read_codes(chunk.frames) == list(range(30))
    assert (report.notes, report.width, report.height) == ([], 160, 96)


def test_film_that_fails_midway_leaves_nothing(tmp_path):
    def frames():
        yield np.zeros((96, 160, 3), np.uint8)
        raise KeyError

    with pytest.raises(KeyError):
        write_film(tmp_path / "a.mp4", 15, frames())
    assert list(tmp_path.iterdir()) == []
