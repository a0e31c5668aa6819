"""The decoder's buffer: how many bits a chunk may spend so that all chunks together never empty it. Pure.

A rendition promises a leaky bucket (ITU-T H.264, C.3, and H.265, C.3, the variable-rate case): `buffer` bits large,
full at the start, refilled at `max_bitrate` and never beyond its size; every picture takes its bits out at its
decode time. Chunks are encoded without knowing what their neighbours spent, so at each join a part of the bucket is
promised: the chunk before leaves that much, and the chunk after begins as if there were no more.

A chunk of T seconds that finds `found` bits and leaves `left` is encoded for a bucket of at most `buffer - left` bits
that has `found` bits at its start and is refilled at `max_bitrate - left / T`. It spends at most
`found + (max_bitrate - left / T) * T`, which is what it found and what comes in less what it leaves. And no run of
pictures at its end spends more than `buffer - left` beyond the inflow: so `left` is there also where the bucket had
been full in between. Both hold whatever the content is, and by induction for any number of chunks.

Encoders save bits where their bucket is not nearly full. So a chunk's bucket is hardly larger than what it finds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Budget", "Shortage", "chunk_budget", "first_shortage", "join_bits"]


_MOST_OF_INFLOW = Fraction(3, 4)
"""What a short chunk leaves of all that comes in while it lasts."""

_FULLNESS = Fraction(9, 10)
"""How full a chunk's bucket is at its start."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What an encoder is told: refill in bits a second, the bucket's size and its content at the start in bits."""

    max_bitrate: int
    buffer: int
    initial: int


@dataclass(frozen=True, slots=True)
class Shortage:
    """A picture that is not there in time: its place in decode order, and the bits that are missing."""

    picture: int
    missing: int


def join_bits(max_bitrate: int, buffer: int, before: Fraction) -> Fraction:
    """What a chunk of `before` seconds leaves in the bucket: half of it, but most of its own inflow at most."""
    return min(Fraction(buffer, 2), _MOST_OF_INFLOW * max_bitrate * before)


def chunk_budget(max_bitrate: int, buffer: int, seconds: Fraction, *, before: Fraction, last: bool = False) -> Budget:
    """The budget of a chunk of so many seconds after one of `before` seconds.

    The first one (0 before it) finds a full bucket, the last leaves nothing.
    """
    left = Fraction(0) if last else join_bits(max_bitrate, buffer, seconds)
    rate = max_bitrate - left / seconds if left else Fraction(max_bitrate)
    if not before:
        return Budget(int(rate), int(buffer - left), int(buffer - left))
    found = join_bits(max_bitrate, buffer, before)
    size = min(buffer - left, found / _FULLNESS)
    return Budget(int(rate), int(size), int(min(found, size)))


def first_shortage(
    pictures: Iterable[tuple[int, int]], timescale: int, max_bitrate: int, buffer: int
) -> Shortage | None:
    """The first picture that underflows the bucket, or None. `pictures` are decode times in ticks of `timescale` a
    second and sizes in bytes, in decode order. Exact: in units of a bit divided by the timescale."""
    level, before = buffer * timescale, None
    for index, (time, size) in enumerate(pictures):
        if before is not None:
            level = min(buffer * timescale, level + max_bitrate * (time - before))
        level, before = level - 8 * size * timescale, time
        if level < 0:
            return Shortage(index, -(level // timescale))
    return None
