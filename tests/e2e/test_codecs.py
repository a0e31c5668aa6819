"""HEVC and AV1 beside H.264 in one package: every frame of each decodes elsewhere, and AV1 plays in a browser."""

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

CLIP = clips.Clip(seconds=Fraction(6), fps=Fraction(25), width=640, height=360, keyframe_interval=70)

LADDER = """\
name: three codecs
segment_seconds: 2
video:
  - {id: l360, height: 360, max_bitrate: 800000, buffer: 1200000, preset: ultrafast}
  - {id: h360, height: 360, codec: hevc, max_bitrate: 540000, buffer: 810000, preset: ultrafast}
  - {id: h180, height: 180, codec: hevc, bits: 10, max_bitrate: 200000, buffer: 300000, preset: ultrafast}
  - {id: x180, height: 180, codec: av1, bits: 10, max_bitrate: 200000, buffer: 300000, preset: 10}
"""


def transcoded(folder: Path, ladder: str) -> Path:
    out = folder / "out"
    arguments = ["transcode", str(clips.cached(CLIP)), str(out), "--ladder", ladder]
    subprocess.run([sys.executable, "-m", "control_plane.cli.main", *arguments], check=True, timeout=240)
    return out


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "ladder.yaml").write_text(LADDER)
    return transcoded(folder, str(folder / "ladder.yaml"))


@pytest.fixture(scope="module")
def av1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_folder(transcoded(tmp_path_factory.mktemp("av1"), "av1")) as address:
        yield address


@pytest.mark.parametrize("rung", ["l360", "h360", "h180", "x180"])
def test_another_decoder_finds_every_frame_in_its_place(mixed: Path, rung: str) -> None:
    playlist = mixed / "hls" / f"{rung}.m3u8"
    assert ffmpeg.frame_numbers(playlist) == list(CLIP.frames)
    assert [frame.time for frame in ffmpeg.decode_frames(playlist)] == [n / CLIP.fps for n in CLIP.frames]


def test_each_codec_is_named_in_both_manifests(mixed: Path) -> None:
    names = {"l360": "avc1.", "h360": "hvc1.1.", "h180": "hvc1.2.", "x180": "av01.0.00M.10"}
    assert {Path(p).stem for p in hls.media_playlists(mixed / "hls" / "master.m3u8").video} == set(names)
    master, manifest = (mixed / "hls" / "master.m3u8").read_text(), (mixed / "dash" / "manifest.mpd").read_text()
    for name in names.values():
        assert f'CODECS="{name}' in master
        assert f'codecs="{name}' in manifest
    assert master.count("VIDEO-RANGE=SDR") >= len(names)


@pytest.mark.parametrize(("player", "manifest"), [("hls", "hls/master.m3u8"), ("shaka", "dash/manifest.mpd")])
async def test_av1_plays_in_a_browser(av1: str, player: PlayerName, manifest: str) -> None:
    async with play(f"{av1}/{manifest}", player=player, until=2.5) as playing:
        await playing.pause()
        state = await playing.state()
        picture = await playing.screenshot()
    assert not picture.is_black
    assert abs(picture.frame_number - state.current_time * 25) <= 2
    assert state.errors == ()
