"""Sounds with a known content, encoded by an FFmpeg that is not PyAV's: any codec, container, rate and layout."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from support import clips, ffmpeg

__all__ = ["clicking", "write"]


def clicking(seconds: float, rate: int = 48_000, channels: int = 1) -> NDArray[np.float32]:
    """A loud burst of 5 ms on every whole second over a quiet tone, the same in each channel: (channels, samples)."""
    clock = np.arange(round(seconds * rate))
    tone = 0.02 * np.sin(2 * np.pi * 440 * clock / rate)
    burst = 0.7 * np.sin(2 * np.pi * 2000 * clock / rate)
    samples = np.where(clock % (rate // clips.CLICK_RATE) < rate // 200, burst, tone)
    return np.tile(samples.astype(np.float32), (channels, 1))


def write(
    samples: NDArray[np.float32],
    rate: int,
    path: Path,
    *arguments: str,
    layout: str | None = None,
    exe: str = ffmpeg.REFERENCE,
) -> Path:
    """Encode samples of shape (channels, n) into `path`; `arguments` are FFmpeg's output options.

    `layout` is FFmpeg's name of the channels; without it they have none but their number's usual one.
    """
    shape = ["-ch_layout", layout] if layout else ["-ac", str(samples.shape[0])]
    command = [exe, "-hide_banner", "-nostdin", "-v", "error", "-y", "-f", "f32le", "-ar", str(rate), *shape, "-i", "-"]
    done = subprocess.run(
        [*command, *arguments, str(path)], input=samples.T.astype("<f4").tobytes(), capture_output=True, check=False
    )
    if done.returncode:
        raise AssertionError(f"ffmpeg could not write {path.name}: {done.stderr.decode(errors='replace')[-500:]}")
    return path
