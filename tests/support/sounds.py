"""Sounds with a known content, encoded by an FFmpeg that is not PyAV's: any codec, container, rate and layout.

And the other way round: all renditions of a sound's first track, made by the audio task's own code and joined to files
that other decoders read.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from support import clips, ffmpeg
from transcoder.ladder import Ladder, VideoRung
from transcoder.part import MadePart, make_audio_parts
from transcoder.plan import Plan, plan_title
from transcoder.probe import probe
from transcoder.results import Loudness, RenditionPart
from transcoder.sound.rungs import AudioRung, LoudnessRequest

__all__ = ["EncodedTrack", "clicking", "decode", "encode_track", "ladder", "tones", "write"]

RATE = 48_000


@dataclass(frozen=True)
class EncodedTrack:
    """The first track of a source: a joined file and the parts of each rendition, by id."""

    plan: Plan
    files: dict[str, Path]
    parts: dict[str, list[RenditionPart]]
    loudness: dict[str, Loudness]
    warnings: tuple[str, ...]


def clicking(seconds: float, rate: int = RATE, channels: int = 1) -> NDArray[np.float32]:
    """A loud burst of 5 ms on every whole second over a quiet tone, the same in each channel: (channels, samples)."""
    clock = np.arange(round(seconds * rate))
    tone = 0.02 * np.sin(2 * np.pi * 440 * clock / rate)
    burst = 0.7 * np.sin(2 * np.pi * 2000 * clock / rate)
    samples = np.where(clock % (rate // clips.CLICK_RATE) < rate // 200, burst, tone)
    return np.tile(samples.astype(np.float32), (channels, 1))


def tones(frequencies: list[int], seconds: float, amplitude: float = 0.1, rate: int = RATE) -> NDArray[np.float32]:
    """A tone in each channel: (channels, samples)."""
    clock = np.arange(round(seconds * rate)) / rate
    return np.stack([amplitude * np.sin(2 * np.pi * own * clock) for own in frequencies]).astype(np.float32)


def write(
    samples: NDArray[np.float32],
    rate: int,
    path: Path,
    *arguments: str,
    layout: str | None = None,
    exe: str = ffmpeg.REFERENCE,
) -> Path:
    """Encode samples of shape (channels, n) into `path`; `arguments` are FFmpeg's output options.

    `layout` is FFmpeg's name of the channels; without it they are its usual ones of that number.
    """
    shape = ["-ch_layout", layout] if layout else ["-ac", str(samples.shape[0])]
    command = [exe, "-hide_banner", "-nostdin", "-v", "error", "-y", "-f", "f32le", "-ar", str(rate), *shape, "-i", "-"]
    done = subprocess.run(
        [*command, *arguments, str(path)], input=samples.T.astype("<f4").tobytes(), capture_output=True, check=False
    )
    if done.returncode:
        raise AssertionError(f"ffmpeg could not write {path.name}: {done.stderr.decode(errors='replace')[-500:]}")
    return path


def decode(path: Path, *, exe: str = ffmpeg.REFERENCE) -> NDArray[np.float32]:
    """All samples of a file's first sound in its own channels, at 48 kHz: (channels, samples)."""
    [stream] = [one for one in ffmpeg.ffprobe_json(path)["streams"] if one["codec_type"] == "audio"][:1]
    output = ffmpeg.run(["-i", str(path), "-map", "0:a:0", "-ar", str(RATE), "-f", "f32le", "-"], exe=exe)
    return np.frombuffer(output, "<f4").reshape(-1, int(stream["channels"])).T


def ladder(*rungs: AudioRung, loudness: LoudnessRequest | None = None) -> Ladder:
    """A small ladder with these audio rungs, also for titles without a picture."""
    video = (VideoRung(id="v90", height=90, max_bitrate=200_000, buffer=300_000, preset="ultrafast"),)
    audio = rungs or (AudioRung(),)
    return Ladder(name="small", segment_seconds=1, video=video, audio=audio, audio_only=audio, loudness=loudness)


def encode_track(path: Path, folder: Path, asked: Ladder | None = None, *, track: int = 0) -> EncodedTrack:
    """All renditions of one track of a source."""
    with path.open("rb") as file:
        plan = plan_title(probe(file), asked or ladder(), slots=2)
        own = folder / "work"
        own.mkdir(parents=True)
        made = list(make_audio_parts(file, plan.audio[track], plan.chunks, own, origin=plan.origin))
    files, parts = dict[str, Path](), dict[str, list[RenditionPart]]()
    for part in (rendition for one in made for rendition in one.renditions):
        parts.setdefault(part.rendition, []).append(part)
    for name in parts:
        files[name] = folder / f"{name}.mp4"
        files[name].write_bytes(b"".join(_bytes(made, name)))
    return EncodedTrack(plan, files, parts, dict(made[-1].loudness), made[-1].warnings)


def _bytes(made: list[MadePart], name: str) -> list[bytes]:
    own = [(one, part) for one in made for part in one.renditions if part.rendition == name]
    segments = [one.files[f"{name}/{s.number}.m4s"].read_bytes() for one, part in own for s in part.segments]
    return [own[0][0].files[f"{name}/init.mp4"].read_bytes(), *segments]


def seconds(track: EncodedTrack, name: str) -> Fraction:
    """How long a rendition is."""
    return Fraction(
        sum(s.duration for part in track.parts[name] for s in part.segments), track.parts[name][0].timescale
    )
