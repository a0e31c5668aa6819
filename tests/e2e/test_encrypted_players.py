"""An encrypted package plays in real players with its licence, across joins and keys, and shows nothing without."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import pytest
from support import clips
from support.pages import serve_folder
from support.player import PlaybackError, PlayerName, play

from transcoder.packaging.drm import Scheme

# Segments of 1, 1, 2, 4 s: joins at 1, 2 and 4 s; rungs of two key classes, HD and SD.
CLIP = clips.Clip(seconds=Fraction(8), fps=Fraction(25), width=1280, height=720, keyframe_interval=70)
JOIN_SECONDS = 4.0
LADDER = {
    "name": "two-classes",
    "video": [
        {"id": "v720", "height": 720, "preset": "ultrafast", "max_bitrate": 3_000_000, "buffer": 4_500_000},
        {"id": "v240", "height": 240, "preset": "ultrafast", "max_bitrate": 400_000, "buffer": 600_000},
    ],
}
PLAYERS = [("hls", "hls/master.m3u8"), ("shaka", "dash/manifest.mpd"), ("dash", "dash/manifest.mpd")]

Served = Callable[[Scheme], tuple[str, bytes]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Gives the origin of an encrypted package, and the licence to it."""
    made: dict[Scheme, tuple[str, bytes]] = {}
    with ExitStack() as stack:

        def get(scheme: Scheme) -> tuple[str, bytes]:
            if scheme not in made:
                folder: Path = tmp_path_factory.mktemp(scheme)
                (folder / "ladder.json").write_text(json.dumps(LADDER))
                subprocess.run(
                    [
                        sys.executable, "-m", "control_plane.cli.main", "transcode", str(clips.cached(CLIP)),
                        str(folder / "out"), "--drm", "clearkey", "--drm-scheme", scheme,
                        "--ladder", str(folder / "ladder.json"),
                    ],
                    check=True,
                    timeout=240,
                )  # fmt: skip
                origin = stack.enter_context(serve_folder(folder / "out"))
                made[scheme] = origin, (folder / "out.keys.json").read_bytes()
            return made[scheme]

        yield get


@pytest.mark.parametrize("scheme", ["cbcs", "cenc"])
@pytest.mark.parametrize(("player", "manifest"), PLAYERS)
async def test_it_plays_past_a_join_with_its_licence(
    served: Served, scheme: Scheme, player: PlayerName, manifest: str
) -> None:
    origin, licence = served(scheme)
    async with play(f"{origin}/{manifest}", player=player, until=JOIN_SECONDS + 0.5, licence=licence) as playing:
        await playing.pause()
        state = await playing.state()
        picture = await playing.screenshot()

    assert not picture.is_black
    assert abs(picture.frame_number - state.current_time * 25) <= 2
    assert state.errors == ()


@pytest.mark.parametrize("scheme", ["cbcs", "cenc"])
@pytest.mark.parametrize(("player", "manifest"), PLAYERS)
async def test_a_wrong_licence_shows_no_picture(
    served: Served, scheme: Scheme, player: PlayerName, manifest: str
) -> None:
    origin, licence = served(scheme)
    document = json.loads(licence)
    wrong = json.dumps({**document, "keys": [{**key, "k": "A" * 22} for key in document["keys"]]}).encode()
    async with play(f"{origin}/{manifest}", player=player, licence=wrong) as playing:
        with pytest.raises(PlaybackError, match="reported"):
            await playing.until(JOIN_SECONDS)
        assert (await playing.state()).frames_shown == 0
