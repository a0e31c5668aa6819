"""What was measured of the renditions of a finished package. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from control_plane.service.views import RenditionView
from transcoder.results import PartResult, RenditionPart

__all__ = ["measured_renditions"]


def measured_renditions(results: Iterable[PartResult]) -> tuple[RenditionView, ...]:
    """One view per rendition, tallest picture first, audio last; rates in bits per second.

    `bandwidth` is the largest rate of one segment, `average_bandwidth` the mean over all of them, which is
    what RFC 8216, 4.3.4.2 means by BANDWIDTH and AVERAGE-BANDWIDTH.
    """
    parts: dict[str, list[RenditionPart]] = {}
    for result in results:
        for part in result.renditions:
            parts.setdefault(part.rendition, []).append(part)
    views = (_view(rendition, found) for rendition, found in parts.items())
    return tuple(sorted(views, key=lambda view: (view.kind == "audio", -(view.height or 0), view.id)))


def _view(rendition: str, parts: list[RenditionPart]) -> RenditionView:
    first = parts[0]
    segments = [segment for part in parts for segment in part.segments]
    size = sum(segment.size_bytes for segment in segments)
    seconds = Fraction(sum(segment.duration for segment in segments), first.timescale)
    rates = [
        Fraction(segment.size_bytes * 8 * first.timescale, segment.duration)
        for segment in segments
        if segment.duration > 0
    ]
    return RenditionView(
        id=rendition, kind=first.kind, codecs=first.codecs, width=first.width, height=first.height,
        frame_rate=first.frame_rate, bandwidth=math.ceil(max(rates)) if rates else None,
        average_bandwidth=math.ceil(size * 8 / seconds) if seconds > 0 else None,
        size_bytes=size, language=first.language,
    )  # fmt: skip
