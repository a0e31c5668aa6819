"""The CPU lane: libavcodec decodes, one filter graph makes the pictures of all rungs, software encoders encode them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import av.video

from transcoder.ladder import Rendition
from transcoder.lanes.base import ChunkEncoder, budget_of, rendition_paths
from transcoder.lanes.encoders import memory_bytes
from transcoder.lanes.picture import PictureFormat, PictureGraph
from transcoder.lanes.rung import RungEncoder
from transcoder.plan import Chunk, VideoTrack
from transcoder.quality import PictureQuality

__all__ = ["CpuLane"]

_ENCODER_BYTES = 420_000_000
"""What encoders may have at once. The rest of a task (Python, decoder, scaled pictures) takes up to 200 MB at 1080p."""


class CpuLane:
    """The software path. Works on every machine, and is what the others are compared with."""

    name = "cpu"

    def prepare(self, stream: av.video.VideoStream, threads: int) -> None:
        stream.codec_context.thread_count = threads
        stream.thread_type = "AUTO" if threads > 1 else "SLICE"

    def passes(self, track: VideoTrack) -> tuple[VideoTrack, ...]:
        """As many rungs at once as fit into the memory for encoders, in the ladder's order, and one at least.

        What a second pass costs is decoding, which is little beside those encoders that need it.
        """
        groups: list[list[Rendition]] = []
        free = 0
        for rendition in track.renditions:
            needed = memory_bytes(rendition)
            if needed > free:
                groups.append([])
                free = _ENCODER_BYTES
            groups[-1].append(rendition)
            free -= needed
        return tuple(track.model_copy(update={"renditions": tuple(group)}) for group in groups)

    def open(self, track: VideoTrack, chunk: Chunk, folder: Path, *, last: bool, threads: int) -> ChunkEncoder:
        return _CpuEncoder(track, chunk, folder, last=last, threads=threads)


class _CpuEncoder:
    def __init__(self, track: VideoTrack, chunk: Chunk, folder: Path, *, last: bool, threads: int) -> None:
        self._track = track
        self._folder, self._threads = folder, threads
        self._graph: PictureGraph | None = None
        self._paths = rendition_paths(track, folder)
        self._outputs: list[RungEncoder] = []
        try:
            for rendition, path in zip(track.renditions, self._paths, strict=True):
                budget = budget_of(rendition, chunk, last=last)
                self._outputs.append(RungEncoder(rendition, track, budget, path, threads))
        except BaseException:
            self.abort()
            raise

    def encode(self, frame: av.VideoFrame, tick: int, *, starts_segment: bool) -> None:
        for output, picture in zip(self._outputs, self._pictures(frame, tick), strict=True):
            output.encode(picture, starts_segment=starts_segment)

    def look_ahead(self, frame: av.VideoFrame, tick: int) -> bool:
        if not any(output.holds_back for output in self._outputs):
            return False
        for output, picture in zip(self._outputs, self._pictures(frame, tick), strict=True):
            output.look_ahead(picture)
        return True

    def _pictures(self, frame: av.VideoFrame, tick: int) -> list[av.VideoFrame]:
        frame.pts, frame.time_base = tick, Fraction(1, self._track.timescale)
        own = PictureFormat.of(frame, self._track.colour)
        if self._graph is None or self._graph.format != own:
            # The graph holds no picture back, so a source that changes its size just gets a new one.
            self._graph = PictureGraph(self._track, own, self._folder, self._threads)
        return self._graph.pictures(frame)

    def finish(self, end: int) -> dict[str, Path]:
        for output in self._outputs:
            output.finish(end)
        return dict(zip((r.id for r in self._track.renditions), self._paths, strict=True))

    @property
    def quality(self) -> Mapping[str, tuple[PictureQuality, ...]]:
        return {
            rendition.id: output.quality
            for rendition, output in zip(self._track.renditions, self._outputs, strict=True)
        }  # fmt: skip

    def abort(self) -> None:
        for output in self._outputs:
            output.abort()
