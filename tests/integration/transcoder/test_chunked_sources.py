"""Chunked against unchunked: what the chunks of a title feed their encoders is what one decoder yields.

The same pictures, in the same order, at the same times, of every container and codec; the expected ones come from
another FFmpeg, which reads the source from its beginning to its end.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from support import ffmpeg, sources
from support.recording import LADDER, Recorded, record, record_title

from transcoder.chunk import EncodedChunk, seek_points
from transcoder.ladder import Ladder
from transcoder.pictures import SourcePictures
from transcoder.plan import Chunk, Plan, plan_title
from transcoder.probe import probe
from transcoder.source import open_source


def recorded(
    path: Path, ladder: Ladder = LADDER
) -> tuple[Plan, int, list[EncodedChunk], list[Recorded], list[Recorded]]:
    """A source's plan, its video stream's index, its chunks, their pictures, and those of one chunk over all of it."""
    with path.open("rb") as file:
        media = probe(file)
        plan, chunks, pictures = record_title(file, media, ladder)
        _, whole = record(file, media, plan, Chunk(index=0, segments=plan.segments), following=None)
    assert media.main_video is not None
    return plan, media.main_video.index, chunks, pictures, whole


@pytest.mark.parametrize("name", sources.SOURCES)
def test_chunks_show_what_one_decoder_yields(name: str) -> None:
    path = sources.cached(name)
    plan, index, chunks, pictures, whole = recorded(path)
    assert plan.video is not None
    expected = ffmpeg.stored_frames(path, index)
    assert [picture.time for picture in pictures] == [frame.time - expected[0].time for frame in expected]
    assert pictures == whole
    if not plan.video.deinterlace:
        assert [picture.digest for picture in pictures] == [frame.digest for frame in expected]
    assert [chunk.end for chunk in chunks[:-1]] == [chunk.start for chunk in chunks[1:]]
    assert Fraction(chunks[-1].end, plan.video.timescale) == plan.duration
    assert plan.video.frame_count == len(expected)
    assert sum(chunk.lost for chunk in chunks) == 0
    assert not any(chunk.repeated or chunk.mended or chunk.warnings for chunk in chunks)


@pytest.mark.parametrize("name", sources.SOURCES)
def test_no_chunk_is_decoded_from_the_beginning(name: str) -> None:
    with sources.cached(name).open("rb") as file:
        media = probe(file)
        plan = plan_title(media, LADDER, slots=4)
        track, stream = plan.video, media.main_video
        assert track is not None and stream is not None
        for chunk in plan.chunks[1:]:
            with open_source(file) as container:
                decoded = container.streams[stream.index]
                assert isinstance(decoded, av.VideoStream)
                source = SourcePictures(
                    container, decoded, first_pts=track.pts(chunk.start), seek=seek_points(stream, track, chunk),
                    max_pixels=100_000, clock=track.clock, stamping=track.stamping,
                )  # fmt: skip
                pts, _ = next(iter(source))
                begun = source.begun_at
            assert begun is not None
            assert begun.pts <= pts <= track.pts(chunk.start)
            assert begun in stream.keyframes


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(10)], ids="{} per s".format)
@pytest.mark.parametrize("name", ["h264-uneven-mkv", "h264-slow-mp4", "ntsc-avi", "h264-open-gop-ts"])
def test_a_constant_rate_is_what_ffmpeg_makes_of_it(name: str, rate: Fraction) -> None:
    path = sources.cached(name)
    plan, index, chunks, pictures, whole = recorded(path, LADDER.model_copy(update={"frame_rate": rate}))
    expected = ffmpeg.stored_frames(path, index, rate=rate)
    assert [picture.digest for picture in pictures] == [frame.digest for frame in expected]
    assert [picture.time for picture in pictures] == [number / rate for number in range(len(expected))]
    assert pictures == whole
    assert plan.duration == len(expected) / rate
    assert [chunk.end for chunk in chunks[:-1]] == [chunk.start for chunk in chunks[1:]]
