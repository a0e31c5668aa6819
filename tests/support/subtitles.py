"""Subtitles with a known content, put into clips by an FFmpeg that is not the one under test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from support import clips, ffmpeg

__all__ = ["ACROSS", "Line", "Track", "clip_with_text", "srt"]


class Line(NamedTuple):
    """A text and when it is shown, in milliseconds of the clip's clock."""

    start: int
    end: int
    text: str


ACROSS = (
    Line(200, 450, "first"),
    Line(400, 2600, "a & b <i>slanted</i>"),
    Line(1200, 1400, "between"),
    Line(4100, 4800, "late"),
)
"""For titles of five seconds in segments of 0.5, 0.5, 1 and 2 s: inside segments, across boundaries, overlapping."""


@dataclass(frozen=True)
class Track:
    """A file of subtitles, and how it is put into a container."""

    name: str
    content: str | bytes
    codec: str
    language: str = "eng"
    disposition: str = "0"


def srt(lines: Sequence[Line]) -> str:
    """The lines as SubRip."""
    return "\n".join(
        f"{number}\n{_stamp(line.start)} --> {_stamp(line.end)}\n{line.text}\n" for number, line in enumerate(lines, 1)
    )


def clip_with_text(clip: clips.Clip, tracks: Sequence[Track], path: Path, *, video: Sequence[str] = ()) -> Path:
    """A clip's streams and the tracks, in a container by the suffix of `path`. `video` replaces the stream copy."""
    arguments = ["-y", "-i", str(clips.cached(clip))]
    for number, track in enumerate(tracks):
        file = path.parent / f"{number}-{track.name}"
        file.write_bytes(track.content.encode() if isinstance(track.content, str) else track.content)
        arguments += ["-i", str(file)]
    arguments += ["-map", "0", *(part for n in range(len(tracks)) for part in ("-map", f"{n + 1}"))]
    arguments += ["-c", "copy", *video]
    for number, track in enumerate(tracks):
        arguments += [
            f"-c:s:{number}", track.codec, f"-metadata:s:s:{number}", f"language={track.language}",
            f"-disposition:s:{number}", track.disposition,
        ]  # fmt: skip
    ffmpeg.run([*arguments, str(path)])
    return path


def _stamp(time: int) -> str:
    return f"{time // 3_600_000:02d}:{time // 60_000 % 60:02d}:{time // 1000 % 60:02d},{time % 1000:03d}"
