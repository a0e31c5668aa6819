"""Audio tracks of a title, planned: which renditions each becomes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from pydantic import Field

from transcoder.documents import Document
from transcoder.media import AudioStream, MediaInfo, Role, SourceClock
from transcoder.sound.channels import channel_names, folds, kept_layout, main_channels
from transcoder.sound.rungs import AudioRung, LoudnessRequest

__all__ = ["AudioCodec", "AudioRendition", "AudioTrack", "audio_tracks"]

AudioCodec = Literal["aac", "opus", "ac3", "eac3"]


_USUAL_BITRATE = 640_000
"""The largest of AC-3 (ETSI TS 102 366, table 5.18), where a stream that is passed through does not say its own."""


class AudioRendition(Document):
    """One audio rendition of one track. `layout` is FFmpeg's name of its channels, `bitrate` in bits per second.

    AC-3 and E-AC-3 are passed through: the source's own packets, in its layout and at its sample rate.
    """

    id: str
    rung: str
    codec: AudioCodec
    layout: str
    channels: int
    sample_rate: int
    bitrate: int
    folded: bool = Field(default=False, description="made of so many channels that peaks have to be held")

    @property
    def passed_through(self) -> bool:
        """Whether the source's packets are kept."""
        return self.codec in {"ac3", "eac3"}


class AudioTrack(Document):
    """One audio track of the title. `offset` is where the source's first sample lies, `end` where its last one ends,
    both in title seconds: a codec's last packet may hold more, which is padding. `language` is a BCP 47 tag.
    """

    track: int
    stream_index: int
    language: str | None
    title: str | None
    default: bool
    roles: tuple[Role, ...] = ()
    offset: Fraction
    end: Fraction
    loudness: LoudnessRequest | None = None
    clock: SourceClock = SourceClock()
    renditions: tuple[AudioRendition, ...]

    def rendition(self, rendition_id: str) -> AudioRendition:
        """A rendition by id. Errors: KeyError."""
        for rendition in self.renditions:
            if rendition.id == rendition_id:
                return rendition
        raise KeyError(rendition_id)


def audio_tracks(
    media: MediaInfo, rungs: Sequence[AudioRung], origin: Fraction, loudness: LoudnessRequest | None
) -> tuple[AudioTrack, ...]:
    """A track for each audio stream. `origin` is the source's time of the title's start, in seconds."""
    streams = media.audio
    chosen = next((stream.index for stream in streams if stream.default), streams[0].index if streams else None)
    return tuple(
        AudioTrack(
            track=number, stream_index=stream.index, language=stream.language, title=stream.title,
            default=stream.index == chosen, roles=stream.roles, offset=stream.start - origin,
            end=stream.end - origin, loudness=loudness, clock=media.clock,
            renditions=_renditions(number, stream, rungs),
        )
        for number, stream in enumerate(streams)
    )  # fmt: skip


def _renditions(track: int, stream: AudioStream, rungs: Sequence[AudioRung]) -> tuple[AudioRendition, ...]:
    """A track's renditions, the first one named by the track alone. Never none: where no rung fits, the usual one."""
    made: list[AudioRendition] = []
    for rung in rungs:
        rendition = _rendition(f"a{track}-{rung.id}" if made else f"a{track}", stream, rung)
        if rendition is not None and not any(_coincide(rung, rendition, other) for other in made):
            made.append(rendition)
    usual = None if made else _rendition(f"a{track}", stream, AudioRung())
    return tuple(made) if usual is None else (usual,)


def _coincide(rung: AudioRung, rendition: AudioRendition, other: AudioRendition) -> bool:
    """Whether a rung would only repeat another: in all it says, or, for the source's channels, in its channels."""
    same = (rendition.codec, rendition.layout) == (other.codec, other.layout)
    rates = (rendition.sample_rate, rendition.bitrate), (other.sample_rate, other.bitrate)
    return same and (rung.channels == "source" or rates[0] == rates[1])


def _rendition(name: str, stream: AudioStream, rung: AudioRung) -> AudioRendition | None:
    """What a rung makes of a stream; None where it passes through what the stream is not."""
    if rung.codec == "passthrough":
        if stream.codec not in {"ac3", "eac3"}:
            return None
        return AudioRendition.model_validate(
            {
                "id": name, "rung": rung.id, "codec": stream.codec, "layout": stream.layout,
                "channels": stream.channels, "sample_rate": stream.sample_rate,
                "bitrate": stream.bitrate or _USUAL_BITRATE,
            }
        )  # fmt: skip
    names = channel_names(stream.layout)
    layout = "mono" if rung.channels == "mono" or len(names) == 1 else "stereo"
    if rung.channels == "source":
        layout = kept_layout(rung.codec, names) or layout
    channels = channel_names(layout)
    full = main_channels(channels)
    return AudioRendition(
        id=name, rung=rung.id, codec=rung.codec, layout=layout, channels=len(channels),
        sample_rate=rung.sample_rate, bitrate=rung.bitrate if full <= 2 else rung.bitrate * full // 2,
        folded=folds(names, layout),
    )  # fmt: skip
