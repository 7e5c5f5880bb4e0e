"""How fast `gaitlib predict` reads 1080p30, and in how much memory.

Run as ``python -m benchmarks.predict_speed [MINUTES]``. The video is a synthetic walker, encoded once as
H.264 at 1920 x 1080 and 30 Hz; longer videos repeat its packets, which costs nothing to make. The model
has fresh weights, as speed does not depend on them.
"""

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import av
import cv2
import numpy as np

WIDTH, HEIGHT, RATE_HZ, CLIP_SECONDS = 1920, 1080, 30, 6.0


def make_clip(path: Path) -> None:
    """Encode a synthetic walker who crosses the picture once."""
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


def repeat(clip: Path, path: Path, minutes: float) -> None:
    """Write a long video from the packets of a short one, again and again."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        contents = [(bytes(packet), packet.pts, packet.dts, packet.is_keyframe) for packet in packets]
        time_base = packets[0].time_base
        length = round(CLIP_SECONDS / time_base)
        for turn in range(round(minutes * 60 / CLIP_SECONDS)):
            for content, pts, dts, is_keyframe in contents:
                packet = av.Packet(content)
                packet.stream, packet.time_base = stream, time_base
                packet.pts, packet.dts = pts + turn * length, dts + turn * length
                packet.is_keyframe = is_keyframe
                container.mux(packet)


def main(minutes: float) -> None:
    """Make the video, predict it, print speed and memory."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from gaitlib.config import make_config
    from gaitlib.models import build_model
    from gaitlib.saving import model_card, save_model

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["GAITLIB_CACHE"] = str(folder / "cache")
        make_clip(folder / "clip.mp4")
        repeat(folder / "clip.mp4", folder / "long.mp4", minutes)
        model = build_model("cnn_lstm", 30, 64, 1, 4)
        card = model_card(make_config(), ("angry", "happy", "neutral", "sad"), True)
        save_model(model, folder, card)
        command = ["predict", folder / "long.mp4", "--model", folder / "model.keras"]
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "gaitlib", *map(str, command)], check=True)
        seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    packages = ", ".join(
        f"{package} {version(package)}" for package in ("av", "opencv-python-headless", "keras")
    )
    print(
        f"1080p30, {minutes:g} min: {minutes * 60 / seconds:.1f} times real time, loading included "
        f"({seconds:.0f} s; {used.ru_utime + used.ru_stime:.0f} s of one core)."
    )
    print(f"Peak memory {used.ru_maxrss / 1024:.0f} MiB.")
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {packages}.")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0)
