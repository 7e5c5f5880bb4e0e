"""Open a file safely and decode its frames one by one, through damage, and write down what was met."""

import io
import logging
import re
from array import array
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median_low
from typing import Any

import av
import av.error
import av.logging
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from gaitlib.errors import InputError
from gaitlib.files import show_name

# Playlists (hls, dash, concat), scripts and still pictures are left out: they open other files, or are none.
_FORMATS = "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,gif,flv,ogg,asf,yuv4mpegpipe,ivf,dv"
_OPTIONS = {"max_pixels": str(8192 * 8192)}
_MAX_SECONDS = 6 * 3600.0  # far more than a walk takes; time stamps can claim years
_MAX_ERRORS_IN_A_ROW, _MAX_READINGS = 100, 50
# Cameras leave out a frame or two in little light; headers and indexes are a small part of a file.
_MIN_GAP_STEPS, _MIN_GAP_SECONDS, _MAX_UNREAD_SHARE = 3.5, 0.1, 0.05
_MAX_GAP_SECONDS, _MIN_STEP_SECONDS = 10.0, 0.9e-3  # of more than 1000 frames a second none is believed
# Decoders that pass over flipped bits in silence, and others that tell, but give hardly a frame after them.
_CHECKERS = {"vp9": ("libvpx-vp9", {}), "libdav1d": ("libdav1d", {"strict": "strict"})}
_ONE_PACKET_ONE_FRAME = {"h264", "hevc", "vp9", "av1", "libdav1d"}
# FFmpeg's errors come to `_call`, none to the terminal.
av.logging.set_level(av.logging.ERROR)
av.logging.set_skip_repeated(False)
logging.getLogger("libav").addHandler(logging.NullHandler())


class LimitedFile(io.FileIO):
    """A file to read, nameless, as FFmpeg is to judge by content; damage must not have it read for ever."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "rb")
        self.name = "<none>"
        self._size = self.seek(0, io.SEEK_END)
        self._num_left = _MAX_READINGS * (self._size + (1 << 20))
        self._block, self._seen = max(1024, self._size // 1000), set[int]()
        self.seek(0)

    @property
    def unread_share(self) -> float:
        """The share of the file that has never been read."""
        return max(0.0, 1 - len(self._seen) * self._block / max(self._size, 1))

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes; `OSError` where all is read too often."""
        start, content = self.tell(), super().read(size) or b""
        self._num_left -= len(content)
        self._seen.update(range(start // self._block, -(-(start + len(content)) // self._block)))
        if self._num_left < 0:
            raise OSError("damage sends the reader back and forth")
        return content


def open_regular(path: str | Path) -> LimitedFile:
    """Open a regular file for reading, else raise an `InputError`; never opens a pipe or a device."""
    fault = "is not there, or is a folder, pipe or device, not a regular file: give a video."
    try:
        if Path(path).is_file():
            return LimitedFile(path)
    except OSError as error:
        fault = f"cannot be opened ({error.strerror}): check its permissions."
    raise InputError(f"{show_name(path)} {fault}")


def open_container(file: LimitedFile, name: str) -> InputContainer:
    """Open a file as one of the known containers, else raise an `InputError`."""
    # FFmpeg opens nothing itself: no protocol is allowed, bytes come from the file object alone. It invents
    # no presentation times, which are wrong for H.264 in AVI; without them the decoding times serve.
    safe = {"format_whitelist": _FORMATS, "protocol_whitelist": "none", "fflags": "-genpts"}
    try:
        return av.open(file, "r", None, _OPTIONS, safe, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{name} cannot be read as a video ({reason}): it is none, or lacks its index, as when a "
            "recording was cut off. Give a video, copied again or converted to H.264 MP4."
        ) from None


class Timeline:
    """Give each frame its time, in seconds from the first frame, whatever the faults of the stamps.

    A frame without a stamp, or with one that runs back, stands still or jumps by more than 10 s, is placed
    one step after the one before; later stamps go on from there, or from where they were if only that one
    was astray.
    """

    def __init__(self, nominal_rate_hz: float) -> None:
        self._step = 1 / (nominal_rate_hz if 1 <= nominal_rate_hz <= 1000 else 25.0)
        self._steps, self._time, self.left_out_seconds, self.num_astray = array("d"), 0.0, 0.0, 0
        self._anchors: list[float] = []  # the last stamp; where it is astray also what it should have been

    def place(self, stamp: float | None) -> float:
        """Return the seconds from the first frame at which the next one is shown; None is no stamp."""
        if not self._anchors:
            self._anchors = [stamp or 0.0]
            return 0.0
        expected = self._anchors[-1] + self._step
        stamp = expected if stamp is None else stamp
        steps = [stamp - anchor for anchor in self._anchors]
        step = min(steps, key=lambda one: (one <= 0, abs(one - self._step)))
        self._anchors = [stamp]
        if not _MIN_STEP_SECONDS < step <= _MAX_GAP_SECONDS:
            self.num_astray += 1
            self.left_out_seconds += max(0.0, step - self._step)
            self._anchors, step = [stamp, expected], self._step
        self._steps.append(step)
        self._step = median_low(self._steps[-8:])
        self._time += step
        return self._time

    def step_seconds(self) -> float:
        """Return the usual time between frames: the mean of the steps near the median."""
        steps = np.array(self._steps or [self._step])
        median = median_low(steps)
        return float(steps[np.abs(steps - median) <= 0.25 * median].mean())

    def missing_seconds(self) -> float:
        """Return how long frames are missing midway, more than a camera leaves out now and then."""
        steps, usual = np.array(self._steps), self.step_seconds()
        return float((steps[steps > max(_MIN_GAP_STEPS * usual, _MIN_GAP_SECONDS)] - usual).sum())

    def end_seconds(self) -> float:
        """Return when the last frame leaves the screen."""
        return self._time + self.step_seconds()


@dataclass
class ReadReport:
    """What reading a video has met; complete when the last chunk has been read.

    `corrupt_frames` are damaged or lost; `notes` has a sentence on each fault and on what else must be known.
    `width` and `height` are of the upright film in square pixels, before shrinking. `frame_rate_hz` is what a
    player shows; `duration_seconds` has the true pace.
    """

    frames_read: int = 0
    corrupt_frames: int = 0
    notes: list[str] = field(default_factory=list)
    comment: str = ""
    width: int = 0
    height: int = 0
    frame_rate_hz: float = 0.0
    duration_seconds: float = 0.0


class Decoder:
    """All decodable frames of a container with their times at the true pace, in order; fills `report`."""

    def __init__(self, container: InputContainer, file: LimitedFile, name: str) -> None:
        self.report = ReadReport(comment=container.metadata.get("comment", ""))
        self._container, self._file, self._name = container, file, name
        self.stream = self._main_stream()
        self._timeline = Timeline(float(self.stream.average_rate or 0))
        self._stretch = self._find_stretch()
        self._num_due = self._num_failed = self._num_torn = 0
        self._faults, self._doubts, self._is_interlaced = list[str](), list[str](), False

    def _main_stream(self) -> VideoStream:
        """Return the largest stream of moving pictures, no cover; `InputError` without one."""
        cover = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
        streams = self._container.streams.video
        moving = [one for one in streams if one.codec_context and not one.disposition & cover]
        if not moving:
            raise InputError(f"{self._name} holds no video that can be decoded: convert it.")
        return max(moving, key=lambda one: one.width * one.height)

    def _find_stretch(self) -> float:
        """Return the true time of a shown second, by a phone's tag of the capture rate."""
        captured_hz = shown_hz = float(self.stream.average_rate or 0)
        for key, value in {**self._container.metadata, **self.stream.metadata}.items():
            is_rate = re.search(r"(?i)capture[._-]?(fps|frame[._-]?rate)$", key)
            if is_rate and re.fullmatch(r"\d{1,4}(\.\d*)?", value):
                captured_hz = float(value) or shown_hz
        # Phones note 30 for usual films too, of which little light leaves fewer.
        if not shown_hz or shown_hz / 1.5 < captured_hz < max(48, 1.5 * shown_hz):
            return 1.0
        self.report.notes.append(
            f"Slow motion or time lapse: {captured_hz:g} frames a second were captured, says the tag, "
            f"and {shown_hz:.3g} are shown; read at the true pace."
        )
        return shown_hz / captured_hz

    def frames(self) -> Generator[tuple[av.VideoFrame, float], None, None]:
        """Yield each frame, and when it leaves the screen in seconds from the first frame."""
        context, base, shown = self.stream.codec_context, float(self.stream.time_base or 0), None
        context.options = _OPTIONS
        context.thread_count = 1  # what other threads log cannot be caught
        for frame in self._decode():
            self._is_interlaced |= bool(frame.interlaced_frame)
            self.report.frames_read += 1
            self.report.corrupt_frames += frame.is_corrupt
            stamp = frame.pts if frame.pts is not None else frame.dts
            seconds = self._timeline.place(None if stamp is None else stamp * base) * self._stretch
            if shown:
                yield shown, seconds
            shown = frame
            if seconds > _MAX_SECONDS:
                raise InputError(f"{self._name} lasts over {_MAX_SECONDS / 3600:g} hours: cut the walk out.")
        if shown:
            yield shown, self._timeline.end_seconds() * self._stretch
        self._complete()

    def _decode(self) -> Iterator[av.VideoFrame]:
        checker = self._make_checker()
        for packet in self._packets():
            try:
                frames = _call(self._faults, self.stream.decode, packet)
            except av.error.FFmpegError:
                self._num_failed += 1
                continue
            if checker:
                with suppress(av.error.FFmpegError):
                    _call(self._doubts, checker.decode, packet)
            yield from frames

    def _make_checker(self) -> Any:
        context = self.stream.codec_context
        name, options = _CHECKERS.get(context.name, ("", {}))
        # libvpx is built for 8 bits.
        is_deep = not context.pix_fmt or av.VideoFormat(context.pix_fmt).components[0].bits > 8
        if name not in av.codecs_available or (is_deep and context.name == "vp9"):
            return None
        checker = av.CodecContext.create(name, "r")
        checker.extradata, checker.thread_count, checker.options = context.extradata, 1, _OPTIONS | options
        return checker

    def _packets(self) -> Iterator[av.Packet | None]:
        """Yield the stream's packets as far as the file goes, then None, which ends decoding."""
        num_errors, packets, largest = 0, self._container.demux(self.stream), np.inf
        if self._container.format.name == "gif":  # 12 bits a pixel at most: more is what follows a fault
            largest = 2.0 * self.stream.width * self.stream.height + 4096
        while num_errors < _MAX_ERRORS_IN_A_ROW:
            try:
                packet = _call(self._faults, next, packets)
            except (StopIteration, IndexError):  # the second where damage has made up a new stream
                break
            except (av.error.FFmpegError, OSError, MemoryError) as error:
                num_errors += 1
                self._faults.append(getattr(error, "strerror", None) or type(error).__name__)
                packets = self._container.demux(self.stream)
                continue
            if packet.has_sidedata("encryption_info"):
                raise InputError(f"{self._name} is encrypted: give a copy without protection.")
            if packet.size:  # the demuxer's own end has none; ours comes below, whatever ended the loop
                num_errors = 0
                self._num_torn += packet.is_corrupt or packet.size > largest
                self._num_due += not packet.is_discard
                yield packet
        yield None

    def _complete(self) -> None:
        """Complete the report: what was lost, and what FFmpeg said."""
        report, notes, timeline = self.report, self.report.notes, self._timeline
        is_countable = self.stream.codec_context.name in _ONE_PACKET_ONE_FRAME and not self._is_interlaced
        num_lost = max(self._num_failed, self._num_due - report.frames_read if is_countable else 0)
        report.corrupt_frames = max(report.corrupt_frames + num_lost, self._num_torn)
        report.frame_rate_hz = 1 / timeline.step_seconds()
        report.duration_seconds = timeline.end_seconds() * self._stretch if report.frames_read else 0.0
        if self._is_interlaced:
            notes.append("Interlaced: of each frame every second line is read, those of one moment.")
        if report.corrupt_frames:
            notes.append(f"Damaged frames: {report.corrupt_frames}; {report.frames_read} were read.")
        if not 4 <= report.frame_rate_hz <= 250 and report.frames_read > 1:
            notes.append(f"Claims {report.frame_rate_hz:.3g} frames a second: are the times right?")
        if timeline.num_astray:
            notes.append(f"Time stamps that run back or jump, put after the last: {timeline.num_astray}.")
        promised, read_seconds = self._promised_seconds(), timeline.end_seconds() + timeline.left_out_seconds
        num_promised = min(self.stream.frames, round(promised * report.frame_rate_hz))
        if promised - read_seconds > max(0.25, 2.5 / report.frame_rate_hz):
            notes.append(f"Cut off: it promises {promised:.1f} s, the frames end after {read_seconds:.1f} s.")
        elif self._faults:
            notes.append(f"Damaged or cut off (first of {len(self._faults)} faults: {self._faults[0]}).")
        elif num_promised > report.frames_read + report.corrupt_frames:
            notes.append(f"The header counts {self.stream.frames} frames, {report.frames_read} are there.")
        elif (missing := timeline.missing_seconds()) > 0:
            notes.append(f"Frames are missing midway: {missing:.1f} s in all.")
        elif self._doubts:
            notes.append(f"Damaged, says a stricter decoder: {self._doubts[0]}.")
        if (share := self._file.unread_share) > _MAX_UNREAD_SHARE:
            notes.append(f"{share:.0%} of the file are no part of the film: damage, or a second film?")

    def _promised_seconds(self) -> float:
        """Return how long the frames last by the header, 0 if it does not say."""
        container, stream = self._container, self.stream
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        # The container's length covers its sound too, and in a transport stream it is only a guess.
        is_vague = container.streams.audio or "mpeg" in container.format.name
        return 0.0 if is_vague else (container.duration or 0) / av.time_base


def _call(faults: list[str], function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of PyAV and add to `faults` what FFmpeg logs as errors meanwhile."""
    with av.logging.Capture() as logs:
        try:
            return function(*arguments)
        finally:
            faults += [message.strip() for _, _, message in logs]
