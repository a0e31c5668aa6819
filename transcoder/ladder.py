"""Ladders: which renditions a source becomes. A ladder is asked for; `resolve` fits it to one source."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from transcoder.documents import Document
from transcoder.errors import InvalidInputError
from transcoder.media import Colour, ContentLight, MasteringDisplay, MediaInfo

__all__ = [
    "BUILT_IN",
    "AudioRung",
    "FrameRate",
    "Ladder",
    "QualityRequest",
    "Rendition",
    "VideoCodec",
    "VideoRung",
    "load_ladder",
    "parse_ladder",
    "resolve",
]

VideoCodec = Literal["h264", "hevc", "av1"]

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

RenditionId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


class VideoRung(Document):
    """One video rendition as asked for. Bitrates in bits per second; `buffer` is the VBV size in bits."""

    id: RenditionId
    height: int = Field(ge=16, le=4320)
    codec: VideoCodec = "h264"
    bits: Literal[8, 10] = 8
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"] = (
        "veryfast"
    )
    crf: int = Field(default=23, ge=0, le=51)
    max_bitrate: int = Field(ge=10_000, le=200_000_000)
    buffer: int = Field(ge=10_000, le=400_000_000)


class AudioRung(Document):
    """The audio rendition that each audio track becomes."""

    id: RenditionId = "aac"
    codec: Literal["aac"] = "aac"
    bitrate: int = Field(default=128_000, ge=8_000, le=1_000_000)
    channels: int = Field(default=2, ge=1, le=2)
    sample_rate: Literal[44_100, 48_000] = 48_000


class QualityRequest(Document):
    """What is measured of every segment, and how bad it may be: below a floor the rendition fails.

    PSNR in dB over luma, SSIM from 0 to 1, VMAF from 0 to 100: means over a segment.
    """

    vmaf: bool = False
    min_psnr: float | None = Field(default=None, ge=0, le=100)
    min_ssim: float | None = Field(default=None, ge=0, le=1)
    min_vmaf: float | None = Field(default=None, ge=0, le=100)


class Ladder(Document):
    """The ordered renditions of a package, largest first."""

    name: str = Field(min_length=1, max_length=64)
    segment_seconds: int = Field(default=4, ge=1, le=10)
    frame_rate: FrameRate = "source"
    video: tuple[VideoRung, ...] = Field(min_length=1, max_length=16)
    audio: AudioRung = AudioRung()
    quality: QualityRequest = QualityRequest()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Ladder:
        ids = [rung.id for rung in self.video]
        if len(set(ids)) != len(ids):
            raise ValueError("two renditions have the same id")
        return self


class Rendition(Document):
    """One video rendition of one source: a rung with its exact, even picture size."""

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


def _rung(height: int, kbps: int) -> VideoRung:
    return VideoRung(id=f"v{height}", height=height, max_bitrate=kbps * 1000, buffer=kbps * 1500)


BUILT_IN: dict[str, Ladder] = {
    "h264": Ladder(
        name="h264",
        video=(_rung(1080, 6000), _rung(720, 3000), _rung(480, 1500), _rung(360, 800), _rung(240, 400)),
    ),
}


def load_ladder(name_or_path: str) -> Ladder:
    """A built-in ladder by name, or one from a YAML or JSON file.

    Errors: InvalidInputError with the place of each mistake in `details["fields"]`.
    """
    if name_or_path in BUILT_IN:
        return BUILT_IN[name_or_path]
    path = Path(name_or_path)
    if path.suffix.lower() not in {".yaml", ".yml", ".json"}:
        raise InvalidInputError(
            f"there is no ladder named {name_or_path!r}: the built-in ones are {', '.join(BUILT_IN)}; "
            "a file must end in .yaml, .yml or .json"
        )
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise InvalidInputError(f"the ladder file cannot be read: {error.strerror}") from error
    except (ValueError, yaml.YAMLError) as error:
        raise InvalidInputError(f"the ladder file is not valid: {error}") from error
    return parse_ladder(document)


def parse_ladder(document: Any) -> Ladder:
    """A ladder from parsed YAML or JSON. Errors: InvalidInputError that names each wrong field."""
    try:
        return Ladder.model_validate(document)
    except ValidationError as error:
        fields = {".".join(str(part) for part in e["loc"]) or "ladder": e["msg"] for e in error.errors()}
        reasons = "; ".join(f"{field}: {reason}" for field, reason in fields.items())
        raise InvalidInputError(f"the ladder is not valid: {reasons}", {"fields": fields}) from error


def _even(value: Fraction | int) -> int:
    return max(2, 2 * round(Fraction(value) / 2))


def resolve(ladder: Ladder, media: MediaInfo) -> tuple[Rendition, ...]:
    """The ladder's video renditions for this source: never above its size, no two the same, at least one.

    A rung's `height` counts lines of the picture's shorter side, so that a portrait clip gets the same
    quality steps as a landscape one. Rungs keep the display aspect ratio; sizes are even (4:2:0 chroma).
    A source that is smaller than the lowest rung gets that rung at the source's own size.
    """
    stream = media.main_video
    if stream is None:
        return ()
    width, height = stream.display_size
    short = min(width, height)
    rungs = [rung for rung in ladder.video if rung.height <= short]
    if not rungs:
        rungs = [min(ladder.video, key=lambda rung: rung.height)]
    found: dict[tuple[int, int], Rendition] = {}
    for rung in sorted(rungs, key=lambda rung: -rung.height):
        lines = min(rung.height, short)
        size = (_even(Fraction(width * lines, short)), _even(Fraction(height * lines, short)))
        found.setdefault(
            size,
            Rendition(
                id=rung.id, codec=rung.codec, width=size[0], height=size[1], preset=rung.preset, crf=rung.crf,
                max_bitrate=rung.max_bitrate, buffer=rung.buffer,
            ),
        )  # fmt: skip
    return tuple(found.values())
