"""Every container with every codec: what the probe says is what an independent FFmpeg decodes."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from support import corpus, ffmpeg

from transcoder.media import MediaInfo
from transcoder.probe import probe


def probed(path: Path) -> MediaInfo:
    with path.open("rb") as file:
        return probe(file)


@pytest.mark.parametrize("name", corpus.CORPUS)
def test_pictures_are_counted_and_timed_as_an_independent_decoder_does(name: str) -> None:
    made, path = corpus.CORPUS[name], corpus.sample(name)
    media = probed(path)
    stream = media.main_video
    assert stream is not None
    frames = ffmpeg.decode_frames(path)
    assert stream.frame_count == len(frames) == round(made.seconds * Fraction(made.rate))
    assert stream.frame_rate == Fraction(made.rate)
    steps = [b.time - a.time for a, b in pairwise(frames)]
    rounding = stream.time_base if stream.time_base < 1 / stream.frame_rate else 0
    assert stream.constant_frame_rate == (max(steps) - min(steps) <= rounding)
    assert (stream.width, stream.height) == tuple(map(int, made.size.split("x")))
    shown = stream.end - stream.start - 1 / stream.frame_rate
    assert abs(shown - (frames[-1].time - frames[0].time)) <= 2 * stream.time_base
    assert stream.field_order == ("bff" if made.muxer == "dv" else "progressive")
    assert (stream.codec, *(sound.codec for sound in media.audio)) == made.codecs
    assert not media.warnings
    assert not media.truncated
    assert not media.discontinuities


@pytest.mark.parametrize("name", corpus.SOUND)
def test_sound_alone_is_a_source(name: str) -> None:
    made, path = corpus.SOUND[name], corpus.sample(name)
    media = probed(path)
    assert media.main_video is None
    assert [stream.codec for stream in media.audio] == list(made.codecs)
    samples = ffmpeg.audio_samples(path)
    heard = media.audio[0].end - media.audio[0].start
    assert abs(heard - Fraction(samples, media.audio[0].sample_rate)) < Fraction(1, 10)
    assert not media.warnings
