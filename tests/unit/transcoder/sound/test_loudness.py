"""Loudness: what is reported is what another FFmpeg measures, and a target is met by one gain."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support import ffmpeg, sounds

from transcoder.results import Loudness
from transcoder.sound.loudness import LARGEST_GAIN, gain_for
from transcoder.sound.rungs import AudioRung, LoudnessRequest


def _speech(seconds: float, channels: int = 2) -> np.ndarray:
    """Low noise that rises and falls, with pauses, like words; codecs keep all of it."""
    random = np.random.default_rng(3)
    clock = np.arange(round(seconds * 48_000)) / 48_000
    envelope = 0.3 * np.abs(np.sin(2 * np.pi * clock / 3)) * (np.sin(2 * np.pi * clock / 1.7) > -0.6)
    noise = random.uniform(-1, 1, (channels, len(clock)))
    low = np.apply_along_axis(np.convolve, 1, noise, np.ones(24) / 24, mode="same")
    return (envelope * low).astype(np.float32)


def _measured(path: Path) -> tuple[float, float, float]:
    """Integrated loudness, range and true peak by FFmpeg's own meter."""
    command = [ffmpeg.REFERENCE, "-hide_banner", "-nostats", "-i", path, "-af", "ebur128=peak=true", "-f", "null", "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    summary = text[text.index("Summary") :]
    found = [re.search(rf"{name}:\s+(-?[\d.]+) {unit}", summary) for name, unit in
             (("I", "LUFS"), ("LRA", "LU"), ("Peak", "dBFS"))]  # fmt: skip
    return tuple(float(match[1]) for match in found if match)  # type: ignore[return-value]


def test_the_report_is_what_another_meter_says(tmp_path: Path) -> None:
    path = sounds.write(_speech(12), 48_000, tmp_path / "speech.mkv", "-c:a", "pcm_s16le")
    track = sounds.encode_track(path, tmp_path / "out", sounds.ladder(AudioRung(bitrate=256_000)))
    ours = track.loudness["a0"]
    integrated, span, peak = _measured(path)
    assert ours.integrated == pytest.approx(integrated, abs=0.1)
    assert ours.range == pytest.approx(span, abs=0.2)
    assert ours.true_peak == pytest.approx(peak, abs=0.2)
    assert ours.gain == 0


def test_a_target_is_met(tmp_path: Path) -> None:
    path = sounds.write(_speech(8, 6), 48_000, tmp_path / "speech.mkv", "-c:a", "pcm_s16le", layout="5.1")
    rungs = AudioRung(), AudioRung(id="all", channels="source"), AudioRung(id="opus", codec="opus")
    asked = LoudnessRequest(target=-23)
    track = sounds.encode_track(path, tmp_path / "out", sounds.ladder(*rungs, loudness=asked))
    assert track.loudness["a0"].gain != track.loudness["a0-all"].gain
    for name, file in track.files.items():
        assert track.loudness[name].integrated == pytest.approx(-23, abs=0.1)
        assert _measured(file)[0] == pytest.approx(-23, abs=0.3)


def test_the_peak_comes_before_the_target(tmp_path: Path) -> None:
    """A burst of full scale a second, and hardly anything between them."""
    path = sounds.write(sounds.clicking(5), 48_000, tmp_path / "clicks.mkv", "-c:a", "pcm_s16le")
    asked = LoudnessRequest(target=-8, true_peak=-2)
    track = sounds.encode_track(path, tmp_path / "out", sounds.ladder(loudness=asked))
    measured = track.loudness["a0"]
    assert measured.true_peak is not None
    assert measured.integrated is not None
    assert measured.true_peak == pytest.approx(-2, abs=0.1)
    assert measured.integrated < -8


def test_silence_has_no_loudness(tmp_path: Path) -> None:
    path = sounds.write(np.zeros((1, 96_000), np.float32), 48_000, tmp_path / "silence.mkv", "-c:a", "pcm_s16le")
    track = sounds.encode_track(path, tmp_path / "out", sounds.ladder(loudness=LoudnessRequest()))
    assert track.loudness["a0"] == Loudness(integrated=None, range=None, true_peak=None)


@pytest.mark.parametrize(
    ("integrated", "peak", "gain"),
    [(-30.0, -20.0, 7.0), (-18.5, -2.0, -4.5), (-23.0, -12.0, 0), (-28.0, -3.0, 2.0), (-60.0, -45.0, LARGEST_GAIN)],
)
def test_the_gain(integrated: float, peak: float, gain: float) -> None:
    measured = Loudness(integrated=integrated, range=1, true_peak=peak)
    assert gain_for(measured, LoudnessRequest()) == gain
    assert gain_for(measured, None) == 0
