"""The limiter of downmixes: what is made of more channels than it has must not clip.

Coefficients that keep the level of the dialogue add up to more than 1. Making all of it softer by their sum, nearly
8 dB for 5.1, would make every surround title much softer than a stereo one; so only peaks are held, for the
milliseconds that they last, and all else comes through bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator

import av

from transcoder.sound.channels import Mix
from transcoder.sound.filters import FilterChain, Samples, packed, unpacked

__all__ = ["CEILING", "Limiter"]

CEILING = 10 ** (-1 / 20)
"""The largest sample: -1 dBFS, which leaves room for what a codec adds."""

_OPTIONS = f"limit={CEILING:.6f}:attack=5:release=50:level=0:latency=1"
"""Milliseconds; `level` would make all of it louder; `latency` takes the look-ahead back."""


class Limiter:
    """Holds the peaks of one mix as it comes. As many samples come out as went in, a few milliseconds later."""

    def __init__(self, target: Mix) -> None:
        self._target = target
        self._position = 0
        self._chain = FilterChain(
            ("alimiter", _OPTIONS), ("aformat", "sample_fmts=flt"),
            layout=target.layout, sample_rate=target.sample_rate, clock=target.sample_rate,
        )  # fmt: skip

    def add(self, samples: Samples) -> Iterator[Samples]:
        """What comes out for more samples."""
        frame = packed(samples, self._target.layout, self._target.sample_rate, self._position)
        self._position += len(samples)
        yield from self._push(frame)

    def finish(self) -> Iterator[Samples]:
        """What is left."""
        yield from self._push(None)

    def _push(self, frame: av.AudioFrame | None) -> Iterator[Samples]:
        for made in self._chain.push(frame):
            yield unpacked(made)
