"""The pictures for trick play: the first one of each segment of a rung, alone."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from transcoder.verification.report import Findings, in_seconds
from transcoder.verification.title import PublishedTitle
from transcoder.verification.track import Track

__all__ = ["check_trick"]


def check_trick(title: PublishedTitle, findings: Findings) -> None:
    """Each trick rendition has one picture a segment, which is the one that the segment of its rung begins with.

    That it needs no other picture is checked with all segments' starts. Encrypted pictures cannot be compared.
    """
    tricks = [track for track in title.tracks.values() if track.readable and track.kind == "trick"]
    for track in tricks:
        rungs = [rung for rung in title.video if _shape(rung) == _shape(track)]
        expected = "the first picture of each segment of a rung"
        if not rungs:
            findings.add("trick", track.id, False, expected, "no rung of its size and codec")
            continue
        findings.none_of("trick", track.id, expected, _differences(track, rungs))
    if title.plan is not None:
        planned = title.plan.video is not None and title.plan.video.trick is not None
        findings.same("trick-planned", None, planned, bool(tricks))


def _shape(track: Track) -> tuple[object, ...]:
    return (track.init.width, track.init.height, track.init.codecs) if track.init else ()


def _differences(track: Track, rungs: list[Track]) -> list[str]:
    """Where the pictures are not those of the rung that fits best: several may have its size and codec."""
    found: list[list[str]] = [list(_of_rung(track, rung)) for rung in rungs]
    return min(found, key=len)


def _of_rung(track: Track, rung: Track) -> Iterator[str]:
    if len(track.segments) != len(rung.segments):
        yield f"{len(track.segments)} segments, {len(rung.segments)} in {rung.id}"
    encrypted = track.init is not None and track.init.protection is not None
    for own, other in zip(track.segments, rung.segments, strict=False):
        span, whole = (
            [Fraction(tick, each.timescale) for tick in (segment.start, segment.end)]
            for each, segment in ((track, own), (rung, other))
        )
        if own.frames != 1 or span != whole:
            yield f"{own.path} has {own.frames} pictures from {in_seconds(span[0])} to {in_seconds(span[1])}"
        elif not encrypted and own.first_sha256 != other.first_sha256:
            yield f"{own.path} is another picture than that of {other.path}"
