"""WebVTT files: another reader finds the same cues, and a damaged file is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import ffmpeg

from transcoder.errors import VerificationError
from transcoder.text.cues import Cue
from transcoder.text.webvtt import read_webvtt, write_webvtt

CUES = (
    Cue(0, 1500, "one"),
    Cue(1400, 3_600_000, "two <i>lines</i>\n&amp; more", "line:0 align:left"),
    Cue(360_000_000, 360_000_001, "späť &lt;"),
)


def test_what_was_written_is_read() -> None:
    data = write_webvtt(CUES)
    assert data.startswith(b"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n00:00:00.000 --> 00:00:01.500\n")
    assert read_webvtt(data) == CUES
    assert read_webvtt(write_webvtt(())) == ()


def test_ffmpeg_finds_the_same_cues(tmp_path: Path) -> None:
    path = tmp_path / "all.vtt"
    path.write_bytes(write_webvtt(CUES[:2]))
    text = ffmpeg.run(["-i", str(path), "-f", "webvtt", "-"]).decode()
    assert "00:00.000 --> 00:01.500\none\n" in text
    assert "00:01.400 --> 01:00:00.000\ntwo <i>lines</i>\n& more" in text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"WEBVTTX\n\n",
        b"WEBVTT\n00:00:00.000 --> 00:00:01.000\nx\n",
        b"WEBVTT\n\n00:00:02.000 --> 00:00:01.000\nx\n",
        b"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n",
        b"WEBVTT\n\n00:00:00.000 --> 00:61:01.000\nx\n",
        b"WEBVTT\n\nno times\n",
        b"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nx --> y\n",
    ],
)
def test_a_damaged_file(data: bytes) -> None:
    with pytest.raises(VerificationError):
        read_webvtt(data)
