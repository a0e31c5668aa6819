"""The verifier on text: a good title passes, and damage is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import titles

from transcoder.text.cues import Cue
from transcoder.verification import VerifyReport, folder_opener, read_source_text, verify_package


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


@pytest.fixture(scope="module")
def source_text(text_title: titles.Title) -> dict[str, tuple[Cue, ...]]:
    with (text_title.folder.parent / "clip.mkv").open("rb") as file:
        return read_source_text(file, text_title.media)


def test_the_text_is_that_of_the_source(
    text_title: titles.Title, source_text: dict[str, tuple[Cue, ...]], tmp_path: Path
) -> None:
    assert [cue.payload for cue in source_text["s1"]] == ["late"]
    opened = folder_opener(text_title.folder)
    report = verify_package(opened, source_text=source_text)
    assert report.failed == ()
    assert {check.rendition for check in report.checks if check.name == "source-text"} == {"s0", "s1"}
    other = {**source_text, "s1": (*source_text["s1"], Cue(1000, 2000, "never said"))}
    [failed] = verify_package(opened, source_text=other).failed
    assert (failed.name, failed.rendition) == ("source-text", "s1")
    assert "from 1000 ms to 2000 ms is missing" in failed.found
    folder = tmp_path / "changed"
    shutil.copytree(text_title.folder, folder)
    for path in (folder / "text/s1").iterdir():
        path.write_text(path.read_text().replace("late", "soon"))
    [failed] = verify_package(folder_opener(folder), source_text=source_text).failed
    assert "'late'" in failed.found


def test_a_package_without_text_is_noted(title: titles.Title, source_text: dict[str, tuple[Cue, ...]]) -> None:
    report = verify_package(folder_opener(title.folder), source_text=source_text)
    assert report.failed == ()
    assert report.notes == ("the source has 2 text tracks, the package none",)
