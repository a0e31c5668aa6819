"""Thumbnails: a poster that shows something, as a JPEG of the source's own picture."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

import av
import av.error
import av.video
import numpy as np

from transcoder.errors import UnsupportedMediaError
from transcoder.media import VideoStream
from transcoder.source import media_errors, open_source

__all__ = ["Poster", "make_poster"]

_CANDIDATES = (Fraction(1, 10), Fraction(1, 4), Fraction(1, 2), Fraction(3, 4), Fraction(0))
"""Where to look, as shares of the duration. The first picture with enough detail is taken."""

_ENOUGH_DETAIL = 20.0
"""Standard deviation of luma above which a picture is not a fade, a title card or black (8 bit codes)."""

_LONGER_SIDE = 1280
_TURNS = {90: -1, 180: 2, 270: 1}


@dataclass(frozen=True, slots=True)
class Poster:
    """A JPEG and where in the title it comes from, in seconds."""

    data: bytes
    width: int
    height: int
    time: Fraction


def make_poster(file: BinaryIO, stream: VideoStream) -> Poster:
    """The poster of a source. Square pixels, upright, at most 1280 pixels on the longer side.

    Errors: UnsupportedMediaError where no picture can be decoded.
    """
    best: tuple[float, av.VideoFrame, Fraction] | None = None
    length = stream.end_pts - stream.start_pts
    with open_source(file) as container, media_errors("making the poster"):
        source = container.streams[stream.index]
        assert isinstance(source, av.video.VideoStream)
        source.codec_context.thread_count = 1
        for share in _CANDIDATES:
            found = _frame_at(container, source, stream.start_pts + int(share * length))
            if found is None:
                continue
            detail = _detail(found)
            time = (found.pts - stream.start_pts) * stream.time_base if found.pts is not None else Fraction(0)
            if best is None or detail > best[0]:
                best = (detail, found, max(Fraction(0), time))
            if detail >= _ENOUGH_DETAIL:
                break
        if best is None:
            raise UnsupportedMediaError("no picture can be decoded for the poster")
        return _jpeg(best[1], stream, best[2])


def _frame_at(container: av.container.InputContainer, source: av.video.VideoStream, pts: int) -> av.VideoFrame | None:
    """The keyframe at or before a time, or whatever picture decodes first there."""
    try:
        container.seek(pts, stream=source)
        return next((frame for frame in container.decode(source)), None)
    except (av.error.FFmpegError, StopIteration):
        return None


def _detail(frame: av.VideoFrame) -> float:
    """Standard deviation of luma: how much there is to see."""
    return float(np.std(frame.reformat(width=64, height=64, format="gray").to_ndarray()))


def _jpeg(frame: av.VideoFrame, stream: VideoStream, time: Fraction) -> Poster:
    width, height = stream.display_size
    scale = min(Fraction(1), Fraction(_LONGER_SIDE, max(width, height)))
    size = (max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2)))
    turned = size if stream.rotation % 180 == 0 else size[::-1]
    picture = np.asarray(frame.reformat(width=turned[0], height=turned[1], format="rgb24").to_ndarray(), np.uint8)
    upright = av.VideoFrame.from_ndarray(
        np.ascontiguousarray(np.rot90(picture, _TURNS.get(stream.rotation, 0)), np.uint8), format="rgb24"
    ).reformat(format="yuvj420p", dst_color_range="JPEG", dst_colorspace="ITU601")
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = size[0], size[1], "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qscale": "4", "strict": "unofficial"}
    upright.pts = 0
    packets = [*encoder.encode(upright), *encoder.encode(None)]
    return Poster(b"".join(bytes(packet) for packet in packets), size[0], size[1], time)
