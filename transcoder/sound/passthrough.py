"""Passing AC-3 and E-AC-3 through: the source's own access units, one after the other on the title's clock.

An access unit has 1,536 samples (ETSI TS 102 366, 4.1 and E.1.2.2). The first one keeps its time to the sample; each
other follows the one before it, as long as that is within half an access unit of its own time. Where one is missing or
damaged there is silence, made by libav's encoder of the same codec, where two would overlap one is left out.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import av
import av.container
import av.stream
import numpy as np
from av.packet import Packet

from transcoder.errors import UnsupportedMediaError
from transcoder.sound.decoding import title_time
from transcoder.sound.timeline import rounded
from transcoder.sound.tracks import AudioRendition

__all__ = ["ACCESS_UNIT", "Passthrough"]

ACCESS_UNIT = 1536
"""Samples of an access unit."""

_SYNC_WORD = b"\x0b\x77"
_SIX_BLOCKS = 3
_ROUNDING_SECONDS = Fraction(1, 1000)
_SILENT_LAYOUTS = {"mono", "stereo", "3.0", "4.0", "5.0", "5.0(side)", "5.1", "5.1(side)"}


class Passthrough:
    """The access units of one rendition, handed on with times in samples of the title, up to `end` seconds."""

    packet_samples = ACCESS_UNIT

    def __init__(self, rendition: AudioRendition, origin: Fraction, end: Fraction) -> None:
        self._rendition, self._origin = rendition, origin
        self._ends = math.ceil(end * rendition.sample_rate)
        self._next: int | None = None
        self._silence = b""

    def add_stream(self, container: av.container.OutputContainer) -> av.stream.Stream:
        """A stream in a file, for packets of this rendition."""
        return container.add_mux_stream(self._rendition.codec, rate=self._rendition.sample_rate)

    def add(self, packet: Packet[Any]) -> list[Packet[Any]]:
        """What the source's next packet adds. Errors: UnsupportedMediaError where it holds less than an access unit."""
        data, time = bytes(packet), title_time(packet, self._origin)
        if time is None or not data.startswith(_SYNC_WORD) or len(data) < 6:
            return []
        if self._rendition.codec == "eac3" and data[4] >> 6 != _SIX_BLOCKS and data[4] >> 4 & 3 != _SIX_BLOCKS:
            raise UnsupportedMediaError("E-AC-3 with fewer than six blocks in a frame cannot be passed through")
        place = rounded(time * self._rendition.sample_rate)
        if self._next is None:
            if place < -_ROUNDING_SECONDS * self._rendition.sample_rate:
                return []
            place = max(0, place)
            self._next, self._silence = place % ACCESS_UNIT, self._silent(data)
        made = self._fill(place - ACCESS_UNIT // 2)
        if place >= self._next - ACCESS_UNIT // 2 and self._next < self._ends:
            made.append(self._placed(data))
        return made

    def finish(self) -> list[Packet[Any]]:
        """Silence up to the end. Nothing where there was no access unit at all."""
        return [] if self._next is None else self._fill(self._ends)

    def _fill(self, until: int) -> list[Packet[Any]]:
        made = []
        while self._next is not None and self._next < min(until, self._ends):
            made.append(self._placed(self._silence))
        return made

    def _placed(self, data: bytes) -> Packet[Any]:
        assert self._next is not None
        packet = Packet(data)
        packet.pts = packet.dts = self._next
        packet.time_base = Fraction(1, self._rendition.sample_rate)
        self._next += ACCESS_UNIT
        return packet

    def _silent(self, like: bytes) -> bytes:
        """An access unit of silence, as large as another one."""
        rate = self._rendition.sample_rate
        layout = self._rendition.layout if self._rendition.layout in _SILENT_LAYOUTS else "5.1(side)"
        context = av.CodecContext.create(self._rendition.codec, "w")
        context.sample_rate, context.layout, context.format = rate, layout, "fltp"
        context.bit_rate, context.time_base = round(len(like) * 8 * rate / ACCESS_UNIT), Fraction(1, rate)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((context.layout.nb_channels, ACCESS_UNIT), np.float32), format="fltp", layout=layout
        )
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        return bytes([*context.encode(frame), *context.encode(None)][0])
