"""One clock for a source: the stamps of its packets, continuous from its beginning to its end.

A transport stream's clock wraps, and jumps where recordings were joined; a program stream leaves stamps out, a raw
stream has none. The probe sees every packet once and finds the breaks; they are pinned by byte position, so that
whoever reads a part of the source later, from wherever, mends its packets in the same way. FFmpeg's command does the
same while it reads (`ts_discontinuity_detect`, with its `dts_delta_threshold` of 10 s), but only from the beginning.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.packet import Packet
from av.stream import Stream

from transcoder.media import Discontinuity, Keyframe

__all__ = ["BreakFinder", "PacketClock"]

LARGEST_STEP_SECONDS = 10
"""A longer step from one packet of a stream to its next is a jump of the clock, where the container allows jumps."""

LARGEST_RETURN_SECONDS = Fraction(1, 10)
"""A longer step back in the order of decoding is a jump of the clock."""

LONGEST_WAIT_SECONDS, LONGEST_WAIT_PICTURES = 10, 32
"""Nothing waits for longer than both between its decoding and its being shown: no codec reorders more than 16."""

MOST_BREAKS = 10_000
"""So many breaks a source may have: more is noise, and would not fit into a plan."""


def _position(discontinuity: Discontinuity) -> int:
    return discontinuity.position


def _offset(breaks: Sequence[Discontinuity], position: int) -> Fraction:
    number = bisect_right(breaks, position, key=_position)
    return breaks[number - 1].offset if number else Fraction(0)


@dataclass(slots=True)
class _Progress:
    """How far the reading of one stream has come. Stamps on the mended clock."""

    position: int | None = None
    last: int | None = None
    following: int | None = None
    shift: int = 0


class PacketClock:
    """Mends the stamps of packets as they are read, each stream's in the order of decoding.

    Afterwards a packet has a dts or a pts, on the one clock, as soon as any packet of its stream has had one; where
    they are to be `counted`, because the container knows no time, each has. `start` is the keyframe, with its position,
    that the reading of `stream` begins at; None where it begins with the source, or where the container seeks by time.
    """

    def __init__(
        self, breaks: Sequence[Discontinuity], stream: Stream | None, start: Keyframe | None, *, counted: bool
    ) -> None:
        self._breaks = breaks
        self._first = 0 if counted else None
        self._streams: dict[int, _Progress] = {}
        at_start = stream is not None and start is not None and start.position is not None
        self._start = start if at_start else None
        self._started = stream.index if stream is not None else None

    def mend(self, packet: Packet[Any]) -> None:
        """Put the packet's stamps on the one clock. For every packet of a stream, once."""
        if _is_wild(packet):
            packet.pts = None
        progress = self._streams.get(packet.stream_index)
        if progress is None:
            progress = self._streams[packet.stream_index] = _Progress(following=self._first)
            if self._start is not None and packet.stream_index == self._started:
                # Where stamps are left out, libav's own count depends on where reading began.
                progress.following = self._start.dts
                known = self._ticks(packet, packet.pos)
                if packet.pts is not None:
                    progress.shift = self._start.pts - packet.pts - known
                elif packet.dts is not None:
                    progress.shift = self._start.dts - packet.dts - known
        if packet.pos is not None:
            progress.position = packet.pos
        if packet.dts is None and packet.pts is None:
            if progress.following is None:
                return
            packet.dts = progress.following
        else:
            change = self._ticks(packet, progress.position) + progress.shift
            if change and packet.dts is not None:
                packet.dts += change
            if change and packet.pts is not None:
                packet.pts += change
        last = packet.dts if packet.dts is not None else packet.pts
        assert last is not None
        progress.following = last + step(packet)

    def _ticks(self, packet: Packet[Any], position: int | None) -> int:
        if not self._breaks or position is None:
            return 0
        return round(_offset(self._breaks, position) / packet.time_base)


def _is_wild(packet: Packet[Any]) -> bool:
    """Whether the pts is so far from the dts that one flipped bit is likelier than a picture that waits so long."""
    if packet.pts is None or packet.dts is None or packet.time_base is None:
        return False
    distance = abs(packet.pts - packet.dts)
    return distance * packet.time_base > LONGEST_WAIT_SECONDS and distance > LONGEST_WAIT_PICTURES * step(packet)


def step(packet: Packet[Any]) -> int:
    """Ticks from a packet to the next of its stream: its duration, or one picture at the stream's rate."""
    if packet.duration:
        return packet.duration
    rate = getattr(packet.stream, "guessed_rate", None)
    return max(1, round(1 / rate / packet.time_base)) if rate and packet.time_base else 1


class BreakFinder:
    """Finds the breaks of a source's clock from its packets, all streams', in the order of reading.

    `breaks` grows on the way: a `PacketClock` over the same list mends what is read meanwhile. `jumps` says whether the
    container's clock may jump at all: in others a long step is a pause, and a step back is an edit. `broken_off` says
    afterwards that the demuxer met damage that it could not read past. `counted`: no packet has a stamp.
    """

    def __init__(self, *, jumps: bool, counted: bool = False) -> None:
        self.breaks: list[Discontinuity] = []
        self.counted = counted
        self.broken_off = False
        self._jumps = jumps
        self._streams: dict[int, _Progress] = {}

    def watch(self, packet: Packet[Any]) -> None:
        """Look at a packet as libav gave it. Call it before the packet is mended."""
        if not self._jumps or packet.dts is None or packet.time_base is None:
            return
        progress = self._streams.setdefault(packet.stream_index, _Progress())
        if packet.pos is not None:
            progress.position = packet.pos
        if progress.position is None:
            return
        base = packet.time_base
        stamp = packet.dts + (round(_offset(self.breaks, progress.position) / base) if self.breaks else 0)
        if progress.last is not None and progress.following is not None and self._is_jump(stamp, progress, base):
            self._add(packet.dts, progress.position, progress, base)
            stamp = packet.dts + round(_offset(self.breaks, progress.position) / base)
        progress.last, progress.following = stamp, stamp + step(packet)

    def _is_jump(self, stamp: int, progress: _Progress, base: Fraction) -> bool:
        assert progress.last is not None and progress.following is not None
        if abs(stamp - progress.following) * base > LARGEST_STEP_SECONDS:
            return True
        return (progress.last - stamp) * base > LARGEST_RETURN_SECONDS

    def _add(self, dts: int, position: int, progress: _Progress, base: Fraction) -> None:
        following = bisect_right(self.breaks, position, key=_position)
        if following < len(self.breaks):
            # Another stream's packet has shown the break already, and lies behind this one: the break is here.
            later = self.breaks[following]
            if not self._is_jump(dts + round(later.offset / base), progress, base):
                self.breaks[following] = Discontinuity(position=position, offset=later.offset)
                return
        if len(self.breaks) == MOST_BREAKS:
            return
        assert progress.following is not None
        found = Discontinuity(position=position, offset=(progress.following - dts) * base)
        if following and self.breaks[following - 1].position == position:
            self.breaks[following - 1] = found
        else:
            self.breaks.insert(following, found)
