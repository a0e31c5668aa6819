"""Sound from the command line to decoders that are not ours: without a picture, and every rendition there is."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import m3u8
import pytest
from support import ffmpeg, sounds

from control_plane.cli.main import main

LADDER = {
    "name": "sound",
    "segment_seconds": 2,
    "video": [{"id": "v90", "height": 90, "max_bitrate": 200_000, "buffer": 300_000, "preset": "ultrafast"}],
    "audio": [
        {"id": "aac"},
        {"id": "opus", "codec": "opus", "bitrate": 96_000},
        {"id": "surround", "channels": "source"},
        {"id": "dolby", "codec": "passthrough"},
    ],
    "loudness": {"target": -20, "true_peak": -3},
}


def test_every_rendition_of_two_tracks_encrypted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """English in E-AC-3 5.1 and a German description of the picture, in all that a ladder can make of them."""
    surround = sounds.write(sounds.clicking(4.3, channels=6), 48_000, tmp_path / "en.mka", "-c:a", "eac3")
    mono = sounds.write(sounds.clicking(4.3), 48_000, tmp_path / "de.mka", "-c:a", "libopus")
    source, out, ladder = tmp_path / "source.mkv", tmp_path / "out", tmp_path / "ladder.json"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=4"]
    tags = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-disposition:a:1", "visual_impaired"]
    maps = ["-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "copy"]
    ffmpeg.run([*picture, "-i", str(surround), "-i", str(mono), *maps, *tags, str(source)])
    ladder.write_text(json.dumps(LADDER))
    command = ["transcode", str(source), str(out), "--ladder", str(ladder), "--drm", "clearkey", "--drm-scheme", "cenc"]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    sound = {own["id"]: own for own in report["renditions"] if own["kind"] == "audio"}
    assert {(name, own["codecs"], own["channels"], own["language"]) for name, own in sound.items()} == {
        ("a0", "mp4a.40.2", 2, "en"), ("a0-opus", "opus", 2, "en"), ("a0-surround", "mp4a.40.2", 6, "en"),
        ("a0-dolby", "ec-3", 6, "en"), ("a1", "mp4a.40.2", 1, "de"), ("a1-opus", "opus", 1, "de"),
    }  # fmt: skip
    for name, own in sound.items():
        loudness = own["loudness"]
        if name == "a0-dolby":
            assert loudness["gainDb"] == 0
        else:  # the target, or as near to it as the clicks' peaks allow
            met = loudness["integratedLufs"] == pytest.approx(-20, abs=0.1)
            assert met or loudness["truePeakDbtp"] == pytest.approx(-3, abs=0.15)
    assert main(["verify", str(out), "--source", str(source), "--keys", f"{out}.keys.json"]) == 0
    master = m3u8.loads((out / "hls/master.m3u8").read_text())
    described = {(own.language, own.characteristics) for own in master.media}
    assert described == {("en", None), ("de", "public.accessibility.describes-video")}


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
