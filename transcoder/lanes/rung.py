"""One rendition of one chunk: from scaled pictures to fragmented MP4."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.video
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.video.frame import PictureType

from transcoder.fragments import FragmentWriter
from transcoder.ladder import Rendition
from transcoder.lanes.base import presentation_delay
from transcoder.lanes.encoders import settings
from transcoder.plan import VideoTrack
from transcoder.quality import PictureQuality, open_meter
from transcoder.vbv import Budget

__all__ = ["RungEncoder"]

_LIMITED = 1
"""AVCOL_RANGE_MPEG."""


class RungEncoder:
    """An encoder and its file. Pictures come in the rendition's size and format, in presentation order."""

    def __init__(self, rendition: Rendition, track: VideoTrack, budget: Budget, path: Path, threads: int) -> None:
        chosen = settings(rendition, track.frame_rate, budget, threads)
        self._writer = FragmentWriter(path, track.timescale, presentation_delay(track, chosen.reordered))
        stream = self._writer.container.add_stream(chosen.name, rate=track.frame_rate, options=dict(chosen.options))
        assert isinstance(stream, av.video.VideoStream)
        stream.width, stream.height, stream.pix_fmt = rendition.width, rendition.height, chosen.pixel_format
        context = stream.codec_context
        context.time_base = Fraction(1, track.timescale)
        context.thread_count = threads
        context.color_primaries, context.color_trc = rendition.colour.primaries, rendition.colour.transfer
        context.colorspace, context.color_range = rendition.colour.matrix, _LIMITED
        if chosen.tag:
            context.codec_tag = chosen.tag
        self._looks_ahead = chosen.looks_ahead
        self._encoded, self._delivered, self._ahead = 0, 0, 0
        self._meter = open_meter(rendition, stream, vmaf=track.quality.measures_vmaf)
        self.quality: tuple[PictureQuality, ...] = ()
        self._filter = (
            BitStreamFilterContext(chosen.bitstream_filter, rendition.codec) if chosen.bitstream_filter else None
        )

    def encode(self, picture: av.VideoFrame, *, starts_segment: bool) -> None:
        """Take the next picture; its `pts` is in ticks of the title. An IDR picture where a segment starts."""
        picture.pict_type = PictureType.I if starts_segment else PictureType.NONE
        self._encoded += 1
        self._add(self._meter.encode(picture, starts_segment=starts_segment))

    @property
    def holds_back(self) -> bool:
        """Whether the encoder waits for more pictures before it gives those that it has."""
        return self._looks_ahead and self._delivered < self._encoded

    def look_ahead(self, picture: av.VideoFrame) -> None:
        """Show the encoder a picture after the last one. The first of them would start a segment."""
        if self.holds_back:
            picture.pict_type = PictureType.NONE if self._ahead else PictureType.I
            self._ahead += 1
            self._add(self._meter.encode(picture, measured=False))

    def finish(self, end: int) -> None:
        """Flush; the last picture ends at tick `end`. `quality` is what was measured, from then on."""
        if self._delivered < self._encoded:
            self._add(self._meter.encode(None))
        self.quality = self._meter.finish()
        self._writer.finish(end)

    def abort(self) -> None:
        """Let go of the file; it is of no use."""
        self._meter.abort()
        self._writer.abort()

    def _add(self, packets: Sequence[Packet[Any]]) -> None:
        # No picture refers across the start of a segment: those of the chunk come first.
        packets = packets[: self._encoded - self._delivered]
        self._delivered += len(packets)
        if self._filter is None:
            self._writer.add(packets)
            return
        for packet in packets:
            self._writer.add(self._filter.filter(packet))
