"""Software encoders: one file each, chosen by a rendition's codec."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from transcoder.ladder import Rendition, VideoCodec
from transcoder.lanes.encoders import svtav1, x264, x265
from transcoder.lanes.encoders.base import EncoderSettings, reordering
from transcoder.vbv import Budget

__all__ = ["EncoderSettings", "memory_bytes", "reordering", "settings"]

_BY_CODEC: dict[VideoCodec, Callable[[Rendition, Fraction, Budget, int], EncoderSettings]] = {
    "h264": x264.settings,
    "hevc": x265.settings,
    "av1": svtav1.settings,
}

_BYTES_PER_PIXEL: dict[VideoCodec, Callable[[str], int]] = {
    "h264": x264.bytes_per_pixel,
    "hevc": x265.bytes_per_pixel,
    "av1": svtav1.bytes_per_pixel,
}


def memory_bytes(rendition: Rendition) -> int:
    """About how much memory the encoder of a rendition takes."""
    deep = 1.7 if rendition.bits > 8 else 1.0
    return int(rendition.width * rendition.height * _BYTES_PER_PIXEL[rendition.codec](rendition.preset) * deep)


def settings(rendition: Rendition, frame_rate: Fraction, budget: Budget, threads: int) -> EncoderSettings:
    """How to encode a rendition, under the budget of one chunk, on so many threads."""
    return _BY_CODEC[rendition.codec](rendition, frame_rate, budget, threads)
