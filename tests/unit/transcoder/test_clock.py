"""One clock: whatever the stamps of a source do, its pictures follow each other, from wherever reading begins."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from support import ffmpeg

from transcoder.media import Keyframe, MediaInfo, SourceClock
from transcoder.probe import probe
from transcoder.source import open_source, packets

RATE = 25
PICTURES = "testsrc2=size=160x90:rate=25:duration={seconds}"
SOUND = "sine=frequency=440:sample_rate=48000:duration={seconds}"

TRANSPORT = {
    "h264": ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-c:a", "aac", "-f", "mpegts"],
    "mpeg2": ["-c:v", "mpeg2video", "-bf", "2", "-g", "12", "-c:a", "mp2", "-f", "mpegts"],
    "program stream": ["-c:v", "mpeg2video", "-bf", "2", "-g", "12", "-c:a", "mp2", "-f", "vob"],
}


def clip(codec: str, *, seconds: int = 2, offset: Fraction = Fraction(0)) -> bytes:
    """A stream of so many seconds, whose clock begins at the offset and what the muxer adds."""
    return ffmpeg.run(
        [
            "-f", "lavfi", "-i", PICTURES.format(seconds=seconds), "-f", "lavfi", "-i", SOUND.format(seconds=seconds),
            "-output_ts_offset", f"{float(offset):.6f}", *TRANSPORT[codec], "-",
        ]
    )  # fmt: skip


def times(data: bytes, clock: SourceClock, start: Keyframe | None = None) -> list[Fraction]:
    """When each picture is shown, by the source's mended clock."""
    found: list[Fraction] = []
    with open_source(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        for packet in [*packets(container, stream, clock=clock, start=start), None]:
            for frame in stream.codec_context.decode(packet):
                stamp = frame.pts if frame.pts is not None else frame.dts
                found.append(found[-1] + Fraction(1, RATE) if stamp is None else stamp * stream.time_base)
    return found


def steps(found: list[Fraction]) -> set[Fraction]:
    return {b - a for a, b in pairwise(found)}


def probed(data: bytes) -> MediaInfo:
    return probe(io.BytesIO(data))


@pytest.mark.parametrize("codec", TRANSPORT)
@pytest.mark.parametrize("second", [Fraction(0), Fraction(5000), Fraction(99, 100)], ids=["back", "ahead", "overlap"])
def test_joined_recordings_have_one_clock(codec: str, second: Fraction) -> None:
    joined = clip(codec, offset=Fraction(1000 if second == 0 else 0)) + clip(codec, offset=second)
    media = probed(joined)
    assert media.main_video is not None
    assert len(media.discontinuities) >= 1
    found = times(joined, media.clock)
    assert len(found) == 4 * RATE
    # At the join the second recording's pictures follow the first one's within what the sound adds.
    assert max(abs(step - Fraction(1, RATE)) for step in steps(found)) < Fraction(1, 10)
    assert Fraction(39, 10) < media.main_video.end - media.main_video.start < Fraction(41, 10)


@pytest.mark.parametrize("codec", TRANSPORT)
def test_a_clock_that_wraps_goes_on(codec: str) -> None:
    wrap = Fraction(1 << 33, 90_000)
    whole = clip(codec, seconds=4, offset=wrap - 3)
    media = probed(whole)
    found = times(whole, media.clock)
    assert len(found) == 4 * RATE
    assert steps(found) == {Fraction(1, RATE)}
    assert media.main_video is not None
    for keyframe in media.main_video.keyframes:
        assert set(times(whole, media.clock, keyframe)) <= set(found)


def test_pictures_without_any_time_are_counted(tmp_path: Path) -> None:
    # Matroska has no times before 0: a demuxer gives none then.
    path = tmp_path / "timeless.mkv"
    before = ["-output_ts_offset", "-9", "-avoid_negative_ts", "disabled"]
    pictures = ["-f", "lavfi", "-i", PICTURES.format(seconds=2), "-c:v", "libx264", "-g", "12", "-bf", "2"]
    ffmpeg.run([*pictures, "-preset", "ultrafast", "-pix_fmt", "yuv420p", *before, str(path)])
    media = probed(path.read_bytes())
    assert media.counted
    assert media.main_video is not None
    assert media.main_video.frame_count == len(ffmpeg.decode_frames(path)) == 2 * RATE
    assert media.main_video.end - media.main_video.start == 2
    assert steps(times(path.read_bytes(), media.clock)) == {Fraction(1, RATE)}


@pytest.mark.parametrize("codec", TRANSPORT)
def test_reading_from_a_keyframe_gives_the_same_times(codec: str, tmp_path: Path) -> None:
    joined = clip(codec, seconds=3, offset=Fraction(1000)) + clip(codec, seconds=3)
    media = probed(joined)
    assert media.main_video is not None
    found = times(joined, media.clock)
    assert len(media.main_video.keyframes) >= 4
    for keyframe in media.main_video.keyframes:
        stream = media.main_video
        part = times(joined, media.clock, keyframe)
        assert part
        from_here = [time for time in found if time >= keyframe.pts * stream.time_base]
        assert part[-len(from_here) :] == from_here
