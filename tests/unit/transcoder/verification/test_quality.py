"""Measured quality against the ladder's floor, on a whole title."""

from __future__ import annotations

import pytest
from support import titles

from transcoder.ladder import QualityRequest
from transcoder.quality import pooled_quality
from transcoder.verification import VerifyReport, folder_opener, verify_package


def _verify(title: titles.Title, request: QualityRequest) -> VerifyReport:
    assert title.plan.video is not None
    plan = title.plan.model_copy(update={"video": title.plan.video.model_copy(update={"quality": request})})
    return verify_package(folder_opener(title.folder), plan=plan, package=title.package())


def test_every_segment_was_measured(title: titles.Title) -> None:
    for rendition in title.package().video:
        pooled = pooled_quality(rendition.segments)
        assert pooled is not None
        assert all(segment.quality is not None for segment in rendition.segments)
        assert 20 < pooled.psnr < 80
        assert pooled.ssim is not None
        assert 0.8 < pooled.ssim <= 1
        assert pooled.worst_psnr is not None
        assert pooled.worst_psnr <= pooled.psnr


@pytest.mark.parametrize("request_", [QualityRequest(), QualityRequest(min_psnr=20, min_ssim=0.8)])
def test_a_floor_that_is_kept(title: titles.Title, request_: QualityRequest) -> None:
    report = _verify(title, request_)
    assert report.ok
    assert [check.rendition for check in report.checks if check.name == "quality"] == (
        ["v180", "v90"] if request_.floors else []
    )


def test_a_floor_that_is_not_kept_says_where(title: titles.Title) -> None:
    pooled = {rendition.id: pooled_quality(rendition.segments) for rendition in title.package().video}
    low, high = sorted(quality.psnr for quality in pooled.values() if quality)
    [failed] = _verify(title, QualityRequest(min_psnr=100)).failed[:1]
    assert (failed.name, failed.rendition) == ("quality", "v180")
    assert failed.found.startswith("segment 1 has PSNR ")
    assert low < high
