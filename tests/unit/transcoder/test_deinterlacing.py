"""Interlaced pictures: what FFmpeg makes of the whole source, frame by frame, wherever the cuts are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Literal

import pytest
from support import ffmpeg
from support.recording import LADDER, record_title

from transcoder.ladder import Deinterlacing, FrameRate
from transcoder.probe import probe


def digests(source: Path, deinterlace: Deinterlacing, *, frame_rate: FrameRate = "source", slots: int = 4) -> list[str]:
    """The pictures of all chunks of a source, as they reach the encoders."""
    ladder = LADDER.model_copy(update={"deinterlace": deinterlace, "frame_rate": frame_rate})
    with source.open("rb") as file:
        plan, _, pictures = record_title(file, probe(file), ladder, slots=slots)
    assert len(plan.chunks) > 4
    return [picture.digest for picture in pictures]


def interlaced(path: Path, order: Literal["tff", "bff"], *codec: str) -> Path:
    """Two fields of different moments in every picture; B-pictures and long GOPs, so that cuts are inside of them."""
    first, setting = {"tff": ("interleave_top", "tff"), "bff": ("interleave_bottom", "bff")}[order]
    ffmpeg.run(
        [
            "-f", "lavfi", "-i", "testsrc2=size=192x144:rate=50:duration=4",
            "-vf", f"tinterlace=mode={first}:flags=vlpf,setfield={setting},format=yuv420p", *codec, str(path),
        ]
    )  # fmt: skip
    return path


SOURCES = {
    "MPEG-2 in a transport stream": (
        "m.ts", "tff", ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-bf", "2", "-g", "15", "-q:v", "3"),
    ),
    "H.264": ("m.mp4", "bff", ("-c:v", "libx264", "-x264-params", "bff=1:keyint=40", "-preset", "veryfast")),
    "one frame a GOP": ("m.avi", "tff", ("-c:v", "mpeg4", "-flags", "+ildct+ilme", "-g", "1", "-q:v", "3")),
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_chunks_are_deinterlaced_as_the_whole(name: str, tmp_path: Path) -> None:
    file, order, codec = SOURCES[name]
    source = interlaced(tmp_path / file, order, *codec)
    # The build of the same version: FFmpeg 9 makes another first picture of a source.
    expected = ffmpeg.decode_frames(
        source, filters=f"bwdif=mode=send_frame:parity={order}:deint=all", exe=ffmpeg.STATIC
    )
    assert digests(source, "always") == [frame.digest for frame in expected]


def test_never_means_never(tmp_path: Path) -> None:
    file, order, codec = SOURCES["H.264"]
    source = interlaced(tmp_path / file, order, *codec)
    assert digests(source, "never") == [frame.digest for frame in ffmpeg.decode_frames(source)]


def test_a_constant_rate_repeats_deinterlaced_pictures(tmp_path: Path) -> None:
    """Picture n is the last whose time is not after n / 30, wherever the cuts are: and it knows its own neighbours."""
    file, order, codec = SOURCES["H.264"]
    source = interlaced(tmp_path / file, order, *codec)
    once = digests(source, "always")
    # The nearest place to k / 25 at 30 pictures a second is the whole number nearest to 1.2 k.
    places = [int(Fraction(6 * number, 5) + Fraction(1, 2)) for number in range(len(once))]
    shown = [sum(place <= number for place in places) - 1 for number in range(120)]
    assert digests(source, "always", frame_rate=Fraction(30)) == [once[number] for number in shown]
