"""Audio rungs: the audio renditions that a ladder asks for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from transcoder.documents import Document, RenditionId

__all__ = ["AudioRung", "LoudnessRequest"]

_COUNTS = {1: "mono", 2: "stereo"}


class AudioRung(Document):
    """One audio rendition of each audio track, as asked for.

    `passthrough` keeps the packets of AC-3 and E-AC-3 tracks as they are; other tracks do not have this rung.
    `stereo` leaves a mono source mono. `source` keeps the source's channels, as far as the codec has a layout for them;
    where that is no more than an earlier rung already has, the rung is left out. `bitrate` is for one or two channels,
    in bits per second; of more channels, each but LFE gets half of it.
    """

    id: RenditionId = "aac"
    codec: Literal["aac", "opus", "passthrough"] = "aac"
    channels: Annotated[
        Literal["mono", "stereo", "source"], BeforeValidator(lambda value: _COUNTS.get(value, value))
    ] = "stereo"  # fmt: skip
    bitrate: int = Field(default=128_000, ge=8_000, le=1_000_000)
    sample_rate: Literal[44_100, 48_000] = 48_000

    @model_validator(mode="after")
    def _opus_has_one_rate(self) -> AudioRung:
        if self.codec == "opus" and self.sample_rate != 48_000:
            raise ValueError("Opus has 48000 samples a second (RFC 7845, 5.1)")
        return self


class LoudnessRequest(Document):
    """The loudness to bring every audio rendition to (EBU R 128): the whole track is made louder or softer by one gain.

    `target` is the integrated loudness in LUFS. The gain is smaller where the track's true peak would else exceed
    `true_peak`, in dBTP: the sound is never compressed.
    """

    target: float = Field(default=-23.0, ge=-60, le=-5)
    true_peak: float = Field(default=-1.0, ge=-20, le=0)
