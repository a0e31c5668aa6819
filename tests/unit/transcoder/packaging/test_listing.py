"""Manifests read back: the same from both protocols, and nothing outside the package is ever named."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support import titles

from transcoder.errors import NotFoundError, VerificationError
from transcoder.packaging.listing import read_dash, read_hls
from transcoder.verification import folder_opener


def test_both_list_the_same_files(title: titles.Title) -> None:
    hls, dash = (read(folder_opener(title.folder)) for read in (read_hls, read_dash))
    assert hls.final
    assert dash.final
    assert list(hls.renditions) == ["v180", "v90", "a0"]
    assert hls.renditions.keys() == dash.renditions.keys()
    for rendition, listed in hls.renditions.items():
        other = dash.renditions[rendition]
        assert listed.init == other.init == f"cmaf/{rendition}/init.mp4"
        assert [s.path for s in listed.segments] == [s.path for s in other.segments]
        assert [s.path for s in listed.segments] == [f"cmaf/{rendition}/{n}.m4s" for n in range(1, 6)]


def test_a_growing_title_is_not_final(title: titles.Title, tmp_path: Path) -> None:
    titles.write_manifests(tmp_path, title.package(final=False, chunks=2))
    assert not read_hls(folder_opener(tmp_path)).final
    assert not read_dash(folder_opener(tmp_path)).final


@pytest.mark.parametrize(
    ("line", "instead"),
    [(r"#EXTINF:[^,]+", "#EXTINF:nan"), (r"#EXTINF:[^,]+", "#EXTINF:1e400"), (r"#EXT-X-TARGETDURATION:\d+\n", "")],
)
def test_numbers_that_are_none(damaged: Callable[[], Path], line: str, instead: str) -> None:
    playlist = damaged() / "hls/v90.m3u8"
    playlist.write_text(re.sub(line, instead, playlist.read_text(), count=1))
    with pytest.raises(VerificationError, match="a number is missing or not valid"):
        read_hls(folder_opener(playlist.parent.parent))


@pytest.mark.parametrize("duration", ["nan", "inf"])
def test_tiles_of_no_duration(duration: str) -> None:
    files = {
        "hls/master.m3u8": '#EXTM3U\n#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=1,RESOLUTION=8x8,URI="images.m3u8"\n',
        "hls/images.m3u8": "#EXTM3U\n#EXT-X-IMAGES-ONLY\n#EXTINF:4,\n"
        f"#EXT-X-TILES:RESOLUTION=8x8,LAYOUT=1x1,DURATION={duration}\n../thumbnails/sprite-1.jpg\n",
    }
    with pytest.raises(VerificationError, match="a number is missing or not valid"):
        read_hls(lambda path: files[path].encode())


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "file:///etc/passwd", "http://example.org/1.m4s", ""])
def test_names_outside_the_package(damaged: Callable[[], Path], name: str) -> None:
    folder = damaged()
    playlist, manifest = folder / "hls/v90.m3u8", folder / "dash/manifest.mpd"
    playlist.write_text(playlist.read_text().replace("../cmaf/v90/init.mp4", name))
    manifest.write_text(manifest.read_text().replace("../cmaf/$RepresentationID$/init.mp4", name))
    for read in (read_hls, read_dash):
        with pytest.raises(VerificationError, match="not in the package"):
            read(folder_opener(folder))


def test_a_timeline_without_an_end(damaged: Callable[[], Path]) -> None:
    manifest = damaged() / "dash/manifest.mpd"
    manifest.write_text(manifest.read_text().replace('r="1"', 'r="999999999999"'))
    with pytest.raises(VerificationError, match="timeline"):
        read_dash(folder_opener(manifest.parents[1]))


@pytest.mark.parametrize("text", ["", "not xml", "<MPD/>x", '<!DOCTYPE a [<!ENTITY b "c">]><a>&d;</a>'])
def test_a_damaged_manifest(damaged: Callable[[], Path], text: str) -> None:
    manifest = damaged() / "dash/manifest.mpd"
    manifest.write_text(text)
    with pytest.raises(VerificationError, match=r"dash/manifest\.mpd is not valid"):
        read_dash(folder_opener(manifest.parents[1]))


def test_a_missing_playlist(damaged: Callable[[], Path]) -> None:
    folder = damaged()
    (folder / "hls/a0.m3u8").unlink()
    with pytest.raises(NotFoundError, match=r"hls/a0\.m3u8"):
        read_hls(folder_opener(folder))


def test_a_link_does_not_lead_out_of_the_folder(damaged: Callable[[], Path], tmp_path: Path) -> None:
    folder = damaged()
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (folder / "hls/link.m3u8").symlink_to(secret)
    with pytest.raises(NotFoundError):
        folder_opener(folder)("hls/link.m3u8")
