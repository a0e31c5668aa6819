"""Ladders: which renditions a source becomes. A ladder is asked for; `resolve` fits it to one source."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from transcoder.colour import assumed, delivered, is_rgb
from transcoder.documents import Document, RenditionId
from transcoder.media import Colour, ContentLight, MasteringDisplay, MediaInfo, VideoStream
from transcoder.picture_size import fit
from transcoder.sound.rungs import AudioRung, LoudnessRequest
from transcoder.thumbnails.sheets import SpriteRequest

__all__ = [
    "BUILT_IN",
    "AudioRung",
    "Deinterlacing",
    "FrameRate",
    "Ladder",
    "QualityRequest",
    "Rendition",
    "VideoCodec",
    "VideoRung",
    "resolve",
    "source_colour",
]

VideoCodec = Literal["h264", "hevc", "av1"]

Deinterlacing = Literal["auto", "always", "never"]
"""Whether interlaced pictures are made progressive: where the source was found to be interlaced, or as one says."""

_RATE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?|[0-9]{1,6}/[1-9][0-9]{0,3}")


def _frame_rate(value: object) -> object:
    """A rate as people write it: "source", 25, "30000/1001", or 29.97, which stands for 30000/1001."""
    if value == "source":
        return value
    # Nothing longer is tried: a number such as 1e999999999 would take all memory.
    if not _RATE.fullmatch(str(value)):
        raise ValueError("a frame rate is 'source', a number, or a fraction such as 30000/1001")
    rate = Fraction(str(value))
    exact = Fraction(round(rate) * 1000, 1001)
    if rate.denominator > 1 and abs(rate - exact) < Fraction(1, 100):
        rate = exact
    if not 1 <= rate <= 240 or rate.denominator > 1001:
        raise ValueError("a frame rate lies between 1 and 240 pictures a second, in terms as small as 30000/1001")
    return rate


FrameRate = Annotated[Literal["source"] | Fraction, BeforeValidator(_frame_rate)]
"""Pictures a second, exactly; "source" keeps every picture and its time."""

_TRACK_ID = re.compile(r"[as][0-9]+(-.*)?|trick|images|master")
"""What other renditions and playlists are called: a0, a0-surround, s1."""


class _Choice(NamedTuple):
    """What an encoder takes: presets from fast to slow, the default, and the range and default of crf."""

    presets: tuple[str, ...]
    preset: str
    best: int
    worst: int
    crf: int


_X26 = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")

_CHOICES: dict[str, _Choice] = {
    # 0 would be lossless, which is another profile.
    "h264": _Choice(_X26, "veryfast", 1, 51, 23),
    "hevc": _Choice(_X26, "superfast", 0, 51, 26),
    "av1": _Choice(tuple(str(number) for number in range(13, -1, -1)), "9", 1, 63, 35),
}


class VideoRung(Document):
    """One video rendition as asked for. Bitrates in bits per second; `buffer` is the VBV size in bits.

    `bits` a sample are the source's where they are not given, 8 or 10; 8 for H.264. `preset` is the encoder's word for
    how much it tries: x264's and x265's names, SVT-AV1's numbers. `crf` is the quality that is aimed at below
    `max_bitrate`: smaller is better.
    """

    id: RenditionId
    height: int = Field(ge=16, le=4320)
    codec: VideoCodec = "h264"
    bits: Literal[8, 10] | None = None
    preset: str | None = None
    crf: int | None = None
    max_bitrate: int = Field(ge=10_000, le=200_000_000)
    buffer: int = Field(ge=10_000, le=400_000_000)

    @field_validator("preset", mode="before")
    @classmethod
    def _preset_is_the_codecs(cls, value: object, info: ValidationInfo) -> object:
        choice = _CHOICES.get(info.data.get("codec", ""))
        if value is None or choice is None or isinstance(value, bool):
            return value
        if str(value) not in choice.presets:
            raise ValueError(f"a preset of {info.data['codec']} is one of {', '.join(choice.presets)}")
        return str(value)

    @field_validator("crf")
    @classmethod
    def _crf_is_the_codecs(cls, value: int | None, info: ValidationInfo) -> int | None:
        choice = _CHOICES.get(info.data.get("codec", ""))
        if value is not None and choice is not None and not choice.best <= value <= choice.worst:
            raise ValueError(f"the crf of {info.data['codec']} lies between {choice.best} and {choice.worst}")
        return value


class QualityRequest(Document):
    """What is measured of every segment, and how bad it may be: below a floor the rendition fails.

    PSNR in dB over luma, SSIM from 0 to 1, VMAF from 0 to 100: means over a segment.
    """

    vmaf: bool = False
    min_psnr: float | None = Field(default=None, ge=0, le=100)
    min_ssim: float | None = Field(default=None, ge=0, le=1)
    min_vmaf: float | None = Field(default=None, ge=0, le=100)

    @property
    def measures_vmaf(self) -> bool:
        """Whether VMAF is to be measured: asked for, or needed for its floor."""
        return self.vmaf or self.min_vmaf is not None

    @property
    def floors(self) -> bool:
        """Whether there is any floor."""
        return any(floor is not None for floor in (self.min_psnr, self.min_ssim, self.min_vmaf))


_STEREO, _SURROUND = AudioRung(), AudioRung(id="surround", channels="source")

_AudioRungs = Annotated[
    tuple[AudioRung, ...],
    BeforeValidator(lambda value: [value] if isinstance(value, dict) else value),
    Field(min_length=1, max_length=8),
]


class Ladder(Document):
    """The ordered renditions of a package, largest first. `audio_only` is for sources without a picture, where players
    can adapt by the sound alone. `text` are the source's subtitles, `trick` keyframes for fast forward and backward,
    `sprites` the small pictures of a seek bar (null: none).
    """

    name: str = Field(min_length=1, max_length=64)
    segment_seconds: int = Field(default=4, ge=1, le=10)
    frame_rate: FrameRate = "source"
    deinterlace: Deinterlacing = "auto"
    video: tuple[VideoRung, ...] = Field(min_length=1, max_length=16)
    audio: _AudioRungs = (_STEREO, _SURROUND)
    audio_only: _AudioRungs = (_STEREO, AudioRung(id="low", bitrate=64_000), _SURROUND)
    loudness: LoudnessRequest | None = None
    text: bool = True
    trick: bool = True
    sprites: SpriteRequest | None = SpriteRequest()
    quality: QualityRequest = QualityRequest()

    @field_validator("video", "audio", "audio_only")
    @classmethod
    def _ids_are_unique(cls, rungs: tuple[VideoRung | AudioRung, ...]) -> tuple[VideoRung | AudioRung, ...]:
        ids = [rung.id for rung in rungs]
        twice = next((name for name in ids if ids.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two renditions have the id {twice!r}")
        return rungs

    @field_validator("video")
    @classmethod
    def _ids_are_free(cls, rungs: tuple[VideoRung, ...]) -> tuple[VideoRung, ...]:
        taken = next((rung.id for rung in rungs if _TRACK_ID.fullmatch(rung.id)), None)
        if taken is not None:
            raise ValueError(f"{taken!r} is what another rendition is called; a video rung needs another id")
        return rungs


class Rendition(Document):
    """One video rendition of one source: a rung with its exact, even picture size and its colour, all specified.

    `mastering` and `light` are there where the picture is PQ.
    """

    id: str
    codec: VideoCodec
    width: int
    height: int
    bits: Literal[8, 10] = 8
    colour: Colour = Colour()
    mastering: MasteringDisplay | None = None
    light: ContentLight | None = None
    preset: str
    crf: int
    max_bitrate: int
    buffer: int


def _ladder(codec: VideoCodec, *caps: tuple[int, int]) -> Ladder:
    """A ladder of one codec: lines and kilobits a second at most; the buffer holds a second and a half of that."""
    return Ladder(
        name=codec,
        video=tuple(
            VideoRung(id=f"v{lines}", height=lines, codec=codec, max_bitrate=kbps * 1000, buffer=kbps * 1500)
            for lines, kbps in caps
        ),
    )


BUILT_IN: dict[str, Ladder] = {
    "h264": _ladder("h264", (1080, 6000), (720, 3000), (480, 1500), (360, 800), (240, 400)),
    "hevc": _ladder("hevc", (1080, 4000), (720, 2000), (480, 1000), (360, 540), (240, 270)),
    "av1": _ladder("av1", (1080, 3400), (720, 1700), (480, 850), (360, 450), (240, 225)),
}


def resolve(ladder: Ladder, media: MediaInfo) -> tuple[Rendition, ...]:
    """The ladder's video renditions for this source: never above its size, no two the same, at least one a codec.

    A rung's `height` counts lines of the picture's shorter side, so that a portrait clip gets the same
    quality steps as a landscape one. Rungs keep the display aspect ratio; sizes are even (4:2:0 chroma).
    A source that is smaller than the lowest rung gets that rung at the source's own size. Two rungs of one height are
    both wanted; two of different heights that come out at one size are not.

    Errors: UnsupportedMediaError for colours that cannot be converted.
    """
    stream = media.main_video
    if stream is None:
        return ()
    short = min(stream.display_size)
    rungs: list[VideoRung] = []
    for codec in dict.fromkeys(rung.codec for rung in ladder.video):
        own = [rung for rung in ladder.video if rung.codec == codec]
        lowest = min(rung.height for rung in own)
        rungs += [rung for rung in own if rung.height <= max(short, lowest)]
    found: dict[tuple[str, int, int, int], int] = {}
    renditions = []
    for rung in sorted(rungs, key=lambda rung: -rung.height):
        rendition = _rendition(rung, stream)
        same = found.setdefault((rung.codec, rendition.bits, rendition.width, rendition.height), rung.height)
        if same == rung.height:
            renditions.append(rendition)
    return tuple(renditions)


def _rendition(rung: VideoRung, stream: VideoStream) -> Rendition:
    choice = _CHOICES[rung.codec]
    bits: Literal[8, 10] = rung.bits or (10 if stream.bits > 8 and rung.codec != "h264" else 8)
    source = source_colour(stream)
    colour = delivered(source, bits=bits, hdr=bits == 10 and rung.codec != "h264")
    width, height = fit(stream.display_size, rung.height, rung.codec)
    return Rendition(
        id=rung.id, codec=rung.codec, width=width, height=height, bits=bits, colour=colour,
        mastering=stream.mastering if colour.hdr == "pq" else None,
        light=stream.light if colour.hdr == "pq" else None,
        preset=rung.preset or choice.preset, crf=choice.crf if rung.crf is None else rung.crf,
        max_bitrate=rung.max_bitrate, buffer=rung.buffer,
    )  # fmt: skip


def source_colour(stream: VideoStream) -> Colour:
    """What the pictures of a stream are taken for. Errors: UnsupportedMediaError."""
    return assumed(stream.colour, width=stream.width, height=stream.height, rgb=is_rgb(stream.pixel_format))
