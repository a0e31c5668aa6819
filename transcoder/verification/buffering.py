"""The decoder's buffer: never empty, over all joins of the title."""

from __future__ import annotations

from transcoder.vbv import first_shortage
from transcoder.verification.report import Findings
from transcoder.verification.title import PublishedTitle

__all__ = ["check_buffering"]

_SLACK = {"av1": 2}
"""So many times its buffer a codec may use. SVT-AV1 keeps the rate on average and knows no buffer: where hard pictures
follow easy ones it spends for a moment what it saved before."""


def check_buffering(title: PublishedTitle, findings: Findings) -> None:
    """Every rendition keeps the leaky bucket that the plan promises, from its first picture to its last."""
    if title.plan is None or title.plan.video is None:
        return
    planned = {rendition.id: rendition for rendition in title.plan.video.renditions}
    for track in title.video:
        own = planned.get(track.id)
        if own is None:
            continue
        pictures = zip(track.dts, track.sizes, strict=True)
        buffer = own.buffer * _SLACK.get(own.codec, 1)
        short = first_shortage(pictures, track.timescale, own.max_bitrate, buffer)
        expected = f"{buffer} bits filled at {own.max_bitrate} bit/s are enough"
        found = expected if short is None else f"{short.missing} bits missing for picture {short.picture}"
        findings.add("buffer", track.id, short is None, expected, found)
