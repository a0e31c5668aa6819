"""What a source contains: the `MediaInfo` document that the probe writes and everything after it reads."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from transcoder.documents import Document

__all__ = [
    "SAMPLE_RATES",
    "AudioStream",
    "Colour",
    "ContentLight",
    "Discontinuity",
    "DolbyVision",
    "Keyframe",
    "MasteringDisplay",
    "MediaInfo",
    "OtherStream",
    "Role",
    "SourceClock",
    "Stamping",
    "TextStream",
    "VideoStream",
]

Role = Literal[
    "main", "alternate", "commentary", "dub", "description", "caption", "subtitle", "forced-subtitle",
    "enhanced-audio-intelligibility",
]  # fmt: skip
"""What a track is for, in the words of DASH's role scheme (ISO/IEC 23009-1, 5.8.5.5)."""

SAMPLE_RATES = range(1_000, 768_001)
"""Samples a second that a sound may have. At one sample a second a kilobyte would become hours of sound."""


_LONGEST_TITLE = 256

StreamTitle = Annotated[str, BeforeValidator(lambda text: text[:_LONGEST_TITLE] if isinstance(text, str) else text)]
"""What a source calls a stream, cut to what a menu has room for: a container may have megabytes of it, and every
manifest names it again."""


class Keyframe(Document):
    """A point where decoding can start. Both stamps are in the stream's time_base.

    `dts` is what a demuxer seeks by, `pts` is what is shown: with B-frames the two differ. `position` is the byte at
    which its packet begins, where the container says so: what some containers are sought by, and what tells whether
    a seek has found this picture.
    """

    pts: int
    dts: int
    position: int | None = None


class Discontinuity(Document):
    """A break of the source's clock: packets that begin at byte `position` or later have `offset` seconds added to
    their stamps, until the next break. Applied where packets are read, so that everything after sees one clock."""

    position: int
    offset: Fraction


class SourceClock(Document):
    """What makes the stamps of a source's packets one clock: its breaks, in the order of their positions. `counted`:
    no packet has a stamp, and each lasts as long as its codec says."""

    breaks: tuple[Discontinuity, ...] = ()
    counted: bool = False


class Stamping(Document):
    """How a stream's pictures and packets get times where its packets do not all have one. In time_base units.

    A decoder without a pts says when a picture came out, which is `delay` later than it is to be shown: the first
    picture belongs to the first packet (mpv corrects AVI in the same way). Packets then count by their place in the
    order of decoding: packet n is promised for the time of picture n, `shift` later than its dts; None where every
    packet has a pts.
    """

    delay: int = 0
    shift: int | None = None
    step: int = Field(default=1, description="how long a picture is usually shown")

    def picture(self, pts: int | None, dts: int | None, previous: int | None = None) -> int | None:
        """The time of a decoded picture. Where the decoder says nothing, as it does of those that it held back to the
        end, one picture's time after the `previous` one; None where that is not known either."""
        known = pts if pts is not None else dts
        if known is not None:
            return known - self.delay
        return None if previous is None else previous + self.step

    def packet(self, pts: int | None, dts: int | None) -> int | None:
        """The time at which a picture is promised by a packet."""
        if self.shift is not None and dts is not None:
            return dts + self.shift
        return pts if pts is not None else dts


class Colour(Document):
    """What the code values of a picture mean: code points of ITU-T H.273. 2 is unspecified."""

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool = False

    @property
    def hdr(self) -> Literal["pq", "hlg"] | None:
        """The high-dynamic-range transfer, where it is one (SMPTE ST 2084, ARIB STD-B67)."""
        return {16: "pq", 18: "hlg"}.get(self.transfer)  # type: ignore[return-value]


class MasteringDisplay(Document):
    """SMPTE ST 2086. Chromaticities as (x, y) of red, green, blue, white; luminance in candela a square metre."""

    red: tuple[Fraction, Fraction]
    green: tuple[Fraction, Fraction]
    blue: tuple[Fraction, Fraction]
    white: tuple[Fraction, Fraction]
    min_luminance: Fraction
    max_luminance: Fraction


class ContentLight(Document):
    """CTA-861.3: the brightest pixel and the brightest picture average, in candela a square metre."""

    max_content: int
    max_average: int


class DolbyVision(Document):
    """The Dolby Vision configuration record. `compatibility` says what the base layer is alone: 1 HDR10, 2 SDR, 4 HLG,
    0 nothing that another decoder could show."""

    profile: int
    level: int
    compatibility: int


class _TimedStream(Document):
    """What is shown or heard over time. Times are in `time_base` units; `end_pts` is exclusive."""

    index: int
    codec: str
    time_base: Fraction
    start_pts: int
    end_pts: int
    default: bool = False

    @property
    def start(self) -> Fraction:
        """Seconds of the first shown frame, or the first sample, on the source's clock."""
        return self.start_pts * self.time_base

    @property
    def end(self) -> Fraction:
        """Seconds at which the last frame or sample ends on the source's clock."""
        return self.end_pts * self.time_base


class VideoStream(_TimedStream):
    """One video stream. Times are in `time_base` units (seconds per tick); `end_pts` is exclusive. `width` and
    `height` are what is left of the decoded picture after `crop`."""

    profile: str | None = None
    width: int
    height: int
    crop: tuple[int, int, int, int] = Field(
        default=(0, 0, 0, 0),
        description="pixels that the container cuts off the decoded picture: top, bottom, left, right",
    )
    sample_aspect_ratio: Fraction = Fraction(1)
    rotation: int = Field(default=0, description="degrees clockwise to turn the decoded picture for display")
    mirrored: bool = Field(default=False, description="to be flipped left to right before it is turned")
    pixel_format: str
    bits: int = 8
    field_order: Literal["progressive", "tff", "bff", "interlaced"] = "progressive"
    colour: Colour = Colour()
    mastering: MasteringDisplay | None = None
    light: ContentLight | None = None
    dolby_vision: DolbyVision | None = None
    frame_count: int
    frame_rate: Fraction
    constant_frame_rate: bool
    keyframes: tuple[Keyframe, ...] = ()
    gaps: tuple[tuple[int, int], ...] = Field(
        default=(),
        description="pts of neighbouring pictures that are more than a fifth of a second apart; at last, of the last "
        "picture and the end",
    )
    attached_picture: bool = False
    stamping: Stamping = Stamping()

    @property
    def display_size(self) -> tuple[int, int]:
        """Width and height in square pixels as a viewer sees them, rotation applied."""
        width, height = round(self.width * self.sample_aspect_ratio), self.height
        return (height, width) if self.rotation % 180 == 90 else (width, height)


class AudioStream(_TimedStream):
    """One audio stream. Times are in `time_base` units; `end_pts` is exclusive."""

    sample_rate: int
    channels: int
    layout: str
    profile: str | None = None
    bitrate: int | None = None
    language: str | None = None
    title: StreamTitle | None = None
    roles: tuple[Role, ...] = ()


class TextStream(Document):
    """One stream of text subtitles that can become WebVTT."""

    index: int
    codec: str
    default: bool = False
    language: str | None = None
    title: StreamTitle | None = None
    roles: tuple[Role, ...] = ()


class OtherStream(Document):
    """A stream that is listed and not encoded: `kind` is libav's word (subtitle, data, a video or audio that cannot be
    decoded), and "picture" for cover art."""

    index: int
    kind: str
    codec: str | None = None
    language: str | None = None


class MediaInfo(Document):
    """Everything the planner needs to know about a source. Sizes in bytes, times in seconds as fractions."""

    container: str
    size_bytes: int
    start: Fraction
    duration: Fraction
    video: tuple[VideoStream, ...] = ()
    audio: tuple[AudioStream, ...] = ()
    text: tuple[TextStream, ...] = ()
    other: tuple[OtherStream, ...] = ()
    discontinuities: tuple[Discontinuity, ...] = ()
    counted: bool = Field(default=False, description="no packet has a stamp, although the container could give it one")
    truncated: bool = Field(default=False, description="the source breaks off before its own end")
    warnings: tuple[str, ...] = ()

    @property
    def clock(self) -> SourceClock:
        """The clock that whoever reads the source's packets puts them on."""
        return SourceClock(breaks=self.discontinuities, counted=self.counted)

    @property
    def main_video(self) -> VideoStream | None:
        """The video stream that is encoded: the largest picture, then the default one; never cover art."""
        shown = [stream for stream in self.video if not stream.attached_picture]
        return max(shown, key=lambda s: (s.width * s.height, s.default, -s.index), default=None)
