"""Sprite sheets made: the small pictures of a title, several in one JPEG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np

from transcoder.limits import DEFAULT_LIMITS, Limits
from transcoder.media import Keyframe
from transcoder.plan import VideoTrack
from transcoder.thumbnails.sheets import SpriteSheets
from transcoder.thumbnails.stills import stills, write_jpeg

__all__ = ["Sheet", "make_sheets"]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A JPEG, and the second of the title that its first picture stands for."""

    name: str
    data: bytes
    time: Fraction


def make_sheets(
    file: BinaryIO,
    track: VideoTrack,
    sheets: SpriteSheets,
    keyframes: Sequence[Keyframe],
    duration: Fraction,
    folder: Path,
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Sheet]:
    """The sheets of a title of so many seconds, one at a time in memory; no picture may have more than `limits` allow.

    Where a picture cannot be decoded, the one before it is there again. Errors: UnsupportedMediaError where the source
    cannot be read, or a picture is too large.
    """
    width, height = sheets.size
    canvas = np.zeros((height, width, 3), np.uint8)
    tile = np.zeros((sheets.height, sheets.width, 3), np.uint8)
    size = (sheets.width, sheets.height)
    times = list(sheets.times())
    pictures = stills(file, track, times, keyframes, size, folder, duration=duration, limits=limits)
    for number, still in enumerate(pictures):
        sheet, left, top = sheets.place(number)
        tile = tile if still is None else still.rgb
        canvas[top : top + sheets.height, left : left + sheets.width] = tile
        if number + 1 == sheets.count or (number + 1) % sheets.capacity == 0:
            yield Sheet(sheets.name(sheet), write_jpeg(canvas), (sheet - 1) * sheets.capacity * sheets.interval)
            canvas[:] = 0
