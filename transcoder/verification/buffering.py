"""The decoder's buffer: never empty, over all joins of the title."""

from __future__ import annotations

from fractions import Fraction

from transcoder.vbv import first_shortage
from transcoder.verification.report import Findings
from transcoder.verification.title import PublishedTitle
from transcoder.verification.track import Track

__all__ = ["check_buffering"]

_SLACK = {"av1": 2}
"""So many times its buffer a codec may use. SVT-AV1 keeps the rate on average and knows no buffer: where hard pictures
follow easy ones it spends for a moment what it saved before."""

_COUNTS_PICTURES = {"hevc", "av1"}
"""Codecs whose encoders take every picture for as long as the next. x264 knows how long each is."""


def check_buffering(title: PublishedTitle, findings: Findings) -> None:
    """Every rendition keeps the leaky bucket that the plan promises, from its first picture to its last."""
    if title.plan is None or title.plan.video is None:
        return
    planned = {rendition.id: rendition for rendition in title.plan.video.renditions}
    for track in title.video:
        own = planned.get(track.id)
        if own is None:
            continue
        if own.codec in _COUNTS_PICTURES and _hurries(track, title.plan.video.frame_rate):
            findings.note(f"{track.id} has pictures shorter than usual, of which its encoder cannot know")
            continue
        buffer = own.buffer * _SLACK.get(own.codec, 1)
        pictures = zip(track.dts, track.sizes, strict=True)
        short = first_shortage(pictures, track.timescale, own.max_bitrate, buffer)
        expected = f"{buffer} bits filled at {own.max_bitrate} bit/s are enough"
        found = expected if short is None else f"{short.missing} bits missing for picture {short.picture}"
        findings.add("buffer", track.id, short is None, expected, found)


def _hurries(track: Track, frame_rate: Fraction) -> bool:
    """Whether pictures follow each other faster than at the nominal rate, by more than a clock's rounding."""
    return min(track.steps[:-1], default=track.timescale) < Fraction(9, 10) * track.timescale / frame_rate
