"""From pictures to segments, and the floor."""

from __future__ import annotations

import pytest

from transcoder.ladder import QualityRequest
from transcoder.quality import PictureQuality, segment_quality
from transcoder.quality.floor import below_floor
from transcoder.results import SegmentQuality, SegmentResult

PICTURES = (
    PictureQuality(0, 40.0, 0.99), PictureQuality(10, 30.0, 0.97), PictureQuality(20, 50.0, 1.0, 91.0),
    PictureQuality(30, 44.0, 0.98, 93.0),
)  # fmt: skip


def test_a_segment_is_the_mean_of_its_pictures_and_its_worst_one() -> None:
    assert segment_quality(PICTURES, 0, 20) == SegmentQuality(psnr=35.0, ssim=0.98, worst_psnr=30.0)
    assert segment_quality(PICTURES, 20, 31) == SegmentQuality(psnr=47.0, ssim=0.99, worst_psnr=44.0, vmaf=92.0)
    assert segment_quality(PICTURES, 31, 50) is None


def _segment(number: int, quality: SegmentQuality | None) -> SegmentResult:
    return SegmentResult(number=number, start=0, duration=1, frames=1, size_bytes=1, sha256="0", quality=quality)


SEGMENTS = (
    _segment(1, SegmentQuality(psnr=35.0, ssim=0.98)), _segment(2, SegmentQuality(psnr=31.5, ssim=0.9)),
    _segment(3, None),
)  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (QualityRequest(), []),
        (QualityRequest(min_psnr=31.5), ["segment 3 was not measured in PSNR"]),
        (QualityRequest(min_psnr=32), ["segment 2 has PSNR 31.5, below 32", "segment 3 was not measured in PSNR"]),
        (QualityRequest(min_ssim=0.95), ["segment 2 has SSIM 0.9, below 0.95", "segment 3 was not measured in SSIM"]),
        (QualityRequest(min_vmaf=1), [f"segment {n} was not measured in VMAF" for n in (1, 2, 3)]),
    ],
)  # fmt: skip
def test_what_is_below_the_floor(request_: QualityRequest, found: list[str]) -> None:
    assert list(below_floor(request_, SEGMENTS)) == found


def test_a_floor_of_vmaf_has_it_measured() -> None:
    assert QualityRequest(min_vmaf=80).measures_vmaf
    assert not QualityRequest(min_psnr=30).measures_vmaf
