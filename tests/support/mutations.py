"""Damage to files, the same for the same random numbers."""

from __future__ import annotations

import struct
from random import Random

__all__ = ["mutated"]

_EXTREMES = (0, 1, 7, 8, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x00FFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def mutated(data: bytes, random: Random) -> bytes:
    """The bytes with one to three kinds of damage."""
    result = bytearray(data)
    for _ in range(random.randint(1, 3)):
        if len(result) < 64:
            break
        random.choice((_flip, _flip_near_the_start, _lengths, _cut, _behead, _swap, _blank, _repeat))(result, random)
    return bytes(result)


def _flip(data: bytearray, random: Random) -> None:
    for _ in range(random.choice((1, 4, 16, 64))):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _flip_near_the_start(data: bytearray, random: Random) -> None:
    """Where most containers keep what they say about themselves."""
    for _ in range(random.choice((1, 4, 16))):
        data[random.randrange(min(len(data), 2048))] ^= 1 << random.randrange(8)


def _lengths(data: bytearray, random: Random) -> None:
    """Numbers that are far too small or large, in either byte order: sizes, counts, times, positions."""
    for _ in range(random.choice((1, 3, 9))):
        end = len(data) if random.random() < 0.5 else min(len(data), 4096)
        at = random.randrange(end - 8)
        form = random.choice((">I", "<I", ">H", "<H"))
        struct.pack_into(form, data, at, random.choice(_EXTREMES) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))


def _cut(data: bytearray, random: Random) -> None:
    del data[random.randrange(32, len(data)) :]


def _behead(data: bytearray, random: Random) -> None:
    del data[: random.randrange(1, len(data) - 32)]


def _swap(data: bytearray, random: Random) -> None:
    size = random.randrange(1, max(2, len(data) // 4))
    one, other = sorted((random.randrange(len(data) - size), random.randrange(len(data) - size)))
    data[one : one + size], data[other : other + size] = data[other : other + size], data[one : one + size]


def _blank(data: bytearray, random: Random) -> None:
    size = random.randrange(1, max(2, len(data) // 8))
    at = random.randrange(len(data) - size)
    data[at : at + size] = bytes([random.choice((0, 0xFF))]) * size


def _repeat(data: bytearray, random: Random) -> None:
    size = random.randrange(1, max(2, len(data) // 4))
    at = random.randrange(len(data) - size)
    data[at:at] = data[at : at + size]
