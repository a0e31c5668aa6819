"""Trick play: one picture a segment, for fast forward and backward. Nothing is encoded twice.

The first picture of each segment of one rung is a keyframe; these alone make a rendition of their own, in segments of
the same numbers, starts and lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.video
from av.packet import Packet

from transcoder.errors import InternalError
from transcoder.fragments import FragmentWriter
from transcoder.ladder import Rendition

__all__ = ["TRICK", "trick_rung", "write_trick"]

TRICK = "trick"
"""The id of the rendition."""

_LINES = 480
"""What people see for a moment while they seek needs no more lines."""


SHORTEST_SECONDS = 6
"""In a shorter title there is nothing to skip."""


def trick_rung(renditions: Sequence[Rendition], duration: Fraction) -> str | None:
    """The id of the rung whose keyframes are taken: the largest of few lines, or else the smallest. Pure.

    In a ladder of several codecs it is H.264's, which every player can show. None where the title, of so many seconds,
    is too short for trick play.
    """
    if duration < SHORTEST_SECONDS:
        return None
    renditions = [own for own in renditions if own.codec == "h264"] or renditions
    few = [own for own in renditions if min(own.width, own.height) <= _LINES]
    by_size = sorted(few or renditions, key=lambda own: own.width * own.height)
    return by_size[-1 if few else 0].id if by_size else None


def write_trick(encoded: Path, path: Path, timescale: int, end: int) -> Path:
    """Write the keyframes of an encoded chunk, a file of one fragment a segment, as a file of the same kind.

    Each is shown until the next one; the last ends at tick `end`. No picture waits for another, so there is no
    presentation delay.

    Errors: InternalError where the chunk has no keyframe.
    """
    with av.open(str(encoded), "r", format="mp4") as source:
        stream = source.streams.video[0]
        keyframes: list[Packet[Any]] = [packet for packet in source.demux(stream) if packet.size and packet.is_keyframe]
        if not keyframes or any(packet.pts is None for packet in keyframes):
            raise InternalError("an encoded chunk has no keyframe")
        writer = FragmentWriter(path, timescale)
        try:
            target = writer.container.add_stream_from_template(stream, opaque=True)
            target.codec_tag = stream.codec_tag  # else HEVC would be `hev1`
            for packet in keyframes:
                packet.stream = target
            writer.add(keyframes)
        except BaseException:
            writer.abort()
            raise
        writer.finish(end)
    return path
