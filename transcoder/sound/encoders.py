"""Encoders that run once through a whole title, and whose packets lie exactly where their samples do.

An encoder looks ahead: it begins with priming, by which all its packets are late. Here packets begin at 0 all the same,
and need no edit list (docs/adr/0004). Where the priming is a whole packet, that packet is dropped. Where it is less,
as many of the title's first samples are left out before the encoder, and its packets come earlier by as many: dropping
a packet of Opus would cost more, because its decoder takes 80 ms to find itself again (RFC 7845, 4.6).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np
from av.packet import Packet

from transcoder.errors import InternalError
from transcoder.sound.filters import Samples, packed
from transcoder.sound.tracks import AudioRendition

__all__ = ["SoundEncoder"]


class _Kind(NamedTuple):
    """libav's encoder of a codec, its sample format, samples in a packet, samples of priming."""

    name: str
    sample_format: str
    packet: int
    priming: int
    options: dict[str, str]


_KINDS = {
    # ISO/IEC 14496-3, 4.5.1.1: AAC-LC has 1,024 samples in an access unit; the encoder looks ahead by as many.
    "aac": _Kind("aac", "fltp", 1024, 1024, {}),
    # RFC 6716: 20 ms at 48 kHz; the encoder looks ahead by 6.5 ms.
    "opus": _Kind("libopus", "flt", 960, 312, {"frame_duration": "20", "application": "audio", "vbr": "constrained"}),
}


class SoundEncoder:
    """One rendition's encoder, from the first sample of the title to the last. Packet times are in samples."""

    def __init__(self, rendition: AudioRendition) -> None:
        self._rendition = rendition
        self._kind = _KINDS[rendition.codec]
        context = av.CodecContext.create(self._kind.name, "w")
        assert isinstance(context, av.AudioCodecContext)
        self._context = context
        self._configure(context)
        self._left_out = self._kind.priming % self._kind.packet
        self._rest = np.zeros((0, rendition.channels), np.float32)
        self._position = self._samples = 0

    @property
    def packet_samples(self) -> int:
        """Samples in a packet."""
        return self._kind.packet

    def _configure(self, context: av.AudioCodecContext) -> None:
        """Give a context the format of this rendition, so that its decoder configuration is the same."""
        context.sample_rate, context.layout = self._rendition.sample_rate, self._rendition.layout
        context.format, context.bit_rate = self._kind.sample_format, self._rendition.bitrate
        context.time_base = Fraction(1, self._rendition.sample_rate)
        context.options = dict(self._kind.options)

    def add_stream(self, container: av.container.OutputContainer) -> av.AudioStream:
        """A stream in a file, for packets of this encoder."""
        stream = container.add_stream(self._kind.name, rate=self._rendition.sample_rate)
        assert isinstance(stream, av.AudioStream)
        self._configure(stream.codec_context)
        return stream

    def encode(self, samples: Samples | None) -> list[Packet[Any]]:
        """Packets for more samples; None pads the last packet with silence and flushes."""
        size = self._kind.packet
        padding = np.zeros((-len(self._rest) % size, self._rendition.channels), np.float32)
        joined = np.concatenate((self._rest, padding if samples is None else self._entered(samples)))
        whole = len(joined) // size * size
        self._rest = joined[whole:]
        packets: list[Packet[Any]] = []
        for start in range(0, whole, size):
            block = joined[start : start + size]
            packets += self._context.encode(
                packed(block, self._rendition.layout, self._rendition.sample_rate, self._position)
            )
            self._position += size
        if samples is None:
            packets += self._context.encode(None)
        return [packet for packet in packets if self._belongs(packet)]

    def _entered(self, samples: Samples) -> Samples:
        """The samples, without those that are left out at the start."""
        before, self._samples = self._samples, self._samples + len(samples)
        return samples[max(0, self._left_out - before) :]

    def _belongs(self, packet: Packet[Any]) -> bool:
        """Put a packet on the title's clock; whether it is neither priming nor padding."""
        assert packet.pts is not None
        packet.pts += self._left_out
        if packet.pts % self._kind.packet:
            raise InternalError(f"the {self._kind.name} encoder looks ahead by another number of samples than known")
        return 0 <= packet.pts < self._samples
