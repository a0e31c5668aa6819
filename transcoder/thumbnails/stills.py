"""Single pictures of a source: upright, in square pixels, in the colours of a web page, for little work.

Of a short title everything is decoded, and each picture is the one that is shown at its time. Of a longer one only
keyframes are, by seeking: each picture is that of the last keyframe before its time, so that the work depends on the
number of pictures and not on the title's length.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.container
import av.error
import av.video
import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

from transcoder.colour import BT709
from transcoder.deinterlacing import deinterlaced
from transcoder.ladder import Rendition
from transcoder.lanes.picture import PictureFormat, PictureGraph
from transcoder.limits import DEFAULT_LIMITS, Limits
from transcoder.media import Keyframe
from transcoder.pictures import SourcePictures
from transcoder.plan import VideoTrack
from transcoder.source import media_errors, open_source, packets

__all__ = ["Still", "keyframes_at", "stills", "write_jpeg"]

_DECODED_WHOLE_SECONDS = 60
"""A title no longer than this is decoded from its beginning."""

_PACKETS_OF_A_PICTURE = 8
"""So many packets are tried for the picture of a keyframe: fields may come apart, the first may be another's."""

_JPEG_QUALITY = 4
"""The quantiser of libavcodec's MJPEG encoder, from 2, the best, to 31."""
_QUANTISER_UNIT = 118


@dataclass(frozen=True, slots=True)
class Still:
    """A picture: its time in the title in seconds, and RGB of shape (height, width, 3)."""

    time: Fraction
    rgb: NDArray[np.uint8]


def keyframes_at(keyframes: Sequence[Keyframe], track: VideoTrack, times: Iterable[Fraction]) -> list[Keyframe]:
    """For each time of the title the last keyframe that is shown by then, or the first; `keyframes` are in order."""
    if not keyframes:
        return []
    found = (bisect_right(keyframes, track.origin_pts + time / track.time_base, key=_pts) for time in times)
    return [keyframes[max(0, index - 1)] for index in found]


def _pts(keyframe: Keyframe) -> Fraction:
    return Fraction(keyframe.pts)


def stills(
    file: BinaryIO,
    track: VideoTrack,
    times: Sequence[Fraction],
    keyframes: Sequence[Keyframe],
    size: tuple[int, int],
    folder: Path,
    *,
    duration: Fraction,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Still | None]:
    """A picture of that size for each time of the title, in order; None where none decodes.

    `keyframes` are those of the times, or none; `folder` takes tables of colours. Errors: UnsupportedMediaError.
    """
    painter = _Painter(track, size, folder)
    with open_source(file, limits) as container, media_errors("making thumbnails"):
        stream = container.streams[track.stream_index]
        assert isinstance(stream, av.video.VideoStream)
        stream.codec_context.thread_count = 1
        if duration <= _DECODED_WHOLE_SECONDS or not keyframes:
            shown = _shown(container, stream, track, times, limits)
        else:
            starts = keyframes_at(keyframes, track, times)
            shown = _keyframes(container, stream, track, starts, limits)
        last: tuple[av.VideoFrame, Still] | None = None
        for picture in shown:
            if picture is None:
                yield None
                continue
            pts, frame = picture
            if last is None or last[0] is not frame:
                last = (frame, Still(max(Fraction(0), track.seconds(pts)), painter.paint(frame)))
            yield last[1]


def _shown(
    container: av.container.InputContainer,
    stream: av.video.VideoStream,
    track: VideoTrack,
    times: Sequence[Fraction],
    limits: Limits,
) -> Iterator[tuple[int, av.VideoFrame] | None]:
    """The picture that is shown at each time, all being decoded in order."""
    source = SourcePictures(
        container, stream, first_pts=track.origin_pts, max_pixels=limits.pixels, clock=track.clock,
        stamping=track.stamping,
    )  # fmt: skip
    pictures = iter(source)
    current = following = next(pictures, None)
    for time in times:
        while following is not None and track.seconds(following[0]) <= time:
            current, following = following, next(pictures, None)
        yield current


def _keyframes(
    container: av.container.InputContainer,
    stream: av.video.VideoStream,
    track: VideoTrack,
    starts: Sequence[Keyframe],
    limits: Limits,
) -> Iterator[tuple[int, av.VideoFrame] | None]:
    """The picture of each keyframe. One that is asked for again is not decoded again."""
    stream.codec_context.skip_frame = "NONKEY"
    before: Keyframe | None = None
    picture: tuple[int, av.VideoFrame] | None = None
    for start in starts:
        if picture is None or start != before:
            frame = _decoded(container, stream, track, start)
            picture = None if frame is None else (start.pts, frame)
            if frame is not None and frame.width * frame.height > limits.pixels:
                picture = None
        before = start
        yield picture


def _decoded(
    container: av.container.InputContainer,
    stream: av.video.VideoStream,
    track: VideoTrack,
    start: Keyframe,
) -> av.VideoFrame | None:
    """The picture of one keyframe. A demuxer may begin before it."""
    decoder = stream.codec_context
    decoder.flush_buffers()
    following = (
        packet
        for packet in packets(container, stream, clock=track.clock, start=start)
        if packet.dts is None or packet.dts >= start.dts
    )
    for packet in islice(following, _PACKETS_OF_A_PICTURE):
        found = _frames(decoder, packet)
        if found:
            return found[0]
    return next(iter(_frames(decoder, None)), None)


def _frames(decoder: av.VideoCodecContext, packet: Packet[Any] | None) -> list[av.VideoFrame]:
    try:
        return decoder.decode(packet)
    except (av.error.InvalidDataError, av.error.EOFError):
        return []


class _Painter:
    """Turns decoded pictures into RGB of one size. A source may change its pictures' form on the way."""

    def __init__(self, track: VideoTrack, size: tuple[int, int], folder: Path) -> None:
        still = Rendition(
            id="still", codec="h264", width=size[0], height=size[1], colour=BT709, preset="", crf=0, max_bitrate=0,
            buffer=0,
        )  # fmt: skip
        self._track = track.model_copy(update={"renditions": (still,)})
        self._folder = folder
        self._graph: PictureGraph | None = None

    def paint(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        track = self._track
        if track.deinterlace is not None:
            [(_, frame)] = deinterlaced([(0, frame)], track.deinterlace, 1)
        frame.pts, frame.time_base = 0, Fraction(1, track.timescale)
        own = PictureFormat.of(frame, track.colour)
        if self._graph is None or self._graph.format != own:
            self._graph = PictureGraph(track, own, self._folder, 1)
        [picture] = self._graph.pictures(frame)
        # Without the mark of an interlaced picture, which libav would convert field by field: of an odd number of lines
        # of colour the last ones would be green.
        plain = av.VideoFrame.from_ndarray(picture.to_ndarray(), format=picture.format.name)
        rgb = plain.reformat(format="rgb24", src_colorspace="ITU709", src_color_range="MPEG")
        return rgb.to_ndarray().astype(np.uint8, copy=False)


def write_jpeg(rgb: NDArray[np.uint8]) -> bytes:
    """A JPEG of RGB of shape (height, width, 3), both even."""
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24").reformat(
        format="yuvj420p", dst_color_range="JPEG", dst_colorspace="ITU601"
    )
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = rgb.shape[1], rgb.shape[0], "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {
        "flags": "+qscale", "global_quality": str(_JPEG_QUALITY * _QUANTISER_UNIT), "strict": "unofficial",
    }  # fmt: skip
    picture.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])
