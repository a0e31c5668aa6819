"""The player bench itself, on a package that FFmpeg made: a failure here is the bench's, not Framemill's."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from support import clips, ffmpeg
from support.pages import serve_folder
from support.player import PlaybackError, PlayerName, play

CLIP = clips.Clip(seconds=Fraction(8), fps=Fraction(25), keyframe_interval=50)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("package")
    ffmpeg.run(
        [
            "-i", str(clips.cached(CLIP)), "-c", "copy", "-seg_duration", "2", "-hls_playlist", "1",
            "-f", "dash", str(folder / "manifest.mpd"),
        ],
        exe=ffmpeg.STATIC,
    )  # fmt: skip
    with serve_folder(folder) as address:
        yield address


@pytest.mark.parametrize(
    ("player", "manifest"), [("hls", "master.m3u8"), ("shaka", "manifest.mpd"), ("dash", "manifest.mpd")]
)
async def test_a_player_plays_seeks_and_shows_the_frame_of_its_clock(
    origin: str, player: PlayerName, manifest: str
) -> None:
    async with play(f"{origin}/{manifest}", player=player, until=2.5) as playing:
        state = await playing.seek(7)
        await playing.pause()
        state = await playing.state()
        picture = await playing.screenshot()

    assert not picture.is_black
    assert abs(picture.frame_number - state.current_time * 25) <= 2
    assert state.errors == ()


@pytest.mark.parametrize(("player", "manifest"), [("hls", "none.m3u8"), ("shaka", "none.mpd"), ("dash", "none.mpd")])
async def test_a_stream_that_is_not_there_is_an_error(origin: str, player: PlayerName, manifest: str) -> None:
    with pytest.raises(PlaybackError, match="reported"):
        async with play(f"{origin}/{manifest}", player=player, until=1):
            pass
