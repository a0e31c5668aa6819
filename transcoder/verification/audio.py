"""The sound: whole access units that cover the title."""

from __future__ import annotations

from fractions import Fraction

from transcoder.media import MediaInfo
from transcoder.plan import Plan
from transcoder.verification.report import Findings, in_seconds
from transcoder.verification.title import PublishedTitle
from transcoder.verification.track import Track

__all__ = ["check_sound"]

_ACCESS_UNITS = {"mp4a.40.2": 1024, "opus": 960, "ac-3": 1536, "ec-3": 1536}
"""Samples of an access unit: AAC-LC (ISO/IEC 14496-3, 4.5.1.1), Opus as Framemill encodes it (RFC 6716, 2.1.4: 20 ms),
AC-3 and E-AC-3 (ETSI TS 102 366)."""


def check_sound(title: PublishedTitle, findings: Findings) -> None:
    """Each audio rendition starts and ends with the picture, or with the title, and has no hole."""
    for track in title.audio:
        start, end = _span(title)
        _check_track(track, start, end, _source_end(track.id, title.plan, title.media), findings)


def _span(title: PublishedTitle) -> tuple[Fraction, Fraction]:
    """What the sound has to cover: the picture, or the whole title where there is none, in seconds."""
    if title.video:
        return title.video[0].start, title.video[0].end
    length = title.plan.duration if title.plan else max(track.end for track in title.audio)
    return Fraction(0), length


def _check_track(track: Track, start: Fraction, end: Fraction, source_end: Fraction | None, findings: Findings) -> None:
    """The sound is whole access units that cover the title from `start` to `end`.

    It may end later, where the source's does (`source_end`): that is checked where it is known.
    """
    unit = _ACCESS_UNITS.get(track.init.codecs if track.init else "", max(track.steps))
    frame = Fraction(unit, track.timescale)
    odd = sum(step != unit for step in track.steps)
    whole = f"all of {unit} samples"
    findings.same("audio-frames", track.id, whole, f"{odd} of another length" if odd else whole)
    samples = len(track.pts) * unit
    least = (end - track.start) * track.timescale - unit
    findings.add("audio-samples", track.id, samples >= least, f"at least {float(least):.0f}", str(samples))
    offset = track.start - start
    findings.add("av-start", track.id, abs(offset) <= frame, f"within {in_seconds(frame)}", in_seconds(offset))
    if source_end is not None:
        late = track.end - max(end, source_end)
        findings.add("av-end", track.id, late <= frame, f"at most {in_seconds(frame)} late", in_seconds(late))


def _source_end(rendition: str, plan: Plan | None, media: MediaInfo | None) -> Fraction | None:
    """Seconds of the title at which the source's track ends, where plan and source are known."""
    if plan is None or media is None:
        return None
    indexes = {own.id: track.stream_index for track in plan.audio for own in track.renditions}
    index = indexes.get(rendition)
    stream = next((stream for stream in media.audio if stream.index == index), None)
    return stream.end - plan.origin if stream else None
