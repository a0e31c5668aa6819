"""Text segments: a track's cues as WebVTT files on the segment grid of the title.

A cue that is shown across a boundary is in both segments, with the same text and the same times (RFC 8216, 3.5), so
that a player may begin with either; players know it for the same cue. A segment without a cue is a file without one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from transcoder.part import MadePart
from transcoder.plan import Segment
from transcoder.results import RenditionPart, SegmentResult
from transcoder.text.cues import Cue, shown_in
from transcoder.text.reader import ReadTrack
from transcoder.text.track import TextTrack
from transcoder.text.webvtt import HEADER, write_webvtt

__all__ = ["CODECS", "TIMESCALE", "make_text_part", "segment_starts"]

TIMESCALE = 1000
"""Ticks of a text rendition a second: WebVTT counts milliseconds."""

CODECS = "wvtt"
"""The word of ISO/IEC 14496-30 for WebVTT. Manifests leave it out: text in files of its own needs none."""


def segment_starts(segments: Sequence[Segment]) -> list[int]:
    """The millisecond at which each segment begins."""
    return [math.floor(segment.start * TIMESCALE) for segment in segments]


def make_text_part(
    track: TextTrack, read: ReadTrack, segments: Sequence[Segment], length: Fraction, folder: Path
) -> MadePart:
    """Write all segments of one track into `folder`, which is empty and stays the caller's.

    `length` is where the title ends, in seconds: no later than the last segment's own end.
    """
    starts = segment_starts(segments)
    shown: list[list[Cue]] = [[] for _ in starts]
    begun = [0] * len(starts)
    for cue in read.cues:
        indexes = shown_in(cue, starts)
        begun[indexes[0]] += 1
        for index in indexes:
            shown[index].append(cue)
    ends = [*starts[1:], max(math.ceil(length * TIMESCALE), starts[-1] + 1)]
    results: list[SegmentResult] = []
    files: dict[str, Path] = {}
    for segment, start, end, cues, own in zip(segments, starts, ends, shown, begun, strict=True):
        data = write_webvtt(cues)
        path = folder / f"{segment.number}.vtt"
        path.write_bytes(data)
        files[f"{track.id}/{path.name}"] = path
        results.append(
            SegmentResult(
                number=segment.number, start=start, duration=end - start, frames=own, size_bytes=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
            )
        )  # fmt: skip
    part = RenditionPart(
        rendition=track.id, kind="text", codecs=CODECS, timescale=TIMESCALE, init_size_bytes=0,
        codec_config_sha256=hashlib.sha256(HEADER.encode()).hexdigest(), segments=tuple(results),
        language=track.language,
    )  # fmt: skip
    return MadePart(0, (part,), files, warnings=read.warnings)
