"""What colours mean where a source does not say, and what is delivered of them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from transcoder.colour import assumed, delivered, is_rgb, peak_luminance
from transcoder.errors import UnsupportedMediaError
from transcoder.media import Colour, ContentLight, MasteringDisplay


def colour(primaries: int = 2, transfer: int = 2, matrix: int = 2, *, full: bool = False) -> Colour:
    return Colour(primaries=primaries, transfer=transfer, matrix=matrix, full_range=full)


@pytest.mark.parametrize(
    ("said", "size", "expected"),
    [
        (colour(), (1920, 1080), (1, 1, 1)),
        (colour(), (1280, 720), (1, 1, 1)),
        (colour(), (720, 576), (5, 6, 6)),
        (colour(), (720, 480), (6, 6, 6)),
        (colour(), (640, 360), (1, 1, 6)),
        (colour(matrix=1), (640, 360), (1, 1, 1)),
        (colour(matrix=6), (1920, 1080), (6, 6, 6)),
        (colour(matrix=5), (640, 360), (5, 6, 5)),
        (colour(primaries=9), (3840, 2160), (9, 14, 9)),
        (colour(transfer=16), (640, 360), (9, 16, 9)),
        (colour(transfer=18), (1920, 1080), (9, 18, 9)),
        (colour(9, 16, 9), (1920, 1080), (9, 16, 9)),
        # Reserved values say nothing, nor does RGB's number on a picture that is not RGB.
        (colour(0, 3, 0), (1920, 1080), (1, 1, 1)),
        # "Derived from the primaries" is their own system's matrix.
        (colour(9, 14, 12), (1920, 1080), (9, 14, 9)),
        (colour(1, 13, 12), (640, 360), (1, 13, 1)),
    ],
)
def test_what_is_not_said_is_filled_in(said: Colour, size: tuple[int, int], expected: tuple[int, int, int]) -> None:
    found = assumed(said, width=size[0], height=size[1], rgb=False)
    assert (found.primaries, found.transfer, found.matrix) == expected
    assert not found.full_range


def test_rgb_is_srgb_and_full() -> None:
    assert assumed(colour(), width=640, height=360, rgb=True) == colour(1, 13, 0, full=True)
    assert assumed(colour(9, 16, 9), width=640, height=360, rgb=True) == colour(9, 16, 0, full=True)
    assert [is_rgb(name) for name in ("gbrp", "rgba", "pal8", "yuv420p", "gray", "nv12")] == [True] * 3 + [False] * 3


@pytest.mark.parametrize("matrix", [8, 10, 13, 14])
def test_matrices_that_are_none_are_refused(matrix: int) -> None:
    with pytest.raises(UnsupportedMediaError, match="matrix"):
        assumed(colour(9, 14, matrix), width=640, height=360, rgb=False)


SDR, NTSC, PAL, WIDE = colour(1, 1, 1), colour(6, 6, 6), colour(5, 6, 5), colour(9, 14, 9)
PQ, HLG = colour(9, 16, 9), colour(9, 18, 9)


@pytest.mark.parametrize(
    ("source", "bits", "hdr", "expected"),
    [
        (SDR, 8, False, SDR), (NTSC, 8, False, NTSC), (PAL, 8, False, PAL), (PAL, 10, True, PAL),
        (WIDE, 8, False, SDR), (WIDE, 10, True, WIDE), (WIDE, 10, False, WIDE),
        (PQ, 8, False, SDR), (PQ, 10, True, PQ), (PQ, 10, False, SDR), (HLG, 8, False, SDR), (HLG, 10, True, HLG),
        (colour(1, 1, 1, full=True), 8, False, SDR), (colour(1, 13, 0, full=True), 8, False, colour(1, 13, 1)),
        (colour(12, 13, 1), 8, False, SDR), (colour(7, 7, 7), 8, False, SDR), (colour(1, 8, 1), 8, False, SDR),
        (colour(12, 16, 9), 10, True, PQ), (colour(1, 1, 4), 8, False, SDR),
    ],
)  # fmt: skip
def test_what_is_delivered(source: Colour, bits: int, hdr: bool, expected: Colour) -> None:
    assert delivered(source, bits=bits, hdr=hdr) == expected


def test_the_peak_is_the_contents_then_the_displays() -> None:
    point = (Fraction(1, 3), Fraction(1, 3))
    display = MasteringDisplay(
        red=point, green=point, blue=point, white=point, min_luminance=Fraction(0), max_luminance=Fraction(4000)
    )
    assert peak_luminance(display, ContentLight(max_content=800, max_average=1)) == 800
    assert peak_luminance(display, ContentLight(max_content=0, max_average=0)) == 4000
    assert peak_luminance(None, None) == 1000
    assert peak_luminance(None, ContentLight(max_content=65_535, max_average=1)) == 10_000
    assert peak_luminance(None, ContentLight(max_content=5, max_average=1)) == 203
