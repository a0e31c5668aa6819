"""Thumbnails in a package: both manifests name the sheets, the verifier looks at every picture's place."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import m3u8
import pytest
from lxml import etree
from support import clips, ffmpeg, titles

from transcoder.packaging import dash, hls
from transcoder.packaging.listing import read_dash, read_hls
from transcoder.verification import folder_opener, verify_package

CLIP = clips.Clip(seconds=Fraction(5), fps=Fraction(10), audio=False)
_NS = {"d": "urn:mpeg:dash:schema:mpd:2011"}


@pytest.fixture(scope="module")
def title(tmp_path_factory: pytest.TempPathFactory) -> titles.Title:
    return titles.make_title(CLIP, tmp_path_factory.mktemp("thumbnails"), thumbnails=True)


def test_hls_has_an_image_playlist(title: titles.Title) -> None:
    [images] = m3u8.loads(hls.multivariant(title.package())).image_playlists
    assert (images.uri, images.image_stream_info.resolution) == ("images.m3u8", (160, 90))
    playlist = m3u8.loads((title.folder / "hls/images.m3u8").read_text())
    assert playlist.is_images_only
    assert [(segment.uri, segment.duration) for segment in playlist.segments] == [("../thumbnails/sprite-1.jpg", 5)]
    assert [(tile["layout"], tile["duration"]) for tile in playlist.data["tiles"]] == [("3x1", 2)]
    growing = title.package(final=False)
    assert not m3u8.loads(hls.multivariant(growing)).image_playlists
    assert "hls/images.m3u8" not in dict(hls.playlists(growing))


def test_dash_has_tiles(title: titles.Title) -> None:
    root = etree.fromstring(dash.manifest(title.package(), available_from=titles.NOW, now=titles.NOW))
    own = root.find("d:Period/d:AdaptationSet[@contentType='image']", _NS)
    assert own.get("mimeType") == "image/jpeg"
    template = dict(own.find("d:SegmentTemplate", _NS).attrib)
    assert (template["duration"], template["timescale"], template["endNumber"]) == ("6", "1", "1")
    representation = own.find("d:Representation", _NS)
    assert (representation.get("width"), representation.get("height")) == ("480", "90")
    tile = representation.find("d:EssentialProperty", _NS)
    assert (tile.get("schemeIdUri"), tile.get("value")) == ("http://dashif.org/guidelines/thumbnail_tile", "3x1")


def test_both_name_the_same_sheets(title: titles.Title) -> None:
    opened = folder_opener(title.folder)
    ours, theirs = read_hls(opened).images, read_dash(opened).images
    assert ours == theirs
    assert ours is not None and ours.paths == ("thumbnails/sprite-1.jpg",)


def test_other_decoders_read_the_streams_beside_them(title: titles.Title) -> None:
    assert len(ffmpeg.decode_frames(title.folder / "dash/manifest.mpd", "v:0")) == 50
    assert len(ffmpeg.decode_frames(title.folder / "hls/master.m3u8", "v:0")) == 50


def _failed(title: titles.Title, folder: Path) -> set[str]:
    report = verify_package(folder_opener(folder), plan=title.plan, package=title.package())
    return {check.name for check in report.failed}


def test_the_verifier_finds_them_in_order(title: titles.Title) -> None:
    assert _failed(title, title.folder) == set()
    assert verify_package(folder_opener(title.folder)).failed == ()


@pytest.mark.parametrize(
    ("name", "old", "new", "failed"),
    [
        ("sprites.vtt", b"#xywh=320,", b"#xywh=321,", "sprites"),
        ("sprites.vtt", b"sprite-1.jpg#xywh=0", b"../sprite-1.jpg#xywh=0", "sprites"),
        ("sprites.vtt", b"--> 00:00:05.000", b"--> 00:00:04.500", "sprites"),
        ("sprites.vtt", b"00:00:02.000 -->", b"00:00:02.100 -->", "sprites"),
        ("sprite-1.jpg", b"\xff\xc0", b"\x00\x00", "sprites"),
        ("poster.jpg", b"\xff\xc0", b"\x00\x00", "poster"),
    ],
)
def test_the_verifier_finds_damage(
    title: titles.Title, tmp_path: Path, name: str, old: bytes, new: bytes, failed: str
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(title.folder, folder)
    path = folder / "thumbnails" / name
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    assert {failed, "committed-image"} <= _failed(title, folder)


def test_the_verifier_misses_what_is_not_there(title: titles.Title, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(title.folder, folder)
    shutil.rmtree(folder / "thumbnails")
    assert _failed(title, folder) == {"thumbnails", "committed-image"}
