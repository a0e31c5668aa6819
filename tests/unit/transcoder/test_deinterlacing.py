"""Interlaced pictures: what FFmpeg makes of the whole source, frame by frame, wherever the cuts are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import av
import av.video
import pytest
from support import ffmpeg

from transcoder.chunk import encode_chunk, seek_points
from transcoder.ladder import Deinterlacing, Ladder, VideoRung
from transcoder.plan import Chunk, VideoTrack, plan_title
from transcoder.probe import probe
from transcoder.quality import PictureQuality


class RawLane:
    """A lane whose encoder keeps the hash of every picture that it is given."""

    name = "raw"
    quality: Mapping[str, tuple[PictureQuality, ...]] = {}

    def __init__(self) -> None:
        self.digests: list[str] = []

    def prepare(self, stream: av.video.VideoStream, threads: int) -> None:
        stream.codec_context.thread_count = threads

    def passes(self, track: VideoTrack) -> tuple[VideoTrack, ...]:
        return (track,)

    def open(self, track: VideoTrack, chunk: Chunk, folder: Path, *, last: bool, threads: int) -> RawLane:
        return self

    def encode(self, frame: av.VideoFrame, tick: int, *, starts_segment: bool) -> None:
        rows = (
            bytes(plane)[row * plane.line_size : row * plane.line_size + plane.width]
            for plane in frame.planes
            for row in range(plane.height)
        )
        self.digests.append(hashlib.md5(b"".join(rows), usedforsecurity=False).hexdigest())

    def finish(self, end: int) -> dict[str, Path]:
        return {}

    def abort(self) -> None:
        self.digests.clear()


def digests(source: Path, deinterlace: Deinterlacing) -> list[str]:
    """The pictures of all chunks of a source, as they reach the encoders."""
    rung = VideoRung(id="v", height=144, max_bitrate=1_000_000, buffer=1_000_000)
    ladder = Ladder(name="one", segment_seconds=1, deinterlace=deinterlace, video=(rung,))
    found = []
    with source.open("rb") as file:
        media = probe(file)
        plan = plan_title(media, ladder, slots=2)
        assert plan.video is not None and media.main_video is not None and len(plan.chunks) > 4
        for chunk in plan.chunks:
            lane = RawLane()
            encode_chunk(
                file, plan.video, chunk, source.parent, lane=lane, following=plan.following(chunk),
                seek=seek_points(media.main_video, plan.video, chunk),
            )  # fmt: skip
            found += lane.digests
    return found


def interlaced(path: Path, order: Literal["tff", "bff"], *codec: str) -> Path:
    """Two fields of different moments in every picture; B-pictures and long GOPs, so that cuts are inside of them."""
    first, setting = {"tff": ("interleave_top", "tff"), "bff": ("interleave_bottom", "bff")}[order]
    ffmpeg.run(
        [
            "-f", "lavfi", "-i", "testsrc2=size=192x144:rate=50:duration=4",
            "-vf", f"tinterlace=mode={first}:flags=vlpf,setfield={setting},format=yuv420p", *codec, str(path),
        ]
    )  # fmt: skip
    return path


SOURCES = {
    "MPEG-2 in a transport stream": (
        "m.ts", "tff", ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-bf", "2", "-g", "15", "-q:v", "3"),
    ),
    "H.264": ("m.mp4", "bff", ("-c:v", "libx264", "-x264-params", "bff=1:keyint=40", "-preset", "veryfast")),
    "one frame a GOP": ("m.avi", "tff", ("-c:v", "mpeg4", "-flags", "+ildct+ilme", "-g", "1", "-q:v", "3")),
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_chunks_are_deinterlaced_as_the_whole(name: str, tmp_path: Path) -> None:
    file, order, codec = SOURCES[name]
    source = interlaced(tmp_path / file, order, *codec)
    # The build of the same version: FFmpeg 9 makes another first picture of a source.
    expected = ffmpeg.decode_frames(
        source, filters=f"bwdif=mode=send_frame:parity={order}:deint=all", exe=ffmpeg.STATIC
    )
    assert digests(source, "always") == [frame.digest for frame in expected]


def test_never_means_never(tmp_path: Path) -> None:
    file, order, codec = SOURCES["H.264"]
    source = interlaced(tmp_path / file, order, *codec)
    assert digests(source, "never") == [frame.digest for frame in ffmpeg.decode_frames(source)]
