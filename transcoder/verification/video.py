"""The pictures: their number, the length, and the rungs' common boundaries."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from transcoder.verification.report import Findings, in_seconds
from transcoder.verification.title import PublishedTitle
from transcoder.verification.track import Track

__all__ = ["check_pictures"]


def check_pictures(title: PublishedTitle, findings: Findings) -> None:
    """Every rung has the title's frames and length, is cut like the top one, and all planned rungs are there."""
    video, plan = title.video, title.plan
    if plan is not None:
        expected = sorted(rendition.id for rendition in plan.video.renditions) if plan.video else []
        findings.same("renditions", None, expected, sorted(track.id for track in video))
    elif not video and not (title.audio and (title.media is None or title.media.main_video is None)):
        # Sound alone is right where the source has no picture, or where nobody knows the source.
        findings.add("renditions", None, False, "a video rendition", "none")
    if not video:
        return
    top = video[0]
    source = title.media.main_video if title.media else None
    frames = source.frame_count if source else len(top.pts)
    if plan and plan.video:
        lost, repeated = (title.package.lost, title.package.repeated) if title.package else (0, 0)
        frames = plan.video.frames(lost=lost, repeated=repeated)
    length = plan.duration if plan else source.end - source.start if source else top.end
    for track in video:
        if plan or title.source is None:  # else the times of all pictures are known
            findings.same("frame-count", track.id, frames, len(track.pts))
        step = max(track.steps, default=0) / Fraction(track.timescale)
        close = abs(track.end - length) <= step
        findings.add("duration", track.id, close, in_seconds(length), in_seconds(track.end))
        findings.none_of("rung-alignment", track.id, f"cut like {top.id}", _misaligned(top, track))


def _misaligned(top: Track, track: Track) -> Iterator[str]:
    """Rungs that a player can switch between have the same boundaries and pictures in each segment."""
    if len(top.segments) != len(track.segments):
        yield f"{len(track.segments)} segments instead of {len(top.segments)}"
    for ours, theirs in zip(track.segments, top.segments, strict=False):
        start, other = Fraction(ours.start, track.timescale), Fraction(theirs.start, top.timescale)
        if (start, ours.frames) != (other, theirs.frames):
            yield f"{ours.path} starts at {in_seconds(start)} with {ours.frames} pictures"
