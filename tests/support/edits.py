"""MP4 files whose boxes are changed: edit lists and crops that no muxer would write.

The files have their `moov` box at the end, so that the media data stays where it is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

__all__ = ["box", "with_edits", "with_sample_entry_box"]

_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
_VISUAL_ENTRY = 86
"""Bytes of a VisualSampleEntry before its boxes: ISO/IEC 14496-12, 12.1.3."""


def box(kind: bytes, body: bytes) -> bytes:
    """A box around a body."""
    return struct.pack(">I", 8 + len(body)) + kind + body


def with_edits(data: bytes, edits: Sequence[tuple[int, int]]) -> bytes:
    """The file with an edit list in its first track: (duration in the movie's ticks, media time) each."""
    entries = b"".join(struct.pack(">IiI", duration, time, 0x10000) for duration, time in edits)
    elst = box(b"elst", struct.pack(">II", 0, len(edits)) + entries)
    return _rewritten(data, lambda kind, body: _edited(kind, body, elst))


def with_sample_entry_box(data: bytes, added: bytes) -> bytes:
    """The file with a box more in the sample entries of its video."""
    return _rewritten(data, lambda kind, body: _extended(kind, body, added))


def _edited(kind: bytes, body: bytes, elst: bytes) -> bytes:
    if kind != b"trak":
        return body
    kept = b"".join(box(inner, content) for inner, content in _boxes(body) if inner != b"edts")
    first = struct.unpack(">I", body[:4])[0]
    return kept[:first] + box(b"edts", elst) + kept[first:]


def _extended(kind: bytes, body: bytes, added: bytes) -> bytes:
    if kind != b"stsd":
        return body
    ((entry, content),) = _boxes(body[8:])
    return body[:8] + box(entry, content[: _VISUAL_ENTRY - 8] + added + content[_VISUAL_ENTRY - 8 :])


def _boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    found, position = [], 0
    while position < len(data):
        size, kind = struct.unpack(">I4s", data[position : position + 8])
        found.append((kind, data[position + 8 : position + size]))
        position += size
    return found


def _rewritten(data: bytes, change: Callable[[bytes, bytes], bytes]) -> bytes:
    parts = []
    for kind, body in _boxes(data):
        inner = _rewritten(body, change) if kind in _CONTAINERS else body
        parts.append(box(kind, change(kind, inner)))
    return b"".join(parts)
