"""Chunk encoding: the pictures of the source, each once, in order, at their times, whatever the cuts."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import av.video
import numpy as np
import pytest
from support import clips, ffmpeg

from transcoder.chunk import encode_chunk, seek_points
from transcoder.ladder import Ladder, VideoRung
from transcoder.lanes import open_lane
from transcoder.media import MediaInfo
from transcoder.packaging.packager import package_part
from transcoder.plan import Plan, plan_title
from transcoder.probe import probe

LADDER = Ladder(
    name="small",
    segment_seconds=1,
    video=(
        VideoRung(id="v180", height=180, max_bitrate=600_000, buffer=900_000, preset="ultrafast"),
        VideoRung(id="v90", height=90, max_bitrate=200_000, buffer=300_000, preset="veryfast"),
    ),
)


def encode(path: Path, folder: Path) -> tuple[MediaInfo, Plan, list[tuple[int, int, int]], dict[str, Path]]:
    """Every chunk of a clip, seeking as the engine does; the joined file of each rendition."""
    spans, joined = [], {}
    with path.open("rb") as file:
        media = probe(file)
        plan = plan_title(media, LADDER, slots=2)
        assert media.main_video is not None
        for chunk in plan.chunks:
            own = folder / str(chunk.index)
            own.mkdir()
            encoded = encode_chunk(
                file, plan.video, chunk, own, lane=open_lane("auto"), following=plan.following(chunk),
                seek=seek_points(media.main_video, plan.video, chunk),
            )  # fmt: skip
            assert not encoded.warnings
            spans.append((encoded.start, encoded.end, encoded.frames))
            packaged = package_part(
                encoded.files, own / "packaged", kind="video", first_number=chunk.segments[0].number
            )
            for name, made in packaged.items():
                assert list(made.segments) == [segment.number for segment in chunk.segments]
                target = joined.setdefault(name, folder / f"{name}.mp4")
                with target.open("ab") as out:
                    if chunk.index == 0:
                        out.write(made.init.read_bytes())
                    for segment in made.segments.values():
                        out.write(segment.read_bytes())
    return media, plan, spans, joined


CLIPS = {
    "25 fps": clips.Clip(seconds=Fraction(6)),
    "29.97 fps": clips.Clip(seconds=Fraction(6), fps=Fraction(30000, 1001)),
    "23.976 fps": clips.Clip(seconds=Fraction(6), fps=Fraction(24000, 1001), keyframe_interval=17),
    "one keyframe": clips.Clip(seconds=Fraction(6), keyframe_interval=1000),
    "only keyframes": clips.Clip(seconds=Fraction(4), keyframe_interval=1, b_frames=0),
    "variable rate": clips.Clip(seconds=Fraction(6), dropped=frozenset({*range(20, 28), 49, 50, 75, 100, 101})),
}


@pytest.mark.parametrize("name", CLIPS)
def test_chunks_join_exactly(name: str, tmp_path: Path) -> None:
    clip = CLIPS[name]
    media, plan, spans, joined = encode(clips.cached(clip), tmp_path)
    assert len(plan.chunks) > 4
    assert spans[0][0] == 0
    assert [end for _, end, _ in spans[:-1]] == [start for start, _, _ in spans[1:]]
    assert Fraction(spans[-1][1], plan.video.timescale) == plan.duration
    for path in joined.values():
        assert ffmpeg.frame_numbers(path) == list(clip.frames)
        times = [frame.time for frame in ffmpeg.decode_frames(path)]
        assert times == [n / clip.fps for n in clip.frames]
    assert media.main_video is not None
    assert sum(count for _, _, count in spans) == media.main_video.frame_count


def test_the_parameter_sets_are_the_same_in_every_chunk(tmp_path: Path) -> None:
    _, plan, _, _ = encode(clips.cached(CLIPS["25 fps"]), tmp_path)
    for rendition in plan.video.renditions:
        inits = [(tmp_path / str(c.index) / "packaged" / rendition.id / "init.mp4").read_bytes() for c in plan.chunks]
        configurations = {data[data.index(b"avcC") :] for data in inits}
        assert len({c[: c.index(b"mvex")] if b"mvex" in c else c for c in configurations}) == 1


def test_seeking_and_decoding_from_the_start_give_the_same_pictures(tmp_path: Path) -> None:
    path = clips.cached(clips.Clip(seconds=Fraction(6), keyframe_interval=17))
    with path.open("rb") as file:
        media = probe(file)
        plan = plan_title(media, LADDER, slots=2)
        assert media.main_video is not None
        chunk = plan.chunks[-2]
        seek = seek_points(media.main_video, plan.video, chunk)
        assert len(seek) > 1
        digests = []
        for number, points in enumerate((seek, seek[1:], ())):
            folder = tmp_path / str(number)
            folder.mkdir()
            encoded = encode_chunk(
                file, plan.video, chunk, folder, lane=open_lane("cpu"), seek=points, following=plan.following(chunk)
            )
            digests.append([frame.digest for frame in ffmpeg.decode_frames(encoded.files["v180"])])
    assert digests[0] == digests[1] == digests[2]


def test_more_threads_change_neither_pictures_nor_times(tmp_path: Path) -> None:
    clip = clips.Clip(seconds=Fraction(4))
    with clips.cached(clip).open("rb") as file:
        media = probe(file)
        plan = plan_title(media, LADDER, slots=1)
        results = []
        for threads in (1, 3):
            folder = tmp_path / str(threads)
            folder.mkdir()
            encoded = encode_chunk(
                file, plan.video, plan.chunks[1], folder, lane=open_lane("cpu"), threads=threads,
                following=plan.following(plan.chunks[1]),
            )  # fmt: skip
            results.append((encoded.start, encoded.end, ffmpeg.frame_numbers(encoded.files["v180"])))
    assert results[0] == results[1]


def test_full_range_becomes_limited_range(tmp_path: Path) -> None:
    path = tmp_path / "full.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        assert isinstance(stream, av.video.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuvj420p"
        for number in range(25):
            luma = np.full((180, 320), 255 if number % 2 else 0, np.uint8)
            picture = np.concatenate((luma.ravel(), np.full(2 * 160 * 90, 128, np.uint8))).reshape(270, 320)
            frame = av.VideoFrame.from_ndarray(picture, format="yuvj420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    _, _, _, joined = encode(path, tmp_path)
    raw = ffmpeg.run(["-i", str(joined["v180"]), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
    frames = np.frombuffer(raw, np.uint8).reshape(25, -1)[:, : 320 * 180]
    assert abs(int(np.median(frames[0])) - 16) <= 2
    assert abs(int(np.median(frames[1])) - 235) <= 2
