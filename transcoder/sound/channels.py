"""Channels: which layout a rendition gets, and the coefficients that mix a source's channels into it. Pure.

The coefficients are those of ITU-R BS.775-3, annex 4: what has no place of its own goes to its neighbours at -3 dB,
so that to stereo L' = L + 0.7071 C + 0.7071 Ls, and to mono C' = C + 0.7071 L + 0.7071 R + 0.5 Ls + 0.5 Rs. LFE is
left out. Where the coefficients of an output add up to more than 1, its peaks have to be held (transcoder/sound/
limiter.py).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt

__all__ = ["LAYOUT_CODES", "Mix", "channel_names", "folds", "kept_layout", "main_channels", "mix"]

LAYOUT_CODES = {
    "mono": 1, "stereo": 2, "3.0": 3, "4.0": 4, "5.0": 5, "5.0(side)": 5, "5.1": 6, "5.1(side)": 6,
    "3.0(back)": 9, "quad": 10, "2.2": 10, "6.1": 11, "7.1": 12,
}  # fmt: skip
"""ChannelConfiguration of ISO/IEC 23091-3 (CICP), table 8, by FFmpeg's name of the layout."""

_KEPT = {"aac": ("3.0", "4.0", "5.0", "5.1", "7.1"), "opus": ("3.0", "quad", "5.0", "5.1", "6.1", "7.1")}
"""Layouts of more than two channels that a codec has: ISO/IEC 14496-3, table 1.19; RFC 7845, 5.1.1.2."""

_MINUS_3_DB = math.sqrt(0.5)

_ROUNDING = 1e-6

_Shares = tuple[tuple[str, float], ...]

_NEIGHBOURS: dict[str, tuple[_Shares, ...]] = {
    "FL": ((("FC", _MINUS_3_DB),),),
    "FR": ((("FC", _MINUS_3_DB),),),
    "FC": ((("FL", _MINUS_3_DB), ("FR", _MINUS_3_DB)),),
    "LFE": ((),),
    "LFE2": ((),),
    "BL": ((("SL", 1),), (("BC", _MINUS_3_DB),), (("FL", _MINUS_3_DB),)),
    "BR": ((("SR", 1),), (("BC", _MINUS_3_DB),), (("FR", _MINUS_3_DB),)),
    "SL": ((("BL", 1),), (("BC", _MINUS_3_DB),), (("FL", _MINUS_3_DB),)),
    "SR": ((("BR", 1),), (("BC", _MINUS_3_DB),), (("FR", _MINUS_3_DB),)),
    "BC": ((("BL", _MINUS_3_DB), ("BR", _MINUS_3_DB)), (("SL", _MINUS_3_DB), ("SR", _MINUS_3_DB))),
    "FLC": ((("FL", _MINUS_3_DB),),),
    "FRC": ((("FR", _MINUS_3_DB),),),
    "WL": ((("FL", _MINUS_3_DB),),),
    "WR": ((("FR", _MINUS_3_DB),),),
    "SDL": ((("SL", 1),),),
    "SDR": ((("SR", 1),),),
    "DL": ((("FL", 1),),),
    "DR": ((("FR", 1),),),
    "TFL": ((("FL", _MINUS_3_DB),),),
    "TFC": ((("FC", _MINUS_3_DB),),),
    "TFR": ((("FR", _MINUS_3_DB),),),
    "TSL": ((("SL", _MINUS_3_DB),),),
    "TSR": ((("SR", _MINUS_3_DB),),),
    "TBL": ((("BL", _MINUS_3_DB),),),
    "TBC": ((("BC", _MINUS_3_DB),),),
    "TBR": ((("BR", _MINUS_3_DB),),),
    "TC": ((("FC", _MINUS_3_DB),),),
    "BFL": ((("FL", _MINUS_3_DB),),),
    "BFC": ((("FC", _MINUS_3_DB),),),
    "BFR": ((("FR", _MINUS_3_DB),),),
    # Ambisonics of the first order: two cardioids that look left and right.
    "AMBI0": ((("FL", 0.5), ("FR", 0.5)),),
    "AMBI1": ((("FL", 0.5), ("FR", -0.5)),),
}
"""Where a channel goes that the output does not have. The first entry whose places are all there is taken, else the
last one, whose places then go to their own neighbours."""

_USUAL = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
"""Layouts by their number of channels, for sources that do not say which channels they have."""

_LOW = {"LFE", "LFE2"}

_UNNAMED = {"NONE", "UNK", "UNSD"}


class Mix(NamedTuple):
    """The channels of an output: its layout by FFmpeg's name, its samples a second, and whether it is `folded`: made of
    so many channels that it could clip.
    """

    layout: str
    sample_rate: int
    folded: bool = False


def channel_names(layout: str) -> tuple[str, ...]:
    """The channels of a layout, given by FFmpeg's name or description, in the order of the samples.

    A layout that only counts its channels is taken for the usual one of that number; of more than eight such channels
    the first two are taken as stereo, as broadcasters put their mix there, and the others named "NONE": not used.
    """
    names = tuple(channel.name for channel in av.AudioLayout(layout).channels)
    if not any(name in _UNNAMED for name in names):
        return names
    if len(names) <= len(_USUAL):
        return channel_names(_USUAL[len(names) - 1])
    return ("FL", "FR", *("NONE" for _ in names[2:]))


def main_channels(names: tuple[str, ...]) -> int:
    """How many channels carry the full range: all but LFE, and those that are not used."""
    return sum(name not in {*_LOW, "NONE"} for name in names)


def kept_layout(codec: str, names: tuple[str, ...]) -> str | None:
    """The layout that keeps most of a source's channels in a codec, with as few others as possible.

    None where the source has no more than two full channels that have a place: stereo keeps all of it.
    """

    def kept(layout: str) -> int:
        shares = (_shares(name, channel_names(layout)) for name in names if name not in _LOW)
        return len({place for own in shares for place, share in own.items() if share == 1})

    best = max(_KEPT[codec], key=lambda layout: (kept(layout), *_economy(layout, names)))
    return best if kept(best) > 2 else None


def _economy(layout: str, names: tuple[str, ...]) -> tuple[bool, int]:
    """What is better of two layouts that keep as many channels: LFE where there is one, then fewer channels."""
    places = channel_names(layout)
    return any(name in places for name in names if name in _LOW), -len(places)


def mix(names: tuple[str, ...], layout: str) -> npt.NDArray[np.float32]:
    """The coefficients that make a layout of channels, given by name: shape (channels of the layout, channels)."""
    places = channel_names(layout)
    matrix = np.zeros((len(places), len(names)))
    for column, name in enumerate(names):
        for place, share in _shares(name, places).items():
            matrix[places.index(place), column] = share
    return matrix.astype(np.float32)


def folds(names: tuple[str, ...], layout: str) -> bool:
    """Whether a mix of full channels can exceed full scale."""
    return float(np.abs(mix(names, layout)).sum(axis=1).max()) > 1 + _ROUNDING


def _shares(name: str, places: tuple[str, ...]) -> dict[str, float]:
    """What of a channel goes to which places."""
    if name in places:
        return {name: 1}
    choices = _NEIGHBOURS.get(name, ((),))
    chosen = next((shares for shares in choices if all(place in places for place, _ in shares)), choices[-1])
    found: dict[str, float] = {}
    for neighbour, share in chosen:
        for place, part in _shares(neighbour, places).items():
            found[place] = found.get(place, 0) + share * part
    return found
