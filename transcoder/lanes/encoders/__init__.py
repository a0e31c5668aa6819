"""Software encoders: one file each, chosen by a rendition's codec."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from transcoder.ladder import Rendition, VideoCodec
from transcoder.lanes.encoders import svtav1, x264, x265
from transcoder.lanes.encoders.base import EncoderSettings, reordering
from transcoder.vbv import Budget

__all__ = ["EncoderSettings", "reordering", "settings"]

_BY_CODEC: dict[VideoCodec, Callable[[Rendition, Fraction, Budget, int], EncoderSettings]] = {
    "h264": x264.settings,
    "hevc": x265.settings,
    "av1": svtav1.settings,
}


def settings(rendition: Rendition, frame_rate: Fraction, budget: Budget, threads: int) -> EncoderSettings:
    """How to encode a rendition, under the budget of one chunk, on so many threads."""
    return _BY_CODEC[rendition.codec](rendition, frame_rate, budget, threads)
