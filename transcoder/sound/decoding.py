"""Decoding a track: its packets become frames with a time in the title; what is damaged is counted, not fatal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from typing import Any, BinaryIO

import av
import av.audio
import av.error
from av.packet import Packet

from transcoder.errors import UnsupportedMediaError
from transcoder.limits import Limits
from transcoder.media import SAMPLE_RATES
from transcoder.sound.timeline import Heard
from transcoder.sound.tracks import AudioTrack
from transcoder.source import media_errors, open_source, packets

__all__ = ["Damage", "decoded", "title_time"]

_LONGEST_FRAME_SECONDS = 30
"""Raw sound can come in frames of any length, which the resampler would multiply in memory."""

_MOST_TIMES = 10


@dataclass(slots=True)
class Damage:
    """What of a track could not be decoded: how many packets, and where in the title the first of them lie."""

    packets: int = 0
    times: list[Fraction] = field(default_factory=list)

    def add(self, time: Fraction | None) -> None:
        """One more packet, at so many seconds of the title."""
        self.packets += 1
        if time is not None and len(self.times) < _MOST_TIMES:
            self.times.append(time)

    def warnings(self, track: int) -> tuple[str, ...]:
        """What there is to say about it: at most one line."""
        if not self.packets:
            return ()
        times = ", ".join(f"{float(time):.3f}" for time in self.times)
        more = ", ..." if self.packets > len(self.times) else ""
        return (f"audio track {track}: {self.packets} damaged packets became silence, at {times}{more} s",)


def _sound_stream(container: av.container.InputContainer, index: int) -> av.audio.AudioStream:
    """The audio stream of that index. Errors: UnsupportedMediaError where it is none."""
    stream = container.streams[index] if index < len(container.streams) else None
    if not isinstance(stream, av.audio.AudioStream) or stream.codec_context is None:
        raise UnsupportedMediaError(f"stream {index} is no sound that can be decoded")
    return stream


def title_time(packet: Packet[Any], origin: Fraction) -> Fraction | None:
    """Where in the title a packet lies, in seconds; None where it has no time."""
    stamp = packet.pts if packet.pts is not None else packet.dts
    return None if stamp is None or packet.time_base is None else stamp * packet.time_base - origin


def decoded(
    file: BinaryIO,
    track: AudioTrack,
    origin: Fraction,
    damage: Damage,
    each: Callable[[Packet[Any]], None] = lambda _: None,
    *,
    limits: Limits,
) -> Iterator[Heard]:
    """The frames of a track. What is damaged is added to `damage`, other packets go to `each`.

    A frame without a time follows the one before it; one that comes before any time is known is left out. One that
    cannot be resampled is damage too.
    """
    with open_source(file, limits) as container, media_errors("decoding the sound"):
        stream = _sound_stream(container, track.stream_index)
        damaged, following = False, None
        for packet in chain(packets(container, stream, clock=track.clock), (None,)):
            try:
                frames = stream.codec_context.decode(packet)
            except av.error.EOFError:
                continue
            except av.error.MemoryError:
                raise
            except av.error.FFmpegError:
                damaged = True
                damage.add(title_time(packet, origin) if packet else following)
                continue
            if packet is not None:
                each(packet)
            for frame in frames:
                if frame.pts is not None and frame.time_base is not None:
                    following = frame.pts * frame.time_base - origin
                if following is None or not frame.samples:
                    continue
                if not _usable(frame):
                    damaged = True
                    damage.add(following)
                    continue
                heard = Heard(frame, following, damaged)
                damaged, following = False, heard.end
                yield heard


def _usable(frame: av.AudioFrame) -> bool:
    """Whether a frame has a rate and a length that can be resampled."""
    rate = frame.sample_rate
    return rate in SAMPLE_RATES and frame.samples <= _LONGEST_FRAME_SECONDS * rate
