"""What a source contains: the `MediaInfo` document that the probe writes and everything after it reads."""

from __future__ import annotations

from fractions import Fraction

from pydantic import Field

from transcoder.documents import Document

__all__ = ["SAMPLE_RATES", "AudioStream", "Keyframe", "MediaInfo", "OtherStream", "VideoStream"]

SAMPLE_RATES = range(1_000, 768_001)
"""Samples a second that a sound may have. At one sample a second a kilobyte would become hours of sound."""


class Keyframe(Document):
    """A point where decoding can start. Both stamps are in the stream's time_base.

    `dts` is what a demuxer seeks by, `pts` is what is shown: with B-frames the two differ.
    """

    pts: int
    dts: int


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
    """One video stream. Times are in `time_base` units (seconds per tick); `end_pts` is exclusive."""

    profile: str | None = None
    width: int
    height: int
    sample_aspect_ratio: Fraction = Fraction(1)
    rotation: int = Field(default=0, description="degrees clockwise to turn the decoded picture for display")
    pixel_format: str
    bits: int = 8
    field_order: str = "progressive"
    color_primaries: str | None = None
    color_transfer: str | None = None
    color_space: str | None = None
    color_range: str | None = None
    frame_count: int
    frame_rate: Fraction
    constant_frame_rate: bool
    keyframes: tuple[Keyframe, ...] = ()
    attached_picture: bool = False

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
    language: str | None = None
    title: str | None = None


class OtherStream(Document):
    """A stream that is listed and not encoded: subtitles, data, cover art."""

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
    other: tuple[OtherStream, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def main_video(self) -> VideoStream | None:
        """The video stream that is encoded: the largest picture, then the default one; never cover art."""
        shown = [stream for stream in self.video if not stream.attached_picture]
        return max(shown, key=lambda s: (s.width * s.height, s.default, -s.index), default=None)
