"""Loudness by EBU R 128 (ITU-R BS.1770-5): measured of every rendition's samples, brought to a target when asked."""

from __future__ import annotations

import math

import av
import numpy as np

from transcoder.results import Loudness
from transcoder.sound.channels import Mix
from transcoder.sound.filters import FilterChain, Samples, packed
from transcoder.sound.rungs import LoudnessRequest

__all__ = ["LARGEST_GAIN", "LoudnessMeter", "gain_for", "levelled"]

LARGEST_GAIN = 20.0
"""Decibels by which a track is made louder at most: what is almost silent stays so."""

_ABSOLUTE_GATE = -70.0
"""LUFS: what is softer does not count (BS.1770-5, annex 1); libav's meter says so where nothing was louder."""


class LoudnessMeter:
    """Measures one mix as it comes. Bounded memory: libav's meter keeps histograms."""

    def __init__(self, target: Mix) -> None:
        self._target = target
        self._position = 0
        self._found: dict[str, str] = {}
        self._chain = FilterChain(
            ("ebur128", "metadata=1:peak=true"),
            layout=target.layout, sample_rate=target.sample_rate, clock=target.sample_rate,
        )  # fmt: skip

    def add(self, samples: Samples) -> None:
        """Measure more samples."""
        frame = packed(samples, self._target.layout, self._target.sample_rate, self._position)
        self._position += len(samples)
        self._push(frame)

    def read(self) -> Loudness:
        """What was measured of all samples; nothing can be added after this. Integrated loudness and range are None
        where no 0.4 s were above the gate, the peak where all is silent."""
        self._push(None)
        integrated = float(self._found.get("lavfi.r128.I", _ABSOLUTE_GATE))
        peak = float(self._found.get("lavfi.r128.true_peak", 0))
        heard = integrated > _ABSOLUTE_GATE
        return Loudness(
            integrated=round(integrated, 2) if heard else None,
            range=round(float(self._found["lavfi.r128.LRA"]), 2) if heard else None,
            true_peak=round(20 * math.log10(peak), 2) if peak > 0 else None,
        )

    def _push(self, frame: av.AudioFrame | None) -> None:
        for passed in self._chain.push(frame):
            self._found = dict(passed.metadata) or self._found


def gain_for(measured: Loudness, request: LoudnessRequest | None) -> float:
    """Decibels to add to a track that was measured, to two digits: the target's distance, less where the peak would
    exceed its limit. 0 where nothing is asked, or nothing can be heard."""
    if request is None or measured.integrated is None or measured.true_peak is None:
        return 0.0
    gain = min(request.target - measured.integrated, LARGEST_GAIN, request.true_peak - measured.true_peak)
    return math.floor(gain * 100) / 100


def levelled(samples: Samples, gain: float) -> Samples:
    """The samples, `gain` decibels louder."""
    return samples if gain == 0 else samples * np.float32(10 ** (gain / 20))
