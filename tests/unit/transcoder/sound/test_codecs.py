"""Any codec in, every codec out: the sound is where an FFmpeg that is not ours hears it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from support import ffmpeg, sounds

from transcoder.sound.rungs import AudioRung

SOURCES = {
    # name and container: sample rate, channels, FFmpeg's options
    "aac.mp4": (44_100, 2, ["aac"]),
    "aac.ts": (48_000, 2, ["aac"]),
    "mp3.mp4": (44_100, 2, ["libmp3lame"]),
    "mp3.mkv": (44_100, 1, ["libmp3lame"]),
    "mp2.ts": (48_000, 2, ["mp2"]),
    "ac3.mkv": (44_100, 6, ["ac3"]),
    "eac3.ts": (48_000, 6, ["eac3"]),
    "opus.webm": (48_000, 2, ["libopus"]),
    "opus.mp4": (48_000, 6, ["libopus", "-mapping_family", "1"]),
    "vorbis.ogg": (48_000, 2, ["libvorbis"]),
    "flac.mkv": (96_000, 2, ["flac"]),
    "alac.mp4": (44_100, 2, ["alac"]),
    "wma.asf": (44_100, 2, ["wmav2"]),
    "nellymoser.flv": (44_100, 1, ["nellymoser"]),
    "adpcm.avi": (22_050, 2, ["adpcm_ms"]),
    "u8.avi": (11_025, 1, ["pcm_u8"]),
    "s24.mov": (192_000, 2, ["pcm_s24le"]),
    "f64.mkv": (48_000, 2, ["pcm_f64le"]),
    "alaw.mov": (8_000, 1, ["pcm_alaw"]),
    "sixteen.mov": (48_000, 16, ["pcm_s16le"]),
}


@pytest.mark.parametrize("name", SOURCES)
def test_clicks_are_where_they_were(name: str, tmp_path: Path) -> None:
    rate, channels, codec = SOURCES[name]
    path = sounds.write(sounds.clicking(3.3, rate, channels), rate, tmp_path / name, "-c:a", *codec)
    track = sounds.encode_track(path, tmp_path / "out", sounds.ladder(AudioRung(), AudioRung(id="opus", codec="opus")))
    assert track.warnings == ()
    expected = [time - track.plan.origin for time in ffmpeg.click_times(path)]
    for rendition, frame in (("a0", 1024), ("a0-opus", 960)):
        found = ffmpeg.click_times(track.files[rendition])
        # The first one is at the start, where an encoder fades in.
        assert all(abs(a - b) <= Fraction(1, 1000) for a, b in zip(expected[-3:], found[-3:], strict=True))
        assert 0 <= sounds.seconds(track, rendition) - track.plan.duration < Fraction(frame, 48_000)
        assert ffmpeg.audio_samples(track.files[rendition]) == sounds.seconds(track, rendition) * 48_000


def test_opus_loses_nothing_at_its_start(tmp_path: Path) -> None:
    """Its decoders would drop what they decode first; there is nothing to be dropped."""
    path = sounds.write(sounds.tones([440], 1.5, 0.5), 48_000, tmp_path / "tone.mkv", "-c:a", "pcm_s16le")
    track = sounds.encode_track(path, tmp_path / "out", sounds.ladder(AudioRung(codec="opus")))
    frames = ffmpeg.decode_frames(track.files["a0"], "a:0")
    assert frames[0].time == 0
    assert {frame.duration for frame in frames} == {Fraction(960, 48_000)}
    samples = sounds.decode(track.files["a0"])[0]
    expected = sounds.tones([440], 1.5, 0.5)[0]
    assert abs(samples[960 : len(expected)] - expected[960:]).max() < 0.1


@pytest.mark.parametrize(("codec", "name"), [("ac3", "sound.mkv"), ("eac3", "sound.ts"), ("eac3", "sound.mp4")])
def test_access_units_that_are_passed_through_are_the_sources(codec: str, name: str, tmp_path: Path) -> None:
    path = sounds.write(sounds.clicking(3.3, 48_000, 6), 48_000, tmp_path / name, "-c:a", codec, layout="5.1(side)")
    rungs = AudioRung(id="dolby", codec="passthrough"), AudioRung()
    track = sounds.encode_track(path, tmp_path / "out", sounds.ladder(*rungs))
    assert track.parts["a0"][0].codecs == {"ac3": "ac-3", "eac3": "ec-3"}[codec]
    ours = [packet["data_hash"] for packet in _packets(track.files["a0"])]
    theirs = [packet["data_hash"] for packet in _packets(path)]
    # The first one may begin before the title does; after the last one there is silence up to the end.
    assert any(ours[: len(theirs) - skipped] == theirs[skipped:] for skipped in (0, 1))
    assert len(ours) - len(theirs) <= 1
    expected = [time - track.plan.origin for time in ffmpeg.click_times(path)]
    found = ffmpeg.click_times(track.files["a0"])
    assert all(abs(a - b) <= Fraction(1, 1000) for a, b in zip(expected[-3:], found[-3:], strict=True))


def _packets(path: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = ffmpeg.ffprobe_json(path, "-show_packets", "-show_data_hash", "md5")["packets"]
    return found


def test_gaps_in_what_is_passed_through_are_silent_access_units(tmp_path: Path) -> None:
    """Half a second of packets is missing: what follows keeps its time within half an access unit."""
    whole = sounds.write(sounds.clicking(5.3, 48_000, 2), 48_000, tmp_path / "whole.mkv", "-c:a", "ac3")
    path = tmp_path / "gap.mkv"
    ffmpeg.run(
        ["-copyts", "-i", str(whole), "-c", "copy", "-bsf:a", "noise=drop=between(pts*tb\\,2.2\\,2.7)", str(path)]
    )
    track = sounds.encode_track(path, tmp_path / "out", sounds.ladder(AudioRung(id="dolby", codec="passthrough")))
    samples = sounds.decode(track.files["a0"])[0]
    assert abs(samples[round(2.3 * 48_000) : round(2.6 * 48_000)]).max() < 1e-4
    found = ffmpeg.click_times(track.files["a0"])[-4:]
    expected = [time - track.plan.origin for time in ffmpeg.click_times(whole)[-4:]]
    late = [a - b for a, b in zip(found, expected, strict=True)]
    assert abs(late[0]) <= Fraction(1, 1000)
    assert all(abs(time) <= Fraction(768 + 48, 48_000) for time in late[1:])
