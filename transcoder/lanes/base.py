"""The lane protocol: how one hardware path turns decoded pictures into every rendition of a chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import av
import av.video

from transcoder.ladder import Rendition
from transcoder.plan import Chunk, VideoTrack
from transcoder.quality import PictureQuality
from transcoder.vbv import Budget, chunk_budget

__all__ = ["ChunkEncoder", "Lane", "budget_of", "presentation_delay", "rendition_paths"]


class ChunkEncoder(Protocol):
    """Encodes one chunk on all rungs. Pictures come in presentation order; times are ticks of the title."""

    def encode(self, frame: av.VideoFrame, tick: int, *, starts_segment: bool) -> None:
        """Scale the picture to every rung and encode it; an IDR picture where a segment starts."""
        ...

    def look_ahead(self, frame: av.VideoFrame, tick: int) -> bool:
        """Show the encoders a picture after the chunk: it has a part in their plans and is nobody's to get. False as
        soon as none of them holds back a picture of the chunk, or plans ahead at all."""
        ...

    def finish(self, end: int) -> dict[str, Path]:
        """Flush the encoders; the last picture ends at tick `end`. The fragmented MP4 file of each rendition."""
        ...

    @property
    def quality(self) -> Mapping[str, tuple[PictureQuality, ...]]:
        """What was measured of each rendition, by picture, once everything is encoded."""
        ...

    def abort(self) -> None:
        """Let go of all encoders and files; nothing is of use."""
        ...


class Lane(Protocol):
    """One hardware path: it sets up the decoder and makes the chunk's encoder."""

    name: str

    def prepare(self, stream: av.video.VideoStream, threads: int) -> None:
        """Configure the source's decoder before the first packet."""
        ...

    def passes(self, track: VideoTrack) -> tuple[VideoTrack, ...]:
        """The track, or parts of its rungs that are encoded one after the other, where memory is short."""
        ...

    def open(self, track: VideoTrack, chunk: Chunk, folder: Path, *, last: bool, threads: int) -> ChunkEncoder:
        """The encoder of one chunk, writing below `folder`. The `last` chunk leaves nothing for a next one."""
        ...


def budget_of(rendition: Rendition, chunk: Chunk, *, last: bool) -> Budget:
    """What a chunk of a rendition may spend, so that it joins its neighbours without emptying a decoder's buffer."""
    return chunk_budget(
        rendition.max_bitrate, rendition.buffer, chunk.end - chunk.start, before=chunk.before, last=last
    )


def presentation_delay(track: VideoTrack, reordered: int) -> int:
    """Ticks by which composition lags decoding so that `reordered` pictures can wait for a later one."""
    return -(-reordered * track.timescale * track.frame_rate.denominator // track.frame_rate.numerator)


def rendition_paths(track: VideoTrack, folder: Path) -> Sequence[Path]:
    """Where the fragmented MP4 file of each rendition goes, in the ladder's order."""
    return [folder / f"{rendition.id}.mp4" for rendition in track.renditions]
