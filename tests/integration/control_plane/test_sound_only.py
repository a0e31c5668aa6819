"""A source without a picture, from the command line to decoders that are not ours."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import m3u8
import pytest
from support import ffmpeg, sounds

from control_plane.cli.main import main


def test_sound_alone_becomes_a_title(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "source.m4a", tmp_path / "out"
    sounds.write(sounds.clicking(5.3, 44_100, 2), 44_100, source, "-c:a", "aac", "-b:a", "128k")
    assert main(["transcode", str(source), str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["source"]["video"] is None
    assert not (out / "thumbnails").exists()
    master = m3u8.loads((out / "hls/master.m3u8").read_text())
    assert all(variant.stream_info.resolution is None for variant in master.playlists)
    for name in ("hls/a0.m3u8", "dash/manifest.mpd"):
        samples = ffmpeg.audio_samples(out / name)
        assert 0 <= samples - round(5.3 * 48_000) < 2 * 1024
        clicks = ffmpeg.click_times(out / name)
        assert [round(time) for time in clicks[-5:]] == [1, 2, 3, 4, 5]
        assert all(abs(time - round(time)) <= Fraction(1, 1000) for time in clicks[-5:])
    assert main(["verify", str(out), "--source", str(source)]) == 0
    assert main(["verify", str(out)]) == 0
