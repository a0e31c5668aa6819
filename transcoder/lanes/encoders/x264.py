"""H.264 by libx264."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from transcoder.ladder import Rendition
from transcoder.lanes.encoders.base import EncoderSettings, reordering
from transcoder.lanes.encoders.levels import avc_level
from transcoder.vbv import Budget

__all__ = ["bytes_per_pixel", "settings"]

_REFERENCES = {
    "ultrafast": 1, "superfast": 1, "veryfast": 1, "faster": 2, "fast": 2, "medium": 3, "slow": 5, "slower": 8,
    "veryslow": 16,
}  # fmt: skip
"""Reference pictures of each preset (x264, `x264_param_default_preset`)."""

_CPU = Path("/proc/cpuinfo")

_STEADY = ["asm=avx2"] if _CPU.exists() and " avx512f " in _CPU.read_text() else []
"""With AVX-512, macroblock trees under a bounded buffer differ from run to run where a row of macroblocks does not fill
the registers (x264 165 as in PyAV 18.1; widths of 854 and 426). With AVX2 a retry makes the same bytes, as fast."""


_BYTES_PER_PIXEL = {
    "ultrafast": 20, "superfast": 40, "veryfast": 65, "faster": 120, "fast": 150, "medium": 210, "slow": 260,
    "slower": 320, "veryslow": 450,
}  # fmt: skip
"""Measured at 8 bits: pictures wait in the lookahead, whose depth is the preset's."""


def bytes_per_pixel(preset: str) -> int:
    """Memory that the encoder takes for each pixel of a picture, at 8 bits."""
    return _BYTES_PER_PIXEL[preset]


_WITHOUT_TREES = {"ultrafast", "superfast"}
"""Presets without macroblock trees."""


def settings(rendition: Rendition, frame_rate: Fraction, budget: Budget, threads: int) -> EncoderSettings:
    """Closed GOPs of one segment each, the same parameter sets in every chunk."""
    depth = reordering(frame_rate)
    factor = 3000 if rendition.bits > 8 else 1000 if rendition.preset == "ultrafast" else 1250
    level, references = avc_level(
        rendition.width, rendition.height, frame_rate, rendition.max_bitrate, rendition.buffer,
        references=_REFERENCES[rendition.preset], factor=factor,
    )  # fmt: skip
    parameters = [
        # One IDR a segment and no other: the rungs stay aligned, and every GOP is closed.
        "keyint=infinite", "scenecut=0", "open-gop=0", "b-pyramid=none",
        # Keeps the content out of the parameter sets.
        "stitchable=1",
        *_STEADY,
        # Measured and told (transcoder/quality), with no influence on what is encoded.
        "psnr=1", "ssim=1",
        f"level={level}", f"ref={references}",
    ]  # fmt: skip
    if not depth:
        parameters.append("bframes=0")
    if rendition.preset not in _WITHOUT_TREES:
        # The first picture of all gets the rate of a P picture then (x264, `rate_estimate_qscale`), every later IDR
        # picture 1.4 times as much. This makes them alike, wherever a chunk begins.
        parameters.append("zones=0,0,b=1.4")
    return EncoderSettings(
        name="libx264",
        pixel_format="yuv420p" if rendition.bits == 8 else "yuv420p10le",
        options={
            "preset": rendition.preset,
            "crf": str(rendition.crf),
            "maxrate": str(budget.max_bitrate),
            "bufsize": str(budget.buffer),
            "rc_init_occupancy": str(budget.initial),
            "forced-idr": "1",
            "threads": str(threads),
            "x264-params": ":".join(parameters),
        },
        reordered=depth,
        looks_ahead=True,
    )
