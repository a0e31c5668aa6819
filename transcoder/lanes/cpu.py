"""The CPU lane: libavcodec decodes, one filter graph scales to all rungs, libx264 encodes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import av.codec.context
import av.error
import av.filter
import av.video
from av.video.frame import PictureType
from av.video.reformatter import ColorRange

from transcoder.fragments import FragmentWriter
from transcoder.ladder import Rendition
from transcoder.lanes.base import ChunkEncoder, presentation_delay, rendition_paths
from transcoder.plan import VideoTrack

__all__ = ["CpuLane", "reordering"]

_SLOWEST_WITH_B_FRAMES = 20
"""Pictures a second below which no picture waits for a later one: see `reordering`."""

_TURNS = {90: ["transpose=clock"], 180: ["hflip", "vflip"], 270: ["transpose=cclock"]}
"""Filters that turn the decoded picture upright, by degrees clockwise."""


class CpuLane:
    """The software path. Works on every machine, and is what the others are compared with."""

    name = "cpu"

    def prepare(self, stream: av.video.VideoStream, threads: int) -> None:
        stream.codec_context.thread_count = threads
        stream.thread_type = "AUTO" if threads > 1 else "SLICE"

    def open(self, track: VideoTrack, folder: Path, *, threads: int) -> ChunkEncoder:
        return _CpuEncoder(track, folder, threads)


class _CpuEncoder:
    def __init__(self, track: VideoTrack, folder: Path, threads: int) -> None:
        self._track = track
        self._threads = threads
        self._scaler: _Scaler | None = None
        self._paths = rendition_paths(track, folder)
        self._outputs: list[_X264] = []

    def encode(self, frame: av.VideoFrame, tick: int, *, starts_segment: bool) -> None:
        frame.pts, frame.time_base = tick, Fraction(1, self._track.timescale)
        if self._scaler is None or not self._scaler.takes(frame):
            # The graph holds no picture back, so a source that changes its size just gets a new one.
            self._scaler = _Scaler(self._track, frame, self._threads)
        if not self._outputs:
            self._outputs = [
                _X264(rendition, self._track, path, frame, self._threads)
                for rendition, path in zip(self._track.renditions, self._paths, strict=True)
            ]
        for output, scaled in zip(self._outputs, self._scaler.scale(frame), strict=True):
            scaled.pict_type = PictureType.I if starts_segment else PictureType.NONE
            output.encode(scaled)

    def finish(self, end: int) -> dict[str, Path]:
        for output in self._outputs:
            output.finish(end)
        return dict(zip((r.id for r in self._track.renditions), self._paths, strict=True))

    def abort(self) -> None:
        for output in self._outputs:
            output.abort()


class _Scaler:
    """One filter graph from a decoded picture to the pictures of all rungs, for one input format.

    Bicubic, like FFmpeg's own default. Limited range and 4:2:0, square pixels, upright.
    """

    def __init__(self, track: VideoTrack, frame: av.VideoFrame, threads: int) -> None:
        self._format = _format(frame)
        graph = av.filter.Graph()
        graph.threads = threads
        self._source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, track.timescale)
        )
        upright: av.filter.context.FilterContext = self._source
        for turn in _TURNS.get(-frame.rotation % 360, []):
            name, _, arguments = turn.partition("=")
            turned = graph.add(name, arguments or None)
            upright.link_to(turned)
            upright = turned
        # Asked for only where it is needed: a rung of the source's size is then passed on as it is.
        limited = ":out_range=limited" if _full_range(frame) else ""
        split = graph.add("split", str(len(track.renditions)))
        upright.link_to(split)
        self._sinks = []
        for number, rendition in enumerate(track.renditions):
            scale = graph.add("scale", f"w={rendition.width}:h={rendition.height}:flags=bicubic{limited}")
            shape, form, sink = graph.add("setsar", "1"), graph.add("format", "yuv420p"), graph.add("buffersink")
            split.link_to(scale, number)
            scale.link_to(shape)
            shape.link_to(form)
            form.link_to(sink)
            self._sinks.append(sink)
        graph.configure()
        self._graph = graph  # the contexts point into it without owning it

    def takes(self, frame: av.VideoFrame) -> bool:
        """Whether this graph was made for pictures like this one."""
        return self._format == _format(frame)

    def scale(self, frame: av.VideoFrame) -> list[av.VideoFrame]:
        self._source.push(frame)
        scaled = []
        for sink in self._sinks:
            picture = sink.pull()
            assert isinstance(picture, av.VideoFrame)
            scaled.append(picture)
        return scaled


def reordering(frame_rate: Fraction) -> int:
    """Pictures by which x264 may decode ahead of the presentation: 1, or 0 for slow rates.

    hls.js reads no edit list. It takes the presentation delay for a shift of the segments, and from 0.05 s on it
    reports errors when it replaces a buffered segment by a better rung's. Without a B-pyramid the delay is one
    picture: less than that from 20 pictures a second on.
    """
    return 1 if frame_rate >= _SLOWEST_WITH_B_FRAMES else 0


def _format(frame: av.VideoFrame) -> tuple[int, int, str, int, bool]:
    return frame.width, frame.height, frame.format.name, frame.rotation, _full_range(frame)


def _full_range(frame: av.VideoFrame) -> bool:
    return frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj") or frame.format.is_rgb


class _X264:
    """One rendition of one chunk: closed GOPs of one segment each, the same parameter sets in every chunk."""

    def __init__(self, rendition: Rendition, track: VideoTrack, path: Path, like: av.VideoFrame, threads: int) -> None:
        depth = reordering(track.frame_rate)
        self._writer = FragmentWriter(path, track.timescale, presentation_delay(track, depth))
        stream = self._writer.container.add_stream(
            "libx264",
            rate=track.frame_rate,
            options={
                "preset": rendition.preset,
                "crf": str(rendition.crf),
                "maxrate": str(rendition.max_bitrate),
                "bufsize": str(rendition.buffer),
                "forced-idr": "1",
                # One IDR a segment and no other: the rungs stay aligned, and every GOP is closed.
                # `stitchable` keeps the content out of the parameter sets.
                "x264-params": "keyint=infinite:scenecut=0:open-gop=0:stitchable=1:b-pyramid=none"
                + ("" if depth else ":bframes=0"),
            },
        )
        assert isinstance(stream, av.video.VideoStream)
        stream.width, stream.height, stream.pix_fmt = rendition.width, rendition.height, "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, track.timescale)
        context.thread_count = threads
        context.color_primaries, context.color_trc = like.color_primaries, like.color_trc
        context.colorspace = like.colorspace
        self._stream = stream

    def encode(self, frame: av.VideoFrame) -> None:
        self._writer.add(self._stream.encode(frame))

    def finish(self, end: int) -> None:
        self._writer.add(self._stream.encode(None))
        self._writer.finish(end)

    def abort(self) -> None:
        self._writer.abort()
