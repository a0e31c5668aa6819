"""The pass over a source's packets: what the packets of each stream add up to, in bounded memory."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av.container
import av.stream
import av.video
from av.packet import Packet

from transcoder.clock import BreakFinder
from transcoder.codecs import codec_name
from transcoder.errors import UnsupportedMediaError
from transcoder.limits import Limits
from transcoder.media import Keyframe
from transcoder.probing.coded import Shows, shows_picture
from transcoder.probing.nal import starts_afresh
from transcoder.source import clock_may_jump, media_errors, packets, seeks_by_bytes

__all__ = ["StreamSurvey", "Survey", "survey"]

_KEYFRAME_DISTANCE = Fraction(1, 2)
"""Seconds between the keyframes that are kept: enough to seek by, also where every picture is one."""

_EXPANSION_SLACK = 1 << 16


@dataclass(slots=True)
class StreamSurvey:
    """What the packets of one stream add up to. Stamps are on the source's one clock, in the stream's time_base.

    `pts` has one stamp for each packet that shows a picture (of sound: none are kept), and `dts` another; a packet
    without a pts is in `dts` alone, and counted in `unstamped`; a keyframe without one has its dts for it, and its
    number is in `unstamped_keyframes`. `end` is the latest end of a packet.
    """

    keyframe_distance: int
    shows: Shows | None = None
    afresh: Shows | None = None
    keeps: bool = False
    positions: bool = False
    packets: int = 0
    timed: bool = False
    size: int = 0
    corrupt: int = 0
    last_corrupt: bool = False
    encrypted: int = 0
    unstamped: int = 0
    first: int | None = None
    last: int | None = None
    last_duration: int = 0
    end: int | None = None
    pts: array[int] = field(default_factory=lambda: array("q"))
    dts: array[int] = field(default_factory=lambda: array("q"))
    keyframes: list[Keyframe] = field(default_factory=list)
    unstamped_keyframes: set[int] = field(default_factory=set)

    def add(self, packet: Packet[Any]) -> None:
        """Count a packet. Call it in the order of decoding."""
        self.packets += 1
        self.size += packet.size
        self.last_corrupt = packet.is_corrupt
        self.corrupt += packet.is_corrupt
        if packet.has_sidedata("encryption_info"):
            self.encrypted += 1
        shown = self.shows is None or self.shows(packet)
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None:
            return
        self.timed = True
        if self.keeps and packet.is_keyframe:
            self._add_keyframe(packet, stamp)
        if packet.is_discard or not shown:
            return
        duration = packet.duration or 0
        self.first = stamp if self.first is None else min(self.first, stamp)
        if self.last is None or stamp >= self.last:
            self.last, self.last_duration = stamp, duration
        self.end = stamp + duration if self.end is None else max(self.end, stamp + duration)
        if self.keeps:
            self.dts.append(packet.dts if packet.dts is not None else stamp)
            if packet.pts is None:
                self.unstamped += 1
            else:
                self.pts.append(packet.pts)

    def _add_keyframe(self, packet: Packet[Any], stamp: int) -> None:
        if packet.pts is None and self.afresh is not None and not self.afresh(packet):
            # Pictures that are shown before it are missing when decoding begins here, and with them the count by which
            # those after it get their times.
            return
        apart = not self.keyframes or abs(stamp - self.keyframes[-1].pts) >= self.keyframe_distance
        if apart and (packet.pos is not None or not self.positions):
            dts = packet.dts if packet.dts is not None else stamp
            if packet.pts is None:
                self.unstamped_keyframes.add(len(self.keyframes))
            self.keyframes.append(Keyframe(pts=stamp, dts=dts, position=packet.pos))


@dataclass(slots=True)
class Survey:
    """What the pass found. `broken_off`: the demuxer met damage that it could not read past."""

    streams: dict[int, StreamSurvey]
    clock: BreakFinder
    broken_off: bool = False

    @property
    def timeless(self) -> bool:
        """Whether there are packets, and none has a stamp."""
        return any(own.packets for own in self.streams.values()) and not any(own.timed for own in self.streams.values())


def survey(container: av.container.InputContainer, size: int, limits: Limits, *, counted: bool = False) -> Survey:
    """Read all packets of pictures and sound of a source of `size` bytes. The container stands at its beginning.

    `counted`: no packet has a stamp, as an earlier pass has found (`Survey.timeless`).

    Errors: UnsupportedMediaError where there is more than a source may have.
    """
    positions = seeks_by_bytes(container)
    read = [stream for stream in container.streams if stream.type in {"video", "audio"}]
    found = {stream.index: _stream_survey(stream, positions=positions) for stream in read}
    finder = BreakFinder(jumps=clock_may_jump(container), counted=counted)
    left = limits.expansion * size + _EXPANSION_SLACK
    most_keyframes = 1 + int(limits.duration_seconds / _KEYFRAME_DISTANCE)
    with media_errors("reading the source"):
        for packet in packets(container, *read, clock=finder):
            left -= packet.size
            if left < 0:
                raise UnsupportedMediaError("the source's samples overlap: they are many times as large as the file")
            own = found.get(packet.stream_index)
            if own is not None:
                own.add(packet)
                if len(own.dts) > limits.pictures:
                    raise UnsupportedMediaError(f"the source has more than {limits.pictures} pictures")
                if len(own.keyframes) > most_keyframes:
                    raise UnsupportedMediaError("the source's keyframes are not in order")
    return Survey(found, finder, finder.broken_off)


def _stream_survey(stream: av.stream.Stream, *, positions: bool) -> StreamSurvey:
    distance = 0 if stream.time_base is None else int(_KEYFRAME_DISTANCE / stream.time_base)
    made = StreamSurvey(keyframe_distance=distance, positions=positions)
    if isinstance(stream, av.video.VideoStream):
        made.keeps = True
        context = stream.codec_context
        codec, extradata = codec_name(stream) or "", (context.extradata or b"") if context else b""
        made.shows, made.afresh = shows_picture(codec, extradata), starts_afresh(codec, extradata)
    return made
