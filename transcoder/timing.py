"""Which pictures a chunk shows, and when: pure decisions over the pictures of a source in the order of display.

The truth of a title is what one decoder yields that reads the whole source. A chunk sees a part of it, and begins
with some picture that is shown at its start or before. Every rule here gives for a chunk the same as for the whole:

- a picture that claims to be shown after the one that follows it is dropped, and one that is not later than what was
  shown before it: a wrong time costs one picture and not all that come after it.
- kept times: each picture keeps its own time. A segment without a picture of its own (damage, or a gap longer than a
  segment may be) begins with the picture shown then.
- a constant rate, when the ladder asks for it: picture n of the title lies at n / rate and is the last one of the
  source whose time, rounded to the nearest place, is not after it, as FFmpeg's `fps` filter has it.

Both are generic over what a picture is, so that the rules can be tried without one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Generic, TypeVar

from transcoder.errors import UnsupportedMediaError
from transcoder.plan import Chunk, Segment, VideoTrack

__all__ = ["ConstantRate", "KeptTimes", "Shown", "Timing", "in_order", "timing_of"]

_Picture = TypeVar("_Picture")


@dataclass(frozen=True, slots=True)
class Shown(Generic[_Picture]):
    """A picture of the title: from `tick` on, as the first of a segment or not."""

    picture: _Picture
    tick: int
    starts_segment: bool


class Timing(ABC, Generic[_Picture]):
    """The pictures of one chunk. `end` and `repeated` are known when `pictures` has come to its end.

    `end` is the tick at which the chunk's last picture ends, where the next chunk begins; `repeated` counts pictures
    that are there a second time.
    """

    def __init__(self, track: VideoTrack, chunk: Chunk) -> None:
        self._track = track
        self._chunk = chunk
        self.end = 0
        self.repeated = 0
        self._source: Iterator[tuple[int, _Picture]] = iter(())
        self._unused: list[tuple[int, _Picture]] = []

    @abstractmethod
    def pictures(self, decoded: Iterable[tuple[int, _Picture]]) -> Iterator[Shown[_Picture]]:
        """The chunk's pictures, from the source's pts and pictures in the order of display.

        Errors: UnsupportedMediaError where there is no picture to show at the chunk's start.
        """

    def after(self) -> Iterator[tuple[_Picture, int]]:
        """Pictures that follow the chunk's, with ticks from `end` on, once `pictures` has come to its end."""
        tick = self.end - 1
        for pts, picture in chain(self._unused, self._source):
            tick = max(self._track.tick(pts), tick + 1)
            yield picture, tick

    def _taken(self, decoded: Iterable[tuple[int, _Picture]]) -> Iterator[tuple[int, _Picture]]:
        """The source's pictures in order. The one at which the reader stops is not used."""
        self._source = in_order(decoded)
        for taken in self._source:
            self._unused = [taken]
            yield taken
        self._unused = []

    def _without_picture(self) -> UnsupportedMediaError:
        start, end = float(self._chunk.start), float(self._chunk.end)
        return UnsupportedMediaError(f"no picture can be decoded between {start:.3f} and {end:.3f} s")


class KeptTimes(Timing[_Picture]):
    """Every picture at its own time. `following` is the segment after the chunk, None where the source ends with it."""

    def __init__(self, track: VideoTrack, chunk: Chunk, following: Segment | None) -> None:
        super().__init__(track, chunk)
        self._last = following is None
        self._starts = [_ceil(segment.start, track) for segment in chunk.segments]
        self._end = _ceil(chunk.end, track)
        # From here on the next chunk has a picture of its own in its first segment no more.
        self._following_end = None if following is None else _ceil(following.end, track)

    def pictures(self, decoded: Iterable[tuple[int, _Picture]]) -> Iterator[Shown[_Picture]]:
        shown: _Picture | None = None
        previous: int | None = None
        begun = 0  # segments that have got their first picture
        for pts, picture in self._taken(decoded):
            tick = self._track.tick(pts)
            if previous is not None and tick <= previous:
                continue  # two times of a source's clock that is finer than the title's
            before = self._begun_before(tick)
            yield from self._repeats(shown, begun, before)
            begun = max(begun, before)
            if tick >= self._end and not self._last:
                self.end = tick if self._following_end is None or tick < self._following_end else self._end
                return
            if tick >= self._starts[0]:
                first = begun < len(self._starts) and tick >= self._starts[begun]
                begun += first
                yield Shown(picture, tick, first)
            shown, previous = picture, tick
        yield from self._repeats(shown, begun, len(self._starts))
        # No picture follows: the last one is shown until the planned end, or for one picture's time after it.
        step = max(1, round(self._track.timescale / self._track.frame_rate))
        self.end = self._end
        if self._last and previous is not None and previous >= self._end:
            self.end = previous + step

    def _begun_before(self, tick: int) -> int:
        """How many segments end at this tick or before: those that have no picture by now get none of their own."""
        ends = [*self._starts[1:], math.inf if self._last else self._end]
        return sum(end <= tick for end in ends)

    def _repeats(self, shown: _Picture | None, begun: int, until: int) -> Iterator[Shown[_Picture]]:
        for start in self._starts[begun:until]:
            if shown is None:
                raise self._without_picture()
            self.repeated += 1
            yield Shown(shown, start, starts_segment=True)


class ConstantRate(Timing[_Picture]):
    """A picture at every multiple of the rate's reciprocal, whatever the source's times are."""

    def __init__(self, track: VideoTrack, chunk: Chunk) -> None:
        super().__init__(track, chunk)
        assert track.ticks_per_picture is not None
        self._step: int = track.ticks_per_picture
        self._starts = {self._number(segment.start) for segment in chunk.segments}

    def pictures(self, decoded: Iterable[tuple[int, _Picture]]) -> Iterator[Shown[_Picture]]:
        number, last = self._number(self._chunk.start), self._number(self._chunk.end)
        self.end = last * self._step
        shown: _Picture | None = None
        for pts, picture in self._taken(decoded):
            own = math.floor(self._track.seconds(pts) * self._track.frame_rate + Fraction(1, 2))
            while shown is not None and number < min(own, last):
                yield self._shown(shown, number)
                number += 1
            if number == last:
                return
            shown = picture
        if shown is None:
            raise self._without_picture()
        for rest in range(number, last):
            yield self._shown(shown, rest)

    def _shown(self, picture: _Picture, number: int) -> Shown[_Picture]:
        return Shown(picture, number * self._step, number in self._starts)

    def _number(self, seconds: Fraction) -> int:
        return math.ceil(seconds * self._track.frame_rate)


def timing_of(track: VideoTrack, chunk: Chunk, following: Segment | None) -> Timing[_Picture]:
    """The timing that the plan asks for."""
    return KeptTimes(track, chunk, following) if track.ticks_per_picture is None else ConstantRate(track, chunk)


def in_order(decoded: Iterable[tuple[int, _Picture]]) -> Iterator[tuple[int, _Picture]]:
    """The pictures whose times rise. Looks one picture ahead."""
    held: tuple[int, _Picture] | None = None
    before: int | None = None
    for pts, picture in decoded:
        if (before is not None and pts <= before) or (held is not None and pts == held[0]):
            continue
        if held is not None and pts > held[0]:
            yield held
            before = held[0]
        held = pts, picture
    if held is not None:
        yield held


def _ceil(seconds: Fraction, track: VideoTrack) -> int:
    return math.ceil(seconds * track.timescale)
