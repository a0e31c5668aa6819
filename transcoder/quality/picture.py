"""The quality of pictures, and what it makes of a segment. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean
from typing import NamedTuple

from transcoder.results import SegmentQuality, SegmentResult

__all__ = ["BEST_PSNR", "PictureQuality", "pooled_quality", "segment_quality"]

BEST_PSNR = 100.0
"""Of pictures that are equal, in dB: what libx264 says too."""


class PictureQuality(NamedTuple):
    """How near one encoded picture is to its original: PSNR in dB and SSIM over luma, VMAF where it was asked for.

    `tick` is its presentation time in ticks of the title.
    """

    tick: int
    psnr: float
    ssim: float
    vmaf: float | None = None


def segment_quality(pictures: Iterable[PictureQuality], start: int, end: int) -> SegmentQuality | None:
    """What the pictures in [`start`, `end`) make of a segment; None where none of them was measured."""
    own = [picture for picture in pictures if start <= picture.tick < end]
    if not own:
        return None
    scores = [picture.vmaf for picture in own if picture.vmaf is not None]
    return SegmentQuality(
        psnr=round(fmean(picture.psnr for picture in own), 3), ssim=round(fmean(picture.ssim for picture in own), 5),
        worst_psnr=round(min(picture.psnr for picture in own), 3), vmaf=round(fmean(scores), 3) if scores else None,
    )  # fmt: skip


def pooled_quality(segments: Iterable[SegmentResult]) -> SegmentQuality | None:
    """What the segments of a rendition make of it: each counts by its pictures. None where none was measured."""
    known = [(segment.quality, segment.frames) for segment in segments if segment.quality]
    if not known:
        return None

    def mean(values: Iterable[tuple[float | None, int]]) -> float | None:
        measured = [(value, weight) for value, weight in values if value is not None]
        return round(fmean(*zip(*measured, strict=True)), 5) if measured else None

    worst = [quality.worst_psnr for quality, _ in known if quality.worst_psnr is not None]
    psnr = mean((quality.psnr, frames) for quality, frames in known)
    assert psnr is not None
    return SegmentQuality(
        psnr=psnr, ssim=mean((quality.ssim, frames) for quality, frames in known), worst_psnr=min(worst, default=None),
        vmaf=mean((quality.vmaf, frames) for quality, frames in known),
    )  # fmt: skip
