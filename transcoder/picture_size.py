"""The size of a rung's picture: the source's shape in square pixels, even, legal for the encoder. Pure."""

from __future__ import annotations

from fractions import Fraction

__all__ = ["fit"]

_SMALLEST = {"h264": 16, "hevc": 32, "av1": 32}
"""Lines and columns below which encoders refuse, or decoders may."""

_LARGEST = 8192
"""The longer side that the highest levels of all codecs allow (H.265, A.4.1: a long thin picture has less)."""


def fit(display: tuple[int, int], lines: int, codec: str) -> tuple[int, int]:
    """Width and height of a picture whose shorter side has at most `lines`, for a source of size `display`.

    The display aspect ratio is kept to the next even number. Never larger than the source, unless that is smaller
    than an encoder's smallest picture; a picture too long for any level gets smaller as a whole. Where no size is legal
    otherwise (a source of 8192 by 2), the aspect ratio gives way.
    """
    width, height = display
    scale = min(Fraction(lines, min(display)), Fraction(1), Fraction(_LARGEST, max(display)))
    return _side(width, scale, codec), _side(height, scale, codec)


def _side(size: int, scale: Fraction, codec: str) -> int:
    even = min(2 * round(size * scale / 2), size // 2 * 2)
    return max(_SMALLEST[codec], even)
