"""The sound: whole access units that cover the title."""

from __future__ import annotations

from fractions import Fraction

from transcoder.media import MediaInfo
from transcoder.plan import Plan
from transcoder.verification.report import Findings, in_seconds
from transcoder.verification.title import PublishedTitle
from transcoder.verification.track import Track

__all__ = ["AAC_FRAME", "check_sound"]

AAC_FRAME = 1024
"""Samples of an access unit of AAC-LC."""

_CLOCK_JITTER = Fraction(1, 20)
"""How far a source's audio timestamps may wander from its sample count before the audio task mends them."""


def check_sound(title: PublishedTitle, findings: Findings) -> None:
    """Each audio rendition starts and ends with the picture, and has no hole."""
    if title.video:
        for track in title.audio:
            _check_track(track, title.video[0], _source_end(track.id, title.plan, title.media), findings)


def _check_track(track: Track, top: Track, source_end: Fraction | None, findings: Findings) -> None:
    """The sound is whole access units that cover the title; it starts and ends with the picture.

    It may end later, where the source's does (`source_end`): that is checked where it is known.
    """
    frame = Fraction(AAC_FRAME, track.timescale)
    odd = sum(step != AAC_FRAME for step in track.steps)
    whole = f"all of {AAC_FRAME} samples"
    findings.same("audio-frames", track.id, whole, f"{odd} of another length" if odd else whole)
    samples = len(track.pts) * AAC_FRAME
    least = top.end * track.timescale - AAC_FRAME
    findings.add("audio-samples", track.id, samples >= least, f"at least {float(least):.0f}", str(samples))
    offset = track.start - top.start
    findings.add("av-start", track.id, abs(offset) <= frame, f"within {in_seconds(frame)}", in_seconds(offset))
    if source_end is not None:
        late = track.end - max(top.end, source_end)
        limit = frame if source_end <= top.end else frame + _CLOCK_JITTER
        findings.add("av-end", track.id, late <= limit, f"at most {in_seconds(limit)} late", in_seconds(late))


def _source_end(rendition: str, plan: Plan | None, media: MediaInfo | None) -> Fraction | None:
    """Seconds of the title at which the source's track ends, where plan and source are known."""
    if plan is None or media is None or media.main_video is None:
        return None
    index = next((track.stream_index for track in plan.audio if track.id == rendition), None)
    stream = next((stream for stream in media.audio if stream.index == index), None)
    return stream.end - media.main_video.start if stream else None
