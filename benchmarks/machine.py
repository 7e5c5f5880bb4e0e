"""The machine that a benchmark runs on, and videos and folders to run it with."""

import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import cv2
import numpy as np

WIDTH, HEIGHT, RATE_HZ, CLIP_SECONDS = 1920, 1080, 30, 6.0


def describe_machine() -> str:
    """Return processor, cores, memory and versions as one sentence."""
    from gaitlib.provenance import versions

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {number}" for name, number in versions().items())
    machine = f"{_processor()}, {num_cores()} cores, {memory:.0f} GiB, {platform.system()}"
    return f"{machine}; {packages}."


def num_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a folder for the time of a benchmark; the program's cache lies in it too."""
    before = os.environ.get("GAITLIB_CACHE")
    with tempfile.TemporaryDirectory() as name:
        os.environ["GAITLIB_CACHE"] = str(Path(name) / "cache")
        yield Path(name)
    os.environ.pop("GAITLIB_CACHE")
    if before is not None:
        os.environ["GAITLIB_CACHE"] = before


def make_clip(path: Path) -> None:
    """Encode a synthetic walker who crosses the picture once: 1080p at 30 Hz, H.264."""
    from gaitlib.demo import render_video, sample_truth

    seconds = (CLIP_SECONDS, CLIP_SECONDS)
    (row,) = (
        sample_truth(range(1, 2), 1, seconds=seconds, seed=0).query("emotion == 'neutral'").to_dict("records")
    )
    row |= {"frame_rate_hz": RATE_HZ, "num_frames": round(CLIP_SECONDS * RATE_HZ)}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE_HZ, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in render_video(row)[0]:
            large = cv2.resize(frame, (WIDTH, WIDTH * frame.shape[0] // frame.shape[1]))
            picture = cv2.copyMakeBorder(large, HEIGHT - len(large), 0, 0, 0, cv2.BORDER_REPLICATE)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        container.mux(stream.encode())


def repeat_clip(clip: Path, path: Path, num_turns: int, title: str = "") -> None:
    """Write a longer video from the packets of a short one; another title makes it another file."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as container:
        container.metadata["title"] = title
        stream = container.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        contents = [(bytes(packet), packet.pts, packet.dts, packet.is_keyframe) for packet in packets]
        time_base = packets[0].time_base
        length = round(CLIP_SECONDS / time_base)
        for turn in range(num_turns):
            for content, pts, dts, is_keyframe in contents:
                packet = av.Packet(content)
                packet.stream, packet.time_base = stream, time_base
                packet.pts, packet.dts = pts + turn * length, dts + turn * length
                packet.is_keyframe = is_keyframe
                container.mux(packet)
