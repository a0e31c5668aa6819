"""What the chunks of a title feed their encoders, without encoding: for comparing it with what a decoder yields."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import av.video
import numpy as np

from transcoder.chunk import EncodedChunk, encode_chunk, seek_points
from transcoder.ladder import Ladder, VideoRung
from transcoder.lanes.base import ChunkEncoder
from transcoder.media import MediaInfo
from transcoder.plan import Chunk, Plan, Segment, VideoTrack, plan_title
from transcoder.quality import PictureQuality

__all__ = ["LADDER", "Recorded", "RecordingLane", "digest", "record", "record_title"]

LADDER = Ladder(
    name="one", segment_seconds=1, video=(VideoRung(id="v90", height=90, max_bitrate=200_000, buffer=300_000),)
)
"""Short segments: many joins."""


@dataclass(frozen=True)
class Recorded:
    """A picture as an encoder gets it: seconds of the title, and a hash of its pixels."""

    time: Fraction
    digest: str
    starts_segment: bool


def digest(frame: av.VideoFrame) -> str:
    """MD5 of a picture's planes without their padding, as FFmpeg's `framemd5` has it. For planar formats."""
    found = hashlib.md5(usedforsecurity=False)
    wide = 1 + (max(component.bits for component in frame.format.components) > 8)
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        found.update(np.ascontiguousarray(rows[:, : plane.width * wide]).tobytes())
    return found.hexdigest()


class RecordingLane:
    """A lane that notes the pictures and makes no file."""

    name = "recording"

    def __init__(self) -> None:
        self.pictures: list[Recorded] = []
        self.quality: dict[str, tuple[PictureQuality, ...]] = {}
        self._track: VideoTrack | None = None

    def prepare(self, stream: av.video.VideoStream, threads: int) -> None:
        stream.codec_context.thread_count = threads

    def passes(self, track: VideoTrack) -> tuple[VideoTrack, ...]:
        return (track,)

    def open(self, track: VideoTrack, chunk: Chunk, folder: Path, *, last: bool, threads: int) -> ChunkEncoder:
        self._track = track
        return self

    def encode(self, frame: av.VideoFrame, tick: int, *, starts_segment: bool) -> None:
        assert self._track is not None
        self.pictures.append(Recorded(Fraction(tick, self._track.timescale), digest(frame), starts_segment))

    def look_ahead(self, frame: av.VideoFrame, tick: int) -> bool:
        return False

    def finish(self, end: int) -> dict[str, Path]:
        return {}

    def abort(self) -> None:
        self.pictures.clear()


def record(
    file: BinaryIO, media: MediaInfo, plan: Plan, chunk: Chunk, *, following: Segment | None
) -> tuple[EncodedChunk, list[Recorded]]:
    """One chunk, decoded as the engine has it decoded."""
    assert plan.video is not None and media.main_video is not None
    lane = RecordingLane()
    encoded = encode_chunk(
        file, plan.video, chunk, Path(), lane=lane, following=following,
        seek=seek_points(media.main_video, plan.video, chunk),
    )  # fmt: skip
    return encoded, lane.pictures


def record_title(
    file: BinaryIO, media: MediaInfo, ladder: Ladder = LADDER, *, slots: int = 4
) -> tuple[Plan, list[EncodedChunk], list[Recorded]]:
    """All chunks of a title in order."""
    plan = plan_title(media, ladder, slots=slots)
    chunks, pictures = [], []
    for chunk in plan.chunks:
        encoded, own = record(file, media, plan, chunk, following=plan.following(chunk))
        chunks.append(encoded)
        pictures += own
    return plan, chunks, pictures
