"""libx264's own word: it measures every picture that it encodes, and writes that into its log.

For that its parameters must have `psnr=1` and `ssim=1`; they do not change what it encodes. The log has one line a
picture, in decode order, like the packets; the measures are over the picture as a decoder will show it, but for two
details. A picture that no other refers to is measured before the deblocking filter: up to 0.1 dB too low. And the
windows of SSIM lie two pixels beside those of libavfilter's, so as not to fall on the edges of blocks: where pictures
are bad, the two differ (0.73 and 0.71), where they are good, they hardly do (0.964 and 0.964).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av
import av.logging
import av.video
from av.packet import Packet

from transcoder.errors import InternalError
from transcoder.quality.picture import PictureQuality

__all__ = ["X264Report"]

_LINE = re.compile(r"^frame=.* PSNR Y:\s*([0-9.]+|inf) .* SSIM Y:\s*([0-9.]+)")


class X264Report:
    """`Meter` by listening. Nothing runs beside the encoder."""

    def __init__(self, stream: av.video.VideoStream) -> None:
        self._stream = stream
        self._told: list[tuple[float, float]] = []
        self._ticks: list[int] = []
        self._last = 0

    def encode(
        self,
        picture: av.VideoFrame | None,
        *,
        starts_segment: bool = False,  # noqa: ARG002
        measured: bool = True,
    ) -> list[Packet[Any]]:
        if picture is not None and picture.pts is not None and measured:
            self._last = picture.pts
        with _listening() as lines:
            packets = list(self._stream.encode(picture))
        self._told += [(float(found[1]), float(found[2])) for line in lines if (found := _LINE.match(line[2]))]
        self._ticks += [packet.pts for packet in packets if packet.pts is not None]
        return packets

    def finish(self) -> tuple[PictureQuality, ...]:
        if len(self._told) != len(self._ticks):
            raise InternalError("libx264 did not tell the quality of every picture")
        told = zip(self._ticks, self._told, strict=True)
        return tuple(sorted(PictureQuality(tick, psnr, ssim) for tick, (psnr, ssim) in told if tick <= self._last))

    def abort(self) -> None:
        pass


@contextmanager
def _listening() -> Iterator[list[tuple[int, str, str]]]:
    """What libav logs in this thread during the block. Kept short: elsewhere, its logging at length would cost."""
    level, repeated = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_skip_repeated(False)
    av.logging.set_level(av.logging.DEBUG)
    try:
        with av.logging.Capture() as lines:
            yield lines
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(repeated)
