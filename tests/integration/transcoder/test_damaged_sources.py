"""Damage: chunks agree on what is left, mend or skip what is broken, and say so; nothing of it is fatal."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from support import ffmpeg, sources
from support.recording import LADDER, record, record_title

from transcoder.chunk import encode_chunk
from transcoder.errors import UnsupportedMediaError
from transcoder.lanes import open_lane
from transcoder.limits import Limits
from transcoder.plan import Chunk, plan_title
from transcoder.probe import probe

Harm = Callable[[bytes], bytes]


def flipped(place: float, count: int, seed: int) -> Harm:
    """Some bytes changed in a twentieth of the file."""

    def harm(data: bytes) -> bytes:
        chance, changed = random.Random(seed), bytearray(data)
        for _ in range(count):
            changed[int(len(data) * (place + 0.05 * chance.random()))] ^= chance.randrange(1, 256)
        return bytes(changed)

    return harm


def cut(data: bytes) -> bytes:
    """Only the first six tenths."""
    return data[: len(data) * 6 // 10]


def gap(data: bytes) -> bytes:
    """Two tenths of it left out."""
    return data[: len(data) * 4 // 10] + data[len(data) * 6 // 10 :]


def hole(data: bytes) -> bytes:
    """A tenth of it replaced by zeros."""
    middle, size = len(data) // 2, len(data) // 10
    return data[:middle] + bytes(size) + data[middle + size :]


def headless(data: bytes) -> bytes:
    """Without its beginning."""
    return data[len(data) // 5 :]


CASES: dict[str, tuple[str, Harm]] = {
    "h264, bits flipped": ("h264-mkv", flipped(0.2, 6, 0)),
    "h264, many bits flipped": ("h264-mp4", flipped(0.75, 40, 2)),
    "h264, a gap": ("h264-ts", gap),
    "h264, no beginning": ("h264-open-gop-ts", headless),
    "h264, one keyframe, a hole": ("h264-one-keyframe-mp4", hole),
    "h264, cut off": ("h264-mkv", cut),
    "hevc, bits flipped": ("hevc-mp4", flipped(0.5, 6, 1)),
    "hevc, a gap": ("hevc-open-gop-ts", gap),
    "mpeg-2, bits flipped": ("mpeg2-ts", flipped(0.75, 40, 2)),
    "mpeg-2, an index that leads elsewhere": ("mpeg2-mxf", gap),
    "mpeg-2, cut off": ("mpeg2-mpg", cut),
    "mpeg-4, bits flipped": ("mpeg4-avi", flipped(0.2, 6, 0)),
    "mjpeg, times that a seek does not find": ("mjpeg-avi", hole),
    "vp9, bits flipped": ("vp9-webm", flipped(0.5, 6, 1)),
    "av1, bits flipped": ("av1-mp4", flipped(0.2, 6, 0)),
    "prores, bits flipped": ("prores-mov", flipped(0.5, 6, 1)),
    "wmv, a hole": ("wmv2-asf", hole),
    "hevc, a time hours away": ("hevc-open-gop-ts", flipped(0.75, 40, 2)),
    "h264, a time days away": ("h264-flv", flipped(0.75, 40, 2)),
    "h264, a time some seconds away": ("h264-flv", flipped(0.5, 6, 1)),
}


@pytest.mark.parametrize("case", CASES)
def test_chunks_agree_on_what_is_left(case: str, tmp_path: Path) -> None:
    name, harm = CASES[case]
    whole = sources.cached(name)
    path = tmp_path / whole.name
    path.write_bytes(harm(whole.read_bytes()))
    with path.open("rb") as file:
        media = probe(file)
        plan, chunks, pictures = record_title(file, media)
        at_once, expected = record(file, media, plan, Chunk(index=0, segments=plan.segments), following=None)
    assert plan.video is not None and media.main_video is not None
    assert [picture.time for picture in pictures] == [picture.time for picture in expected]
    # What a decoder does not get to is whatever was in memory: beside what it reports, a picture or two.
    scale = plan.video.timescale
    broken = [(chunk.start, chunk.end) for chunk in chunks if chunk.lost or chunk.mended or chunk.repeated]
    different = [
        mine
        for mine, theirs in zip(pictures, expected, strict=True)
        if mine != theirs and not any(start <= mine.time * scale < end for start, end in broken)
    ]
    assert len(different) <= 2
    assert [chunk.end for chunk in chunks[:-1]] == [chunk.start for chunk in chunks[1:]]
    repeated = sum(chunk.repeated for chunk in chunks)
    assert repeated == at_once.repeated
    assert sum(picture.starts_segment for picture in pictures) == len(plan.segments)
    # Two decoders conceal differently, and may give up on a picture or two more or less around the damage.
    decoded = len(ffmpeg.stored_frames(path, media.main_video.index))
    assert abs(len(pictures) - repeated - decoded) <= 5
    step = 1 / media.main_video.frame_rate
    assert abs(Fraction(chunks[-1].end, plan.video.timescale) - plan.duration) <= step


def test_damage_is_reported_with_its_place(tmp_path: Path) -> None:
    whole = sources.cached("h264-mkv")
    path = tmp_path / whole.name
    path.write_bytes(flipped(0.2, 6, 0)(whole.read_bytes()))
    with path.open("rb") as file:
        _, chunks, _ = record_title(file, probe(file))
    assert sum(chunk.mended for chunk in chunks) == 2
    assert [warning for chunk in chunks for warning in chunk.warnings] == [
        "damaged pictures were mended: 2 between 1.160 and 1.200 s"
    ]
    assert not any(chunk.mended for chunk in chunks if chunk.start > 2000)


def test_a_segment_without_a_picture_shows_the_one_before(tmp_path: Path) -> None:
    """Most pictures of a group do not decode without their keyframe."""
    whole = sources.cached("hevc-mp4")
    path = tmp_path / whole.name
    path.write_bytes(flipped(0.5, 6, 1)(whole.read_bytes()))
    with path.open("rb") as file:
        plan, chunks, pictures = record_title(file, probe(file))
    again = [number for number, chunk in enumerate(chunks) if chunk.repeated]
    assert len(again) == 1
    assert chunks[again[0]].lost > 20
    number = next(n for n, p in enumerate(pictures) if p.time == plan.chunks[again[0]].start)
    assert pictures[number].digest == pictures[number - 1].digest


def test_a_picture_that_grows_on_the_way_stays_within_the_limit(tmp_path: Path) -> None:
    parts = [tmp_path / f"{size}.ts" for size in ("96x64", "320x192")]
    for part in parts:
        ffmpeg.make(["-f", "lavfi", "-i", f"testsrc2=s={part.stem}:r=25:d=2", "-c:v", "libx264", "-pix_fmt", "yuv420p",
                     "-bf", "0", "-output_ts_offset", "0" if part is parts[0] else "2", str(part)])  # fmt: skip
    path = tmp_path / "grown.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with path.open("rb") as file:
        media = probe(file)
        plan, chunks, pictures = record_title(file, media)
        assert len(pictures) == 100
        assert not any(chunk.lost or chunk.warnings for chunk in chunks)
        assert plan.video is not None
        last = plan.chunks[-1]
        with pytest.raises(UnsupportedMediaError, match="more than the allowed 20000 pixels"):
            encode_chunk(
                file, plan.video, last, tmp_path, lane=open_lane("cpu"), following=None,
                limits=Limits(pixels=20_000)
            )  # fmt: skip
        first = plan_title(media, LADDER, slots=4).chunks[0]
        small = encode_chunk(
            file, plan.video, first, tmp_path, lane=open_lane("cpu"), following=plan.following(first),
            limits=Limits(pixels=20_000)
        )  # fmt: skip
        assert small.frames == sum(picture.time < first.end for picture in pictures)
