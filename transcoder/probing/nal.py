"""Units of the network abstraction layer, of H.264 and HEVC, in either of their two formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from av.packet import Packet

__all__ = ["length_size", "parameter_sets", "starts_afresh", "units"]

_LENGTH_AT = {"h264": 4, "hevc": 21}
"""Where a configuration record says how many bytes a unit's length has: ISO/IEC 14496-15, 5.3.3.1.2 and 8.3.3.1.2."""

_IDR_SLICES = {"h264": {5}, "hevc": {19, 20}}
"""nal_unit_type: ITU-T H.264, table 7-1; H.265, table 7-1."""


def length_size(codec: str, extradata: bytes) -> int:
    """Bytes of the length before each unit; 0 where there are start codes instead."""
    at = _LENGTH_AT[codec]
    return (extradata[at] & 3) + 1 if len(extradata) > at and extradata[0] == 1 else 0


def units(data: bytes, size: int) -> Iterator[bytes]:
    """The units of a packet whose lengths have `size` bytes, or none."""
    return _counted(data, size) if size else _delimited(data)


def parameter_sets(extradata: bytes) -> Iterator[bytes]:
    """H.264's, of a configuration record (ISO/IEC 14496-15, 5.3.3.1.2) or after start codes."""
    if not length_size("h264", extradata):
        yield from _delimited(extradata)
        return
    position = 5
    for mask in (0x1F, 0xFF):
        if position >= len(extradata):
            return
        count, position = extradata[position] & mask, position + 1
        for _ in range(count):
            size = int.from_bytes(extradata[position : position + 2])
            yield extradata[position + 2 : position + 2 + size]
            position += 2 + size


def starts_afresh(codec: str, extradata: bytes) -> Callable[[Packet[Any]], bool] | None:
    """Whether a keyframe is one that no later picture is shown before: an IDR picture. None for other codecs."""
    if codec not in _IDR_SLICES:
        return None
    size, kinds = length_size(codec, extradata), _IDR_SLICES[codec]

    def is_idr(packet: Packet[Any]) -> bool:
        found = (unit[0] for unit in units(bytes(packet), size) if unit)
        return any((first & 0x1F if codec == "h264" else first >> 1 & 0x3F) in kinds for first in found)

    return is_idr


def _counted(data: bytes, size: int) -> Iterator[bytes]:
    position = 0
    while position + size < len(data):
        length = int.from_bytes(data[position : position + size])
        position += size
        yield data[position : position + length]
        position += length


def _delimited(data: bytes) -> Iterator[bytes]:
    """The byte stream format: annex B of either standard."""
    position = data.find(b"\0\0\1")
    while position >= 0:
        following = data.find(b"\0\0\1", position + 3)
        yield data[position + 3 : following if following >= 0 else len(data)]
        position = following
