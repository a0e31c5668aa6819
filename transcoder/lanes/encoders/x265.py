"""HEVC by libx265."""

from __future__ import annotations

from fractions import Fraction

from transcoder.ladder import Rendition
from transcoder.lanes.encoders.base import EncoderSettings, reordering
from transcoder.lanes.encoders.levels import hevc_level
from transcoder.media import MasteringDisplay
from transcoder.vbv import Budget

__all__ = ["bytes_per_pixel", "settings"]

_LOWEST_PICTURE_FOR_64 = 64
"""x265 wants a picture that is at least one coding tree unit high and wide."""


_BYTES_PER_PIXEL = {
    "ultrafast": 140, "superfast": 140, "veryfast": 155, "faster": 170, "fast": 200, "medium": 245, "slow": 290,
    "slower": 360, "veryslow": 420,
}  # fmt: skip
"""Measured at 8 bits: pictures wait in the lookahead, whose depth is the preset's."""


def bytes_per_pixel(preset: str) -> int:
    """Memory that the encoder takes for each pixel of a picture, at 8 bits."""
    return _BYTES_PER_PIXEL[preset]


def settings(rendition: Rendition, frame_rate: Fraction, budget: Budget, threads: int) -> EncoderSettings:
    """Closed GOPs of one segment each; the same parameter sets in every chunk, none of them in the samples (`hvc1`)."""
    depth = reordering(frame_rate)
    level = hevc_level(rendition.width, rendition.height, frame_rate, rendition.max_bitrate, rendition.buffer)
    parameters = [
        # One IDR a segment and no other: the rungs stay aligned, and every GOP is closed.
        "keyint=-1", "scenecut=0", "open-gop=0", "b-pyramid=0", f"bframes={3 if depth else 0}",
        f"vbv-init={budget.initial / budget.buffer:.6f}", f"level-idc={level}", "high-tier=0",
        # Wavefronts are a flag in the picture parameter set and need a pool of threads: always, however many. With one
        # picture at a time the output does not depend on their number, and memory stays small.
        f"pools={threads}", "frame-threads=1", "wpp=1",
        # Parameter sets come out with every IDR picture, for the SEI messages that come with them; the sets themselves
        # are filtered out again.
        "repeat-headers=1", "info=0", "hrd=0", "log-level=-1",
    ]  # fmt: skip
    if min(rendition.width, rendition.height) < _LOWEST_PICTURE_FOR_64:
        parameters.append("ctu=16")
    if rendition.mastering or rendition.light:
        parameters.append("hdr10=1")
    if rendition.mastering:
        parameters.append(f"master-display={_mastering(rendition.mastering)}")
    if rendition.light:
        parameters.append(f"max-cll={rendition.light.max_content},{rendition.light.max_average}")
    return EncoderSettings(
        name="libx265",
        pixel_format="yuv420p" if rendition.bits == 8 else "yuv420p10le",
        options={
            "preset": rendition.preset,
            "crf": str(rendition.crf),
            "maxrate": str(budget.max_bitrate),
            "bufsize": str(budget.buffer),
            "forced-idr": "1",
            "x265-params": ":".join(parameters),
        },
        reordered=depth,
        tag="hvc1",
        looks_ahead=True,
        bitstream_filter="filter_units=remove_types=32-34",  # VPS, SPS, PPS (H.265, table 7-1)
    )


def _mastering(display: MasteringDisplay) -> str:
    """In units of 0.00002 and 0.0001 cd/m2 (H.265, D.3.28)."""
    points = (("G", display.green), ("B", display.blue), ("R", display.red), ("WP", display.white))
    places = "".join(f"{name}({round(x * 50_000)},{round(y * 50_000)})" for name, (x, y) in points)
    return f"{places}L({round(display.max_luminance * 10_000)},{round(display.min_luminance * 10_000)})"
