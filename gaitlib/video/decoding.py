"""Decode the frames of an open video one by one, through damage, and write down what was met."""

import re
import threading
from array import array
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median_low
from typing import Any, cast

import av
import av.error
import av.logging
import numpy as np
from av.container import InputContainer
from av.container.core import Flags
from av.video.stream import VideoStream

from gaitlib.errors import InputError
from gaitlib.video.opening import MAX_PIXELS, TimedFile

MAX_SECONDS = 6 * 3600.0  # far more than a walk takes; time stamps can claim years
_MAX_ERRORS_IN_A_ROW = 100
_MAX_GAP_SECONDS, _MIN_STEP_SECONDS = 10.0, 0.9e-3  # of more than 1000 frames a second none is believed
_ONE_PACKET_ONE_FRAME = {"h264", "hevc", "vp9", "av1", "libdav1d"}


class Timeline:
    """Give each frame its time, in seconds from the first frame, whatever the faults of the stamps.

    A frame without a stamp, or with one that runs back, stands still or jumps by more than 10 s, is placed
    one step after the one before; later stamps go on from there, or from where they were if only that one
    was astray.
    """

    def __init__(self, nominal_rate_hz: float) -> None:
        self._step = 1 / (nominal_rate_hz if 1 <= nominal_rate_hz <= 1000 else 25.0)
        self._steps, self._time, self.left_out_seconds = array("d"), 0.0, 0.0
        self._num_placed = self._num_unstamped = self._num_astray = 0
        self._anchors: list[float] = []  # the last stamp; where it is astray also what it should have been

    def place(self, stamp: float | None) -> float:
        """Return the seconds from the first frame at which the next one is shown; None is no stamp."""
        self._num_placed += 1
        self._num_unstamped += stamp is None
        if not self._anchors:
            self._anchors = [stamp or 0.0]
            return 0.0
        steps = [] if stamp is None else [stamp - anchor for anchor in self._anchors]
        step = min(steps, key=lambda one: (one <= 0, abs(one - self._step)), default=-1.0)
        if stamp is not None and _MIN_STEP_SECONDS < step <= _MAX_GAP_SECONDS:
            self._anchors = [stamp]
            self._steps.append(step)
            self._step = median_low(self._steps[-8:])
        else:
            self._num_astray += stamp is not None
            self.left_out_seconds += max(0.0, step - self._step)
            step, expected = self._step, self._anchors[-1] + self._step
            self._anchors = [expected] if stamp is None else [stamp, expected]
        self._time += step
        return self._time

    def step_seconds(self) -> float:
        """Return the usual time between frames: the mean of the steps near the median."""
        steps = np.array(self._steps or [self._step])
        median = np.quantile(steps, 0.5, method="lower")
        return float(steps[np.abs(steps - median) <= 0.25 * median].mean())

    def end_seconds(self) -> float:
        """Return when the last frame leaves the screen."""
        return self._time + self.step_seconds()

    def notes(self) -> list[str]:
        """Return a sentence if stamps were faulty."""
        # Some AVI files end with frames without a stamp, which is no fault.
        num_unstamped = self._num_unstamped if self._num_unstamped > min(16, self._num_placed / 2) else 0
        num_faulty = self._num_astray + num_unstamped
        what = "Time stamps that are missing, run back or jump, put after the one before"
        return [f"{what}: {num_faulty}."] if num_faulty else []


@dataclass
class ReadReport:
    """What reading a video has met; complete when the last chunk has been read.

    `frames_read` counts decoded frames, `corrupt_frames` those with damage or lost; `notes` has a sentence on
    each fault and on what else must be known. `width` and `height` are of the upright film in square pixels,
    before shrinking; `rotation_deg` tells how far stored frames were turned clockwise. `frame_rate_hz` is
    what a player shows, `capture_rate_hz` what a phone says to have captured (slow motion, time lapse);
    `duration_seconds` is at the true pace, to the end of the last frame.
    """

    frames_read: int = 0
    corrupt_frames: int = 0
    notes: list[str] = field(default_factory=list)
    comment: str = ""
    width: int = 0
    height: int = 0
    rotation_deg: int = 0
    frame_rate_hz: float = 0.0
    capture_rate_hz: float | None = None
    duration_seconds: float = 0.0
    has_audio: bool = False


# PyAV does not tell whose threads log, so only one reader at a time has some. Its hook is set only while a
# reader listens: a thread that logs waits for Python's lock, whose holder may wait for that thread.
_hook, _threads, _listening = threading.Lock(), threading.Lock(), list[Any]()
_from_threads = av.logging.Capture(local=False).__enter__()


@contextmanager
def _listen(faults: list[tuple[int, str, str]]) -> Iterator[bool]:
    """Gather what FFmpeg's threads log as errors meanwhile; yields whether there may be threads."""
    may_thread = _threads.acquire(blocking=False)
    with _hook:
        _listening.append(faults)
        av.logging.set_skip_repeated(False)
        av.logging.set_libav_level(av.logging.PANIC)
        av.logging.set_level(av.logging.ERROR)
    try:
        yield may_thread
    finally:
        if may_thread:
            faults += _from_threads
            _from_threads.clear()
            _threads.release()
        with _hook:
            _listening.pop()
            if not _listening:
                av.logging.restore_default_callback()


def _call(faults: list[tuple[int, str, str]], function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of PyAV and keep what is logged meanwhile."""
    with av.logging.Capture() as logs:
        try:
            return function(*arguments)
        finally:
            faults += logs


class Decoder:
    """All decodable frames of a stream with their times at the true pace, in order; fills `report`."""

    def __init__(self, container: InputContainer, stream: VideoStream, file: TimedFile, name: str) -> None:
        self.report = ReadReport(comment=container.metadata.get("comment", ""))
        self.report.has_audio = bool(container.streams.audio)
        self._container, self._stream, self._file, self._name = container, stream, file, name
        self._timeline = Timeline(float(stream.average_rate or 0))
        self._stretch = _find_stretch(container, stream, self.report)
        self._is_stopped = self._is_interlaced = False
        self._num_due = self._num_failed = self._num_torn = 0
        self._faults: list[tuple[int, str, str]] = []

    def frames(self, num_threads: int) -> Generator[tuple[float, av.VideoFrame], None, None]:
        """Yield seconds from the first frame, and the frame."""
        # Invented presentation times are wrong for H.264 in AVI; without them the decoding times serve.
        self._container.flags &= ~cast(int, Flags.gen_pts.value)
        context, base = self._stream.codec_context, float(self._stream.time_base or 0)
        context.options = {"max_pixels": str(MAX_PIXELS)}
        with _listen(self._faults) as may_thread:
            context.thread_type, context.thread_count = "AUTO", num_threads if may_thread else 1
            try:
                for frame in self._decode():
                    self._is_interlaced |= bool(frame.interlaced_frame)
                    self.report.frames_read += 1
                    self.report.corrupt_frames += frame.is_corrupt
                    stamp = frame.pts if frame.pts is not None else frame.dts
                    seconds = self._timeline.place(None if stamp is None else stamp * base) * self._stretch
                    if seconds > MAX_SECONDS:
                        self._stop(f"Longer than {MAX_SECONDS / 3600:g} hours: the rest is left out.")
                        break
                    self._file.position_seconds = seconds
                    yield seconds, frame
            finally:
                context.flush_buffers()  # waits for the decoder's threads, with Python's lock let go
        self._complete()

    def end_seconds(self) -> float:
        """Return when the last frame leaves the screen, at the true pace."""
        return self._timeline.end_seconds() * self._stretch

    def _decode(self) -> Iterator[av.VideoFrame]:
        for packet in self._packets():
            try:
                yield from _call(self._faults, self._stream.decode, packet)
            except av.error.FFmpegError:
                self._num_failed += 1

    def _packets(self) -> Iterator[av.Packet | None]:
        """Yield the stream's packets as far as the file goes, then None, which ends decoding."""
        num_errors, packets = 0, self._container.demux(self._stream)
        while num_errors < _MAX_ERRORS_IN_A_ROW:
            try:
                self._file.check_time()
                packet = _call(self._faults, next, packets)
            except (StopIteration, IndexError):  # the second where damage has made up a new stream
                break
            except TimeoutError as error:
                self._stop(f"Reading stopped: {error}.")
                break
            except (av.error.FFmpegError, OSError, MemoryError) as error:
                num_errors += 1
                self._faults.append((0, "", getattr(error, "strerror", None) or type(error).__name__))
                packets = self._container.demux(self._stream)
                continue
            if packet.has_sidedata("encryption_info"):
                raise InputError(f"{self._name} is encrypted: give a copy without protection.")
            if packet.size:  # the demuxer's own end has none; ours comes below, whatever ended the loop
                num_errors = 0
                self._num_torn += packet.is_corrupt
                self._num_due += not packet.is_discard
                yield packet
        yield None

    def _stop(self, sentence: str) -> None:
        self._is_stopped = True
        self.report.notes.append(sentence)

    def _complete(self) -> None:
        """Complete the report: what was lost, and what FFmpeg said."""
        report, codec = self.report, self._stream.codec_context.name
        is_countable = codec in _ONE_PACKET_ONE_FRAME and not self._is_interlaced and not self._is_stopped
        num_lost = max(self._num_failed, self._num_due - report.frames_read if is_countable else 0)
        num_met = int(any(source == codec for _, source, _ in self._faults))  # threads do not mark all damage
        report.corrupt_frames = max(report.corrupt_frames + num_lost, self._num_torn, num_met)
        report.frame_rate_hz = 1 / self._timeline.step_seconds()
        report.duration_seconds = self.end_seconds() if report.frames_read else 0.0
        if self._is_interlaced:
            report.notes.append("Interlaced: of each frame every second line is read, those of one moment.")
        if report.corrupt_frames:
            report.notes.append(f"Damaged frames: {report.corrupt_frames}; {report.frames_read} were read.")
        if not 4 <= report.frame_rate_hz <= 250 and report.frames_read > 1:
            report.notes.append(f"Claims {report.frame_rate_hz:.3g} frames a second: are the times right?")
        report.notes += self._timeline.notes() + ([] if self._is_stopped else self._losses())

    def _losses(self) -> list[str]:
        report, promised = self.report, _promised_seconds(self._container, self._stream)
        read_seconds = self._timeline.end_seconds() + self._timeline.left_out_seconds
        num_promised = min(self._stream.frames, round(promised * report.frame_rate_hz))
        if promised - read_seconds > max(0.25, 2.5 / report.frame_rate_hz):
            return [f"Cut off: it promises {promised:.1f} s, the frames end after {read_seconds:.1f} s."]
        if self._faults:
            fault = self._faults[0][2].strip()
            return [f"Damaged or cut off (first of {len(self._faults)} faults: {fault})."]
        if num_promised > report.frames_read + report.corrupt_frames:
            return [f"The header counts {self._stream.frames} frames, {report.frames_read} are there."]
        return []


def _promised_seconds(container: InputContainer, stream: VideoStream) -> float:
    """Return how long the frames last by the header, 0 if it does not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    # The container's length covers its sound too, and in a transport stream it is only a guess.
    is_known = container.duration and not container.streams.audio and "mpeg" not in container.format.name
    return cast(int, container.duration) / av.time_base if is_known else 0.0


def _find_stretch(container: InputContainer, stream: VideoStream, report: ReadReport) -> float:
    """Return the true time of a shown second, by a phone's tag of the capture rate."""
    shown_hz = float(stream.average_rate or 0)
    for key, value in {**container.metadata, **stream.metadata}.items():
        is_rate = re.search(r"(?i)capture[._-]?(fps|frame[._-]?rate)$", key)
        if is_rate and re.fullmatch(r"\d{1,4}(\.\d*)?", value):
            report.capture_rate_hz = float(value) or None
        elif key.endswith("full-frame-rate-playback-intent"):  # Apple's originals have true times
            report.capture_rate_hz = shown_hz or None
    captured_hz = report.capture_rate_hz or shown_hz
    # Phones note 30 for usual films too, of which little light leaves fewer.
    is_slow = captured_hz >= max(48, 1.5 * shown_hz)
    if not shown_hz or not (is_slow or captured_hz * 1.5 <= shown_hz):
        return 1.0
    report.notes.append(
        f"{'Slow motion' if is_slow else 'Time lapse'}: its tag says that {captured_hz:g} frames a second "
        f"were captured, it shows {shown_hz:.3g}; read at the true pace."
    )
    return shown_hz / captured_hz
