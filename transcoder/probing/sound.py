"""One audio stream's `AudioStream`: from its packets, and from the first sound that was decoded."""

from __future__ import annotations

import av
import av.audio
from av.stream import Disposition, Stream

from transcoder.codecs import codec_name
from transcoder.languages import language_tag
from transcoder.media import SAMPLE_RATES, AudioStream, Role
from transcoder.probing.first import First
from transcoder.probing.survey import StreamSurvey

__all__ = ["audio_stream"]

_ROLES: tuple[tuple[Disposition, Role], ...] = (
    (Disposition.comment, "commentary"),
    (Disposition.dub, "dub"),
    (Disposition.visual_impaired, "description"),
    (Disposition.descriptions, "description"),
    (Disposition.hearing_impaired, "enhanced-audio-intelligibility"),
    (Disposition.clean_effects, "enhanced-audio-intelligibility"),
)


def audio_stream(stream: Stream, own: StreamSurvey, first: First) -> AudioStream | None:
    """The stream; None where it has too few or too many samples a second.

    Rate and layout are those of the decoded sound: what a container says of HE-AAC is half the rate, and one channel of
    parametric stereo.
    """
    frame, context = first.frame, stream.codec_context
    assert isinstance(frame, av.AudioFrame) and first.stamp is not None and stream.time_base is not None
    if frame.sample_rate not in SAMPLE_RATES:
        return None
    end = own.end if own.end is not None else first.stamp
    if own.last is not None and not own.last_duration:
        end = max(end, own.last + round(frame.samples / (frame.sample_rate * stream.time_base)))
    return AudioStream(
        index=stream.index, codec=codec_name(stream) or "", sample_rate=frame.sample_rate,
        channels=frame.layout.nb_channels, layout=_layout(frame.layout), profile=context.profile or None,
        bitrate=context.bit_rate, language=language_tag(stream.language), title=stream.metadata.get("title"),
        roles=tuple(dict.fromkeys(role for flag, role in _ROLES if stream.disposition & flag)),
        time_base=stream.time_base, start_pts=first.stamp, end_pts=max(end, first.stamp),
        default=bool(stream.disposition & Disposition.default),
    )  # fmt: skip


def _layout(layout: av.AudioLayout) -> str:
    """libav's name of a layout; where only the number of channels is known, the usual layout of so many."""
    usual = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
    unnamed = layout.name == f"{layout.nb_channels} channels"
    return usual.get(layout.nb_channels, layout.name) if unnamed else layout.name
