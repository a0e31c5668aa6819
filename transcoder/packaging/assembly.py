"""The assembly of a package: from the plan and the committed parts to what is published now. Pure.

A chunk is visible when its video and all its audio parts are committed and all chunks before it are visible. The
joins are checked here, exactly, before any manifest names a segment: a part begins at the tick at which the one
before it ends, under the same decoder configuration.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Literal

from transcoder.errors import UnsupportedMediaError, VerificationError
from transcoder.packaging.drm import Signal
from transcoder.packaging.package import Package, PublishedRendition
from transcoder.plan import Chunk, Plan, VideoTrack
from transcoder.results import PartResult, RenditionPart, SegmentResult
from transcoder.sound.tracks import AudioRendition, AudioTrack
from transcoder.text.track import TextTrack
from transcoder.trick import TRICK

__all__ = ["build", "visible_chunks"]


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
    images: Sequence[PartResult] = (),
) -> Package:
    """The package over the contiguous prefix of committed chunks.

    `video` maps a chunk index to its result, `audio` a (track, chunk index), `text` a track; `images` are in the order
    of their tasks. An audio track may be without segments, and may have more at the end than the video. Nothing waits
    for text or images: a growing title has those that are there.

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
    tricks = _trick(plan, pictures, [(chunk, video[chunk.index]) for chunk in chunks if plan.video])
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
    repeated = sum(video[chunk.index].repeated for chunk in chunks if plan.video)
    return Package(
        renditions=(*pictures, *tricks, *heard, *texts),
        images=tuple(image for result in images for image in result.images),
        sprites=plan.thumbnails.sprites if plan.thumbnails else None,
        segment_duration=plan.longest_segment, duration=plan.duration, final=final,
        lost=_lost(plan.video, pictures[0], repeated) if final and plan.video else 0, repeated=repeated,
    )  # fmt: skip


def _lost(track: VideoTrack, top: PublishedRendition, repeated: int) -> int:
    """How many of the planned pictures are not there. What the chunks measured may differ by a packet whose time is
    damaged, which none of them takes for its own, or two."""
    return 0 if track.ticks_per_picture else track.frame_count + repeated - top.frames


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


def _trick(
    plan: Plan, pictures: list[PublishedRendition], parts: list[tuple[Chunk, PartResult]]
) -> list[PublishedRendition]:
    """The rendition of keyframes: one picture a segment, at the times of the rung that they come from."""
    source = next((own for own in pictures if plan.video and own.id == plan.video.trick), None)
    if source is None:
        return []
    trick = PublishedRendition(
        **_joined(TRICK, "trick", parts), width=source.width, height=source.height, colour=source.colour,
        max_bitrate=None, signal=_signal(plan, TRICK),
    )  # fmt: skip
    found = [(own.number, own.start, own.duration, own.frames) for own in trick.segments]
    expected = [(own.number, own.start, own.duration, 1) for own in source.segments]
    if found != expected:
        number = next((own[0] for own, other in zip(found, expected, strict=False) if own != other), len(found))
        raise _mismatch("not the keyframes of their rung", TRICK, number, len(expected), len(found))
    return [trick]


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
    rendition: str, kind: Literal["video", "audio", "trick"], parts: list[tuple[Chunk, PartResult]]
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
        elif own or kind != "audio":
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
