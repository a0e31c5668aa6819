"""Levels of H.264 and HEVC: the smallest one that a rendition fits into (ITU-T H.264, table A-1; H.265, A.8 and A.9).

An encoder left alone derives the level from what it is told for one chunk, and chunks are told different rates. So it
is chosen here, from what the rendition promises.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

__all__ = ["avc_level", "hevc_level"]


class _Level(NamedTuple):
    """Limits of a level: its number times ten; units (macroblocks, luma samples) a second and a picture; units in the
    decoded picture buffer; kbit a second and in the coded picture buffer."""

    number: int
    rate: int
    size: int
    stored: int
    bitrate: int
    buffer: int


_AVC = tuple(
    _Level(*row)
    for row in (
        (10, 1_485, 99, 396, 64, 175), (11, 3_000, 396, 900, 192, 500), (12, 6_000, 396, 2_376, 384, 1_000),
        (13, 11_880, 396, 2_376, 768, 2_000), (20, 11_880, 396, 2_376, 2_000, 2_000),
        (21, 19_800, 792, 4_752, 4_000, 4_000), (22, 20_250, 1_620, 8_100, 4_000, 4_000),
        (30, 40_500, 1_620, 8_100, 10_000, 10_000), (31, 108_000, 3_600, 18_000, 14_000, 14_000),
        (32, 216_000, 5_120, 20_480, 20_000, 20_000), (40, 245_760, 8_192, 32_768, 20_000, 25_000),
        (41, 245_760, 8_192, 32_768, 50_000, 62_500), (42, 522_240, 8_704, 34_816, 50_000, 62_500),
        (50, 589_824, 22_080, 110_400, 135_000, 135_000), (51, 983_040, 36_864, 184_320, 240_000, 240_000),
        (52, 2_073_600, 36_864, 184_320, 240_000, 240_000), (60, 4_177_920, 139_264, 696_320, 240_000, 240_000),
        (61, 8_355_840, 139_264, 696_320, 480_000, 480_000), (62, 16_711_680, 139_264, 696_320, 800_000, 800_000),
    )
)  # fmt: skip

_HEVC = tuple(
    _Level(number, rate, size, 0, bitrate, buffer)
    for number, rate, size, bitrate, buffer in (
        (10, 552_960, 36_864, 128, 350), (20, 3_686_400, 122_880, 1_500, 1_500),
        (21, 7_372_800, 245_760, 3_000, 3_000), (30, 16_588_800, 552_960, 6_000, 6_000),
        (31, 33_177_600, 983_040, 10_000, 10_000), (40, 66_846_720, 2_228_224, 12_000, 12_000),
        (41, 133_693_440, 2_228_224, 20_000, 20_000), (50, 267_386_880, 8_912_896, 25_000, 25_000),
        (51, 534_773_760, 8_912_896, 40_000, 40_000), (52, 1_069_547_520, 8_912_896, 60_000, 60_000),
        (60, 1_069_547_520, 35_651_584, 60_000, 60_000), (61, 2_139_095_040, 35_651_584, 120_000, 120_000),
        (62, 4_278_190_080, 35_651_584, 240_000, 240_000),
    )
)  # fmt: skip
"""The main tier. Its picture buffer always has room for what x265 refers to."""


def avc_level(
    width: int, height: int, rate: Fraction, bitrate: int, buffer: int, *, references: int, factor: int
) -> tuple[int, int]:
    """The level (31 is 3.1) and the reference pictures it allows, at most `references`.

    `bitrate` and `buffer` in bits (a second); `factor` is cpbBrVclFactor of the profile (table A-2): 1000 for Baseline
    and Main, 1250 for High, 3000 for High 10. Beyond the highest level it is the highest.
    """
    wide, high = -(-width // 16), -(-height // 16)
    level = _smallest(_AVC, wide, high, rate, bitrate / factor, buffer / factor)
    return level.number, max(1, min(references, 16, level.stored // (wide * high)))


def hevc_level(width: int, height: int, rate: Fraction, bitrate: int, buffer: int) -> int:
    """The level of the main tier: 31 is 3.1. Beyond the highest it is the highest."""
    # Sizes in minimum coding blocks of 8 luma samples.
    return _smallest(_HEVC, -(-width // 8) * 8, -(-height // 8) * 8, rate, bitrate / 1000, buffer / 1000).number


def _smallest(
    levels: tuple[_Level, ...], wide: int, high: int, rate: Fraction, bitrate: float, buffer: float
) -> _Level:
    for level in levels:
        fits = wide * high <= level.size and max(wide, high) <= math.isqrt(8 * level.size)
        if fits and wide * high * rate <= level.rate and bitrate <= level.bitrate and buffer <= level.buffer:
            return level
    return levels[-1]
