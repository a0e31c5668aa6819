"""Several renditions of several audio tracks: HLS groups and their variants, DASH adaptation sets."""

from __future__ import annotations

from typing import Any

import m3u8
import pytest
from lxml import etree
from support import titles

from transcoder.packaging import dash, hls
from transcoder.packaging.package import Package

_NS = {"d": "urn:mpeg:dash:schema:mpd:2011"}


@pytest.fixture
def package(title: titles.Title) -> Package:
    """English in stereo at two rates, in 5.1, and passed through; a German description of video in mono."""
    own = title.package()
    sound = own.audio[0].model_copy(update={"language": "en", "layout": "stereo", "channels": 2, "rung": "aac"})

    def other(name: str, **update: Any) -> Any:
        return sound.model_copy(update={"id": name, **update})

    german = {"track": 1, "language": "de", "default": False, "layout": "mono", "channels": 1}
    sounds = (
        sound,
        other("a0-low", rung="low", max_bitrate=64_000),
        other("a0-surround", rung="surround", layout="5.1", channels=6),
        other("a0-dolby", rung="dolby", layout="5.1(side)", channels=6, codecs="ec-3"),
        other("a1", **german, roles=("description",)),
        other("a1-low", **german, roles=("description",), rung="low", max_bitrate=64_000),
    )
    return own.model_copy(update={"renditions": (*own.video, *sounds)})


def test_a_group_an_encoding_with_all_tracks_in_each(package: Package) -> None:
    media = m3u8.loads(hls.multivariant(package)).media
    members = [(one.group_id, one.uri.removesuffix(".m3u8"), one.channels) for one in media]
    assert members == [
        ("aac", "a0", "2"), ("aac", "a1", "1"), ("aac", "a0-surround", "6"),
        ("low", "a0-low", "2"), ("low", "a1-low", "1"), ("low", "a0-surround", "6"),
        ("dolby", "a0-dolby", "6"), ("dolby", "a1", "1"), ("dolby", "a0-surround", "6"),
    ]  # fmt: skip
    # Members of different groups that are the same sound differ in URI and channels alone (RFC 8216bis, 4.4.6.1.1).
    english, german, surround = ({(m.name, m.language, m.default, m.autoselect, m.characteristics) for m in media[n::3]}
                                 for n in (0, 1, 2))  # fmt: skip
    assert english == {("en", "en", "YES", "YES", None)}
    assert german == {("de", "de", "NO", "YES", "public.accessibility.describes-video")}
    assert surround == {("en 5.1", "en", "NO", "NO", None)}, "a change of channels is the listener's, not the player's"


def test_a_small_picture_goes_with_a_small_sound(package: Package) -> None:
    playlists = m3u8.loads(hls.multivariant(package)).playlists
    found = [(one.uri, one.stream_info.audio, one.stream_info.codecs) for one in playlists]
    video = [rendition.codecs for rendition in package.video]
    assert found == [
        ("v180.m3u8", "aac", f"{video[0]},mp4a.40.2"),
        ("v90.m3u8", "low", f"{video[1]},mp4a.40.2"),
        ("v180.m3u8", "dolby", f"{video[0]},ec-3,mp4a.40.2"),
        ("v90.m3u8", "dolby", f"{video[1]},ec-3,mp4a.40.2"),
    ]


def test_sound_alone_has_a_variant_a_group(package: Package) -> None:
    playlists = m3u8.loads(hls.multivariant(package.model_copy(update={"renditions": package.audio}))).playlists
    assert [(one.uri, one.stream_info.audio) for one in playlists] == [
        ("a0.m3u8", "aac"), ("a0-low.m3u8", "low"), ("a0-dolby.m3u8", "dolby"),
    ]  # fmt: skip
    assert {one.stream_info.resolution for one in playlists} == {None}


def test_a_commentary_is_not_chosen_by_itself(package: Package) -> None:
    spoken = [
        one.model_copy(update={"roles": ("commentary",)}) if one.track == 1 else one for one in package.renditions
    ]
    media = m3u8.loads(hls.multivariant(package.model_copy(update={"renditions": tuple(spoken)}))).media
    assert {(one.name, one.autoselect) for one in media} == {("en", "YES"), ("en 5.1", "NO"), ("de", "NO")}


def test_an_adaptation_set_a_track_and_encoding(package: Package) -> None:
    root = etree.fromstring(dash.manifest(package, available_from=titles.NOW, now=titles.NOW))
    sets = [own for own in root.iterfind("d:Period/d:AdaptationSet", _NS) if own.get("contentType") == "audio"]
    ids = [[one.get("id") for one in own.findall("d:Representation", _NS)] for own in sets]
    assert ids == [["a0", "a0-low"], ["a0-surround"], ["a0-dolby"], ["a1", "a1-low"]]
    assert [own.get("lang") for own in sets] == ["en", "en", "en", "de"]
    assert [own.get("selectionPriority") for own in sets] == ["2", "1", "1", "2"]
    roles = [[role.get("value") for role in own.findall("d:Role", _NS)] for own in sets]
    assert roles == [["main"], ["main"], ["main"], ["alternate", "description"]]
    assert sets[3].find("d:Accessibility", _NS).get("value") == "1"
    channels = [one.get("value") for one in root.iterfind(".//d:AudioChannelConfiguration", _NS)]
    assert channels == ["2", "2", "6", "6", "1", "1"]
    names = [etree.QName(child).localname for child in sets[3]]
    assert names == ["Accessibility", "Role", "Role", "SegmentTemplate", "Representation", "Representation"]


def test_one_of_two_alike_is_chosen_by_itself(package: Package) -> None:
    alike = [one.model_copy(update={"language": "en", "roles": ()}) for one in package.audio]
    media = m3u8.loads(hls.multivariant(package.model_copy(update={"renditions": (*package.video, *alike)}))).media
    assert {(one.name, one.autoselect) for one in media} == {("en", "YES"), ("en 5.1", "NO"), ("en (a1)", "NO")}
