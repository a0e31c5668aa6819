"""The quality that was measured while the title was encoded is not below what the ladder asks for."""

from __future__ import annotations

from transcoder.quality.floor import below_floor
from transcoder.verification.report import Findings
from transcoder.verification.title import PublishedTitle

__all__ = ["check_quality"]


def check_quality(title: PublishedTitle, findings: Findings) -> None:
    """Where plan and package are known and the ladder has a floor: every segment of every rung keeps it."""
    if title.plan is None or title.package is None or title.plan.video is None or not title.plan.video.quality.floors:
        return
    for rendition in title.package.video:
        problems = below_floor(title.plan.video.quality, rendition.segments)
        findings.none_of("quality", rendition.id, "no segment is below the ladder's floor", problems)
