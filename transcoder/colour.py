"""What a source's code values mean where it does not say, and what a rendition's will mean. Pure decisions.

All numbers are code points of ITU-T H.273: colour primaries (8.1), transfer characteristics (8.2), matrix coefficients
(8.3). Nothing here is unspecified: a player that has to guess may guess otherwise.
"""

from __future__ import annotations

from fractions import Fraction

import av

from transcoder.errors import UnsupportedMediaError
from transcoder.media import Colour, ContentLight, MasteringDisplay

__all__ = ["BT709", "assumed", "delivered", "is_rgb", "peak_luminance", "same_curve"]

BT709 = Colour(primaries=1, transfer=1, matrix=1)
"""What everything becomes that cannot be delivered as it is."""

_UNSPECIFIED = {0, 2, 3}
"""Reserved (0 is RGB where it is a matrix), unspecified, reserved."""

_WIDEST_SD, _TALLEST_SD = 1279, 719

_SYSTEMS = {1, 4, 5, 6, 7, 9}
"""Systems whose primaries and matrix have the same number (H.273, tables 2 and 4)."""

_MATRICES = {0, 1, 4, 5, 6, 7, 9}
"""Matrices that can be undone. Not: constant luminance (10, 13), ICtCp (14), others that need more than a matrix."""

_BT709_CURVE = {1, 6, 14, 15}
"""One curve under four numbers (H.273, table 3)."""

_SDR_PRIMARIES, _SDR_TRANSFERS, _SDR_MATRICES = {1, 5, 6}, {1, 6, 13}, {1, 5, 6}
"""What is delivered as it is at 8 bits: BT.709 and both kinds of BT.601. BT.2020 needs more bits."""

_LEAST_PEAK, _USUAL_PEAK, _HIGHEST_PEAK = 203, 1000, 10_000


def assumed(colour: Colour, *, width: int, height: int, rgb: bool) -> Colour:
    """A source's colour with everything filled in that it does not say, as players do.

    By what it does say, each of primaries, transfer and matrix standing for its system. Where it says nothing: RGB is
    sRGB; from 720 lines or 1280 columns on it is BT.709; below it is BT.601's matrix, with the primaries of the
    625-line system at 576 lines, of the 525-line system at 480 or 486, and BT.709's otherwise. `width` and `height`
    are the decoded picture's; `rgb` says that it has no matrix.

    Errors: UnsupportedMediaError for a matrix that nothing here can undo.
    """
    primaries, transfer, matrix = colour.primaries, colour.transfer, colour.matrix
    sd = width <= _WIDEST_SD and height <= _TALLEST_SD
    if rgb:
        matrix = 0
    elif matrix in _UNSPECIFIED or matrix == 12:  # 12: derived from the primaries
        matrix = 9 if transfer in {16, 18} else primaries if primaries in _SYSTEMS else 6 if sd else 1
    if matrix not in _MATRICES:
        raise UnsupportedMediaError(f"the picture's colour matrix ({matrix}) is not supported", {"matrix": matrix})
    if primaries in _UNSPECIFIED:
        if transfer in {16, 18}:
            primaries = 9
        elif colour.matrix in _SYSTEMS:
            primaries = colour.matrix
        else:
            primaries = {576: 5, 480: 6, 486: 6}.get(height, 1) if sd else 1
    if transfer in _UNSPECIFIED:
        transfer = 13 if rgb else 14 if primaries == 9 else 1 if primaries == 1 else 6
    return Colour(primaries=primaries, transfer=transfer, matrix=matrix, full_range=colour.full_range or rgb)


def delivered(source: Colour, *, bits: int, hdr: bool) -> Colour:
    """A rendition's colour for a source whose colour is `assumed`. Always limited range.

    High dynamic range stays PQ or HLG over BT.2020 where the rendition may have it (`hdr`). Of standard range, BT.709
    and BT.601 stay what they are, and so does BT.2020 from 10 bits on. Everything else becomes BT.709.
    """
    if source.hdr:
        return Colour(primaries=9, transfer=source.transfer, matrix=9) if hdr else BT709
    wide = {9} if bits > 8 else set()
    if source.primaries not in _SDR_PRIMARIES | wide or source.transfer not in _SDR_TRANSFERS | (
        {14, 15} if wide else set()
    ):
        return BT709
    keeps = source.matrix in _SDR_MATRICES | wide
    matrix = source.matrix if keeps else source.primaries
    return Colour(primaries=source.primaries, transfer=source.transfer, matrix=matrix)


def is_rgb(pixel_format: str) -> bool:
    """Whether pixels of this format, by libav's name, are red, green and blue, or point into a palette of such."""
    layout = av.VideoFormat(pixel_format, 2, 2)
    return layout.is_rgb or layout.has_palette


def same_curve(one: int, other: int) -> bool:
    """Whether two transfer characteristics are the same function."""
    return one == other or {one, other} <= _BT709_CURVE


def peak_luminance(mastering: MasteringDisplay | None, light: ContentLight | None) -> int:
    """The brightest light of a PQ source in cd/m2: its brightest pixel, else its display's, else 1000.

    Never below diffuse white (203 cd/m2, ITU-R BT.2408), nor above what PQ can say.
    """
    said: int | Fraction = light.max_content if light else 0
    said = said or (mastering.max_luminance if mastering else 0) or _USUAL_PEAK
    return max(_LEAST_PEAK, min(_HIGHEST_PEAK, round(said)))
