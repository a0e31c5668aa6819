"""The chunk encoder: decode a chunk's span of the source once, encode it on every rung.

The source is never cut. Decoding starts at a keyframe before the chunk (transcoder/pictures.py); pictures before its
start are dropped by their time, and the first picture after its end tells how long the last one lasts
(transcoder/timing.py). So neighbouring chunks meet exactly, whatever the source's GOPs are and wherever its pictures
lie. Some pictures after the end are shown to the encoders that look ahead, and encoded by none: what a chunk becomes
then is what one encoder over the whole title would have made of it (benchmarks/chunking_cost.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import av.video

from transcoder.deinterlacing import deinterlaced
from transcoder.lanes import Lane
from transcoder.limits import DEFAULT_LIMITS, Limits
from transcoder.media import Keyframe, VideoStream
from transcoder.pictures import SourcePictures
from transcoder.plan import Chunk, Segment, VideoTrack
from transcoder.quality import PictureQuality
from transcoder.source import media_errors, open_source
from transcoder.timing import Timing, timing_of

__all__ = ["EncodedChunk", "encode_chunk", "lead_in", "seek_points"]

_SEEK_POINTS = 4

_FIELD_CONTEXT = Fraction(1, 10)
"""Seconds before a chunk in which an interlaced source has a picture: it has 24 a second or more."""


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """What a chunk became: one fragmented MP4 file a rendition, one fragment a segment. Times in ticks of the title.

    `lost` is how many more pictures the source promised than it gave (below 0 where one packet held several),
    `mended` how many were damaged, `repeated` how many are there a second time because nothing else was to be shown.
    """

    files: dict[str, Path]
    start: int
    end: int
    frames: int
    quality: Mapping[str, tuple[PictureQuality, ...]]
    lost: int = 0
    mended: int = 0
    repeated: int = 0
    warnings: tuple[str, ...] = ()


def seek_points(stream: VideoStream, track: VideoTrack, chunk: Chunk) -> tuple[Keyframe, ...]:
    """Keyframes to start decoding at, best first; an empty tuple means the beginning of the source."""
    start = track.origin_pts + math.floor(chunk.start / track.time_base)
    before = [keyframe for keyframe in stream.keyframes if keyframe.pts <= start]
    return tuple(reversed(before[-_SEEK_POINTS:])) if chunk.index else ()


def lead_in(track: VideoTrack, chunk: Chunk, seek: Sequence[Keyframe]) -> Fraction:
    """Seconds of the source before the chunk that have to be decoded for it, where the seek points are good."""
    begin = track.seconds(seek[min(1, len(seek) - 1)].pts) if seek else Fraction(0)
    return max(Fraction(0), chunk.start - begin)


def encode_chunk(
    file: BinaryIO,
    track: VideoTrack,
    chunk: Chunk,
    folder: Path,
    *,
    lane: Lane,
    seek: Sequence[Keyframe] = (),
    following: Segment | None,
    threads: int = 1,
    limits: Limits = DEFAULT_LIMITS,
) -> EncodedChunk:
    """Encode one chunk of the source on every rung of the plan, into `folder`.

    `following` is the segment after the chunk; None says that the chunk ends with the source: everything up to the end
    belongs to it.

    The lane may ask for several passes over the span, so that not all encoders are in memory at once.

    Errors: UnsupportedMediaError where no picture can be decoded, or one is larger than `limits` allow.
    """
    passes = [
        _encode_pass(
            file, part, chunk, folder, lane=lane, seek=seek, following=following, threads=threads,
            limits=limits,
        )
        for part in lane.passes(track)
    ]  # fmt: skip
    files = {name: path for made in passes for name, path in made.files.items()}
    quality = {name: pictures for made in passes for name, pictures in made.quality.items()}
    return replace(passes[0], files=files, quality=quality)


def _encode_pass(
    file: BinaryIO,
    track: VideoTrack,
    chunk: Chunk,
    folder: Path,
    *,
    lane: Lane,
    seek: Sequence[Keyframe],
    following: Segment | None,
    threads: int,
    limits: Limits,
) -> EncodedChunk:
    """Decode the span once and encode it on the rungs of the track."""
    timing: Timing[av.VideoFrame] = timing_of(track, chunk, following)
    encoder = lane.open(track, chunk, folder, last=following is None, threads=threads)
    start_pts = track.pts(chunk.start)
    first, count = 0, 0
    try:
        with open_source(file, limits) as container, media_errors("encoding"):
            stream = container.streams[track.stream_index]
            assert isinstance(stream, av.video.VideoStream)
            lane.prepare(stream, threads)
            source = SourcePictures(
                container, stream, seek=seek, max_pixels=limits.pixels,
                first_pts=_first_pts(track, chunk),
                clock=track.clock, stamping=track.stamping,
            )  # fmt: skip
            pictures = deinterlaced(source, track.deinterlace, threads) if track.deinterlace else source
            for shown in timing.pictures(pictures):
                if count == 0:
                    first = shown.tick
                encoder.encode(shown.picture, shown.tick, starts_segment=shown.starts_segment)
                count += 1
            for picture, tick in timing.after():
                if not encoder.look_ahead(picture, tick):
                    break
            files = encoder.finish(timing.end)
            end_pts = None if following is None else track.pts(chunk.end)
            source.read_until(end_pts)
    except BaseException:
        encoder.abort()
        raise
    damage = source.damage.between(start_pts, end_pts)
    promised = sum(start_pts <= stamp and (end_pts is None or stamp < end_pts) for stamp in source.stamps)
    return EncodedChunk(
        files=files, start=first, end=timing.end, frames=count, quality=encoder.quality,
        mended=len(damage.mended), repeated=timing.repeated,
        lost=promised - (count - timing.repeated) if track.ticks_per_picture is None else 0,
        warnings=(
            *_warnings(track, _missing(source, track, start_pts, end_pts), "pictures could not be decoded"),
            *_warnings(track, damage.mended, "damaged pictures were mended"),
        ),
    )  # fmt: skip


def _first_pts(track: VideoTrack, chunk: Chunk) -> int:
    """The pts at which a picture must be known: the chunk's first one, or the one that is shown when it begins."""
    first = track.pts(chunk.start) if track.ticks_per_picture is None else track.shown_pts(chunk.start)
    # Deinterlacing looks at the picture before, whichever chunk has it.
    return first - math.ceil(_FIELD_CONTEXT / track.time_base) if track.deinterlace else first


def _missing(source: SourcePictures, track: VideoTrack, start: int, end: int | None) -> list[int]:
    """When the pictures of a span were to be shown that no packet yielded, as far as packets say when."""
    if track.stamping.shift is not None:
        return source.damage.between(start, end).refused
    return [pts for pts in source.stamps - source.yielded if start <= pts and (end is None or pts < end)]


def _warnings(track: VideoTrack, stamps: Sequence[int], what: str) -> Iterator[str]:
    """One sentence for the whole chunk: a damaged source must not fill the report."""
    if stamps:
        first, last = (float(track.seconds(pts)) for pts in (min(stamps), max(stamps)))
        where = f"at {first:.3f} s" if first == last else f"between {first:.3f} and {last:.3f} s"
        yield f"{what}: {len(stamps)} {where}"
