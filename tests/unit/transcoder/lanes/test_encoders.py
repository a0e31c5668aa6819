"""Encoders: the same configuration whatever the content, keyframes where they were asked for and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from support import ffmpeg

from transcoder.isobmff import InitInfo, SegmentInfo, read_init, read_segment
from transcoder.ladder import Rendition, VideoCodec
from transcoder.lanes.encoders.levels import avc_level, hevc_level
from transcoder.lanes.rung import RungEncoder
from transcoder.media import Colour, ContentLight, MasteringDisplay
from transcoder.packaging.packager import package_part
from transcoder.plan import VideoTrack
from transcoder.sample_entry import light_boxes, with_boxes
from transcoder.vbv import Budget, chunk_budget, first_shortage
from transcoder.verification.random_access import stands_alone

WIDTH, HEIGHT, FRAMES, SEGMENT = 192, 108, 60, 20
STEP = 512
BT709 = Colour(primaries=1, transfer=1, matrix=1)
PQ = Colour(primaries=9, transfer=16, matrix=9)
MASTERING = MasteringDisplay(
    red=(Fraction(68, 100), Fraction(32, 100)), green=(Fraction(265, 1000), Fraction(69, 100)),
    blue=(Fraction(15, 100), Fraction(6, 100)), white=(Fraction(3127, 10000), Fraction(329, 1000)),
    min_luminance=Fraction(5, 10_000), max_luminance=Fraction(1000),
)  # fmt: skip
LIGHT = ContentLight(max_content=900, max_average=300)
PRESETS: dict[VideoCodec, str] = {"h264": "veryfast", "hevc": "ultrafast", "av1": "10"}
CODECS: tuple[VideoCodec, ...] = ("h264", "hevc", "av1")


def rendition(codec: VideoCodec, bits: Literal[8, 10] = 8, colour: Colour = BT709, **more: Any) -> Rendition:
    return Rendition(
        id="v", codec=codec, width=WIDTH, height=HEIGHT, bits=bits, colour=colour, preset=PRESETS[codec],
        crf=30, max_bitrate=400_000, buffer=600_000, **more,
    )  # fmt: skip


def content(kind: str) -> Iterator[NDArray[np.uint8]]:
    rng = np.random.default_rng(5)
    texture = rng.integers(16, 235, (HEIGHT, WIDTH), np.uint8)
    for number in range(FRAMES):
        if kind == "black":
            yield np.full((HEIGHT, WIDTH), 16, np.uint8)
        elif kind == "noise":
            yield rng.integers(16, 235, (HEIGHT, WIDTH), np.uint8)
        elif kind == "cuts":
            yield np.full((HEIGHT, WIDTH), 40 + 150 * (number // 7 % 2), np.uint8)
        else:
            yield np.roll(texture, 3 * number, axis=1)


def encoded(
    own: Rendition,
    kind: str,
    folder: Path,
    *,
    rate: Fraction = Fraction(25),
    threads: int = 1,
    cap: int = 400_000,
    budget: Budget | None = None,
) -> tuple[bytes, list[bytes]]:
    """The init segment and the media segments, one every 20 pictures, as they are packaged."""
    track = VideoTrack(
        stream_index=0, origin_pts=0, time_base=1 / rate, timescale=12_800, frame_rate=rate, frame_count=FRAMES,
        renditions=(own,),
    )  # fmt: skip
    folder.mkdir()
    path = folder / "v.mp4"
    output = RungEncoder(own, track, budget or Budget(cap, 600_000, 200_000), path, threads)
    for number, luma in enumerate(content(kind)):
        chroma = np.full((HEIGHT // 2, WIDTH), 128, np.uint8)
        frame = av.VideoFrame.from_ndarray(np.concatenate([luma, chroma]), format="yuv420p")
        if own.bits == 10:
            frame = frame.reformat(format="yuv420p10le")
        frame.pts, frame.time_base = number * STEP, Fraction(1, 12_800)
        output.encode(frame, starts_segment=number % SEGMENT == 0)
    output.finish(FRAMES * STEP)
    made = package_part({"v": path}, folder / "packaged", kind="video")["v"]
    init = with_boxes(made.init.read_bytes(), light_boxes(own.mastering, own.light))
    return init, [segment.read_bytes() for segment in made.segments.values()]


def read(init: bytes, segments: list[bytes]) -> tuple[InitInfo, list[SegmentInfo]]:
    info = read_init(init)
    return info, [read_segment(segment, info) for segment in segments]


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("codec", CODECS)
def test_the_content_does_not_show_in_the_configuration(
    codec: VideoCodec, bits: Literal[8, 10], tmp_path: Path
) -> None:
    configurations = set()
    for number, kind in enumerate(("black", "noise", "cuts", "moving")):
        # Every chunk has a budget of its own, and whatever threads there are.
        init, segments = encoded(
            rendition(codec, bits), kind, tmp_path / kind, cap=400_000 - 50_000 * number, threads=1 + number % 2
        )
        info, contents = read(init, segments)
        configurations.add((info.codec_config_sha256, info.codecs, info.shift))
        assert [segment.frames for segment in contents] == [SEGMENT] * (FRAMES // SEGMENT)
        assert [segment.start for segment in contents] == list(range(0, FRAMES * STEP, SEGMENT * STEP))
        for segment, data in zip(contents, segments, strict=True):
            assert [sample.sync for sample in segment.samples] == [True] + [False] * (SEGMENT - 1)
            alone = [stands_alone(data[s.offset : s.offset + s.size], info.format) for s in segment.samples]
            assert alone == [True] + [False] * (SEGMENT - 1)
        # At most one picture of delay, and every segment decodes by itself: its GOP is closed.
        assert -STEP <= info.shift <= 0
        alone_file = tmp_path / f"{kind}.mp4"
        alone_file.write_bytes(init + segments[1])
        times = [frame.time for frame in ffmpeg.decode_frames(alone_file)]
        assert times == [Fraction(n * STEP, 12_800) for n in range(SEGMENT, 2 * SEGMENT)]
    assert len(configurations) == 1


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_threads_do_not_change_the_bytes(codec: VideoCodec, tmp_path: Path) -> None:
    one = encoded(rendition(codec), "moving", tmp_path / "one", threads=1)[1]
    assert encoded(rendition(codec), "moving", tmp_path / "two", threads=3)[1] == one


def test_slow_rates_have_no_delay(tmp_path: Path) -> None:
    for codec in CODECS:
        info = read_init(encoded(rendition(codec), "moving", tmp_path / codec, rate=Fraction(12))[0])
        assert info.shift == 0


@pytest.mark.parametrize(
    ("codec", "bits", "expected"),
    [
        ("h264", 8, "avc1.64000c"), ("h264", 10, "avc1.6e000b"), ("hevc", 8, "hvc1.1.6.L60.90"),
        ("hevc", 10, "hvc1.2.4.L60.90"), ("av1", 8, "av01.0.00M.08"), ("av1", 10, "av01.0.00M.10"),
    ],
)  # fmt: skip
def test_codecs_parameters(codec: VideoCodec, bits: Literal[8, 10], expected: str, tmp_path: Path) -> None:
    init, segments = encoded(rendition(codec, bits), "moving", tmp_path / "made")
    info = read_init(init)
    assert info.codecs == expected
    # What another reader makes of the same bytes.
    whole = tmp_path / "whole.mp4"
    whole.write_bytes(init + b"".join(segments))
    (stream,) = ffmpeg.ffprobe_json(whole)["streams"]
    assert stream["codec_tag_string"] == expected[:4]
    assert stream["codec_name"] == codec
    depth = {8: "yuv420p", 10: "yuv420p10le"}[bits]
    assert codec == "av1" or stream["pix_fmt"] == depth  # that FFmpeg has no AV1 decoder
    assert (stream["width"], stream["height"]) == (WIDTH, HEIGHT)
    if codec != "av1":
        level = int(expected[-2:], 16) if codec == "h264" else int(expected.split(".")[3][1:])
        assert stream["level"] == level


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_hdr10_is_said(codec: VideoCodec, tmp_path: Path) -> None:
    own = rendition(codec, 10, PQ, mastering=MASTERING, light=LIGHT)
    init, segments = encoded(own, "moving", tmp_path / "made")
    info = read_init(init)
    assert (info.colour, info.mastering, info.light) == (PQ, MASTERING, LIGHT)
    assert codec == "hevc" or info.codecs.endswith(".10.0.110.09.16.09.0")
    # From the second segment on: a player may start anywhere. HEVC says it in the samples too, AV1 only its colour.
    if codec == "hevc":
        init = init.replace(b"mdcv", b"free").replace(b"clli", b"free")
    file = tmp_path / "from-second.mp4"
    file.write_bytes(init.replace(b"colr", b"free") + segments[1])
    said = ffmpeg.frame_report(file)
    assert "r(0.6800,0.3200) g(0.2650,0.6900) b(0.1500 0.0600) wp(0.3127, 0.3290)" in said
    assert "MaxCLL=900, MaxFALL=300" in said
    assert "max_luminance=1000.000000" in said
    assert "color_space:bt2020nc color_primaries:bt2020 color_trc:smpte2084" in said


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("colour", [BT709, Colour(primaries=6, transfer=6, matrix=6)])
def test_colours_are_said_in_the_container_and_in_the_stream(codec: VideoCodec, colour: Colour, tmp_path: Path) -> None:
    init, segments = encoded(rendition(codec, 8, colour), "moving", tmp_path / "made")
    assert read_init(init).colour == colour
    bare = tmp_path / "bare.mp4"
    bare.write_bytes(init.replace(b"colr", b"free") + segments[0])
    said = ffmpeg.frame_report(bare)
    name = {1: "bt709", 6: "smpte170m"}[colour.matrix]
    assert f"color_range:tv color_space:{name} color_primaries:{name} color_trc:{name}" in said


def spent(own: Rendition, budgets: list[Budget], folder: Path) -> list[tuple[int, int]]:
    """Decode times and sizes of all pictures of a title of noise, in chunks under those budgets."""
    folder.mkdir()
    pictures: list[tuple[int, int]] = []
    for number, budget in enumerate(budgets):
        _, segments = read(*encoded(own, "noise", folder / str(number), budget=budget))
        start = number * FRAMES * STEP
        pictures += [(start + sample.dts, sample.size) for segment in segments for sample in segment.samples]
    return pictures


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_the_buffer_never_runs_empty_over_joins(codec: VideoCodec, tmp_path: Path) -> None:
    own = rendition(codec)
    seconds, chunks = Fraction(FRAMES, 25), 5
    careful = [
        chunk_budget(own.max_bitrate, own.buffer, seconds, before=min(n, 1) * seconds, last=n == chunks - 1)
        for n in range(chunks)
    ]
    pictures = spent(own, careful, tmp_path / "careful")
    assert first_shortage(pictures, 12_800, own.max_bitrate, own.buffer) is None
    # The cap is felt: most of what may be spent is spent.
    assert sum(8 * size for _, size in pictures) > Fraction(3, 4) * own.max_bitrate * seconds * chunks
    # Chunks that each think the bucket full at their start do not join.
    careless = [Budget(own.max_bitrate, own.buffer, own.buffer)] * chunks
    pictures = spent(own, careless, tmp_path / "careless")
    assert first_shortage(pictures, 12_800, own.max_bitrate, own.buffer) is not None


def test_av1_keeps_its_cap_on_average(tmp_path: Path) -> None:
    own = rendition("av1")
    pictures = spent(own, [Budget(own.max_bitrate, own.buffer, own.buffer)] * 5, tmp_path / "made")
    assert sum(8 * size for _, size in pictures) < own.max_bitrate * Fraction(FRAMES, 25) * 5
    assert first_shortage(pictures, 12_800, own.max_bitrate, 2 * own.buffer) is None


def test_levels() -> None:
    # ITU-T H.264, A.3: 1080p at 30 is level 4.0, at 60 level 4.2; H.265, A.4: 4.0 and 4.1.
    assert avc_level(1920, 1080, Fraction(30), 6_000_000, 9_000_000, references=16, factor=1250) == (40, 4)
    assert avc_level(1920, 1080, Fraction(60), 6_000_000, 9_000_000, references=1, factor=1250) == (42, 1)
    assert avc_level(1280, 720, Fraction(30), 3_000_000, 4_500_000, references=1, factor=1250) == (31, 1)
    assert avc_level(1920, 1080, Fraction(30), 60_000_000, 60_000_000, references=1, factor=1250)[0] == 41
    assert hevc_level(1920, 1080, Fraction(30), 4_000_000, 6_000_000) == 40
    assert hevc_level(1920, 1080, Fraction(60), 4_000_000, 6_000_000) == 41
    assert hevc_level(3840, 2160, Fraction(60), 18_000_000, 18_000_000) == 51
    # A long thin picture: no side may be longer than the square root of eight times the level's largest picture.
    assert hevc_level(8192, 32, Fraction(25), 1_000_000, 1_000_000) == 50
