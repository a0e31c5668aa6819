"""Decoding within the limits: no picture is allocated that is larger than allowed."""

from __future__ import annotations

from typing import Any

import av
import av.error
import av.video
from av.packet import Packet

from transcoder.errors import UnsupportedMediaError
from transcoder.limits import Limits

__all__ = ["check_size", "decode", "prepare"]


def check_size(width: int, height: int, limits: Limits) -> None:
    """Errors: UnsupportedMediaError where a picture is larger than allowed."""
    if width * height > limits.pixels:
        raise UnsupportedMediaError(f"a picture of {width}x{height} is larger than the allowed {limits.pixels} pixels")


def prepare(context: av.video.codeccontext.VideoCodecContext, limits: Limits) -> None:
    """Before the first packet: one thread, and libav asks before it allocates a picture.

    Errors: UnsupportedMediaError where the container's own word for the size is larger than allowed.
    """
    check_size(context.width, context.height, limits)
    context.thread_count = 1
    context.options = {**context.options, "max_pixels": str(limits.decoder_pixels)}


def decode(context: Any, packet: Packet[Any] | None, limits: Limits) -> list[Any]:
    """The frames that a packet yields, or the end of the source.

    Errors: UnsupportedMediaError where a picture is larger, or needs more memory, than allowed; FFmpegError for damage.
    """
    pictures = context.type == "video"
    sized = pictures and context.width * context.height > 0
    try:
        frames: list[Any] = context.decode(packet)
    except av.error.MemoryError as error:
        raise UnsupportedMediaError("a picture or sound needs more memory than is allowed") from error
    except av.error.FFmpegError as error:
        if sized and not 0 < context.width * context.height <= limits.pixels:
            # What libav leaves behind when it refuses a size: the size itself, or nothing.
            raise UnsupportedMediaError(f"a picture has more than the allowed {limits.pixels} pixels") from error
        raise
    if pictures:
        for frame in frames:
            check_size(frame.width, frame.height, limits)
    return frames
