"""Reading subtitles: the text packets of a source, decoded by libav to dialogue lines, as cues on the title's clock."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, BinaryIO

import av
import av.error
import av.stream
import av.subtitles.stream
import av.subtitles.subtitle
from av.packet import Packet
from av.stream import Disposition

from transcoder.languages import language_tag
from transcoder.limits import DEFAULT_LIMITS, Limits
from transcoder.media import Role, TextStream
from transcoder.source import media_errors, open_source, packets
from transcoder.text.cues import MOST_CUES, Cue, Event, cues_of
from transcoder.text.markup import PLAIN, Placed, Style, from_ass, from_webvtt, styles_of
from transcoder.text.track import TextTrack

__all__ = ["TEXT_CODECS", "ReadTrack", "describe", "read_cues"]

TEXT_CODECS = frozenset({"mov_text", "subrip", "text", "ass", "webvtt"})
"""Codecs whose packets are text, by libav's names. What is drawn (DVD, Blu-ray, DVB) is not."""

_ROLES: tuple[tuple[Disposition, Role], ...] = (
    (Disposition.forced, "forced-subtitle"),
    (Disposition.hearing_impaired, "caption"),
    (Disposition.captions, "caption"),
    (Disposition.descriptions, "description"),
    (Disposition.comment, "commentary"),
    (Disposition.dub, "dub"),
)

_LARGEST_PACKET = 1 << 16
_MOST_PACKETS = 2 * MOST_CUES
_DIALOGUE_FIELDS = 8
"""Fields of a dialogue line before its text, as libav has them: ReadOrder, Layer, Style, Name, margins, Effect."""


@dataclass(frozen=True, slots=True)
class ReadTrack:
    """The cues of one track, and what could not be read."""

    cues: tuple[Cue, ...]
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Collector:
    """The events of one track as its packets come."""

    stream: av.subtitles.stream.SubtitleStream
    origin: Fraction
    styles: dict[str, Style] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    damaged: int = 0
    dropped: int = 0

    def add(self, packet: Packet[Any]) -> None:
        if packet.size > _LARGEST_PACKET or len(self.events) >= _MOST_PACKETS:
            self.dropped += 1
            return
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or packet.time_base is None:
            self.damaged += 1
            return
        start = self._milliseconds(stamp, packet.time_base)
        end = self._milliseconds(stamp + packet.duration, packet.time_base) if packet.duration else None
        try:
            placed = self._placed(packet)
        except (av.error.FFmpegError, UnicodeError):
            self.damaged += 1
            return
        # One packet's lines are shown together; an empty one still ends the text before it.
        self.events += [Event(start, end, *one) for one in placed] or [Event(start, end, "")]

    def _milliseconds(self, stamp: int, time_base: Fraction) -> int:
        return round((stamp * time_base - self.origin) * 1000)

    def _placed(self, packet: Packet[Any]) -> list[Placed]:
        codec = self.stream.codec_context.codec.canonical_name
        data = bytes(packet)
        if codec == "webvtt":
            # Read as it is: libav's way over ASS would lose voices and placing.
            found = packet.get_sidedata("webvtt_settings") if packet.has_sidedata("webvtt_settings") else None
            settings = bytes(found).decode("ascii", "replace") if found is not None else ""
            return [from_webvtt(_text(data), settings)]
        decoded = self.stream.codec_context.decode2(_repaired(packet, data, prefixed=codec == "mov_text"))
        if not self.styles:
            header = self.stream.codec_context.subtitle_header
            self.styles = {"": PLAIN, **styles_of(_text(header or b""))}
        lines = (rect.ass for rect in decoded or () if isinstance(rect, av.subtitles.subtitle.AssSubtitle))
        return [self._line(line.decode("utf-8", "replace")) for line in lines]

    def _line(self, line: str) -> Placed:
        fields = line.split(",", _DIALOGUE_FIELDS)
        style = self.styles.get(fields[2].lstrip("*") if len(fields) > _DIALOGUE_FIELDS else "", PLAIN)
        return from_ass(fields[-1], style, self.styles)


def describe(stream: av.stream.Stream) -> TextStream | None:
    """A source's stream of subtitles; None where it is not one of text that libav can read."""
    codec = stream.codec_context.codec.canonical_name if stream.codec_context is not None else ""
    if not isinstance(stream, av.subtitles.stream.SubtitleStream) or codec not in TEXT_CODECS:
        return None
    return TextStream(
        index=stream.index, codec=codec, default=bool(stream.disposition & Disposition.default),
        language=language_tag(stream.language), title=stream.metadata.get("title"),
        roles=tuple(dict.fromkeys(role for flag, role in _ROLES if stream.disposition & flag)),
    )  # fmt: skip


def read_cues(
    file: BinaryIO,
    tracks: Sequence[TextTrack],
    *,
    origin: Fraction,
    length: Fraction,
    boundaries: Sequence[int],
    limits: Limits = DEFAULT_LIMITS,
) -> dict[int, ReadTrack]:
    """The cues of each track by its number, in one pass over the source.

    `origin` is the time on the source's clock that is 0 in the title, `length` how long the title is in seconds,
    `boundaries` the milliseconds at which its segments begin. A damaged packet is left out and reported.

    Errors: UnsupportedMediaError where the source cannot be read.
    """
    if not tracks:
        return {}
    with open_source(file, limits) as container, media_errors("reading the subtitles"):
        wanted = {track.stream_index: track for track in tracks}
        collectors: dict[int, _Collector] = {}
        for stream in container.streams:
            if stream.index in wanted and isinstance(stream, av.subtitles.stream.SubtitleStream):
                collectors[stream.index] = _Collector(stream, origin)
            else:
                stream.discard = av.stream.Discard.all  # of an indexed container nothing but the text is read then
        clock = tracks[0].clock if tracks else None
        for packet in packets(container, *(collector.stream for collector in collectors.values()), clock=clock):
            collectors[packet.stream_index].add(packet)
        return {wanted[index].track: _read(collector, length, boundaries) for index, collector in collectors.items()}


def _read(collector: _Collector, length: Fraction, boundaries: Sequence[int]) -> ReadTrack:
    table = cues_of(collector.events, math.ceil(length * 1000), boundaries)
    counts: Mapping[str, int] = {
        "damaged texts were left out": collector.damaged,
        "texts were left out: the track is larger than allowed": collector.dropped + table.left_out,
    }
    index = collector.stream.index
    return ReadTrack(table.cues, tuple(f"text stream {index}: {n} {what}" for what, n in counts.items() if n))


def _text(data: bytes) -> str:
    """Text of bytes that should be UTF-8. What is not was written on a Western Windows more often than elsewhere."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _repaired(packet: Packet[Any], data: bytes, *, prefixed: bool) -> Packet[Any]:
    """The packet in UTF-8: libav refuses all other. `prefixed` text has its length before it and boxes behind
    (3GPP TS 26.245, 5.17)."""
    size = int.from_bytes(data[:2]) if prefixed else len(data)
    body = data[2 : 2 + size] if prefixed else data
    text = _text(body).replace("\0", "").encode()
    if text == body or len(text) > 0xFFFF:
        return packet
    repaired: Packet[Any] = Packet(len(text).to_bytes(2) + text + data[2 + size :] if prefixed else text)
    repaired.pts, repaired.dts, repaired.duration = packet.pts, packet.dts, packet.duration
    repaired.stream = packet.stream
    return repaired
