"""The verifier on text: a good title passes, and damage is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import titles

from transcoder.verification import VerifyReport, folder_opener, verify_package


def _verify(folder: Path, title: titles.Title) -> VerifyReport:
    package = title.package()
    return verify_package(folder_opener(folder), plan=title.plan, media=title.media, package=package, decode=True)


def test_a_good_title(text_title: titles.Title) -> None:
    report = _verify(text_title.folder, text_title)
    assert report.failed == ()
    assert [(r.id, r.segments, r.frames) for r in report.renditions if r.kind == "text"] == [("s0", 5, 4), ("s1", 5, 1)]


@pytest.mark.parametrize(
    ("number", "old", "new", "failed"),
    [
        (2, "WEBVTT", "webvtt", "files"),
        (2, "MPEGTS:0", "MPEGTS:9", "files"),
        (3, "slanted", "shanted", "cues"),
        (3, "00:00:01.200", "00:00:03.200", "files"),
        (1, "first\n", "\n", "files"),
        (5, "00:00:04.800", "00:00:09.800", "cues"),
    ],
)
def test_damage_is_found(
    text_title: titles.Title, tmp_path: Path, number: int, old: str, new: str, failed: str
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(text_title.folder, folder)
    path = folder / f"text/s0/{number}.vtt"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    found = {check.name for check in _verify(folder, text_title).failed if check.rendition == "s0"}
    assert {failed, "committed-segments"} <= found


def test_a_missing_segment_is_found(text_title: titles.Title, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(text_title.folder, folder)
    (folder / "text/s1/4.vtt").unlink()
    assert {check.name for check in _verify(folder, text_title).failed} == {"files", "committed-segments"}


def test_text_off_the_grid_is_found(text_title: titles.Title, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(text_title.folder, folder)
    for path in (folder / "hls/s0.m3u8", folder / "dash/manifest.mpd"):
        path.write_text(path.read_text().replace("EXTINF:0.500000", "EXTINF:0.600000"))
    names = {check.name for check in _verify(folder, text_title).failed}
    assert {"text-grid", "dash-times"} <= names
