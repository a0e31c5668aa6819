"""Whether pictures are woven of two fields of different times: measured on the pictures, whatever the flags say.

The measure is that of FFmpeg's idet filter: where something moves, a line of one field lies between the lines of the
other field of the same time, and not between those of the other. Telecined film (three progressive pictures, then two
woven ones) is recognised by its cadence and left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["SPOT_PICTURES", "FieldOrder", "Weave", "field_order", "flagged_order", "luma", "weaves"]

FieldOrder = Literal["progressive", "tff", "bff", "interlaced"]
Weave = Literal["tff", "bff", "progressive", "undetermined"]

SPOT_PICTURES = 12
"""Consecutive pictures that are looked at in one place: two cadences of telecine, and a neighbour at each end."""

_INTERLACED, _PROGRESSIVE = 1.04, 1.5
"""idet's thresholds (libavfilter/vf_idet.c)."""

_MOTION = 6
"""Code values by which a pixel has to change to be called moving."""

_EQUAL = 1.1

_FIT, _TOOTH, _COMBED = 8, 12, 0.025
"""Code values that lines of a field may differ by, and that lines of two fields have to; the share of pixels where they
do. Found with test cards and films, woven and not."""

_ENOUGH_FLAGGED, _ENOUGH = 0.1, 0.4
"""The share of woven pictures, of those that something can be said of, from which on a title is interlaced."""

_AGREED = 0.8
"""So many of them have to say the same order of fields."""

_CADENCE = 5
_MOST_COLUMNS = 960

Luma = NDArray[np.int32]


def luma(frame: av.VideoFrame) -> Luma:
    """A picture's lines, all of them; columns are left out where there are many."""
    grey = frame.reformat(format="gray").to_ndarray()
    stride = max(1, -(-grey.shape[1] // _MOST_COLUMNS))
    return grey[:, ::stride].astype(np.int32)


def weaves(pictures: Sequence[Luma], flagged: FieldOrder) -> list[Weave]:
    """The verdict on each of some consecutive pictures but the first and the last. What cannot be seen well is as the
    stream says (`flagged`)."""
    neighbours = zip(pictures, pictures[1:], pictures[2:], strict=False)
    return [_weave(before, picture, after, flagged) for before, picture, after in neighbours]


def _weave(before: Luma, picture: Luma, after: Luma, flagged: FieldOrder) -> Weave:
    if not before.shape == picture.shape == after.shape or picture.shape[0] < 8:
        return "undetermined"
    around = picture[1:-3] + picture[3:-1]  # of lines 2, 3, ..., h - 3
    with_before = np.abs(around - 2 * before[2:-2])
    with_after = np.abs(around - 2 * after[2:-2])
    own = np.abs(around - 2 * picture[2:-2])
    top, bottom = _fields(with_before, with_after), _fields(with_after, with_before)
    woven: Weave | None = "tff" if top > _INTERLACED * bottom else "bff" if bottom > _INTERLACED * top else None
    if woven is None:
        return "progressive" if bottom > _PROGRESSIVE * int(own.sum()) else "undetermined"
    moving = np.maximum(np.abs(picture - before), np.abs(picture - after))[2:-2] > _MOTION
    if _is_combed(picture, moving):
        return woven
    # The two fields of a picture are as far apart in time as each is from its neighbour's: where something moves, a
    # line fits its own picture no better than the neighbour. A picture of one time fits itself better, also where a
    # sharp edge that moves upwards or downwards has misled idet.
    nearest = min(
        _fields(with_before * moving, with_after * moving), _fields(with_after * moving, with_before * moving)
    )
    if nearest < _EQUAL * int((own * moving).sum()):
        return woven
    weak: dict[FieldOrder, Weave] = {"progressive": "progressive", "interlaced": woven, "tff": "tff", "bff": "bff"}
    return weak[flagged]


def _is_combed(picture: Luma, moving: NDArray[np.bool_]) -> bool:
    """Whether enough of the moving pixels that fit their own field stand out between the lines of the other one.

    Where there are few, they are compared with pixels of which the opposite is true: in noise there are as many.
    """
    near = picture[1:-3] - picture[2:-2], picture[3:-1] - picture[2:-2]
    far = picture[:-4] - picture[2:-2], picture[4:] - picture[2:-2]
    fitting = moving & _fits(*far)
    combed, opposite = int((fitting & _stands_out(*near)).sum()), int((moving & _fits(*near) & _stands_out(*far)).sum())
    share = combed / max(1, int(fitting.sum()))
    return share > _COMBED or (share > _COMBED / 2 and combed > 2 * opposite)


def _fits(above: Luma, below: Luma) -> NDArray[np.bool_]:
    return (np.abs(above) < _FIT) & (np.abs(below) < _FIT)


def _stands_out(above: Luma, below: Luma) -> NDArray[np.bool_]:
    return (np.minimum(np.abs(above), np.abs(below)) > _TOOTH) & (above * below > 0)


def _fields(even: Luma, odd: Luma) -> int:
    return int(even[::2].sum()) + int(odd[1::2].sum())


def field_order(spots: Sequence[Sequence[Weave]], flagged: FieldOrder) -> tuple[FieldOrder, bool]:
    """The order of a title's fields, and whether it is telecined film, which is left alone.

    `spots` are the verdicts of some places, `flagged` is what the stream says. Where nothing moves, there is nothing to
    see, and the stream is believed. Woven pictures are believed where they agree on the order; what calls itself
    interlaced needs fewer of them, because parts of it may be film.
    """
    seen = [verdict for spot in spots for verdict in spot]
    tops, bottoms = seen.count("tff"), seen.count("bff")
    woven, clear = tops + bottoms, seen.count("progressive")
    if not woven and not clear:
        return flagged, False
    if woven and _telecined(spots):
        return "progressive", True
    share = _ENOUGH_FLAGGED if flagged != "progressive" else _ENOUGH
    if woven < share * (woven + clear) or woven < share / 2 * len(seen) or max(tops, bottoms) < _AGREED * woven:
        return "progressive", False
    return ("tff" if tops > bottoms else "bff"), False


def _telecined(spots: Sequence[Sequence[Weave]]) -> bool:
    """Whether, wherever it can be seen, two of five pictures are woven, always the same two."""
    seen = [spot for spot in spots if any(verdict in {"tff", "bff"} for verdict in spot)]
    return bool(seen) and sum(map(_has_cadence, seen)) > len(seen) / 2


def _has_cadence(spot: Sequence[Weave]) -> bool:
    woven = [verdict in {"tff", "bff"} for verdict in spot]
    clear = [verdict == "progressive" for verdict in spot]
    for phase in range(_CADENCE):
        pair = {phase, (phase + 1) % _CADENCE}
        wrong = sum(
            (is_woven and number % _CADENCE not in pair) or (is_clear and number % _CADENCE in pair)
            for number, (is_woven, is_clear) in enumerate(zip(woven, clear, strict=True))
        )
        if wrong == 0 and sum(woven) >= _CADENCE - 2 and any(a and b for a, b in pairwise(woven)):
            return True
    return False


def flagged_order(field: int, interlaced: bool) -> FieldOrder:
    """What a stream says: libav's AVFieldOrder, and whether its first picture calls itself interlaced.

    Where one field is stored first and the other shown first, FFmpeg's muxers and QuickTime's specification mean
    opposite things: that says no more than that there are fields.
    """
    order: dict[int, FieldOrder] = {2: "tff", 3: "bff", 4: "interlaced", 5: "interlaced"}
    return order.get(field, "interlaced" if interlaced else "progressive")
