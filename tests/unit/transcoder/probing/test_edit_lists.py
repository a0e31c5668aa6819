"""Edit lists: what a player would show counts, and nothing else. Expected values from an independent FFmpeg."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import pytest
from support import clips, ffmpeg
from support.edits import with_edits

from transcoder.media import MediaInfo
from transcoder.probe import probe

MOVIE = 1000
"""Ticks a second of the movie's clock."""

RATE = 25


@pytest.fixture(scope="module")
def whole() -> bytes:
    """Four seconds, a keyframe each second, B-frames."""
    return clips.cached(clips.Clip(keyframe_interval=25, audio=False)).read_bytes()


def media_tick(data: bytes) -> int:
    stream = probe(io.BytesIO(data)).main_video
    assert stream is not None
    return stream.time_base.denominator


EDITS: dict[str, list[tuple[int, int | Fraction]]] = {
    "trimmed start": [(3000, 1)],
    "trimmed within a GOP": [(2000, Fraction(13, 10))],
    "empty edit": [(1500, -1), (2000, Fraction(2, 25))],
    "two parts": [(1000, Fraction(2, 25)), (1000, Fraction(52, 25))],
    "two parts, turned round": [(1000, Fraction(52, 25)), (1000, Fraction(2, 25))],
    "the end cut off": [(1000, Fraction(2, 25))],
}


def edited(data: bytes, name: str) -> bytes:
    tick = media_tick(data)
    return with_edits(data, [(d, -1 if time == -1 else int(time * tick)) for d, time in EDITS[name]])


@pytest.mark.parametrize("name", EDITS)
def test_counts_and_times_are_those_of_an_independent_decoder(name: str, whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "edited.mp4"
    path.write_bytes(edited(whole, name))
    frames = ffmpeg.decode_frames(path)
    media: MediaInfo = probe(io.BytesIO(path.read_bytes()))
    stream = media.main_video
    assert stream is not None
    assert stream.frame_count == len({frame.time for frame in frames})
    assert stream.start == frames[0].time
    assert stream.end == frames[-1].time + Fraction(1, RATE)
    assert stream.frame_rate == RATE


@pytest.mark.parametrize(
    "name", ["h264_empty_edit_5s.mp4", "h264_mov_neg_first_pts_discard.mp4", "h264_mp4-init-nonkeyframe.mp4"]
)
def test_real_files(name: str) -> None:
    path = clips.media_file(f"odd/{name}")
    stream = probe(io.BytesIO(path.read_bytes())).main_video
    assert stream is not None
    frames = decoded(path)
    assert stream.frame_count == len(frames)
    assert stream.start == frames[0]


def decoded(path: Path) -> list[Fraction]:
    """Times of the pictures of a source that makes the decoder complain."""
    import subprocess

    command = [ffmpeg.REFERENCE, "-v", "quiet", "-nostdin", "-copyts", "-i", str(path), "-map", "0:v:0"]
    command += ["-fps_mode", "passthrough", "-enc_time_base", "demux", "-f", "framemd5", "-"]
    text = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode()
    base = next(Fraction(line.split(":")[1].strip()) for line in text.splitlines() if line.startswith("#tb 0"))
    return [int(line.split(",")[2]) * base for line in text.splitlines() if line and not line.startswith("#")]
