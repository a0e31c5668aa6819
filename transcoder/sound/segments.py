"""Cutting a rendition's packets into the plan's segments: one fragmented MP4 file each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import av.container
import av.stream
from av.packet import Packet

from transcoder.fragments import FragmentWriter
from transcoder.plan import Chunk

__all__ = ["PacketSource", "SegmentFiles"]


class PacketSource(Protocol):
    """Where a rendition's packets come from: how long each is, and how a file is told what they are."""

    @property
    def packet_samples(self) -> int:
        """Samples in a packet."""
        ...

    def add_stream(self, container: av.container.OutputContainer) -> av.stream.Stream:
        """A stream in a file, for these packets."""
        ...


class SegmentFiles:
    """Sorts the packets of one rendition into segments, and writes each when its last packet is there.

    A packet belongs to the segment in which it begins; those from the last segment's start on are all its own.
    Packets come in order, with `pts` in samples.
    """

    def __init__(self, chunks: Sequence[Chunk], folder: Path, sample_rate: int, source: PacketSource) -> None:
        self._segments = [(chunk.index, segment) for chunk in chunks for segment in chunk.segments]
        self._ends = [math.ceil(segment.end * sample_rate) for _, segment in self._segments]
        self._folder, self._sample_rate, self._source = folder, sample_rate, source
        self._pending: list[Packet[Any]] = []
        self._next = 0
        self._files: dict[int, dict[int, Path]] = {chunk.index: {} for chunk in chunks}

    def add(self, packets: Sequence[Packet[Any]]) -> None:
        """Take the next packets."""
        for packet in packets:
            while self._next < len(self._segments) - 1 and _time(packet) >= self._ends[self._next]:
                self._write()
            self._pending.append(packet)

    def finish(self) -> None:
        """Write what is there: no packet comes after this."""
        while self._next < len(self._segments):
            self._write()

    def complete(self, chunk: int) -> bool:
        """Whether all segments of a chunk are there."""
        return self._next == len(self._segments) or self._segments[self._next][0] > chunk

    def take(self, chunk: int) -> dict[int, Path]:
        """The files of a chunk's segments, by number. Segments in which no packet begins have none."""
        return self._files.pop(chunk)

    def _write(self) -> None:
        index, segment = self._segments[self._next]
        self._next += 1
        packets, self._pending = self._pending, []
        if not packets:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{segment.number}.mp4"
        writer = FragmentWriter(path, self._sample_rate, fragments="all")
        stream = self._source.add_stream(writer.container)
        for packet in packets:
            packet.stream = stream
        writer.add(packets)
        writer.finish(_time(packets[-1]) + self._source.packet_samples)
        self._files[index][segment.number] = path


def _time(packet: Packet[Any]) -> int:
    assert packet.pts is not None
    return packet.pts
