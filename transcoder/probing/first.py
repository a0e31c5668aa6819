"""The first picture or sound of every stream that decodes, in one reading: only they tell the true format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import av
import av.audio
import av.error
import av.video
from av.packet import Packet

from transcoder.limits import Limits
from transcoder.media import SourceClock
from transcoder.probing.decoding import decode, prepare
from transcoder.source import media_errors, open_source, packets

__all__ = ["First", "first_frames"]

_MOST_PACKETS = 3000
"""So many packets of a stream may come before the first that decodes."""

_MOST_BYTES = 512 << 20


@dataclass(slots=True)
class First:
    """The first frame of a stream, or the reason why there is none. `reordered` is how many packets the decoder takes
    in before it gives the first picture; `field_order` is libav's AVFieldOrder, as the decoder found it."""

    frame: av.VideoFrame | av.AudioFrame | None = None
    pts: int | None = None
    dts: int | None = None
    reordered: int = 0
    field_order: int = 0
    sample_rate: int = 0
    packets: int = 0
    reason: str = "nothing in it can be decoded"

    @property
    def stamp(self) -> int | None:
        """When it is shown or heard, as far as it says."""
        return self.pts if self.pts is not None else self.dts


def first_frames(file: BinaryIO, indices: Sequence[int], clock: SourceClock, limits: Limits) -> dict[int, First]:
    """The first frame of each of the streams, by index.

    Errors: UnsupportedMediaError where a picture is larger than allowed.
    """
    found = {index: First() for index in indices}
    waiting = dict(found)
    with open_source(file, limits) as container, media_errors("reading the source"):
        streams = [container.streams[index] for index in indices]
        for stream in streams:
            if isinstance(stream, av.video.VideoStream):
                prepare(stream.codec_context, limits)
            else:
                stream.codec_context.thread_count = 1
        size = 0
        for packet in packets(container, *streams, clock=clock):
            own = waiting.get(packet.stream_index)
            if own is None:
                continue
            size += packet.size
            own.packets += 1
            if _decode(own, packet.stream, packet, limits) or own.packets == _MOST_PACKETS:
                del waiting[packet.stream_index]
            if not waiting or size > _MOST_BYTES:
                break
        for index, own in waiting.items():
            _decode(own, container.streams[index], None, limits)
    return found


def _decode(own: First, stream: Any, packet: Packet[Any] | None, limits: Limits) -> bool:
    context = stream.codec_context
    try:
        frames = decode(context, packet, limits)
    except av.error.FFmpegError as error:
        own.reason = f"nothing in it can be decoded ({error.strerror})"
        return False
    for frame in frames:
        if isinstance(frame, av.VideoFrame):
            own.reordered, own.field_order = context.reorder_depth, context.field_order
        elif not frame.samples:
            continue
        else:
            own.sample_rate = frame.sample_rate
        own.frame, own.pts, own.dts = frame, frame.pts, frame.dts
        return True
    return False
