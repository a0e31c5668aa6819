"""When a stream's pictures are shown, from the stamps of all its packets: exact counts, rates, gaps and ends. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from transcoder.errors import UnsupportedMediaError
from transcoder.limits import Limits
from transcoder.media import Stamping
from transcoder.probing.survey import StreamSurvey

__all__ = ["GAP", "FirstPicture", "PictureTimes", "picture_times"]

GAP = Fraction(1, 5)
"""Pictures that are further apart, in seconds, are noted: a segment must not begin between them."""

_FALLBACK_RATE = Fraction(25)

_SHORTEST_PICTURE, _LONGEST_PICTURE = Fraction(1, 120), 60
"""Seconds that a single picture may say that it is shown."""

_LONGEST_LAST_PICTURE = 10
"""So many pictures' time the last one may say that it lasts; more is taken for damage."""

_STANDARD_RATES = tuple(
    rate
    for whole in (24, 30, 48, 60, 120)
    for rate in (Fraction(whole), Fraction(whole * 1000, 1001))
) + tuple(Fraction(n) for n in (10, 12, 15, 25, 50, 100))  # fmt: skip

Stamps = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FirstPicture:
    """The first picture that a decoder gives: its own stamps, and how many packets the decoder takes in before it."""

    pts: int | None
    dts: int | None
    reordered: int


@dataclass(frozen=True, slots=True)
class PictureTimes:
    """Stamps in the stream's time_base. `end` is where the last picture ends, exclusive."""

    first: int
    end: int
    count: int
    rate: Fraction
    constant: bool
    gaps: tuple[tuple[int, int], ...]
    stamping: Stamping


def picture_times(
    own: StreamSurvey, base: Fraction, picture: FirstPicture, guess: Fraction | None, limits: Limits
) -> PictureTimes:
    """The times of a stream whose first picture that can be decoded is `picture`.

    `guess` is the rate that libav found. Errors: UnsupportedMediaError for more pictures a second than allowed.
    """
    guess = guess or _FALLBACK_RATE
    stamping = _stamping(own, picture)
    first = stamping.picture(picture.pts, picture.dts, None)
    if first is None:
        # The only picture, which came out when the source had ended.
        first = own.first or 0
    stamps = np.frombuffer(own.pts, np.int64) if stamping.shift is None else _decoding(own) + stamping.shift
    stamps = np.unique(stamps[stamps >= first])
    if not len(stamps):
        stamps = np.array([first], np.int64)
    if len(stamps) < 2:
        # One picture has no rate: how long it says that it is shown, if that is a rate that anybody would choose.
        shown = own.last_duration * base
        guess = 1 / shown if _SHORTEST_PICTURE <= shown <= _LONGEST_PICTURE else min(guess, _FALLBACK_RATE)
    rate, constant = _frame_rate(stamps, base, guess)
    if rate > limits.frame_rate:
        raise UnsupportedMediaError(f"the source has {float(rate):.0f} pictures a second; {limits.frame_rate} at most")
    step = max(1, round(1 / rate / base))
    last = int(stamps[-1])
    said = own.last_duration if last == own.last else 0
    end = last + (said if 0 < said <= _LONGEST_LAST_PICTURE * step else step)
    return PictureTimes(
        first=first, end=end, count=len(stamps), rate=rate, constant=constant, gaps=tuple(_gaps(stamps, end, base)),
        stamping=stamping.model_copy(update={"step": step}),
    )  # fmt: skip


def _stamping(own: StreamSurvey, picture: FirstPicture) -> Stamping:
    """How times are made up for a stream, from its first picture and its packets.

    A decoder gives a picture when it gets a packet that comes so many places later; packets before the picture's own
    could not be decoded.
    """
    if not own.unstamped or picture.dts is None:
        return Stamping(shift=0 if own.unstamped else None)
    decoding = _decoding(own)
    place = int(np.searchsorted(decoding, picture.dts)) - picture.reordered
    packet = int(decoding[min(max(0, place), len(decoding) - 1)])
    if picture.pts is None:
        return Stamping(delay=picture.dts - packet, shift=0)
    return Stamping(shift=picture.pts - packet)


def _decoding(own: StreamSurvey) -> Stamps:
    return np.unique(np.frombuffer(own.dts, np.int64))


def _gaps(stamps: Stamps, end: int, base: Fraction) -> Iterator[tuple[int, int]]:
    """Neighbours that are far apart; how long the last picture is shown always counts."""
    for number in np.flatnonzero(np.diff(stamps) > float(GAP / base)):
        yield int(stamps[number]), int(stamps[number + 1])
    yield int(stamps[-1]), end


def _frame_rate(stamps: Stamps, base: Fraction, guess: Fraction) -> tuple[Fraction, bool]:
    """The nominal rate, and whether every picture keeps to it (within the rounding of the time base)."""
    if len(stamps) < 2:
        return guess, True
    mean = Fraction(len(stamps) - 1) / (int(stamps[-1] - stamps[0]) * base)
    rate = _standard(mean, base, len(stamps), guess)
    step = float(1 / rate / base)
    if np.abs(stamps - stamps[0] - step * np.arange(len(stamps))).max() <= 1.01:
        return rate, True
    # A variable rate: the most common distance says how the pictures were meant to follow each other.
    distances, counts = np.unique(np.diff(stamps), return_counts=True)
    common = int(distances[counts.argmax()])
    # Where the others are multiples of it (a picture was left out here and there), all of them together say it exactly.
    multiples = np.rint(np.diff(stamps) / common)
    regular = (multiples > 0) & (np.abs(np.diff(stamps) - multiples * common) <= multiples + 1)
    steps = int(multiples[regular].sum())
    usual = _standard(Fraction(steps) / (int(np.diff(stamps)[regular].sum()) * base), base, steps + 1, guess)
    return (usual if Fraction(1, 2) <= usual / mean <= 2 else _rounded(mean)), False


def _standard(mean: Fraction, base: Fraction, count: int, guess: Fraction) -> Fraction:
    """The rate that a measured mean stands for: within the stamps' own rounding, a standard one or the guess."""
    tolerance = 2 * base * mean / max(1, count - 1)
    known = [*_STANDARD_RATES, guess] if guess == mean else [*_STANDARD_RATES]
    for candidate in (*sorted(known, key=lambda rate: abs(rate - mean)), guess):
        if candidate > 0 and abs(candidate - mean) / mean <= tolerance:
            return candidate
    return _rounded(mean)


def _rounded(rate: Fraction) -> Fraction:
    """A rate with small terms; never 0, also where pictures are far apart: then the distance gets the small terms."""
    return rate.limit_denominator(1001) if rate >= 1 else Fraction(1) / (1 / rate).limit_denominator(1001)
