"""Text in both manifests: groups, sets, languages and roles, and what a title shows whose text comes late."""

from __future__ import annotations

from pathlib import Path

import m3u8
import pytest
from lxml import etree
from support import ffmpeg, titles

from transcoder.errors import VerificationError
from transcoder.packaging import dash, hls
from transcoder.packaging.assembly import build
from transcoder.packaging.listing import read_dash, read_hls
from transcoder.results import PartResult
from transcoder.verification import folder_opener

_NS = {"d": "urn:mpeg:dash:schema:mpd:2011"}


def test_the_group_of_subtitles(text_title: titles.Title) -> None:
    package = text_title.package()
    master = m3u8.loads(hls.multivariant(package))
    captions, forced = [media for media in master.media if media.type == "SUBTITLES"]
    assert (captions.language, captions.default, captions.autoselect, captions.forced) == ("en", "YES", "YES", "NO")
    assert "public.accessibility.transcribes-spoken-dialog" in captions.characteristics
    assert (forced.language, forced.default, forced.forced, forced.characteristics) == ("fr", "NO", "YES", None)
    assert {playlist.stream_info.subtitles for playlist in master.playlists} == {"text"}
    text = max(package.bandwidth(own) for own in package.text)
    without = m3u8.loads(hls.multivariant(text_title.package(final=False, text=False)))
    assert {playlist.stream_info.subtitles for playlist in without.playlists} == {None}
    sound = package.bandwidth(package.audio[0])
    assert master.playlists[0].stream_info.bandwidth == package.bandwidth(package.video[0]) + sound + text
    assert "wvtt" not in master.playlists[0].stream_info.codecs


def test_the_playlist_of_a_track(text_title: titles.Title) -> None:
    playlist = m3u8.loads(hls.media_playlist(text_title.package(), "s0"))
    assert [segment.uri for segment in playlist.segments] == [f"../text/s0/{n}.vtt" for n in range(1, 6)]
    assert [segment.duration for segment in playlist.segments] == [0.5, 0.5, 1, 2, 0.9]
    assert playlist.segments[0].init_section is None
    assert playlist.is_endlist


def test_the_sets_of_text(text_title: titles.Title) -> None:
    now = titles.NOW
    root = etree.fromstring(dash.manifest(text_title.package(), available_from=now, now=now))
    sets = root.findall("d:Period/d:AdaptationSet[@contentType='text']", _NS)
    assert [own.get("mimeType") for own in sets] == ["text/vtt"] * 2
    assert [own.get("lang") for own in sets] == ["en", "fr"]
    roles = [[role.get("value") for role in own.findall("d:Role", _NS)] for own in sets]
    assert roles == [["caption", "main"], ["forced-subtitle"]]
    assert all(own.find("d:SegmentTemplate", _NS).get("initialization") is None for own in sets)
    assert len({own.get("id") for own in root.iterfind(".//d:AdaptationSet", _NS)}) == 4
    assert root.get("mediaPresentationDuration") == "PT4.906667S"


def test_both_manifests_name_the_same_text(text_title: titles.Title) -> None:
    opened = folder_opener(text_title.folder)
    ours, theirs = read_hls(opened), read_dash(opened)
    for rendition in ("s0", "s1"):
        paths = [[s.path for s in listing.renditions[rendition].segments] for listing in (ours, theirs)]
        assert paths[0] == paths[1] == [f"text/{rendition}/{n}.vtt" for n in range(1, 6)]
        assert ours.renditions[rendition].kind == theirs.renditions[rendition].kind == "text"


def test_ffmpeg_reads_the_text_of_hls(text_title: titles.Title, tmp_path: Path) -> None:
    out = tmp_path / "s1.srt"
    ffmpeg.run(["-i", str(text_title.folder / "hls/s1.m3u8"), "-f", "srt", str(out)])
    assert "00:00:04,100 --> 00:00:04,800\nlate\n" in out.read_text()


def test_ffmpeg_reads_the_pictures_of_dash_beside_text(text_title: titles.Title) -> None:
    manifest = text_title.folder / "dash/manifest.mpd"
    assert len(ffmpeg.decode_frames(manifest, "v:0")) == 98


def test_a_growing_title_shows_text_as_far_as_its_pictures(text_title: titles.Title) -> None:
    package = text_title.package(final=False, chunks=2)
    assert [len(own.segments) for own in package.renditions] == [2] * 5
    assert text_title.package(final=False, text=False).text == ()


def test_a_final_title_has_all_its_text(text_title: titles.Title) -> None:
    with pytest.raises(VerificationError, match="s0"):
        text_title.package(text=False)
    short = text_title.text[0].renditions[0]
    short = short.model_copy(update={"segments": short.segments[:-1]})
    text = {**text_title.text, 0: PartResult(renditions=(short,))}
    with pytest.raises(VerificationError, match="not the planned segments"):
        build(text_title.plan, text_title.video, text_title.audio, text=text, final=True)
