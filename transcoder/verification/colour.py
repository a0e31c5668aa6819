"""What the pictures' code values mean is said as planned."""

from __future__ import annotations

from transcoder.media import Colour
from transcoder.verification.report import Findings
from transcoder.verification.title import PublishedTitle

__all__ = ["check_colour"]


def check_colour(title: PublishedTitle, findings: Findings) -> None:
    """Every init segment names the planned colour, and for PQ the mastering display and content light."""
    if title.plan is None or title.plan.video is None:
        return
    planned = {rendition.id: rendition for rendition in title.plan.video.renditions}
    for track in title.video:
        own = planned.get(track.id)
        if own is None or track.init is None:
            continue
        findings.same("colour", track.id, _named(own.colour), _named(track.init.colour))
        said = (track.init.mastering is not None, track.init.light is not None)
        findings.same("mastering", track.id, (own.mastering is not None, own.light is not None), said)


def _named(colour: Colour | None) -> str:
    """In the order of the code points of ITU-T H.273."""
    if colour is None:
        return "none"
    depth = "full" if colour.full_range else "limited"
    return f"primaries {colour.primaries}, transfer {colour.transfer}, matrix {colour.matrix}, {depth} range"
