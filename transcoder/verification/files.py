"""All files are there, can be read, and a player can start with each."""

from __future__ import annotations

from transcoder.verification.report import Findings, RenditionSummary
from transcoder.verification.title import PublishedTitle
from transcoder.verification.track import Track

__all__ = ["check_files", "check_starts"]


def check_files(track: Track, findings: Findings) -> None:
    """All files of a rendition are there and fit its init segment; what it holds."""
    findings.none_of("files", track.id, "all files can be read", track.damage)
    if track.init is None or not track.readable:
        return
    findings.summarise(
        RenditionSummary(
            id=track.id, kind=track.kind, codecs=track.init.codecs, segments=len(track.segments),
            frames=len(track.pts), size_bytes=sum(segment.size_bytes for segment in track.segments),
            start_seconds=float(track.start), end_seconds=float(track.end),
            width=track.init.width, height=track.init.height,
        )
    )  # fmt: skip


def check_starts(_: PublishedTitle, track: Track, findings: Findings) -> None:
    """A decoder can start with every segment."""
    findings.none_of("segment-start", track.id, "each segment starts with a sync sample", track.late_sync())
