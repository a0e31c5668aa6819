"""Whole titles whose pictures are not steady: gaps, slow rates, a rate made constant, damage, a long end of sound.

Each goes through the planner, the chunk encoder, the packager and the verifier.
"""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import m3u8
import pytest
from support import ffmpeg, sources, titles
from support.titles import Title

from transcoder.ladder import Ladder, VideoRung
from transcoder.packaging.package import init_path, playlist_path, segment_path
from transcoder.verification import folder_opener, verify_package

LADDER = Ladder(
    name="tiny", segment_seconds=1,
    video=(VideoRung(id="v64", height=64, max_bitrate=200_000, buffer=300_000, preset="ultrafast"),),
)  # fmt: skip


def made(path: Path, folder: Path, ladder: Ladder = LADDER) -> tuple[Title, list[Fraction]]:
    """The verified title, and when its pictures are shown, by another FFmpeg."""
    title = titles.make_title(path, folder, ladder=ladder)
    verify_package(
        folder_opener(folder), plan=title.plan, media=title.media, package=title.package(), decode=True
    ).require_ok()
    joined = folder / "joined.mp4"
    joined.write_bytes(
        b"".join(
            (folder / name).read_bytes()
            for name in [init_path("v64"), *(segment_path("v64", segment.number) for segment in title.plan.segments)]
        )
    )
    return title, [frame.time for frame in ffmpeg.decode_frames(joined)]


def shown(path: Path) -> list[Fraction]:
    """When a source's pictures are shown, from its first one on."""
    frames = ffmpeg.stored_frames(path, 0)
    return [frame.time - frames[0].time for frame in frames]


def target_and_lengths(folder: Path) -> tuple[int, list[float]]:
    playlist = m3u8.loads((folder / playlist_path("v64")).read_text())
    return playlist.target_duration, [segment.duration for segment in playlist.segments]


@pytest.mark.parametrize("name", ["h264-uneven-mkv", "h264-uneven-mp4", "h264-slow-mp4"])
def test_every_picture_keeps_its_time(name: str, tmp_path: Path) -> None:
    path = sources.cached(name)
    title, times = made(path, tmp_path)
    assert times == shown(path)
    # The longest segment is known before the first one is made, so that the target duration never changes.
    target, lengths = target_and_lengths(tmp_path)
    assert max(lengths) > LADDER.segment_seconds
    assert target == title.package(final=False, chunks=1).target_duration
    assert all(round(length) <= target for length in lengths)


def test_a_rate_made_constant(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    ladder = LADDER.model_copy(update={"frame_rate": rate})
    title, times = made(sources.cached("h264-uneven-mkv"), tmp_path, ladder)
    expected = ffmpeg.stored_frames(sources.cached("h264-uneven-mkv"), 0, rate=rate)
    assert times == [number / rate for number in range(len(expected))]
    assert title.package().video[0].frame_rate == rate
    assert title.package().lost == 0


def test_a_hole_in_the_source_is_bridged(tmp_path: Path) -> None:
    data, chance = bytearray(sources.cached("hevc-mp4").read_bytes()), random.Random(1)
    for _ in range(6):
        data[int(len(data) * (0.5 + 0.05 * chance.random()))] ^= chance.randrange(1, 256)
    path = tmp_path / "holed.mp4"
    path.write_bytes(data)
    title, times = made(path, tmp_path)
    package = title.package()
    assert package.repeated >= 1
    assert package.lost > 20
    assert len(times) == 125 - package.lost + package.repeated
    assert package.video[0].end == 5


def test_a_still_picture_under_a_long_sound(tmp_path: Path) -> None:
    path = tmp_path / "still.mkv"
    ffmpeg.make([
        "-f", "lavfi", "-i", "testsrc2=s=160x96:r=25:d=0.04", "-f", "lavfi", "-i", "sine=d=7.3",
        "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", str(path),
    ])  # fmt: skip
    title, times = made(path, tmp_path)
    assert times == [segment.start for segment in title.plan.segments]
    assert abs(title.package().video[0].end - Fraction(73, 10)) < Fraction(1, 20)
    assert max(target_and_lengths(tmp_path)[1]) <= 1
