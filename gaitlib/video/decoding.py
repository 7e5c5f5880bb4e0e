"""Decode the pictures of an open video one by one, through damage, and write down what was met."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import av
import av.error
from av.container import InputContainer
from av.container.core import Flags
from av.video.stream import VideoStream

from gaitlib.config import InputError
from gaitlib.video.cutoff import promised_seconds
from gaitlib.video.probe import MAX_PIXELS, Clockwork
from gaitlib.video.timeline import Timeline
from gaitlib.video.tones import hdr_name

_MAX_ERRORS_IN_A_ROW = 100
MAX_SECONDS = 6 * 3600.0  # far more than a walk takes; timestamps can claim years
# Of these each packet gives one picture; others put some into no packet or two.
_ONE_PACKET_ONE_PICTURE = {"h264", "hevc", "vp9", "av1", "libdav1d"}
# Containers that hold pictures and little else: what is no picture in them is damage.
_FULL_OF_PICTURES = {"gif", "ogg", "ivf", "matroska", "yuv4mpegpipe", "dv"}
_UNREAD_SHARE = 0.1
_MAX_HEADER_BYTES, _MAX_WRAPPING_BYTES = 1 << 11, 32  # of such a container, and around each picture
_USUAL_RATES_HZ = 4.0, 250.0
_INVENT_TIMES = cast(int, Flags.gen_pts.value)


@dataclass
class ReadReport:
    """What reading a video has met; complete when the last chunk has been read.

    Attributes
    ----------
    frames_read : int
        Pictures decoded, also those between the chosen ones.
    corrupt_frames : int
        Pictures that could not be decoded, or only with damage.
    duration_seconds : float
        From the first picture to the end of the last, by timestamps.
    frame_rate_hz : float
        Of the video itself: one through the median step of its timestamps.
    width, height : int
        Of the displayed picture before it is shrunk: upright, in square pixels.
    rotation_deg : int
        How far the stored picture was turned clockwise: 0, 90, 180 or 270.
    comment : str
        The container's comment.
    notes : list of str
        Faults, one sentence each; empty if the video was read whole and clean.
    """

    frames_read: int = 0
    corrupt_frames: int = 0
    duration_seconds: float = 0.0
    frame_rate_hz: float = 0.0
    width: int = 0
    height: int = 0
    rotation_deg: int = 0
    comment: str = ""
    notes: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Add a sentence unless it is there."""
        if sentence not in self.notes:
            self.notes.append(sentence)


class Decoder:
    """All decodable pictures of a stream with their times, in order.

    Parameters
    ----------
    container, stream : InputContainer, VideoStream
        From `gaitlib.video.probe`.
    clock : Clockwork
        Ends the reading of a file that takes too long.
    report : ReadReport
        Filled on the way.
    name : str
        The file's name, for messages.
    ends_midway : bool
        The file is shorter than its structure says.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        clock: Clockwork,
        report: ReadReport,
        name: str,
        ends_midway: bool,
    ) -> None:
        self.timeline = Timeline(float(stream.average_rate) if stream.average_rate else None)
        self._container = container
        self._stream = stream
        self._clock = clock
        self._report = report
        self._name = name
        self._ends_midway = ends_midway
        self._first_kind: tuple[int, int, str] | None = None
        self._is_stopped = False
        self._is_interlaced = False
        self._num_due = 0  # pictures that should have come, of the packets read
        self._num_failed = 0
        self._num_torn = 0
        self._num_discarded = 0  # packets that an edit list cuts away
        self._picture_bytes = _MAX_HEADER_BYTES  # known to be pictures and their wrapping

    def __iter__(self) -> Iterator[tuple[float, av.VideoFrame]]:
        """Yield seconds from the first picture, and the picture.

        Raises
        ------
        InputError
            If the video is encrypted, or time is up before the first picture.
        """
        # PyAV asks FFmpeg to invent presentation times where the file has none; for H.264 in AVI
        # they come out wrong. Without them the decoding times serve, which the file does hold.
        self._container.flags &= ~_INVENT_TIMES
        self._stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        for packet in self._packets():
            try:
                frames = self._stream.decode(packet)
            except av.error.FFmpegError:
                self._report.corrupt_frames += 1
                self._num_failed += 1
                continue
            for frame in frames:
                self._report.frames_read += 1
                self._report.corrupt_frames += frame.is_corrupt
                self._note_kind(frame)
                time_seconds = self.timeline.place(_stamp_seconds(frame, self._stream))
                if time_seconds > MAX_SECONDS:
                    self._stop(f"Longer than {MAX_SECONDS / 3600:g} hours: the rest is left out.")
                    return
                self._clock.position_seconds = time_seconds
                yield time_seconds, frame

    def finish(self) -> None:
        """Complete the report after the last picture.

        Raises
        ------
        InputError
            If there was none.
        """
        report = self._report
        if not report.frames_read:
            fault = "is cut off before its first" if self._ends_midway else "holds no"
            raise InputError(
                f"{self._name} {fault} picture that can be decoded: copy it again or convert it."
            )
        self._count_lost()
        report.corrupt_frames = max(report.corrupt_frames, self._num_torn)
        if report.corrupt_frames:
            report.note(
                f"Damaged pictures: {report.corrupt_frames} (decoded with faults or not at all); "
                f"{report.frames_read} were read."
            )
        report.duration_seconds = self.timeline.end_seconds()
        report.frame_rate_hz = rate_hz = 1 / self.timeline.step_seconds()
        if not _USUAL_RATES_HZ[0] <= rate_hz <= _USUAL_RATES_HZ[1] and report.frames_read > 1:
            report.note(f"Claims a rate of {rate_hz:.3g} Hz: if that is wrong, so are all times.")
        for sentence in self.timeline.notes():
            report.note(sentence)
        if not self._is_stopped:
            self._note_end()

    def _count_lost(self) -> None:
        """Count pictures that decoding left out without an error, where each packet holds one."""
        if self._stream.codec_context.name in _ONE_PACKET_ONE_PICTURE and not self._is_interlaced:
            num_lost = self._num_due - self._num_failed - self._report.frames_read
            self._report.corrupt_frames += 0 if self._is_stopped else max(0, num_lost)

    def _note_end(self) -> None:
        """Say it where the pictures end before the file or its header lets expect it."""
        read_seconds = self._report.duration_seconds + self.timeline.left_out_seconds
        promised = promised_seconds(self._container, self._stream) or 0.0
        tolerance = max(0.25, 2.5 * self.timeline.step_seconds())
        is_full = self._container.format.name.split(",")[0] in _FULL_OF_PICTURES
        share_left = 1 - self._picture_bytes / self._container.size if is_full else 0.0
        # An AVI counts a slow video's pictures as often as they stay on.
        num_due = min(self._stream.frames, round(promised / self.timeline.step_seconds()))
        num_found = self._num_discarded + self._report.frames_read + self._report.corrupt_frames
        if self._ends_midway:
            self._report.note(f"Cut off: the file ends in the middle, after {read_seconds:.1f} s.")
        elif promised - read_seconds > tolerance:
            self._report.note(
                f"Cut off, or its header is wrong: it promises {promised:.1f} s, the pictures end "
                f"after {read_seconds:.1f} s."
            )
        elif share_left > _UNREAD_SHARE and len(self._container.streams) == 1:
            self._report.note(f"Damaged: {share_left:.0%} of the file hold no picture that can be found.")
        elif num_due > num_found and not self._is_interlaced:
            self._report.note(
                f"Pictures that the header counts but that are not there: {num_due - num_found} (left out in "
                "recording, or lost since)."
            )

    def _packets(self) -> Iterator[av.Packet | None]:
        """Yield the stream's packets as far as the file goes, then None, which ends decoding."""
        num_errors = 0
        packets = self._container.demux(self._stream)
        while num_errors < _MAX_ERRORS_IN_A_ROW:
            try:
                self._clock.check()
                packet = next(packets)
            except (StopIteration, IndexError):
                break  # PyAV ends with an IndexError where damage has made up a new stream
            except TimeoutError as error:
                self._give_up(error)
                break
            except (av.error.FFmpegError, OSError) as error:
                num_errors += 1
                reason = error.strerror or type(error).__name__
                self._report.note(f"The file is damaged or cut off ({reason}): read as far as it goes.")
                packets = self._container.demux(self._stream)
                continue
            if packet.size == 0:  # the demuxer's own end; ours comes below, whatever ended the loop
                continue
            if packet.has_sidedata("encryption_info"):
                raise InputError(f"{self._name} is encrypted: give a copy without protection.")
            num_errors = 0
            # The demuxer knows that some of it was lost; the decoder may not notice.
            self._num_torn += packet.is_corrupt
            self._num_due += not packet.is_discard
            self._num_discarded += packet.is_discard
            self._picture_bytes += packet.size + _MAX_WRAPPING_BYTES
            yield packet
        yield None

    def _give_up(self, error: TimeoutError) -> None:
        if not self._report.frames_read:
            raise InputError(f"{self._name} was given up: {error}. Convert it to H.264 MP4.") from None
        self._stop(f"Reading stopped: {error}.")

    def _stop(self, sentence: str) -> None:
        self._is_stopped = True
        self._report.note(sentence)

    def _note_kind(self, frame: av.VideoFrame) -> None:
        """Note what is unusual in a picture's format."""
        kind = frame.width, frame.height, frame.format.name
        if kind == self._first_kind:
            return
        note = self._report.note
        if self._first_kind is not None:
            note("Size or pixel format changes midway: all pictures get the first one's size.")
        self._first_kind = self._first_kind or kind
        if frame.interlaced_frame:
            self._is_interlaced = True
            note("Interlaced: of each picture every second line is read, those of one moment.")
        curve = hdr_name(frame.color_trc)
        if curve:
            note(f"HDR ({curve}): the tones are mapped to those of a usual screen.")
        if _is_transparent(frame):
            note("Has transparency, which is ignored.")


def _stamp_seconds(frame: av.VideoFrame, stream: VideoStream) -> float | None:
    # The time base is the stream's: the frames that end a video come without one.
    stamp = frame.pts if frame.pts is not None else frame.dts
    base = stream.time_base
    # Whole numbers first: the same quotient as with fractions, many times as fast.
    return None if stamp is None or not base else stamp * base.numerator / base.denominator


def _is_transparent(frame: av.VideoFrame) -> bool:
    if not any(component.is_alpha for component in frame.format.components):
        return False
    return bool(frame.to_ndarray(format="rgba")[..., 3].min() < 255)
