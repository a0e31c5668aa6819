"""Players on a title that grows under them: they start at 0 by themselves, and go on into what is new to the end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support import titles
from support.pages import serve_folder
from support.player import PlayerName, play

from transcoder.packaging.package import DASH_MANIFEST, HLS_MANIFEST


@pytest.fixture(scope="module")
def title(tmp_path_factory: pytest.TempPathFactory) -> titles.Title:
    return titles.make_title(titles.SHORT, tmp_path_factory.mktemp("title"))


@pytest.fixture(scope="module")
def started() -> datetime:
    """When the titles were first published: dash.js goes by the clock."""
    return datetime.now(UTC)


@pytest.fixture
def growing(title: titles.Title, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder over the title's segments whose manifests a test writes, and its origin."""
    (tmp_path / "cmaf").symlink_to(title.folder / "cmaf")
    with serve_folder(tmp_path) as origin:
        yield tmp_path, origin


def _publish(folder: Path, title: titles.Title, chunks: int, now: datetime, *, final: bool = False) -> None:
    titles.publish(folder, title.package(final=final, chunks=chunks), now)


@pytest.mark.parametrize(
    ("player", "manifest"), [("hls", HLS_MANIFEST), ("shaka", DASH_MANIFEST), ("dash", DASH_MANIFEST)]
)
async def test_a_player_follows_a_growing_title(
    title: titles.Title, growing: tuple[Path, str], started: datetime, player: PlayerName, manifest: str
) -> None:
    folder, origin = growing
    _publish(folder, title, 3, started)
    async with play(f"{origin}/{manifest}", player=player, timeout_seconds=40) as playing:
        first = await playing.first_frame()
        assert first.current_time < 1
        await playing.until(1.2)
        _publish(folder, title, 4, started)
        await playing.until(3)
        _publish(folder, title, 5, started, final=True)
        await playing.until(4.8)
        await playing.seek(0.3)
        await playing.pause()
        state, picture = await playing.state(), await playing.screenshot()
    assert state.errors == ()
    assert abs(picture.frame_number - state.current_time * 20) <= 2
