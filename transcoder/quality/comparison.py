"""What comes out of an encoder, decoded as it comes and compared with what went in."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import av.error
import av.filter
import av.video
from av.packet import Packet

from transcoder.errors import InternalError
from transcoder.ladder import Rendition, VideoCodec
from transcoder.quality.picture import BEST_PSNR, PictureQuality
from transcoder.quality.vmaf import VmafProcess

__all__ = ["Comparison"]

_EVERY = 5
"""One picture in so many is compared, from the start of each segment. Pictures come in pyramids of 2, 4, 8 or 16: five
has no factor in common with these, so that each layer of a pyramid is met as often as it is there."""


_DECODERS: dict[VideoCodec, str] = {"av1": "libdav1d"}
"""Decoders by name, where the codec's own name is not that of a software decoder."""


class Comparison:
    """`Meter` by decoding. Memory: the pictures to be compared that the encoder still holds back."""

    def __init__(self, rendition: Rendition, stream: av.video.VideoStream, *, vmaf: bool) -> None:
        self._stream = stream
        self._every = 1 if vmaf else _EVERY
        self._vmaf = VmafProcess(rendition) if vmaf else None
        self._graph = _Graph(rendition)
        decoder = av.CodecContext.create(_DECODERS.get(rendition.codec, rendition.codec), "r")
        assert isinstance(decoder, av.VideoCodecContext)
        decoder.thread_count = 1
        self._decoder = decoder
        self._waiting: dict[int, av.VideoFrame] = {}
        self._number = 0
        self._last = 0
        self._measured: list[PictureQuality] = []

    def encode(
        self, picture: av.VideoFrame | None, *, starts_segment: bool = False, measured: bool = True
    ) -> list[Packet[Any]]:
        if picture is not None and picture.pts is not None and measured:
            self._last = picture.pts
            self._number = 0 if starts_segment else self._number + 1
            if self._number % self._every == 0:
                self._waiting[picture.pts] = picture
        packets = list(self._stream.encode(picture))
        for packet in packets:
            if packet.pts is not None and packet.pts <= self._last:
                self._compare(self._decode(packet))
        return packets

    def finish(self) -> tuple[PictureQuality, ...]:
        self._compare(self._decode(None))
        if self._waiting:
            raise InternalError(f"{len(self._waiting)} pictures did not come out of the encoder")
        if self._vmaf is None:
            return tuple(self._measured)
        scores = self._vmaf.finish()
        return tuple(picture._replace(vmaf=score) for picture, score in zip(self._measured, scores, strict=True))

    def abort(self) -> None:
        self._waiting.clear()
        if self._vmaf is not None:
            self._vmaf.abort()

    def _decode(self, packet: Packet[Any] | None) -> list[av.VideoFrame]:
        if not self._decoder.is_open:
            # Known once the encoder has begun: parameter sets that its packets do not repeat.
            self._decoder.extradata = self._stream.codec_context.extradata
        try:
            return [frame for frame in self._decoder.decode(packet) if isinstance(frame, av.VideoFrame)]
        except av.error.FFmpegError as error:
            raise InternalError(f"what was encoded cannot be decoded: {error.strerror}") from error

    def _compare(self, pictures: list[av.VideoFrame]) -> None:
        """Decoded pictures come in the order of presentation."""
        for decoded in pictures:
            original = self._waiting.pop(decoded.pts, None) if decoded.pts is not None else None
            if original is not None and decoded.pts is not None:
                if self._vmaf is not None:
                    self._vmaf.add(original, decoded)
                tick = decoded.pts
                self._measured.append(PictureQuality(tick, *self._graph.compare(original, decoded)))


_CLOCK = Fraction(1, 25)
"""Of the graph: it only pairs equal times."""


class _Graph:
    """libavfilter's `psnr` and `ssim` in one graph: two pictures in, two measures of luma out."""

    def __init__(self, rendition: Rendition) -> None:
        graph = self._graph = av.filter.Graph()
        graph.threads = 1
        form = f"yuv420p{'' if rendition.bits == 8 else '10le'}"
        size = f"video_size={rendition.width}x{rendition.height}:pix_fmt={form}:time_base=1/25"
        self._decoded, self._original = graph.add("buffer", size), graph.add("buffer", size)
        split, psnr, ssim = graph.add("split"), graph.add("psnr"), graph.add("ssim")
        self._sink = graph.add("buffersink")
        self._original.link_to(split)
        self._decoded.link_to(psnr)
        split.link_to(psnr, 0, 1)
        psnr.link_to(ssim)
        split.link_to(ssim, 1, 1)
        ssim.link_to(self._sink)
        graph.configure()
        self._number = 0

    def compare(self, original: av.VideoFrame, decoded: av.VideoFrame) -> tuple[float, float]:
        """PSNR in dB and SSIM. The pictures get other times."""
        for frame, source in ((original, self._original), (decoded, self._decoded)):
            frame.pts, frame.time_base = self._number, _CLOCK
            source.push(frame)
        self._number += 1
        told = self._sink.pull().metadata
        psnr = told["lavfi.psnr.psnr.y"]
        return BEST_PSNR if psnr == "inf" else min(BEST_PSNR, float(psnr)), float(told["lavfi.ssim.Y"])
