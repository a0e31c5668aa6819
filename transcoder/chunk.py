"""The chunk encoder: decode a chunk's span of the source once, encode it on every rung.

The source is never cut. Decoding starts at the keyframe before the chunk; pictures before its start are dropped
by their time, and the first picture after its end tells how long the last one lasts. So neighbouring chunks meet
exactly, whatever the source's GOPs are and wherever its pictures lie.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.container
import av.error
import av.video

from transcoder.errors import UnsupportedMediaError
from transcoder.lanes import Lane
from transcoder.media import Keyframe, VideoStream
from transcoder.plan import Chunk, VideoTrack
from transcoder.source import media_errors, open_source, packets

__all__ = ["EncodedChunk", "encode_chunk", "seek_points"]

_SEEK_POINTS = 3


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """What a chunk became: one fragmented MP4 file a rendition, one fragment a segment. Ticks of the title."""

    files: dict[str, Path]
    start: int
    end: int
    frames: int
    warnings: tuple[str, ...] = ()


def seek_points(stream: VideoStream, track: VideoTrack, chunk: Chunk) -> tuple[Keyframe, ...]:
    """Keyframes to start decoding at, best first; an empty tuple means the beginning of the source."""
    start = track.origin_pts + math.floor(chunk.start / track.time_base)
    before = [keyframe for keyframe in stream.keyframes if keyframe.pts <= start]
    return tuple(reversed(before[-_SEEK_POINTS:])) if chunk.index else ()


def encode_chunk(
    file: BinaryIO,
    track: VideoTrack,
    chunk: Chunk,
    folder: Path,
    *,
    lane: Lane,
    seek: Sequence[Keyframe] = (),
    last: bool,
    threads: int = 1,
) -> EncodedChunk:
    """Encode one chunk of the source on every rung of the plan, into `folder`.

    `last` says that the chunk ends with the source: everything up to the end belongs to it.

    Errors: UnsupportedMediaError where a segment of the span holds no picture.
    """
    clock = _Clock(track, chunk, last=last)
    encoder = lane.open(track, folder, threads=threads)
    count, first, previous, end = 0, 0, -1, 0
    warnings: list[str] = []
    try:
        with open_source(file) as container, media_errors("encoding"):
            stream = container.streams[track.stream_index]
            assert isinstance(stream, av.video.VideoStream)
            lane.prepare(stream, threads)
            for frame in _frames(container, stream, seek, clock.first_pts, warnings):
                if frame.pts is None:
                    continue
                tick = clock.tick(frame.pts)
                if tick < clock.start or tick <= previous:
                    continue
                if clock.is_after(tick):
                    end = tick
                    break
                if count == 0:
                    first = tick
                encoder.encode(frame, tick, starts_segment=clock.starts_segment(tick))
                count, previous = count + 1, tick
            clock.check_ended()
            # No picture follows: the last one is shown until the title's end, or for one picture's time.
            end = end or max(clock.end if last else 0, previous + clock.step)
            files = encoder.finish(end)
    except BaseException:
        encoder.abort()
        raise
    return EncodedChunk(files=files, start=first, end=end, frames=count, warnings=tuple(dict.fromkeys(warnings)))


class _Clock:
    """Where a source's pictures lie in the title, for one chunk. All ticks are integers, exactly."""

    def __init__(self, track: VideoTrack, chunk: Chunk, *, last: bool) -> None:
        self._track = track
        self._last = last
        self._segments = chunk.segments
        self._boundaries = [_ceil(segment.start, track) for segment in chunk.segments]
        self._next = 0
        self.start = self._boundaries[0]
        self.end = _ceil(chunk.end, track)
        self.step = max(1, round(track.timescale / track.frame_rate))
        self.first_pts = track.origin_pts + math.ceil(chunk.start / track.time_base)

    def tick(self, pts: int) -> int:
        return (pts - self._track.origin_pts) * self._track.ticks_per_pts

    def is_after(self, tick: int) -> bool:
        return tick >= self.end and not self._last

    def starts_segment(self, tick: int) -> bool:
        """Whether this picture is the first of a segment. Asked once a picture, in order.

        Errors: UnsupportedMediaError where the segment before has got no picture.
        """
        if self._next == len(self._boundaries) or tick < self._boundaries[self._next]:
            return False
        self._next += 1
        if self._next < len(self._boundaries) and self._boundaries[self._next] <= tick:
            raise self._without_picture(self._next - 1)
        return True

    def check_ended(self) -> None:
        """Whether every segment has got a picture. Errors: UnsupportedMediaError."""
        if self._next < len(self._boundaries):
            raise self._without_picture(self._next)

    def _without_picture(self, index: int) -> UnsupportedMediaError:
        start, end = self._segments[index].start, self._segments[index].end
        return UnsupportedMediaError(f"the source has no picture between {float(start):.3f} and {float(end):.3f} s")


def _ceil(seconds: Fraction, track: VideoTrack) -> int:
    return math.ceil(seconds * track.timescale)


def _frames(
    container: av.container.InputContainer,
    stream: av.video.VideoStream,
    seek: Sequence[Keyframe],
    first_pts: int,
    warnings: list[str],
) -> Iterator[av.VideoFrame]:
    """Decoded pictures from the best seek point on. A damaged packet is skipped and reported.

    Before `first_pts` only what later pictures refer to is decoded: the rest would be dropped.
    """
    for packet in _packets(container, stream, seek):
        early = packet.pts is not None and packet.pts < first_pts
        stream.codec_context.skip_frame = "NONREF" if early else "DEFAULT"
        try:
            yield from stream.codec_context.decode(packet)
        except (av.error.InvalidDataError, av.error.EOFError):
            warnings.append("a damaged picture was skipped")
    try:
        yield from stream.codec_context.decode(None)
    except (av.error.InvalidDataError, av.error.EOFError):
        warnings.append("the end of the source is damaged")


def _packets(
    container: av.container.InputContainer, stream: av.video.VideoStream, seek: Sequence[Keyframe]
) -> Iterator[av.Packet[Any]]:
    """Packets from a seek point that the demuxer really reached: it must not begin after what was asked for."""
    for keyframe in seek:
        try:
            container.seek(keyframe.dts, stream=stream, backward=True, any_frame=False)
        except av.error.FFmpegError:
            continue
        following = packets(container, stream)
        first = next(following, None)
        if first is not None and first.dts is not None and first.dts <= keyframe.dts:
            yield first
            yield from following
            return
    if seek:
        container.seek(0, backward=True)
    yield from packets(container, stream)
