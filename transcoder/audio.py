"""The audio task: one continuous encoder a track, cut into parts at the chunks' times.

Audio is never chunked: an AAC encoder that starts anew primes itself, and every join would have a gap. One
encoder runs through the whole title and its packets are handed out part by part, so that the first parts can be
played while the rest is still being encoded.

Sample n of the title is sample n of the rendition: what lies before the title's start is cut off, what is
missing there, in gaps, and up to the end of the picture is silence. The encoder's priming packet is dropped
instead of being hidden by an edit list, so a part needs nothing but its own time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.audio
import av.container
import av.error
import numpy as np
import numpy.typing as npt
from av.packet import Packet

from transcoder.errors import UnsupportedMediaError
from transcoder.fragments import FragmentWriter
from transcoder.media import SAMPLE_RATES
from transcoder.plan import AudioTrack, Chunk
from transcoder.source import media_errors, open_source, packets

__all__ = ["AAC_FRAME", "EncodedPart", "encode_audio"]

AAC_FRAME = 1024
"""Samples in an AAC-LC access unit (ISO/IEC 14496-3, 4.5.1.1)."""

_GAP_SECONDS = Fraction(1, 20)
"""A smaller difference between a packet's time and the samples so far is clock jitter, and is left alone."""

_LARGEST_GAP_SECONDS = 3600

_LONGEST_FRAME_SECONDS = 30
"""Raw sound can come in frames of any length, which the resampler would multiply in memory."""

_BLOCK = 48_000

Samples = npt.NDArray[np.float32]
"""Shape (channels, samples), float in -1 to 1."""


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """One part of an audio track: a fragmented MP4 file for each of its segments, by number.

    A part may be empty where the picture's last segment is shorter than an AAC frame.
    """

    index: int
    files: dict[int, Path]


def encode_audio(
    file: BinaryIO, track: AudioTrack, chunks: Sequence[Chunk], folder: Path, *, origin: Fraction
) -> Iterator[EncodedPart]:
    """Encode one audio track of the title and yield one part a chunk, in order, as soon as it is complete.

    `origin` is the source's time (seconds) of the title's start. The last part runs to the end of the sound.

    Errors: UnsupportedMediaError where the track cannot be decoded at all.
    """
    encoder = _Aac(track)
    parts = _Parts(track, chunks, folder, encoder)
    for block in _samples(file, track, origin, ends=math.ceil(max(chunks[-1].end, track.end) * track.sample_rate)):
        yield from parts.add(encoder.encode(block))
    yield from parts.add(encoder.encode(None))
    yield parts.finish()


class _Aac:
    """One AAC encoder from the first sample of the title to the last. Packet times are in samples."""

    def __init__(self, track: AudioTrack) -> None:
        self._track = track
        self._layout = "mono" if track.channels == 1 else "stereo"
        self._context = av.CodecContext.create("aac", "w")
        self.configure(self._context)
        self._context.bit_rate = track.bitrate
        self._rest = np.zeros((track.channels, 0), np.float32)
        self._position = 0

    def configure(self, context: av.AudioCodecContext) -> None:
        """Give a context the format of this track, so that its decoder configuration is the same."""
        context.sample_rate, context.layout, context.format = self._track.sample_rate, self._layout, "fltp"
        context.time_base = Fraction(1, self._track.sample_rate)

    def encode(self, samples: Samples | None) -> list[Packet[Any]]:
        """Packets for more samples, shape (channels, n); None pads the last frame with silence and flushes."""
        more = np.zeros((self._track.channels, -self._rest.shape[1] % AAC_FRAME), np.float32)
        joined = np.concatenate((self._rest, more if samples is None else samples), axis=1)
        whole = joined.shape[1] // AAC_FRAME * AAC_FRAME
        self._rest = joined[:, whole:]
        packets: list[Packet[Any]] = []
        for start in range(0, whole, AAC_FRAME):
            block = np.ascontiguousarray(joined[:, start : start + AAC_FRAME])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=self._layout)
            frame.sample_rate, frame.pts = self._track.sample_rate, self._position
            frame.time_base = Fraction(1, self._track.sample_rate)
            self._position += AAC_FRAME
            packets += self._context.encode(frame)
        if samples is None:
            packets += self._context.encode(None)
        # What lies before 0 is the encoder's priming, what lies after the input its own padding.
        return [p for p in packets if p.pts is not None and 0 <= p.pts < self._position]


class _Parts:
    """Sorts the packets of a track into the segments of the plan and writes a part when its last one is there."""

    def __init__(self, track: AudioTrack, chunks: Sequence[Chunk], folder: Path, encoder: _Aac) -> None:
        self._track, self._chunks, self._folder, self._encoder = track, chunks, folder, encoder
        self._index = 0
        self._pending: list[Packet[Any]] = []

    def add(self, packets: list[Packet[Any]]) -> Iterator[EncodedPart]:
        self._pending += packets
        while self._index < len(self._chunks) - 1:
            end = self._sample(self._chunks[self._index].end)
            if not self._pending or _time(self._pending[-1]) < end:
                return
            count = sum(_time(packet) < end for packet in self._pending)
            yield self._write(self._pending[:count])
            self._pending = self._pending[count:]

    def finish(self) -> EncodedPart:
        return self._write(self._pending)

    def _write(self, packets: list[Packet[Any]]) -> EncodedPart:
        chunk = self._chunks[self._index]
        self._index += 1
        folder = self._folder / f"part{chunk.index}"
        folder.mkdir(parents=True)
        files: dict[int, Path] = {}
        for number, segment in enumerate(chunk.segments, start=1):
            last = number == len(chunk.segments)
            end = self._sample(segment.end)
            count = len(packets) if last else sum(_time(packet) < end for packet in packets)
            inside, packets = packets[:count], packets[count:]
            if inside:
                files[segment.number] = folder / f"{segment.number}.mp4"
                self._write_segment(inside, files[segment.number])
        return EncodedPart(chunk.index, files)

    def _write_segment(self, packets: list[Packet[Any]], path: Path) -> None:
        writer = FragmentWriter(path, self._track.sample_rate, fragments="all")
        stream = writer.container.add_stream("aac", rate=self._track.sample_rate)
        self._encoder.configure(stream.codec_context)
        for packet in packets:
            packet.stream = stream
        writer.add(packets)
        writer.finish(_time(packets[-1]) + AAC_FRAME)

    def _sample(self, seconds: Fraction) -> int:
        return math.ceil(seconds * self._track.sample_rate)


def _time(packet: Packet[Any]) -> int:
    assert packet.pts is not None
    return packet.pts


def _samples(file: BinaryIO, track: AudioTrack, origin: Fraction, *, ends: int) -> Iterator[Samples]:
    """The sound of the title from its sample 0 on, without a gap, `ends` samples.

    Each run of packets that follow each other is resampled in one go; between runs there is silence, or what
    would overlap is cut off.
    """
    position = 0
    decoded = False
    for start, run in _runs(file, track, origin):
        decoded = True
        if start - position > _LARGEST_GAP_SECONDS * track.sample_rate:
            raise UnsupportedMediaError(f"audio track {track.track} has a gap of more than an hour")
        for block in _silence(track, min(start, ends) - position):
            position += block.shape[1]
            yield block
        for samples in run:
            kept = samples[:, min(max(0, position - start), samples.shape[1]) : max(0, ends - start)]
            start += samples.shape[1]
            if kept.shape[1]:
                position += kept.shape[1]
                yield kept
    if not decoded:
        raise UnsupportedMediaError(f"audio track {track.track} cannot be decoded")
    yield from _silence(track, ends - position)


def _silence(track: AudioTrack, samples: int) -> Iterator[Samples]:
    for start in range(0, samples, _BLOCK):
        yield np.zeros((track.channels, min(_BLOCK, samples - start)), np.float32)


def _runs(file: BinaryIO, track: AudioTrack, origin: Fraction) -> Iterator[tuple[int, Iterator[Samples]]]:
    """Runs of contiguous sound: the title's sample at which each starts (it may be negative), and its blocks."""
    frames = _Peekable(_decoded(file, track))
    while (first := frames.peek()) is not None:
        start = math.floor((_seconds(first) - origin) * track.sample_rate + Fraction(1, 2))
        yield start, _one_run(frames, track)


def _one_run(frames: _Peekable, track: AudioTrack) -> Iterator[Samples]:
    resampler = av.AudioResampler(
        format="fltp", layout="mono" if track.channels == 1 else "stereo", rate=track.sample_rate
    )
    expected: Fraction | None = None
    form: tuple[str, str, int] | None = None
    while (frame := frames.peek()) is not None:
        time = _seconds(frame)
        if expected is not None and (abs(time - expected) > _GAP_SECONDS or form != _form(frame)):
            break
        form = _form(frame)
        expected = (time if expected is None else expected) + Fraction(frame.samples, frame.sample_rate)
        frames.advance()
        # The run's place in the title is known; inside it only the number of samples counts.
        frame.pts = None
        yield from _resampled(resampler, frame)
    yield from _resampled(resampler, None)


def _resampled(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Iterator[Samples]:
    with media_errors("resampling the sound"):
        found = resampler.resample(frame)
    return (resampled.to_ndarray().astype(np.float32, copy=False) for resampled in found)


def _form(frame: av.AudioFrame) -> tuple[str, str, int]:
    """What a resampler is made for. A source may change it on the way: then a new run begins."""
    return frame.format.name, frame.layout.name, frame.sample_rate


class _Peekable:
    """Decoded frames with one frame of look-ahead: whoever sees a gap leaves the frame to the next run."""

    def __init__(self, frames: Iterator[av.AudioFrame]) -> None:
        self._frames = frames
        self._next = next(frames, None)

    def peek(self) -> av.AudioFrame | None:
        return self._next

    def advance(self) -> None:
        self._next = next(self._frames, None)


def _seconds(frame: av.AudioFrame) -> Fraction:
    assert frame.pts is not None and frame.time_base is not None
    return frame.pts * frame.time_base


def _decoded(file: BinaryIO, track: AudioTrack) -> Iterator[av.AudioFrame]:
    """Decoded frames that have a time; a damaged packet is left out, and the gap filled later."""
    with open_source(file) as container, media_errors("decoding the sound"):
        stream = container.streams[track.stream_index]
        assert isinstance(stream, av.audio.AudioStream)
        for packet in chain(packets(container, stream, clock=track.clock), (None,)):
            try:
                frames = stream.codec_context.decode(packet)
            except (av.error.InvalidDataError, av.error.EOFError):
                continue
            yield from (_allowed(frame) for frame in frames if frame.pts is not None and frame.samples)


def _allowed(frame: av.AudioFrame) -> av.AudioFrame:
    """The frame, of a rate and a length that can be resampled. Errors: UnsupportedMediaError."""
    if frame.sample_rate not in SAMPLE_RATES:
        raise UnsupportedMediaError(f"a sound with {frame.sample_rate} samples a second is not supported")
    if frame.samples > _LONGEST_FRAME_SECONDS * frame.sample_rate:
        raise UnsupportedMediaError(f"a packet holds more than {_LONGEST_FRAME_SECONDS} seconds of sound")
    return frame
