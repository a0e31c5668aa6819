"""The bench itself: what a clip is said to contain, two other decoders find in it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support import clips, counter, ffmpeg

CLIPS = {
    "constant rate": clips.Clip(seconds=Fraction(3)),
    "late sound": clips.Clip(seconds=Fraction(3), audio_offset=Fraction(3, 10)),
    "early sound": clips.Clip(seconds=Fraction(3), audio_offset=Fraction(-1, 4)),
    "variable NTSC rate": clips.Clip(
        seconds=Fraction(3), fps=Fraction(30000, 1001), b_frames=0, dropped=frozenset({3, 9, 50})
    ),
}


@pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS.keys())
def test_a_clip_has_the_frames_and_the_clicks_it_is_said_to_have(clip: clips.Clip, tmp_path: Path) -> None:
    path = clips.generate(clip, tmp_path / clip.name)

    assert ffmpeg.frame_numbers(path) == list(clip.frames)
    shift = max(Fraction(0), -clip.audio_offset)
    times = [frame.time for frame in ffmpeg.decode_frames(path)]
    assert times == [number / clip.fps + shift for number in clip.frames]
    first_click = -(-clip.audio_offset // 1)
    expected = [first_click + second + shift for second in range(3 - int(first_click))]
    heard = ffmpeg.click_times(path)
    assert [round(time - shift) for time in heard] == [time - shift for time in expected]
    assert all(abs(a - b) < Fraction(3, 1000) for a, b in zip(heard, expected, strict=True))


def test_the_same_clip_has_the_same_bytes(tmp_path: Path) -> None:
    clip = clips.Clip(seconds=Fraction(1))

    first = clips.generate(clip, tmp_path / "a.mp4").read_bytes()

    assert clips.generate(clip, tmp_path / "b.mp4").read_bytes() == first


def test_both_decoders_agree(tmp_path: Path) -> None:
    path = clips.generate(clips.Clip(seconds=Fraction(1)), tmp_path / "clip.mp4")

    assert ffmpeg.decode_frames(path, exe=ffmpeg.STATIC) == ffmpeg.decode_frames(path, exe=ffmpeg.REFERENCE)


def test_a_cut_off_clip_is_not_decoded_in_silence(tmp_path: Path) -> None:
    path = clips.generate(clips.Clip(seconds=Fraction(1)), tmp_path / "clip.mp4")
    whole = path.read_bytes()
    # The sound of the last frames is gone, and with it the index: the moov box is at the end.
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(ffmpeg.DecodeError):
        ffmpeg.decode_frames(path)


@pytest.mark.parametrize("size", [(1920, 1080), (427, 240), (64, 64)])
def test_a_counter_is_read_at_any_size(size: tuple[int, int]) -> None:
    luma = np.full((size[1], size[0]), 90, np.uint8)
    for number in (0, 1, 0x5555, 0xFFFF):
        counter.draw(luma, number)
        assert counter.read(luma) == number


def test_a_picture_without_a_counter_is_refused() -> None:
    with pytest.raises(counter.CounterError):
        counter.read(np.full((180, 320), 128, np.uint8))
