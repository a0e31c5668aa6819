"""Subtitles in real players: each line is on the screen when its time has come, also after a jump, also while the
title grows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest
from support import clips, titles
from support.pages import serve_folder
from support.player import PlayerName, play
from support.subtitles import ACROSS, Track, clip_with_text, srt

from transcoder.packaging.package import DASH_MANIFEST, HLS_MANIFEST

CLIP = clips.Clip(seconds=Fraction(49, 10), fps=Fraction(20))
PLAYERS = [
    ("hls", HLS_MANIFEST),
    ("shaka", DASH_MANIFEST),
    pytest.param("shaka", HLS_MANIFEST, marks=pytest.mark.long),
    ("dash", DASH_MANIFEST),
]

GROWING = [("hls", HLS_MANIFEST), ("shaka", DASH_MANIFEST), ("dash", DASH_MANIFEST)]


@pytest.fixture(scope="module")
def title(tmp_path_factory: pytest.TempPathFactory) -> titles.Title:
    folder: Path = tmp_path_factory.mktemp("subtitles")
    tracks = [Track("a.srt", srt(ACROSS), "mov_text"), Track("b.srt", srt(ACROSS[-1:]), "mov_text", language="fre")]
    return titles.make_title(clip_with_text(CLIP, tracks, folder / "clip.mp4"), folder / "title")


@pytest.fixture(scope="module")
def origin(title: titles.Title) -> Iterator[str]:
    with serve_folder(title.folder) as address:
        yield address


@pytest.mark.parametrize(("player", "manifest"), PLAYERS)
async def test_lines_are_shown_in_time(origin: str, player: PlayerName, manifest: str) -> None:
    async with play(f"{origin}/{manifest}", player=player, timeout_seconds=30) as playing:
        await playing.first_frame()
        await playing.show_text(0)
        # Its cue lies in three segments and is shown once.
        across = await playing.until_text("a & b slanted")
        await playing.pause()
        now = (await playing.state()).current_time
        assert 0.4 <= across.current_time <= now < 2.6
        assert (await playing.text_shown()).count("a & b slanted") == 1
        await playing.seek(4.5)
        assert await playing.until_text("late")
        await playing.seek(0.3)
        await playing.until_text("first")
        assert "late" not in await playing.text_shown()
        assert await playing.errors() == ()


@pytest.mark.parametrize(("player", "manifest"), GROWING)
async def test_text_that_comes_while_the_title_grows(
    title: titles.Title, tmp_path: Path, player: PlayerName, manifest: str
) -> None:
    started = datetime.now(UTC)
    for name in ("cmaf", "text"):
        (tmp_path / name).symlink_to(title.folder / name)
    with serve_folder(tmp_path) as address:
        titles.publish(tmp_path, title.package(final=False, chunks=4), started)
        async with play(f"{address}/{manifest}", player=player, timeout_seconds=40) as playing:
            await playing.first_frame()
            await playing.show_text(0)
            await playing.until_text("a & b slanted")
            # Two seconds before what is there has been played: a player reloads once in a target duration.
            titles.publish(tmp_path, title.package(), started)
            await playing.until_text("late")
            assert await playing.errors() == ()


@pytest.mark.parametrize(
    ("player", "manifest"),
    [
        pytest.param("hls", HLS_MANIFEST, marks=pytest.mark.long),
        ("shaka", DASH_MANIFEST),
        pytest.param("dash", DASH_MANIFEST, marks=pytest.mark.long),
    ],
)
async def test_text_may_come_later_than_the_first_picture(
    title: titles.Title, tmp_path: Path, player: PlayerName, manifest: str
) -> None:
    started = datetime.now(UTC)
    for name in ("cmaf", "text"):
        (tmp_path / name).symlink_to(title.folder / name)
    with serve_folder(tmp_path) as address:
        titles.publish(tmp_path, title.package(final=False, chunks=3, text=False), started)
        async with play(f"{address}/{manifest}", player=player, timeout_seconds=40) as playing:
            await playing.first_frame()
            titles.publish(tmp_path, title.package(final=False, chunks=4), started)
            await playing.until(2.2)
            titles.publish(tmp_path, title.package(), started)
            await playing.until(4.8)
            assert await playing.errors() == ()
