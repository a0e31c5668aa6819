"""The timeline: decoded frames become one unbroken row of samples, sample n of which is sample n of the title.

Frames whose times follow each other are a run. A run is resampled in one go and begins at its own time: before it is
silence, and what would overlap is cut off. Inside a run only the samples count, as long as they keep to the frames'
times within 10 ms. Where they drift away, because the clock of the sound ran at another speed than the stamps, the
resampler is made a little faster or slower, by at most 0.3 % (5 cents): the sound stays within 20 ms of its stamps, and
does not click. Where even that is too little, a new run begins at 60 ms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from transcoder.sound.channels import Mix, channel_names, mix
from transcoder.sound.filters import FilterChain, Samples, unpacked

__all__ = ["Heard", "Timeline", "rounded"]

_GAP_SECONDS = Fraction(1, 20)
"""A smaller difference between one frame's end and the next one's time is the rounding of clocks, not a gap."""

_LARGEST_DRIFT_SECONDS = Fraction(3, 50)
"""Where the samples are this far from the stamps, speed cannot help: a new run begins."""

_COMPENSATION = "min_comp=0.01:min_hard_comp=1000000:comp_duration=1:max_soft_comp=0.003"
"""When and how hard the resampler follows the stamps: seconds, seconds, seconds, a share of the sample rate."""

_CLOCK = 1_000_000

_BLOCK = 48_000


@dataclass(frozen=True, slots=True)
class Heard:
    """A decoded frame and its time in the title, in seconds; `damaged`: what came before it could not be decoded."""

    frame: av.AudioFrame
    time: Fraction
    damaged: bool = False

    @property
    def end(self) -> Fraction:
        """Where the frame ends, in seconds of the title."""
        return self.time + Fraction(self.frame.samples, self.frame.sample_rate)


class Timeline:
    """One mix of one track, from the title's sample 0 to `end` seconds."""

    def __init__(self, target: Mix, end: Fraction) -> None:
        self._target = target
        self._channels = len(channel_names(target.layout))
        self._ends = math.ceil(end * target.sample_rate)
        self._position = 0
        self._place = 0
        self._run: _Run | None = None

    def add(self, heard: Heard) -> Iterator[Samples]:
        """The samples that a frame adds. Frames come in the order of decoding."""
        if self._run is None or not self._run.goes_on(heard):
            yield from self._end_run()
            self._run = _Run(heard, self._target)
            self._place = rounded(heard.time * self._target.sample_rate)
        for samples in self._run.add(heard):
            yield from self._placed(samples)

    def finish(self) -> Iterator[Samples]:
        """The samples up to the end."""
        yield from self._end_run()
        yield from self._silence(self._ends)

    def _end_run(self) -> Iterator[Samples]:
        run, self._run = self._run, None
        for samples in run.finish() if run else ():
            yield from self._placed(samples)

    def _placed(self, samples: Samples) -> Iterator[Samples]:
        """The samples from `_place` on, as far as they are not there already and the title reaches."""
        yield from self._silence(min(self._place, self._ends))
        start, self._place = self._place, self._place + len(samples)
        kept = samples[max(0, self._position - start) : max(0, self._ends - start)]
        if len(kept):
            self._position += len(kept)
            yield kept

    def _silence(self, until: int) -> Iterator[Samples]:
        while self._position < until:
            count = min(_BLOCK, until - self._position)
            self._position += count
            yield np.zeros((count, self._channels), np.float32)


class _Run:
    """Frames that follow each other, resampled and mixed in one go."""

    def __init__(self, first: Heard, target: Mix) -> None:
        frame = first.frame
        self._start, self._next = first.time, first.time
        self._form = _form(frame)
        self._rate, self._made = target.sample_rate, 0
        self._matrix = mix(channel_names(frame.layout.name), target.layout)
        self._chain = FilterChain(
            ("aresample", f"{self._rate}:osf=flt:{_COMPENSATION}"),
            layout=frame.layout.name, sample_rate=frame.sample_rate, sample_format=frame.format.name, clock=_CLOCK,
        )  # fmt: skip

    def goes_on(self, heard: Heard) -> bool:
        """Whether a frame belongs to this run."""
        if self._form != _form(heard.frame) or abs(heard.time - self._next) > _GAP_SECONDS:
            return False
        if heard.damaged and heard.time > self._next:
            return False
        return abs(heard.time - self._start - Fraction(self._made, self._rate)) <= _LARGEST_DRIFT_SECONDS

    def add(self, heard: Heard) -> Iterator[Samples]:
        frame = heard.frame
        self._next = heard.end
        frame.time_base = Fraction(1, _CLOCK)
        frame.pts = rounded((heard.time - self._start) * _CLOCK)
        yield from self._through(frame)

    def finish(self) -> Iterator[Samples]:
        yield from self._through(None)

    def _through(self, frame: av.AudioFrame | None) -> Iterator[Samples]:
        for made in self._chain.push(frame):
            samples = self._mixed(unpacked(made))
            self._made += len(samples)
            yield samples

    def _mixed(self, samples: Samples) -> Samples:
        """The samples in the target's channels. Summed in one order, so that every machine makes the same."""
        if np.array_equal(self._matrix, np.eye(len(self._matrix), dtype=np.float32)):
            return samples
        out = np.zeros((len(samples), len(self._matrix)), np.float32)
        for place, row in enumerate(self._matrix):
            for channel in np.flatnonzero(row):
                out[:, place] += row[channel] * samples[:, channel]
        return out


def _form(frame: av.AudioFrame) -> tuple[str, str, int]:
    """What a resampler is made for. A source may change it on the way."""
    return frame.format.name, frame.layout.name, frame.sample_rate


def rounded(value: Fraction) -> int:
    """The nearest integer; a half goes up."""
    return math.floor(value + Fraction(1, 2))
