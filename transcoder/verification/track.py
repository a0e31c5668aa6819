"""One published rendition, read in full from its segments: every time, and what identifies the bytes."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from transcoder.errors import NotFoundError, VerificationError
from transcoder.isobmff import InitInfo, SegmentInfo, read_init, read_segment
from transcoder.packaging.listing import ListedRendition, ListedSegment, OpenObject
from transcoder.results import Kind
from transcoder.verification.random_access import stands_alone

__all__ = ["Track", "TrackSegment", "read_track"]


@dataclass(frozen=True, slots=True)
class TrackSegment:
    """One segment as it really is. Times in ticks; `real_sync`: it starts with a picture that needs no other.
    `first_sha256` is over its first sample."""

    listed: ListedSegment
    decode_start: int
    start: int
    end: int
    frames: int
    real_sync: bool
    size_bytes: int
    sha256: str
    first_sha256: str

    @property
    def path(self) -> str:
        """Its path in the package."""
        return self.listed.path


@dataclass(slots=True)
class Track:
    """All that one pass over a rendition's files finds. Memory: 32 bytes a frame.

    `pts`, `dts` and `steps` (durations) are ticks and `sizes` bytes, in decode order, over all segments that could be
    read; `damage` says what could not.
    """

    listed: ListedRendition
    init: InitInfo | None = None
    segments: list[TrackSegment] = field(default_factory=list)
    pts: array[int] = field(default_factory=lambda: array("q"))
    dts: array[int] = field(default_factory=lambda: array("q"))
    steps: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    damage: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The rendition's id."""
        return self.listed.id

    @property
    def kind(self) -> Kind:
        """What the init segment says it is; of pictures, what the manifest says they are for."""
        if self.init is None or (self.init.kind == "video" and self.listed.kind == "trick"):
            return self.listed.kind
        return self.init.kind

    @property
    def readable(self) -> bool:
        """Whether there is anything to check: an init segment, and media segments that fit it."""
        return self.init is not None and bool(self.segments)

    @property
    def timescale(self) -> int:
        """Ticks per second."""
        return self.init.timescale if self.init else 1

    @property
    def start(self) -> Fraction:
        """Seconds of the title at which the first frame is presented."""
        return Fraction(min(segment.start for segment in self.segments), self.timescale)

    @property
    def end(self) -> Fraction:
        """Seconds of the title at which the last frame ends."""
        return Fraction(max(segment.end for segment in self.segments), self.timescale)

    def pieces(self, open_object: OpenObject) -> Iterator[bytes]:
        """The bytes of the init segment and of each segment, one at a time."""
        yield open_object(self.listed.init)
        for segment in self.segments:
            yield open_object(segment.path)

    def late_sync(self) -> Iterator[str]:
        """Segments that a decoder cannot start with."""
        return (segment.path for segment in self.segments if not segment.real_sync)

    def gaps(self) -> Iterator[str]:
        """Places where presentation stops, jumps or goes back.

        Decode times are the presentation times by rank (transcoder/fragments.py), so each sample's duration is how
        long the picture of its rank is shown: the sorted presentation times must be the decode times. Only where
        picture lengths vary may a decode time be earlier than its rank, never later.
        """
        steady = max(self.steps) - min(self.steps[:-1] or self.steps) <= 1
        first, before = 0, None
        for segment in self.segments:
            ranks = sorted(self.pts[first : first + segment.frames])
            times = self.dts[first : first + segment.frames]
            first += segment.frames
            if before is not None and segment.start != before.end:
                yield f"{segment.path} starts at tick {segment.start}, {before.path} ends at {before.end}"
            elif segment.decode_start != segment.start:
                yield f"{segment.path} has tfdt {segment.decode_start} and starts at tick {segment.start}"
            for index, (rank, time) in enumerate(zip(ranks, times, strict=True)):
                if (index and rank <= ranks[index - 1]) or time > rank or (steady and time != rank):
                    yield f"{segment.path}: frame {index} at tick {rank}, not {time}"
                    break
            before = segment


def read_track(open_object: OpenObject, listed: ListedRendition) -> Track:
    """Read every file of a rendition once. What is missing or damaged becomes a line in `damage`."""
    track = Track(listed)
    try:
        track.init = read_init(open_object(listed.init))
    except (VerificationError, NotFoundError) as error:
        track.damage.append(f"{listed.init}: {error.message}")
        return track
    for segment in listed.segments:
        try:
            data = open_object(segment.path)
            info = read_segment(data, track.init)
        except (VerificationError, NotFoundError) as error:
            track.damage.append(f"{segment.path}: {error.message}")
            continue
        _add(track, track.init, segment, info, data)
    return track


def _add(track: Track, init: InitInfo, listed: ListedSegment, info: SegmentInfo, data: bytes) -> None:
    first = info.samples[0]
    payload = data[first.offset : first.offset + first.size]
    real_sync = first.sync and stands_alone(payload, init.format)
    digest = hashlib.sha256(data).hexdigest()
    track.segments.append(
        TrackSegment(
            listed,
            info.decode_start,
            info.start,
            info.end,
            info.frames,
            real_sync,
            len(data),
            digest,
            hashlib.sha256(payload).hexdigest(),
        )
    )
    track.pts.extend(sample.pts for sample in info.samples)
    track.dts.extend(sample.dts for sample in info.samples)
    track.steps.extend(sample.duration for sample in info.samples)
    track.sizes.extend(sample.size for sample in info.samples)
