"""Subtitles read from real containers, which another FFmpeg wrote: what is shown when is as it was written."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from support import clips, ffmpeg
from support.subtitles import ACROSS, Line, Track, clip_with_text, srt

from transcoder.ladder import BUILT_IN
from transcoder.media import TextStream
from transcoder.plan import plan_title
from transcoder.probe import probe
from transcoder.text.cues import Cue
from transcoder.text.reader import ReadTrack, read_cues
from transcoder.text.segments import segment_starts

CLIP = clips.Clip(seconds=Fraction(5), fps=Fraction(20), audio=False)
SHIFTED = clips.Clip(seconds=Fraction(5), fps=Fraction(20), audio_offset=Fraction(-1))
"""Its sound begins a second before its picture: the title starts when a second of the clip's clock has gone."""

ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, Bold, Italic, Underline, Alignment, Encoding
Style: Default,Arial,16,0,0,0,2,0
Style: Sign,Arial,16,0,-1,0,8,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:03.00,0:00:03.50,Sign,,0,0,0,,A sign, with a comma
Dialogue: 0,0:00:00.50,0:00:01.50,Default,Ann,0,0,0,,{\\b1}bold{\\b0} & plain\\Nnext
"""

WEBVTT = """WEBVTT

00:00.500 --> 00:01.500 line:0 align:left
<v Ann Other>Hello</v> &amp; good day
"""


def read(path: Path) -> tuple[tuple[TextStream, ...], dict[int, ReadTrack]]:
    with path.open("rb") as file:
        media = probe(file)
        plan = plan_title(media, BUILT_IN["h264"], slots=2)
        starts = segment_starts(plan.segments)
        return media.text, read_cues(file, plan.text, origin=plan.origin, length=plan.length, boundaries=starts)


@pytest.mark.parametrize(("suffix", "codec", "name"), [("mkv", "srt", "subrip"), ("mp4", "mov_text", "mov_text")])
def test_subrip_in_two_containers(tmp_path: Path, suffix: str, codec: str, name: str) -> None:
    track = Track("a.srt", srt([ACROSS[0], ACROSS[2], ACROSS[3]]), codec, language="ger", disposition="default+forced")
    [stream], found = read(clip_with_text(CLIP, [track], tmp_path / f"clip.{suffix}"))
    assert (stream.codec, stream.language, stream.default, stream.roles) == (name, "de", True, ("forced-subtitle",))
    assert found[0] == ReadTrack((Cue(200, 450, "first"), Cue(1200, 1400, "between"), Cue(4100, 4800, "late")))


def test_overlapping_lines_and_several_tracks(tmp_path: Path) -> None:
    tracks = [Track("a.srt", srt(ACROSS), "srt"), Track("b.ass", ASS, "ass", language="fre", disposition="comment")]
    streams, found = read(clip_with_text(CLIP, tracks, tmp_path / "clip.mkv"))
    assert [(stream.language, stream.roles) for stream in streams] == [("en", ()), ("fr", ("commentary",))]
    assert found[0].cues == tuple(Cue(line.start, line.end, line.text.replace("&", "&amp;")) for line in ACROSS)
    assert found[1].cues == (
        Cue(500, 1500, "<b>bold</b> &amp; plain\nnext"),
        Cue(3000, 3500, "<i>A sign, with a comma</i>", "line:0"),
    )


def test_webvtt_keeps_voices_and_places(tmp_path: Path) -> None:
    track = Track("a.vtt", WEBVTT, "copy")
    path = clip_with_text(CLIP, [track], tmp_path / "clip.webm", video=["-c:v", "libvpx", "-deadline", "realtime"])
    _, found = read(path)
    assert found[0].cues == (Cue(500, 1500, "<v Ann Other>Hello</v> &amp; good day", "line:0 align:left"),)


def test_a_stream_s_long_title_is_cut(tmp_path: Path) -> None:
    plain = clip_with_text(CLIP, [Track("a.srt", srt([Line(500, 900, "x")]), "srt")], tmp_path / "plain.mkv")
    path = tmp_path / "clip.mkv"
    ffmpeg.run(["-i", str(plain), "-map", "0", "-c", "copy", "-metadata:s:s:0", f"title={'t' * 1000}", str(path)])
    streams, _ = read(path)
    assert [stream.title for stream in streams] == ["t" * 256]


def test_the_title_starts_with_its_first_picture(tmp_path: Path) -> None:
    lines = [Line(500, 1500, "early"), Line(2000, 3000, "then"), Line(5500, 9000, "to the end"), Line(7000, 8000, "x")]
    _, found = read(clip_with_text(SHIFTED, [Track("a.srt", srt(lines), "srt")], tmp_path / "clip.mkv"))
    assert found[0].cues == (Cue(0, 500, "early"), Cue(1000, 2000, "then"), Cue(4500, 5000, "to the end"))


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    path = clip_with_text(CLIP, [Track("a.srt", srt([Line(500, 900, "caXXX olXX")]), "srt")], tmp_path / "clip.mkv")
    # Written over in place: FFmpeg itself would refuse to write it.
    path.write_bytes(path.read_bytes().replace(b"caXXX olXX", "caf\u00e9! ol\u00e9!".encode("cp1252")))
    _, found = read(path)
    assert found[0].cues == (Cue(500, 900, "café! olé!"),)


def test_damaged_text_is_left_out_and_reported(tmp_path: Path) -> None:
    lines = [Line(500, 900, "whole"), Line(1000, 1500, "x" * 70_000)]
    _, found = read(clip_with_text(CLIP, [Track("a.srt", srt(lines), "srt")], tmp_path / "clip.mkv"))
    assert [cue.payload for cue in found[0].cues] == ["whole"]
    assert found[0].warnings == ("text stream 1: 1 texts were left out: the track is larger than allowed",)
