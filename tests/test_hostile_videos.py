"""Files that nobody prepared: each is read right or refused with its cause, and what is lost is said."""

import contextlib
import functools
import http.server
import itertools
import json
import os
import shutil
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from commands import run_gaitlib
from media import bar_code, cut, damage, noisy_codes, patch, read_codes, turn, write_sound, write_video

from gaitlib.clips import prepare_videos
from gaitlib.config import InputError, make_config
from gaitlib.files import read_json
from gaitlib.labels import find_videos
from gaitlib.video import read_chunks, read_video
from gaitlib.video.timeline import Timeline

EVERY_SECOND = list(range(0, 60, 2))  # the numbers on screen at 15 Hz of 60 pictures at 30 Hz
AT_30_HZ = {"time_base": Fraction(1, 30)}
QUIET = {"x265-params": "log-level=none", "preset": "ultrafast"}
QUICK = {"deadline": "realtime", "cpu-used": "8"}
INDEX_FIRST = {"container_options": {"movflags": "faststart"}}
FRAGMENTS = {"container_options": {"movflags": "frag_keyframe+empty_moov"}}
NO_ENCODER = {"libsvtav1": "AV1", "libx265": "HEVC", "libvpx-vp9": "VP9"}

# Container and codec: name, encoder, further settings.
KINDS = {
    "mp4 index last": ("a.mp4", "libx264", {}),
    "mp4 index first": ("a.mp4", "libx264", INDEX_FIRST),
    "mp4 in fragments": ("a.mp4", "libx264", FRAGMENTS),
    "mp4 hevc": ("a.mp4", "libx265", {**INDEX_FIRST, "codec_options": QUIET}),
    "mp4 av1": ("a.mp4", "libsvtav1", INDEX_FIRST),
    "mov prores": ("a.mov", "prores_ks", {"pix_fmt": "yuv422p10le"}),
    "mkv": ("a.mkv", "libx264", {}),
    "mkv unfinished": ("a.mkv", "libx264", {"container_options": {"live": "1"}}),
    "webm": ("a.webm", "libvpx-vp9", {"codec_options": QUICK}),
    "avi": ("a.avi", "mpeg4", AT_30_HZ),
    "avi mjpeg": ("a.avi", "mjpeg", {**AT_30_HZ, "pix_fmt": "yuvj420p"}),
    "ts": ("a.ts", "libx264", {}),
    "mpg": ("a.mpg", "mpeg2video", AT_30_HZ),
    "flv": ("a.flv", "libx264", {}),
    "wmv": ("a.wmv", "wmv2", {"time_base": Fraction(1, 1000), "mux_format": "asf"}),
    "ogv": ("a.ogv", "libvpx", AT_30_HZ),
    "ivf": ("a.ivf", "libvpx", {}),
    "gif": ("a.gif", "gif", {"pix_fmt": "rgb8", "time_base": Fraction(1, 100)}),
}


def make_kind(folder: Path, kind: str, num_pictures: int = 60) -> Path:
    """Make a video of a kind, of pictures that take many bytes; skip where no encoder is there."""
    codec = KINDS[kind][1]
    if codec in NO_ENCODER and codec not in av.codecs_available:
        pytest.skip(f"no {NO_ENCODER[codec]} encoder in this build of PyAV")
    path = folder / KINDS[kind][0]
    path.write_bytes(_kind_content(kind, num_pictures))
    return path


@functools.cache
def _kind_content(kind: str, num_pictures: int) -> bytes:
    name, codec, settings = KINDS[kind]
    stamps = [number / 30 for number in range(num_pictures)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write_video(path, stamps, codec, pictures=noisy_codes(num_pictures), **settings)
        return path.read_bytes()


def is_refused_with_cause(error: InputError, path: Path) -> bool:
    """Tell whether a refusal names the file, and says in one line what is wrong and what to do."""
    text = str(error)
    return text.startswith(str(path)) and text.isprintable() and ": " in text


# Cut off and damaged


@pytest.mark.parametrize("kind", KINDS)
def test_whole_file_is_read_without_a_note(tmp_path, kind):
    chunk, report = read_video(make_kind(tmp_path, kind))
    assert report.notes == []
    assert report.frames_read == 60
    assert np.abs(np.array(read_codes(chunk.frames)) - EVERY_SECOND).max() <= (1 if kind == "gif" else 0)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", KINDS)
def test_cut_off_file_is_read_and_the_loss_said(tmp_path, kind, share):
    path = cut(make_kind(tmp_path, kind), share)
    if kind in ("mp4 index last", "mov prores"):
        with pytest.raises(InputError, match="without a usable index, as when a recording was cut off"):
            read_video(path)
        return
    try:
        chunk, report = read_video(path)
    except InputError as error:
        assert share == 0.1
        assert "cut off" in str(error)
        return
    assert any(note.startswith("Cut off") for note in report.notes), report.notes
    codes = read_codes(chunk.frames)
    assert (10 if share == 0.9 else 1) <= len(codes) < 30
    # The last pictures may be half there, in the order in which they are stored; a GIF rounds its times.
    whole = zip(codes[:-3], EVERY_SECOND, strict=False)
    assert all(abs(code - expected) <= (kind == "gif") for code, expected in whole)


@pytest.mark.parametrize("kind", ["mp4 index first", "mp4 hevc", "mkv", "webm", "avi", "ts", "mpg", "flv"])
def test_overwritten_stretch_is_said_and_the_rest_read(tmp_path, kind):
    path = make_kind(tmp_path, kind)
    content = bytearray(path.read_bytes())
    start, stop = (round(len(content) * share) for share in (0.4, 0.6))
    content[start:stop] = np.random.default_rng(3).bytes(stop - start)
    path.write_bytes(content)
    chunk, report = read_video(path)
    codes = read_codes(chunk.frames)
    assert codes[:2] == EVERY_SECOND[:2]
    assert set(codes) & set(range(46, 60))
    assert report.frames_read < 60 or report.corrupt_frames
    assert report.notes


@pytest.mark.parametrize("share", [0.2, 0.3, 0.5, 0.7])
def test_packets_lost_from_a_transport_stream_are_said(tmp_path, share):
    """The decoder makes up for some without a word; the stream's counters do not fit."""
    path = make_kind(tmp_path, "ts")
    packets = [path.read_bytes()[start : start + 188] for start in range(0, path.stat().st_size, 188)]
    place = int(share * len(packets))
    path.write_bytes(b"".join(packets[:place] + packets[place + 2 :]))
    _, report = read_video(path)
    assert report.corrupt_frames
    assert any(note.startswith("Damaged pictures") for note in report.notes)


def mutate(content: bytes, seed: int) -> bytes:
    """Flip bits, overwrite, take out or repeat a stretch."""
    draw = np.random.default_rng(seed)
    array = np.frombuffer(content, np.uint8).copy()
    first, second = sorted(draw.integers(0, len(array), 2))
    second = min(second, first + len(array) // 6)
    if seed % 4 == 0:
        places = draw.integers(0, len(array), 30)
        array[places] ^= (1 << draw.integers(0, 8, 30)).astype(np.uint8)
    elif seed % 4 == 1:
        array[first:second] = 0 if seed % 8 == 1 else draw.integers(0, 256, second - first)
    elif seed % 4 == 2:
        array = np.delete(array, np.s_[first:second])
    else:
        array = np.insert(array, first, array[first:second])
    return array.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_damage_anywhere_ends_in_pictures_or_a_refusal(tmp_path, kind):
    path = make_kind(tmp_path, kind, 12)
    content = path.read_bytes()
    for seed in range(8):
        path.write_bytes(mutate(content, seed))
        started = time.perf_counter()
        try:
            chunk, report = read_video(path)
        except InputError as error:
            assert is_refused_with_cause(error, path)
        else:
            assert 0 < len(chunk.frames) < 2000
            assert report.frames_read > 0
        assert time.perf_counter() - started < 10


def test_pictures_lost_within_are_counted(tmp_path):
    """Every packet of the third group of pictures is emptied: no error, but a gap in time."""
    stamps = [number / 30 for number in range(60) if not 20 <= number < 35]
    pictures = [bar_code(number) for number in range(60) if not 20 <= number < 35]
    chunk, report = read_video(write_video(tmp_path / "a.mp4", stamps, pictures=pictures))
    assert read_codes(chunk.frames)[10:17] == [19, 19, 19, 19, 19, 19, 19]
    assert report.notes == [
        "Gaps: about 15 pictures are missing within, the longest gap lasts 0.5 s (the picture before "
        "stays on)."
    ]


def test_one_picture_lost_in_an_avi_is_said(tmp_path):
    """Of one of 60 pictures the name of its chunk is overwritten: no error and hardly a gap."""
    path = make_kind(tmp_path, "avi")
    _, report = read_video(patch(path, b"00dc", -4, b"xxxx", 20))
    assert report.frames_read == 59
    assert "Pictures that the header counts but that are not there: 1 " in " ".join(report.notes)


@pytest.mark.parametrize("chroma", ["420jpeg", "422", "444", "mono"])
def test_cut_off_raw_video_is_said(tmp_path, chroma):
    width, height = 33, 17
    color = {"420jpeg": 17 * 9, "422": 17 * 17, "444": 33 * 17, "mono": 0}[chroma]
    picture = b"FRAME\n" + bytes(width * height) + bytes([128]) * (2 * color)
    content = f"YUV4MPEG2 W{width} H{height} F30:1 Ip C{chroma}\n".encode() + picture * 30
    path = tmp_path / "a.y4m"
    path.write_bytes(content)
    assert not any("Cut off" in note for note in read_video(path)[1].notes)
    path.write_bytes(content[: int(0.6 * len(content))])
    assert any("Cut off" in note for note in read_video(path)[1].notes)


@pytest.mark.parametrize("seed", range(12))
def test_damage_to_a_gif_is_said(tmp_path, seed):
    """FFmpeg decodes broken codes of a GIF into other pictures and reports nothing."""
    path = make_kind(tmp_path, "gif")
    assert read_video(path)[1].notes == []
    path.write_bytes(mutate(path.read_bytes(), seed))
    assert read_video(path)[1].notes != []


def test_beginning_lost_without_an_error_is_said(tmp_path):
    """The pages that hold almost half of the pictures are gone: the rest decodes as if all were there."""
    path = make_kind(tmp_path, "ogv")
    content = path.read_bytes()
    path.write_bytes(content[:3000] + bytes(23_500) + content[26_500:])
    _, report = read_video(path)
    assert 20 < report.frames_read < 50
    assert any("of the file hold no picture that can be found" in note for note in report.notes)


@pytest.mark.parametrize("kind", ["wmv", "ogv", "flv"])
def test_damage_that_points_before_the_file_is_quiet(tmp_path, kind, capfd):
    path = make_kind(tmp_path, kind)
    for seed in range(40):
        path.write_bytes(mutate(_kind_content(kind, 60), seed))
        with contextlib.suppress(InputError):
            read_video(path)
    assert capfd.readouterr() == ("", "")


def test_usual_step_of_few_uneven_stamps_is_a_number():
    timeline = Timeline(30.0)
    for stamp in (0.0, 0.03, 9.0):
        timeline.place(stamp)
    assert timeline.step_seconds() == pytest.approx(0.03)


@pytest.mark.parametrize("seed", range(5))
def test_uneven_rate_is_no_gap(seed):
    timeline = Timeline(30.0)
    for step in np.random.default_rng(seed).uniform(0.01, 0.2, 200).cumsum():
        timeline.place(step)
    assert timeline.notes() == []


# No video at all


def test_no_index_anywhere(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="without a usable index"):
        read_video(patch(path, b"moov", -4, b"gone"))


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"%PDF-1.7\n" + bytes(200), "is a PDF document"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 " + bytes(200), "is a WebP picture"),
        (b"\x1aE\xdf\xa3" + bytes(200), "is a Matroska or WebM file whose beginning is damaged or cut off"),
        (b"RIFF\x00\x10\x00\x00AVI LIST", "is an AVI file whose beginning is damaged or cut off"),
    ],
)
def test_refusal_names_what_the_file_is(tmp_path, head, what):
    (tmp_path / "walk.mp4").write_bytes(head)
    with pytest.raises(InputError, match=f"walk.mp4 {what}"):
        read_video(tmp_path / "walk.mp4")


# Headers that lie


def _avi(path):
    return write_video(path / "a.avi", codec="mpeg4", **AT_30_HZ)


@pytest.mark.parametrize(
    ("scale", "rate", "note"),
    [
        (1, 1_000_000, "does not run forward"),
        (1, 5000, "does not run forward"),
        (1, 400, "Claims a rate of 400 Hz"),
        (2, 1, "Claims a rate of 0.5 Hz"),
        (100, 1, "jump of more than 10 s"),
        (2**32 - 1, 1, "jump of more than 10 s"),
        (0, 0, ""),
    ],
)
def test_wrong_rate_in_the_header(tmp_path, scale, rate, note):
    """The rate is all that an AVI has for times: an absurd one gives way to 25 Hz, and it is said."""
    path = patch(_avi(tmp_path), b"strh", 24, struct.pack("<II", scale, rate))
    chunk, report = read_video(path)
    assert report.frames_read == 60
    assert read_codes(chunk.frames[:1]) == [0]
    assert (note in " ".join(report.notes)) if note else report.notes == []
    if "Claims" not in note:
        assert report.duration_seconds == pytest.approx(2.4 if note else 2.0, rel=1e-3)


@pytest.mark.parametrize("count", [0, 1, 2**31 - 1, 2**32 - 1])
def test_wrong_count_in_the_header(tmp_path, count):
    path = patch(_avi(tmp_path), b"strh", 36, struct.pack("<I", count))
    patch(path, b"avih", 20, struct.pack("<I", count))
    chunk, report = read_video(path)
    assert read_codes(chunk.frames) == EVERY_SECOND
    assert bool(report.notes) == (count > 60)


@pytest.mark.parametrize("units_a_second", [0, 1, 90, 10**9])
def test_wrong_time_unit_in_an_mp4(tmp_path, units_a_second):
    path = patch(write_video(tmp_path / "a.mp4"), b"mdhd", 12, struct.pack(">I", units_a_second))
    chunk, report = read_video(path)
    assert 1 <= len(chunk.frames) <= 36
    assert report.notes


def test_absurd_size_in_the_header(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    for size in [(0, 0), (1, 1), (65535, 65535)]:
        chunk, _ = read_video(patch(path, b"avc1", 24, struct.pack(">HH", *size)))
        assert read_codes(chunk.frames) == EVERY_SECOND


@pytest.mark.parametrize(
    ("duration_ms", "media_time", "expected"),
    [(1000, 6000, EVERY_SECOND[:15]), (500, 6000, EVERY_SECOND[:8]), (1000, 96000, EVERY_SECOND[15:])],
)
def test_edit_list_is_followed(tmp_path, duration_ms, media_time, expected):
    """A trimmed phone video shows what was kept; media times of this file begin at 6000."""
    path = patch(write_video(tmp_path / "a.mp4"), b"elst", 8, struct.pack(">II", duration_ms, media_time))
    assert read_codes(read_video(path)[0].frames) == expected


def test_edit_list_that_leaves_nothing_is_refused(tmp_path):
    path = patch(write_video(tmp_path / "a.mp4"), b"elst", 8, struct.pack(">II", 2000, 10**9))
    with pytest.raises(InputError, match="holds no picture that can be decoded"):
        read_video(path)


@pytest.mark.parametrize(("stamp", "note"), [(0, "does not run forward"), (60_000, "jump of more than 10 s")])
def test_stamps_of_a_cluster_that_jump(tmp_path, stamp, note):
    path = make_kind(tmp_path, "mkv")
    content = path.read_bytes()
    number = content.count(b"\x1f\x43\xb6\x75") - 1  # the last cluster begins with its time
    start = content.rindex(b"\x1f\x43\xb6\x75")
    assert content.index(b"\xe7\x82", start) - start < 20
    chunk, report = read_video(
        patch(path, b"\xe7\x82", 0, struct.pack(">H", stamp), content.count(b"\xe7\x82", 0, start))
    )
    assert number > 1
    assert report.frames_read == 60
    assert note in " ".join(report.notes)
    assert len(chunk.frames) == 30
    assert (np.diff(chunk.source_seconds) > 0).all()


# Time and length


def test_slow_decoding_stops_when_time_is_up(tmp_path):
    """A tenth of a second of film that takes longer to decode: the part in time is kept, and it is said."""
    stamps = [number / 1000 for number in range(100)]
    pictures = itertools.islice(itertools.cycle(noisy_codes(4, (1920, 1080))), 100)
    options = {"codec_options": {"preset": "ultrafast"}, "size": (1920, 1080)}
    path = write_video(tmp_path / "a.mp4", stamps, pictures=list(pictures), **options)
    reader = read_chunks(path, 1000, time_limit_seconds=0.05)
    started = time.perf_counter()
    chunks = list(reader)
    assert time.perf_counter() - started < 10
    assert 0 < sum(len(chunk.frames) for chunk in chunks) < 100
    assert any("Reading stopped: reading took longer than" in note for note in reader.report.notes)


def test_file_that_grows_while_it_is_read_ends(tmp_path):
    """What is appended later is not read, so that a recording in progress has an end."""
    path = make_kind(tmp_path, "ts")
    content = path.read_bytes() * 20
    path.write_bytes(content)
    num_frames = 0
    with path.open("ab") as stream:
        for number, chunk in enumerate(read_chunks(path, chunk_seconds=1.0)):
            if number < 3:
                stream.write(content)
                stream.flush()
            num_frames += len(chunk.frames)
    assert num_frames == 20 * 30


def test_stamps_that_claim_days_are_cut_at_six_hours(tmp_path):
    stamps = [number * 9.5 for number in range(2500)]
    pictures = [np.zeros((16, 16), np.uint8)] * 2500
    path = write_video(tmp_path / "a.mp4", stamps, size=(16, 16), pictures=pictures)
    reader = read_chunks(path, 0.05)
    assert sum(len(chunk.frames) for chunk in reader) == pytest.approx(6 * 3600 * 0.05, abs=2)
    assert "Longer than 6 hours: the rest is left out." in reader.report.notes


def test_very_short_video_gives_its_picture(tmp_path):
    chunk, _ = read_video(write_video(tmp_path / "a.mp4", [0.0, 1 / 90_000]))
    assert len(chunk.frames) >= 1


# Pictures of all kinds


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "settings"),
    [
        ("a.mp4", "libsvtav1", "yuv420p10le", {}),
        ("a.webm", "libvpx-vp9", "yuva420p", {}),
        ("a.mov", "prores_ks", "yuva444p10le", {}),
        ("a.mp4", "libx264", "yuv422p10le", {}),
        ("a.mp4", "libx264", "gray", {}),
        ("a.mp4", "libx264", "gray10le", {}),
        ("a.mp4", "mjpeg", "yuvj420p", {}),
        ("a.mpg", "mpeg1video", "yuv420p", AT_30_HZ),
        ("a.avi", "rawvideo", "yuv410p", AT_30_HZ),
        ("a.avi", "rawvideo", "monob", AT_30_HZ),
        ("a.mov", "png", "ya8", {}),
        ("a.mkv", "libx264rgb", "rgb24", {}),
        ("a.mkv", "ffv1", "gbrp10le", {}),
        ("a.mp4", "libx264", "yuv420p", {"size": (3840, 2160), "codec_options": {"preset": "ultrafast"}}),
    ],
)
def test_depths_alpha_grey_and_4k(tmp_path, name, codec, pix_fmt, settings):
    if codec in NO_ENCODER and codec not in av.codecs_available:
        pytest.skip(f"no {NO_ENCODER[codec]} encoder in this build of PyAV")
    stamps = [number / 30 for number in range(12)]
    chunk, report = read_video(write_video(tmp_path / name, stamps, codec, pix_fmt, **settings))
    assert read_codes(chunk.frames) == EVERY_SECOND[:6]
    assert (report.frames_read, report.corrupt_frames, report.notes) == (12, 0, [])
    assert max(chunk.frames.shape[1:]) == min(480, settings.get("size", (160,))[0])


@pytest.mark.parametrize("size", [(2, 2), (16, 2000), (2000, 16), (1, 1)])
def test_pictures_of_odd_shapes_become_pictures(tmp_path, size):
    stamps = [0.0, 0.1]
    pictures = [np.full(size[::-1], 90, np.uint8)] * 2
    settings = {"pictures": pictures, "size": size, **AT_30_HZ}
    chunk, report = read_video(write_video(tmp_path / "a.avi", stamps, "rawvideo", "bgr24", **settings), 10)
    assert (report.width, report.height) == size
    assert min(chunk.frames.shape[1:]) >= 1
    assert abs(int(chunk.frames[0].mean()) - 90) <= 3


def test_pixel_format_change_midway(tmp_path):
    path = tmp_path / "both.ts"
    later = [2 + number / 30 for number in range(60)]
    first = write_video(tmp_path / "a.ts")
    second = write_video(tmp_path / "b.ts", later, pix_fmt="yuv422p10le")
    path.write_bytes(first.read_bytes() + second.read_bytes())
    chunk, report = read_video(path)
    assert read_codes(chunk.frames) == EVERY_SECOND * 2
    assert any("pixel format changes midway" in note for note in report.notes)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarter_turns", range(4))
def test_every_turn_with_and_without_mirror(tmp_path, quarter_turns, mirrored):
    path = write_video(tmp_path / "a.mp4")
    plain = read_video(path)[0].frames[5]
    matrix = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), quarter_turns)
    matrix = np.array([[-1, 0], [0, 1]]) @ matrix if mirrored else matrix
    turned = read_video(turn(path, matrix.ravel().tolist()))[0].frames[5]
    expected = np.rot90(np.fliplr(plain) if mirrored else plain, -quarter_turns)
    np.testing.assert_array_equal(turned, expected)


# Other files and hosts


class Trap(http.server.BaseHTTPRequestHandler):
    """Answers nothing and keeps what was asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture()
def trap() -> Iterator[tuple[str, list[str]]]:
    """Return the address of a server on this machine, and the list of what it was asked for."""
    handler = type("OneTrap", (Trap,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/secret.ts", handler.asked
        server.shutdown()


SCRIPTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{0}\n#EXT-X-ENDLIST\n",
    "hls map": '#EXTM3U\n#EXT-X-MAP:URI="{0}"\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{0}\n',
    "hls master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{0}\n",
    "concat": "ffconcat version 1.0\nfile '{0}'\n",
    "concat of a protocol": "ffconcat version 1.0\nfile 'concat:{0}|{0}'\n",
    "dash": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>{0}</BaseURL></MPD>",
    "asx": "<asx version='3.0'><entry><ref href='{0}'/></entry></asx>",
    "asf reference": "[Reference]\nRef1={0}\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=control:{0}\n",
    "smil": "<smil><body><video src='{0}'/></body></smil>",
    "ram": "{0}\n",
}


@pytest.mark.parametrize("name", ["walk.mp4", "walk.m3u8", "walk.ts", "walk.gif"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_script_under_a_videos_name_reaches_no_host(tmp_path, trap, script, name):
    url, asked = trap
    (tmp_path / name).write_text(SCRIPTS[script].format(url))
    with pytest.raises(InputError) as error:
        read_video(tmp_path / name)
    assert is_refused_with_cause(error.value, tmp_path / name)
    assert asked == []


def test_trap_catches_who_opens_a_playlist(tmp_path, trap):
    """The server would have seen it: opened carelessly, the same playlist asks for the address."""
    url, asked = trap
    path = tmp_path / "walk.m3u8"
    path.write_text(SCRIPTS["hls"].format(url))
    options = {"protocol_whitelist": "file,http,tcp", "allowed_extensions": "ALL"}
    with pytest.raises(av.error.FFmpegError):
        av.open(str(path), options=options)
    assert asked


def test_pictures_kept_elsewhere_are_not_fetched(tmp_path, trap):
    """An MP4 whose index says that its pictures lie at an address."""
    url, asked = trap
    path = write_video(tmp_path / "a.mp4")
    content = bytearray(path.read_bytes())
    entry = b"url \0\0\0\0" + url.encode() + b"\0"
    start = content.index(b"url \0\0\0\1")
    more = len(entry) - 8
    content[start : start + 8] = entry
    for box in (b"url ", b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        place = content.index(box) - 4
        struct.pack_into(">I", content, place, struct.unpack_from(">I", content, place)[0] + more)
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        read_video(path)
    assert asked == []


def test_names_that_are_addresses_or_protocols_are_just_names(tmp_path, trap, monkeypatch):
    url, asked = trap
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.ts")
    names = (url, f"concat:{url}|a.ts", "concat:a.ts|a.ts", "subfile,,start,0,end,0,,:a.ts", "file:a.ts")
    for name in (*names, "pipe:0", "cache:a.ts", "async:a.ts", "data:video/mp4;base64,AAAA", "fd:0"):
        with pytest.raises(InputError, match="is not there: check its name"):
            read_video(name)
    assert asked == []


def test_manifest_leads_nowhere_else(tmp_path, trap):
    url, asked = trap
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "secret.mp4")
    write_video(tmp_path / "videos" / "a_1.mp4")
    for name in (url, "../secret.mp4", f"concat:{url}", str(tmp_path / "secret.mp4"), "x/../../secret.mp4"):
        (tmp_path / "videos" / "labels.csv").write_text(f"video,emotion\na_1.mp4,sad\n{name},happy\n")
        with pytest.raises(InputError, match="row 3: .*leads out of the videos folder"):
            find_videos(tmp_path / "videos")
    assert asked == []


# Through the whole of predict and evaluate

NAMES = (
    "with space.mp4", "-lead.mp4", "--model.mp4", "line\nbreak.mp4", "🚶.mp4", b"\xff\xfe.mp4", "a:b.mp4",
    "%d.mp4", "x" * 251 + ".mp4", "🚶" * 62 + ".mp4", "=1+1.mp4", "<script>alert(1)<script>.mp4",
)  # fmt: skip


def place_copy(source: Path, folder: Path, name: str | bytes) -> Path:
    """Copy a file to a name that may hold any byte."""
    raw = name if isinstance(name, bytes) else name.encode()
    return Path(shutil.copy(source, os.fsdecode(os.path.join(os.fsencode(folder), raw))))


def test_predict_goes_on_through_everything(tmp_path, trained, demo_folders, trap):
    url, asked = trap
    good = demo_folders[1] / "happy" / "walker05_1.mp4"
    folder = tmp_path / "all"
    folder.mkdir()
    names = {os.fsencode(place_copy(good, folder, name)) for name in NAMES}
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("walk\n" * 99)
    (folder / "play.mp4").write_text(SCRIPTS["hls"].format(url))
    os.mkfifo(folder / "pipe.mp4")
    (folder / "dangling.mp4").symlink_to("nothing.mp4")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    (folder / "folder.mp4").mkdir()
    write_sound(folder / "sound.mp4")
    write_video(folder / "one.mp4", [0.0])
    cut(place_copy(good, folder, "cut.mp4"), 0.5)
    damage(place_copy(good, folder, "bits.mp4"), 0.2, 0.8, 200)
    with socket.socket(socket.AF_UNIX) as server:
        place = os.getcwd()
        os.chdir(folder)  # a socket's path must be short
        server.bind("socket.mp4")
        os.chdir(place)
        model = trained.folder / "model.keras"
        process = run_gaitlib("predict", folder, url, "--model", model, "--json", tmp_path / "out.json")
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr
    content = json.loads((tmp_path / "out.json").read_bytes().decode("utf-8"))
    status = {Path(video["video"]).name: video["status"] for video in content["videos"]}
    named = {os.path.basename(name).decode("utf-8", "replace") for name in names}
    assert {name for name, word in status.items() if word == "ok"} == named
    refused = {"empty", "text", "play", "pipe", "dangling", "loop", "sound", "cut", "socket"}
    assert {name for name, word in status.items() if word == "refused"} == (
        {f"{name}.mp4" for name in refused} | {"secret.ts"}
    )
    assert (status["one.mp4"], status["bits.mp4"]) == ("abstained", "warned")
    assert all(video["notes"] for video in content["videos"] if video["status"] != "ok")
    assert asked == []


def test_results_of_odd_names_are_utf8_and_escaped(tmp_path, trained, demo_folders):
    """Walkers and files of odd names, tested: both results files can be read by any program."""
    videos = tmp_path / "videos"
    walkers = ("=1+1", "🚶", "a,b;c")
    for (emotion, source), walker in itertools.product(
        ((path.parent.name, path) for path in sorted(demo_folders[1].glob("*/walker05_1.mp4"))), walkers
    ):
        (videos / emotion).mkdir(parents=True, exist_ok=True)
        copy = place_copy(source, videos / emotion, f"{walker}_1.mp4")
        with copy.open("ab") as stream:  # another content: copies are left out
            stream.write(struct.pack(">I4s", 8 + len(walker.encode()), b"free") + walker.encode())
    place_copy(source, videos / "sad", b"\xff\xfe_2.mp4").write_bytes(b"")
    (videos / "sad" / "@line\nbreak_1.mp4").write_text("no video")
    process = run_gaitlib(
        *("evaluate", "--videos-test", videos, "--model", trained.folder / "model.keras"),
        *("--out", tmp_path / "out"),
    )
    assert process.returncode == 0, process.stderr
    read_json(tmp_path / "out" / "results.json")
    for name in ("results.json", "predictions.csv", "skipped.csv"):
        if (tmp_path / "out" / name).exists():
            (tmp_path / "out" / name).read_bytes().decode("utf-8")
    table = pd.read_csv(tmp_path / "out" / "predictions.csv", keep_default_na=False)
    assert set(table["walker"]) == {"'=1+1", "🚶", "a,b;c"}
    texts = table.select_dtypes(["object", "str"]).to_numpy().ravel()
    assert not [text for text in texts if text.startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize("size", [(1, 64), (64, 1), (1, 1), (2, 2), (3, 5)])
def test_pictures_of_a_few_pixels_end_no_run(tmp_path, fresh_cache, size):
    width, height = size
    picture = np.random.default_rng(0).integers(0, 255, (height, width), np.uint8)
    codec = {"codec": "rawvideo", "pix_fmt": "gray", "time_base": Fraction(1, 30), "size": size}
    path = write_video(tmp_path / "a_1.avi", [n / 30 for n in range(40)], pictures=[picture] * 40, **codec)
    (reason,) = prepare_videos([path], make_config())
    assert isinstance(reason, str) and reason.startswith("a_1.avi")
