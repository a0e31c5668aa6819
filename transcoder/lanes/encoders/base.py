"""What one encoder is told for one rendition of one chunk, whatever its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

__all__ = ["EncoderSettings", "reordering"]

_SLOWEST_WITH_B_FRAMES = 20
"""Pictures a second below which no picture waits for a later one: see `reordering`."""


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """libav's name of an encoder and its options. Nothing here depends on the content.

    `reordered` pictures may be decoded before an earlier one is shown. `tag` is the sample entry's type where libav
    would choose another. `bitstream_filter` is run over every packet. An encoder that `looks_ahead` gives other
    pictures where it does not see what follows.
    """

    name: str
    pixel_format: str
    options: Mapping[str, str] = field(default_factory=dict)
    reordered: int = 0
    looks_ahead: bool = False
    tag: str | None = None
    bitstream_filter: str | None = None


def reordering(frame_rate: Fraction) -> int:
    """Pictures by which an encoder may decode ahead of the presentation: 1, or 0 for slow rates.

    hls.js reads no edit list. It takes the presentation delay for a shift of the segments, and from 0.05 s on it
    reports errors when it replaces a buffered segment by a better rung's. Without a B-pyramid the delay is one
    picture: less than that from 20 pictures a second on.
    """
    return 1 if frame_rate >= _SLOWEST_WITH_B_FRAMES else 0
