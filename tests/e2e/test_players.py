"""What `framemill transcode` writes plays in real players, and every frame and click of it lies where it should."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from support import clips, ffmpeg, hls
from support.pages import serve_folder
from support.player import PlayerName, play

# Segments of 1, 1, 2, 4, 4 s: joins at 1, 2, 4 and 8 s, and two rungs.
CLIP = clips.Clip(seconds=Fraction(12), fps=Fraction(25), width=640, height=360, keyframe_interval=70)
JOIN_SECONDS = 4.0
LAST_SEGMENT_SECONDS = 10.0
AUDIO_FRAME = Fraction(1024, 48_000)

PLAYERS = [("hls", "hls/master.m3u8"), ("shaka", "dash/manifest.mpd"), ("dash", "dash/manifest.mpd")]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("transcode") / "out"
    subprocess.run(
        [sys.executable, "-m", "control_plane.cli.main", "transcode", str(clips.cached(CLIP)), str(out)],
        check=True,
        timeout=240,
    )
    return out


@pytest.fixture(scope="module")
def origin(package: Path) -> Iterator[str]:
    with serve_folder(package) as address:
        yield address


@pytest.mark.parametrize(("player", "manifest"), PLAYERS)
async def test_it_plays_past_a_join_and_seeks_into_the_last_segment(
    origin: str, player: PlayerName, manifest: str
) -> None:
    async with play(f"{origin}/{manifest}", player=player, until=JOIN_SECONDS + 0.5) as playing:
        before = await playing.state()
        await playing.seek(LAST_SEGMENT_SECONDS)
        await playing.pause()
        state = await playing.state()
        picture = await playing.screenshot()

    assert before.current_time > JOIN_SECONDS
    assert not picture.is_black
    assert abs(picture.frame_number - state.current_time * 25) <= 2
    assert state.errors == ()
    assert state.duration == pytest.approx(12, abs=1 / 25)


@pytest.mark.parametrize("rung", [0, 1])
def test_another_decoder_finds_every_frame_in_its_place_on_every_rung(package: Path, rung: int) -> None:
    playlist = hls.media_playlists(package / "hls" / "master.m3u8").video[rung]

    assert ffmpeg.frame_numbers(playlist) == list(CLIP.frames)
    assert [frame.time for frame in ffmpeg.decode_frames(playlist)] == [n / CLIP.fps for n in CLIP.frames]


def test_another_decoder_reads_the_same_pictures_through_dash(package: Path) -> None:
    playlists = hls.media_playlists(package / "hls" / "master.m3u8").video
    manifest = package / "dash" / "manifest.mpd"

    by_dash = {tuple(f.digest for f in ffmpeg.decode_frames(manifest, f"v:{n}")) for n in range(len(playlists))}

    assert by_dash == {tuple(frame.digest for frame in ffmpeg.decode_frames(playlist)) for playlist in playlists}


def test_the_clicks_stay_with_the_pictures(package: Path) -> None:
    playlist = hls.media_playlists(package / "hls" / "master.m3u8").audio[0]

    heard = ffmpeg.click_times(playlist)

    # The first 21 ms of a title fade in (docs/adr/0004), and with them the click at 0.
    assert [round(time) for time in heard] == list(range(1, 12))
    assert all(abs(time - round(time)) <= AUDIO_FRAME for time in heard)


@pytest.mark.parametrize("manifest", ["dash/manifest.mpd", pytest.param("hls/master.m3u8", marks=pytest.mark.long)])
async def test_fast_forward_has_keyframes(origin: str, manifest: str) -> None:
    async with play(f"{origin}/{manifest}", player="shaka", until=0.5) as playing:
        rungs = await playing.page.evaluate(
            "() => window.bench.player.getManifest().variants.map((own) => own.video.trickModeVideo?.originalId)"
        )
        await playing.page.evaluate("() => window.bench.player.trickPlay(4)")
        assert rungs
        assert {Path(rung or "").stem for rung in rungs} == {"trick"}
        await playing.until(LAST_SEGMENT_SECONDS)
        assert await playing.errors() == ()


@pytest.mark.parametrize("manifest", ["dash/manifest.mpd", pytest.param("hls/master.m3u8", marks=pytest.mark.long)])
async def test_a_seek_bar_gets_its_pictures(origin: str, manifest: str) -> None:
    async with play(f"{origin}/{manifest}", player="shaka", until=0.5) as playing:
        found = await playing.page.evaluate(
            """async () => {
              const { player } = window.bench;
              const [track] = player.getImageTracks();
              const picture = await player.getThumbnails(track.id, 5.2);
              return [picture.uris[0], picture.positionX, picture.positionY, picture.width, picture.height];
            }"""
        )
    # One picture every two seconds, five in a row: the third stands for what follows 4 s.
    assert found == [f"{origin}/thumbnails/sprite-1.jpg", 320, 0, 160, 90]
