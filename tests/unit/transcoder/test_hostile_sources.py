"""Sources that are well formed and absurd: little bytes that claim much, sound that changes, pictures far apart."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from support.recording import record, record_title

from transcoder.chunk import lead_in, seek_points
from transcoder.errors import UnsupportedMediaError
from transcoder.ladder import Ladder, VideoRung
from transcoder.part import make_audio_parts
from transcoder.plan import LONGEST_SEGMENT_SECONDS, Plan, plan_title
from transcoder.probe import Limits, probe

LADDER = Ladder(
    name="small", segment_seconds=1, video=(VideoRung(id="v90", height=90, max_bitrate=200_000, buffer=300_000),)
)
CLOCK = 90_000
STEADY = tuple(range(0, 2 * CLOCK, CLOCK // 25))


def source(
    pts: Sequence[int] = STEADY,
    *,
    name: str = "matroska",
    rate: int | None = None,
    blocks: Sequence[tuple[int, int]] = (),
    start: int = 0,
    layout: str = "mono",
    codec: str = "pcm_s16le",
) -> bytes:
    """A small clip with pictures at `pts` (ticks of CLOCK) and blocks of silence: (first sample, samples)."""
    file = io.BytesIO()
    with av.open(file, "w", format=name) as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "bf": "0"})
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, CLOCK)
        audio = container.add_stream(codec, rate=rate, layout=layout) if rate else None
        for stamp in pts:
            picture = av.VideoFrame.from_ndarray(np.full((72, 64), 100, np.uint8), format="yuv420p")
            picture.pts, picture.time_base = start * CLOCK + stamp, Fraction(1, CLOCK)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        if audio is not None and rate:
            assert isinstance(audio, av.AudioStream)
            for first, samples in blocks:
                channels = len(audio.layout.channels)
                sound = av.AudioFrame.from_ndarray(np.zeros((1, samples * channels), np.int16), "s16", layout)
                sound.sample_rate, sound.pts, sound.time_base = rate, start * rate + first, Fraction(1, rate)
                container.mux(audio.encode(sound))
            container.mux(audio.encode(None))
    return file.getvalue()


def planned(data: bytes) -> Plan:
    return plan_title(probe(io.BytesIO(data)), LADDER, slots=2)


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full(kind: bytes, *numbers: int, rest: bytes = b"") -> bytes:
    return box(kind, struct.pack(f">{len(numbers)}I", *numbers), rest)


def overlapping(chunks: int, samples: int) -> bytes:
    """A QuickTime file of some kilobytes whose index makes `chunks` times `samples` pictures of the same bytes."""
    count = chunks * samples
    head = box(b"ftyp", b"qt  ", bytes(4)) + box(b"mdat", b"\xff\xd8\xff\xe0", bytes(4000))
    entry = struct.pack(">6xH16xHHIIIH32xHh", 1, 64, 48, 0x480000, 0x480000, 0, 1, 24, -1)
    table = box(
        b"stbl", full(b"stsd", 0, 1, rest=box(b"jpeg", entry)), full(b"stts", 0, 1, count, 1),
        full(b"stsc", 0, 1, 1, samples, 1), full(b"stsz", 0, 4, count), full(b"stco", 0, chunks, *[24] * chunks),
    )  # fmt: skip
    information = box(
        b"minf", full(b"vmhd", 1, rest=bytes(8)), box(b"dinf", full(b"dref", 0, 1, rest=full(b"url ", 1))), table
    )
    media = box(
        b"mdia", full(b"mdhd", 0, 0, 0, CLOCK, count, 0), full(b"hdlr", 0, 0, rest=b"vide" + bytes(13)), information
    )
    track = full(
        b"tkhd", 7, 0, 0, 1, 0, 1000, *[0] * 4, 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000, 64 << 16, 48 << 16
    )
    movie = full(b"mvhd", 0, 0, 0, 1000, 1000, 0x10000, rest=bytes(80))
    return head + box(b"moov", movie, box(b"trak", track, media))


def test_an_index_that_multiplies_a_few_bytes_is_refused() -> None:
    data = overlapping(chunks=1000, samples=1000)
    assert len(data) < 10_000
    with pytest.raises(UnsupportedMediaError, match="overlap"):
        probe(io.BytesIO(data))


def test_more_pictures_than_allowed_are_refused() -> None:
    with pytest.raises(UnsupportedMediaError, match="pictures"):
        probe(io.BytesIO(source()), Limits(pictures=10))


def test_where_every_picture_is_a_keyframe_some_are_kept() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("mjpeg", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number in range(50):
            picture = av.VideoFrame.from_ndarray(np.full((72, 64), 100, np.uint8), format="yuvj420p")
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    found = probe(file).main_video
    assert found is not None
    assert found.frame_count == 50
    times = [keyframe.pts * found.time_base for keyframe in found.keyframes]
    assert times == [Fraction(n, 25) for n in (0, 13, 26, 39)]


@pytest.mark.parametrize("far", [100, 23 * 3600], ids="{} s".format)
def test_pictures_that_are_far_apart_make_segments_of_bearable_length(far: int) -> None:
    data = source([0, CLOCK // 30, far * CLOCK])
    media = probe(io.BytesIO(data))
    assert media.main_video is not None
    assert media.main_video.frame_rate > 0
    plan = plan_title(media, LADDER, slots=2)
    assert plan.longest_segment <= LONGEST_SEGMENT_SECONDS
    assert plan.duration >= far
    tail = plan.chunks[-3:]
    shown = [record(io.BytesIO(data), media, plan, chunk, following=plan.following(chunk)) for chunk in tail]
    assert [chunk.end for chunk, _ in shown[:-1]] == [chunk.start for chunk, _ in shown[1:]]
    assert [len(pictures) for _, pictures in shown] == [len(chunk.segments) for chunk in tail]
    assert sum(chunk.repeated for chunk, _ in shown) == sum(len(chunk.segments) for chunk in tail) - 1


def test_a_segment_that_would_have_no_picture_is_not_planned() -> None:
    gap = [*STEADY, *(stamp + 20 * CLOCK + CLOCK // 5 for stamp in range(0, 20 * CLOCK, CLOCK // 25))]
    data = source(gap)
    media = probe(io.BytesIO(data))
    plan, chunks, pictures = record_title(io.BytesIO(data), media, LADDER, slots=1)
    assert [picture.time for picture in pictures] == [Fraction(stamp // 90, 1000) for stamp in gap]
    assert not any(chunk.repeated or chunk.lost for chunk in chunks)
    assert all(segment.end - segment.start <= 1 for segment in plan.segments if segment.start > 21)


def test_keyframes_that_are_far_apart_are_told() -> None:
    media = probe(io.BytesIO(source(range(0, 88 * CLOCK, 8 * CLOCK))))
    assert [warning for warning in media.warnings if "keyframes are up to 80 s apart" in warning]
    assert media.main_video is not None
    plan = plan_title(media, LADDER, slots=2)
    assert plan.video is not None
    last = plan.chunks[-1]
    assert lead_in(plan.video, last, seek_points(media.main_video, plan.video, last)) == last.start
    assert probe(io.BytesIO(source(range(0, 48 * CLOCK, 8 * CLOCK)))).warnings == ()


def test_sound_that_hardly_has_samples_is_left_out() -> None:
    media = probe(io.BytesIO(source(rate=1, blocks=[(0, 2000)])))
    assert media.audio == ()
    assert media.video
    assert any("audio" in warning for warning in media.warnings)


def test_the_last_picture_is_shown_while_the_sound_goes_on() -> None:
    data = source(rate=8000, blocks=[(0, 800), (8000 * 20, 800)])
    media = probe(io.BytesIO(data))
    plan, chunks, pictures = record_title(io.BytesIO(data), media, LADDER)
    assert plan.duration == Fraction(201, 10)
    assert plan.longest_segment <= 1
    assert [picture.time for picture in pictures if picture.starts_segment] == [s.start for s in plan.segments]
    assert len({picture.digest for picture in pictures[len(STEADY) - 1 :]}) == 1
    assert len(pictures) == len(STEADY) + sum(chunk.repeated for chunk in chunks)
    assert Fraction(chunks[-1].end, 1000) == plan.duration


def test_a_packet_that_holds_a_minute_of_sound_is_left_out(tmp_path: Path) -> None:
    data = source(rate=8000, blocks=[(0, 8000 * 60)])
    plan = planned(data)
    parts = list(make_audio_parts(io.BytesIO(data), plan.audio[0], plan.chunks, tmp_path, origin=Fraction(0)))
    assert not any(part.renditions for part in parts)
    assert parts[-1].warnings[-1] == "audio track 0 cannot be decoded and is left out"


def test_sound_that_changes_its_format_on_the_way_is_whole(tmp_path: Path) -> None:
    blocks = [(number * 1152, 1152) for number in range(80)]
    first = source(name="mpegts", rate=48_000, layout="stereo", codec="mp2", blocks=blocks)
    second = source(name="mpegts", rate=32_000, layout="mono", codec="mp2", blocks=blocks[:55], start=2)
    data = first + second
    media = probe(io.BytesIO(data))
    plan = plan_title(media, LADDER, slots=2)
    assert 3.9 < plan.duration < 4.1
    assert media.main_video is not None
    origin = media.main_video.start
    made = list(make_audio_parts(io.BytesIO(data), plan.audio[0], plan.chunks, tmp_path, origin=origin))
    end = max(segment.start + segment.duration for part in made for own in part.renditions for segment in own.segments)
    assert end >= plan.duration * 48_000
