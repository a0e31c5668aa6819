"""The package model: what is published now, decided from the plan and the committed parts. Pure.

A chunk is visible when its video and all its audio parts are committed and all chunks before it are visible. The
joins are checked here, exactly, before any manifest names a segment: a part begins at the tick at which the one
before it ends, under the same decoder configuration. Layout of a package, all URLs in its manifests relative:

    cmaf/{rendition}/init.mp4, cmaf/{rendition}/{number}.m4s    numbers from 1, the same on every rendition
    text/{rendition}/{number}.vtt                               the same numbers
    hls/master.m3u8, hls/{rendition}.m3u8                       dash/manifest.mpd
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping
from fractions import Fraction
from typing import Literal

from transcoder.documents import Document
from transcoder.errors import UnsupportedMediaError, VerificationError
from transcoder.media import Colour, Role
from transcoder.packaging.drm import Signal
from transcoder.plan import Chunk, Plan, VideoTrack
from transcoder.results import Kind, PartResult, RenditionPart, SegmentResult
from transcoder.sound.tracks import AudioRendition, AudioTrack
from transcoder.text.track import TextTrack

__all__ = [
    "DASH_MANIFEST",
    "HLS_MANIFEST",
    "Package",
    "PublishedRendition",
    "build",
    "init_path",
    "playlist_path",
    "segment_path",
    "visible_chunks",
]

HLS_MANIFEST = "hls/master.m3u8"
DASH_MANIFEST = "dash/manifest.mpd"


def init_path(rendition: str) -> str:
    """Where a rendition's init segment lies in its package."""
    return f"cmaf/{rendition}/init.mp4"


def segment_path(rendition: str, number: int, kind: Kind = "video") -> str:
    """Where a segment lies in its package."""
    return f"text/{rendition}/{number}.vtt" if kind == "text" else f"cmaf/{rendition}/{number}.m4s"


def playlist_path(rendition: str) -> str:
    """Where a rendition's media playlist lies in its package."""
    return f"hls/{rendition}.m3u8"


class PublishedRendition(Document):
    """One rendition with all its visible segments. `max_bitrate` is the plan's, in bits per second; text has none.

    `signal` says how it is encrypted; None where it is not. Renditions of one `track` are the same sound, those of one
    `rung` the same encoding; `layout` is FFmpeg's name of the channels.
    """

    id: str
    kind: Kind
    codecs: str
    timescale: int
    codec_config_sha256: str
    max_bitrate: int | None
    segments: tuple[SegmentResult, ...]
    width: int | None = None
    height: int | None = None
    frame_rate: Fraction | None = None
    colour: Colour | None = None
    sample_rate: int | None = None
    channels: int | None = None
    layout: str | None = None
    track: int | None = None
    rung: str | None = None
    language: str | None = None
    title: str | None = None
    default: bool = False
    forced: bool = False
    roles: tuple[Role, ...] = ()
    signal: Signal | None = None

    @property
    def end(self) -> Fraction:
        """Seconds of the title at which the last visible segment ends."""
        last = self.segments[-1]
        return Fraction(last.start + last.duration, self.timescale)

    @property
    def frames(self) -> int:
        """Coded pictures or access units."""
        return sum(segment.frames for segment in self.segments)

    @property
    def size_bytes(self) -> int:
        """Bytes of all visible segments, the init segment not counted."""
        return sum(segment.size_bytes for segment in self.segments)

    @property
    def longest_segment(self) -> Fraction:
        """Seconds of the longest visible segment."""
        return Fraction(max(segment.duration for segment in self.segments), self.timescale)

    @property
    def average_bitrate(self) -> int:
        """Bits per second over all visible segments, rounded up."""
        ticks = sum(segment.duration for segment in self.segments)
        return math.ceil(Fraction(8 * self.size_bytes * self.timescale, ticks))

    def peak_bitrate(self, target_seconds: int) -> int:
        """The peak segment bit rate of RFC 8216bis, 4.4.6.2, in bits per second, rounded up.

        The largest bit rate of any contiguous run of segments that lasts between 0.5 and 1.5 target durations;
        the average where no run does.
        """
        shortest, longest = Fraction(target_seconds, 2), Fraction(3 * target_seconds, 2)
        peak = Fraction(0)
        for first in range(len(self.segments)):
            size, ticks = 0, 0
            for segment in self.segments[first:]:
                size, ticks = size + 8 * segment.size_bytes, ticks + segment.duration
                seconds = Fraction(ticks, self.timescale)
                if seconds > longest:
                    break
                if seconds >= shortest:
                    peak = max(peak, size / seconds)
        return math.ceil(peak) if peak else self.average_bitrate


class Package(Document):
    """The published streams of a title at one moment. `duration` is the planned length in seconds, `segment_duration`
    that of the longest planned segment. `lost` and `repeated` count the source's pictures that are not there, and
    those that are there a second time.
    """

    renditions: tuple[PublishedRendition, ...]
    segment_duration: Fraction
    duration: Fraction
    final: bool
    lost: int = 0
    repeated: int = 0

    @property
    def video(self) -> tuple[PublishedRendition, ...]:
        """The video renditions, largest first. They have the same segments."""
        return tuple(rendition for rendition in self.renditions if rendition.kind == "video")

    @property
    def audio(self) -> tuple[PublishedRendition, ...]:
        """The audio renditions that have sound by now, track by track."""
        return tuple(rendition for rendition in self.renditions if rendition.kind == "audio")

    @property
    def text(self) -> tuple[PublishedRendition, ...]:
        """The text renditions that are there by now, one a track."""
        return tuple(rendition for rendition in self.renditions if rendition.kind == "text")

    @property
    def leading(self) -> tuple[PublishedRendition, ...]:
        """The renditions that say how far the title goes: the pictures, or the sound where there is no picture."""
        return self.video or self.audio

    @property
    def segments(self) -> int:
        """Visible segments; 0 where nothing can be played yet."""
        return max((len(rendition.segments) for rendition in self.leading), default=0)

    @property
    def seconds(self) -> Fraction:
        """Seconds of the title that can be played."""
        return max((rendition.end for rendition in self.leading), default=Fraction(0))

    @property
    def target_duration(self) -> int:
        """HLS's target duration in seconds: planned, so the same over the life of a title.

        Rounded up, so that audio, cut at whole access units, fits too. A picture that is shown for longer than a
        segment makes a longer one; then the rule that no segment may exceed it comes first.
        """
        longest = max((rendition.longest_segment for rendition in self.renditions), default=Fraction(0))
        return max(1, math.ceil(self.segment_duration), math.floor(longest + Fraction(1, 2)))

    def rendition(self, rendition_id: str) -> PublishedRendition:
        """A rendition by id. Errors: KeyError."""
        for rendition in self.renditions:
            if rendition.id == rendition_id:
                return rendition
        raise KeyError(rendition_id)

    def bandwidth(self, rendition: PublishedRendition) -> int:
        """Peak bits per second to announce: the cap while the title grows, measured at the end."""
        measured = self.final or rendition.max_bitrate is None
        return rendition.peak_bitrate(self.target_duration) if measured else rendition.max_bitrate or 0

    def average_bandwidth(self, rendition: PublishedRendition) -> int:
        """Average bits per second to announce: the cap while the title grows, measured at the end."""
        return rendition.average_bitrate if self.final or rendition.max_bitrate is None else rendition.max_bitrate


def visible_chunks(plan: Plan, video: Container[int], audio: Container[tuple[int, int]]) -> int:
    """How many chunks from the start are complete: the video of each, and its part of every audio track.

    A title without a picture has no video to wait for.

    `video` holds the indexes of the committed chunks, `audio` the committed (track, chunk index) pairs.
    """
    for count, chunk in enumerate(plan.chunks):
        tracks = (track.track for track in plan.audio)
        without_picture = plan.video is not None and chunk.index not in video
        if without_picture or any((track, chunk.index) not in audio for track in tracks):
            return count
    return len(plan.chunks)


def build(
    plan: Plan,
    video: Mapping[int, PartResult],
    audio: Mapping[tuple[int, int], PartResult],
    *,
    final: bool,
    text: Mapping[int, PartResult] | None = None,
) -> Package:
    """The package over the contiguous prefix of committed chunks.

    `video` maps a chunk index to its result, `audio` a (track, chunk index), `text` a track. An audio track may be
    without segments, and may have more at the end than the video. Nothing waits for text: a growing title has the
    tracks that are there.

    Errors: VerificationError with rendition, segment, expected and found in its details where two parts do not
    join, where the rungs are not cut alike, or where a final package lacks a chunk; UnsupportedMediaError where all
    chunks are there, and neither a picture nor a sound is.
    """
    count = visible_chunks(plan, video, audio)
    if final and count < len(plan.chunks):
        raise _mismatch("the package is not complete", "all", 0, f"{len(plan.chunks)} chunks", f"{count}")
    chunks = plan.chunks[:count]
    pictures = _pictures(plan, plan.video, [(chunk, video[chunk.index]) for chunk in chunks]) if plan.video else []
    for rendition in pictures:
        _check_rung(pictures[0], rendition, chunks)
    sounds = [
        _sound(plan, track, rendition, [(chunk, audio[track.track, chunk.index]) for chunk in chunks])
        for track in plan.audio
        for rendition in track.renditions
    ]
    heard = [sound for sound in sounds if sound is not None]
    if final and not pictures and not heard:
        raise UnsupportedMediaError("nothing of the source can be decoded")
    missing = [track.id for track in plan.text if track.track not in (text or {})]
    if final and missing:
        raise _mismatch("the package is not complete", missing[0], 0, "text", "none")
    texts = [
        _text(track, text[track.track], chunks) for track in plan.text if text and chunks and track.id not in missing
    ]
    return Package(
        renditions=(*pictures, *heard, *texts),
        segment_duration=plan.longest_segment, duration=plan.duration, final=final,
        lost=sum(video[chunk.index].lost for chunk in chunks if plan.video),
        repeated=sum(video[chunk.index].repeated for chunk in chunks if plan.video),
    )  # fmt: skip


def _signal(plan: Plan, rendition: str) -> Signal | None:
    return plan.encryption.signal(rendition) if plan.encryption else None


def _pictures(plan: Plan, track: VideoTrack, parts: list[tuple[Chunk, PartResult]]) -> list[PublishedRendition]:
    return [
        PublishedRendition(
            **_joined(rendition.id, "video", parts), width=rendition.width, height=rendition.height,
            frame_rate=track.frame_rate, colour=rendition.colour, max_bitrate=rendition.max_bitrate,
            signal=_signal(plan, rendition.id),
        )
        for rendition in (track.renditions if parts else ())
    ]  # fmt: skip


def _sound(
    plan: Plan, track: AudioTrack, rendition: AudioRendition, parts: list[tuple[Chunk, PartResult]]
) -> PublishedRendition | None:
    if not any(part.segments for _, result in parts for part in result.renditions if part.rendition == rendition.id):
        return None
    return PublishedRendition(
        **_joined(rendition.id, "audio", parts), sample_rate=rendition.sample_rate, channels=rendition.channels,
        layout=rendition.layout, track=track.track, rung=rendition.rung, language=track.language, title=track.title,
        default=track.default, roles=track.roles, max_bitrate=rendition.bitrate, signal=_signal(plan, rendition.id),
    )  # fmt: skip


def _text(track: TextTrack, result: PartResult, chunks: tuple[Chunk, ...]) -> PublishedRendition:
    """A text rendition, as far as the chunks go: its task makes all segments of the title at once."""
    planned = [segment.number for chunk in chunks for segment in chunk.segments]
    own = next((part for part in result.renditions if part.rendition == track.id), None)
    segments = own.segments[: len(planned)] if own else ()
    found = [segment.number for segment in segments]
    if own is None or found != planned:
        raise _mismatch("not the planned segments", track.id, len(found), len(planned), len(found))
    for before, segment in zip((None, *segments), segments, strict=False):
        _check_join(track.id, before, segment)
    return PublishedRendition(
        id=track.id, kind="text", codecs=own.codecs, timescale=own.timescale,
        codec_config_sha256=own.codec_config_sha256, segments=segments, max_bitrate=None, language=track.language,
        title=track.title, default=track.default, forced=track.forced, roles=track.roles,
    )  # fmt: skip


def _joined(
    rendition: str, kind: Literal["video", "audio"], parts: list[tuple[Chunk, PartResult]]
) -> dict[str, object]:
    """The fields that come from the parts of one rendition, after each join was checked."""
    first: RenditionPart | None = None
    segments: list[SegmentResult] = []
    for chunk, part in _parts(rendition, kind, parts):
        if not part.segments:
            continue
        first = first or part
        for name in ("kind", "codecs", "timescale", "codec_config_sha256"):
            expected, found = getattr(first, name), getattr(part, name)
            if expected != found:
                number = part.segments[0].number
                raise _mismatch(f"two parts differ in {name}", rendition, number, expected, found)
        if part.segments[0].number != chunk.segments[0].number:
            raise _mismatch(
                "a part begins with another segment than its chunk", rendition, part.segments[0].number,
                chunk.segments[0].number, part.segments[0].number,
            )  # fmt: skip
        for segment in part.segments:
            # Sound that is passed through keeps its time: it may begin within its first access unit.
            late = 0 <= segment.start * segment.frames < segment.duration and kind == "audio"
            _check_join(rendition, segments[-1] if segments else None, segment, segment.start if late else 0)
            if segment.frames <= 0:
                raise _mismatch("a segment is empty", rendition, segment.number, "frames", segment.frames)
            segments.append(segment)
    if first is None:
        raise _mismatch("the rendition has no segments", rendition, 1, "segments", "none")
    return {
        "id": rendition, "kind": kind, "codecs": first.codecs, "timescale": first.timescale,
        "codec_config_sha256": first.codec_config_sha256, "segments": tuple(segments),
    }  # fmt: skip


def _parts(rendition: str, kind: str, parts: list[tuple[Chunk, PartResult]]) -> Iterator[tuple[Chunk, RenditionPart]]:
    for chunk, result in parts:
        own = [part for part in result.renditions if part.rendition == rendition]
        if len(own) == 1:
            yield chunk, own[0]
        elif own or kind == "video":
            number = chunk.segments[0].number
            raise _mismatch("the part of a chunk is missing or double", rendition, number, 1, len(own))


def _check_join(rendition: str, before: SegmentResult | None, segment: SegmentResult, first: int = 0) -> None:
    """A segment begins where the one before it ends, the first of all at tick `first`."""
    number = before.number + 1 if before else 1
    start = before.start + before.duration if before else first
    if segment.number != number:
        raise _mismatch("a segment is missing or double", rendition, segment.number, number, segment.number)
    if segment.start != start:
        raise _mismatch(
            "a segment does not begin where the one before it ends", rendition, number, start, segment.start
        )
    if segment.duration <= 0:
        raise _mismatch("a segment is empty", rendition, number, "a duration", segment.duration)


def _check_rung(top: PublishedRendition, rung: PublishedRendition, chunks: tuple[Chunk, ...]) -> None:
    """All rungs have the planned segments, at the same times and with the same pictures."""
    planned = [segment.number for chunk in chunks for segment in chunk.segments]
    if len(planned) != len(rung.segments):
        raise _mismatch("not the planned segments", rung.id, len(planned), len(planned), len(rung.segments))
    if rung.timescale != top.timescale:
        raise _mismatch("two rungs differ in timescale", rung.id, 1, top.timescale, rung.timescale)
    for own, other in zip(rung.segments, top.segments, strict=True):
        found, expected = (own.start, own.duration, own.frames), (other.start, other.duration, other.frames)
        if found != expected:
            raise _mismatch("two rungs are cut differently", rung.id, own.number, expected, found)


def _mismatch(reason: str, rendition: str, number: int, expected: object, found: object) -> VerificationError:
    return VerificationError(
        f"{reason}: rendition {rendition}, segment {number}: expected {expected}, found {found}",
        {"rendition": rendition, "segment": number, "expected": str(expected), "found": str(found)},
    )
