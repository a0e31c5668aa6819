"""The package model: what is published now, and where in a package it lies. Pure.

All URLs in its manifests are relative:

    cmaf/{rendition}/init.mp4, cmaf/{rendition}/{number}.m4s    numbers from 1, the same on every rendition
    text/{rendition}/{number}.vtt                               the same numbers
    hls/master.m3u8, hls/{rendition}.m3u8, hls/images.m3u8      dash/manifest.mpd
    thumbnails/poster.jpg, thumbnails/sprite-{number}.jpg, thumbnails/sprites.vtt
"""

from __future__ import annotations

import math
from fractions import Fraction

from transcoder.documents import Document
from transcoder.media import Colour, Role
from transcoder.packaging.drm import Signal
from transcoder.results import ImageResult, Kind, SegmentResult
from transcoder.thumbnails.sheets import SpriteSheets

__all__ = [
    "DASH_MANIFEST",
    "HLS_MANIFEST",
    "IMAGE_PLAYLIST",
    "Package",
    "PublishedRendition",
    "image_path",
    "init_path",
    "playlist_path",
    "segment_path",
]

HLS_MANIFEST = "hls/master.m3u8"
DASH_MANIFEST = "dash/manifest.mpd"
IMAGE_PLAYLIST = "hls/images.m3u8"


def init_path(rendition: str) -> str:
    """Where a rendition's init segment lies in its package."""
    return f"cmaf/{rendition}/init.mp4"


def segment_path(rendition: str, number: int, kind: Kind = "video") -> str:
    """Where a segment lies in its package."""
    return f"text/{rendition}/{number}.vtt" if kind == "text" else f"cmaf/{rendition}/{number}.m4s"


def image_path(name: str) -> str:
    """Where a thumbnail lies in its package."""
    return f"thumbnails/{name}"


def playlist_path(rendition: str) -> str:
    """Where a rendition's media playlist lies in its package."""
    return f"hls/{rendition}.m3u8"


class PublishedRendition(Document):
    """One rendition with all its visible segments. `max_bitrate` is the plan's, in bits per second; text has none.

    `signal` says how it is encrypted; None where it is not. Renditions of one `track` are the same sound, those of one
    `rung` the same encoding; `layout` is FFmpeg's name of the channels.
    """

    id: str
    kind: Kind
    codecs: str
    timescale: int
    codec_config_sha256: str
    max_bitrate: int | None
    segments: tuple[SegmentResult, ...]
    width: int | None = None
    height: int | None = None
    frame_rate: Fraction | None = None
    colour: Colour | None = None
    sample_rate: int | None = None
    channels: int | None = None
    layout: str | None = None
    track: int | None = None
    rung: str | None = None
    language: str | None = None
    title: str | None = None
    default: bool = False
    forced: bool = False
    roles: tuple[Role, ...] = ()
    signal: Signal | None = None

    @property
    def end(self) -> Fraction:
        """Seconds of the title at which the last visible segment ends."""
        last = self.segments[-1]
        return Fraction(last.start + last.duration, self.timescale)

    @property
    def frames(self) -> int:
        """Coded pictures or access units."""
        return sum(segment.frames for segment in self.segments)

    @property
    def size_bytes(self) -> int:
        """Bytes of all visible segments, the init segment not counted."""
        return sum(segment.size_bytes for segment in self.segments)

    @property
    def longest_segment(self) -> Fraction:
        """Seconds of the longest visible segment."""
        return Fraction(max(segment.duration for segment in self.segments), self.timescale)

    @property
    def average_bitrate(self) -> int:
        """Bits per second over all visible segments, rounded up."""
        ticks = sum(segment.duration for segment in self.segments)
        return math.ceil(Fraction(8 * self.size_bytes * self.timescale, ticks))

    def peak_bitrate(self, target_seconds: int) -> int:
        """The peak segment bit rate of RFC 8216bis, 4.4.6.2, in bits per second, rounded up.

        The largest bit rate of any contiguous run of segments that lasts between 0.5 and 1.5 target durations;
        the average where no run does.
        """
        shortest, longest = Fraction(target_seconds, 2), Fraction(3 * target_seconds, 2)
        peak = Fraction(0)
        for first in range(len(self.segments)):
            size, ticks = 0, 0
            for segment in self.segments[first:]:
                size, ticks = size + 8 * segment.size_bytes, ticks + segment.duration
                seconds = Fraction(ticks, self.timescale)
                if seconds > longest:
                    break
                if seconds >= shortest:
                    peak = max(peak, size / seconds)
        return math.ceil(peak) if peak else self.average_bitrate


class Package(Document):
    """The published streams of a title at one moment. `duration` is the planned length in seconds, `segment_duration`
    that of the longest planned segment. `lost` and `repeated` count the planned pictures that are not there, and
    those that are there a second time. `images` are the thumbnails that are there by now, `sprites` how the sheets
    among them are laid out, where there are any.
    """

    renditions: tuple[PublishedRendition, ...]
    images: tuple[ImageResult, ...] = ()
    sprites: SpriteSheets | None = None
    segment_duration: Fraction
    duration: Fraction
    final: bool
    lost: int = 0
    repeated: int = 0

    @property
    def video(self) -> tuple[PublishedRendition, ...]:
        """The video renditions, largest first. They have the same segments."""
        return tuple(rendition for rendition in self.renditions if rendition.kind == "video")

    @property
    def audio(self) -> tuple[PublishedRendition, ...]:
        """The audio renditions that have sound by now, track by track."""
        return tuple(rendition for rendition in self.renditions if rendition.kind == "audio")

    @property
    def text(self) -> tuple[PublishedRendition, ...]:
        """The text renditions that are there by now, one a track."""
        return tuple(rendition for rendition in self.renditions if rendition.kind == "text")

    @property
    def sheets(self) -> tuple[ImageResult, ...]:
        """The sprite sheets in their order. They come into the manifests when the title is final: a seek bar's pictures
        are all there then, and players take no more of a growing title than what they have to."""
        return tuple(image for image in self.images if image.role == "sprite") if self.final and self.sprites else ()

    @property
    def trick(self) -> PublishedRendition | None:
        """The rendition of keyframes alone."""
        return next((rendition for rendition in self.renditions if rendition.kind == "trick"), None)

    @property
    def leading(self) -> tuple[PublishedRendition, ...]:
        """The renditions that say how far the title goes: the pictures, or the sound where there is no picture."""
        return self.video or self.audio

    @property
    def segments(self) -> int:
        """Visible segments; 0 where nothing can be played yet."""
        return max((len(rendition.segments) for rendition in self.leading), default=0)

    @property
    def seconds(self) -> Fraction:
        """Seconds of the title that can be played."""
        return max((rendition.end for rendition in self.leading), default=Fraction(0))

    @property
    def target_duration(self) -> int:
        """HLS's target duration in seconds: planned, so the same over the life of a title.

        Rounded up, so that audio, cut at whole access units, fits too. A picture that is shown for longer than a
        segment makes a longer one; then the rule that no segment may exceed it comes first.
        """
        longest = max((rendition.longest_segment for rendition in self.renditions), default=Fraction(0))
        return max(1, math.ceil(self.segment_duration), math.floor(longest + Fraction(1, 2)))

    def rendition(self, rendition_id: str) -> PublishedRendition:
        """A rendition by id. Errors: KeyError."""
        for rendition in self.renditions:
            if rendition.id == rendition_id:
                return rendition
        raise KeyError(rendition_id)

    def bandwidth(self, rendition: PublishedRendition) -> int:
        """Peak bits per second to announce: the cap while the title grows, measured at the end."""
        measured = self.final or rendition.max_bitrate is None
        return rendition.peak_bitrate(self.target_duration) if measured else rendition.max_bitrate or 0

    def average_bandwidth(self, rendition: PublishedRendition) -> int:
        """Average bits per second to announce: the cap while the title grows, measured at the end."""
        return rendition.average_bitrate if self.final or rendition.max_bitrate is None else rendition.max_bitrate
