"""The poster: of several pictures of the title the one with the most to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from transcoder.errors import UnsupportedMediaError
from transcoder.limits import DEFAULT_LIMITS, Limits
from transcoder.media import Keyframe
from transcoder.plan import VideoTrack
from transcoder.thumbnails.stills import Still, stills, write_jpeg

__all__ = ["Poster", "detail", "make_poster", "poster_times"]

_CANDIDATES = tuple(Fraction(share, 100) for share in (0, 5, 10, 18, 26, 34, 42, 50, 60, 70, 80, 90))
"""Where to look, as shares of the duration."""

_BLOCK = 8
"""Pixels of a block's side, in a picture of about 160 by 90."""

_BUSY = 24.0
"""The standard deviation from which on a block of 8 bit codes has nothing more to show: letters on a card have more,
and are few blocks."""


@dataclass(frozen=True, slots=True)
class Poster:
    """A JPEG and where in the title it comes from, in seconds."""

    data: bytes
    width: int
    height: int
    time: Fraction


def poster_times(duration: Fraction) -> list[Fraction]:
    """The seconds of a title at which there may be a poster."""
    return [share * duration for share in _CANDIDATES]


def make_poster(
    file: BinaryIO,
    track: VideoTrack,
    size: tuple[int, int],
    keyframes: Sequence[Keyframe],
    duration: Fraction,
    folder: Path,
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> Poster:
    """The poster of a title of so many seconds, in even width and height; no picture may have more than `limits` allow.

    Errors: UnsupportedMediaError where no picture can be decoded.
    """
    best: tuple[float, Still] | None = None
    times = poster_times(duration)
    for still in stills(file, track, times, keyframes, size, folder, duration=duration, limits=limits):
        if still is not None and (best is None or detail(still.rgb) > best[0]):
            best = (detail(still.rgb), still)
    if best is None and keyframes:
        # No keyframe decodes: the first picture that anything can be made of has to do.
        return make_poster(file, track, size, (), Fraction(0), folder, limits=limits)
    if best is None:
        raise UnsupportedMediaError("no picture can be decoded for the poster")
    return Poster(write_jpeg(best[1].rgb), *size, best[1].time)


def detail(rgb: NDArray[np.uint8]) -> float:
    """How much there is to see, from 0: the mean over blocks of what changes inside them, less where the whole is
    dark or glaring. A black picture, a fade and a card with some letters have little."""
    step = max(1, max(rgb.shape[:2]) // 160)
    grey = rgb[::step, ::step].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    rows, columns = (side // _BLOCK * _BLOCK for side in grey.shape)
    if not rows or not columns:
        return float(grey.std())
    blocks = grey[:rows, :columns].reshape(rows // _BLOCK, _BLOCK, columns // _BLOCK, _BLOCK)
    busy = np.minimum(blocks.std(axis=(1, 3)), _BUSY).mean()
    exposure = 1 - abs(float(grey.mean()) - 128) / 128
    return float(busy) * (0.25 + 0.75 * exposure)
