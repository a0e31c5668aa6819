"""Whether a source breaks off: its packets end before its container says that they do."""

from __future__ import annotations

from fractions import Fraction

import av
import av.container

from transcoder.probing.survey import Survey

__all__ = ["is_truncated"]

_SAY_THEIR_LENGTH = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "asf", "mxf", "wav"}
"""Containers whose header holds a duration that was written when all was known."""

_SHORTFALL = Fraction(1, 20)
_SHORTFALL_SECONDS = 2

_TRANSPORT_PACKETS = (188, 192, 204)


def is_truncated(container: av.container.InputContainer, found: Survey, size: int) -> bool:
    """Whether the tail of a source of `size` bytes is missing."""
    if found.broken_off:
        return True
    if container.format.name == "mpegts" and all(size % length for length in _TRANSPORT_PACKETS):
        return True
    for index, own in found.streams.items():
        if own.last_corrupt:
            return True
        entries = container.streams[index].index_entries
        if len(entries) and container.format.name.startswith("mov") and entries[-1].pos + entries[-1].size > size:
            return True
    return container.format.name in _SAY_THEIR_LENGTH and _is_short(container, found)


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
