"""The timeline: gaps are silence, overlaps are cut, a clock that drifts is followed without a click."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from support import clips, sounds

from transcoder.sound.channels import Mix
from transcoder.sound.timeline import Heard, Timeline

RATE = 48_000
BLOCK = 1024


def _heard(samples: NDArray[np.float32], time: Fraction, rate: int = RATE, *, damaged: bool = False) -> Heard:
    layout = {1: "mono", 2: "stereo"}[len(samples)]
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
    frame.sample_rate = rate
    return Heard(frame, time, damaged)


def _blocks(
    samples: NDArray[np.float32], start: Fraction = Fraction(0), speed: Fraction = Fraction(1), rate: int = RATE
) -> list[Heard]:
    """Frames whose stamps run `speed` times as fast as their samples."""
    places = range(0, samples.shape[1], BLOCK)
    return [_heard(samples[:, n : n + BLOCK], start + Fraction(n, rate) * speed, rate) for n in places]


def _laid(frames: Iterable[Heard], end: Fraction, layout: str = "mono") -> NDArray[np.float32]:
    """The timeline's samples: (samples, channels)."""
    timeline = Timeline(Mix(layout, RATE), end)
    blocks = [block for heard in frames for block in timeline.add(heard)]
    return np.concatenate([*blocks, *timeline.finish()])


def test_frames_that_follow_each_other_come_out_as_they_are() -> None:
    sound = sounds.clicking(2)
    assert np.array_equal(_laid(_blocks(sound), Fraction(2))[:, 0], sound[0])


@pytest.mark.parametrize("start", [Fraction(1, 3), Fraction(-2, 3), Fraction(-1, 100_000)])
def test_sound_begins_at_its_time(start: Fraction) -> None:
    sound = sounds.clicking(3)
    laid = _laid(_blocks(sound, start), Fraction(4))[:, 0]
    shift = round(start * RATE)
    expected = np.zeros(4 * RATE, np.float32)
    kept = sound[0, max(0, -shift) :][: 4 * RATE - max(0, shift)]
    expected[max(0, shift) : max(0, shift) + len(kept)] = kept
    assert np.array_equal(laid, expected)


def test_a_gap_is_silence_and_an_overlap_is_cut() -> None:
    ones = np.full((1, BLOCK), 0.5, np.float32)
    twos = np.full((1, BLOCK), 0.25, np.float32)
    length = Fraction(BLOCK, RATE)
    late = length + Fraction(1, 10)
    laid = _laid([_heard(ones, Fraction(0)), _heard(twos, late), _heard(ones, Fraction(0))], Fraction(1))[:, 0]
    place = round(late * RATE)
    assert np.all(laid[:BLOCK] == 0.5)
    assert not laid[BLOCK:place].any()
    assert np.all(laid[place : place + BLOCK] == 0.25)
    assert not laid[place + BLOCK :].any()


def test_what_was_damaged_is_silence_of_its_own_length() -> None:
    """One lost frame is shorter than what counts as a gap between clocks: only the decoder knows that it is missing."""
    blocks = _blocks(sounds.clicking(1))
    after = Heard(blocks[11].frame, blocks[11].time, damaged=True)
    laid = _laid([*blocks[:10], after, *blocks[12:]], Fraction(1))[:, 0]
    expected = sounds.clicking(1)[0]
    expected[10 * BLOCK : 11 * BLOCK] = 0
    assert np.array_equal(laid, expected)


@pytest.mark.parametrize("speed", ["1.0005", "0.999", "1.0025", "0.9975"])
@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_a_clock_that_drifts_is_followed(speed: str, rate: int) -> None:
    """Stamps and samples run apart by up to 75 ms: the sound stays within 20 ms of the stamps, and never jumps."""
    factor, seconds = Fraction(speed), 30
    clicks = _laid(_blocks(sounds.clicking(seconds, rate), speed=factor, rate=rate), seconds * factor)[:, 0]
    found = clips.click_positions(clicks, RATE)
    assert len(found) == seconds
    assert all(abs(Fraction(place, RATE) - number * factor) <= Fraction(21, 1000) for number, place in enumerate(found))
    tone = _laid(_blocks(sounds.tones([1000], seconds, 0.5, rate), speed=factor, rate=rate), seconds * factor)[:, 0]
    steepest = 2 * 0.5 * np.sin(np.pi * 1000 / RATE)
    assert np.abs(np.diff(tone))[RATE:-RATE].max() < 1.05 * steepest


def test_stamps_that_shake_are_no_drift() -> None:
    sound, random = sounds.clicking(3), np.random.default_rng(7)
    shaken = [
        Heard(own.frame, own.time + (Fraction(int(random.integers(-4000, 4000)), 1_000_000) if number else 0))
        for number, own in enumerate(_blocks(sound))
    ]
    assert np.array_equal(_laid(shaken, Fraction(3))[:, 0], sound[0])


def test_the_layout_may_change_on_the_way() -> None:
    mono, stereo = np.full((1, BLOCK), 0.5, np.float32), np.tile([[0.5], [0.25]], BLOCK).astype(np.float32)
    laid = _laid(
        [_heard(stereo, Fraction(0)), _heard(mono, Fraction(BLOCK, RATE))], Fraction(2 * BLOCK, RATE), "stereo"
    )
    assert np.allclose(laid[:BLOCK], [0.5, 0.25])
    assert np.allclose(laid[BLOCK:], 0.5 * np.sqrt(0.5))
