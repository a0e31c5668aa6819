"""The quality floor: what a ladder does not let pass. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from transcoder.ladder import QualityRequest
from transcoder.results import SegmentResult

__all__ = ["below_floor"]


def below_floor(request: QualityRequest, segments: Iterable[SegmentResult]) -> Iterator[str]:
    """Each segment of a rendition that is worse than asked for, in a measure that has a floor: which, and how bad."""
    floors = {"psnr": request.min_psnr, "ssim": request.min_ssim, "vmaf": request.min_vmaf}
    for segment in segments:
        for measure, floor in floors.items():
            if floor is None:
                continue
            found = getattr(segment.quality, measure) if segment.quality else None
            if found is None:
                yield f"segment {segment.number} was not measured in {measure.upper()}"
            elif found < floor:
                yield f"segment {segment.number} has {measure.upper()} {found:g}, below {floor:g}"
