"""A title without a picture, in Opus: players play it past its joins."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support import sounds
from support.pages import serve_folder
from support.player import PlayerName, play

LADDER = {
    "name": "opus",
    "segment_seconds": 2,
    "video": [{"id": "v240", "height": 240, "max_bitrate": 400_000, "buffer": 600_000}],
    "audio_only": [
        {"id": "opus", "codec": "opus", "bitrate": 96_000},
        {"id": "low", "codec": "opus", "bitrate": 32_000},
        {"id": "surround", "codec": "opus", "channels": "source"},
    ],
}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sound")
    source = sounds.write(sounds.clicking(7.5, channels=6), 48_000, folder / "source.mka", "-c:a", "flac", layout="5.1")
    ladder, out = folder / "ladder.json", folder / "out"
    ladder.write_text(json.dumps(LADDER))
    command = [sys.executable, "-m", "control_plane.cli.main", "transcode", str(source), str(out), "--ladder"]
    subprocess.run([*command, str(ladder)], check=True, timeout=240)
    with serve_folder(out) as address:
        yield address


@pytest.mark.parametrize(("player", "manifest"), [("hls", "hls/master.m3u8"), ("dash", "dash/manifest.mpd")])
async def test_sound_alone_plays_past_its_joins(origin: str, player: PlayerName, manifest: str) -> None:
    async with play(f"{origin}/{manifest}", player=player, until=4.5) as playing:
        state = await playing.state()
    assert state.errors == ()
    assert state.current_time > 4
    assert state.duration == pytest.approx(7.5, abs=0.05)
