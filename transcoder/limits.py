"""What a source may be at most. Every number is a setting; the defaults fit a machine of 8 GB."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_LIMITS", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a source may be at most. Checked before anything is decoded, and again while it is.

    `pixels` of a picture, as decoded; `frame_rate` in pictures a second; `pictures` of one stream; `probe_bytes` that
    may be read to find out which streams there are; `expansion` is how many times its own size a source may yield in
    packets: an index whose samples all lie at the same place makes millions of packets out of a few kilobytes.
    """

    streams: int = 64
    pixels: int = 8192 * 4352
    frame_rate: int = 300
    duration_seconds: int = 24 * 3600
    pictures: int = 24 * 3600 * 60
    probe_bytes: int = 16 << 20
    expansion: int = 8

    @property
    def decoder_pixels(self) -> int:
        """What a decoder is told: it counts whole blocks, and lines with their padding."""
        return self.pixels + self.pixels // 4 + 64 * 64


DEFAULT_LIMITS = Limits()
"""What a source may be at most where nobody says otherwise."""
