"""Whether a source breaks off: its packets end before its container says that they do."""

from __future__ import annotations

from fractions import Fraction
from typing import BinaryIO

import av
import av.container

from transcoder.probing.survey import Survey

__all__ = ["is_truncated"]

_SAY_THEIR_LENGTH = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "asf", "mxf", "wav"}
"""Containers whose header holds a duration that was written when all was known."""

_SHORTFALL = Fraction(1, 20)
_SHORTFALL_SECONDS = 2

_HEAD = 4096
_UNKNOWN_RIFF = 0xFFFF_FF00

_TRANSPORT_PACKETS = (188, 192, 204)


def is_truncated(container: av.container.InputContainer, found: Survey, file: BinaryIO, size: int) -> bool:
    """Whether the tail of a source of `size` bytes is missing."""
    if found.broken_off or _ends_too_early(container.format.name, file, size):
        return True
    for index, own in found.streams.items():
        if own.last_corrupt:
            return True
        entries = container.streams[index].index_entries
        if len(entries) and container.format.name.startswith("mov") and entries[-1].pos + entries[-1].size > size:
            return True
    return container.format.name in _SAY_THEIR_LENGTH and _is_short(container, found)


def _ends_too_early(name: str, file: BinaryIO, size: int) -> bool:
    """Whether the bytes themselves say that there should be more."""
    file.seek(0)
    head = file.read(_HEAD)
    if name == "mpegts":
        return all(size % length for length in _TRANSPORT_PACKETS)
    if name in {"avi", "wav"} and head[:4] == b"RIFF":
        return size < 8 + int.from_bytes(head[4:8], "little") < _UNKNOWN_RIFF
    if name == "matroska,webm":
        return size < _segment_end(head)
    if name == "flv":
        # Each tag is followed by its size, that of its own head of 11 bytes included.
        file.seek(max(0, size - 4))
        length = int.from_bytes(file.read(4))
        file.seek(max(0, size - 4 - length))
        tag = file.read(4)
        return length < 11 or length > size - 4 or int.from_bytes(tag[1:4]) + 11 != length
    return False


def _segment_end(head: bytes) -> int:
    """Where a Matroska file's segment ends (RFC 8794, 4 and 5; RFC 9559, 5.1); 0 where it does not say."""
    try:
        length, size = _number(head, 4)
        position = 4 + length + size
        if head[position : position + 4] != b"\x18\x53\x80\x67":
            return 0
        length, size = _number(head, position + 4)
    except IndexError:
        return 0
    return 0 if size == (1 << 7 * length) - 1 else position + 4 + length + size


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Bytes and value of a variable-length number."""
    length = 9 - data[at].bit_length()
    return length, int.from_bytes(data[at : at + length]) & ((1 << 7 * length) - 1)


def _is_short(container: av.container.InputContainer, found: Survey) -> bool:
    ends = [
        own.end * (container.streams[index].time_base or 0)
        for index, own in found.streams.items()
        if own.end is not None
    ]
    if not ends or not container.duration:
        return False
    said = Fraction(container.duration, av.time_base)
    missing = said + Fraction(container.start_time or 0, av.time_base) - max(ends)
    return missing > max(Fraction(_SHORTFALL_SECONDS), said * _SHORTFALL)
