"""One audio track of the title: decoded once, encoded for all its renditions without a break, cut into parts.

Sound is never chunked: an encoder that starts anew primes itself, and every join would have a gap. The encoders run
through the whole title, and parts are handed out in the order of the chunks, so that the first can be played while
the rest is still being encoded. What is missing at the start, in gaps, and up to the end of the picture is silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from av.packet import Packet

from transcoder.limits import DEFAULT_LIMITS, Limits
from transcoder.plan import Chunk
from transcoder.results import Loudness
from transcoder.sound.channels import Mix
from transcoder.sound.decoding import Damage, decoded
from transcoder.sound.encoders import SoundEncoder
from transcoder.sound.filters import Samples
from transcoder.sound.limiter import Limiter
from transcoder.sound.loudness import LoudnessMeter, gain_for, levelled
from transcoder.sound.passthrough import Passthrough
from transcoder.sound.segments import SegmentFiles
from transcoder.sound.timeline import Heard, Timeline
from transcoder.sound.tracks import AudioRendition, AudioTrack

__all__ = ["EncodedPart", "encode_track"]


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """One part of an audio track: of each rendition, a fragmented MP4 file for each of its segments, by number.

    A rendition may have none, where the title's last segment is shorter than an access unit, or where nothing of the
    track could be decoded. `loudness` by rendition and `warnings` are those of the whole track, and come with its last
    part.
    """

    index: int
    files: dict[str, dict[int, Path]]
    loudness: dict[str, Loudness] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def encode_track(
    file: BinaryIO,
    track: AudioTrack,
    chunks: Sequence[Chunk],
    folder: Path,
    *,
    origin: Fraction,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[EncodedPart]:
    """Encode one audio track of the title and yield one part a chunk, in order, as soon as it is complete.

    `origin` is the source's time (seconds) of the title's start. The last part runs to the end of the sound. Where a
    loudness is asked for, the track is decoded twice: first to measure it. A track of which nothing can be decoded
    has parts without files, and a warning.

    Errors: UnsupportedMediaError where the source cannot be read, or the sound not be passed through.
    """
    end, damage = max(chunks[-1].end, track.end), Damage()
    gains: dict[Mix, float] = {}
    if track.loudness is not None:
        first = [_Voice(mix, end) for mix in {_mix(rendition) for rendition in track.renditions}]
        for heard in decoded(file, track, origin, Damage(), limits=limits):
            for voice in first:
                voice.hear(heard)
        gains = {voice.mix: gain_for(voice.finish(), track.loudness) for voice in first}
    making = _Making(track, chunks, folder, origin, end, gains)
    index, last, found = 0, len(chunks) - 1, False
    for heard in decoded(file, track, origin, damage, making.keep, limits=limits):
        found = True
        making.hear(heard)
        while index < last and making.complete(index):
            yield EncodedPart(index, making.take(index))
            index += 1
    loudness = making.finish() if found else {}
    nothing = () if found else (f"audio track {track.track} cannot be decoded and is left out",)
    for rest in range(index, last):
        yield EncodedPart(rest, making.take(rest))
    yield EncodedPart(last, making.take(last), loudness, (*damage.warnings(track.track), *nothing))


def _mix(rendition: AudioRendition) -> Mix:
    return Mix(rendition.layout, rendition.sample_rate, rendition.folded)


class _Voice:
    """One mix of a track: laid on the timeline, its peaks held where it was made of more channels, levelled, measured,
    and handed to the encoders that share it.
    """

    def __init__(self, mix: Mix, end: Fraction, gain: float = 0.0) -> None:
        self.mix, self._gain = mix, gain
        self.outputs: list[tuple[SoundEncoder, SegmentFiles]] = []
        self._timeline, self._meter = Timeline(mix, end), LoudnessMeter(mix)
        self._limiter = Limiter(mix) if mix.folded else None

    def hear(self, heard: Heard) -> None:
        self._take(self._timeline.add(heard))

    def finish(self) -> Loudness:
        self._take(self._timeline.finish())
        if self._limiter is not None:
            self._hand_on(self._limiter.finish())
        for encoder, files in self.outputs:
            files.add(encoder.encode(None))
        return self._meter.read().model_copy(update={"gain": self._gain})

    def _take(self, blocks: Iterator[Samples]) -> None:
        for block in blocks:
            self._hand_on(self._limiter.add(block) if self._limiter else (block,))

    def _hand_on(self, blocks: Iterable[Samples]) -> None:
        for block in blocks:
            samples = levelled(block, self._gain)
            self._meter.add(samples)
            for encoder, files in self.outputs:
                files.add(encoder.encode(samples))


class _Making:
    """All renditions of one track on their way. Those of one mix share its voice; what is passed through is only
    measured, and never levelled."""

    def __init__(
        self,
        track: AudioTrack,
        chunks: Sequence[Chunk],
        folder: Path,
        origin: Fraction,
        end: Fraction,
        gains: Mapping[Mix, float],
    ) -> None:
        self._renditions = track.renditions
        self._voices: dict[tuple[Mix, bool], _Voice] = {}
        self._files: dict[str, SegmentFiles] = {}
        self._kept: list[tuple[Passthrough, SegmentFiles]] = []
        for rendition in track.renditions:
            mix, passed = _mix(rendition), rendition.passed_through
            voice = self._voices.setdefault((mix, passed), _Voice(mix, end, 0.0 if passed else gains.get(mix, 0.0)))
            way = Passthrough(rendition, origin, end) if passed else SoundEncoder(rendition)
            files = SegmentFiles(chunks, folder / rendition.id, rendition.sample_rate, way)
            if isinstance(way, Passthrough):
                self._kept.append((way, files))
            else:
                voice.outputs.append((way, files))
            self._files[rendition.id] = files

    def keep(self, packet: Packet[Any]) -> None:
        """Pass a packet of the source through, where that is asked for."""
        for way, files in self._kept:
            files.add(way.add(packet))

    def hear(self, heard: Heard) -> None:
        for voice in self._voices.values():
            voice.hear(heard)

    def finish(self) -> dict[str, Loudness]:
        """Write what is left; how loud each rendition is."""
        loudness = {key: voice.finish() for key, voice in self._voices.items()}
        for way, files in self._kept:
            files.add(way.finish())
        for files in self._files.values():
            files.finish()
        return {own.id: loudness[_mix(own), own.passed_through] for own in self._renditions}

    def complete(self, chunk: int) -> bool:
        """Whether all segments of a chunk are there, of every rendition."""
        return all(files.complete(chunk) for files in self._files.values())

    def take(self, chunk: int) -> dict[str, dict[int, Path]]:
        """The files of a chunk's segments."""
        return {name: files.take(chunk) for name, files in self._files.items()}
