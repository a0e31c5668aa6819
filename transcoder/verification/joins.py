"""Presentation goes on without a gap over every join, from 0."""

from __future__ import annotations

from fractions import Fraction

from transcoder.verification.report import Findings, in_seconds
from transcoder.verification.title import PublishedTitle
from transcoder.verification.track import Track

__all__ = ["check_joins"]


def check_joins(_: PublishedTitle, track: Track, findings: Findings) -> None:
    """Every join is gapless, and the rendition starts with the title."""
    findings.none_of("continuity", track.id, "every join is gapless, pts strictly increasing", track.gaps())
    # Sound that is passed through keeps its time, and may begin within its first access unit.
    step = Fraction(max(track.steps), track.timescale) if track.kind == "audio" else 0
    findings.add("start", track.id, abs(track.start) <= step, "starts at 0", f"starts at {in_seconds(track.start)}")
