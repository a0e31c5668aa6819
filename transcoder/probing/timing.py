"""When a stream's pictures are shown, from the stamps of all its packets: exact counts, rates, gaps and ends. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from transcoder.errors import UnsupportedMediaError
from transcoder.limits import Limits
from transcoder.probing.survey import StreamSurvey

__all__ = ["GAP", "PictureTimes", "picture_times"]

GAP = Fraction(1, 5)
"""Pictures that are further apart, in seconds, are noted: a segment must not begin between them."""

_FALLBACK_RATE = Fraction(25)

_LONGEST_LAST_PICTURE = 10
"""So many pictures' time the last one may say that it lasts; more is taken for damage."""

_STANDARD_RATES = tuple(
    rate
    for whole in (24, 30, 48, 60, 120)
    for rate in (Fraction(whole), Fraction(whole * 1000, 1001))
) + tuple(Fraction(n) for n in (10, 12, 15, 25, 50, 100))  # fmt: skip

Stamps = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PictureTimes:
    """Stamps in the stream's time_base. `end` is where the last picture ends, exclusive; `delay` is how many ticks
    after its dts a picture without a pts is shown."""

    first: int
    end: int
    count: int
    rate: Fraction
    constant: bool
    gaps: tuple[tuple[int, int], ...]
    delay: int


def picture_times(
    own: StreamSurvey, base: Fraction, first: int, reordered: int, guess: Fraction | None, limits: Limits
) -> PictureTimes:
    """The times of a stream whose first picture that can be decoded is shown at `first`.

    `reordered` is how many packets a decoder takes in before it gives the first picture, `guess` the rate that libav
    found. Errors: UnsupportedMediaError for more pictures a second than allowed.
    """
    guess = guess or _FALLBACK_RATE
    stamps = _shown(own, base, first, reordered, guess)
    rate, constant = _frame_rate(stamps, base, guess)
    if rate > limits.frame_rate:
        raise UnsupportedMediaError(f"the source has {float(rate):.0f} pictures a second; {limits.frame_rate} at most")
    step = max(1, round(1 / rate / base))
    last = int(stamps[-1])
    said = own.last_duration if last == own.last else 0
    end = last + (said if 0 < said <= _LONGEST_LAST_PICTURE * step else step)
    return PictureTimes(
        first=first, end=end, count=len(stamps), rate=rate, constant=constant, gaps=tuple(_gaps(stamps, end, base)),
        delay=reordered * step if own.unstamped else 0,
    )  # fmt: skip


def _shown(own: StreamSurvey, base: Fraction, first: int, reordered: int, guess: Fraction) -> Stamps:
    """The distinct times at which pictures are shown, in order; `first` is one of them."""
    times = np.frombuffer(own.dts if own.unstamped else own.pts, np.int64)
    times = np.unique(times[times >= first])
    if own.unstamped and reordered:
        # Pictures without a pts come out of the decoder when it gets a later packet, and have that one's dts; the last
        # ones have no later packet.
        step = int(np.median(np.diff(times))) if len(times) > 1 else max(1, round(1 / guess / base))
        last = times[-1] if len(times) else first - step
        times = np.concatenate([times, last + step * np.arange(1, reordered + 1)])
    return times if len(times) else np.array([first])


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
    for candidate in (*sorted(_STANDARD_RATES, key=lambda rate: abs(rate - mean)), guess):
        if candidate > 0 and abs(candidate - mean) / mean <= tolerance:
            return candidate
    return _rounded(mean)


def _rounded(rate: Fraction) -> Fraction:
    """A rate with small terms; never 0, also where pictures are far apart: then the distance gets the small terms."""
    return rate.limit_denominator(1001) if rate >= 1 else 1 / (1 / rate).limit_denominator(1001)
