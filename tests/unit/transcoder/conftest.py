"""Titles that several tests read; a test that damages one works on a copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support import titles
from support.subtitles import ACROSS, Track, clip_with_text, srt


@pytest.fixture(scope="session")
def title(tmp_path_factory: pytest.TempPathFactory) -> titles.Title:
    """A finished title at a constant rate with sound."""
    return titles.make_title(titles.SHORT, tmp_path_factory.mktemp("title"))


@pytest.fixture(scope="session")
def variable_title(tmp_path_factory: pytest.TempPathFactory) -> titles.Title:
    """A finished title at a variable rate without sound."""
    return titles.make_title(titles.VARIABLE, tmp_path_factory.mktemp("variable"))


@pytest.fixture(scope="session")
def text_title(tmp_path_factory: pytest.TempPathFactory) -> titles.Title:
    """A finished title with two tracks of subtitles: one of them captions, one forced."""
    folder: Path = tmp_path_factory.mktemp("text")
    tracks = [
        Track("a.srt", srt(ACROSS), "srt", disposition="default+hearing_impaired"),
        Track("b.srt", srt(ACROSS[-1:]), "srt", language="fre", disposition="forced"),
    ]
    return titles.make_title(clip_with_text(titles.SHORT, tracks, folder / "clip.mkv"), folder / "title")


@pytest.fixture
def damaged(title: titles.Title, tmp_path: Path) -> Callable[[], Path]:
    """Makes a copy of the title's folder that a test may damage."""

    def copy() -> Path:
        folder = tmp_path / "damaged"
        shutil.copytree(title.folder, folder)
        return folder

    return copy
