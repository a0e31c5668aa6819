"""What a finished attempt reports: the segments it wrote, exact to the tick, and what identifies them.

The engine verifies these before the commit, the manifests are built from them, the verifier checks them again.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from pydantic import Field

from transcoder.documents import Document

__all__ = ["ImageResult", "Kind", "Loudness", "PartResult", "RenditionPart", "SegmentQuality", "SegmentResult"]

Kind = Literal["video", "audio", "text", "trick"]
"""What a rendition is. `trick` holds one keyframe a segment, for fast forward and backward."""


class SegmentQuality(Document):
    """How near an encoded segment is to the scaled picture that went into its encoder. Means over its pictures,
    and the worst picture's PSNR: PSNR in dB over luma, SSIM from 0 to 1, VMAF from 0 to 100."""

    psnr: float
    ssim: float | None = None
    worst_psnr: float | None = None
    vmaf: float | None = None


class SegmentResult(Document):
    """One segment. `start` and `duration` are ticks of the rendition's timescale; times of the title. `frames` are
    its coded pictures or access units, or the cues that begin in it."""

    number: int
    start: int
    duration: int
    frames: int
    size_bytes: int
    sha256: str
    quality: SegmentQuality | None = None


class RenditionPart(Document):
    """The part of one rendition that one attempt made.

    `codec_config_sha256` is over the decoder configuration (the `stsd` box; of text, the header of its files), which
    must be the same in every part of a rendition: a player gets one init segment for all of them. Text has none.
    """

    rendition: str
    kind: Kind
    codecs: str
    timescale: int
    codec_config_sha256: str
    init_size_bytes: int
    segments: tuple[SegmentResult, ...]
    width: int | None = None
    height: int | None = None
    frame_rate: Fraction | None = None
    sample_rate: int | None = None
    channels: int | None = None
    language: str | None = None

    @property
    def start(self) -> int | None:
        """First tick of the part, or None where it has no segment."""
        return self.segments[0].start if self.segments else None

    @property
    def end(self) -> int | None:
        """Tick after the last one of the part, or None where it has no segment."""
        return self.segments[-1].start + self.segments[-1].duration if self.segments else None

    @property
    def frames(self) -> int:
        """Coded frames in the part."""
        return sum(segment.frames for segment in self.segments)


class ImageResult(Document):
    """One picture: a thumbnail of the given role."""

    role: Literal["poster", "sprite", "sprite-index"]
    name: str
    width: int
    height: int
    time_seconds: float
    size_bytes: int
    sha256: str


class Loudness(Document):
    """How loud the samples of a rendition are (EBU R 128): integrated in LUFS, range in LU, true peak in dBTP.

    None where nothing is to be heard. `gain` is what was added to the source's, in dB.
    """

    integrated: float | None
    range: float | None
    true_peak: float | None
    gain: float = 0.0


class PartResult(Document):
    """What one attempt of one task delivers, whatever its kind.

    Of pictures: `lost` is how many more the source's packets promised than there were (damaged, or never meant to be
    shown; below 0 where one packet held several), `mended` how many were damaged and are there, `repeated` how many
    are there a second time, because a segment had none of its own.
    """

    renditions: tuple[RenditionPart, ...] = ()
    loudness: dict[str, Loudness] = Field(
        default_factory=dict, description="of a whole track's renditions, by id; comes with the track's last part"
    )
    images: tuple[ImageResult, ...] = ()
    lost: int = 0
    mended: int = 0
    repeated: int = 0
    encode_seconds: float = 0.0
    cpu_seconds: float = 0.0
    warnings: tuple[str, ...] = ()
