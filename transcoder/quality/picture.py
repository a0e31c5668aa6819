"""The quality of pictures, and what it makes of a segment. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean
from typing import NamedTuple

from transcoder.results import SegmentQuality

__all__ = ["BEST_PSNR", "PictureQuality", "segment_quality"]

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
