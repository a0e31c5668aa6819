"""Which renditions an audio track becomes."""

from __future__ import annotations

from fractions import Fraction

import pytest

from transcoder.ladder import BUILT_IN, Ladder
from transcoder.media import AudioStream, MediaInfo
from transcoder.sound.rungs import AudioRung
from transcoder.sound.tracks import AudioTrack, audio_tracks


def _media(*layouts: tuple[str, int], codec: str = "aac") -> MediaInfo:
    streams = tuple(
        AudioStream(
            index=index, codec=codec, sample_rate=44_100, channels=channels, layout=layout, language="de",
            time_base=Fraction(1, 44_100), start_pts=0, end_pts=441_000, default=index == 1,
        )
        for index, (layout, channels) in enumerate(layouts)
    )  # fmt: skip
    return MediaInfo(container="mp4", size_bytes=1, start=Fraction(0), duration=Fraction(10), audio=streams)


def _tracks(media: MediaInfo, *rungs: AudioRung) -> tuple[AudioTrack, ...]:
    return audio_tracks(media, rungs, Fraction(0), None)


def _made(track: AudioTrack) -> list[tuple[str, str, str, int]]:
    return [(own.id, own.codec, own.layout, own.bitrate) for own in track.renditions]


def test_the_built_in_ladders_keep_surround_beside_stereo() -> None:
    tracks = _tracks(_media(("5.1(side)", 6), ("stereo", 2), ("mono", 1)), *BUILT_IN["h264"].audio)
    assert _made(tracks[0]) == [("a0", "aac", "stereo", 128_000), ("a0-surround", "aac", "5.1", 320_000)]
    assert _made(tracks[1]) == [("a1", "aac", "stereo", 128_000)]
    assert _made(tracks[2]) == [("a2", "aac", "mono", 128_000)]
    assert [track.default for track in tracks] == [False, True, False]
    assert [track.language for track in tracks] == ["de"] * 3


def test_sound_alone_gets_rates_to_choose_from() -> None:
    [track] = _tracks(_media(("stereo", 2)), *BUILT_IN["h264"].audio_only)
    assert _made(track) == [("a0", "aac", "stereo", 128_000), ("a0-low", "aac", "stereo", 64_000)]


def test_what_cannot_be_passed_through_gets_the_other_rungs() -> None:
    rungs = AudioRung(id="dolby", codec="passthrough"), AudioRung(id="opus", codec="opus", channels="source")
    [kept] = _tracks(_media(("7.1", 8), codec="eac3"), *rungs)
    assert [(own.id, own.codec, own.layout, own.sample_rate) for own in kept.renditions] == [
        ("a0", "eac3", "7.1", 44_100),
        ("a0-opus", "opus", "7.1", 48_000),
    ]
    [encoded] = _tracks(_media(("7.1", 8)), *rungs)
    assert _made(encoded) == [("a0", "opus", "7.1", 448_000)]
    [usual] = _tracks(_media(("7.1", 8)), rungs[0])
    assert _made(usual) == [("a0", "aac", "stereo", 128_000)]


def test_a_rung_that_only_repeats_another_is_left_out() -> None:
    rungs = AudioRung(), AudioRung(id="again"), AudioRung(id="all", channels="source", bitrate=96_000)
    assert [own.id for own in _tracks(_media(("stereo", 2)), *rungs)[0].renditions] == ["a0"]


@pytest.mark.parametrize(
    ("written", "channels"),
    [({"channels": 1}, "mono"), ({"channels": 2}, "stereo"), ({"channels": "source"}, "source")],
)
def test_one_rung_may_stand_without_a_list(written: dict[str, object], channels: str) -> None:
    video = [{"id": "v240", "height": 240, "max_bitrate": 400_000, "buffer": 600_000}]
    ladder = Ladder.model_validate({"name": "own", "video": video, "audio": written})
    assert [rung.channels for rung in ladder.audio] == [channels]


@pytest.mark.parametrize(
    "wrong",
    [
        {"audio": []},
        {"audio": [{"id": "a"}, {"id": "a"}]},
        {"audio": {"codec": "opus", "sample_rate": 44_100}},
        {"audio": {"codec": "mp3"}},
        {"audio": {"channels": 6}},
        {"loudness": {"target": 3}},
        {"video": [{"id": "a0-low", "height": 240, "max_bitrate": 400_000, "buffer": 600_000}]},
    ],
)
def test_a_wrong_rung_is_refused(wrong: dict[str, object]) -> None:
    video = [{"id": "v240", "height": 240, "max_bitrate": 400_000, "buffer": 600_000}]
    with pytest.raises(ValueError, match=r"."):
        Ladder.model_validate({"name": "own", "video": video, **wrong})
