"""HLS playlists, read by an independent parser and decoded in full by two FFmpegs that are not PyAV's."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import m3u8
import pytest
from support import ffmpeg, titles

from transcoder.media import Colour
from transcoder.packaging import hls
from transcoder.packaging.package import Package


def _named(package: Package, **update: object) -> Package:
    """The package with its sound's description changed."""
    sound = package.audio[0].model_copy(update=update)
    return package.model_copy(update={"renditions": (*package.video, sound)})


def test_multivariant_of_a_finished_title(title: titles.Title) -> None:
    package = title.package()
    master = m3u8.loads(hls.multivariant(package))
    assert master.version == 7
    assert master.is_independent_segments
    assert master.start is None
    assert [playlist.uri for playlist in master.playlists] == ["v180.m3u8", "v90.m3u8"]
    first = master.playlists[0].stream_info
    assert first.codecs == "avc1.42c00d,mp4a.40.2"
    assert first.resolution == (320, 180)
    assert first.frame_rate == 20
    assert first.audio == "aac"
    video, sound = package.video[0], package.audio[0]
    assert first.bandwidth == video.peak_bitrate(2) + sound.peak_bitrate(2)
    assert first.average_bandwidth == video.average_bitrate + sound.average_bitrate
    [media] = master.media
    assert (media.type, media.uri, media.default, media.autoselect) == ("AUDIO", "a0.m3u8", "YES", "YES")
    assert media.channels == "1"


def test_multivariant_of_a_growing_title(title: titles.Title) -> None:
    text = hls.multivariant(title.package(final=False, chunks=1))
    assert "#EXT-X-START:TIME-OFFSET=0,PRECISE=YES\n" in text
    info = m3u8.loads(text).playlists[1].stream_info
    assert (info.bandwidth, info.average_bandwidth) == (328_000, 328_000)


def test_the_range_of_light_is_announced(title: titles.Title) -> None:
    package = title.package()
    large, small = package.video
    ranges = {16: "PQ", 18: "HLG", 1: "SDR"}
    for transfer, name in ranges.items():
        other = large.model_copy(update={"colour": Colour(primaries=9, transfer=transfer, matrix=9)})
        lines = hls.multivariant(package.model_copy(update={"renditions": (other, small)})).splitlines()
        found = [line for line in lines if line.startswith("#EXT-X-STREAM-INF")]
        assert [f"VIDEO-RANGE={said}" in line for line, said in zip(found, (name, "SDR"), strict=True)] == [True, True]


def test_frame_rate_has_three_decimals(title: titles.Title) -> None:
    package = title.package()
    video = package.video[0].model_copy(update={"frame_rate": Fraction(30_000, 1001)})
    text = hls.multivariant(package.model_copy(update={"renditions": (video,)}))
    assert "FRAME-RATE=29.970" in text
    assert "AUDIO" not in text


def test_media_playlist_grows_and_closes(title: titles.Title) -> None:
    texts = [hls.media_playlist(title.package(final=False, chunks=n), "v90") for n in range(1, 6)]
    final = m3u8.loads(hls.media_playlist(title.package(), "v90"))
    for count, text in enumerate(texts, start=1):
        playlist = m3u8.loads(text)
        assert playlist.playlist_type == "event"
        assert not playlist.is_endlist
        assert playlist.start.time_offset == 0
        assert playlist.target_duration == final.target_duration
        # An EVENT playlist only ever gets lines at its end (RFC 8216bis, 4.4.3.5).
        assert text.startswith(texts[count - 2]) or count == 1
    assert (final.playlist_type, final.is_endlist, final.start) == ("vod", True, None)
    assert [segment.uri for segment in final.segments] == [f"../cmaf/v90/{n}.m4s" for n in range(1, 6)]
    assert final.segments[0].init_section.uri == "../cmaf/v90/init.mp4"


def test_durations_add_up_to_the_microsecond(title: titles.Title) -> None:
    package = title.package()
    for rendition in package.renditions:
        playlist = m3u8.loads(hls.media_playlist(package, rendition.id))
        durations = [Fraction(repr(segment.duration)) for segment in playlist.segments]
        assert abs(sum(durations) - rendition.end) <= Fraction(1, 2_000_000)
        assert max(round(duration) for duration in durations) <= playlist.target_duration


@pytest.mark.parametrize("name", ['a "quoted" name', "two\nlines", "#EXTINF:1,\r\nhttp://example.org/x"])
def test_a_hostile_name_stays_inside_its_quotes(title: titles.Title, name: str) -> None:
    text = hls.multivariant(_named(title.package(), title=name, language=name))
    assert len(text.splitlines()) == 8
    [media] = m3u8.loads(text).media
    assert '"' not in media.name
    assert media.uri == "a0.m3u8"


def test_names_in_a_group_are_unique(title: titles.Title) -> None:
    package = title.package()
    sound = package.audio[0].model_copy(update={"title": "Stereo"})
    other = sound.model_copy(update={"id": "a1", "track": 1, "default": False})
    text = hls.multivariant(package.model_copy(update={"renditions": (*package.video, sound, other)}))
    assert [media.name for media in m3u8.loads(text).media] == ["Stereo", "Stereo (a1)"]


def test_unknown_rendition(title: titles.Title) -> None:
    with pytest.raises(KeyError):
        hls.media_playlist(title.package(), "v4320")


@pytest.mark.parametrize("exe", [ffmpeg.STATIC, ffmpeg.REFERENCE])
def test_every_playlist_decodes_in_full(title: titles.Title, exe: str) -> None:
    for rendition in ("v180", "v90"):
        frames = ffmpeg.decode_frames(title.folder / f"hls/{rendition}.m3u8", exe=exe)
        assert [frame.time for frame in frames] == [Fraction(n, 20) for n in range(98)]
    assert ffmpeg.audio_samples(title.folder / "hls/a0.m3u8", exe=exe) == 230 * 1024
    assert len(ffmpeg.decode_frames(title.folder / "hls/master.m3u8", exe=exe)) == 98


def test_pictures_are_in_their_places(title: titles.Title) -> None:
    assert ffmpeg.frame_numbers(title.folder / "hls/v90.m3u8") == list(titles.SHORT.frames)


def test_a_variable_rate_keeps_every_time(variable_title: titles.Title) -> None:
    expected = [Fraction(n, 25) for n in titles.VARIABLE.frames]
    for rendition in ("v180", "v90"):
        playlist: Path = variable_title.folder / f"hls/{rendition}.m3u8"
        assert [frame.time for frame in ffmpeg.decode_frames(playlist)] == expected
