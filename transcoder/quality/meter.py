"""A meter stands between the pictures of a rung and its encoder, and says how near what comes out is."""

from __future__ import annotations

from typing import Any, Protocol

import av
import av.video
from av.packet import Packet

from transcoder.ladder import Rendition
from transcoder.quality.comparison import Comparison
from transcoder.quality.picture import PictureQuality
from transcoder.quality.x264_report import X264Report

__all__ = ["Meter", "open_meter"]


class Meter(Protocol):
    """Measures one rendition of one chunk. Picture times are ticks of the title."""

    def encode(
        self, picture: av.VideoFrame | None, *, starts_segment: bool = False, measured: bool = True
    ) -> list[Packet[Any]]:
        """Encode the next picture, or flush at None. The encoder's packets, unchanged, in decode order.

        A picture that is not to be `measured` is later than all that are.
        """
        ...

    def finish(self) -> tuple[PictureQuality, ...]:
        """The pictures that were measured, by time, after the encoder was flushed."""
        ...

    def abort(self) -> None:
        """Let go of everything that runs."""
        ...


def open_meter(rendition: Rendition, stream: av.video.VideoStream, *, vmaf: bool) -> Meter:
    """The cheapest meter that tells what is asked, over the encoder of `stream`.

    Errors: ResourceMissingError where VMAF is asked for and cannot be measured here.
    """
    if rendition.codec == "h264" and not vmaf:
        return X264Report(stream)
    return Comparison(rendition, stream, vmaf=vmaf)
