"""The downmix: the coefficients of ITU-R BS.775-3, written down here by hand, and heard in what is encoded."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from support import sounds

from transcoder.sound.channels import channel_names, folds, kept_layout, mix
from transcoder.sound.rungs import AudioRung

C = sqrt(0.5)

STEREO = {
    # Each channel's share in left and right.
    "mono": ([C], [C]),
    "stereo": ([1, 0], [0, 1]),
    "2.1": ([1, 0, 0], [0, 1, 0]),
    "3.0": ([1, 0, C], [0, 1, C]),
    "4.0": ([1, 0, C, 0.5], [0, 1, C, 0.5]),
    "quad": ([1, 0, C, 0], [0, 1, 0, C]),
    "5.0": ([1, 0, C, C, 0], [0, 1, C, 0, C]),
    "5.1": ([1, 0, C, 0, C, 0], [0, 1, C, 0, 0, C]),
    "5.1(side)": ([1, 0, C, 0, C, 0], [0, 1, C, 0, 0, C]),
    "6.1": ([1, 0, C, 0, 0.5, C, 0], [0, 1, C, 0, 0.5, 0, C]),
    "7.1": ([1, 0, C, 0, C, 0, C, 0], [0, 1, C, 0, 0, C, 0, C]),
    "7.1(wide)": ([1, 0, C, 0, C, 0, C, 0], [0, 1, C, 0, 0, C, 0, C]),
}


@pytest.mark.parametrize("layout", STEREO)
def test_stereo(layout: str) -> None:
    assert np.allclose(mix(channel_names(layout), "stereo"), STEREO[layout], atol=1e-6)
    assert folds(channel_names(layout), "stereo") == (layout not in {"mono", "stereo", "2.1"})


def test_mono() -> None:
    assert np.allclose(mix(channel_names("5.1"), "mono"), [[C, C, 1, 0, 0.5, 0.5]], atol=1e-6)
    assert np.allclose(mix(channel_names("stereo"), "mono"), [[C, C]], atol=1e-6)


@pytest.mark.parametrize("target", ["mono", "stereo", "3.0", "quad", "5.1", "6.1", "7.1"])
@pytest.mark.parametrize("layout", [*STEREO, "octagonal", "hexadecagonal", "22.2", "5.1.4", "ambisonic 1", "downmix"])
def test_every_full_channel_is_heard_somewhere(layout: str, target: str) -> None:
    names = channel_names(layout)
    heard = np.abs(mix(names, target)).sum(axis=0)
    unheard = {name for name, share in zip(names, heard, strict=True) if share == 0}
    assert unheard <= {"LFE", "LFE2", "AMBI1", "AMBI2", "AMBI3"}
    assert heard.max() <= sqrt(2) + 1e-6


@pytest.mark.parametrize(
    ("layout", "aac", "opus"),
    [
        ("mono", None, None), ("stereo", None, None), ("2.1", None, None), ("3.0", "3.0", "3.0"),
        ("4.0", "4.0", "6.1"), ("quad", "5.0", "quad"), ("5.0", "5.0", "5.0"), ("5.1", "5.1", "5.1"),
        ("5.1(side)", "5.1", "5.1"), ("6.1", "5.1", "6.1"), ("7.1", "7.1", "7.1"), ("7.1(wide)", "5.1", "5.1"),
        ("22.2", "7.1", "7.1"), ("16 channels", None, None),
    ],
)  # fmt: skip
def test_the_layout_that_keeps_most(layout: str, aac: str | None, opus: str | None) -> None:
    names = channel_names(layout)
    assert (kept_layout("aac", names), kept_layout("opus", names)) == (aac, opus)


def test_channels_without_a_name_are_the_usual_ones() -> None:
    assert channel_names("6 channels") == channel_names("5.1")
    assert channel_names("1 channels") == ("FC",)
    sixteen = channel_names("16 channels")
    assert np.array_equal(mix(sixteen, "stereo"), np.eye(2, 16))


def _amplitudes(samples: np.ndarray, frequencies: list[int]) -> np.ndarray:
    """How loud each frequency is in each channel: (channels, frequencies)."""
    middle = samples[:, 48_000:96_000]
    clock = np.arange(48_000) / 48_000
    waves = np.exp(-2j * np.pi * np.outer(frequencies, clock))
    return np.abs(middle @ waves.T) * 2 / 48_000


@pytest.mark.parametrize(("layout", "kept"), [("5.1(side)", "a0-all"), ("7.1", "a0-all")])
def test_a_tone_in_each_channel_comes_out_by_its_coefficient(layout: str, kept: str, tmp_path: Path) -> None:
    frequencies = [300, 500, 700, 90, 1100, 1300, 1700, 1900][: len(channel_names(layout))]
    tones = sounds.tones(frequencies, 3, 0.1)
    path = sounds.write(tones, 48_000, tmp_path / "tones.mkv", "-c:a", "pcm_f32le", layout=layout)
    rungs = AudioRung(bitrate=256_000), AudioRung(id="all", channels="source", bitrate=256_000)
    track = sounds.encode_track(path, tmp_path / "out", sounds.ladder(*rungs))
    expected = 0.1 * np.array(STEREO[layout])
    assert _amplitudes(sounds.decode(track.files["a0"]), frequencies) == pytest.approx(expected, abs=0.003)
    same = _amplitudes(sounds.decode(track.files[kept]), frequencies)
    assert same == pytest.approx(0.1 * np.eye(len(frequencies)), abs=0.005)


def test_loud_channels_do_not_clip_and_soft_ones_stay_as_they_are(tmp_path: Path) -> None:
    """Full scale in all channels for one second, a usual level before and after it."""
    soft = sounds.tones([500] * 6, 3, 0.1)
    loud = soft.copy()
    loud[:, 48_000:96_000] *= 9.9
    path = sounds.write(loud, 48_000, tmp_path / "loud.mkv", "-c:a", "pcm_f32le", layout="5.1")
    track = sounds.encode_track(path, tmp_path / "out", sounds.ladder(AudioRung(bitrate=256_000)))
    samples = sounds.decode(track.files["a0"])
    assert np.abs(samples).max() < 1
    expected = (1 + 2 * C) * soft[:2]
    for part in (slice(4_800, 43_200), slice(110_000, 139_000)):
        assert np.abs(samples[:, part] - expected[:, part]).max() < 0.01
    assert track.loudness["a0"].true_peak == pytest.approx(-1, abs=0.2)
