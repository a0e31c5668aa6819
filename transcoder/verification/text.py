"""The text: every segment is valid WebVTT, and each cue is in the segments in which it is shown, and nowhere else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from transcoder.errors import NotFoundError, VerificationError
from transcoder.packaging.listing import ListedRendition
from transcoder.text.cues import Cue, shown_in
from transcoder.text.segments import CODECS, TIMESCALE
from transcoder.text.webvtt import HEADER, read_webvtt
from transcoder.verification.report import Findings, RenditionSummary, in_seconds
from transcoder.verification.source_text import differences
from transcoder.verification.title import PublishedTitle

__all__ = ["check_text"]

_ROUNDING = Fraction(2, TIMESCALE)
"""Text is cut at whole milliseconds."""


@dataclass(slots=True)
class _Text:
    """All that one pass over a text rendition's files finds. Times in milliseconds."""

    starts: list[int]
    end: int
    shown: dict[Cue, list[int]] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)
    size_bytes: int = 0


def check_text(title: PublishedTitle, findings: Findings) -> None:
    """Each text rendition is whole, on the grid of the title, and the committed one where that is known."""
    own = [listed.id for listed in title.hls.of_kind("text")]
    if title.source_text and not own:
        findings.note(f"the source has {len(title.source_text)} text tracks, the package none")
    elif title.source_text is not None:
        findings.same("text-tracks", None, sorted(title.source_text), sorted(own))
    for listed in title.hls.of_kind("text"):
        text = _read(title, listed)
        findings.none_of("files", listed.id, "all files are valid WebVTT", text.damage)
        findings.none_of("text-grid", listed.id, "the segments of the picture or the sound", _off_grid(title, text))
        findings.none_of("cues", listed.id, "each cue in every segment in which it is shown", _misplaced(text))
        findings.none_of("dash-times", listed.id, "S@t and S@d are the segment's", _other_times(title, listed, text))
        if title.source_text is not None:
            problems = differences(title.source_text, listed.id, set(text.shown), text.end)
            findings.none_of("source-text", listed.id, "every cue of the source, once", problems)
        _check_committed(title, listed, text, findings)
        findings.summarise(
            RenditionSummary(
                id=listed.id, kind="text", codecs=CODECS, segments=len(text.hashes), frames=len(text.shown),
                size_bytes=text.size_bytes, start_seconds=text.starts[0] / TIMESCALE,
                end_seconds=text.end / TIMESCALE,
            )
        )  # fmt: skip


def _read(title: PublishedTitle, listed: ListedRendition) -> _Text:
    starts, position = [], Fraction(0)
    for segment in listed.segments:
        starts.append(round(position * TIMESCALE))
        position += segment.duration
    text = _Text(starts, round(position * TIMESCALE))
    for index, segment in enumerate(listed.segments):
        try:
            data = title.open_object(segment.path)
            cues = read_webvtt(data)
            if not data.startswith(HEADER.encode()):
                raise VerificationError("its clock is not the title's")
        except (VerificationError, NotFoundError) as error:
            text.damage.append(f"{segment.path}: {error.message}")
            continue
        text.hashes[segment.path] = hashlib.sha256(data).hexdigest()
        text.size_bytes += len(data)
        if any(later.start < earlier.start for earlier, later in pairwise(cues)):
            text.damage.append(f"{segment.path}: its cues are not in order")
        for cue in cues:
            text.shown.setdefault(cue, []).append(index)
    return text


def _off_grid(title: PublishedTitle, text: _Text) -> Iterator[str]:
    leading = next(iter([*title.video, *title.audio]), None)
    if leading is None:
        return
    if len(leading.segments) > len(text.starts):
        yield f"{len(text.starts)} segments instead of {len(leading.segments)}"
    tolerance = _ROUNDING + Fraction(max(leading.steps), leading.timescale)
    for segment, start in zip(leading.segments, text.starts, strict=False):
        distance = abs(Fraction(segment.start, leading.timescale) - Fraction(start, TIMESCALE))
        if distance > tolerance:
            yield f"{segment.path} starts {in_seconds(distance)} from its text"


def _misplaced(text: _Text) -> Iterator[str]:
    for cue, found in text.shown.items():
        if found != list(shown_in(cue, text.starts)) or cue.end > text.end:
            yield f"the cue from {in_seconds(Fraction(cue.start, TIMESCALE))} is in the segments {found}"


def _other_times(title: PublishedTitle, listed: ListedRendition, text: _Text) -> Iterator[str]:
    other = title.dash.renditions.get(listed.id) if title.dash else None
    for segment, start in zip(other.segments if other else (), text.starts, strict=False):
        if segment.start != Fraction(start, TIMESCALE):
            yield f"{segment.path} starts at {in_seconds(Fraction(start, TIMESCALE))}, the timeline differs"


def _check_committed(title: PublishedTitle, listed: ListedRendition, text: _Text, findings: Findings) -> None:
    renditions = title.package.text if title.package else ()
    expected = next(([s.sha256 for s in own.segments] for own in renditions if own.id == listed.id), None)
    if expected is None:
        return
    same = expected == list(text.hashes.values())
    findings.add("committed-segments", listed.id, same, "the committed ones", "they" if same else "others")
