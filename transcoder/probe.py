"""The probe: one pass over a source's packets gives its `MediaInfo`, with exact counts, times and keyframes.

Nothing is taken from the container's own word where the packets can tell: durations and frame counts in
headers are wrong often enough. The first picture is decoded, because only it knows rotation and true format.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice, pairwise
from typing import Any, BinaryIO

import av
import av.audio
import av.container
import av.stream
import av.video
from av.packet import Packet

from transcoder.clock import BreakFinder
from transcoder.errors import UnsupportedMediaError
from transcoder.media import (
    SAMPLE_RATES,
    AudioStream,
    Keyframe,
    MediaInfo,
    OtherStream,
    Stamping,
    TextStream,
    VideoStream,
)
from transcoder.source import clock_may_jump, media_errors, open_source, packets, seeks_by_bytes
from transcoder.text.reader import describe

__all__ = ["Limits", "probe"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a source may be at most. Checked before anything is decoded at length."""

    streams: int = 64
    pixels: int = 8192 * 4352
    frame_rate: int = 300
    duration_seconds: int = 24 * 3600
    pictures: int = 24 * 3600 * 60


_FALLBACK_RATE = Fraction(25)

GAP = Fraction(1, 5)
"""Pictures that are further apart, in seconds, are noted: a segment must not begin between them."""

_KEYFRAME_DISTANCE = Fraction(1, 2)
"""Seconds between the keyframes that are kept: enough to seek by, also where every picture is one."""

_LARGEST_EXPANSION = 8
"""So many times its own size a source may yield in packets. An index whose samples all lie at the same place makes
millions of packets out of a file of some kilobytes."""

_EXPANSION_SLACK = 1 << 16

_FIRST_PICTURE_PACKETS = 3000
"""So many packets may come before the first picture that decodes."""


@dataclass(slots=True)
class _Tally:
    """What the packets of one stream add up to."""

    first: int | None = None
    last: int | None = None
    last_duration: int = 0
    end: int | None = None
    stamps: array[int] = field(default_factory=lambda: array("q"))
    dts: array[int] = field(default_factory=lambda: array("q"))
    first_pts: int | None = None
    without_pts: int = 0
    keyframes: list[Keyframe] = field(default_factory=list)
    keyframe_distance: int = 0
    discarded: int = 0

    def add(self, packet: Packet[Any], *, keep: bool, positions: bool) -> None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None:
            return
        if packet.is_discard:
            self.discarded += 1
        elif self.first is None or stamp < self.first:
            self.first = stamp
        if keep and packet.is_keyframe and self._is_apart(stamp) and (packet.pos is not None or not positions):
            dts = packet.dts if packet.dts is not None else stamp
            self.keyframes.append(Keyframe(pts=stamp, dts=dts, position=packet.pos if positions else None))
        if packet.is_discard:
            return
        if keep:
            self.stamps.append(stamp)
            self.dts.append(packet.dts if packet.dts is not None else stamp)
            self.without_pts += packet.pts is None
            if packet.pts is not None and (self.first_pts is None or packet.pts < self.first_pts):
                self.first_pts = packet.pts
        if self.last is None or stamp >= self.last:
            self.last, self.last_duration = stamp, packet.duration or 0
        self.end = max(self.end if self.end is not None else stamp, stamp + (packet.duration or 0))

    def times(self, stamping: Stamping, first: int) -> list[int]:
        """When the pictures from the first on are shown, in order, as far as the packets tell."""
        shown = self.stamps if stamping.shift is None else (dts + stamping.shift for dts in self.dts)
        return sorted({stamp for stamp in shown if stamp >= first})

    def check(self, limits: Limits) -> None:
        """Errors: UnsupportedMediaError where there is more than one source can have: it would not fit into memory."""
        if len(self.stamps) > limits.pictures:
            raise UnsupportedMediaError(f"the source has more than {limits.pictures} pictures")
        if len(self.keyframes) > 1 + limits.duration_seconds / _KEYFRAME_DISTANCE:
            raise UnsupportedMediaError("the source's keyframes are not in order")

    def _is_apart(self, stamp: int) -> bool:
        return not self.keyframes or abs(stamp - self.keyframes[-1].pts) >= self.keyframe_distance


def probe(file: BinaryIO, limits: Limits | None = None) -> MediaInfo:
    """What a source contains. `file` is seekable and stays open.

    Errors: UnsupportedMediaError with the reason: not a known container, no streams, over a limit,
    encrypted, or without one picture or sound that can be decoded.
    """
    limits = limits or Limits()
    size = file.seek(0, 2)
    file.seek(0)
    if size == 0:
        raise UnsupportedMediaError("the file is empty")
    with open_source(file) as container, media_errors("reading the source"):
        streams = list(container.streams)
        if len(streams) > limits.streams:
            raise UnsupportedMediaError(f"the source has {len(streams)} streams; at most {limits.streams} are allowed")
        tallies = {stream.index: _Tally(keyframe_distance=_ticks(stream, _KEYFRAME_DISTANCE)) for stream in streams}
        left = _LARGEST_EXPANSION * size + _EXPANSION_SLACK
        finder, positions = BreakFinder(jumps=clock_may_jump(container)), seeks_by_bytes(container)
        for packet in packets(container, *(s for s in streams if s.type in {"video", "audio"}), clock=finder):
            left -= packet.size
            if left < 0:
                raise UnsupportedMediaError("the source's samples overlap: they are many times as large as the file")
            tally = tallies.get(packet.stream_index)
            if tally is not None:
                tally.add(packet, keep=packet.stream.type == "video", positions=positions)
                tally.check(limits)
    warnings: list[str] = []
    video: list[VideoStream] = []
    audio: list[AudioStream] = []
    text: list[TextStream] = []
    other: list[OtherStream] = []
    with open_source(file) as container:
        for stream in container.streams:
            tally = tallies[stream.index]
            if isinstance(stream, av.video.VideoStream) and tally.first is not None:
                found = _video(file, stream, tally, limits, warnings)
                if found is not None:
                    video.append(found)
                    continue
            if isinstance(stream, av.audio.AudioStream) and tally.first is not None and tally.end is not None:
                if stream.codec_context is not None and stream.codec_context.sample_rate in SAMPLE_RATES:
                    audio.append(_audio(stream, tally))
                    continue
                warnings.append(f"audio stream {stream.index} cannot be decoded")
            subtitles = describe(stream)
            if subtitles is not None:
                text.append(subtitles)
                continue
            other.append(_other(stream))
        name = container.format.name
    if not video and not audio:
        raise UnsupportedMediaError("; ".join(warnings) or "the source has no picture and no sound")
    spans = [(s.start, s.end) for s in video if not s.attached_picture] + [(s.start, s.end) for s in audio]
    if not spans:
        raise UnsupportedMediaError("the source has only a still picture")
    start, end = min(s for s, _ in spans), max(e for _, e in spans)
    if end - start > limits.duration_seconds:
        raise UnsupportedMediaError(f"the source is longer than {limits.duration_seconds} seconds")
    return MediaInfo(
        container=name, size_bytes=size, start=start, duration=end - start,
        video=tuple(video), audio=tuple(audio), text=tuple(text), other=tuple(other), warnings=tuple(warnings),
        discontinuities=tuple(finder.breaks),
    )  # fmt: skip


def _video(
    file: BinaryIO, stream: av.video.VideoStream, tally: _Tally, limits: Limits, warnings: list[str]
) -> VideoStream | None:
    assert tally.first is not None
    if stream.time_base is None:
        return None
    frame, reason = _first_frame(file, stream.index, limits)
    if frame is None:
        warnings.append(f"video stream {stream.index}: {reason}")
        return None
    context = stream.codec_context
    attached = bool(stream.disposition & av.stream.Disposition.attached_pic)
    first = frame.pts if frame.pts is not None else tally.first
    stamping = _stamping(frame, tally)
    stamps = tally.times(stamping, first)
    rate, constant = _frame_rate(stream, stamps)
    if rate > limits.frame_rate:
        raise UnsupportedMediaError(f"the source has {float(rate):.0f} pictures a second; {limits.frame_rate} at most")
    last = stamps[-1] if stamps else first
    step = max(1, round(1 / rate / stream.time_base))
    duration = tally.last_duration if 0 < tally.last_duration <= 10 * step else step
    profile = context.profile
    return VideoStream(
        index=stream.index, codec=context.name, profile=profile or None, width=frame.width, height=frame.height,
        sample_aspect_ratio=_aspect(stream), rotation=-frame.rotation % 360, pixel_format=frame.format.name,
        bits=max((component.bits for component in frame.format.components), default=8),
        field_order="interlaced" if frame.interlaced_frame else "progressive",
        color_primaries=_tag(frame.color_primaries), color_transfer=_tag(frame.color_trc),
        color_space=_tag(frame.colorspace), color_range=_tag(frame.color_range),
        time_base=stream.time_base, start_pts=first, end_pts=last + duration, frame_count=len(stamps),
        frame_rate=rate, constant_frame_rate=constant, keyframes=tuple(sorted(tally.keyframes, key=lambda k: k.pts)),
        gaps=tuple(_gaps([*stamps, last + duration], stream.time_base)),
        attached_picture=attached, default=bool(stream.disposition & av.stream.Disposition.default),
        stamping=stamping,
    )  # fmt: skip


def _stamping(frame: av.VideoFrame, tally: _Tally) -> Stamping:
    """How times are made up for a stream, from its first picture and its packets."""
    if not tally.without_pts or tally.first is None:
        return Stamping()
    if frame.pts is None:
        return Stamping(delay=0 if frame.dts is None else frame.dts - tally.first, shift=tally.first - min(tally.dts))
    return Stamping(shift=0 if tally.first_pts is None else tally.first_pts - min(tally.dts))


def _gaps(stamps: Sequence[int], time_base: Fraction) -> Iterator[tuple[int, int]]:
    """Neighbours that are far apart; the last stamp is the stream's end, and how long the last picture is shown always
    counts."""
    for number, (before, after) in enumerate(pairwise(stamps), start=2):
        if (after - before) * time_base > GAP or number == len(stamps):
            yield before, after


def _first_frame(file: BinaryIO, index: int, limits: Limits) -> tuple[av.VideoFrame | None, str]:
    """The first picture that decodes, in a container of its own, or the reason why there is none."""
    with open_source(file) as container:
        stream = container.streams[index]
        assert isinstance(stream, av.video.VideoStream)
        context = stream.codec_context
        if context is None:
            return None, "the codec is not supported"
        if context.width * context.height > limits.pixels:
            raise UnsupportedMediaError(f"a picture of {context.width}x{context.height} is larger than allowed")
        context.thread_count = 1
        reason = "no picture can be decoded"
        for packet in islice(packets(container, stream), _FIRST_PICTURE_PACKETS):
            try:
                for frame in packet.decode():
                    if isinstance(frame, av.VideoFrame):
                        return _allowed(frame, limits), ""
            except av.error.FFmpegError as error:
                reason = f"no picture can be decoded ({error.strerror})"
        try:
            last = next((f for f in context.decode(None)), None)
        except av.error.FFmpegError:
            return None, reason
        return None if last is None else _allowed(last, limits), reason


def _allowed(frame: av.VideoFrame, limits: Limits) -> av.VideoFrame:
    """The picture, whose size may be another than the container's word. Errors: UnsupportedMediaError."""
    if frame.width * frame.height > limits.pixels:
        raise UnsupportedMediaError(f"a picture of {frame.width}x{frame.height} is larger than allowed")
    return frame


def _ticks(stream: av.stream.Stream, seconds: Fraction) -> int:
    return 0 if stream.time_base is None else int(seconds / stream.time_base)


def _frame_rate(stream: av.video.VideoStream, stamps: list[int]) -> tuple[Fraction, bool]:
    """The nominal rate, and whether every picture keeps to it (within the rounding of the time base)."""
    base = stream.time_base
    guess = stream.guessed_rate or stream.average_rate or _FALLBACK_RATE
    if base is None or len(stamps) < 2:
        return Fraction(guess), True
    mean = Fraction(len(stamps) - 1) / ((stamps[-1] - stamps[0]) * base)
    rate = _standard(mean, base, len(stamps), Fraction(guess))
    step = 1 / rate / base
    steady = all(abs(stamp - stamps[0] - number * step) <= 1 for number, stamp in enumerate(stamps))
    if steady:
        return rate, True
    # A variable rate: the most common distance says how the pictures were meant to follow each other.
    common, _ = Counter(b - a for a, b in pairwise(stamps)).most_common(1)[0]
    usual = _standard(1 / (common * base), base, 2, Fraction(guess))
    return (usual if Fraction(1, 2) <= usual / mean <= 2 else _rounded(mean)), False


_STANDARD_RATES = tuple(
    rate
    for whole in (24, 30, 48, 60, 120)
    for rate in (Fraction(whole), Fraction(whole * 1000, 1001))
) + tuple(Fraction(n) for n in (10, 12, 15, 25, 50, 100))  # fmt: skip


def _standard(mean: Fraction, base: Fraction, count: int, guess: Fraction) -> Fraction:
    """The rate that a measured mean stands for: within the stamps' own rounding, the guess or a standard one."""
    tolerance = 2 * base * mean / max(1, count - 1)
    for candidate in (guess, *sorted(_STANDARD_RATES, key=lambda rate: abs(rate - mean))):
        if candidate > 0 and abs(candidate - mean) / mean <= tolerance:
            return candidate
    return _rounded(mean)


def _rounded(rate: Fraction) -> Fraction:
    """A rate with small terms; never 0, also where pictures are far apart: then the distance gets the small terms."""
    return rate.limit_denominator(1001) if rate >= 1 else 1 / (1 / rate).limit_denominator(1001)


def _aspect(stream: av.video.VideoStream) -> Fraction:
    ratio = stream.sample_aspect_ratio
    return Fraction(ratio) if ratio and Fraction(1, 20) <= ratio <= 20 else Fraction(1)


def _tag(value: object) -> str | None:
    """A colour property by FFmpeg's name, None where the stream does not say."""
    name = getattr(value, "name", None)
    number = int(value) if isinstance(value, int) else None
    if number is None or (number in {0, 2} and name in {None, "UNSPECIFIED"}):
        return None
    return str(number) if name is None else name.lower()


def _audio(stream: av.audio.AudioStream, tally: _Tally) -> AudioStream:
    assert tally.first is not None and tally.end is not None and stream.time_base is not None
    context = stream.codec_context
    return AudioStream(
        index=stream.index, codec=context.name, sample_rate=context.sample_rate, channels=context.channels,
        layout=context.layout.name, language=_language(stream), title=stream.metadata.get("title"),
        time_base=stream.time_base, start_pts=tally.first, end_pts=max(tally.end, tally.first),
        default=bool(stream.disposition & av.stream.Disposition.default),
    )  # fmt: skip


def _language(stream: av.stream.Stream) -> str | None:
    code = stream.language
    return code if code and code != "und" and len(code) <= 35 and code.replace("-", "").isalnum() else None


def _other(stream: av.stream.Stream) -> OtherStream:
    codec = stream.codec_context.name if stream.codec_context is not None else None
    cover = bool(stream.disposition & av.stream.Disposition.attached_pic)
    kind = "picture" if cover else stream.type or "data"
    return OtherStream(index=stream.index, kind=kind, codec=codec, language=_language(stream))
