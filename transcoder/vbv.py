"""The decoder's buffer: how many bits a chunk may spend so that all chunks together never empty it. Pure.

A rendition promises a leaky bucket (ITU-T H.264, C.3, and H.265, C.3, the variable-rate case): `buffer` bits large,
full at the start, refilled at `max_bitrate` and never beyond its size; every picture takes its bits out at its
decode time. Chunks are encoded without knowing what their neighbours spent, so a join has a price of its own,
`join` bits: every chunk leaves at least that much, and the next begins as if there were no more.

A chunk of T seconds is encoded for a bucket of `buffer - join` bits that is refilled at `max_bitrate - join / T`.
It spends at most `join + (max_bitrate - join / T) * T`, which is what comes in during T: so it leaves what it found.
And no run of pictures at its end spends more than `buffer - join` beyond the inflow: so `join` is there also where the
bucket had been full in between. Both hold whatever the content is, and by induction for any number of chunks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Budget", "Shortage", "chunk_budget", "first_shortage", "join_bits"]


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


def join_bits(max_bitrate: int, buffer: int, shortest_chunk: Fraction) -> int:
    """What every chunk leaves in the bucket: a third of it, but no more than half of the shortest chunk's inflow.

    `shortest_chunk` in seconds.
    """
    return int(min(Fraction(buffer, 3), max_bitrate * shortest_chunk / 2))


def chunk_budget(
    max_bitrate: int, buffer: int, join: int, seconds: Fraction, *, first: bool = False, last: bool = False
) -> Budget:
    """The budget of a chunk of so many seconds. The first one begins with a full bucket; the last leaves nothing."""
    size = buffer - join
    # A chunk that is shorter than expected may not take all that it finds.
    taken = min(Fraction(join), max_bitrate * seconds / 2)
    rate = Fraction(max_bitrate) if last else max_bitrate - taken / seconds
    return Budget(max_bitrate=int(rate), buffer=size, initial=size if first else max(1, int(taken)))


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
