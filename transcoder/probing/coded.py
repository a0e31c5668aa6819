"""What a packet shows, read from its first bits: not every packet of a video stream becomes a picture of its own.

VP8 and VP9 have hidden reference pictures, MPEG-4 has placeholders for a picture that came packed with another, and a
picture of H.264 may come as two fields in a packet each. A decoder knows; so that nobody has to decode a whole source
to count its pictures, this knows as well. Where the bits are damaged the packet counts: the decoder will complain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from av.packet import Packet

from transcoder.probing.bits import Bits
from transcoder.probing.h264 import Fields

__all__ = ["Shows", "shows_picture"]

Shows = Callable[["Packet[Any]"], bool]
"""Whether a packet begins a picture that will be shown. Called for every packet of a stream, in order."""

_ENOUGH = 256
"""Bytes of a packet that are looked at, where its beginning tells."""


def shows_picture(codec: str, extradata: bytes) -> Shows | None:
    """The question for a codec; None where each packet is a picture."""
    if codec == "vp8":
        return _vp8
    if codec == "vp9":
        return _vp9
    if codec == "mpeg4":
        return _Mpeg4(extradata)
    if codec == "h264":
        return Fields(extradata)
    return None


def _vp8(packet: Packet[Any]) -> bool:
    """show_frame: RFC 6386, 9.1."""
    return bool(memoryview(packet)[0] & 0x10)


def _vp9(packet: Packet[Any]) -> bool:
    """Whether one of a superframe's frames is shown: VP9 bitstream specification, annex B and 7.2."""
    data = memoryview(packet)
    marker = data[-1]
    count, width = (marker & 7) + 1, (marker >> 3 & 3) + 1
    index = 2 + count * width
    if marker & 0xE0 != 0xC0 or len(data) <= index or data[-index] != marker:
        return _vp9_shown(data[0], data[1] if len(data) > 1 else 0)
    position, shown = 0, False
    for number in range(count):
        at = len(data) - index + 1 + number * width
        if position + 1 >= len(data):
            break
        shown = shown or _vp9_shown(data[position], data[position + 1])
        position += int.from_bytes(data[at : at + width], "little")
    return shown


def _vp9_shown(first: int, second: int) -> bool:
    bits = first << 8 | second
    profile = bits >> 13 & 1 | bits >> 11 & 2
    after = 11 if profile < 3 else 10  # profile 3 has a reserved bit
    return bool(bits >> after & 1 or bits >> (after - 2) & 1)


class _Mpeg4:
    """Coded VOPs (ISO/IEC 14496-2, 6.2.5). A packet with a VOP that is not coded shows nothing, unless the packet
    before held a second VOP: then this one is its place."""

    def __init__(self, extradata: bytes) -> None:
        self._time_bits = _vop_time_bits(extradata)
        self._waiting = 0

    def __call__(self, packet: Packet[Any]) -> bool:
        data = bytes(packet)
        if packet.is_keyframe or self._time_bits is None:
            self._time_bits = _vop_time_bits(data[:_ENOUGH]) or self._time_bits
        if self._time_bits is None:
            return True
        coded = sum(self._is_coded(data[at + 4 : at + 16], self._time_bits) for at in _starts(data, b"\0\0\1\xb6"))
        waiting = self._waiting + coded
        self._waiting = max(0, waiting - 1)
        return waiting > 0

    @staticmethod
    def _is_coded(vop: bytes, time_bits: int) -> bool:
        bits = Bits(vop)
        try:
            bits.read(2)
            while bits.read(1):
                pass
            bits.read(1 + time_bits + 1)
            return bool(bits.read(1))
        except IndexError:
            return True


def _vop_time_bits(data: bytes) -> int | None:
    """Bits of vop_time_increment, from the first video object layer (ISO/IEC 14496-2, 6.2.3)."""
    for start in _starts(data, b"\0\0\1"):
        if data[start + 3 : start + 4] and 0x20 <= data[start + 3] <= 0x2F:
            bits = Bits(data[start + 4 :])
            try:
                bits.read(9)
                version = bits.read(7) >> 3 if bits.read(1) else 1
                if bits.read(4) == 15:  # extended pixel aspect ratio
                    bits.read(16)
                if bits.read(1) and bits.read(4) & 1:  # control parameters, and among them those of the buffer
                    bits.read(79)
                if bits.read(2) == 3 and version != 1:
                    bits.read(4)
                bits.read(1)
                return max(1, (bits.read(16) - 1).bit_length())
            except IndexError:
                return None
    return None


def _starts(data: bytes, code: bytes) -> Iterator[int]:
    position = data.find(code)
    while position >= 0:
        yield position
        position = data.find(code, position + 3)
