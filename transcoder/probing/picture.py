"""What one decoded picture says of itself: colour, mastering, orientation. Code points as in ITU-T H.273."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
from av.sidedata.sidedata import SideData, Type

from transcoder.media import Colour, ContentLight, MasteringDisplay

__all__ = ["Orientation", "colour", "content_light", "mastering_display", "orientation"]

_UNSPECIFIED = 2
_FULL_RANGE = 2
"""AVCOL_RANGE_JPEG."""


def colour(frame: av.VideoFrame) -> Colour:
    """What the picture says of its colour; full range also where its format implies it."""
    format_name = frame.format.name
    full = int(frame.color_range) == _FULL_RANGE or format_name.startswith("yuvj") or frame.format.is_rgb
    return Colour(
        primaries=_code(frame.color_primaries), transfer=_code(frame.color_trc), matrix=_code(frame.colorspace),
        full_range=full,
    )  # fmt: skip


def _code(value: int) -> int:
    return int(value) if 0 <= int(value) < 256 else _UNSPECIFIED


def mastering_display(frame: av.VideoFrame) -> MasteringDisplay | None:
    """SMPTE ST 2086, from libav's AVMasteringDisplayMetadata: ten rationals and two flags. None where it is not whole
    or makes no sense."""
    data = _side_data(frame, Type.MASTERING_DISPLAY_METADATA)
    if data is None or len(data) < 88:
        return None
    numbers = struct.unpack("=22i", data[:88])
    if not (numbers[20] and numbers[21]) or not all(numbers[1:20:2]):
        return None
    values = [Fraction(numbers[at], numbers[at + 1]) for at in range(0, 20, 2)]
    points = [(values[at], values[at + 1]) for at in range(0, 8, 2)]
    low, high = values[8], values[9]
    if not (all(0 < x < 1 and 0 < y < 1 for x, y in points) and 0 <= low < high <= 10_000):
        return None
    red, green, blue, white = points
    return MasteringDisplay(red=red, green=green, blue=blue, white=white, min_luminance=low, max_luminance=high)


def content_light(frame: av.VideoFrame) -> ContentLight | None:
    """CTA-861.3, from libav's AVContentLightMetadata. None where nothing is said."""
    data = _side_data(frame, Type.CONTENT_LIGHT_LEVEL)
    if data is None or len(data) < 8:
        return None
    brightest, average = struct.unpack("=2I", data[:8])
    return ContentLight(max_content=brightest, max_average=average) if 0 < brightest <= 65_535 >= average else None


@dataclass(frozen=True, slots=True)
class Orientation:
    """How to show a decoded picture: flipped left to right where `mirrored`, then turned by `rotation` degrees
    clockwise. `exact` is False where it was to be turned by something else than quarters."""

    rotation: int = 0
    mirrored: bool = False
    exact: bool = True


def orientation(frame: av.VideoFrame) -> Orientation:
    """The picture's display matrix (ISO/IEC 14496-12, 6.2.2): x' = ax + cy, y' = bx + dy, y downwards."""
    data = _side_data(frame, Type.DISPLAYMATRIX)
    if data is None or len(data) < 36:
        return Orientation()
    a, b, _, c, d, *_ = struct.unpack("=9i", data[:36])
    # The two axes may be scaled differently, which is the pixels' shape and not a turn.
    across, down = math.hypot(a, c), math.hypot(b, d)
    if not across or not down:
        return Orientation()
    mirrored = a * d - b * c < 0
    x, y = (-a / across, -b / down) if mirrored else (a / across, b / down)
    degrees = math.degrees(math.atan2(y, x))
    rotation = round(degrees / 90) * 90
    return Orientation(rotation % 360, mirrored, abs(degrees - rotation) < 1)


def _side_data(frame: av.VideoFrame, kind: Type) -> bytes | None:
    # The stubs take the container for one of names.
    known: Sequence[SideData] = list(frame.side_data)  # type: ignore[arg-type]
    return next((bytes(data) for data in known if data.type is kind), None)
